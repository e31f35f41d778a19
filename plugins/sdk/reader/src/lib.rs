//! Exports a connector that has neither deliveries nor overviews, as world `reader`.
//!
//! A crate of its own, beside `sluice-sdk`, because two worlds in one crate would define the same macros.
//! The connector is written with `sluice-sdk` all the same; only the last line differs:
//!
//! ```text
//! sluice_sdk_reader::export_reader!(Acme);
//! ```

pub mod bindings;

use std::marker::PhantomData;

use bindings::exports::sluice::crm_connector as wit;

/// Exports a [`Connector`](sluice_sdk::Connector) as world `reader`. Does nothing on a native target.
#[macro_export]
macro_rules! export_reader {
    ($connector:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, missing_docs)]
        const _: () = {
            type Component = $crate::Reader<$connector>;
    $crate::bindings::export_world!(Component with_types_in $crate::bindings);
        };
    };
}

/// Carries world `reader` for a connector.
pub struct Reader<T>(PhantomData<T>);

sluice_sdk::carry_reader!(Reader, wit);

//! Exports a connector that has deliveries and no overviews: a CRM that sends what changes, and has no lists of
//! people.
//!
//! A crate of its own, beside `sluice-sdk`, because two worlds in one crate would define the same macros.
//! The connector is written with `sluice-sdk` all the same; only the last line differs:
//!
//! ```text
//! sluice_sdk_sender::export_sender!(Acme);
//! ```

pub mod bindings;

use std::marker::PhantomData;

use bindings::exports::sluice::crm_connector as wit;
use sluice_sdk::export::open;
use sluice_sdk::{Change, Deliveries, Delivery, Error, Proof, Sharers};

/// Exports a [`Connector`](sluice_sdk::Connector) that is also [`Deliveries`]. Does nothing on a native target.
#[macro_export]
macro_rules! export_sender {
    ($connector:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, missing_docs)]
        const _: () = {
            type Component = $crate::Sender<$connector>;
    $crate::bindings::export_world!(Component with_types_in $crate::bindings);
        };
    };
}

/// Carries world `sender` for a connector.
pub struct Sender<T>(PhantomData<T>);

sluice_sdk::carry_reader!(Sender, wit);

impl<T: Deliveries> wit::deliveries::Guest for Sender<T> {
    fn verify(delivery: wit::deliveries::Delivery) -> Result<wit::deliveries::Proof, Error> {
        let Proof { id, sent_at } = T::verify(&of_sdk(delivery))?;
        Ok(wit::deliveries::Proof { id, sent_at })
    }

    fn receive(delivery: wit::deliveries::Delivery) -> Result<Vec<Change>, Error> {
        open::<T>()?.receive(&of_sdk(delivery))
    }

    fn subscribe(url: String) -> Result<String, Error> {
        open::<T>()?.subscribe(&url)
    }

    fn unsubscribe(id: String) -> Result<(), Error> {
        open::<T>()?.unsubscribe(&id)
    }
}

impl<T: Deliveries> wit::related::Guest for Sender<T> {
    fn contacts_of(
        subject: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<wit::related::Sharers, Error> {
        let Sharers { contacts, next } = open::<T>()?.contacts_of(&subject, after.as_deref(), limit)?;
        Ok(wit::related::Sharers { contacts, next })
    }
}

fn of_sdk(delivery: wit::deliveries::Delivery) -> Delivery {
    let wit::deliveries::Delivery { headers, query, body } = delivery;
    Delivery { headers, query, body }
}

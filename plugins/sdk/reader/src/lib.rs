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
use sluice_sdk::export::open;
use sluice_sdk::{Connector, ConsentInfo, Contact, Error, FieldInfo, FieldType, Page};

/// Exports a [`Connector`] as world `reader`. Does nothing on a native target.
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

impl<T: Connector> wit::connector::Guest for Reader<T> {
    fn describe() -> wit::connector::Description {
        let is = T::describe();
        wit::connector::Description {
            id: is.id,
            name: is.name,
            version: is.version,
            settings_schema: is.settings_schema,
            origins: is.origins,
            id_field: is.id_field,
            email_field: is.email_field,
            mobile_field: is.mobile_field,
            rate_limit: is.rate_limit,
            features: is.features,
        }
    }

    fn check() -> Result<Vec<String>, Error> {
        open::<T>()?.check()
    }
}

impl<T: Connector> wit::contacts::Guest for Reader<T> {
    fn list_fields() -> Result<Vec<wit::contacts::FieldInfo>, Error> {
        Ok(open::<T>()?.list_fields()?.into_iter().map(of_reader).collect())
    }

    fn list_consents() -> Result<Vec<wit::contacts::ConsentInfo>, Error> {
        let consents = open::<T>()?.list_consents()?;
        Ok(consents
            .into_iter()
            .map(|ConsentInfo { name, label }| wit::contacts::ConsentInfo { name, label })
            .collect())
    }

    fn scan(after: Option<String>, limit: u32) -> Result<Page, Error> {
        open::<T>()?.scan(after.as_deref(), limit)
    }

    fn scan_changed(since: String, after: Option<String>, limit: u32) -> Result<Page, Error> {
        open::<T>()?.scan_changed(&since, after.as_deref(), limit)
    }

    fn get(ids: Vec<String>) -> Result<Vec<Contact>, Error> {
        open::<T>()?.get(&ids)
    }
}

fn of_reader(field: FieldInfo) -> wit::contacts::FieldInfo {
    use wit::contacts::FieldType as Read;
    wit::contacts::FieldInfo {
        name: field.name,
        label: field.label,
        type_: match field.type_ {
            FieldType::Boolean => Read::Boolean,
            FieldType::Integer => Read::Integer,
            FieldType::Decimal => Read::Decimal,
            FieldType::Text => Read::Text,
            FieldType::Date => Read::Date,
            FieldType::Timestamp => Read::Timestamp,
            FieldType::Choice => Read::Choice,
            FieldType::Choices => Read::Choices,
            FieldType::Json => Read::Json,
        },
        options: field.options,
    }
}

//! From a [`Connector`] to the exports of a component.
//!
//! [`export_complete!`](crate::export_complete) is for a CRM with deliveries and overviews; for one with deliveries
//! alone, the crate `sluice-sdk-sender` has `export_sender!`, and for one with neither, `sluice-sdk-reader` has
//! `export_reader!`. All of them do nothing on a native target, so that a connector's tests are plain tests.
//! [`carry_reader!`](crate::carry_reader) is what these crates share.

use std::marker::PhantomData;

use crate::bindings::complete;
use crate::{
    Change, Connector, ConsentInfo, Contact, Deliveries, Delivery, Description, Error, FieldInfo, Members,
    Overview, Overviews, Page, Proof, Sharers, settings,
};

/// Exports a [`Connector`] that is also [`Deliveries`] and [`Overviews`] as world `complete`.
#[macro_export]
macro_rules! export_complete {
    ($connector:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, missing_docs)]
        const _: () = {
            type Component = $crate::export::Complete<$connector>;
    $crate::bindings::complete::export_world!(Component with_types_in $crate::bindings::complete);
        };
    };
}

/// Carries the interfaces that every connector exports in a world of another crate. `$carrier` is that crate's
/// carrier of a connector, `$wit` the name under which it has its bindings' exports.
#[macro_export]
macro_rules! carry_reader {
    ($carrier:ident, $wit:ident) => {
        impl<T: $crate::Connector> $wit::connector::Guest for $carrier<T> {
            fn describe() -> $wit::connector::Description {
                let is = T::describe();
                $wit::connector::Description {
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

            fn check() -> Result<Vec<String>, $crate::Error> {
                $crate::export::open::<T>()?.check()
            }
        }

        impl<T: $crate::Connector> $wit::contacts::Guest for $carrier<T> {
            fn list_fields() -> Result<Vec<$wit::contacts::FieldInfo>, $crate::Error> {
                use $crate::FieldType as Told;
                use $wit::contacts::FieldType;
                let told = $crate::export::open::<T>()?.list_fields()?;
                let fields = told.into_iter().map(|field| $wit::contacts::FieldInfo {
                    name: field.name,
                    label: field.label,
                    type_: match field.type_ {
                        Told::Boolean => FieldType::Boolean,
                        Told::Integer => FieldType::Integer,
                        Told::Decimal => FieldType::Decimal,
                        Told::Text => FieldType::Text,
                        Told::Date => FieldType::Date,
                        Told::Timestamp => FieldType::Timestamp,
                        Told::Choice => FieldType::Choice,
                        Told::Choices => FieldType::Choices,
                        Told::Json => FieldType::Json,
                    },
                    options: field.options,
                });
                Ok(fields.collect())
            }

            fn list_consents() -> Result<Vec<$wit::contacts::ConsentInfo>, $crate::Error> {
                let told = $crate::export::open::<T>()?.list_consents()?;
                let of_world =
                    |$crate::ConsentInfo { name, label }| $wit::contacts::ConsentInfo { name, label };
                Ok(told.into_iter().map(of_world).collect())
            }

            fn scan(after: Option<String>, limit: u32) -> Result<$crate::Page, $crate::Error> {
                $crate::export::open::<T>()?.scan(after.as_deref(), limit)
            }

            fn scan_changed(
                since: String,
                after: Option<String>,
                limit: u32,
            ) -> Result<$crate::Page, $crate::Error> {
                $crate::export::open::<T>()?.scan_changed(&since, after.as_deref(), limit)
            }

            fn get(ids: Vec<String>) -> Result<Vec<$crate::Contact>, $crate::Error> {
                $crate::export::open::<T>()?.get(&ids)
            }
        }
    };
}

/// Carries world `complete` for a connector.
pub struct Complete<T>(PhantomData<T>);

/// Starts a call: reads the settings that the schema names, and hands them to the connector.
///
/// # Errors
/// `misconfigured` where the settings do not fit the connector's type.
pub fn open<T: Connector>() -> Result<T, Error> {
    T::open(settings::load(&T::describe().settings_schema)?)
}

impl<T: Connector> complete::exports::sluice::crm_connector::connector::Guest for Complete<T> {
    fn describe() -> Description {
        T::describe()
    }

    fn check() -> Result<Vec<String>, Error> {
        open::<T>()?.check()
    }
}

impl<T: Connector> complete::exports::sluice::crm_connector::contacts::Guest for Complete<T> {
    fn list_fields() -> Result<Vec<FieldInfo>, Error> {
        open::<T>()?.list_fields()
    }

    fn list_consents() -> Result<Vec<ConsentInfo>, Error> {
        open::<T>()?.list_consents()
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

impl<T: Deliveries> complete::exports::sluice::crm_connector::deliveries::Guest for Complete<T> {
    fn verify(delivery: Delivery) -> Result<Proof, Error> {
        T::verify(&delivery)
    }

    fn receive(delivery: Delivery) -> Result<Vec<Change>, Error> {
        open::<T>()?.receive(&delivery)
    }

    fn subscribe(url: String) -> Result<String, Error> {
        open::<T>()?.subscribe(&url)
    }

    fn unsubscribe(id: String) -> Result<(), Error> {
        open::<T>()?.unsubscribe(&id)
    }
}

impl<T: Deliveries> complete::exports::sluice::crm_connector::related::Guest for Complete<T> {
    fn contacts_of(subject: String, after: Option<String>, limit: u32) -> Result<Sharers, Error> {
        open::<T>()?.contacts_of(&subject, after.as_deref(), limit)
    }
}

impl<T: Overviews> complete::exports::sluice::crm_connector::overviews::Guest for Complete<T> {
    fn list_overviews() -> Result<Vec<Overview>, Error> {
        open::<T>()?.list_overviews()
    }

    fn read_members(overview: String, after: Option<String>, limit: u32) -> Result<Members, Error> {
        open::<T>()?.read_members(&overview, after.as_deref(), limit)
    }
}

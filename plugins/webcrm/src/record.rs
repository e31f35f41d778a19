//! One record of webCRM as it came: field names to raw JSON, numbers as they were written.
//!
//! Promise: a field on the list of sensitive ones is passed over while the answer is read. No value of this type
//! holds it, so nothing that is made of one can.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use sluice_sdk::{Error, time};

use crate::table::Table;

/// Fields of webCRM's definition that no integration has any business with.
const SENSITIVE: &[&str] =
    &["PersonPassword", "PersonCampaignPassword", "PersonMemberPassword", "PersonLoginLog"];

/// Whether a field is never read: those that are known, and whatever else is a password by its name.
pub fn is_sensitive(name: &str) -> bool {
    let lower = name.to_lowercase();
    SENSITIVE.iter().any(|known| known.eq_ignore_ascii_case(name))
        || lower.contains("password")
        || lower.contains("loginlog")
}

/// A person or an organisation.
#[derive(Debug, Clone)]
pub struct Record(BTreeMap<String, Box<RawValue>>);

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Record;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a record")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if is_sensitive(&name) {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        fields.insert(name, map.next_value()?);
                    }
                }
                Ok(Record(fields))
            }
        }

        from.deserialize_map(Fields)
    }
}

impl Record {
    /// A field's raw value.
    pub fn raw(&self, name: &str) -> Option<&RawValue> {
        self.0.get(name).map(AsRef::as_ref)
    }

    /// A field that is a whole number.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.raw(name)?.get().trim_matches('"').parse().ok()
    }

    /// A field that is a time.
    pub fn time(&self, name: &str, zone: &TimeZone) -> Option<Timestamp> {
        text(self.raw(name)?).and_then(|text| time::to_utc(&text, zone))
    }

    /// The record's id.
    ///
    /// # Errors
    /// `malformed` where it has none.
    pub fn id(&self, table: Table) -> Result<i64, Error> {
        self.integer(table.id()).ok_or_else(|| {
            Error::malformed(format!(
                "webCRM sent a record of {} without its {}. Report it.",
                table.what(),
                table.id()
            ))
        })
    }
}

/// The ids of records.
///
/// # Errors
/// `malformed` where one has none.
pub fn ids(records: &[Record], table: Table) -> Result<Vec<i64>, Error> {
    records.iter().map(|record| record.id(table)).collect()
}

/// A text.
pub fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sensitive_is_not_even_held() {
        let json = r#"{"PersonId": 7, "PersonPassword": {"a": ["hunter2"]}, "PersonCampaignPassword": "hunter2",
            "PersonMemberPassword": "hunter2", "PersonLoginLog": "hunter2", "personloginlog": "hunter2",
            "PersonNewPasswordHint": "hunter2", "PersonEmail": "a@b.example"}"#;
        let record: Record = serde_json::from_str(json).unwrap();
        assert_eq!(record.0.keys().collect::<Vec<_>>(), ["PersonEmail", "PersonId"]);
        assert!(!format!("{record:?}").contains("hunter2"));
        assert_eq!(record.id(Table::Person).unwrap(), 7);
        assert!(record.id(Table::Organisation).is_err());
    }
}

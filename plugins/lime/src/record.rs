//! One object of Lime as it came: property names to raw JSON, numbers as they were written.
//!
//! The query API and the limeobject list give the same system names (`_id`, `_timestamp`); a delivery
//! gives them without the underscore, and [`Record::system`] takes either.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use sluice_sdk::{Error, time};

/// An object of any limetype. It has few properties, each of which is looked for once or twice: they are not ordered.
#[derive(Debug, Clone)]
pub struct Record(Vec<(Box<str>, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Properties;
        impl<'de> Visitor<'de> for Properties {
            type Value = Record;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let mut properties = Vec::new();
                while let Some(property) = map.next_entry()? {
                    properties.push(property);
                }
                Ok(Record(properties))
            }
        }
        deserializer.deserialize_map(Properties)
    }
}

impl Record {
    /// A property's raw value; the last one where Lime names it twice.
    pub fn raw(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().rev().find(|(known, _)| **known == *name).map(|(_, raw)| raw.as_ref())
    }

    /// The object's id.
    pub fn id(&self) -> Option<i64> {
        self.system("id").and_then(integer)
    }

    /// A system property under either of its names: `timestamp` is also `_timestamp`.
    pub fn system(&self, name: &str) -> Option<&RawValue> {
        let underscored = self.0.iter().rev().find(|(known, _)| known.strip_prefix('_') == Some(name));
        underscored.map(|(_, raw)| raw.as_ref()).or_else(|| self.raw(name))
    }

    /// A system property that is a time.
    pub fn system_time(&self, name: &str, zone: &TimeZone) -> Option<Timestamp> {
        self.system(name).and_then(text).and_then(|text| time::to_utc(&text, zone))
    }

    /// The id that a relation names, however deep the answer goes into the related object.
    pub fn related(&self, name: &str) -> Option<i64> {
        let raw = self.raw(name)?;
        integer(raw).or_else(|| Self::read(raw).and_then(|related| related.id()))
    }

    /// The related object, when the answer has it. One of which everything is null is none: that is how
    /// a server may show a relation that is not set.
    pub fn related_record(&self, name: &str) -> Option<Self> {
        let related = Self::read(self.raw(name)?)?;
        related.0.iter().any(|(_, raw)| raw.get() != "null").then_some(related)
    }

    /// Puts the object that the limeobject list embeds (`_embedded.relation_<name>`) where the query API
    /// has it: under the relation's own name.
    #[must_use]
    pub fn with_embedded(mut self, name: &str) -> Self {
        let embedded = self.raw("_embedded").and_then(Self::read);
        let related =
            embedded.and_then(|embedded| Some(embedded.raw(&format!("relation_{name}"))?.to_owned()));
        if let Some(raw) = related {
            self.0.push((name.into(), raw));
        }
        self
    }

    /// A yesno property; null is no answer.
    pub fn yesno(&self, name: &str) -> Option<bool> {
        self.raw(name).and_then(yesno)
    }

    /// A text property.
    pub fn text(&self, name: &str) -> Option<String> {
        self.raw(name).and_then(text)
    }

    fn read(raw: &RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }
}

/// The error for a property without which nothing right can be said of anybody. Lime leaves out what the
/// API user may not read, and writes null for what is not set.
pub fn unreadable_property(limetype: &str, property: &str, setting: &str) -> Error {
    Error::misconfigured(format!(
        "Lime sends the limetype `{limetype}` without its property `{property}`: the API user lacks the right to \
         read it, or it has another name. Give the user the right in Lime, or correct the setting `{setting}`."
    ))
}

/// A whole number, also where it is written as text.
pub fn integer(raw: &RawValue) -> Option<i64> {
    raw.get().trim_matches('"').parse().ok()
}

/// A text.
pub fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// A yesno value; older servers write 0 and 1.
pub fn yesno(raw: &RawValue) -> Option<bool> {
    match raw.get() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

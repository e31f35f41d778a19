//! An attribute's value on its way out (as JSON and as a cell of a file) and on its way in (from an
//! export). Numbers stay text throughout: no float rounds them.

use std::collections::BTreeMap;

use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::number;
use crate::profile::{AttributeId, AttributeValue};

/// Attributes as the body of a merge patch: `null` clears. An empty text clears too, since what APSIS
/// One makes of an empty one is not documented.
pub(super) struct Patch<'a>(pub(super) &'a BTreeMap<AttributeId, AttributeValue>);

impl Serialize for Patch<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (attribute, value) in self.0 {
            match value {
                AttributeValue::Clear => map.serialize_entry(&attribute.0, &())?,
                AttributeValue::Text(text) if text.is_empty() => map.serialize_entry(&attribute.0, &())?,
                AttributeValue::Text(text) | AttributeValue::Date(text) => {
                    map.serialize_entry(&attribute.0, text)?
                }
                AttributeValue::Boolean(value) => map.serialize_entry(&attribute.0, value)?,
                AttributeValue::Integer(value) | AttributeValue::Timestamp(value) => {
                    map.serialize_entry(&attribute.0, value)?;
                }
                AttributeValue::Decimal(text) => {
                    let number = number::exact(text).ok_or_else(|| S::Error::custom("not a number"))?;
                    let raw = RawValue::from_string(number).map_err(S::Error::custom)?;
                    map.serialize_entry(&attribute.0, &raw)?;
                }
            }
        }
        map.end()
    }
}

/// A value as a cell of an import's file: `true`/`false`, `YYYY-MM-DD`, seconds, digits with a point;
/// empty clears (the file is imported with `clear_existing_attributes`). Nothing is escaped against
/// spreadsheets: APSIS One takes a cell as it is, and a text that starts with `=` is that text.
pub(super) fn cell(value: &AttributeValue) -> Option<String> {
    Some(match value {
        AttributeValue::Clear => String::new(),
        AttributeValue::Text(text) | AttributeValue::Date(text) => text.clone(),
        AttributeValue::Boolean(value) => value.to_string(),
        AttributeValue::Integer(value) | AttributeValue::Timestamp(value) => value.to_string(),
        AttributeValue::Decimal(text) => number::exact(text)?,
    })
}

/// A value as an export gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundValue {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// A number, as it was written.
    Number(String),
    /// Text; dates come so too.
    Text(String),
    /// A list or an object.
    Other,
}

impl FoundValue {
    /// Reads a JSON value without rounding a number.
    pub(super) fn read(raw: &RawValue) -> Self {
        let text = raw.get().trim();
        match text.bytes().next() {
            Some(b'n') => Self::Null,
            Some(b't') => Self::Boolean(true),
            Some(b'f') => Self::Boolean(false),
            Some(b'"') => serde_json::from_str(text).map_or(Self::Other, Self::Text),
            Some(b'-' | b'0'..=b'9') => Self::Number(text.to_owned()),
            _ => Self::Other,
        }
    }
}

impl FoundValue {
    /// As people read it; none if there is none.
    pub fn in_words(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Boolean(value) => Some(value.to_string()),
            Self::Number(text) | Self::Text(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Self::Other => Some("a list or an object".to_owned()),
        }
    }
}

impl From<&serde_json::Value> for FoundValue {
    fn from(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Boolean(*value),
            serde_json::Value::Number(number) => Self::Number(number.to_string()),
            serde_json::Value::String(text) => Self::Text(text.clone()),
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_keeps_types_and_digits() {
        let values = BTreeMap::from([
            (AttributeId("a".into()), AttributeValue::Decimal("12345678901234567890.120".into())),
            (AttributeId("b".into()), AttributeValue::Clear),
            (AttributeId("c".into()), AttributeValue::Boolean(true)),
            (AttributeId("d".into()), AttributeValue::Integer(46_701_234_567)),
            (AttributeId("e".into()), AttributeValue::Text("\"quoted\"".into())),
            (AttributeId("f".into()), AttributeValue::Text(String::new())),
            (AttributeId("g".into()), AttributeValue::Date("1984-11-02".into())),
            (AttributeId("h".into()), AttributeValue::Timestamp(-5)),
        ]);
        assert_eq!(
            serde_json::to_string(&Patch(&values)).unwrap(),
            r#"{"a":12345678901234567890.12,"b":null,"c":true,"d":46701234567,"e":"\"quoted\"","f":null,"g":"1984-11-02","h":-5}"#
        );
    }

    #[test]
    fn a_decimal_that_is_none_is_not_sent() {
        let values = BTreeMap::from([(AttributeId("a".into()), AttributeValue::Decimal("1,5".into()))]);
        assert!(serde_json::to_string(&Patch(&values)).is_err());
    }

    #[test]
    fn a_found_number_keeps_its_digits() {
        let raw = RawValue::from_string("12345678901234567890.120".into()).unwrap();
        assert_eq!(FoundValue::read(&raw), FoundValue::Number("12345678901234567890.120".into()));
        let raw = RawValue::from_string(r#""\u00e5""#.into()).unwrap();
        assert_eq!(FoundValue::read(&raw), FoundValue::Text("å".into()));
    }
}

//! From what Lime sends for a property to the contract's value.
//!
//! One decoder for the limeobject API, the query API and deliveries, whose forms differ: an option is an
//! object in the first, a key in the last, and either in a query. What does not fit its property's type
//! is handed over as text, so that the rules can say which field of which contact is wrong; it never
//! fails a page.
//!
//! Lime's times are local to its server, with its offset, or without one. A `time` property is a moment and becomes
//! UTC. A `date` property is a day that Lime writes as the local midnight of its server (`2021-01-01T00:00:00+01:00`):
//! its day is taken as written.

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::value::RawValue;
use sluice_sdk::{Choice, Value, number, time};

use crate::limetype::{Kind, Property};
use crate::record;

/// The value of one property.
pub fn decode(property: &Property, raw: &RawValue, zone: &TimeZone) -> Value {
    if raw.get() == "null" {
        return Value::Null;
    }
    let decoded = match property.kind {
        Kind::Text => record::text(raw).map(Value::Text),
        Kind::YesNo => record::yesno(raw).map(Value::Boolean),
        Kind::Integer => integer(raw),
        Kind::Relation => integer(raw).or_else(|| related_id(raw)),
        Kind::Decimal => number::plain(raw.get().trim_matches('"')).map(Value::Decimal),
        Kind::Date => record::text(raw).and_then(|text| time::day_as_written(&text)).map(Value::Date),
        Kind::Time => record::text(raw)
            .and_then(|text| time::to_utc(&text, zone))
            .map(|moment| Value::Timestamp(moment.to_string())),
        Kind::Option => option(property, raw),
        Kind::Set => set(property, raw),
        Kind::Other => None,
    };
    decoded.unwrap_or_else(|| as_it_is(raw))
}

/// What could not be read as its type: text and numbers as text, anything else as JSON.
fn as_it_is(raw: &RawValue) -> Value {
    if let Some(text) = record::text(raw) {
        return if text.is_empty() { Value::Null } else { Value::Text(text) };
    }
    match raw.get().as_bytes().first() {
        Some(b'{' | b'[') => Value::Json(raw.get().to_owned()),
        _ => Value::Text(raw.get().to_owned()),
    }
}

fn integer(raw: &RawValue) -> Option<Value> {
    number::integer(raw.get().trim_matches('"'))
}

fn related_id(raw: &RawValue) -> Option<Value> {
    let related: record::Record = serde_json::from_str(raw.get()).ok()?;
    Some(related.id().map_or(Value::Null, Value::Integer))
}

/// An option in any of Lime's forms.
#[derive(Deserialize)]
struct OptionObject {
    #[serde(default)]
    id: Option<i64>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    text: Option<String>,
}

fn option(property: &Property, raw: &RawValue) -> Option<Value> {
    choice(property, raw).map(|choice| choice.map_or(Value::Null, Value::Choice))
}

fn set(property: &Property, raw: &RawValue) -> Option<Value> {
    // Lime documents no form for a set: a list of what an option may be, or keys with semicolons as its
    // desktop client stores them.
    if let Some(text) = record::text(raw) {
        let keys = text.split(';').map(str::trim).filter(|key| !key.is_empty());
        return Some(Value::Choices(keys.filter_map(|key| by_key(property, key.to_owned())).collect()));
    }
    let items: Vec<Box<RawValue>> = serde_json::from_str(raw.get()).ok()?;
    let choices: Option<Vec<_>> = items.iter().map(|item| choice(property, item)).collect();
    choices.map(|choices| Value::Choices(choices.into_iter().flatten().collect()))
}

/// `Some(None)`: the option that stands for no choice.
fn choice(property: &Property, raw: &RawValue) -> Option<Option<Choice>> {
    if raw.get() == "null" {
        return Some(None);
    }
    if let Some(key) = record::text(raw) {
        return Some(by_key(property, key));
    }
    if let Some(id) = record::integer(raw) {
        return Some(by_key(property, id.to_string()));
    }
    let object: OptionObject = serde_json::from_str(raw.get()).ok()?;
    let key = object.key.filter(|key| !key.is_empty()).or_else(|| object.id.map(|id| id.to_string()))?;
    Some(match object.text {
        Some(text) => choice_or_none(key, text),
        None => by_key(property, key),
    })
}

fn by_key(property: &Property, key: String) -> Option<Choice> {
    match property.options.iter().find(|option| option.key == key || option.id.as_ref() == Some(&key)) {
        Some(option) => choice_or_none(option.key.clone(), option.text.clone()),
        // An option that was removed, or of a model that was read before it came: the key is all there is.
        None if key.is_empty() || key == "empty" => None,
        None => Some(Choice { label: key.clone(), key }),
    }
}

/// "No choice" is an option too in Lime: `empty`, `none` or a number, always with an empty text.
pub fn choice_or_none(key: String, text: String) -> Option<Choice> {
    let stands_for_none =
        key.is_empty() || key == "empty" || key == "none" || key.bytes().all(|byte| byte.is_ascii_digit());
    match text.is_empty() {
        true if stands_for_none => None,
        true => Some(Choice { label: key.clone(), key }),
        false => Some(Choice { key, label: text }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limetype::OptionDefinition;

    fn property(kind: Kind) -> Property {
        let option = |key: &str, text: &str, id: Option<&str>| OptionDefinition {
            key: key.to_owned(),
            text: text.to_owned(),
            id: id.map(str::to_owned),
        };
        Property {
            name: "p".to_owned(),
            label: "P".to_owned(),
            kind,
            options: vec![option("empty", "", None), option("prospect", "Prospekt", Some("108501"))],
            related: None,
        }
    }

    fn read(kind: Kind, json: &str) -> Value {
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        decode(&property(kind), &raw, &TimeZone::get("Europe/Stockholm").unwrap())
    }

    fn prospect() -> Choice {
        Choice { key: "prospect".to_owned(), label: "Prospekt".to_owned() }
    }

    #[test]
    fn options_in_all_three_forms() {
        for json in [
            r#"{"id":108501,"key":"prospect","text":"Prospekt"}"#,
            r#""prospect""#,
            "108501",
            r#"{"key":"prospect"}"#,
            r#"{"id":108501}"#,
        ] {
            assert_eq!(read(Kind::Option, json), Value::Choice(prospect()), "{json}");
        }
        for json in [
            "null",
            r#""empty""#,
            r#""""#,
            r#"{"id":108401,"key":"empty","text":""}"#,
            r#"{"id":519901,"key":"519901","text":""}"#,
            r#"{"id":1,"key":"none","text":""}"#,
        ] {
            assert_eq!(read(Kind::Option, json), Value::Null, "{json}");
        }
        let gone = Choice { key: "gone".to_owned(), label: "gone".to_owned() };
        assert_eq!(read(Kind::Option, r#""gone""#), Value::Choice(gone));
        assert_eq!(
            read(Kind::Set, r#"["empty","prospect",{"key":"prospect","text":"Prospekt"}]"#),
            Value::Choices(vec![prospect(), prospect()])
        );
        assert_eq!(read(Kind::Set, r#""prospect;""#), Value::Choices(vec![prospect()]));
    }

    #[test]
    fn numbers_are_exact() {
        for (json, value) in [
            ("9007199254740993", Value::Integer(9_007_199_254_740_993)),
            ("41.0", Value::Integer(41)),
            ("-3", Value::Integer(-3)),
            ("99999999999999999999", Value::Decimal("99999999999999999999".to_owned())),
            ("1.5", Value::Decimal("1.5".to_owned())),
        ] {
            assert_eq!(read(Kind::Integer, json), value, "{json}");
        }
        for (json, text) in [
            ("242424.04", "242424.04"),
            ("0.0", "0.0"),
            ("116761", "116761"),
            ("1.25e2", "125"),
            ("1.2e3", "1200"),
            ("-1.5e-3", "-0.0015"),
            ("12.345e1", "123.45"),
            ("0.1e1", "1"),
            (r#""12.50""#, "12.50"),
        ] {
            assert_eq!(read(Kind::Decimal, json), Value::Decimal(text.to_owned()), "{json}");
        }
    }

    #[test]
    fn times_dates_and_the_rest() {
        assert_eq!(read(Kind::Date, r#""2021-01-01T00:00:00+01:00""#), Value::Date("2021-01-01".to_owned()));
        assert_eq!(
            read(Kind::Time, r#""2026-05-17T11:21:12.507000+02:00""#),
            Value::Timestamp("2026-05-17T09:21:12.507Z".to_owned())
        );
        assert_eq!(read(Kind::YesNo, "true"), Value::Boolean(true));
        assert_eq!(read(Kind::YesNo, "null"), Value::Null);
        assert_eq!(read(Kind::Text, r#""""#), Value::Text(String::new()));
        assert_eq!(read(Kind::Relation, "1014"), Value::Integer(1014));
        assert_eq!(read(Kind::Relation, r#"{"_id":1014,"name":"x"}"#), Value::Integer(1014));
        assert_eq!(read(Kind::Other, r#"{"a":1}"#), Value::Json(r#"{"a":1}"#.to_owned()));
    }

    #[test]
    fn what_does_not_fit_is_text() {
        assert_eq!(read(Kind::Date, r#""31/12/1999""#), Value::Text("31/12/1999".to_owned()));
        assert_eq!(read(Kind::Integer, r#""many""#), Value::Text("many".to_owned()));
        assert_eq!(read(Kind::Date, r#""""#), Value::Null);
    }
}

//! From what webCRM sends for a field to the contract's value.
//!
//! What does not fit its field's type is handed over as it is, so that the rules can say which field of which contact
//! is wrong; it never fails a page. Numbers keep every digit.
//!
//! Times that the vendor's code shows are ISO 8601 in UTC; one without an offset is of the zone that the settings name.

use jiff::tz::TimeZone;
use serde_json::value::RawValue;
use sluice_sdk::{Choice, Value, number, time};

use crate::inferred::is_ticked;
use crate::metadata::{FieldDefinition, Kind, choice};
use crate::record;

/// The value of one field.
pub fn decode(field: &FieldDefinition, raw: &RawValue, zone: &TimeZone) -> Value {
    if raw.get() == "null" {
        return Value::Null;
    }
    let text = record::text(raw);
    let decoded = match field.kind {
        Kind::Text => text.map(Value::Text),
        Kind::YesNo => yes_no(raw).map(Value::Boolean),
        Kind::Integer => number::integer(raw.get().trim_matches('"')),
        Kind::Decimal => number::plain(raw.get().trim_matches('"')).map(Value::Decimal),
        Kind::Date => text.and_then(|text| time::day_as_written(&text)).map(Value::Date),
        Kind::Time => {
            text.and_then(|text| time::to_utc(&text, zone)).map(|moment| Value::Timestamp(moment.to_string()))
        }
        Kind::Choice => text.or_else(|| number::plain(raw.get())).map(|text| chosen(field, text)),
    };
    decoded.unwrap_or_else(|| as_it_is(raw))
}

/// A box: true and false, or `Yes` in a text field. An empty text is a box that is not ticked.
pub fn yes_no(raw: &RawValue) -> Option<bool> {
    match raw.get() {
        "true" => Some(true),
        "false" => Some(false),
        _ => {
            let text = record::text(raw)?;
            let text = text.trim();
            (is_ticked(text) || text.is_empty() || text.eq_ignore_ascii_case("no")).then(|| is_ticked(text))
        }
    }
}

/// Whether webCRM keeps an option's value or its text in a record is not known, so either is taken.
fn chosen(field: &FieldDefinition, text: String) -> Value {
    let by_key = field.options.iter().find(|option| option.key == text);
    match by_key.or_else(|| field.options.iter().find(|option| option.label == text)) {
        Some(option) => Value::Choice(choice(option)),
        None if text.is_empty() => Value::Null,
        // An option that was removed: its text is all there is.
        None => Value::Choice(Choice { label: text.clone(), key: text }),
    }
}

fn as_it_is(raw: &RawValue) -> Value {
    if let Some(text) = record::text(raw) {
        return if text.is_empty() { Value::Null } else { Value::Text(text) };
    }
    match raw.get().as_bytes().first() {
        Some(b'{' | b'[') => Value::Json(raw.get().to_owned()),
        _ => Value::Text(raw.get().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Offered;

    fn read(kind: Kind, json: &str) -> Value {
        let offered = |key: &str, label: &str| Offered { key: key.to_owned(), label: label.to_owned() };
        let options = vec![offered("1", "A Kunde"), offered("2", "B Kunde")];
        let field = FieldDefinition { name: "F".to_owned(), label: String::new(), kind, options };
        decode(&field, &RawValue::from_string(json.to_owned()).unwrap(), &TimeZone::UTC)
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn values_by_kind() {
        for (kind, json, value) in [
            (Kind::Text, r#""Åse""#, text("Åse")),
            (Kind::Text, r#""""#, text("")),
            (Kind::Text, "12345678901234567890.50", text("12345678901234567890.50")),
            (Kind::YesNo, "true", Value::Boolean(true)),
            (Kind::YesNo, r#""Yes""#, Value::Boolean(true)),
            (Kind::YesNo, r#""""#, Value::Boolean(false)),
            (Kind::YesNo, r#""perhaps""#, text("perhaps")),
            (Kind::Integer, "9007199254740993", Value::Integer(9_007_199_254_740_993)),
            (Kind::Integer, r#""""#, Value::Null),
            (Kind::Decimal, "1234.50", Value::Decimal("1234.50".to_owned())),
            (Kind::Date, r#""1972-02-29T00:00:00""#, Value::Date("1972-02-29".to_owned())),
            (Kind::Date, r#""29/2/72""#, text("29/2/72")),
            (Kind::Time, r#""2026-05-17T11:21:12""#, Value::Timestamp("2026-05-17T11:21:12Z".to_owned())),
            (Kind::Text, r#"{"a": 1}"#, Value::Json(r#"{"a": 1}"#.to_owned())),
            (Kind::Choice, r#""""#, Value::Null),
            (Kind::Choice, "null", Value::Null),
        ] {
            assert_eq!(read(kind, json), value, "{json}");
        }
    }

    #[test]
    fn options_by_value_or_by_text() {
        let kunde = Value::Choice(Choice { key: "1".to_owned(), label: "A Kunde".to_owned() });
        for json in [r#""1""#, "1", r#""A Kunde""#] {
            assert_eq!(read(Kind::Choice, json), kunde, "{json}");
        }
        let gone = Choice { key: "Partner".to_owned(), label: "Partner".to_owned() };
        assert_eq!(read(Kind::Choice, r#""Partner""#), Value::Choice(gone));
    }
}

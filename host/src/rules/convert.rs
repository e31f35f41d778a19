//! Field mapping: one CRM value into what one attribute takes.
//!
//! An empty value of any type clears the attribute. What cannot be turned without guessing does not
//! fit; what then becomes of the contact is for the mapping row to say.

use crate::contact::{Choice, Value};
use crate::integration::AttributeKind;
use crate::number;
use crate::profile::AttributeValue;

use super::{moment, phone};

/// The longest text that APSIS One takes, in characters ("Text: UTF-8, max 1000 characters", APSIS
/// One help centre, formats of attributes).
pub(super) const LONGEST_TEXT: usize = 1_000;

/// Why a value does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    TooLong,
    NotA(&'static str),
    Mobile,
}

/// The value as the attribute takes it.
pub(super) fn convert(
    value: &Value,
    kind: AttributeKind,
    country: Option<phone::Country>,
) -> Result<AttributeValue, Misfit> {
    let plain = plain(value);
    if plain.is_empty() {
        return Ok(AttributeValue::Clear);
    }
    match kind {
        AttributeKind::Text if plain.chars().count() > LONGEST_TEXT => Err(Misfit::TooLong),
        AttributeKind::Text => Ok(AttributeValue::Text(plain)),
        AttributeKind::Boolean => {
            boolean(value, &plain).map(AttributeValue::Boolean).ok_or(Misfit::NotA("true or false"))
        }
        AttributeKind::Number => numeric(value)
            .and_then(|()| number::whole(&plain))
            .map(AttributeValue::Integer)
            .ok_or(Misfit::NotA("a whole number")),
        AttributeKind::Decimal => numeric(value)
            .and_then(|()| number::exact(&plain))
            .map(AttributeValue::Decimal)
            .ok_or(Misfit::NotA("a number")),
        AttributeKind::Date => match value {
            Value::Timestamp(_) => moment::date_in_utc(&plain),
            Value::Date(_) | Value::Text(_) | Value::Choice(_) => moment::date_as_written(&plain),
            _ => None,
        }
        .map(AttributeValue::Date)
        .ok_or(Misfit::NotA("a date")),
        AttributeKind::Timestamp => match value {
            Value::Timestamp(_) | Value::Date(_) | Value::Text(_) | Value::Choice(_) => {
                moment::moment(&plain).and_then(moment::seconds)
            }
            _ => None,
        }
        .map(AttributeValue::Timestamp)
        .ok_or(Misfit::NotA("a date with a time")),
        AttributeKind::Mobile => match value {
            Value::Text(_) | Value::Integer(_) | Value::Choice(_) => phone::digits(&plain, country),
            _ => None,
        }
        .map(AttributeValue::Integer)
        .ok_or(Misfit::Mobile),
    }
}

/// A value as people would write it, clean and trimmed; empty for none.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Boolean(yes) => yes.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Decimal(text) => number::exact(text).unwrap_or_else(|| clean(text)),
        Value::Text(text) | Value::Date(text) | Value::Timestamp(text) | Value::Json(text) => clean(text),
        Value::Choice(choice) => named(choice),
        Value::Choices(choices) => {
            let names: Vec<_> = choices.iter().map(named).filter(|name| !name.is_empty()).collect();
            names.join(", ")
        }
    }
}

/// What people see of an option. An option without a label is "no choice": CRMs give it a key
/// (`empty`) that nobody wants to read in a letter.
fn named(choice: &Choice) -> String {
    clean(&choice.label)
}

/// Line ends become one kind; other control characters, NUL among them, are dropped: no letter shows
/// them, and neither JSON nor CSV carries them reliably.
fn clean(text: &str) -> String {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept: String = lines.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    kept.trim().to_owned()
}

fn boolean(value: &Value, plain: &str) -> Option<bool> {
    match value {
        Value::Boolean(yes) => Some(*yes),
        Value::Integer(_) | Value::Text(_) | Value::Choice(_) => match plain.to_lowercase().as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn numeric(value: &Value) -> Option<()> {
    matches!(value, Value::Integer(_) | Value::Decimal(_) | Value::Text(_) | Value::Choice(_)).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn choice(key: &str, label: &str) -> Choice {
        Choice { key: key.to_owned(), label: label.to_owned() }
    }

    fn to(value: &Value, kind: AttributeKind) -> Result<AttributeValue, Misfit> {
        convert(value, kind, None)
    }

    #[test]
    fn text_takes_anything() {
        let cases = [
            (text(" Åsa\u{0}\u{7}\r\nB "), "Åsa\nB"),
            (Value::Boolean(true), "true"),
            (Value::Integer(-1), "-1"),
            (Value::Decimal("1.50".into()), "1.5"),
            (Value::Date("2024-01-02".into()), "2024-01-02"),
            (Value::Choice(choice("sv", "Svenska")), "Svenska"),
            (Value::Choices(vec![choice("a", "A"), choice("empty", ""), choice("b", "B")]), "A, B"),
            (Value::Json("{}".into()), "{}"),
        ];
        for (value, wanted) in cases {
            assert_eq!(to(&value, AttributeKind::Text), Ok(AttributeValue::Text(wanted.into())), "{value:?}");
        }
    }

    #[test]
    fn a_thousand_characters_fit_and_one_more_does_not() {
        let thousand = "å".repeat(1_000);
        assert_eq!(
            to(&text(&format!(" {thousand} ")), AttributeKind::Text),
            Ok(AttributeValue::Text(thousand.clone()))
        );
        assert_eq!(to(&text(&format!("{thousand}å")), AttributeKind::Text), Err(Misfit::TooLong));
    }

    #[test]
    fn nothing_clears_whatever_the_attribute_takes() {
        use AttributeKind::*;
        for kind in [Text, Boolean, Number, Decimal, Date, Timestamp, Mobile] {
            for value in
                [Value::Null, text(" \u{0} "), Value::Choice(choice("empty", "")), Value::Choices(vec![])]
            {
                assert_eq!(to(&value, kind), Ok(AttributeValue::Clear), "{value:?} {kind:?}");
            }
        }
    }

    #[test]
    fn numbers_are_exact_or_do_not_fit() {
        let number = |value| to(&value, AttributeKind::Number);
        assert_eq!(
            number(Value::Integer(9_007_199_254_740_993)),
            Ok(AttributeValue::Integer(9_007_199_254_740_993))
        );
        assert_eq!(number(Value::Decimal("12.00".into())), Ok(AttributeValue::Integer(12)));
        assert_eq!(number(text("twelve")), Err(Misfit::NotA("a whole number")));
        assert_eq!(number(Value::Decimal("1.5".into())), Err(Misfit::NotA("a whole number")));
        assert_eq!(
            to(&Value::Decimal("01.50".into()), AttributeKind::Decimal),
            Ok(AttributeValue::Decimal("1.5".into()))
        );
        assert!(to(&Value::Decimal("NaN".into()), AttributeKind::Decimal).is_err());
        assert!(number(Value::Boolean(true)).is_err());
    }

    #[test]
    fn booleans_from_their_words() {
        let boolean = |value| to(&value, AttributeKind::Boolean);
        assert_eq!(boolean(Value::Boolean(false)), Ok(AttributeValue::Boolean(false)));
        assert_eq!(boolean(text("Yes")), Ok(AttributeValue::Boolean(true)));
        assert_eq!(boolean(Value::Integer(0)), Ok(AttributeValue::Boolean(false)));
        assert!(boolean(Value::Integer(2)).is_err());
        assert!(boolean(text("perhaps")).is_err());
    }

    #[test]
    fn dates_and_moments() {
        let moment = Value::Timestamp("2024-05-01T23:30:00Z".into());
        assert_eq!(to(&moment, AttributeKind::Date), Ok(AttributeValue::Date("2024-05-01".into())));
        assert_eq!(to(&moment, AttributeKind::Timestamp), Ok(AttributeValue::Timestamp(1_714_606_200)));
        assert!(to(&Value::Date("2023-02-30".into()), AttributeKind::Date).is_err());
        assert!(to(&Value::Integer(20_240_101), AttributeKind::Date).is_err());
    }
}

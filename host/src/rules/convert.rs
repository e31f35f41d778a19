//! Field mapping: one CRM value into what one attribute takes.
//!
//! An empty value of any type clears the attribute. What cannot be turned without guessing does not
//! fit; what then becomes of the contact is for the mapping row to say.

use crate::contact::{Choice, Value};
use crate::integration::{AttributeKind, Conversion, Show};
use crate::profile::AttributeValue;
use crate::{day_format, moment, number};

use super::phone;

/// The longest text that APSIS One takes, in characters ("Text: UTF-8, max 1000 characters", APSIS
/// One help centre, formats of attributes).
pub(super) const LONGEST_TEXT: usize = 1_000;

/// Why a value does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Misfit {
    /// With what of it would fit.
    TooLong(String),
    NotA(&'static str),
    Mobile,
}

/// The value as the attribute takes it.
pub(super) fn convert(
    value: &Value,
    kind: AttributeKind,
    conversion: &Conversion,
    country: Option<phone::Country>,
) -> Result<AttributeValue, Misfit> {
    let plain = plain(value, conversion.show);
    if plain.is_empty() {
        return Ok(AttributeValue::Clear);
    }
    let no_date = Misfit::NotA("a date");
    match kind {
        AttributeKind::Text => {
            let text = in_words(value, plain, conversion)?;
            match text.chars().count() {
                0 => Ok(AttributeValue::Clear),
                1..=LONGEST_TEXT => Ok(AttributeValue::Text(text)),
                _ => Err(Misfit::TooLong(cut(&text))),
            }
        }
        AttributeKind::Boolean => {
            boolean(value, &plain).map(AttributeValue::Boolean).ok_or(Misfit::NotA("true or false"))
        }
        AttributeKind::Number => digits(value, &plain, conversion)
            .and_then(|digits| number::whole(&digits))
            .map(AttributeValue::Integer)
            .ok_or(Misfit::NotA("a whole number")),
        AttributeKind::Decimal => digits(value, &plain, conversion)
            .and_then(|digits| number::exact(&digits))
            .map(AttributeValue::Decimal)
            .ok_or(Misfit::NotA("a number")),
        AttributeKind::Date => match (value, &conversion.date_format) {
            (Value::Timestamp(_), _) => moment::date_in_utc(&plain),
            (Value::Text(_) | Value::Choice(_), Some(format)) => day_format::read_day(format, &plain),
            (Value::Date(_) | Value::Text(_) | Value::Choice(_), _) => moment::date_as_written(&plain),
            _ => None,
        }
        .map(|date| AttributeValue::Date(date.to_string()))
        .ok_or(no_date),
        AttributeKind::Timestamp => match (value, &conversion.date_format) {
            (Value::Text(_) | Value::Choice(_), Some(format)) => day_format::read_moment(format, &plain),
            (Value::Timestamp(_) | Value::Date(_) | Value::Text(_) | Value::Choice(_), _) => {
                moment::moment(&plain)
            }
            _ => None,
        }
        .and_then(moment::seconds)
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

/// Whether there is nothing in a value that an attribute could hold.
pub(super) fn is_nothing(value: &Value) -> bool {
    plain(value, Show::Label).is_empty()
}

/// A value as people would write it, clean and trimmed; empty for none.
fn plain(value: &Value, show: Show) -> String {
    match value {
        Value::Null => String::new(),
        Value::Boolean(yes) => yes.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Decimal(text) => number::exact(text).unwrap_or_else(|| clean(text)),
        Value::Text(text) | Value::Date(text) | Value::Timestamp(text) | Value::Json(text) => clean(text),
        Value::Choice(choice) => named(choice, show),
        Value::Choices(choices) => {
            let names = choices.iter().map(|choice| named(choice, show)).filter(|name| !name.is_empty());
            names.collect::<Vec<_>>().join(", ")
        }
    }
}

/// A value in the words that the mapping row asks for.
fn in_words(value: &Value, plain: String, conversion: &Conversion) -> Result<String, Misfit> {
    match (value, conversion) {
        (Value::Boolean(true), Conversion { true_text: Some(text), .. })
        | (Value::Boolean(false), Conversion { false_text: Some(text), .. }) => Ok(clean(text)),
        (Value::Date(_) | Value::Timestamp(_), Conversion { date_format: Some(format), .. }) => {
            day_format::write(format, value).map(|text| clean(&text)).ok_or(Misfit::NotA("a date"))
        }
        (Value::Decimal(_), Conversion { decimal_comma: true, .. }) => Ok(plain.replace('.', ",")),
        _ => Ok(plain),
    }
}

/// As much of a text as APSIS One takes.
fn cut(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect::<String>().trim_end().to_owned()
}

/// What people see of an option, or what the CRM stores. An option without a label is "no choice": CRMs give it a key
/// (`empty`) that nobody wants to read in a letter.
fn named(choice: &Choice, show: Show) -> String {
    let label = clean(&choice.label);
    match show {
        Show::Key if !label.is_empty() => clean(&choice.key),
        _ => label,
    }
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

/// A number's text, with a point.
fn digits(value: &Value, plain: &str, conversion: &Conversion) -> Option<String> {
    match value {
        Value::Text(_) | Value::Choice(_) if conversion.decimal_comma => with_point(plain),
        Value::Integer(_) | Value::Decimal(_) | Value::Text(_) | Value::Choice(_) => Some(plain.to_owned()),
        _ => None,
    }
}

/// `1 234,50` with a point, and without the spaces between thousands. A point in it could be either, so it does not
/// fit.
fn with_point(text: &str) -> Option<String> {
    if text.contains('.') || text.matches(',').count() > 1 {
        return None;
    }
    let (whole, fraction) = text.split_once(',').unwrap_or((text, ""));
    let mut groups = whole.split([' ', '\u{a0}', '\u{202f}']);
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    let thousands = rest.is_empty() || (1..=3).contains(&first.trim_start_matches(['-', '+']).len());
    if !thousands || rest.iter().any(|group| group.len() != 3) {
        return None;
    }
    Some(format!("{first}{}.{fraction}", rest.concat()))
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
        convert(value, kind, &Conversion::default(), None)
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
        assert_eq!(to(&text(&format!("{thousand}å")), AttributeKind::Text), Err(Misfit::TooLong(thousand)));
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
    fn what_is_cut_is_as_long_as_it_may_be() {
        let long = format!("{}   {}", "å".repeat(998), "b".repeat(10));
        assert_eq!(to(&text(&long), AttributeKind::Text), Err(Misfit::TooLong("å".repeat(998))));
    }

    #[test]
    fn named_conversions() {
        use AttributeKind::*;
        let key = || Conversion { show: Show::Key, ..Conversion::default() };
        let words = || Conversion {
            true_text: Some("Ja".into()),
            false_text: Some(String::new()),
            ..Conversion::default()
        };
        let format = || Conversion { date_format: Some("%d/%m/%Y".into()), ..Conversion::default() };
        let comma = || Conversion { decimal_comma: true, ..Conversion::default() };
        let is = |text: &str| Ok(AttributeValue::Text(text.into()));
        let both = Value::Choices(vec![choice("a", "A"), choice("empty", ""), choice("b", "B")]);
        for (value, kind, conversion, wanted) in [
            (Value::Choice(choice("sv", "Svenska")), Text, key(), is("sv")),
            (both, Text, key(), is("a, b")),
            (Value::Choice(choice("empty", "")), Text, key(), Ok(AttributeValue::Clear)),
            (Value::Choice(choice("42", "Many")), Number, key(), Ok(AttributeValue::Integer(42))),
            (Value::Boolean(true), Text, words(), is("Ja")),
            (Value::Boolean(false), Text, words(), Ok(AttributeValue::Clear)),
            (text("yes"), Text, words(), is("yes")),
            (Value::Date("2026-01-31".into()), Text, format(), is("31/01/2026")),
            (Value::Date("soon".into()), Text, format(), Err(Misfit::NotA("a date"))),
            (text("31/01/2026"), Date, format(), Ok(AttributeValue::Date("2026-01-31".into()))),
            (text("2026-01-31"), Date, format(), Err(Misfit::NotA("a date"))),
            (Value::Date("2026-01-31".into()), Date, format(), Ok(AttributeValue::Date("2026-01-31".into()))),
            (text("1 234,50"), Decimal, comma(), Ok(AttributeValue::Decimal("1234.5".into()))),
            (text("-12\u{a0}345"), Number, comma(), Ok(AttributeValue::Integer(-12_345))),
            (text("1.234,5"), Decimal, comma(), Err(Misfit::NotA("a number"))),
            (text("1.5"), Decimal, comma(), Err(Misfit::NotA("a number"))),
            (text("12 34"), Decimal, comma(), Err(Misfit::NotA("a number"))),
            (text("1234 567"), Decimal, comma(), Err(Misfit::NotA("a number"))),
            (text("1,5,0"), Decimal, comma(), Err(Misfit::NotA("a number"))),
            (
                Value::Decimal("1234.50".into()),
                Decimal,
                comma(),
                Ok(AttributeValue::Decimal("1234.5".into())),
            ),
            (Value::Decimal("1234.50".into()), Text, comma(), is("1234,5")),
        ] {
            assert_eq!(convert(&value, kind, &conversion, None), wanted, "{value:?} as {kind:?}");
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

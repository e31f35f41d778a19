//! What a value must be for an attribute to take it, as the help centre's "supported data formats" has it.
//!
//! Promises: pure; the first bad value is named by its attribute, never by the value.

use jiff::civil::Date;
use serde_json::Value;

use super::definitions::{Attribute, Kind};
use super::switches::{ApsisSwitches, EmptyText};

/// Characters of a text attribute.
const TEXT_CHARACTERS: usize = 1000;

/// A value as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kept {
    Text(Box<str>),
    Bool(bool),
    Int(i64),
    Dec(f64),
}

impl Kept {
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Text(text) => Value::from(&**text),
            Self::Bool(yes) => Value::from(*yes),
            Self::Int(number) => Value::from(*number),
            Self::Dec(number) => Value::from(*number),
        }
    }

    /// As a key of the keyspace that the attribute is mapped to.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Text(text) => text.to_string(),
            Self::Int(number) => number.to_string(),
            Self::Bool(yes) => yes.to_string(),
            Self::Dec(number) => number.to_string(),
        }
    }
}

/// The value that JSON sets: `None` clears.
pub(crate) fn from_json(
    attribute: &Attribute,
    value: &Value,
    switches: &ApsisSwitches,
) -> Result<Option<Kept>, String> {
    let wrong = |what: &str| Err(format!("Attribute {}: {what}", attribute.discriminator));
    match (attribute.kind, value) {
        (_, Value::Null) => Ok(None),
        (Kind::Mobile, Value::String(digits)) if switches.mobile_as_text => mobile(attribute, digits),
        (Kind::Mobile, Value::Number(number)) => match number.as_u64() {
            Some(number) => mobile(attribute, &number.to_string()),
            None => wrong("must be a whole number of digits"),
        },
        (Kind::Boolean, Value::Bool(yes)) => Ok(Some(Kept::Bool(*yes))),
        (Kind::Number | Kind::Timestamp, Value::Number(number)) => match number.as_i64() {
            Some(number) => Ok(Some(Kept::Int(number))),
            None => wrong("must be a whole number"),
        },
        (Kind::Decimal, Value::Number(number)) => match number.as_f64() {
            Some(number) if number.is_finite() => Ok(Some(Kept::Dec(number))),
            _ => wrong("must be a number"),
        },
        (Kind::Text | Kind::Email | Kind::Date, Value::String(text)) => text_value(attribute, text, switches),
        (Kind::Text | Kind::Email | Kind::Date, _) => wrong("must be a string"),
        (Kind::Boolean, _) => wrong("must be true or false"),
        (Kind::Number | Kind::Decimal | Kind::Timestamp | Kind::Mobile, _) => wrong("must be a number"),
    }
}

/// The value that a cell of an import file sets; `None` for an empty one.
pub(crate) fn from_cell(
    attribute: &Attribute,
    cell: &str,
    switches: &ApsisSwitches,
) -> Result<Option<Kept>, String> {
    let wrong = |what: &str| Err(format!("Attribute {}: {what}", attribute.discriminator));
    if cell.is_empty() {
        return Ok(None);
    }
    match attribute.kind {
        Kind::Mobile => mobile(attribute, cell),
        Kind::Boolean => match cell {
            "true" => Ok(Some(Kept::Bool(true))),
            "false" => Ok(Some(Kept::Bool(false))),
            _ => wrong("must be true or false"),
        },
        Kind::Number | Kind::Timestamp => match cell.parse() {
            Ok(number) => Ok(Some(Kept::Int(number))),
            Err(_) => wrong("must be a whole number"),
        },
        Kind::Decimal => match cell.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(Kept::Dec(number))),
            _ => wrong("must be a number"),
        },
        Kind::Text | Kind::Email | Kind::Date => text_value(attribute, cell, switches),
    }
}

fn text_value(
    attribute: &Attribute,
    text: &str,
    switches: &ApsisSwitches,
) -> Result<Option<Kept>, String> {
    let wrong = |what: &str| Err(format!("Attribute {}: {what}", attribute.discriminator));
    if text.is_empty() && attribute.kind == Kind::Text {
        return match switches.empty_text {
            EmptyText::Refused => wrong("must not be empty"),
            EmptyText::Clears => Ok(None),
            EmptyText::Kept => Ok(Some(Kept::Text("".into()))),
        };
    }
    if text.chars().count() > TEXT_CHARACTERS {
        return wrong("must not be longer than 1000 characters");
    }
    match attribute.kind {
        Kind::Email if !is_address(text, switches.unicode_addresses) => wrong("must be an e-mail address"),
        Kind::Date if text.len() != 10 || text.parse::<Date>().is_err() => wrong("must be a date, YYYY-MM-DD"),
        _ => Ok(Some(Kept::Text(text.into()))),
    }
}

fn mobile(attribute: &Attribute, digits: &str) -> Result<Option<Kept>, String> {
    if is_mobile(digits)
        && let Ok(number) = digits.parse()
    {
        return Ok(Some(Kept::Int(number)));
    }
    Err(format!("Attribute {}: must be country code and number, digits only", attribute.discriminator))
}

/// Country code and number: digits only, no leading zero, at most 15 (E.164). At least seven is inferred.
pub(crate) fn is_mobile(digits: &str) -> bool {
    (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0')
}

/// A well-formed address with a domain and a top-level domain.
pub(crate) fn is_address(text: &str, unicode: bool) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let letter = |char: char| char.is_ascii_alphanumeric() || (unicode && char.is_alphanumeric());
    let dots = |part: &str| part.starts_with('.') || part.ends_with('.') || part.contains("..");
    let local_ok = !local.is_empty()
        && local.len() <= 64
        && !dots(local)
        && local.chars().all(|char| letter(char) || "!#$%&'*+-/=?^_`{|}~.".contains(char));
    let label_ok = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|char| letter(char) || char == '-')
    };
    let domain_ok = domain.len() <= 253
        && domain.split('.').count() >= 2
        && domain.split('.').all(label_ok)
        && domain.rsplit('.').next().is_some_and(|top| top.chars().count() >= 2 && !top.bytes().all(|byte| byte.is_ascii_digit()));
    text.len() <= 254 && local_ok && domain_ok
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_numbers_are_checked() {
        for good in ["a@b.se", "anna.berg+news@example.co.uk", "o'neill@firma-1.example"] {
            assert!(is_address(good, false), "{good}");
        }
        for bad in
            ["", "a", "a@b", "a@b.", "@b.se", "a b@c.se", " a@b.se", "a@b.se; c@d.se", "a..b@c.se", "zoë@b.se", "a@-b.se", "a@b.1"]
        {
            assert!(!is_address(bad, false), "{bad}");
        }
        assert!(is_address("zoë@b.se", true));
        assert!(is_mobile("46793699558"));
        for bad in ["", "+46793699558", "0793699558", "4679 3699558", "4679369955812345"] {
            assert!(!is_mobile(bad), "{bad}");
        }
    }
}

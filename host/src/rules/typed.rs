//! Whether conditions and mappings fit the types of the fields that they name, before any contact is seen.
//!
//! Pure: the CRM's fields and the attribute's kind are given. A row that fits may still meet a value that does not; a
//! row that does not fit would never meet one that does.

use jiff::civil::Date;
use serde_json::Value as Json;
use thiserror::Error;

use crate::contact::{FieldInfo, FieldType, Value};
use crate::day_format;
use crate::error::ErrorCode;
use crate::integration::{AttributeKind, FieldCondition, FieldRow, Test};

use super::condition::Operand;

/// So many options are named where one is wrong.
const NAMED: usize = 30;

/// A row that does not fit the types of what it names.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TypeClash {
    /// A condition asks of a field what its type does not have.
    #[error("the sync condition on `{field}` does not fit: the field holds {holds}, and {problem}")]
    Condition {
        /// The field.
        field: String,
        /// What it holds, in words.
        holds: &'static str,
        /// What does not fit, and what would.
        problem: String,
    },
    /// A condition names an option that the field does not have.
    #[error("the sync condition on `{field}` names {named}, and the field has no such option; {there}")]
    Option {
        /// The field.
        field: String,
        /// What it names.
        named: String,
        /// The options that there are.
        there: String,
    },
    /// A mapping fills an attribute from a field of another type.
    #[error("the mapping of `{field}` to {attribute} does not fit: {problem}")]
    Mapping {
        /// The field.
        field: String,
        /// The attribute, as the row names it.
        attribute: String,
        /// What does not fit, and what would.
        problem: String,
    },
    /// A field that is mapped as a consent is not yes/no.
    #[error("the field `{field}` is mapped as a consent and holds {holds}: map a yes/no field")]
    Consent {
        /// The field.
        field: String,
        /// What it holds, in words.
        holds: &'static str,
    },
}

impl ErrorCode for TypeClash {
    fn code(&self) -> &'static str {
        match self {
            Self::Condition { .. } => "rules-condition-type",
            Self::Option { .. } => "rules-condition-option",
            Self::Mapping { .. } => "rules-mapping-type",
            Self::Consent { .. } => "rules-consent-type",
        }
    }
}

/// Whether a condition fits its field.
///
/// # Errors
/// With what does not fit.
pub fn check_condition(condition: &FieldCondition, field: &FieldInfo) -> Result<(), TypeClash> {
    let clash = |problem: String| TypeClash::Condition {
        field: field.name.clone(),
        holds: in_words(field.field_type),
        problem,
    };
    match &condition.test {
        Test::Equals(_) | Test::NotEquals(_) | Test::OneOf(_) => {
            condition.test.values().into_iter().try_for_each(|value| equals(value, field).map_err(&clash)?)
        }
        Test::Contains(_) | Test::StartsWith(_) => match field.field_type {
            FieldType::Text | FieldType::Choice | FieldType::Choices | FieldType::Json => Ok(()),
            _ => Err(clash("`contains` and `starts-with` are for text; compare it otherwise".to_owned())),
        },
        Test::IsEmpty(_) => Ok(()),
        Test::Compare(_, value) => compares(value, field.field_type).map_err(clash),
    }
}

/// Whether a value is one that the field can have. The outer error: it is of another type.
fn equals(value: &Json, field: &FieldInfo) -> Result<Result<(), TypeClash>, String> {
    let Some(operand) = Operand::new(value) else { return Ok(Ok(())) };
    let (fits, needed) = match field.field_type {
        FieldType::Boolean => (operand.is_boolean(), "true or false"),
        FieldType::Integer | FieldType::Decimal => (operand.is_number(), "a number"),
        FieldType::Date => {
            (operand.is_day(), "a date (\"2026-01-31\") or a day counted from today (\"today-30d\")")
        }
        FieldType::Timestamp => {
            (operand.is_when(), "a date, a date with a time, or a day counted from today")
        }
        FieldType::Text | FieldType::Json => (true, ""),
        FieldType::Choice | FieldType::Choices => {
            // Not every connector knows all options.
            let known = field.options.is_empty() || field.options.iter().any(|one| operand.is_option(one));
            if known {
                return Ok(Ok(()));
            }
            return Ok(Err(TypeClash::Option {
                field: field.name.clone(),
                named: value.to_string(),
                there: options(field),
            }));
        }
    };
    if fits { Ok(Ok(())) } else { Err(format!("{value} is not {needed}")) }
}

fn compares(value: &Json, field_type: FieldType) -> Result<(), String> {
    let Some(operand) = Operand::new(value) else { return Ok(()) };
    let (fits, needed) = match field_type {
        FieldType::Integer | FieldType::Decimal => (operand.is_number(), "a number"),
        FieldType::Date => {
            (operand.is_day(), "a date (\"2026-01-31\") or a day counted from today (\"today-30d\")")
        }
        FieldType::Timestamp => {
            (operand.is_when(), "a date, a date with a time, or a day counted from today")
        }
        FieldType::Text => (operand.is_ordered(), "a number or a date"),
        FieldType::Boolean | FieldType::Choice | FieldType::Choices | FieldType::Json => {
            return Err("it is neither greater nor less than anything: use `equals` or `one-of`".to_owned());
        }
    };
    if fits { Ok(()) } else { Err(format!("{value} is not {needed}")) }
}

fn options(field: &FieldInfo) -> String {
    let mut words: Vec<String> =
        field.options.iter().map(|option| format!("{} ({})", option.label, option.key)).collect();
    let more = words.len().saturating_sub(NAMED);
    words.truncate(NAMED);
    let words = words.join(", ");
    if more == 0 { format!("it has {words}") } else { format!("it has {words} and {more} more") }
}

/// Whether a mapping fits its field and its attribute. `kind`: what the attribute takes, as far as is known.
///
/// # Errors
/// With what does not fit.
pub fn check_mapping(row: &FieldRow, field: &FieldInfo, kind: AttributeKind) -> Result<(), TypeClash> {
    use AttributeKind as Kind;
    use FieldType as Type;
    let holds = field.field_type;
    let clash = |problem: String| {
        Err(TypeClash::Mapping { field: row.field.clone(), attribute: row.attribute.clone(), problem })
    };
    let fits = match kind {
        Kind::Text => true,
        Kind::Boolean => matches!(holds, Type::Boolean | Type::Integer | Type::Text | Type::Choice),
        Kind::Number | Kind::Decimal => {
            matches!(holds, Type::Integer | Type::Decimal | Type::Text | Type::Choice)
        }
        Kind::Date | Kind::Timestamp => {
            matches!(holds, Type::Date | Type::Timestamp | Type::Text | Type::Choice)
        }
        Kind::Mobile => matches!(holds, Type::Text | Type::Integer | Type::Choice),
    };
    if !fits {
        return clash(format!(
            "the field holds {}, and the attribute takes {}; map another field, or change `kind`",
            in_words(holds),
            kind.as_str()
        ));
    }
    let is_text = matches!(holds, Type::Text | Type::Choice);
    let of_text = kind == Kind::Text;
    for (setting, given, of_use, what) in [
        ("show", row.show.is_some(), matches!(holds, Type::Choice | Type::Choices), "a field with options"),
        (
            "true-text` and `false-text",
            row.true_text.is_some() || row.false_text.is_some(),
            holds == Type::Boolean && of_text,
            "a yes/no field that becomes text",
        ),
        (
            "date-format",
            row.date_format.is_some(),
            match kind {
                Kind::Text => matches!(holds, Type::Date | Type::Timestamp),
                Kind::Date | Kind::Timestamp => is_text,
                _ => false,
            },
            "a text that becomes a date, or a date that becomes text",
        ),
        (
            "decimal-comma",
            row.decimal_comma,
            match kind {
                Kind::Text => holds == Type::Decimal,
                Kind::Number | Kind::Decimal => is_text,
                _ => false,
            },
            "a text that becomes a number, or a number with decimals that becomes text",
        ),
        ("on-too-long", row.on_too_long.is_some(), of_text, "what becomes text"),
    ] {
        if given && !of_use {
            return clash(format!("`{setting}` is for {what}, and the field holds {}", in_words(holds)));
        }
    }
    if let (Some(format), Type::Date, Kind::Text) = (&row.date_format, holds, kind)
        && day_format::write(format, &Value::Date(Date::constant(2026, 10, 31).to_string())).is_none()
    {
        return clash("`date-format` asks for a time, and the field holds a date without one".to_owned());
    }
    Ok(())
}

/// Whether a row's kind is what the attribute takes, where APSIS One tells.
///
/// # Errors
/// It is another.
pub fn check_kind(row: &FieldRow, of_attribute: Option<AttributeKind>) -> Result<(), TypeClash> {
    match (row.kind, of_attribute) {
        (Some(given), Some(known)) if given != known => Err(TypeClash::Mapping {
            field: row.field.clone(),
            attribute: row.attribute.clone(),
            problem: format!(
                "the row says that the attribute takes {}, and in APSIS One it takes {}; correct `kind`, or leave it out",
                given.as_str(),
                known.as_str()
            ),
        }),
        _ => Ok(()),
    }
}

/// Whether a field can be mapped as a consent.
///
/// # Errors
/// It is not yes/no.
pub fn check_consent(field: &FieldInfo) -> Result<(), TypeClash> {
    match field.field_type {
        FieldType::Boolean => Ok(()),
        other => Err(TypeClash::Consent { field: field.name.clone(), holds: in_words(other) }),
    }
}

fn in_words(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Boolean => "yes or no",
        FieldType::Integer => "a whole number",
        FieldType::Decimal => "a number with decimals",
        FieldType::Text => "text",
        FieldType::Date => "a date",
        FieldType::Timestamp => "a date with a time",
        FieldType::Choice => "one of its options",
        FieldType::Choices => "several of its options",
        FieldType::Json => "something of no simple type",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contact::Choice;
    use crate::integration::Comparison;

    fn field(field_type: FieldType) -> FieldInfo {
        let option = |key: &str, label: &str| Choice { key: key.into(), label: label.into() };
        let options = match field_type {
            FieldType::Choice | FieldType::Choices => vec![option("vip", "Viktig"), option("other", "Övrig")],
            _ => Vec::new(),
        };
        FieldInfo { name: "f".into(), label: "F".into(), field_type, options }
    }

    fn condition(test: Test, field_type: FieldType) -> Option<&'static str> {
        let condition = FieldCondition { field: "f".into(), test };
        check_condition(&condition, &field(field_type)).err().map(|clash| clash.code())
    }

    #[test]
    fn conditions_fit_the_types_of_their_fields() {
        use FieldType::*;
        let less = |value| Test::Compare(Comparison::Less, value);
        let (clash, option) = (Some("rules-condition-type"), Some("rules-condition-option"));
        for (test, field_type, found) in [
            (Test::Equals(json!(true)), Boolean, None),
            (Test::Equals(json!("False")), Boolean, None),
            (Test::Equals(json!(1)), Boolean, clash),
            (Test::NotEquals(json!("12")), Integer, None),
            (Test::NotEquals(json!("twelve")), Decimal, clash),
            (Test::Equals(json!("today-1w")), Date, None),
            (Test::Equals(json!("2026-01-31T10:00:00Z")), Date, clash),
            (Test::Equals(json!("2026-01-31T10:00:00Z")), Timestamp, None),
            (Test::Equals(json!("soon")), Timestamp, clash),
            (Test::Equals(json!(true)), Text, None),
            (Test::OneOf(vec![json!("VIP"), json!("övrig")]), Choice, None),
            (Test::OneOf(vec![json!("vip"), json!("rare")]), Choices, option),
            (Test::Contains("a".into()), Choices, None),
            (Test::Contains("1".into()), Integer, clash),
            (Test::StartsWith("2026".into()), Date, clash),
            (Test::IsEmpty(true), Boolean, None),
            (less(json!(5)), Decimal, None),
            (less(json!("today")), Decimal, clash),
            (less(json!(5)), Date, clash),
            (less(json!("today+1y")), Timestamp, None),
            (less(json!(5)), Text, None),
            (less(json!(true)), Text, clash),
            (less(json!(5)), Boolean, clash),
            (less(json!(5)), Choice, clash),
        ] {
            assert_eq!(condition(test.clone(), field_type), found, "{test:?} on {field_type:?}");
        }
    }

    #[test]
    fn a_wrong_option_is_told_with_those_there_are() {
        let condition = FieldCondition { field: "f".into(), test: Test::Equals(json!("rare")) };
        let words = check_condition(&condition, &field(FieldType::Choice)).unwrap_err().to_string();
        assert!(words.contains("\"rare\"") && words.contains("Viktig (vip), Övrig (other)"), "{words}");
        let mut unknown = field(FieldType::Choice);
        unknown.options.clear();
        assert_eq!(check_condition(&condition, &unknown), Ok(()));
    }

    fn row(more: &str) -> FieldRow {
        toml::from_str(&format!("field = \"f\"\nattribute = \"A\"\n{more}")).unwrap()
    }

    #[test]
    fn mappings_fit_the_types_of_both_sides() {
        use AttributeKind as Kind;
        use FieldType::*;
        for (more, field_type, kind, fits) in [
            ("", Json, Kind::Text, true),
            ("", Choices, Kind::Boolean, false),
            ("", Date, Kind::Number, false),
            ("", Text, Kind::Decimal, true),
            ("", Boolean, Kind::Date, false),
            ("", Date, Kind::Timestamp, true),
            ("", Decimal, Kind::Mobile, false),
            ("show = \"key\"", Choice, Kind::Text, true),
            ("show = \"key\"", Text, Kind::Text, false),
            ("true-text = \"Ja\"", Boolean, Kind::Text, true),
            ("true-text = \"Ja\"", Boolean, Kind::Boolean, false),
            ("false-text = \"Nej\"", Text, Kind::Text, false),
            ("date-format = \"%d/%m/%Y\"", Text, Kind::Date, true),
            ("date-format = \"%d/%m/%Y\"", Date, Kind::Date, false),
            ("date-format = \"%d/%m/%Y\"", Date, Kind::Text, true),
            ("date-format = \"%H:%M\"", Date, Kind::Text, false),
            ("date-format = \"%H:%M\"", Timestamp, Kind::Text, true),
            ("decimal-comma = true", Text, Kind::Number, true),
            ("decimal-comma = true", Integer, Kind::Number, false),
            ("on-too-long = \"cut\"", Text, Kind::Text, true),
            ("on-too-long = \"cut\"", Text, Kind::Date, false),
        ] {
            let found = check_mapping(&row(more), &field(field_type), kind);
            assert_eq!(found.is_ok(), fits, "{more} {field_type:?} {kind:?}: {found:?}");
        }
    }

    #[test]
    fn the_kind_of_a_known_attribute_is_not_another() {
        let date = row("kind = \"date\"");
        assert_eq!(check_kind(&date, Some(AttributeKind::Date)), Ok(()));
        assert_eq!(check_kind(&date, None), Ok(()));
        assert_eq!(check_kind(&row(""), Some(AttributeKind::Date)), Ok(()));
        let words = check_kind(&date, Some(AttributeKind::Mobile)).unwrap_err().to_string();
        assert!(words.contains("date") && words.contains("mobile"), "{words}");
    }

    #[test]
    fn a_consent_field_is_yes_or_no() {
        assert_eq!(check_consent(&field(FieldType::Boolean)), Ok(()));
        assert!(check_consent(&field(FieldType::Text)).is_err());
    }
}

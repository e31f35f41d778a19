//! Sync conditions: does a field have a value?

use crate::contact::{Choice, Value};
use crate::integration::ConditionRow;
use crate::number;

use super::moment;

/// A condition, ready to be tried on many contacts.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    field: String,
    /// The value as text, without regard to case and surrounding space.
    text: String,
    /// The value as an exact number, where it is one.
    number: Option<String>,
    /// Whether the row gives a number: then text is compared as a number too.
    is_number: bool,
}

impl Condition {
    /// None: there is nothing to compare with (null, a list, a table, blank text).
    pub(super) fn new(row: &ConditionRow) -> Option<Self> {
        let text = match &row.equals {
            serde_json::Value::String(text) => fold(text),
            serde_json::Value::Bool(yes) => yes.to_string(),
            serde_json::Value::Number(number) => number.to_string(),
            _ => return None,
        };
        if text.is_empty() {
            return None;
        }
        let number = number::exact(&text);
        Some(Self { field: row.field.clone(), text, number, is_number: row.equals.is_number() })
    }

    pub(super) fn field(&self) -> &str {
        &self.field
    }

    /// Null equals nothing; a list of options equals each of its options.
    pub(super) fn holds(&self, value: &Value) -> bool {
        match value {
            Value::Null => false,
            Value::Boolean(yes) => self.text == yes.to_string(),
            Value::Integer(number) => self.number.as_ref() == Some(&number.to_string()),
            Value::Decimal(text) => self.number.is_some() && self.number == number::exact(text),
            Value::Text(text) if self.is_number => {
                self.number.is_some() && self.number == number::exact(text)
            }
            Value::Text(text) | Value::Date(text) | Value::Json(text) => self.text == fold(text),
            Value::Timestamp(text) => {
                let (ours, theirs) = (moment::moment(&self.text.to_uppercase()), moment::moment(text));
                ours.is_some() && ours == theirs || self.text == fold(text)
            }
            Value::Choice(choice) => self.is_option(choice),
            Value::Choices(choices) => choices.iter().any(|choice| self.is_option(choice)),
        }
    }

    fn is_option(&self, choice: &Choice) -> bool {
        self.text == fold(&choice.key) || self.text == fold(&choice.label)
    }
}

fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(equals: serde_json::Value, value: Value) -> bool {
        Condition::new(&ConditionRow { field: "f".into(), equals }).unwrap().holds(&value)
    }

    #[test]
    fn each_type_is_compared_as_what_it_is() {
        assert!(holds(json!("sverige"), Value::Text(" Sverige ".into())));
        assert!(!holds(json!("sverige"), Value::Text("Sverige AB".into())));
        assert!(holds(json!(12), Value::Decimal("12.00".into())));
        assert!(holds(json!(0.1), Value::Decimal("0.10".into())));
        assert!(holds(json!("12"), Value::Integer(12)));
        assert!(holds(json!(12), Value::Text("12".into())));
        assert!(!holds(json!(9_007_199_254_740_992_i64), Value::Integer(9_007_199_254_740_993)));
        assert!(holds(json!(false), Value::Boolean(false)));
        assert!(holds(json!("False"), Value::Boolean(false)));
        assert!(!holds(json!(0), Value::Boolean(false)));
        assert!(holds(json!("2024-01-01T01:00:00+01:00"), Value::Timestamp("2024-01-01T00:00:00Z".into())));
        let option = Choice { key: "prospect".into(), label: "Prospekt".into() };
        assert!(holds(json!("PROSPECT"), Value::Choice(option.clone())));
        assert!(holds(json!("prospekt"), Value::Choices(vec![option])));
    }

    #[test]
    fn null_equals_nothing() {
        for equals in [json!("null"), json!(0), json!(false)] {
            assert!(!holds(equals, Value::Null));
        }
    }

    #[test]
    fn a_row_without_a_value_is_none() {
        for equals in [json!(null), json!([1]), json!({}), json!("  ")] {
            assert!(Condition::new(&ConditionRow { field: "f".into(), equals }).is_none());
        }
    }
}

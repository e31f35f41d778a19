//! Sync conditions: does a contact match?
//!
//! What cannot be compared does not hold: nothing is neither equal to anything, nor greater, nor less. The one
//! condition that a missing value meets, beside `is-empty`, is `not-equals`: who asks for people that are not in Sweden
//! means those without a country, too.

mod operand;
#[cfg(test)]
mod properties;

use std::cmp::Ordering;

use jiff::civil::Date;

use crate::contact::{Choice, Contact, Value};
use crate::explained::ConditionVerdict;
use crate::integration::{self, Comparison, ConditionRow, FieldCondition};
use crate::reason::{Reason, ReasonCode};

use super::{RulesError, convert, field};

pub use operand::Operand;

/// A condition, ready to be tried on many contacts.
#[derive(Debug, Clone)]
pub enum Condition {
    /// One field of the contact.
    Field(Box<OnField>),
    /// One of them must hold, or several.
    Any(Vec<Condition>),
    /// All of them must hold.
    All(Vec<Condition>),
}

/// A condition on one field.
#[derive(Debug, Clone)]
pub struct OnField {
    field: String,
    test: Test,
    /// In words.
    words: String,
}

#[derive(Debug, Clone)]
enum Test {
    Equals(Operand),
    NotEquals(Operand),
    OneOf(Vec<Operand>),
    Contains(String),
    StartsWith(String),
    IsEmpty(bool),
    Compare(Comparison, Operand),
}

impl Condition {
    /// # Errors
    /// A value cannot be compared with, or a group has nothing in it.
    pub fn new(row: &ConditionRow) -> Result<Self, RulesError> {
        let group = |rows: &[ConditionRow]| {
            if rows.is_empty() {
                return Err(RulesError::ConditionGroup);
            }
            rows.iter().map(Self::new).collect::<Result<Vec<_>, _>>()
        };
        match row {
            ConditionRow::Field(row) => OnField::new(row)
                .map(|one| Self::Field(Box::new(one)))
                .ok_or_else(|| RulesError::ConditionValue { field: row.field.clone() }),
            ConditionRow::Any(rows) => group(rows).map(Self::Any),
            ConditionRow::All(rows) => group(rows).map(Self::All),
        }
    }

    /// Why it does not hold; none if it does.
    pub fn failure(&self, contact: &Contact, today: Date) -> Option<Reason> {
        match self {
            Self::Field(one) => (!one.holds(contact, today)).then(|| one.reason()),
            Self::All(all) => all.iter().find_map(|one| one.failure(contact, today)),
            Self::Any(any) if any.iter().any(|one| one.failure(contact, today).is_none()) => None,
            Self::Any(_) => Some(self.reason()),
        }
    }

    /// Tells what each condition in it makes of a contact; whether it holds.
    pub fn explain(
        &self,
        contact: &Contact,
        today: Date,
        within: &[String],
        told: &mut Vec<ConditionVerdict>,
    ) -> bool {
        let (word, conditions) = match self {
            Self::Field(one) => {
                let verdict = one.verdict(contact, today, within);
                let holds = verdict.holds;
                told.push(verdict);
                return holds;
            }
            Self::Any(any) => ("any", any),
            Self::All(all) => ("all", all),
        };
        let first = told.len().saturating_add(1);
        let last = told.len().saturating_add(self.fields().len());
        let group = format!("{word} of conditions {first} to {last}");
        let within: Vec<String> = within.iter().cloned().chain([group]).collect();
        let held = conditions.iter().map(|one| one.explain(contact, today, &within, told));
        let held: Vec<bool> = held.collect();
        match self {
            Self::Any(_) => held.contains(&true),
            _ => !held.contains(&false),
        }
    }

    fn fields(&self) -> Vec<&str> {
        match self {
            Self::Field(one) => vec![&one.field],
            Self::Any(conditions) | Self::All(conditions) => {
                conditions.iter().flat_map(Self::fields).collect()
            }
        }
    }

    /// Of a group of which nothing holds.
    fn reason(&self) -> Reason {
        let mut fields = self.fields();
        fields.sort_unstable();
        fields.dedup();
        let message = format!(
            "none of the conditions in a group holds, on the fields {}; one of them must. Change the contact in the \
             CRM, or the conditions, if it should be synced",
            fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ")
        );
        Reason { code: ReasonCode::ConditionNotMet, subject: Some(fields.join(", ")), message }
    }
}

impl OnField {
    fn new(row: &FieldCondition) -> Option<Self> {
        let text = |text: &str| Some(fold(text)).filter(|text| !text.is_empty());
        let test = match &row.test {
            integration::Test::Equals(value) => Test::Equals(Operand::new(value)?),
            integration::Test::NotEquals(value) => Test::NotEquals(Operand::new(value)?),
            integration::Test::OneOf(values) if values.is_empty() => return None,
            integration::Test::OneOf(values) => {
                Test::OneOf(values.iter().map(Operand::new).collect::<Option<_>>()?)
            }
            integration::Test::Contains(part) => Test::Contains(text(part)?),
            integration::Test::StartsWith(start) => Test::StartsWith(text(start)?),
            integration::Test::IsEmpty(empty) => Test::IsEmpty(*empty),
            integration::Test::Compare(how, value) => {
                Test::Compare(*how, Operand::new(value).filter(Operand::is_ordered)?)
            }
        };
        Some(Self { field: row.field.clone(), test, words: row.test.to_string() })
    }

    fn holds(&self, contact: &Contact, today: Date) -> bool {
        let value = field(contact, &self.field);
        match &self.test {
            Test::Equals(operand) => operand.equals(value, today),
            Test::NotEquals(operand) => !operand.equals(value, today),
            Test::OneOf(operands) => operands.iter().any(|operand| operand.equals(value, today)),
            Test::Contains(part) => has_text(value, |text| text.contains(part.as_str())),
            Test::StartsWith(start) => has_text(value, |text| text.starts_with(start.as_str())),
            Test::IsEmpty(wanted) => convert::is_nothing(value) == *wanted,
            Test::Compare(how, operand) => match (operand.compare(value, today), how) {
                (None, _) => false,
                (Some(found), Comparison::Greater) => found == Ordering::Greater,
                (Some(found), Comparison::Less) => found == Ordering::Less,
                (Some(found), Comparison::AtLeast) => found != Ordering::Less,
                (Some(found), Comparison::AtMost) => found != Ordering::Greater,
            },
        }
    }

    fn verdict(&self, contact: &Contact, today: Date, within: &[String]) -> ConditionVerdict {
        let operand = match &self.test {
            Test::Equals(operand) | Test::NotEquals(operand) | Test::Compare(_, operand) => Some(operand),
            _ => None,
        };
        let date = operand.and_then(|operand| operand.date(today));
        ConditionVerdict {
            field: self.field.clone(),
            wanted: date
                .map_or_else(|| self.words.clone(), |date| format!("{}, which is {date}", self.words)),
            saw: field(contact, &self.field).clone(),
            holds: self.holds(contact, today),
            within: within.to_vec(),
        }
    }

    fn reason(&self) -> Reason {
        let field = &self.field;
        Reason::about(
            ReasonCode::ConditionNotMet,
            field,
            format!(
                "the field `{field}` does not have the value that the sync condition asks for; change it in the CRM, \
                 or the condition, if the contact should be synced"
            ),
        )
    }
}

/// Whether a text in the value is so; of an option, its key or its label.
fn has_text(value: &Value, is: impl Fn(&str) -> bool) -> bool {
    let option = |choice: &Choice| is(&fold(&choice.key)) || is(&fold(&choice.label));
    match value {
        Value::Text(text) | Value::Json(text) => is(&fold(text)),
        Value::Choice(choice) => option(choice),
        Value::Choices(choices) => choices.iter().any(option),
        _ => false,
    }
}

fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::contact::ContactId;
    use crate::integration::Test as Asked;

    const TODAY: Date = Date::constant(2026, 3, 31);

    fn contact(value: Value) -> Contact {
        let fields = BTreeMap::from([("f".to_owned(), value)]);
        Contact { id: ContactId("1".into()), modified_at: None, fields, consents: Vec::new() }
    }

    fn holds(test: Asked, value: Value) -> bool {
        let condition = Condition::new(&ConditionRow::field("f", test)).unwrap();
        condition.failure(&contact(value), TODAY).is_none()
    }

    fn equals(wanted: Json, value: Value) -> bool {
        let differs = holds(Asked::NotEquals(wanted.clone()), value.clone());
        let same = holds(Asked::Equals(wanted), value);
        assert_ne!(same, differs, "not-equals is the contrary of equals");
        same
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn each_type_is_compared_as_what_it_is() {
        assert!(equals(json!("sverige"), text(" Sverige ")));
        assert!(!equals(json!("sverige"), text("Sverige AB")));
        assert!(equals(json!(12), Value::Decimal("12.00".into())));
        assert!(equals(json!(0.1), Value::Decimal("0.10".into())));
        assert!(equals(json!("12"), Value::Integer(12)));
        assert!(equals(json!(12), text("12")));
        assert!(!equals(json!(9_007_199_254_740_992_i64), Value::Integer(9_007_199_254_740_993)));
        assert!(equals(json!(false), Value::Boolean(false)));
        assert!(equals(json!("False"), Value::Boolean(false)));
        assert!(!equals(json!(0), Value::Boolean(false)));
        assert!(equals(json!("2024-01-01T01:00:00+01:00"), Value::Timestamp("2024-01-01T00:00:00Z".into())));
        assert!(
            equals(json!("2024-01-01"), Value::Timestamp("2024-01-01T23:59:59Z".into())),
            "the day of it"
        );
        assert!(equals(json!("today"), Value::Date("2026-03-31".into())));
        assert!(equals(json!("today-1m"), Value::Date("2026-02-28".into())));
        assert!(equals(json!("today"), text("Today")) && !equals(json!("today"), text("2026-03-31")));
        let option = Choice { key: "prospect".into(), label: "Prospekt".into() };
        assert!(equals(json!("PROSPECT"), Value::Choice(option.clone())));
        assert!(equals(json!("prospekt"), Value::Choices(vec![option])));
    }

    #[test]
    fn nothing_equals_nothing_and_is_not_compared() {
        for value in [json!("null"), json!(0), json!(false)] {
            assert!(!equals(value.clone(), Value::Null));
            assert!(!holds(Asked::OneOf(vec![value]), Value::Null));
        }
        for how in [Comparison::Greater, Comparison::Less, Comparison::AtLeast, Comparison::AtMost] {
            for value in
                [Value::Null, text(""), text("many"), Value::Date("soon".into()), Value::Boolean(true)]
            {
                assert!(!holds(Asked::Compare(how, json!(0)), value.clone()), "{value:?}");
                assert!(!holds(Asked::Compare(how, json!("today")), value.clone()), "{value:?}");
                let no_calendar = Asked::Compare(how, json!("today+9999y"));
                assert!(!holds(no_calendar, Value::Date("2026-01-01".into())));
            }
        }
        assert!(!holds(Asked::Contains("a".into()), Value::Null));
        assert!(!holds(Asked::StartsWith("a".into()), text("  ")));
    }

    #[test]
    fn texts_are_searched_without_regard_to_case() {
        let option = Choice { key: "vip".into(), label: "Viktig kund".into() };
        for (value, holds_in, starts) in [
            (text(" En VIKTIG kund"), true, false),
            (text("Viktigast"), true, true),
            (Value::Choice(option.clone()), true, true),
            (Value::Choices(vec![option]), true, true),
            (text("oviktig"), true, false),
            (text("ovanlig"), false, false),
            (Value::Integer(5), false, false),
        ] {
            assert_eq!(holds(Asked::Contains(" Viktig".into()), value.clone()), holds_in, "{value:?}");
            assert_eq!(holds(Asked::StartsWith("viktig ".into()), value.clone()), starts, "{value:?}");
        }
    }

    #[test]
    fn empty_is_what_would_clear_an_attribute() {
        let no_choice = Choice { key: "empty".into(), label: String::new() };
        for value in [Value::Null, text(" \u{0}"), Value::Choice(no_choice), Value::Choices(vec![])] {
            assert!(holds(Asked::IsEmpty(true), value.clone()), "{value:?}");
            assert!(!holds(Asked::IsEmpty(false), value.clone()), "{value:?}");
        }
        for value in [Value::Boolean(false), Value::Integer(0), text("-")] {
            assert!(holds(Asked::IsEmpty(false), value.clone()), "{value:?}");
        }
    }

    #[test]
    fn a_group_says_which_fields_could_have_held() {
        let row = |field: &str, wanted: i64| ConditionRow::field(field, Asked::Equals(json!(wanted)));
        let group = ConditionRow::Any(vec![row("g", 1), ConditionRow::All(vec![row("f", 1), row("f", 2)])]);
        let reason = Condition::new(&group).unwrap().failure(&contact(Value::Integer(1)), TODAY).unwrap();
        assert_eq!(reason.subject.as_deref(), Some("f, g"));
        assert!(reason.message.contains("`f`, `g`"), "{}", reason.message);
        let other = ConditionRow::Any(vec![row("g", 1), ConditionRow::All(vec![row("f", 1)])]);
        assert_eq!(Condition::new(&other).unwrap().failure(&contact(Value::Integer(1)), TODAY), None);
    }

    #[test]
    fn a_row_without_a_value_is_refused() {
        for value in [json!(null), json!([1]), json!({}), json!("  ")] {
            let row = ConditionRow::field("f", Asked::Equals(value));
            assert!(matches!(Condition::new(&row), Err(RulesError::ConditionValue { .. })));
        }
        for test in [
            Asked::OneOf(vec![]),
            Asked::Contains(" ".into()),
            Asked::Compare(Comparison::Less, json!("soon")),
            Asked::Compare(Comparison::Less, json!(true)),
        ] {
            let row = ConditionRow::field("f", test.clone());
            assert!(matches!(Condition::new(&row), Err(RulesError::ConditionValue { .. })), "{test:?}");
        }
        assert!(matches!(Condition::new(&ConditionRow::All(vec![])), Err(RulesError::ConditionGroup)));
    }
}

//! Sync conditions as an integration's file has them: a field, one operator and its value; or a group of
//! conditions of which all or any must hold.
//!
//! A row with no operator, with two, or with a key that is none is not read at all; what the values must be is for
//! `check` to say.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A sync condition. All of an integration's conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Keys", into = "Keys")]
pub enum ConditionRow {
    /// One field of the contact.
    Field(FieldCondition),
    /// One of them must hold, or several.
    Any(Vec<ConditionRow>),
    /// All of them must hold.
    All(Vec<ConditionRow>),
}

/// A condition on one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldCondition {
    /// A CRM field: `company.customertype`.
    pub field: String,
    /// What is asked of it.
    pub test: Test,
}

/// What is asked of a field. A value is text, a number or true/false; a choice is named by key or by label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// It has the value.
    Equals(Json),
    /// It does not have the value, or has none.
    NotEquals(Json),
    /// It has one of the values.
    OneOf(Vec<Json>),
    /// The text is in it.
    Contains(String),
    /// It begins with the text.
    StartsWith(String),
    /// Whether there is nothing in it.
    IsEmpty(bool),
    /// It is compared with a number, a day or a moment.
    Compare(Comparison, Json),
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Greater, or later.
    Greater,
    /// Less, or earlier.
    Less,
    /// Equal or greater.
    AtLeast,
    /// Equal or less.
    AtMost,
}

impl ConditionRow {
    /// A condition on one field.
    pub fn field(name: impl Into<String>, test: Test) -> Self {
        Self::Field(FieldCondition { field: name.into(), test })
    }

    /// Every field that it asks about, those of a group in their order.
    pub fn fields(&self) -> Vec<&FieldCondition> {
        match self {
            Self::Field(one) => vec![one],
            Self::Any(rows) | Self::All(rows) => rows.iter().flat_map(Self::fields).collect(),
        }
    }
}

impl Test {
    /// The values that it names.
    pub fn values(&self) -> Vec<&Json> {
        match self {
            Self::Equals(value) | Self::NotEquals(value) | Self::Compare(_, value) => vec![value],
            Self::OneOf(values) => values.iter().collect(),
            Self::Contains(_) | Self::StartsWith(_) | Self::IsEmpty(_) => Vec::new(),
        }
    }
}

impl fmt::Display for ConditionRow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, word) = match self {
            Self::Field(one) => return write!(out, "{} {}", one.field, one.test),
            Self::Any(rows) => (rows, " or "),
            Self::All(rows) => (rows, " and "),
        };
        let words: Vec<String> = rows.iter().map(Self::to_string).collect();
        write!(out, "({})", words.join(word))
    }
}

impl fmt::Display for Test {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(value) => write!(out, "is {value}"),
            Self::NotEquals(value) => write!(out, "is not {value}"),
            Self::OneOf(values) => {
                let words: Vec<String> = values.iter().map(Json::to_string).collect();
                write!(out, "is one of {}", words.join(", "))
            }
            Self::Contains(text) => write!(out, "contains \"{text}\""),
            Self::StartsWith(text) => write!(out, "starts with \"{text}\""),
            Self::IsEmpty(true) => out.write_str("is empty"),
            Self::IsEmpty(false) => out.write_str("is not empty"),
            Self::Compare(how, value) => write!(out, "is {how} {value}"),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Greater => "greater than",
            Self::Less => "less than",
            Self::AtLeast => "at least",
            Self::AtMost => "at most",
        })
    }
}

/// The API's description of a row is that of its keys.
impl PartialSchema for ConditionRow {
    fn schema() -> RefOr<Schema> {
        Keys::schema()
    }
}

impl ToSchema for ConditionRow {}

/// The keys of a row, as they are written.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Keys {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    equals: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    not_equals: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    one_of: Option<Vec<Json>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contains: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starts_with: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    is_empty: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    greater_than: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    less_than: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    at_least: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    at_most: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    any: Option<Vec<ConditionRow>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    all: Option<Vec<ConditionRow>>,
}

/// Why keys are no condition.
#[derive(Debug, thiserror::Error)]
enum NoCondition {
    #[error(
        "a condition has no operator: give one of equals, not-equals, one-of, contains, starts-with, is-empty, \
         greater-than, less-than, at-least, at-most"
    )]
    NoOperator,
    #[error("a condition has several operators, {0} and {1}: write one row for each")]
    TwoOperators(&'static str, &'static str),
    #[error("a condition has no field: name the CRM field that it asks about")]
    NoField,
    #[error(
        "a condition is a field with an operator, or one group, `any` or `all`, and not several of these"
    )]
    Mixed,
}

impl TryFrom<Keys> for ConditionRow {
    type Error = NoCondition;

    fn try_from(keys: Keys) -> Result<Self, NoCondition> {
        let compare = |how, value: Option<Json>| value.map(|value| Test::Compare(how, value));
        let tests = [
            ("equals", keys.equals.map(Test::Equals)),
            ("not-equals", keys.not_equals.map(Test::NotEquals)),
            ("one-of", keys.one_of.map(Test::OneOf)),
            ("contains", keys.contains.map(Test::Contains)),
            ("starts-with", keys.starts_with.map(Test::StartsWith)),
            ("is-empty", keys.is_empty.map(Test::IsEmpty)),
            ("greater-than", compare(Comparison::Greater, keys.greater_than)),
            ("less-than", compare(Comparison::Less, keys.less_than)),
            ("at-least", compare(Comparison::AtLeast, keys.at_least)),
            ("at-most", compare(Comparison::AtMost, keys.at_most)),
        ];
        let mut given = tests.into_iter().filter_map(|(name, test)| test.map(|test| (name, test)));
        let (first, second) = (given.next(), given.next());
        match (keys.field, first, keys.any, keys.all) {
            (None, None, Some(rows), None) => Ok(Self::Any(rows)),
            (None, None, None, Some(rows)) => Ok(Self::All(rows)),
            (_, _, Some(_), _) | (_, _, _, Some(_)) => Err(NoCondition::Mixed),
            (_, None, None, None) => Err(NoCondition::NoOperator),
            (None, Some(_), None, None) => Err(NoCondition::NoField),
            (Some(field), Some((name, test)), None, None) => match second {
                Some((other, _)) => Err(NoCondition::TwoOperators(name, other)),
                None => Ok(Self::Field(FieldCondition { field, test })),
            },
        }
    }
}

impl From<ConditionRow> for Keys {
    fn from(row: ConditionRow) -> Self {
        let one = match row {
            ConditionRow::Any(rows) => return Self { any: Some(rows), ..Self::default() },
            ConditionRow::All(rows) => return Self { all: Some(rows), ..Self::default() },
            ConditionRow::Field(one) => one,
        };
        let keys = Self { field: Some(one.field), ..Self::default() };
        match one.test {
            Test::Equals(value) => Self { equals: Some(value), ..keys },
            Test::NotEquals(value) => Self { not_equals: Some(value), ..keys },
            Test::OneOf(values) => Self { one_of: Some(values), ..keys },
            Test::Contains(text) => Self { contains: Some(text), ..keys },
            Test::StartsWith(text) => Self { starts_with: Some(text), ..keys },
            Test::IsEmpty(empty) => Self { is_empty: Some(empty), ..keys },
            Test::Compare(Comparison::Greater, value) => Self { greater_than: Some(value), ..keys },
            Test::Compare(Comparison::Less, value) => Self { less_than: Some(value), ..keys },
            Test::Compare(Comparison::AtLeast, value) => Self { at_least: Some(value), ..keys },
            Test::Compare(Comparison::AtMost, value) => Self { at_most: Some(value), ..keys },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<ConditionRow, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_row_is_one_field_with_one_operator_or_one_group() {
        for (text, words) in [
            ("field = \"a\"\nequals = 1", "a is 1"),
            ("field = \"a\"\nnot-equals = \"Sweden\"", "a is not \"Sweden\""),
            ("field = \"a\"\none-of = [\"x\", 2]", "a is one of \"x\", 2"),
            ("field = \"a\"\nis-empty = false", "a is not empty"),
            ("field = \"a\"\nat-least = \"today-30d\"", "a is at least \"today-30d\""),
            (
                "any = [{field = \"a\", equals = true}, {all = [{field = \"b\", contains = \"x\"}, \
                 {field = \"c\", starts-with = \"y\"}]}]",
                "(a is true or (b contains \"x\" and c starts with \"y\"))",
            ),
        ] {
            assert_eq!(read(text).map(|row| row.to_string()).as_deref(), Ok(words));
        }
        for (text, said) in [
            ("field = \"a\"", "no operator"),
            ("field = \"a\"\nequals = 1\ncontains = \"x\"", "equals and contains"),
            ("equals = 1", "no field"),
            ("field = \"a\"\nequal = 1", "`equal`"),
            ("any = []\nall = []", "not several"),
            ("field = \"a\"\nany = []", "not several"),
            ("any = [{field = \"a\", equals = 1, sideways = 2}]", "`sideways`"),
        ] {
            let message = read(text).expect_err(text);
            assert!(message.contains(said), "{text}: {message}");
        }
    }

    fn row() -> impl Strategy<Value = ConditionRow> {
        let value = prop_oneof![
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            "\\PC{0,8}".prop_map(Json::from)
        ];
        let how = prop_oneof![
            Just(Comparison::Greater),
            Just(Comparison::Less),
            Just(Comparison::AtLeast),
            Just(Comparison::AtMost)
        ];
        let test = prop_oneof![
            value.clone().prop_map(Test::Equals),
            value.clone().prop_map(Test::NotEquals),
            prop::collection::vec(value.clone(), 0..4).prop_map(Test::OneOf),
            any::<String>().prop_map(Test::Contains),
            any::<String>().prop_map(Test::StartsWith),
            any::<bool>().prop_map(Test::IsEmpty),
            (how, value).prop_map(|(how, value)| Test::Compare(how, value)),
        ];
        let field = (any::<String>(), test).prop_map(|(field, test)| ConditionRow::field(field, test));
        field.prop_recursive(3, 12, 3, |inner| {
            let rows = prop::collection::vec(inner, 0..3);
            prop_oneof![rows.clone().prop_map(ConditionRow::Any), rows.prop_map(ConditionRow::All)]
        })
    }

    proptest! {
        #[test]
        fn rows_come_back_from_both_forms_of_a_file(row in row()) {
            let json = serde_json::to_string(&row).unwrap();
            prop_assert_eq!(&serde_json::from_str::<ConditionRow>(&json).unwrap(), &row);
            let toml = toml::to_string_pretty(&row).unwrap();
            prop_assert_eq!(&toml::from_str::<ConditionRow>(&toml).unwrap(), &row, "{}", toml);
        }
    }
}

//! The value that a condition names, and how a contact's value compares with it.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value as Json;

use super::fold;
use crate::contact::{Choice, Value};
use crate::day::Day;
use crate::{moment, number};

/// A value, ready to be compared with many.
#[derive(Debug, Clone)]
pub struct Operand {
    /// As text, without regard to case and surrounding space.
    text: String,
    /// As an exact number, where it is one.
    number: Option<String>,
    /// Whether the row gives a number: then text is compared as a number too.
    is_number: bool,
    /// As a day or a moment, where it is one.
    when: Option<When>,
}

#[derive(Debug, Clone, Copy)]
enum When {
    Day(Day),
    Moment(Timestamp),
}

impl Operand {
    /// None: there is nothing to compare with (null, a list, a table, blank text).
    pub fn new(value: &Json) -> Option<Self> {
        let text = match value {
            Json::String(text) => fold(text),
            Json::Bool(yes) => yes.to_string(),
            Json::Number(number) => number.to_string(),
            _ => return None,
        };
        if text.is_empty() {
            return None;
        }
        let is_number = value.is_number();
        let moment = || moment::moment(&text.to_uppercase()).map(When::Moment);
        let when = if is_number { None } else { Day::parse(&text).map(When::Day).or_else(moment) };
        Some(Self { number: number::exact(&text), text, is_number, when })
    }

    /// Whether something can be greater or less.
    pub fn is_ordered(&self) -> bool {
        self.number.is_some() || self.when.is_some()
    }

    /// Whether it is a number.
    pub fn is_number(&self) -> bool {
        self.number.is_some()
    }

    /// Whether it is true or false.
    pub fn is_boolean(&self) -> bool {
        matches!(self.text.as_str(), "true" | "false")
    }

    /// Whether it is a day.
    pub fn is_day(&self) -> bool {
        matches!(self.when, Some(When::Day(_)))
    }

    /// Whether it is a day or a moment.
    pub fn is_when(&self) -> bool {
        self.when.is_some()
    }

    /// The date that a day counted from today is now.
    pub fn date(&self, today: Date) -> Option<Date> {
        match self.when {
            Some(When::Day(day)) if day.is_relative() => day.on(today),
            _ => None,
        }
    }

    /// Whether the value is this one. Nothing equals nothing; a list of options equals each of its options.
    pub fn equals(&self, value: &Value, today: Date) -> bool {
        match value {
            Value::Null => false,
            Value::Boolean(yes) => self.text == yes.to_string(),
            Value::Integer(number) => self.number.as_ref() == Some(&number.to_string()),
            Value::Decimal(text) => self.number.is_some() && self.number == number::exact(text),
            Value::Text(text) if self.is_number => {
                self.number.is_some() && self.number == number::exact(text)
            }
            Value::Text(text) | Value::Json(text) => self.text == fold(text),
            Value::Date(text) | Value::Timestamp(text) => {
                self.compare_when(value, today) == Some(Ordering::Equal) || self.text == fold(text)
            }
            Value::Choice(choice) => self.is_option(choice),
            Value::Choices(choices) => choices.iter().any(|choice| self.is_option(choice)),
        }
    }

    /// Whether the option is this one, by key or by label.
    pub fn is_option(&self, choice: &Choice) -> bool {
        self.text == fold(&choice.key) || self.text == fold(&choice.label)
    }

    /// How the value compares with this one; none where neither is greater.
    pub fn compare(&self, value: &Value, today: Date) -> Option<Ordering> {
        let as_number = |text: &str| Some(number::compare(&number::exact(text)?, self.number.as_deref()?));
        match value {
            Value::Integer(number) => as_number(&number.to_string()),
            Value::Decimal(text) => as_number(text),
            Value::Text(text) if self.number.is_some() => as_number(text),
            Value::Text(_) | Value::Date(_) | Value::Timestamp(_) => self.compare_when(value, today),
            _ => None,
        }
    }

    /// A moment is compared with a day by its own day, in UTC; a date with a moment by its midnight.
    fn compare_when(&self, value: &Value, today: Date) -> Option<Ordering> {
        match (self.when?, value) {
            (When::Day(day), Value::Timestamp(text)) => Some(moment::date_in_utc(text)?.cmp(&day.on(today)?)),
            (When::Day(day), Value::Date(text) | Value::Text(text)) => {
                Some(moment::date_as_written(text)?.cmp(&day.on(today)?))
            }
            (When::Moment(at), Value::Timestamp(text) | Value::Date(text) | Value::Text(text)) => {
                Some(moment::moment(text)?.cmp(&at))
            }
            _ => None,
        }
    }
}

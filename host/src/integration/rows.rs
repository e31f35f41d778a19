//! What can be checked of conditions and mappings by themselves.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::check::refuse;
use super::{
    AttributeKind, ConditionRow, Conversion, FieldCondition, FieldRow, Integration, IntegrationError, Test,
};
use crate::contact::Value;
use crate::day::Day;
use crate::{day_format, moment, number};

/// The e-mail attribute, which is mapped by itself.
const EMAIL: &str = "com.apsis1.attributes.email";

/// Groups within groups: more than these nobody reads.
const DEEPEST: usize = 8;

impl Integration {
    /// Checks the rows by themselves and against each other.
    ///
    /// # Errors
    /// The first row that cannot be, with what to do.
    pub(super) fn check_rows(&self) -> Result<(), IntegrationError> {
        for (at, row) in self.conditions.iter().enumerate() {
            check_condition(&format!("conditions, row {}", at + 1), row, DEEPEST)?;
        }
        let mut attributes = BTreeSet::new();
        for (at, row) in self.fields.iter().enumerate() {
            let key = format!("fields, row {}", at + 1);
            let attribute = row.attribute.trim().to_lowercase();
            if row.field.trim().is_empty() || attribute.is_empty() {
                return refuse(&key, "needs a field and an attribute");
            }
            if matches!(attribute.as_str(), EMAIL | "email" | "e-mail") {
                return refuse(&key, "maps the e-mail attribute, which is mapped by itself: remove the row");
            }
            if !attributes.insert(attribute) {
                return refuse(&key, "maps an attribute that another row maps already: remove one of them");
            }
            check_conversion(&key, row)?;
        }
        let mut consents = BTreeSet::new();
        for (at, row) in self.consents.iter().enumerate() {
            let key = format!("consents, row {}", at + 1);
            let named = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
            if named(&row.consent) == named(&row.field) {
                return refuse(&key, "needs either `consent` or `field`, and not both");
            }
            if row.topic.trim().is_empty() {
                return refuse(&key, "needs a topic");
            }
            if !consents.insert((&row.consent, &row.field, &row.topic, row.channel)) {
                return refuse(&key, "is there twice: remove one of them");
            }
        }
        Ok(())
    }
}

fn check_condition(key: &str, row: &ConditionRow, deepest: usize) -> Result<(), IntegrationError> {
    let (word, rows) = match row {
        ConditionRow::Field(one) => return check_test(key, one),
        ConditionRow::Any(rows) => ("any", rows),
        ConditionRow::All(rows) => ("all", rows),
    };
    if rows.is_empty() {
        return refuse(
            key,
            &format!("is the group `{word}` without a condition in it: add one, or remove it"),
        );
    }
    if deepest == 0 {
        return refuse(key, &format!("has groups within groups, more than {DEEPEST} deep: write it flatter"));
    }
    rows.iter().enumerate().try_for_each(|(at, row)| {
        check_condition(&format!("{key}, {word}, row {}", at + 1), row, deepest.saturating_sub(1))
    })
}

fn check_test(key: &str, condition: &FieldCondition) -> Result<(), IntegrationError> {
    if condition.field.trim().is_empty() {
        return refuse(key, "needs a field, and a value that is text, a number or true/false");
    }
    match &condition.test {
        Test::OneOf(values) if values.is_empty() => {
            return refuse(key, "has an empty list after `one-of`: give at least one value");
        }
        Test::Contains(text) | Test::StartsWith(text) if text.trim().is_empty() => {
            return refuse(
                key,
                "looks for an empty text, which is in every text: use `is-empty`, or give a text",
            );
        }
        Test::Compare(_, value) if !is_ordered(value) => {
            return refuse(
                key,
                "compares, so it needs a number, a date (\"2026-01-31\"), a date with a time \
                 (\"2026-01-31T12:00:00Z\"), or a day counted from today (\"today-30d\"; d, w, m or y)",
            );
        }
        _ => {}
    }
    if condition.test.values().into_iter().all(is_value) {
        return Ok(());
    }
    refuse(
        key,
        "needs a field, and a value that is text, a number or true/false (a date is text, \"2026-01-31\"; nothing at \
         all is `is-empty = true`)",
    )
}

fn is_value(value: &Json) -> bool {
    value.is_boolean() || value.is_number() || value.as_str().is_some_and(|text| !text.trim().is_empty())
}

fn is_ordered(value: &Json) -> bool {
    let text = |text: &str| {
        number::exact(text).is_some() || Day::parse(text).is_some() || moment::moment(text).is_some()
    };
    value.is_number() || value.as_str().is_some_and(text)
}

fn check_conversion(key: &str, row: &FieldRow) -> Result<(), IntegrationError> {
    use AttributeKind::{Date, Decimal, Number, Text, Timestamp};
    let conversion = row.conversion();
    let only_for = |name: &str, given: bool, kinds: &[AttributeKind]| match row.kind {
        Some(kind) if given && !kinds.contains(&kind) => {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
            refuse(key, &format!("has `{name}`, which is for an attribute of the kind {}", kinds.join(", ")))
        }
        _ => Ok(()),
    };
    only_for("on-too-long", row.on_too_long.is_some(), &[Text])?;
    only_for("true-text", row.true_text.is_some(), &[Text])?;
    only_for("false-text", row.false_text.is_some(), &[Text])?;
    only_for("decimal-comma", row.decimal_comma, &[Text, Number, Decimal])?;
    only_for("date-format", row.date_format.is_some(), &[Text, Date, Timestamp])?;
    match &conversion {
        Conversion { date_format: Some(format), .. } => check_format(key, format, row.kind),
        _ => Ok(()),
    }
}

fn check_format(key: &str, format: &str, kind: Option<AttributeKind>) -> Result<(), IntegrationError> {
    let sample = Value::Timestamp("2026-10-31T13:45:59Z".to_owned());
    let Some(written) = day_format::write(format, &sample) else {
        return refuse(
            key,
            "has a `date-format` that cannot be used: write it as strftime does, \"%d/%m/%Y\"",
        );
    };
    let reads = match kind {
        Some(AttributeKind::Date) => day_format::read_day(format, &written).is_some(),
        Some(AttributeKind::Timestamp) => day_format::read_moment(format, &written).is_some(),
        _ => true,
    };
    if reads {
        return Ok(());
    }
    refuse(
        key,
        "has a `date-format` that does not tell day, month and year (for a `timestamp`, the time too)",
    )
}

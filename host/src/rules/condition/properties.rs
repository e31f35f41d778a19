//! All operators beside a second, much plainer evaluator, on values that both can read.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::contact::ContactId;
use crate::integration::Test as Asked;

/// Days since a day long ago; or a number; or a text.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Plain {
    Nothing,
    Number(i32),
    Day(i32),
    Text(String),
}

const TODAY: Date = Date::constant(2026, 3, 31);

fn day(distance: i32) -> Date {
    TODAY.checked_add(jiff::Span::new().days(distance)).unwrap()
}

fn plain() -> impl Strategy<Value = Plain> {
    prop_oneof![
        Just(Plain::Nothing),
        (-3..4).prop_map(Plain::Number),
        (-3..4).prop_map(Plain::Day),
        "[ab]{1,3}".prop_map(Plain::Text),
    ]
}

/// As the CRM would hand it over, in one of the types that can hold it.
fn value(plain: &Plain, form: u8) -> Value {
    match (plain, form % 3) {
        (Plain::Nothing, 0) => Value::Null,
        (Plain::Nothing, 1) => Value::Text("  ".into()),
        (Plain::Nothing, _) => Value::Choices(Vec::new()),
        (Plain::Number(number), 0) => Value::Integer(i64::from(*number)),
        (Plain::Number(number), 1) => Value::Decimal(format!("{number}.00")),
        (Plain::Number(number), _) => Value::Text(format!(" {number}.0")),
        (Plain::Day(distance), 0) => Value::Date(day(*distance).to_string()),
        (Plain::Day(distance), 1) => Value::Timestamp(format!("{}T10:00:00Z", day(*distance))),
        (Plain::Day(distance), _) => Value::Text(day(*distance).to_string()),
        (Plain::Text(text), 0) => Value::Text(format!(" {}", text.to_uppercase())),
        (Plain::Text(text), 1) => Value::Choice(Choice { key: text.clone(), label: "-".into() }),
        (Plain::Text(text), _) => {
            let choice = |key: &str, label: &str| Choice { key: key.into(), label: label.into() };
            Value::Choices(vec![choice("k1", "-"), choice("k2", text)])
        }
    }
}

fn named(plain: &Plain, relative: bool) -> serde_json::Value {
    match plain {
        Plain::Nothing => json!("nothing"),
        Plain::Number(number) => json!(number),
        Plain::Day(distance) if relative => json!(format!("Today {distance:+} d")),
        Plain::Day(distance) => json!(day(*distance).to_string()),
        Plain::Text(text) => json!(text),
    }
}

fn contact(value: Value) -> Contact {
    let fields = BTreeMap::from([("f".to_owned(), value)]);
    Contact { id: ContactId("1".into()), modified_at: None, fields, consents: Vec::new() }
}

fn holds(row: &ConditionRow, contact: &Contact) -> bool {
    Condition::new(row).unwrap().failure(contact, TODAY).is_none()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn operators_are_what_a_plain_evaluator_says(
        has in plain(),
        asked in plain(),
        form in any::<u8>(),
        relative in any::<bool>(),
    ) {
        let one = contact(value(&has, form));
        let is = |test| holds(&ConditionRow::field("f", test), &one);
        // A day that is counted from today is a text like any other where the CRM has text.
        let relative = relative && form % 3 != 2;
        let wanted = named(&asked, relative);
        let same = has == asked && has != Plain::Nothing;
        prop_assert_eq!(is(Asked::Equals(wanted.clone())), same);
        prop_assert_eq!(is(Asked::NotEquals(wanted.clone())), !same);
        prop_assert_eq!(is(Asked::OneOf(vec![json!("zz"), wanted.clone()])), same);
        prop_assert_eq!(is(Asked::IsEmpty(true)), has == Plain::Nothing);
        prop_assert_eq!(is(Asked::IsEmpty(false)), has != Plain::Nothing);
        if let Plain::Text(part) = &asked {
            let text = match &has { Plain::Text(text) => text.as_str(), _ => "" };
            prop_assert_eq!(is(Asked::Contains(part.clone())), text.contains(part.as_str()));
            prop_assert_eq!(is(Asked::StartsWith(part.clone())), text.starts_with(part.as_str()));
        }
        if matches!(asked, Plain::Number(_) | Plain::Day(_)) {
            let order = match (&has, &asked) {
                (Plain::Number(a), Plain::Number(b)) | (Plain::Day(a), Plain::Day(b)) => Some(a.cmp(b)),
                _ => None,
            };
            for (how, expected) in [
                (Comparison::Greater, order.is_some_and(Ordering::is_gt)),
                (Comparison::Less, order.is_some_and(Ordering::is_lt)),
                (Comparison::AtLeast, order.is_some_and(Ordering::is_ge)),
                (Comparison::AtMost, order.is_some_and(Ordering::is_le)),
            ] {
                prop_assert_eq!(is(Asked::Compare(how, wanted.clone())), expected, "{}", how);
            }
        }
    }

    #[test]
    fn groups_are_what_their_parts_are(numbers in prop::collection::vec(0_i64..3, 1..5), has in 0_i64..3) {
        let rows: Vec<_> = numbers.iter().map(|n| ConditionRow::field("f", Asked::Equals(json!(n)))).collect();
        let one = contact(Value::Integer(has));
        let (any, all) = (ConditionRow::Any(rows.clone()), ConditionRow::All(rows));
        prop_assert_eq!(holds(&any, &one), numbers.contains(&has));
        prop_assert_eq!(holds(&all, &one), numbers.iter().all(|n| *n == has));
        let nested = ConditionRow::Any(vec![ConditionRow::All(vec![any.clone(), all.clone()]), all.clone()]);
        prop_assert_eq!(holds(&nested, &one), holds(&all, &one));
        for row in [any, all, nested] {
            let condition = Condition::new(&row).unwrap();
            let mut told = Vec::new();
            prop_assert_eq!(condition.explain(&one, TODAY, &[], &mut told), holds(&row, &one));
            prop_assert_eq!(told.len(), row.fields().len());
        }
    }

    #[test]
    fn no_value_breaks_it(text in any::<String>(), asked in any::<String>()) {
        let rows = [
            Asked::Equals(json!(asked)),
            Asked::Contains(asked.clone()),
            Asked::Compare(Comparison::AtLeast, json!(asked)),
            Asked::Compare(Comparison::Less, json!("today-1m")),
        ];
        for test in rows {
            let Ok(condition) = Condition::new(&ConditionRow::field("f", test)) else { continue };
            for value in [
                Value::Text(text.clone()),
                Value::Date(text.clone()),
                Value::Timestamp(text.clone()),
                Value::Decimal(text.clone()),
                Value::Json(text.clone()),
            ] {
                condition.failure(&contact(value), TODAY);
            }
        }
    }
}

//! What the rules promise, sentence by sentence: B2 to B8, B12 and B13. Each test is a table that can be read without
//! knowing the program: what stands in the CRM, what the integration's file says, and what comes of it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::Date;
use serde::Deserialize;
use sluice::contact::{Channel, Choice, Consent, Contact, ContactId, Value};
use sluice::error::ErrorCode;
use sluice::integration::{ConditionRow, FieldRow, Integration};
use sluice::profile::{Answer, AttributeId, AttributeValue, Intent, TopicId};
use sluice::rules::{ConsentMapping, ConsentSource, Decision, FieldMapping, RuleSet, Rules};

/// The day on which all of this happens.
const TODAY: Date = Date::constant(2026, 3, 31);

// --- B2 ---

#[test]
fn b02_only_contacts_whose_field_has_the_value_are_synced() {
    let anna = person(&[
        ("country", text("Sweden")),
        ("customer type", option("vip", "Important customer")),
        ("interests", options(&[("golf", "Golf"), ("wine", "Wine tasting")])),
        ("inactive", Value::Boolean(false)),
        ("visits", Value::Integer(12)),
        ("potential", Value::Decimal("1500.50".into())),
        ("member since", Value::Date("2026-03-01".into())),
        ("last order", Value::Timestamp("2026-03-31T08:30:00Z".into())),
        ("company.city", text("Lund")),
        ("title", Value::Null),
    ]);
    // The condition in the integration's file                                   Is Anna synced?
    let table = [
        ("field = 'country', equals = 'Sweden'", true),
        ("field = 'country', equals = ' SWEDEN '", true),
        ("field = 'country', equals = 'Norway'", false),
        ("field = 'country', equals = 'Swe'", false),
        ("field = 'country', not-equals = 'Norway'", true),
        ("field = 'country', not-equals = 'sweden'", false),
        ("field = 'country', one-of = ['Norway', 'Sweden']", true),
        ("field = 'country', one-of = ['Norway', 'Denmark']", false),
        ("field = 'country', contains = 'wed'", true),
        ("field = 'country', contains = 'way'", false),
        ("field = 'country', starts-with = 'swe'", true),
        ("field = 'country', starts-with = 'wed'", false),
        ("field = 'country', is-empty = false", true),
        ("field = 'country', is-empty = true", false),
        // An option is named by what the CRM stores, or by what people see.
        ("field = 'customer type', equals = 'VIP'", true),
        ("field = 'customer type', equals = 'important customer'", true),
        ("field = 'customer type', equals = 'important'", false),
        ("field = 'customer type', contains = 'important'", true),
        ("field = 'interests', equals = 'Golf'", true),
        ("field = 'interests', one-of = ['sailing', 'wine']", true),
        ("field = 'interests', equals = 'sailing'", false),
        ("field = 'inactive', equals = false", true),
        ("field = 'inactive', equals = 'no'", false),
        ("field = 'visits', equals = 12", true),
        ("field = 'visits', greater-than = 11", true),
        ("field = 'visits', greater-than = 12", false),
        ("field = 'visits', at-least = 12", true),
        ("field = 'visits', less-than = 100", true),
        ("field = 'visits', at-most = 11", false),
        ("field = 'potential', equals = 1500.5", true),
        ("field = 'potential', less-than = '1500.51'", true),
        // Dates, also counted from today: 2026-03-31.
        ("field = 'member since', equals = '2026-03-01'", true),
        ("field = 'member since', equals = 'today-30d'", true),
        ("field = 'member since', at-least = 'today-30d'", true),
        ("field = 'member since', greater-than = 'today-30d'", false),
        ("field = 'member since', less-than = 'today-2w'", true),
        ("field = 'member since', less-than = '2026-02-28'", false),
        ("field = 'member since', at-most = 'today+1y'", true),
        ("field = 'last order', equals = 'today'", true),
        ("field = 'last order', at-least = 'today-1m'", true),
        ("field = 'last order', less-than = '2026-03-31T09:00:00Z'", true),
        ("field = 'last order', less-than = '2026-03-31T10:00:00+02:00'", false),
        // A field of her company is a field like any other.
        ("field = 'company.city', equals = 'Lund'", true),
        // What is empty is neither equal to anything nor more or less; and it is not Director.
        ("field = 'title', equals = 'Director'", false),
        ("field = 'title', not-equals = 'Director'", true),
        ("field = 'title', one-of = ['Director', 'null']", false),
        ("field = 'title', contains = 'Director'", false),
        ("field = 'title', less-than = 100", false),
        ("field = 'title', at-least = 'today-1000y'", false),
        ("field = 'title', is-empty = true", true),
    ];
    for (condition, synced) in table {
        let rules = rules(&[condition], &[], &[]);
        assert_eq!(is_synced(&rules, &anna), synced, "{condition}");
    }
}

#[test]
fn b02_a_condition_that_counts_from_today_moves_on_with_the_days() {
    let rules = rules(&["field = 'last order', at-least = 'today-7d'"], &[], &[]);
    let anna = person(&[("last order", Value::Date("2026-03-25".into()))]);
    for (day, synced) in [
        (Date::constant(2026, 3, 31), true),
        (Date::constant(2026, 4, 1), true),
        (Date::constant(2026, 4, 2), false),
    ] {
        assert_eq!(matches!(rules.decide(&anna, day), Decision::Write(_)), synced, "{day}");
    }
}

#[test]
fn b02_a_condition_that_says_nothing_clear_is_refused() {
    // The condition                                                             Words of the refusal
    let table = [
        ("field = 'country'", "has no operator"),
        ("field = 'country', equals = 'Sweden', contains = 'wed'", "several operators, equals and contains"),
        ("field = 'country', equal = 'Sweden'", "`equal`"),
        ("equals = 'Sweden'", "has no field"),
        ("field = ' ', equals = 'Sweden'", "conditions, row 1"),
        ("field = 'country', equals = ''", "conditions, row 1"),
        ("field = 'country', equals = ['Sweden']", "conditions, row 1"),
        ("field = 'country', one-of = []", "empty list"),
        ("field = 'country', contains = '  '", "empty text"),
        ("field = 'visits', at-least = 'many'", "needs a number, a date"),
        ("field = 'member since', at-least = 'today-30'", "d, w, m or y"),
        ("any = []", "without a condition"),
        ("any = [{field = 'country', equals = 'Sweden'}, {all = []}]", "conditions, row 1, any, row 2"),
        ("any = [{field = 'a', equals = 1}], all = [{field = 'b', equals = 2}]", "not several"),
        ("field = 'country', any = [{field = 'a', equals = 1}]", "not several"),
    ];
    for (condition, words) in table {
        let error = file(&format!("conditions = [{{{condition}}}]")).expect_err(condition);
        assert!(error.to_string().contains(words), "{condition}: {error}");
    }
}

// --- B3 ---

#[test]
fn b03_all_conditions_must_hold_unless_a_group_says_any() {
    let sweden = "field = 'country', equals = 'Sweden'";
    let active = "field = 'inactive', equals = false";
    let vip = "field = 'type', equals = 'vip'";
    let nested = "any = [{field = 'type', equals = 'vip'}, {all = [{field = 'country', equals = 'Sweden'}, \
                  {field = 'inactive', equals = false}]}]";
    //  Country    Inactive  Type       Sweden and active   Sweden, active and vip   vip, or else Sweden and active
    let table = [
        ("Sweden", false, "vip", [true, true, true]),
        ("Sweden", false, "other", [true, false, true]),
        ("Sweden", true, "vip", [false, false, true]),
        ("Norway", false, "vip", [false, false, true]),
        ("Norway", false, "other", [false, false, false]),
        ("Sweden", true, "other", [false, false, false]),
    ];
    for (country, inactive, kind, synced) in table {
        let one = person(&[
            ("country", text(country)),
            ("inactive", Value::Boolean(inactive)),
            ("type", text(kind)),
        ]);
        for (conditions, synced) in
            [vec![sweden, active], vec![sweden, active, vip], vec![nested]].iter().zip(synced)
        {
            assert_eq!(
                is_synced(&rules(conditions, &[], &[]), &one),
                synced,
                "{country} {inactive} {kind}: {conditions:?}"
            );
        }
    }
}

#[test]
fn b03_each_condition_says_what_it_saw_and_what_it_wanted() {
    let rules = rules(
        &[
            "field = 'country', one-of = ['Sweden', 'Norway']",
            "any = [{field = 'visits', greater-than = 10}, {field = 'last order', at-least = 'today-30d'}]",
        ],
        &[],
        &[],
    );
    let one = person(&[("country", text("Norway")), ("visits", Value::Integer(3))]);
    let explained = rules.explain(&one, TODAY);
    let told: Vec<_> =
        explained.conditions.iter().map(|one| (one.field.as_str(), one.wanted.as_str(), one.holds)).collect();
    assert_eq!(
        told,
        [
            ("country", "is one of \"Sweden\", \"Norway\"", true),
            ("visits", "is greater than 10", false),
            ("last order", "is at least \"today-30d\", which is 2026-03-01", false),
        ]
    );
    assert_eq!(explained.conditions[1].within, ["any of conditions 2 to 3"]);
    assert_eq!(
        (explained.conditions[1].saw.clone(), explained.conditions[2].saw.clone()),
        (Value::Integer(3), Value::Null)
    );
    assert!(!explained.conditions_hold);
}

// --- B4 and B6, as far as the rules go ---

#[test]
fn b04_a_contact_that_stops_matching_is_excluded_with_the_field_that_says_why() {
    let rules = rules(&["field = 'country', equals = 'Sweden'"], &[], &["1001 -> Newsletter, email"]);
    // Anna's country over time                Is she synced?
    let table =
        [(text("Sweden"), true), (text("Norway"), false), (Value::Null, false), (text("sweden"), true)];
    for (country, synced) in table {
        let anna = person(&[("country", country.clone())]);
        match rules.decide(&anna, TODAY) {
            Decision::Write(_) => assert!(synced, "{country:?}"),
            Decision::Excluded(reason) => {
                assert!(!synced, "{country:?}");
                assert_eq!(
                    (reason.code.as_str(), reason.subject.as_deref()),
                    ("condition-not-met", Some("country"))
                );
                assert!(!reason.message.contains("Norway"), "a reason holds no personal data");
            }
            Decision::Rejected(reason) => panic!("{reason:?}"),
        }
    }
    // Who is excluded can still say no: that reaches APSIS One.
    let mut anna = person(&[("country", text("Norway"))]);
    anna.consents = vec![said("1001", false)];
    assert!(matches!(rules.consents(&anna)[0].answer, Answer::Refused(_)));
}

#[test]
fn b06_other_conditions_change_who_is_synced_and_nothing_else() {
    let fields = ["field = 'country', attribute = 'Country'"];
    let anna = person(&[("country", text("Sweden")), ("visits", Value::Integer(3))]);
    let without = intent(&rules(&[], &fields, &[]), &anna);
    // The conditions from now on                          Is Anna synced?
    let table = [
        ("field = 'country', equals = 'Sweden'", true),
        ("field = 'visits', at-least = 3", true),
        ("field = 'visits', at-least = 4", false),
    ];
    for (condition, synced) in table {
        let rules = rules(&[condition], &fields, &[]);
        assert_eq!(is_synced(&rules, &anna), synced, "{condition}");
        if synced {
            assert!(
                intent(&rules, &anna).sends_same(&without),
                "what is sent for her is the same: {condition}"
            );
        }
    }
}

// --- B7 ---

#[test]
fn b07_the_e_mail_address_and_the_id_are_mapped_by_themselves() {
    let rules = rules(&[], &[], &[]);
    // The e-mail field in the CRM                    What the profile gets
    let table = [
        ("anna.berg@example.se", Ok("anna.berg@example.se")),
        ("  Anna.Berg@Example.SE ", Ok("anna.berg@example.se")),
        ("o'neill+news@mail.example.co.uk", Ok("o'neill+news@mail.example.co.uk")),
        ("", Err("email-missing")),
        ("   ", Err("email-missing")),
        ("anna.berg", Err("email-invalid")),
        ("anna@berg", Err("email-invalid")),
        ("anna berg@example.se", Err("email-invalid")),
        ("anna@example.se; bert@example.se", Err("email-invalid")),
        ("åsa@example.se", Err("email-invalid")),
        ("anna@10.0.0.1", Err("email-invalid")),
    ];
    for (email, wanted) in table {
        let found = match rules.decide(&person(&[("email", text(email))]), TODAY) {
            Decision::Write(intent) => {
                assert_eq!(intent.attributes.get(&id("id")), Some(&AttributeValue::Text("5001".into())));
                let Some(AttributeValue::Text(address)) = intent.attributes.get(&id("mail")) else {
                    panic!("{email}")
                };
                Ok(address.clone())
            }
            Decision::Rejected(reason) => Err(reason.code.as_str()),
            Decision::Excluded(reason) => panic!("{reason:?}"),
        };
        assert_eq!(found.as_ref().map(String::as_str).map_err(|code| *code), wanted, "{email}");
    }
    for attribute in ["Email", "e-mail", "com.apsis1.attributes.email"] {
        let error = file(&format!("fields = [{{field = 'x', attribute = '{attribute}'}}]")).unwrap_err();
        assert!(error.to_string().contains("mapped by itself"), "{error}");
    }
}

// --- B8 ---

#[test]
fn b08_a_mapping_turns_one_field_into_one_attribute() {
    let long = "x".repeat(1_001);
    let cut = "x".repeat(1_000);
    let anna = person(&[
        ("name", text("  Anna\u{0} ")),
        ("type", option("vip", "Important")),
        ("none chosen", option("empty", "")),
        ("interests", options(&[("golf", "Golf"), ("wine", "Wine")])),
        ("member", Value::Boolean(true)),
        ("blocked", Value::Boolean(false)),
        ("visits", text("12")),
        ("potential", Value::Decimal("1500.50".into())),
        ("written", text("1 500,50")),
        ("born", Value::Date("1980-02-29".into())),
        ("born text", text("29/02/1980")),
        ("ordered", Value::Timestamp("2026-03-31T23:30:00Z".into())),
        ("mobile", text("0736-45 19 74")),
        ("notes", text(&long)),
        ("nothing", Value::Null),
    ]);
    // The mapping (to the attribute A)                                                  What A gets
    let table = [
        ("field = 'name'", Ok(shown("Anna"))),
        ("field = 'type'", Ok(shown("Important"))),
        ("field = 'type', show = 'key'", Ok(shown("vip"))),
        ("field = 'interests'", Ok(shown("Golf, Wine"))),
        ("field = 'interests', show = 'key'", Ok(shown("golf, wine"))),
        ("field = 'none chosen', show = 'key'", Ok(AttributeValue::Clear)),
        ("field = 'member'", Ok(shown("true"))),
        ("field = 'member', true-text = 'Ja', false-text = 'Nej'", Ok(shown("Ja"))),
        ("field = 'blocked', true-text = 'Ja', false-text = 'Nej'", Ok(shown("Nej"))),
        ("field = 'member', kind = 'boolean'", Ok(AttributeValue::Boolean(true))),
        ("field = 'visits', kind = 'number'", Ok(AttributeValue::Integer(12))),
        ("field = 'name', kind = 'number'", Err("value-invalid")),
        ("field = 'potential', kind = 'decimal'", Ok(AttributeValue::Decimal("1500.5".into()))),
        ("field = 'potential', decimal-comma = true", Ok(shown("1500,5"))),
        (
            "field = 'written', kind = 'decimal', decimal-comma = true",
            Ok(AttributeValue::Decimal("1500.5".into())),
        ),
        ("field = 'written', kind = 'decimal'", Err("value-invalid")),
        ("field = 'born', kind = 'date'", Ok(AttributeValue::Date("1980-02-29".into()))),
        ("field = 'born', date-format = '%-d.%-m.%Y'", Ok(shown("29.2.1980"))),
        (
            "field = 'born text', kind = 'date', date-format = '%d/%m/%Y'",
            Ok(AttributeValue::Date("1980-02-29".into())),
        ),
        ("field = 'born text', kind = 'date'", Err("value-invalid")),
        ("field = 'born text', kind = 'date', date-format = '%m/%d/%Y'", Err("value-invalid")),
        ("field = 'ordered', kind = 'date'", Ok(AttributeValue::Date("2026-03-31".into()))),
        ("field = 'ordered', kind = 'timestamp'", Ok(AttributeValue::Timestamp(1_774_999_800))),
        ("field = 'mobile', kind = 'mobile'", Ok(AttributeValue::Integer(46_736_451_974))),
        ("field = 'name', kind = 'mobile'", Err("mobile-invalid")),
        ("field = 'notes'", Err("value-too-long")),
        ("field = 'notes', on-too-long = 'cut'", Ok(shown(&cut))),
        ("field = 'nothing'", Ok(AttributeValue::Clear)),
        ("field = 'not in the CRM', kind = 'number'", Ok(AttributeValue::Clear)),
    ];
    for (mapping, wanted) in table {
        let row = format!("{mapping}, attribute = 'A'");
        let found = match rules(&[], &[&row], &[]).decide(&anna, TODAY) {
            Decision::Write(intent) => Ok(intent.attributes.get(&id("A")).unwrap().clone()),
            Decision::Rejected(reason) => Err(reason.code.as_str()),
            Decision::Excluded(reason) => panic!("{reason:?}"),
        };
        assert_eq!(found, wanted, "{mapping}");
    }
}

#[test]
fn b08_a_setting_says_what_becomes_of_a_value_that_does_not_fit() {
    let anna = person(&[("name", text("Anna")), ("notes", text(&"x".repeat(1_001)))]);
    // The mapping                                                               What becomes of Anna
    let table = [
        ("field = 'name', kind = 'number'", "rejected"),
        ("field = 'name', kind = 'number', on-invalid = 'reject'", "rejected"),
        ("field = 'name', kind = 'number', on-invalid = 'skip'", "written without it"),
        ("field = 'notes'", "rejected"),
        ("field = 'notes', on-invalid = 'skip'", "written without it"),
        ("field = 'notes', on-too-long = 'skip'", "written without it"),
        ("field = 'notes', on-invalid = 'skip', on-too-long = 'reject'", "rejected"),
        ("field = 'notes', on-too-long = 'cut'", "written with it"),
    ];
    for (mapping, wanted) in table {
        let row = format!("{mapping}, attribute = 'A'");
        let found = match rules(&[], &[&row], &[]).decide(&anna, TODAY) {
            Decision::Write(intent) if intent.attributes.contains_key(&id("A")) => "written with it",
            Decision::Write(intent) => {
                assert_eq!(intent.left_out.len(), 1, "and the reason is told: {mapping}");
                "written without it"
            }
            Decision::Rejected(_) => "rejected",
            Decision::Excluded(_) => "excluded",
        };
        assert_eq!(found, wanted, "{mapping}");
    }
}

#[test]
fn b08_a_mapping_that_cannot_be_meant_is_refused() {
    // The mappings                                                              Words of the refusal
    let table = [
        ("{field = 'a', attribute = 'A'}, {field = 'b', attribute = 'a'}", "another row maps already"),
        ("{field = '', attribute = 'A'}", "needs a field"),
        ("{field = 'a', attribute = 'A', kind = 'date', true-text = 'Ja'}", "of the kind text"),
        ("{field = 'a', attribute = 'A', kind = 'number', on-too-long = 'cut'}", "of the kind text"),
        ("{field = 'a', attribute = 'A', kind = 'boolean', decimal-comma = true}", "text, number, decimal"),
        ("{field = 'a', attribute = 'A', date-format = '%Q'}", "strftime"),
        ("{field = 'a', attribute = 'A', kind = 'date', date-format = '%H:%M'}", "day, month and year"),
        ("{field = 'a', attribute = 'A', shown = 'key'}", "`shown`"),
    ];
    for (mappings, words) in table {
        let error = file(&format!("fields = [{mappings}]")).expect_err(mappings);
        assert!(error.to_string().contains(words), "{mappings}: {error}");
    }
}

// --- B12 ---

#[test]
fn b12_a_consent_is_mapped_to_one_subscription_on_one_channel() {
    for channel in ["['email', 'sms']", "'both'"] {
        let error = file(&format!("consents = [{{consent = '1001', topic = 'News', channel = {channel}}}]"))
            .unwrap_err();
        assert_eq!(error.code(), "integration-both-channels");
        assert!(error.to_string().contains("two rows"), "{error}");
    }
    let two = "consents = [{consent = '1001', topic = 'News', channel = 'email'}, {consent = '1001', topic = 'News', channel = 'sms'}]";
    assert_eq!(file(two).unwrap().consents.len(), 2);
}

#[test]
fn b12_nobody_is_opted_in_without_a_clear_yes() {
    let rules = rules(
        &[],
        &[],
        &["1001 -> News, email", "1001 -> News, sms", "1002 -> Offers, email", "1003 -> Offers, email"],
    );
    let (yes, no) = (true, false);
    let on = |consent: Consent, channel| Consent { channel: Some(channel), ..consent };
    // The answers in the CRM                                           News by e-mail, News by SMS, Offers by e-mail
    let table = [
        (vec![], ["unsaid", "unsaid", "unsaid"]),
        (vec![said("1001", yes)], ["given", "given", "unsaid"]),
        (vec![said("1001", no)], ["refused", "refused", "unsaid"]),
        (vec![on(said("1001", yes), Channel::Email)], ["given", "unsaid", "unsaid"]),
        (vec![said("1001", yes), said("1001", no)], ["refused", "refused", "unsaid"]),
        (vec![said("1002", yes)], ["unsaid", "unsaid", "unsaid"]),
        (vec![said("1002", yes), said("1003", yes)], ["unsaid", "unsaid", "given"]),
        (vec![said("1002", yes), said("1003", no)], ["unsaid", "unsaid", "refused"]),
        (vec![said("another", yes)], ["unsaid", "unsaid", "unsaid"]),
    ];
    for (answers, wanted) in table {
        let mut anna = person(&[]);
        anna.consents = answers.clone();
        let found: Vec<_> = intent(&rules, &anna).consents.iter().map(|one| in_words(one.answer)).collect();
        assert_eq!(found, wanted, "{answers:?}");
    }
}

// --- B13 ---

#[test]
fn b13_without_consent_records_a_yes_no_field_is_mapped_instead() {
    let rules = rules(&[], &[], &["field newsletter -> News, email"]);
    // The field in the CRM                          News by e-mail
    let table = [
        (Value::Boolean(true), "given"),
        (Value::Boolean(false), "refused"),
        (Value::Null, "unsaid"),
        (text("yes"), "unsaid"),
        (Value::Integer(1), "unsaid"),
    ];
    for (value, wanted) in table {
        let anna = person(&[("newsletter", value.clone())]);
        let found = intent(&rules, &anna);
        assert_eq!(in_words(found.consents[0].answer), wanted, "{value:?}");
        let verdict = rules.explain(&anna, TODAY).consents[0].clone();
        assert_eq!((in_words(verdict.answer), verdict.saw), (wanted, Some(value)));
    }
    for row in ["topic = 'News'", "consent = '1001', field = 'newsletter', topic = 'News'"] {
        let error = file(&format!("consents = [{{{row}, channel = 'email'}}]")).unwrap_err();
        assert!(error.to_string().contains("either `consent` or `field`"), "{error}");
    }
}

// --- How the tables are read ---

/// Anna, with an id and an e-mail address unless the table gives one.
fn person(fields: &[(&str, Value)]) -> Contact {
    let mut fields: BTreeMap<_, _> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    fields.entry("email".to_owned()).or_insert(text("anna@example.se"));
    Contact { id: ContactId("5001".into()), modified_at: None, fields, consents: Vec::new() }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn option(key: &str, label: &str) -> Value {
    Value::Choice(Choice { key: key.to_owned(), label: label.to_owned() })
}

fn options(options: &[(&str, &str)]) -> Value {
    let choice = |(key, label): &(&str, &str)| Choice { key: (*key).to_owned(), label: (*label).to_owned() };
    Value::Choices(options.iter().map(choice).collect())
}

fn said(consent: &str, given: bool) -> Consent {
    Consent { name: consent.to_owned(), channel: None, given, changed_at: None }
}

fn id(attribute: &str) -> AttributeId {
    AttributeId(attribute.to_owned())
}

fn shown(text: &str) -> AttributeValue {
    AttributeValue::Text(text.to_owned())
}

fn in_words(answer: Answer) -> &'static str {
    match answer {
        Answer::Given(_) => "given",
        Answer::Refused(_) => "refused",
        Answer::Unsaid => "unsaid",
    }
}

fn is_synced(rules: &Rules, contact: &Contact) -> bool {
    matches!(rules.decide(contact, TODAY), Decision::Write(_))
}

fn intent(rules: &Rules, contact: &Contact) -> Intent {
    match rules.decide(contact, TODAY) {
        Decision::Write(intent) => intent,
        other => panic!("not written: {other:?}"),
    }
}

/// Rules of rows as a file has them. Consents: `1001 -> Newsletter, email`, or `field newsletter -> ...`.
fn rules(conditions: &[&str], fields: &[&str], consents: &[&str]) -> Rules {
    #[derive(Deserialize)]
    struct One<T> {
        row: T,
    }
    let condition =
        |row: &&str| toml::from_str::<One<ConditionRow>>(&format!("row = {{{row}}}")).unwrap().row;
    let field = |row: &&str| {
        let row = toml::from_str::<One<FieldRow>>(&format!("row = {{{row}}}")).unwrap().row;
        FieldMapping {
            field: row.field.clone(),
            attribute: AttributeId(row.attribute.clone()),
            kind: row.kind.unwrap_or(sluice::integration::AttributeKind::Text),
            on_invalid: row.on_invalid,
            on_too_long: row.on_too_long,
            conversion: row.conversion(),
        }
    };
    let consent = |row: &&str| {
        let (source, to) = row.split_once(" -> ").unwrap();
        let (topic, channel) = to.split_once(", ").unwrap();
        ConsentMapping {
            source: match source.strip_prefix("field ") {
                Some(field) => ConsentSource::Field(field.to_owned()),
                None => ConsentSource::Consent(source.to_owned()),
            },
            topic: TopicId(topic.to_owned()),
            channel: if channel == "email" { Channel::Email } else { Channel::Sms },
        }
    };
    Rules::new(RuleSet {
        conditions: conditions.iter().map(condition).collect(),
        fields: fields.iter().map(field).collect(),
        consents: consents.iter().map(consent).collect(),
        email_field: "email".into(),
        email_attribute: id("mail"),
        id_attribute: Some(id("id")),
        default_country: Some("SE".into()),
    })
    .unwrap()
}

/// An integration's file with these rows.
fn file(rows: &str) -> Result<Integration, sluice::integration::IntegrationError> {
    let text = format!(
        "id = 'acme'\nname = 'Acme'\nconnector = 'lime.wasm'\n{rows}\n\n[apsis]\nurl = 'https://api.apsis.one'\n\
         client-id = 'key'\nclient-secret = {{ env = 'SECRET' }}\nsection = 'Nordics'\n"
    );
    Integration::parse(&text, Path::new("/etc/sluice/acme.toml"))
}

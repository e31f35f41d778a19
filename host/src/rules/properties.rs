//! What must hold for any contact and the rules at large, through the front door.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::contact::{Choice, Consent};
use crate::integration::Test;
use crate::profile::Answer;

const TODAY: Date = Date::constant(2026, 3, 1);
const FIELDS: [&str; 5] = ["a", "b", "email", "tick", "missing"];

fn value() -> impl Strategy<Value = Value> {
    let choice = ("\\PC{0,6}", "\\PC{0,6}").prop_map(|(key, label)| Choice { key, label });
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        prop_oneof!["-?[0-9]{1,30}(\\.[0-9]{1,20})?", "[0-9.eE+-]{0,12}", Just("NaN".to_owned())]
            .prop_map(Value::Decimal),
        prop_oneof![
            any::<String>(),
            "[ +()0-9-]{0,20}",
            "[a-z]{1,5}@[a-z]{1,5}\\.se",
            "x{990,1010}",
            "[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:]{5}Z?)?"
        ]
        .prop_map(Value::Text),
        any::<String>().prop_map(Value::Date),
        any::<String>().prop_map(Value::Timestamp),
        choice.clone().prop_map(Value::Choice),
        vec(choice, 0..4).prop_map(Value::Choices),
        any::<String>().prop_map(Value::Json),
    ]
}

fn consent() -> impl Strategy<Value = Consent> {
    let channel = prop_oneof![Just(None), Just(Some(Channel::Email)), Just(Some(Channel::Sms))];
    let at = prop::option::of((0_i64..5).prop_map(|s| Timestamp::from_second(s).unwrap()));
    ("[12]", channel, any::<bool>(), at).prop_map(|(name, channel, given, changed_at)| Consent {
        name,
        channel,
        given,
        changed_at,
    })
}

fn contact() -> impl Strategy<Value = Contact> {
    let id = prop_oneof![4 => "[0-9]{1,6}", 1 => any::<String>()];
    let email = prop_oneof![4 => "[a-z]{1,5}@[a-z]{1,5}\\.se".prop_map(Value::Text), 1 => value()];
    let fields = btree_map(prop::sample::select(&FIELDS[..4]).prop_map(str::to_owned), value(), 0..5);
    (id, email, fields, vec(consent(), 0..6)).prop_map(|(id, email, mut fields, consents)| {
        fields.insert("email".into(), email);
        Contact { id: ContactId(id), modified_at: None, fields, consents }
    })
}

fn rule_set(on_invalid: OnInvalid) -> RuleSet {
    use AttributeKind::*;
    let kinds = [Text, Boolean, Number, Decimal, Date, Timestamp, Mobile];
    let mut fields = Vec::new();
    for field in FIELDS {
        for kind in kinds {
            let attribute = AttributeId(format!("{field}-{kind:?}"));
            fields.push(FieldMapping {
                field: field.into(),
                attribute,
                kind,
                on_invalid,
                on_too_long: None,
                conversion: Conversion::default(),
            });
        }
    }
    let row = |source, topic: &str, channel| ConsentMapping { source, topic: TopicId(topic.into()), channel };
    let consents = vec![
        row(ConsentSource::Consent("2".into()), "t2", Channel::Sms),
        row(ConsentSource::Consent("1".into()), "t1", Channel::Email),
        row(ConsentSource::Field("tick".into()), "t1", Channel::Sms),
        row(ConsentSource::Consent("1".into()), "t3", Channel::Email),
        row(ConsentSource::Consent("2".into()), "t3", Channel::Email),
    ];
    RuleSet {
        conditions: Vec::new(),
        fields,
        consents,
        email_field: "email".into(),
        email_attribute: AttributeId("mail".into()),
        id_attribute: Some(AttributeId("id".into())),
        default_country: Some("SE".into()),
    }
}

fn gave(contact: &Contact, name: &str, channel: Channel) -> bool {
    contact.consents.iter().any(|c| c.name == name && c.given && c.channel.is_none_or(|of| of == channel))
}

proptest! {
    #[test]
    fn a_decision_is_the_same_each_time_and_in_any_order(contact in contact(), skip in any::<bool>()) {
        let set = rule_set(if skip { OnInvalid::Skip } else { OnInvalid::Reject });
        let rules = Rules::new(set.clone()).unwrap();
        let first = rules.decide(&contact, TODAY);
        let mut turned = contact.clone();
        turned.fields = contact.fields.clone().into_iter().rev().collect::<BTreeMap<_, _>>();
        turned.consents.reverse();
        prop_assert_eq!(&first, &rules.decide(&turned, TODAY));
        if let Decision::Write(intent) = first {
            let mut set = set;
            set.consents.reverse();
            let Decision::Write(again) = Rules::new(set).unwrap().decide(&turned, TODAY) else {
                return Err(TestCaseError::fail("not written the second time"));
            };
            prop_assert!(intent.sends_same(&again));
        }
    }

    #[test]
    fn an_intent_holds_only_what_apsis_takes(contact in contact()) {
        if let Decision::Write(intent) = Rules::new(rule_set(OnInvalid::Skip)).unwrap().decide(&contact, TODAY) {
            for value in intent.attributes.values() {
                if let AttributeValue::Text(text) = value {
                    prop_assert!(!text.is_empty() && text.chars().count() <= 1_000);
                    prop_assert!(!text.contains('\0'));
                }
                if let AttributeValue::Decimal(text) = value {
                    let again = crate::number::exact(text);
                    prop_assert_eq!(again.as_deref(), Some(text.as_str()));
                }
                if let AttributeValue::Date(text) = value {
                    prop_assert_eq!(text.len(), 10);
                }
            }
        }
    }

    #[test]
    fn an_opt_in_is_wanted_only_where_each_row_has_a_given_answer(contact in contact()) {
        if let Decision::Write(intent) = Rules::new(rule_set(OnInvalid::Skip)).unwrap().decide(&contact, TODAY) {
            let order: Vec<_> = intent.consents.iter().map(|c| (c.topic.0.as_str(), c.channel)).collect();
            prop_assert_eq!(&order, &[("t1", Channel::Email), ("t1", Channel::Sms), ("t2", Channel::Sms), ("t3", Channel::Email)]);
            for consent in intent.consents.iter().filter(|c| matches!(c.answer, Answer::Given(_))) {
                let given = match (consent.topic.0.as_str(), consent.channel) {
                    ("t1", Channel::Email) => gave(&contact, "1", Channel::Email),
                    ("t1", Channel::Sms) => contact.fields.get("tick") == Some(&Value::Boolean(true)),
                    ("t2", Channel::Sms) => gave(&contact, "2", Channel::Sms),
                    _ => gave(&contact, "1", Channel::Email) && gave(&contact, "2", Channel::Email),
                };
                prop_assert!(given, "{:?}", consent);
            }
        }
    }

    #[test]
    fn what_is_explained_is_what_is_decided(
        contact in contact(),
        skip in any::<bool>(),
        wanted in prop::option::of(any::<bool>()),
    ) {
        let mut set = rule_set(if skip { OnInvalid::Skip } else { OnInvalid::Reject });
        set.conditions = wanted.iter().map(|is| ConditionRow::Any(vec![
            ConditionRow::field("tick", Test::Equals(json!(is))),
            ConditionRow::field("a", Test::IsEmpty(*is)),
        ])).collect();
        let kinds = set.fields.clone();
        let rules = Rules::new(set).unwrap();
        let explained = rules.explain(&contact, TODAY);
        let rejects = |reason: &&Reason| {
            let by_itself = explained.fields.iter().take(2).any(|one| one.reason.as_ref() == Some(*reason));
            by_itself || !skip
        };
        let reasons: Vec<&Reason> = explained.fields.iter().filter_map(|one| one.reason.as_ref()).collect();
        match rules.decide(&contact, TODAY) {
            Decision::Excluded(reason) => {
                prop_assert!(!explained.conditions_hold);
                prop_assert_eq!(reason.code, ReasonCode::ConditionNotMet);
            }
            Decision::Rejected(reason) => {
                prop_assert!(explained.conditions_hold);
                prop_assert_eq!(Some(&reason), reasons.into_iter().find(rejects));
            }
            Decision::Write(intent) => {
                prop_assert!(explained.conditions_hold);
                prop_assert_eq!(reasons.iter().find(|reason| rejects(reason)), None);
                prop_assert_eq!(explained.fields.len(), kinds.len() + 2);
                let told: BTreeMap<_, _> = explained.fields.iter()
                    .filter_map(|one| Some((one.attribute.clone(), one.output.clone()?)))
                    .collect();
                prop_assert_eq!(&told, &intent.attributes);
                for wanted in &intent.consents {
                    let rows = explained.consents.iter()
                        .filter(|row| row.topic == wanted.topic && row.channel == wanted.channel);
                    prop_assert_eq!(rows.map(|row| row.answer).reduce(consent::strictest), Some(wanted.answer));
                }
                let email = rules.email(&contact).map(AttributeValue::Text);
                prop_assert_eq!(email.as_ref(), told.get(&AttributeId("mail".into())));
            }
        }
    }

    #[test]
    fn a_paused_consent_is_never_given_nor_withdrawn(contact in contact()) {
        let rules = Rules::new(rule_set(OnInvalid::Skip)).unwrap();
        let all = rules.consents(&contact);
        let paused = all.iter().map(|one| (one.topic.clone(), one.channel)).collect();
        let rules = rules.pausing(paused, BTreeSet::new());
        let refused: Vec<_> = all.into_iter().filter(|one| matches!(one.answer, Answer::Refused(_))).collect();
        prop_assert_eq!(&rules.consents(&contact), &refused);
        let told = rules.told_consents(&contact.consents);
        prop_assert!(told.iter().all(|one| matches!(one.answer, Answer::Refused(_))));
    }

    #[test]
    fn excluded_exactly_where_the_condition_fails(contact in contact(), wanted in any::<bool>()) {
        let mut set = rule_set(OnInvalid::Skip);
        set.conditions = vec![ConditionRow::field("tick", Test::Equals(json!(wanted)))];
        let decision = Rules::new(set).unwrap().decide(&contact, TODAY);
        if contact.fields.get("tick") == Some(&Value::Boolean(wanted)) {
            prop_assert!(!matches!(decision, Decision::Excluded(_)));
        } else if matches!(contact.fields.get("tick"), None | Some(Value::Boolean(_) | Value::Null | Value::Integer(_))) {
            prop_assert!(matches!(decision, Decision::Excluded(_)));
        }
    }
}

fn person(fields: &[(&str, Value)]) -> Contact {
    let mut fields: BTreeMap<_, _> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    fields.entry("email".to_owned()).or_insert(Value::Text("a@b.se".into()));
    Contact { id: ContactId("5001".into()), modified_at: None, fields, consents: Vec::new() }
}

#[test]
fn a_value_that_does_not_fit_rejects_or_is_left_out() {
    let one = person(&[("a", Value::Text("x".repeat(1_001)))]);
    let mut set = rule_set(OnInvalid::Skip);
    set.fields.retain(|row| row.field == "a" && row.kind == AttributeKind::Text);
    let Decision::Write(intent) = Rules::new(set.clone()).unwrap().decide(&one, TODAY) else {
        panic!("not written")
    };
    assert_eq!(intent.left_out.iter().map(|r| r.code).collect::<Vec<_>>(), [ReasonCode::ValueTooLong]);
    assert!(!intent.attributes.contains_key(&AttributeId("a-Text".into())));
    for row in &mut set.fields {
        row.on_invalid = OnInvalid::Reject;
    }
    let Decision::Rejected(reason) = Rules::new(set).unwrap().decide(&one, TODAY) else {
        panic!("not rejected")
    };
    assert_eq!((reason.code, reason.subject.as_deref()), (ReasonCode::ValueTooLong, Some("a")));
}

#[test]
fn a_consent_field_without_yes_or_no_is_no_answer_and_said() {
    let mut set = rule_set(OnInvalid::Skip);
    set.fields.clear();
    let rules = Rules::new(set).unwrap();
    let Decision::Write(intent) = rules.decide(&person(&[("tick", Value::Text("yes".into()))]), TODAY) else {
        panic!("not written")
    };
    assert!(intent.consents.iter().all(|c| c.answer == Answer::Unsaid));
    assert_eq!(intent.left_out.iter().map(|r| r.code).collect::<Vec<_>>(), [ReasonCode::ValueInvalid]);
}

#[test]
fn ids_that_cannot_be_a_key_are_rejected() {
    let rules = Rules::new(rule_set(OnInvalid::Skip)).unwrap();
    for id in ["", " ", " 1", "a\nb", ".", "..", &"9".repeat(257)] {
        let mut one = person(&[]);
        one.id = ContactId(id.to_owned());
        assert!(
            matches!(rules.decide(&one, TODAY), Decision::Rejected(r) if r.code == ReasonCode::IdInvalid),
            "{id:?}"
        );
    }
}

#[test]
fn rows_that_contradict_are_refused() {
    let code = |set| Rules::new(set).map(|_| ()).map_err(|e| e.code());
    let mut twice = rule_set(OnInvalid::Skip);
    twice.fields.extend(twice.fields.first().cloned());
    assert_eq!(code(twice), Err("rules-attribute-twice"));
    let mut reserved = rule_set(OnInvalid::Skip);
    reserved.fields[0].attribute = AttributeId("mail".into());
    assert_eq!(code(reserved), Err("rules-attribute-reserved"));
    let mut consent = rule_set(OnInvalid::Skip);
    consent.consents.extend(consent.consents.first().cloned());
    assert_eq!(code(consent), Err("rules-consent-twice"));
    let mut country = rule_set(OnInvalid::Skip);
    country.default_country = Some("Sweden".into());
    assert_eq!(code(country), Err("rules-country"));
    let mut condition = rule_set(OnInvalid::Skip);
    condition.conditions.push(ConditionRow::field("a", Test::Equals(json!(null))));
    assert_eq!(code(condition), Err("rules-condition-value"));
}

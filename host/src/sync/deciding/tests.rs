//! What becomes of a contact, case by case.

use std::collections::BTreeMap;

use super::*;
use crate::contact::{Channel, Consent, Value};
use crate::profile::{AttributeId, TopicId};
use crate::rules::{ConsentMapping, ConsentSource, RuleSet};
use crate::run::RunId;

const TODAY: Date = Date::constant(2026, 3, 1);

fn rules() -> Rules {
    Rules::new(RuleSet {
        conditions: Vec::new(),
        fields: Vec::new(),
        consents: vec![ConsentMapping {
            source: ConsentSource::Consent("news".into()),
            topic: TopicId("news".into()),
            channel: Channel::Email,
        }],
        email_field: "email".into(),
        email_attribute: AttributeId(crate::profile::EMAIL_ATTRIBUTE.into()),
        id_attribute: None,
        default_country: None,
    })
    .unwrap()
}

fn contact(email: &str, given: bool) -> Contact {
    Contact {
        id: ContactId("1".into()),
        modified_at: None,
        fields: BTreeMap::from([("email".to_owned(), Value::Text(email.to_owned()))]),
        consents: vec![Consent { name: "news".into(), channel: None, given, changed_at: None }],
    }
}

fn written() -> Intent {
    let Verdict::Write(intent) =
        decide(&rules(), TODAY, false, Known::default(), &contact("a@b.example", true))
    else {
        panic!("a contact with an address is written")
    };
    intent
}

fn entry(written: Option<Intent>) -> LedgerEntry {
    LedgerEntry {
        contact: ContactId("1".into()),
        outcome: Outcome::Created,
        reason: None,
        written,
        modified_at: None,
        run: Some(RunId(1)),
        deleted_at: None,
        at: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn opted_out(verdict: Verdict) -> Intent {
    let Verdict::Write(intent) = verdict else { panic!("the opt-out is written: {verdict:?}") };
    assert_eq!(intent.unwritten.as_ref().unwrap().outcome, Outcome::Rejected);
    assert_eq!(intent.consents[0].answer, Answer::Refused(None));
    intent
}

#[test]
fn the_same_again_is_unchanged_unless_forced_or_unsure() {
    let same = contact("a@b.example", true);
    let entry = entry(Some(written()));
    let known = Known { entry: Some(&entry), attempted: &[], refused: &[], unheard: &[] };
    assert_eq!(decide(&rules(), TODAY, false, known, &same), Verdict::Settled(Outcome::Unchanged, None));
    assert_eq!(decide(&rules(), TODAY, true, known, &same), Verdict::Write(written()));
    let unsure = Known { attempted: &[written()], ..known };
    assert_eq!(decide(&rules(), TODAY, false, unsure, &same), Verdict::Write(written()));
}

#[test]
fn where_not_everybody_was_heard_only_what_was_given_there_already_is_given() {
    let unheard = |entry| Known { entry, unheard: &[Channel::Email], ..Known::default() };
    let answer = |known, email| match decide(&rules(), TODAY, false, known, &contact(email, true)) {
        Verdict::Write(intent) => {
            Some((intent.consents[0].answer, intent.left_out.first().map(|why| why.code)))
        }
        Verdict::Settled(..) => None,
    };
    let waits = Some((Answer::Unsaid, Some(ReasonCode::ConsentWaits)));
    let entry = entry(Some(written()));
    assert_eq!(answer(unheard(None), "a@b.example"), waits);
    assert_eq!(answer(unheard(Some(&entry)), "a@b.example"), None, "it stays");
    assert_eq!(answer(unheard(Some(&entry)), "new@b.example"), waits);
    let refused = {
        let mut intent = written();
        intent.consents[0].answer = Answer::Refused(None);
        self::entry(Some(intent))
    };
    // What we opted out ourselves stays known as ours.
    let stays = decide(&rules(), TODAY, false, unheard(Some(&refused)), &contact("a@b.example", true));
    let Verdict::Settled(Outcome::Unchanged, Some(why)) = stays else { panic!("{stays:?}") };
    assert_eq!(why.code, ReasonCode::ConsentWaits);
    // Nor is anybody opted out for it who is not written.
    let rejected = Contact { id: ContactId("x".repeat(300)), ..contact("a@b.example", true) };
    let left = decide(&rules(), TODAY, false, unheard(Some(&entry)), &rejected);
    assert!(matches!(left, Verdict::Settled(Outcome::Rejected, Some(_))), "{left:?}");
    let by_sms = Known { unheard: &[Channel::Sms], ..Known::default() };
    assert_eq!(answer(by_sms, "a@b.example"), Some((Answer::Given(None), None)));
}

#[test]
fn a_rejected_contact_that_says_no_is_opted_out_and_nothing_else() {
    let entry = entry(Some(written()));
    let known = Known { entry: Some(&entry), attempted: &[], refused: &[], unheard: &[] };
    let intent = opted_out(decide(&rules(), TODAY, false, known, &contact("", false)));
    assert_eq!(intent.attributes, written().attributes, "what is there stays known");
}

#[test]
fn what_a_run_that_ended_early_may_have_opted_in_is_opted_out_too() {
    let attempted = [written()];
    let known = Known { entry: None, attempted: &attempted, refused: &[], unheard: &[] };
    assert!(opted_out(decide(&rules(), TODAY, false, known, &contact("", false))).attributes.is_empty());
}

#[test]
fn a_rejected_contact_that_still_says_yes_or_has_no_profile_is_left_alone() {
    let settled = |verdict| matches!(verdict, Verdict::Settled(Outcome::Rejected, Some(_)));
    let entry = entry(Some(written()));
    let known = Known { entry: Some(&entry), attempted: &[], refused: &[], unheard: &[] };
    let rejected = Contact { id: ContactId("x".repeat(300)), ..contact("a@b.example", true) };
    assert!(settled(decide(&rules(), TODAY, false, known, &rejected)));
    assert!(settled(decide(&rules(), TODAY, false, Known::default(), &contact("", false))));
}

#[test]
fn an_excluded_contact_that_left_its_address_is_opted_out_of_it() {
    let entry = entry(Some(written()));
    let known = Known { entry: Some(&entry), attempted: &[], refused: &[], unheard: &[] };
    let moved = Contact { id: ContactId("x".repeat(300)), ..contact("new@b.example", true) };
    let Verdict::Write(intent) = decide(&rules(), TODAY, false, known, &moved) else {
        panic!("its profile has the old address, and is opted in")
    };
    assert_eq!(intent.consents[0].answer, Answer::Unsaid);
    let stayed = Contact { id: ContactId("x".repeat(300)), ..contact("a@b.example", true) };
    assert!(matches!(decide(&rules(), TODAY, false, known, &stayed), Verdict::Settled(Outcome::Rejected, _)));
}

fn mapped(topic: &str) -> RuleSet {
    RuleSet {
        conditions: Vec::new(),
        fields: Vec::new(),
        consents: vec![ConsentMapping {
            source: ConsentSource::Consent("news".into()),
            topic: TopicId(topic.into()),
            channel: Channel::Email,
        }],
        email_field: "email".into(),
        email_attribute: AttributeId(crate::profile::EMAIL_ATTRIBUTE.into()),
        id_attribute: None,
        default_country: None,
    }
}

/// Rules whose one row cannot be told any more, since its subscription has another name now.
fn renamed() -> Rules {
    let unmapped = RuleSet { consents: Vec::new(), ..mapped("news") };
    Rules::new(unmapped).unwrap().unresolved(vec![(ConsentSource::Consent("news".into()), Channel::Email)])
}

#[test]
fn a_subscription_that_cannot_be_told_stands_as_long_as_the_contact_says_yes() {
    let entry = entry(Some(written()));
    let known = Known { entry: Some(&entry), attempted: &[], refused: &[], unheard: &[] };
    let still = decide(&renamed(), TODAY, false, known, &contact("a@b.example", true));
    assert_eq!(still, Verdict::Settled(Outcome::Unchanged, None));
    let Verdict::Write(intent) = decide(&renamed(), TODAY, false, known, &contact("a@b.example", false))
    else {
        panic!("its no is not lost")
    };
    assert_eq!(intent.consents[0].answer, Answer::Unsaid);
    // Another row that is gone as well takes nothing from it; all rows gone take all back.
    let none = Rules::new(RuleSet { consents: Vec::new(), ..mapped("news") }).unwrap();
    let Verdict::Write(intent) = decide(&none, TODAY, false, known, &contact("a@b.example", true)) else {
        panic!("with its mapping goes its consent")
    };
    assert_eq!(intent.consents[0].answer, Answer::Unsaid);
}

#[test]
fn what_was_paused_when_it_was_written_is_taken_back_all_the_same() {
    let paused = vec![(TopicId("news".into()), Channel::Email)];
    let entry = entry(Some(Intent { paused, ..written() }));
    let known = Known { entry: Some(&entry), attempted: &[], refused: &[], unheard: &[] };
    let Verdict::Write(intent) = decide_absent(&rules(), known, &ContactId("1".into())) else {
        panic!("nobody is left who could have said yes")
    };
    assert_eq!(intent.acted_on().len(), 1, "it is done, and not left out as paused");
    assert_eq!(intent.acted_on()[0].answer, Answer::Unsaid);
}

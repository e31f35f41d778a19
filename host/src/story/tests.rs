//! What is said of a contact, by what is known of it.

use super::*;
use crate::profile::Intent;

fn topic() -> TopicId {
    TopicId("usercreated.topics.news".into())
}

fn entry(outcome: Outcome, reason: Option<Reason>, answer: Option<Answer>) -> LedgerEntry {
    let contact = ContactId("1".into());
    let written = answer.map(|answer| {
        let consents = vec![WantedConsent { topic: topic(), channel: Channel::Email, answer }];
        Intent { consents, ..Intent::empty(contact.clone()) }
    });
    LedgerEntry {
        contact,
        outcome,
        reason,
        written,
        modified_at: None,
        run: None,
        deleted_at: None,
        at: Timestamp::UNIX_EPOCH,
    }
}

fn chapter(steps: Vec<Step>) -> Chapter {
    let steps = steps.into_iter().map(|step| Asked { step: Some(step), requests: Vec::new() }).collect();
    Chapter { by: By::Run(RunId(1)), at: Timestamp::UNIX_EPOCH, outcome: None, cause: None, steps }
}

fn found(state: ConsentType) -> Step {
    let known =
        KnownConsent { topic: topic(), channel: Channel::Email, state, modified_at: None, source: None };
    Step::read_consents(Some(&[known]))
}

fn set(opt_in: bool, end: SetEnd) -> Step {
    Step::SetConsent { topic: topic(), channel: Channel::Email, opt_in, end }
}

/// Whether there is a profile, and whether it may be mailed.
fn answer(entry: Option<LedgerEntry>, steps: Vec<Step>) -> (Presence, bool) {
    let chapters = [chapter(steps)];
    let standing = standing(&Known { entry: entry.as_ref(), chapters: &chapters, ..Known::default() });
    (standing.profile, !standing.may.is_empty())
}

#[test]
fn who_may_be_mailed_is_said_by_what_the_crm_gave_and_what_apsis_one_has() {
    use Outcome::{Created, Deleted, Excluded, Rejected};
    let given = || Some(Answer::Given(None));
    let withheld = Some(Reason::about(ReasonCode::OptedOutInApsis, topic().0, ""));
    let there = Presence::There;
    let rows = [
        ("given", entry(Created, None, given()), vec![], (there, true)),
        ("given and set", entry(Created, None, given()), vec![set(true, SetEnd::Changed)], (there, true)),
        ("unsaid", entry(Created, None, Some(Answer::Unsaid)), vec![], (there, false)),
        ("refused", entry(Created, None, Some(Answer::Refused(None))), vec![], (there, false)),
        ("withheld", entry(Created, withheld.clone(), given()), vec![], (there, false)),
        (
            "opted out there",
            entry(Created, withheld, given()),
            vec![found(ConsentType::OptOut)],
            (there, false),
        ),
        (
            "refused, and not taken back as yet",
            entry(Created, None, Some(Answer::Refused(None))),
            vec![found(ConsentType::OptIn), set(false, SetEnd::Refused)],
            (there, true),
        ),
        ("pending", entry(Created, None, given()), vec![found(ConsentType::PendingOptIn)], (there, false)),
        ("excluded", entry(Excluded, None, None), vec![], (Presence::NotThere, false)),
        ("excluded later", entry(Excluded, None, given()), vec![], (Presence::ThereAsBefore, true)),
        ("deleted", entry(Deleted, None, given()), vec![], (Presence::Deleted, false)),
        (
            "created, and refused after that",
            entry(Rejected, None, None),
            vec![Step::Create { existed: false }],
            (Presence::ThereAsBefore, false),
        ),
    ];
    for (what, entry, steps, expected) in rows {
        assert_eq!(answer(Some(entry), steps), expected, "{what}");
    }
    let nothing = standing(&Known::default());
    assert_eq!((nothing.profile, nothing.because), (Presence::Unknown, None));
}

#[test]
fn consents_are_told_before_and_after() {
    let told = consents(&chapter(vec![found(ConsentType::OptIn), set(false, SetEnd::Changed)]).steps);
    let before = told[0].before.as_ref().map(|known| known.state);
    assert_eq!((before, told[0].after), (Some(ConsentType::OptIn), Some(ConsentType::OptOut)));
    let told = consents(&chapter(vec![set(true, SetEnd::Refused), found(ConsentType::OptOut)]).steps);
    assert!(told[0].refused && told[0].after == Some(ConsentType::OptOut), "{told:?}");
}

#[test]
fn a_yes_that_waits_is_not_told_as_no_answer() {
    let said = |reason: Option<Reason>| {
        let entry = entry(Outcome::Created, reason, Some(Answer::Unsaid));
        let standing = standing(&Known { entry: Some(&entry), ..Known::default() });
        standing.may_not[0].why
    };
    let waits = |topic: &str| Some(Reason::about(ReasonCode::ConsentWaits, topic, ""));
    assert_eq!(said(None), "the CRM has no answer");
    assert_eq!(said(waits(&topic().0)), "given in the CRM, and waits for a full sync");
    assert_eq!(said(waits("another")), "the CRM has no answer, or it waits for a full sync");
}

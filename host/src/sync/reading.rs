//! The first half of a full sync: pages are read from the CRM, decided by the rules, and stored.
//!
//! Page, cursor, outcomes and counters are one transaction, and the next page is asked for after it, so
//! that a killed run reads nothing again but the page in flight. Nothing is written to APSIS One here.

use tracing::{debug, warn};

use super::failure::SyncError;
use super::line::Line;
use super::patience::patiently;
use crate::connector::NextStep;
use crate::contact::{Contact, ContactId, Page};
use crate::profile::{Answer, Intent, Unwritten, WantedConsent};
use crate::reason::Reason;
use crate::rules::{Decision, Rules};
use crate::run::{Decided, LedgerEntry, Outcome, Run, Verdict};
use crate::store::{PageCommit, Store};

/// How often the CRM may say that a cursor is too old before the run gives up.
const RESTARTS: u32 = 3;

/// After so many pages without anything new, reading is taken to go round in a circle. A connector that
/// looks through records for the few that are wrong may bring long rows of empty pages.
const PAGES_OF_NOTHING: u32 = 10_000;

/// Reads all pages from the run's cursor on.
///
/// # Errors
/// When the CRM refuses, or does not answer in spite of repeated attempts; when the store fails.
pub async fn read_all(store: &dyn Store, line: &Line, run: &Run) -> Result<(), SyncError> {
    let mut cursor = run.cursor.clone();
    let mut known = (run.counters.read, run.counters.discarded);
    let mut nothing_new = 0;
    let mut restarts = 0;
    loop {
        let page = match patiently(|| line.connection.scan(cursor.as_ref(), line.page_size)).await {
            Ok(page) => page,
            Err(error) if matches!(error.next_step(), NextStep::StartAgain) && restarts < RESTARTS => {
                warn!(%error, "the CRM no longer knows where reading was: starting again");
                restarts += 1;
                cursor = None;
                store.restart_reading(run.id).await?;
                continue;
            }
            Err(error) => return Err(SyncError::Crm(error)),
        };
        let next = page.next.clone();
        if next.is_some() && next == cursor {
            return Err(SyncError::CursorRepeated);
        }
        let commit = decide_page(store, line, run, page).await?;
        let counters = store.commit_page(run.id, commit).await?;
        debug!(run = %run.id, read = counters.read, "page stored");
        if next.is_none() {
            return Ok(());
        }
        cursor = next;
        let now = (counters.read, counters.discarded);
        nothing_new = if now == known { nothing_new + 1 } else { 0 };
        known = now;
        if nothing_new > PAGES_OF_NOTHING {
            return Err(SyncError::CursorRepeated);
        }
    }
}

async fn decide_page(store: &dyn Store, line: &Line, run: &Run, page: Page) -> Result<PageCommit, SyncError> {
    let ids: Vec<ContactId> = page.contacts.iter().map(|contact| contact.id.clone()).collect();
    let ledger = store.ledger(&run.integration, &ids).await?;
    let attempted = store.attempted(&run.integration, &ids).await?;
    let decide = |contact: &Contact| {
        let known = Known {
            entry: ledger.get(&contact.id),
            attempted: attempted.get(&contact.id).map_or(&[], Vec::as_slice),
        };
        let verdict = decide(&line.rules, run.forced, known, contact);
        Decided { contact: contact.id.clone(), modified_at: contact.modified_at, verdict }
    };
    let decided = page.contacts.iter().map(decide).collect();
    Ok(PageCommit { decided, discarded: page.discarded, next: page.next, total: page.total })
}

/// What earlier runs know of a contact.
#[derive(Clone, Copy, Default)]
struct Known<'a> {
    entry: Option<&'a LedgerEntry>,
    /// What may have been written since, by runs that ended too early to say.
    attempted: &'a [Intent],
}

impl<'a> Known<'a> {
    fn written(self) -> Option<&'a Intent> {
        self.entry?.written.as_ref()
    }

    /// Whether APSIS One is known to have just this.
    fn is_there(self, intent: &Intent) -> bool {
        self.attempted.is_empty() && self.written().is_some_and(|written| written.sends_same(intent))
    }

    /// Whether we opted in, or may have.
    fn gave(self, wanted: &WantedConsent) -> bool {
        self.written().into_iter().chain(self.attempted).any(|intent| intent.gives(wanted))
    }

    /// What was withheld or left out when it was written: still so.
    fn reason(self, intent: &Intent) -> Option<Reason> {
        let entry =
            self.entry.filter(|entry| !matches!(entry.outcome, Outcome::Excluded | Outcome::Rejected));
        entry.map_or_else(|| intent.left_out.first().cloned(), |entry| entry.reason.clone())
    }
}

/// What a contact comes to, given what is known of it.
fn decide(rules: &Rules, forced: bool, known: Known<'_>, contact: &Contact) -> Verdict {
    let (outcome, reason) = match rules.decide(contact) {
        Decision::Write(intent) if !forced && known.is_there(&intent) => {
            return Verdict::Settled(Outcome::Unchanged, known.reason(&intent));
        }
        Decision::Write(intent) => return Verdict::Write(intent),
        Decision::Excluded(reason) => (Outcome::Excluded, reason),
        Decision::Rejected(reason) => (Outcome::Rejected, reason),
    };
    match withdrawn(known, contact, rules.consents(contact)) {
        Some(intent) => Verdict::Write(Intent { unwritten: Some(Unwritten { outcome, reason }), ..intent }),
        None => Verdict::Settled(outcome, Some(reason)),
    }
}

/// What was last written, with the consents taken back that the contact no longer gives; none if it
/// still gives them all. A contact that is excluded or rejected is not written; but the profile that it
/// has may be sent to, and a no may not get lost because of something else.
fn withdrawn(known: Known<'_>, contact: &Contact, wanted: Vec<WantedConsent>) -> Option<Intent> {
    let mut taken_back = wanted;
    taken_back.retain(|now| !matches!(now.answer, Answer::Given(_)) && known.gave(now));
    if taken_back.is_empty() {
        return None;
    }
    let mut intent = known.written().cloned().unwrap_or_else(|| Intent::empty(contact.id.clone()));
    intent.consents.retain(|then| !taken_back.iter().any(|now| now.is_same(then)));
    intent.consents.extend(taken_back);
    intent.consents.sort_by(|one, other| (&one.topic, one.channel).cmp(&(&other.topic, other.channel)));
    Some(intent)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::contact::{Channel, Consent, Value};
    use crate::profile::{AttributeId, TopicId};
    use crate::rules::{ConsentMapping, ConsentSource, RuleSet};
    use crate::run::RunId;

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
            email_attribute: AttributeId("email".into()),
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
        let Verdict::Write(intent) = decide(&rules(), false, Known::default(), &contact("a@b.example", true))
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
            run: RunId(1),
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
        let known = Known { entry: Some(&entry), attempted: &[] };
        assert_eq!(decide(&rules(), false, known, &same), Verdict::Settled(Outcome::Unchanged, None));
        assert_eq!(decide(&rules(), true, known, &same), Verdict::Write(written()));
        let unsure = Known { attempted: &[written()], ..known };
        assert_eq!(decide(&rules(), false, unsure, &same), Verdict::Write(written()));
    }

    #[test]
    fn a_rejected_contact_that_says_no_is_opted_out_and_nothing_else() {
        let entry = entry(Some(written()));
        let known = Known { entry: Some(&entry), attempted: &[] };
        let intent = opted_out(decide(&rules(), false, known, &contact("", false)));
        assert_eq!(intent.attributes, written().attributes, "what is there stays known");
    }

    #[test]
    fn what_a_run_that_ended_early_may_have_opted_in_is_opted_out_too() {
        let attempted = [written()];
        let known = Known { entry: None, attempted: &attempted };
        assert!(opted_out(decide(&rules(), false, known, &contact("", false))).attributes.is_empty());
    }

    #[test]
    fn a_rejected_contact_that_still_says_yes_or_has_no_profile_is_left_alone() {
        let settled = |verdict| matches!(verdict, Verdict::Settled(Outcome::Rejected, Some(_)));
        let entry = entry(Some(written()));
        let known = Known { entry: Some(&entry), attempted: &[] };
        assert!(settled(decide(&rules(), false, known, &contact("", true))));
        assert!(settled(decide(&rules(), false, Known::default(), &contact("", false))));
    }
}

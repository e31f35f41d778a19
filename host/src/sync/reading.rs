//! The first half of a full sync: pages are read from the CRM, decided by the rules, and stored.
//!
//! A page is read while the one before it is decided and stored. Page, cursor, outcomes and counters
//! are one transaction, so that a killed run reads nothing again but the page in flight. Nothing is
//! written to APSIS One here.

use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::failure::SyncError;
use super::line::Line;
use crate::connector::{CallError, NextStep};
use crate::contact::{Contact, ContactId, Cursor, Page};
use crate::profile::{Answer, Intent, Unwritten, WantedConsent};
use crate::rules::{Decision, Rules};
use crate::run::{Decided, Outcome, Run, Verdict};
use crate::store::{PageCommit, Store};

/// Pages that may wait between reading and storing: enough that neither waits for the other, few
/// enough that memory stays flat.
const PAGES_AHEAD: usize = 2;

/// How often the CRM may say that a cursor is too old before the run gives up.
const RESTARTS: u32 = 3;

/// How often one page is asked for before the run gives up: with the growing pauses, some minutes.
const ATTEMPTS: u32 = 8;

/// What the reader hands to the one who stores.
enum Read {
    Page(Page),
    /// The CRM no longer knows the cursor: reading starts anew.
    Restart,
}

/// Reads all pages from the run's cursor on.
///
/// # Errors
/// When the CRM refuses, or does not answer in spite of repeated attempts; when the store fails.
pub async fn read_all(store: &dyn Store, line: &Line, run: &Run) -> Result<(), SyncError> {
    let (pages, mut stored) = mpsc::channel(PAGES_AHEAD);
    let reading = read_pages(line, run.cursor.clone(), pages);
    let storing = async {
        while let Some(read) = stored.recv().await {
            match read {
                Read::Restart => store.restart_reading(run.id).await?,
                Read::Page(page) => {
                    let commit = decide_page(store, line, run, page).await?;
                    let counters = store.commit_page(run.id, commit).await?;
                    debug!(run = %run.id, read = counters.read, "page stored");
                }
            }
        }
        Ok(())
    };
    tokio::try_join!(reading, storing).map(|_| ())
}

async fn read_pages(
    line: &Line,
    mut cursor: Option<Cursor>,
    pages: mpsc::Sender<Read>,
) -> Result<(), SyncError> {
    let mut restarts = 0;
    loop {
        let page = match read_page(line, cursor.as_ref()).await {
            Ok(page) => page,
            Err(error) if matches!(error.next_step(), NextStep::StartAgain) && restarts < RESTARTS => {
                warn!(%error, "the CRM no longer knows where reading was: starting again");
                restarts += 1;
                cursor = None;
                if pages.send(Read::Restart).await.is_err() {
                    return Ok(());
                }
                continue;
            }
            Err(error) => return Err(SyncError::Crm(error)),
        };
        let next = page.next.clone();
        if next.is_some() && next == cursor {
            return Err(SyncError::CursorRepeated);
        }
        // The one who stores has gone only when it failed, and its error is the run's.
        if pages.send(Read::Page(page)).await.is_err() || next.is_none() {
            return Ok(());
        }
        cursor = next;
    }
}

async fn read_page(line: &Line, after: Option<&Cursor>) -> Result<Page, CallError> {
    let mut attempt = 1;
    loop {
        let error = match line.connection.scan(after, line.page_size).await {
            Ok(page) => return Ok(page),
            Err(error) => error,
        };
        let NextStep::Retry { after: asked } = error.next_step() else { return Err(error) };
        if attempt >= ATTEMPTS {
            return Err(error);
        }
        let pause = asked.unwrap_or_else(|| growing_pause(attempt));
        warn!(
            attempt,
            pause_ms = pause.as_millis(),
            code = crate::error::ErrorCode::code(&error),
            "page not read, trying again"
        );
        tokio::time::sleep(pause).await;
        attempt += 1;
    }
}

/// Doubles from half a second, at most a minute, less up to a half by chance, so that many runs do
/// not come back at once.
fn growing_pause(attempt: u32) -> Duration {
    let full = Duration::from_millis(500).saturating_mul(1 << attempt.min(7)).min(Duration::from_mins(1));
    full.mul_f64(rand::random_range(0.5..1.0))
}

async fn decide_page(store: &dyn Store, line: &Line, run: &Run, page: Page) -> Result<PageCommit, SyncError> {
    let ids: Vec<ContactId> = page.contacts.iter().map(|contact| contact.id.clone()).collect();
    let ledger = store.ledger(&run.integration, &ids).await?;
    let decide = |contact: &Contact| {
        let written = ledger.get(&contact.id).and_then(|known| known.written.as_ref());
        let verdict = decide(&line.rules, run.forced, written, contact);
        Decided { contact: contact.id.clone(), modified_at: contact.modified_at, verdict }
    };
    let decided = page.contacts.iter().map(decide).collect();
    Ok(PageCommit { decided, discarded: page.discarded, next: page.next, total: page.total })
}

/// What a contact comes to, given what was last written for it.
fn decide(rules: &Rules, forced: bool, written: Option<&Intent>, contact: &Contact) -> Verdict {
    let (outcome, reason) = match rules.decide(contact) {
        Decision::Write(intent) if !forced && written.is_some_and(|written| written.sends_same(&intent)) => {
            return Verdict::Settled(Outcome::Unchanged, None);
        }
        Decision::Write(intent) => return Verdict::Write(intent),
        Decision::Excluded(reason) => (Outcome::Excluded, reason),
        Decision::Rejected(reason) => (Outcome::Rejected, reason),
    };
    match written.and_then(|written| withdrawn(written, &rules.consents(contact))) {
        Some(intent) => Verdict::Write(Intent { unwritten: Some(Unwritten { outcome, reason }), ..intent }),
        None => Verdict::Settled(outcome, Some(reason)),
    }
}

/// What was last written, with the consents taken back that the contact no longer gives; none if it
/// still gives them all. A contact that is excluded or rejected is not written; but the profile that it
/// has may be sent to, and a no may not get lost because of something else.
fn withdrawn(written: &Intent, wanted: &[WantedConsent]) -> Option<Intent> {
    let mut intent = written.clone();
    for consent in &mut intent.consents {
        let now = wanted.iter().find(|now| now.topic == consent.topic && now.channel == consent.channel);
        if let (Answer::Given(_), Some(now)) = (consent.answer, now)
            && !matches!(now.answer, Answer::Given(_))
        {
            consent.answer = now.answer;
        }
    }
    (intent.consents != written.consents).then_some(intent)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::contact::{Channel, Consent, Value};
    use crate::profile::{AttributeId, TopicId};
    use crate::rules::{ConsentMapping, ConsentSource, RuleSet};

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
        let Verdict::Write(intent) = decide(&rules(), false, None, &contact("a@b.example", true)) else {
            panic!("a contact with an address is written")
        };
        intent
    }

    #[test]
    fn the_same_again_is_unchanged_unless_forced() {
        let same = contact("a@b.example", true);
        let unchanged = Verdict::Settled(Outcome::Unchanged, None);
        assert_eq!(decide(&rules(), false, Some(&written()), &same), unchanged);
        assert_eq!(decide(&rules(), true, Some(&written()), &same), Verdict::Write(written()));
    }

    #[test]
    fn a_rejected_contact_that_says_no_is_opted_out_and_nothing_else() {
        let verdict = decide(&rules(), false, Some(&written()), &contact("", false));
        let Verdict::Write(intent) = verdict else { panic!("the opt-out is written") };
        assert_eq!(intent.unwritten.unwrap().outcome, Outcome::Rejected);
        assert_eq!(intent.attributes, written().attributes, "what is there stays known");
        assert_eq!(intent.consents[0].answer, Answer::Refused(None));
    }

    #[test]
    fn a_rejected_contact_that_still_says_yes_or_has_no_profile_is_left_alone() {
        let settled = |verdict| matches!(verdict, Verdict::Settled(Outcome::Rejected, Some(_)));
        assert!(settled(decide(&rules(), false, Some(&written()), &contact("", true))));
        assert!(settled(decide(&rules(), false, None, &contact("", false))));
    }
}

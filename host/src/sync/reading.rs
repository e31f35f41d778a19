//! The first half of a full sync: pages are read from the CRM, decided by the rules, and stored.
//!
//! Page, cursor, outcomes and counters are one transaction, and the next page is asked for after it, so
//! that a killed run reads nothing again but the page in flight. Nothing is written to APSIS One here.

use tracing::{debug, warn};

use super::deciding::{Known, decide};
use super::explaining::seen;
use super::failure::SyncError;
use super::line::Patience;
use super::patience::patiently;
use super::voices::holdings;
use super::work::Work;
use crate::connector::NextStep;
use crate::contact::{Contact, ContactId, Page};
use crate::run::{Decided, Run};
use crate::store::PageCommit;

/// How often the CRM may say that a cursor is too old before the run gives up.
const RESTARTS: u32 = 3;

/// After so many pages without anything new, reading is taken to go round in a circle. A connector that
/// looks through records for the few that are wrong may bring long rows of empty pages.
const PAGES_OF_NOTHING: u32 = 10_000;

/// Reads all pages from the run's cursor on.
///
/// # Errors
/// When the CRM refuses, or does not answer in spite of repeated attempts; when the store fails.
pub async fn read_all(work: &Work, run: &Run) -> Result<(), SyncError> {
    let mut cursor = run.cursor.clone();
    let mut known = (run.counters.read, run.counters.discarded);
    let mut nothing_new = 0;
    let mut restarts = 0;
    loop {
        let page = match patiently(Patience::Long, || {
            work.line.connection.scan(cursor.as_ref(), work.line.page_size)
        })
        .await
        {
            Ok(page) => page,
            Err(error) if matches!(error.next_step(), NextStep::StartAgain) && restarts < RESTARTS => {
                warn!(%error, "the CRM no longer knows where reading was: starting again");
                restarts += 1;
                cursor = None;
                work.store.restart_reading(&work.fence, run.id).await?;
                continue;
            }
            Err(error) => return Err(SyncError::Crm(error)),
        };
        let next = page.next.clone();
        if next.is_some() && next == cursor {
            return Err(SyncError::CursorRepeated);
        }
        let commit = decide_page(work, run, page).await?;
        let counters = work.store.commit_page(&work.fence, run.id, commit).await?;
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

/// What the rules, and what is known, make of a page.
///
/// # Errors
/// When the store fails.
pub async fn decide_page(work: &Work, run: &Run, page: Page) -> Result<PageCommit, SyncError> {
    let ids: Vec<ContactId> = page.contacts.iter().map(|contact| contact.id.clone()).collect();
    let ledger = work.store.ledger(&run.integration, &ids).await?;
    let attempted = work.store.attempted(&run.integration, &ids).await?;
    let forgotten = work.store.forgotten(&run.integration, &ids).await?;
    let rules = &work.line.rules;
    let known = page.contacts.iter().filter(|contact| !forgotten.contains_key(&contact.id));
    let said = known.flat_map(|contact| holdings(rules, contact)).collect();
    let heard = work.store.hear(&work.fence, Some(run.id), said).await?;
    let today = work.line.today();
    let decide = |contact: Contact| {
        if let Some(tombstone) = forgotten.get(&contact.id) {
            return tombstone.decided();
        }
        let known = Known {
            entry: ledger.get(&contact.id),
            attempted: attempted.get(&contact.id).map_or(&[], Vec::as_slice),
            refused: heard.get(&contact.id).map_or(&[], |voices| voices.refused.as_slice()),
        };
        let verdict = decide(rules, today, run.forced, known, &contact);
        let (id, modified_at) = (contact.id.clone(), contact.modified_at);
        let seen = Some(Box::new(seen(rules, today, contact, &verdict)));
        Decided { contact: id, modified_at, verdict, seen }
    };
    let decided = page.contacts.into_iter().map(decide).collect();
    Ok(PageCommit { decided, discarded: page.discarded, next: page.next, total: page.total })
}

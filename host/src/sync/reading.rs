//! The first half of a full sync: pages are read from the CRM, decided by the rules, and stored.
//!
//! Page, cursor, outcomes and counters are one transaction, and the next page is asked for after it, so
//! that a killed run reads nothing again but the page in flight. Nothing is written to APSIS One here.

use std::collections::HashMap;

use tracing::{debug, warn};

use super::asking::again;
use super::failure::SyncError;
use super::line::Line;
use crate::connector::NextStep;
use crate::contact::{Contact, ContactId, Page};
use crate::rules::Decision;
use crate::run::{Decided, LedgerEntry, Outcome, Run, Verdict};
use crate::store::{PageCommit, Store};

/// How often the CRM may say that a cursor is too old before the run gives up.
const RESTARTS: u32 = 3;

/// Reads all pages from the run's cursor on.
///
/// # Errors
/// When the CRM refuses, or does not answer in spite of repeated attempts; when the store fails.
pub async fn read_all(store: &dyn Store, line: &Line, run: &Run) -> Result<(), SyncError> {
    let mut cursor = run.cursor.clone();
    let mut restarts = 0;
    loop {
        let page = match again(|| line.connection.scan(cursor.as_ref(), line.page_size)).await {
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
    }
}

async fn decide_page(store: &dyn Store, line: &Line, run: &Run, page: Page) -> Result<PageCommit, SyncError> {
    let ids: Vec<ContactId> = page.contacts.iter().map(|contact| contact.id.clone()).collect();
    let ledger = if run.forced { HashMap::new() } else { store.ledger(&run.integration, &ids).await? };
    let decided = page.contacts.iter().map(|contact| decide(line, &ledger, contact)).collect();
    Ok(PageCommit { decided, discarded: page.discarded, next: page.next, total: page.total })
}

fn decide(line: &Line, ledger: &HashMap<ContactId, LedgerEntry>, contact: &Contact) -> Decided {
    let verdict = match line.rules.decide(contact) {
        Decision::Excluded(reason) => Verdict::Settled(Outcome::Excluded, Some(reason)),
        Decision::Rejected(reason) => Verdict::Settled(Outcome::Rejected, Some(reason)),
        Decision::Write(intent) => match ledger.get(&contact.id) {
            Some(known) if known.written.as_ref().is_some_and(|written| written.sends_same(&intent)) => {
                Verdict::Settled(Outcome::Unchanged, None)
            }
            _ => Verdict::Write(intent),
        },
    };
    Decided { contact: contact.id.clone(), modified_at: contact.modified_at, verdict }
}

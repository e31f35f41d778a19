//! The first half of a full sync: pages are read from the CRM, or from what is known of it, decided by the rules, and
//! stored.
//!
//! Page, cursor, outcomes and counters are one transaction, and the next page is asked for after it, so
//! that a killed run reads nothing again but the page in flight. Nothing is written to APSIS One here.

use std::collections::HashMap;

use jiff::Timestamp;
use tracing::{debug, warn};

use super::deciding::{Known, decide};
use super::explaining::seen;
use super::failure::SyncError;
use super::line::Patience;
use super::patience::patiently;
use super::voices::{self, holdings, refusals_under_mark};
use super::work::Work;
use crate::address::Voices;
use crate::connector::NextStep;
use crate::contact::{Contact, ContactId, Cursor, Page};
use crate::run::{Decided, Run};
use crate::store::{Hearer, PageCommit, StoreError};

/// How often the CRM may say that a cursor is too old before the run gives up.
const RESTARTS: u32 = 3;

/// After so many pages without anything new, reading is taken to go round in a circle. A connector that
/// looks through records for the few that are wrong may bring long rows of empty pages.
const PAGES_OF_NOTHING: u32 = 10_000;

/// How far reading went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Everything was read.
    ToItsEnd,
    /// The integration was given another version of its connector, which is to go on from the run's cursor.
    Switched,
}

/// Whether the integration uses another version of its connector by now. A run that tries a definition of its own goes on
/// with what that names.
///
/// # Errors
/// When the store fails.
pub async fn is_switched(work: &Work, run: &Run) -> Result<bool, StoreError> {
    let Some(now) = work.store.integration(&run.integration).await? else { return Ok(false) };
    let own = work.line.connection.connector().digest();
    let is_other = now.connector.strip_prefix("sha256:").is_some_and(|digest| digest != own);
    Ok(is_other && work.store.trial(run.id).await?.is_none())
}

/// Reads all pages from the run's cursor on.
///
/// # Errors
/// When the CRM refuses, or does not answer in spite of repeated attempts; when the store fails.
pub async fn read_all(work: &Work, run: &Run) -> Result<Read, SyncError> {
    let mut cursor = run.cursor.clone();
    let mut known = (run.counters.read, run.counters.discarded);
    let mut nothing_new = 0;
    let mut restarts = 0;
    loop {
        if is_switched(work, run).await? {
            return Ok(Read::Switched);
        }
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
            return Ok(Read::ToItsEnd);
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

/// Contacts taken from what is known at once.
const TAKE: u32 = 200;

/// Decides everybody anew by what he looked like when he was last read, from the run's cursor on. The CRM is not asked.
///
/// # Errors
/// When the store fails.
pub async fn read_known(work: &Work, run: &Run) -> Result<(), SyncError> {
    let mut after = run.cursor.as_ref().map(|Cursor(last)| ContactId(last.clone()));
    loop {
        let states = work.store.known_states(&run.integration, after.as_ref(), TAKE).await?;
        after = states.last().map(|(_, contact)| contact.id.clone());
        let (read_at, contacts): (HashMap<ContactId, Timestamp>, Vec<Contact>) = states
            .into_iter()
            // Of whom the CRM did not have, there is nothing to decide by.
            .filter(|(_, contact)| !contact.fields.is_empty())
            .map(|(at, contact)| ((contact.id.clone(), at), contact))
            .unzip();
        // A field that did not exist yet, or was not read, is not to be taken for an empty one.
        for contact in &contacts {
            if let Some((field, row)) = work.line.rules.untold_field(contact) {
                let (field, row) = (field.to_owned(), row.to_owned());
                return Err(SyncError::FieldNotKnown { field, row });
            }
        }
        let next = after.clone().map(|ContactId(last)| Cursor(last));
        let page = Page { contacts, discarded: Vec::new(), next, total: None };
        let mut commit = decide_page(work, run, page).await?;
        for decided in &mut commit.decided {
            if let (Some(seen), Some(at)) = (&mut decided.seen, read_at.get(&decided.contact)) {
                seen.at = *at;
            }
        }
        work.store.commit_page(&work.fence, run.id, commit).await?;
        if after.is_none() {
            return Ok(());
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
    let said = page.contacts.iter().flat_map(|contact| match forgotten.get(&contact.id) {
        None => holdings(rules, contact),
        Some(tombstone) => refusals_under_mark(rules, contact, tombstone),
    });
    let said = said.collect();
    let heard = work.store.hear(&work.fence, Hearer::Run(run.id), said).await?;
    let (today, nobody) = (work.line.today(), Voices::default());
    let decide = |contact: Contact| {
        if let Some(tombstone) = forgotten.get(&contact.id) {
            return tombstone.decided();
        }
        let voices = heard.get(&contact.id).unwrap_or(&nobody);
        let known = Known {
            entry: ledger.get(&contact.id),
            attempted: attempted.get(&contact.id).map_or(&[], Vec::as_slice),
            refused: &voices.refused,
            unheard: voices::unheard(run, voices),
        };
        let verdict = decide(rules, today, run.forced, known, &contact);
        let (id, modified_at) = (contact.id.clone(), contact.modified_at);
        let seen = Some(Box::new(seen(rules, today, contact, &verdict)));
        Decided { contact: id, modified_at, verdict, seen }
    };
    let decided = page.contacts.into_iter().map(decide).collect();
    Ok(PageCommit { decided, discarded: page.discarded, next: page.next, total: page.total })
}

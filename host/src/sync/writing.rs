//! The second half of a run: staged contacts are written to APSIS One one by one, several contacts at a
//! time, each contact's steps in order (`contact_steps`).

use std::pin::pin;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Span, debug, instrument, warn};

use super::contact_steps::{ContactSteps, End, Writer, plan};
use super::failure::SyncError;
use super::recording;
use super::work::Work;
use crate::apsis::{ApsisError, Kind};
use crate::contact::ContactId;
use crate::error::ErrorCode;
use crate::run::{Outcome, Run, RunKind, Settled, Staged, Wrote};
use crate::traces;

/// Contacts written at the same time: enough to use up the account's rate while an answer takes a
/// sixth of a second, few enough that those in the middle have their outcome soon after a cancel.
pub const AT_ONCE: usize = 16;

/// Staged contacts taken from the store at once.
const TAKE: u32 = 500;

/// Outcomes stored in one transaction, at most.
const SETTLE_AT_ONCE: usize = 64;

/// When this many contacts in a row got no answer in spite of all attempts, APSIS One is down, and the
/// run fails rather than reject everybody.
const UNANSWERED_IN_A_ROW: u32 = 10;

/// Writes every staged contact that has no outcome yet. When cancelled, it takes no new ones, lets go of
/// those of whom nothing is written yet, and ends with those that are begun.
///
/// # Errors
/// When APSIS One refuses the credentials or the set-up, or does not answer at all; when the store
/// fails.
pub async fn write_all(work: &Work, run: &Run, cancelled: &CancellationToken) -> Result<(), SyncError> {
    let mut after: Option<ContactId> = None;
    let mut in_a_row = 0;
    while !cancelled.is_cancelled() {
        let staged = work.store.staged(run.id, after.as_ref(), None, TAKE).await?;
        let Some(last) = staged.last() else { return Ok(()) };
        after = Some(last.intent.key.clone());
        let unstopped = stream::iter(staged).take_until(cancelled.cancelled());
        let writes = unstopped.map(|staged| write_one(work, run, staged, cancelled).boxed());
        let mut ends = pin!(writes.buffer_unordered(AT_ONCE).ready_chunks(SETTLE_AT_ONCE));
        while let Some(chunk) = ends.next().await {
            let mut settled = Vec::with_capacity(chunk.len());
            let mut stopped = None;
            for end in chunk {
                match end {
                    Ok(None) => {}
                    Ok(Some(Written { settled: done, unanswered: None })) => {
                        in_a_row = 0;
                        settled.push(done);
                    }
                    Ok(Some(Written { settled: done, unanswered: Some(error) })) => {
                        in_a_row += 1;
                        settled.push(done);
                        if in_a_row >= UNANSWERED_IN_A_ROW {
                            stopped = Some(error.into());
                        }
                    }
                    Err(error) => stopped = Some(error),
                }
            }
            // What is done is done, whatever stops the rest.
            let counters = work.store.settle(&work.fence, run.id, settled).await?;
            debug!(run = %run.id, settled = counters.settled(), "contacts written");
            if let Some(error) = stopped {
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Opts out first whatever a bulk import could leave opted in: an import takes its time, and an
/// opt-out may not wait for it.
///
/// # Errors
/// As `write_all`.
pub async fn opt_out_first(work: &Work, run: &Run) -> Result<(), SyncError> {
    let mut after: Option<ContactId> = None;
    loop {
        let staged = work.store.staged(run.id, after.as_ref(), None, TAKE).await?;
        let Some(last) = staged.last() else { return Ok(()) };
        after = Some(last.intent.key.clone());
        stream::iter(staged)
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, |staged| opt_out_one(work, run, staged).boxed())
            .await?;
    }
}

#[instrument(name = "opt out", skip_all, fields(contact = %staged.intent.key))]
async fn opt_out_one(work: &Work, run: &Run, staged: Staged) -> Result<(), SyncError> {
    let Some(known) = staged.known_consents.as_ref().filter(|known| !known.is_empty()) else { return Ok(()) };
    let plan = plan(&staged, Some(known));
    let mut steps = ContactSteps::new(work, writer_of(run), &staged.intent.key);
    let ended = steps.opt_out(&staged, &plan.opt_outs).await;
    let asked = steps.into_steps();
    if !asked.is_empty() {
        work.store.tell(&work.fence, run.id, &staged.intent.key, asked).await?;
    }
    match ended {
        // What concerns this contact only is met again, and settled, when it is written. Without an
        // answer nothing may be imported: the opt-out would come after it.
        Err(error) if !matches!(error.kind(), Kind::Contact(_)) => Err(SyncError::Apsis(error)),
        _ => Ok(()),
    }
}

fn writer_of(run: &Run) -> Writer {
    Writer::Run { id: run.id, forced: run.forced, dry: run.kind == RunKind::DryRun }
}

struct Written {
    settled: Settled,
    /// The error, where APSIS One did not answer for this contact.
    unanswered: Option<ApsisError>,
}

/// None if the contact was let go of, with nothing written.
#[instrument(name = "contact", skip_all, fields(
    contact = %staged.intent.key, outcome = Empty, code = Empty, otel.status_code = Empty,
))]
async fn write_one(
    work: &Work,
    run: &Run,
    staged: Staged,
    cancelled: &CancellationToken,
) -> Result<Option<Written>, SyncError> {
    let contact = staged.intent.key.clone();
    let staged = if run.kind == RunKind::DryRun { recording::looked_at(work, staged).await? } else { staged };
    let mut steps = ContactSteps::new(work, writer_of(run), &contact);
    let error = match steps.write(&staged, cancelled).await {
        Ok(End::Settled { outcome, reason, wrote }) => {
            Span::current().record("outcome", outcome.as_str());
            if run.kind == RunKind::DryRun {
                let difference = steps.difference(&staged);
                work.store.note_difference(&work.fence, run.id, &contact, &difference).await?;
            }
            let steps = steps.into_steps();
            let settled = Settled { contact, outcome, reason, wrote, steps };
            return Ok(Some(Written { settled, unanswered: None }));
        }
        Ok(End::LetGo | End::NoProfile) => return Ok(None),
        Err(SyncError::Apsis(error)) => error,
        Err(error) => return Err(error),
    };
    traces::failed(error.code());
    // Without a reason for this contact it concerns them all.
    let Some(reason) = error.reason() else { return Err(error.into()) };
    warn!(run = %run.id, contact = %contact, code = error.code(), "contact not written");
    let (outcome, wrote) = (Outcome::Rejected, Wrote::AsBefore);
    let steps = steps.into_steps();
    let settled = Settled { contact, outcome, reason: Some(reason), wrote, steps };
    let unanswered = matches!(error.kind(), Kind::Exhausted | Kind::Protocol).then_some(error);
    Ok(Some(Written { settled, unanswered }))
}

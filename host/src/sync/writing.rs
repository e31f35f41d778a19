//! The second half of a full sync: staged contacts are written to APSIS One one by one, several
//! contacts at a time, each contact's steps in order.
//!
//! The order is what keeps consents safe: opt-outs first, then the content, then opt-ins; a profile
//! may never be sent to before it is right. Every step may be done twice, so a killed run repeats the
//! contacts whose outcome was not stored. That a profile was not there is stored before it is created,
//! so that the repetition counts it as created, too.

use std::pin::pin;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::failure::SyncError;
use super::line::Line;
use crate::apsis::{ApsisError, ConsentEnd, ConsentPlan, ConsentStep, Created, Kind, Patched, consents};
use crate::contact::{Channel, ContactId};
use crate::error::ErrorCode;
use crate::profile::{Answer, Intent, KnownConsent, TopicId, Unwritten};
use crate::reason::{Reason, ReasonCode};
use crate::run::{Outcome, RunId, Settled, Staged};
use crate::store::{Found, Store};

/// Contacts written at the same time. A write takes some tenths of a second when the remote is slow;
/// this many keep the account's rate used up even then.
const AT_ONCE: usize = 32;

/// Staged contacts taken from the store at once.
const TAKE: u32 = 500;

/// Outcomes stored in one transaction, at most.
const SETTLE_AT_ONCE: usize = 64;

/// When this many contacts in a row got no answer in spite of all attempts, APSIS One is down, and the
/// run fails rather than reject everybody.
const UNANSWERED_IN_A_ROW: u32 = 10;

/// Writes every staged contact that has no outcome yet. Stops taking new ones when cancelled.
///
/// # Errors
/// When APSIS One refuses the credentials or the set-up, or does not answer at all; when the store
/// fails.
pub async fn write_all(
    store: &dyn Store,
    line: &Line,
    run: RunId,
    cancelled: &CancellationToken,
) -> Result<(), SyncError> {
    let mut after: Option<ContactId> = None;
    let mut unanswered = 0;
    while !cancelled.is_cancelled() {
        let staged = store.staged(run, after.as_ref(), None, TAKE).await?;
        let Some(last) = staged.last() else { return Ok(()) };
        after = Some(last.intent.key.clone());
        let unstopped = stream::iter(staged).take_until(cancelled.cancelled());
        let writes = unstopped.map(|staged| write_one(store, line, run, staged).boxed());
        let mut ends = pin!(writes.buffer_unordered(AT_ONCE).ready_chunks(SETTLE_AT_ONCE));
        while let Some(chunk) = ends.next().await {
            let mut settled = Vec::with_capacity(chunk.len());
            for end in chunk {
                let written = end?;
                unanswered = if written.unanswered.is_some() { unanswered + 1 } else { 0 };
                if let Some(error) = written.unanswered
                    && unanswered >= UNANSWERED_IN_A_ROW
                {
                    store.settle(run, settled).await?;
                    return Err(error.into());
                }
                settled.push(written.settled);
            }
            let counters = store.settle(run, settled).await?;
            debug!(run = %run, settled = counters.settled(), "contacts written");
        }
    }
    Ok(())
}

/// Opts out first whatever a bulk import could leave opted in: an import takes its time, and an
/// opt-out may not wait for it.
///
/// # Errors
/// As `write_all`.
pub async fn opt_out_first(store: &dyn Store, line: &Line, run: RunId) -> Result<(), SyncError> {
    let mut after: Option<ContactId> = None;
    loop {
        let staged = store.staged(run, after.as_ref(), None, TAKE).await?;
        let Some(last) = staged.last() else { return Ok(()) };
        after = Some(last.intent.key.clone());
        stream::iter(staged)
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, |staged| opt_out_one(line, staged).boxed())
            .await?;
    }
}

async fn opt_out_one(line: &Line, staged: Staged) -> Result<(), SyncError> {
    let Some(known) = staged.known_consents.as_ref().filter(|known| !known.is_empty()) else { return Ok(()) };
    let plan = plan(&staged, Some(known));
    match set_consents(line, &staged.intent, &plan.opt_outs, false).await {
        // What concerns this contact only is met again, and settled, when it is written.
        Err(error) if error.reason().is_none() => Err(SyncError::Apsis(error)),
        _ => Ok(()),
    }
}

struct Written {
    settled: Settled,
    /// The error, where APSIS One did not answer for this contact.
    unanswered: Option<ApsisError>,
}

async fn write_one(store: &dyn Store, line: &Line, run: RunId, staged: Staged) -> Result<Written, SyncError> {
    let contact = staged.intent.key.clone();
    let error = match write_steps(store, line, run, &staged).await {
        Ok((outcome, reason)) => {
            let written = staged.intent.unwritten.is_some() || outcome != Outcome::Rejected;
            return Ok(Written { settled: Settled { contact, outcome, reason, written }, unanswered: None });
        }
        Err(SyncError::Apsis(error)) => error,
        Err(error) => return Err(error),
    };
    // Without a reason for this contact it concerns them all.
    let Some(reason) = error.reason() else { return Err(error.into()) };
    warn!(run = %run, contact = %contact, code = error.code(), "contact not written");
    let settled = Settled { contact, outcome: Outcome::Rejected, reason: Some(reason), written: false };
    let unanswered = matches!(error.kind(), Kind::Exhausted | Kind::Protocol).then_some(error);
    Ok(Written { settled, unanswered })
}

async fn write_steps(
    store: &dyn Store,
    line: &Line,
    run: RunId,
    staged: &Staged,
) -> Result<(Outcome, Option<Reason>), SyncError> {
    let key = &staged.intent.key;
    // Asked for now, whatever was known before: somebody may have opted out since, and an opt-in may
    // not undo that. None: there is no profile, or none any more.
    let known = if says_nothing(staged) { Some(Vec::new()) } else { line.target.consents(key).await? };
    if let Some(Unwritten { outcome, reason }) = &staged.intent.unwritten {
        // Without a profile there is nothing to opt out.
        let opt_outs = if known.is_some() { plan(staged, known.as_deref()).opt_outs } else { Vec::new() };
        let refused = set_consents(line, &staged.intent, &opt_outs, false).await?;
        return Ok((*outcome, refused.into_iter().next().or_else(|| Some(reason.clone()))));
    }
    let mut existed = staged.existed;
    if known.is_none() {
        create(store, line, run, key, &mut existed).await?;
    }
    let plan = plan(staged, known.as_deref());
    let mut withheld = plan.withheld.clone();
    withheld.extend(set_consents(line, &staged.intent, &plan.opt_outs, false).await?);
    if line.target.patch(key, &staged.intent.attributes).await? == Patched::NoProfile {
        create(store, line, run, key, &mut existed).await?;
        if line.target.patch(key, &staged.intent.attributes).await? == Patched::NoProfile {
            return Ok((Outcome::Rejected, Some(vanished())));
        }
    }
    withheld.extend(set_consents(line, &staged.intent, &plan.opt_ins, true).await?);
    withheld.extend(staged.intent.left_out.iter().cloned());
    let outcome = if existed == Some(false) { Outcome::Created } else { Outcome::Updated };
    Ok((outcome, withheld.into_iter().next()))
}

/// Creates a profile. That it was not there is stored first.
async fn create(
    store: &dyn Store,
    line: &Line,
    run: RunId,
    key: &ContactId,
    existed: &mut Option<bool>,
) -> Result<(), SyncError> {
    if existed.is_none() {
        *existed = Some(false);
        let found = Found { contact: key.clone(), existed: false, consents: Vec::new() };
        store.note_found(run, vec![found]).await?;
    }
    if line.target.create(key).await? == Created::Existed {
        info!(run = %run, contact = %key, "the profile is there already");
    }
    Ok(())
}

/// Whether this contact's consents need no look at what APSIS One has: nothing is asked for.
fn says_nothing(staged: &Staged) -> bool {
    let said = |intent: &Intent| intent.consents.iter().any(|consent| consent.answer != Answer::Unsaid);
    !said(&staged.intent) && !staged.last_written.as_ref().is_some_and(said)
}

/// What is to be done about this contact's consents, given what APSIS One has.
pub fn plan(staged: &Staged, known: Option<&[KnownConsent]>) -> ConsentPlan {
    let last_written = staged.last_written.as_ref().map(|intent| intent.consents.as_slice());
    consents::plan(&staged.intent.consents, known, last_written, false)
}

/// Sets consents in order. Returns why, for each that APSIS One refused.
async fn set_consents(
    line: &Line,
    intent: &Intent,
    steps: &[ConsentStep],
    opt_in: bool,
) -> Result<Vec<Reason>, ApsisError> {
    let mut refused = Vec::new();
    for ConsentStep { topic, channel } in steps {
        let why = consent_reason(intent, topic, *channel);
        if line.target.set_consent(&intent.key, topic, *channel, opt_in, &why).await? == ConsentEnd::Refused {
            refused.push(Reason::about(
                ReasonCode::ConsentRefused,
                topic.to_string(),
                format!(
                    "APSIS One refused to change this {channel} consent, and has another than the CRM. Look at the \
                     profile's consents in APSIS One"
                ),
            ));
        }
    }
    Ok(refused)
}

/// What APSIS One keeps as the reason of a consent: it cannot be empty.
fn consent_reason(intent: &Intent, topic: &TopicId, channel: Channel) -> String {
    let wanted = intent.consents.iter().find(|wanted| wanted.topic == *topic && wanted.channel == channel);
    match wanted.map(|wanted| wanted.answer) {
        Some(Answer::Given(Some(at))) => format!("Given in the CRM {}", at.strftime("%Y-%m-%d")),
        Some(Answer::Given(None)) => "Given in the CRM".to_owned(),
        Some(Answer::Refused(Some(at))) => {
            format!("Refused or withdrawn in the CRM {}", at.strftime("%Y-%m-%d"))
        }
        Some(Answer::Refused(None)) => "Refused or withdrawn in the CRM".to_owned(),
        Some(Answer::Unsaid) | None => "The CRM has this consent no more".to_owned(),
    }
}

fn vanished() -> Reason {
    Reason::new(
        ReasonCode::NotWritten,
        "APSIS One created the profile and then did not find it. Start another full sync; if it happens again, look \
         whether something else deletes profiles",
    )
}

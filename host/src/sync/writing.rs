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
use crate::profile::{Answer, Intent, KnownConsent, TopicId, Unwritten, WantedConsent};
use crate::reason::{Reason, ReasonCode};
use crate::run::{Outcome, RunId, Settled, Staged};
use crate::store::{Found, Store};

/// Contacts written at the same time: enough to use up the account's rate while an answer takes a
/// sixth of a second, few enough that those in the middle have their outcome soon after a cancel.
const AT_ONCE: usize = 16;

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
pub async fn write_all(
    store: &dyn Store,
    line: &Line,
    run: RunId,
    cancelled: &CancellationToken,
) -> Result<(), SyncError> {
    let mut after: Option<ContactId> = None;
    let mut in_a_row = 0;
    while !cancelled.is_cancelled() {
        let staged = store.staged(run, after.as_ref(), None, TAKE).await?;
        let Some(last) = staged.last() else { return Ok(()) };
        after = Some(last.intent.key.clone());
        let unstopped = stream::iter(staged).take_until(cancelled.cancelled());
        let writes = unstopped.map(|staged| write_one(store, line, run, staged, cancelled).boxed());
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
            let counters = store.settle(run, settled).await?;
            debug!(run = %run, settled = counters.settled(), "contacts written");
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
        // What concerns this contact only is met again, and settled, when it is written. Without an
        // answer nothing may be imported: the opt-out would come after it.
        Err(error) if !matches!(error.kind(), Kind::Contact(_)) => Err(SyncError::Apsis(error)),
        _ => Ok(()),
    }
}

struct Written {
    settled: Settled,
    /// The error, where APSIS One did not answer for this contact.
    unanswered: Option<ApsisError>,
}

/// None if the contact was let go of, with nothing written.
async fn write_one(
    store: &dyn Store,
    line: &Line,
    run: RunId,
    staged: Staged,
    cancelled: &CancellationToken,
) -> Result<Option<Written>, SyncError> {
    let contact = staged.intent.key.clone();
    let error = match write_steps(store, line, run, &staged, cancelled).await {
        Ok(Some(settled)) => return Ok(Some(Written { settled, unanswered: None })),
        Ok(None) => return Ok(None),
        Err(SyncError::Apsis(error)) => error,
        Err(error) => return Err(error),
    };
    // Without a reason for this contact it concerns them all.
    let Some(reason) = error.reason() else { return Err(error.into()) };
    warn!(run = %run, contact = %contact, code = error.code(), "contact not written");
    let settled = Settled { contact, outcome: Outcome::Rejected, reason: Some(reason), written: false };
    let unanswered = matches!(error.kind(), Kind::Exhausted | Kind::Protocol).then_some(error);
    Ok(Some(Written { settled, unanswered }))
}

async fn write_steps(
    store: &dyn Store,
    line: &Line,
    run: RunId,
    staged: &Staged,
    cancelled: &CancellationToken,
) -> Result<Option<Settled>, SyncError> {
    let key = &staged.intent.key;
    let settled =
        |outcome, reason, written| Ok(Some(Settled { contact: key.clone(), outcome, reason, written }));
    // Asked for now, whatever was known before: somebody may have opted out since, and an opt-in may
    // not undo that. None: there is no profile, or none any more.
    let mut known = if staged.intent.consents.is_empty() {
        // No consent is mapped.
        Some(Vec::new())
    } else {
        match cancelled.run_until_cancelled(line.target.consents(key)).await {
            Some(known) => known?,
            None => return Ok(None),
        }
    };
    if let Some(Unwritten { outcome, reason }) = &staged.intent.unwritten {
        // Without a profile there is nothing to opt out.
        let opt_outs = if known.is_some() { plan(staged, known.as_deref()).opt_outs } else { Vec::new() };
        let refused = set_consents(line, &staged.intent, &opt_outs, false).await?;
        return settled(*outcome, Some(reason.clone()), refused.is_empty());
    }
    let mut existed = staged.existed;
    if known.is_none() && create(store, line, run, key, &mut existed).await? == Created::Existed {
        known = line.target.consents(key).await?;
    }
    let plan = plan(staged, known.as_deref());
    let refused = set_consents(line, &staged.intent, &plan.opt_outs, false).await?;
    if let Some(reason) = refused.into_iter().next() {
        // Not written, so that the next run tries again; and nothing more, least of all an opt-in.
        return settled(Outcome::Rejected, Some(reason), false);
    }
    if line.target.patch(key, &staged.intent.attributes).await? == Patched::NoProfile {
        create(store, line, run, key, &mut existed).await?;
        if line.target.patch(key, &staged.intent.attributes).await? == Patched::NoProfile {
            return settled(Outcome::Rejected, Some(vanished()), false);
        }
    }
    let mut reasons = plan.withheld;
    reasons.extend(set_consents(line, &staged.intent, &plan.opt_ins, true).await?);
    reasons.extend(staged.intent.left_out.iter().cloned());
    let outcome = if existed == Some(false) { Outcome::Created } else { Outcome::Updated };
    settled(outcome, reasons.into_iter().next(), true)
}

/// Creates a profile. That it was not there is stored first.
async fn create(
    store: &dyn Store,
    line: &Line,
    run: RunId,
    key: &ContactId,
    existed: &mut Option<bool>,
) -> Result<Created, SyncError> {
    if existed.is_none() {
        *existed = Some(false);
        let found = Found { contact: key.clone(), existed: false, consents: Vec::new() };
        store.note_found(run, vec![found]).await?;
    }
    let created = line.target.create(key).await?;
    if created == Created::Existed {
        info!(run = %run, contact = %key, "the profile is there already");
    }
    Ok(created)
}

/// What is to be done about this contact's consents, given what APSIS One has.
pub fn plan(staged: &Staged, known: Option<&[KnownConsent]>) -> ConsentPlan {
    let mut before = staged.last_written.as_ref().map_or_else(Vec::new, |intent| intent.consents.clone());
    // A consent that the CRM has no more, and that we gave or may have given, counts as given by us.
    for wanted in staged.intent.consents.iter().filter(|wanted| wanted.answer == Answer::Unsaid) {
        if staged.attempted.iter().any(|intent| intent.gives(wanted)) {
            before.retain(|then| !then.is_same(wanted));
            before.push(WantedConsent { answer: Answer::Given(None), ..wanted.clone() });
        }
    }
    consents::plan(&staged.intent.consents, known, Some(&before))
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

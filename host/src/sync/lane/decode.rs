//! Deliveries into changes: the connector decodes each in an instance of its own, so that one that makes it
//! crash costs that delivery an attempt and nothing else.
//!
//! A delivery about a record that is no contact, such as a company, becomes one change for each contact that shows
//! its values. For that the CRM is asked. If it is away, the lane pauses; if it fails over this one record, that
//! costs this delivery an attempt.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use tracing::{Instrument as _, debug, instrument, warn};

use super::trouble::{Trouble, cause, of_call, wait};
use crate::change::{Change, Decoded, DeliveryNumber, Undecoded};
use crate::connector::{CallError, Connection, SaidKind};
use crate::contact::{ContactId, Discard, DiscardReason};
use crate::error::ErrorCode;
use crate::lane::PauseKind;
use crate::metrics;
use crate::store::StoreError;
use crate::sync::work::Work;

/// Deliveries taken from the store at once.
const TAKE: u32 = 256;

/// Deliveries that are decoded at the same time.
const AT_ONCE: usize = 4;

/// What came of decoding.
pub enum Round {
    /// So many deliveries were decoded, or found to be undecodable.
    Done(usize),
    /// Nothing can be decoded: the CRM is away, or somebody has to mend a setting.
    Pause(PauseKind, CallError),
}

/// The deliveries that are due, up to a limit.
///
/// # Errors
/// When the store fails.
pub async fn due(work: &Work) -> Result<Vec<Undecoded>, StoreError> {
    work.store.undecoded(&work.fence.integration, Timestamp::now(), TAKE).await
}

/// Decodes deliveries.
///
/// # Errors
/// When the store fails.
#[instrument(name = "decode", skip_all, fields(deliveries = undecoded.len()))]
pub async fn decode(work: &Work, undecoded: Vec<Undecoded>) -> Result<Round, StoreError> {
    let id = &work.fence.integration;
    let mut decoded = Vec::with_capacity(undecoded.len());
    let mut pause = None;
    let mut received = stream::iter(undecoded)
        .map(|delivery| receive(work.line.connection.clone(), delivery))
        .buffered(AT_ONCE);
    while let Some((delivery, said)) = received.next().await {
        let error = match said {
            Ok(changes) => {
                decoded.push((delivery.number, Decoded::Says(changes)));
                continue;
            }
            Err(error) => error,
        };
        if let Some(kind) = everybodys(work, &error).await {
            pause = Some(Round::Pause(kind, error));
            break;
        }
        warn!(integration = %id, delivery = %delivery.number, code = error.code(), "delivery not decoded");
        decoded.push(put_off(&delivery, &error, work.line.real_time.attempts));
    }
    let done = decoded.len();
    if done > 0 {
        let told = metrics::DecodedEnds::of(id, &decoded);
        work.store.commit_decoded(&work.fence, decoded).await?;
        told.count();
        debug!(integration = %id, deliveries = done, "deliveries decoded");
    }
    Ok(pause.unwrap_or(Round::Done(done)))
}

/// Whether a failure is not this delivery's own, and what it is then.
async fn everybodys(work: &Work, error: &CallError) -> Option<PauseKind> {
    // Decoding itself asks nobody: a setting is wrong with all of them.
    if matches!(error, CallError::Said { call: "receive", kind: SaidKind::Misconfigured, .. }) {
        return Some(PauseKind::NeedsAttention);
    }
    let kind = match of_call(error) {
        Trouble::Attention => PauseKind::NeedsAttention,
        Trouble::Passing { .. } => PauseKind::Remote,
        Trouble::Refused(_) | Trouble::Hopeless | Trouble::Stop => return None,
    };
    // A crash passes for passing, too: it says nothing of the CRM.
    let is_of_crm = matches!(error, CallError::Said { .. });
    (is_of_crm && work.line.connection.check().await.is_err()).then_some(kind)
}

/// Each on a task of its own: decoding is computing, and should use whatever processors there are.
async fn receive(
    connection: Connection,
    undecoded: Undecoded,
) -> (Undecoded, Result<Vec<Change>, CallError>) {
    let delivery = undecoded.delivery.clone();
    if let Some(contact) = delivery.asked_for() {
        return (undecoded, Ok(vec![Change::Touched(contact)]));
    }
    let decoding = async move {
        let said = connection.receive(&delivery).await?;
        with_sharers(&connection, said).await
    };
    let said = tokio::spawn(decoding.in_current_span()).await.unwrap_or_else(|_| {
        Err(CallError::Host { call: "receive", reason: "the task was broken off".to_owned() })
    });
    (undecoded, said)
}

/// The most contacts that one record is looked up for; for more, a full sync is asked for.
const SHARERS: usize = 100_000;

/// Contacts asked for at once.
const PAGE: u32 = 500;

/// In place of each record that is no contact: the contacts that show its values, to be read again.
async fn with_sharers(connection: &Connection, said: Vec<Change>) -> Result<Vec<Change>, CallError> {
    if !connection.connector().exports().related {
        return Ok(said);
    }
    let mut changes = Vec::with_capacity(said.len());
    for change in said {
        let Change::Discarded(Discard { subject: Some(subject), reason: DiscardReason::NotRelevant, .. }) =
            &change
        else {
            changes.push(change);
            continue;
        };
        match sharers(connection, subject).await? {
            Some(contacts) if contacts.is_empty() => changes.push(change),
            Some(contacts) => changes.extend(contacts.into_iter().map(Change::Touched)),
            None => changes.push(Change::Discarded(Discard {
                subject: Some(subject.clone()),
                reason: DiscardReason::Malformed,
                message: format!(
                    "More than {SHARERS} contacts show values of this record, which has changed. Start a full sync."
                ),
            })),
        }
    }
    Ok(changes)
}

/// The contacts that show a record's values; none if there are too many.
async fn sharers(connection: &Connection, subject: &str) -> Result<Option<BTreeSet<ContactId>>, CallError> {
    let (mut contacts, mut after) = (BTreeSet::new(), None);
    // As many pages as could be full: one that gives empty pages for ever ends, too.
    for _ in 0..=SHARERS {
        let page = match connection.contacts_of(subject, after.as_ref(), PAGE).await {
            Err(CallError::Said { kind: SaidKind::Unsupported, .. }) => return Ok(Some(BTreeSet::new())),
            page => page?,
        };
        contacts.extend(page.contacts);
        after = page.next;
        if contacts.len() > SHARERS {
            return Ok(None);
        }
        if after.is_none() {
            return Ok(Some(contacts));
        }
    }
    Ok(None)
}

fn put_off(delivery: &Undecoded, error: &CallError, attempts: u32) -> (DeliveryNumber, Decoded) {
    let attempt = delivery.attempts.saturating_add(1);
    let is_final = matches!(
        error,
        // The same bytes say the same tomorrow.
        CallError::Said { .. } | CallError::NotOffered { .. }
    ) && of_call(error) == Trouble::Hopeless;
    if is_final || attempt >= attempts {
        return (delivery.number, Decoded::Dead(cause(error)));
    }
    let due = Timestamp::now().checked_add(wait(attempt, None)).unwrap_or(Timestamp::MAX);
    (delivery.number, Decoded::Again(due, cause(error)))
}

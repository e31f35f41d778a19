//! Deliveries into changes: the connector decodes each in an instance of its own, so that one that makes it
//! crash costs that delivery an attempt and nothing else.

use futures::{StreamExt, stream};
use jiff::Timestamp;
use tracing::{debug, warn};

use super::trouble::{Trouble, cause, of_call, wait};
use crate::change::{Decoded, DeliveryNumber, Undecoded};
use crate::connector::{CallError, Connection, SaidKind};
use crate::error::ErrorCode;
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
    /// The connector cannot decode anything until somebody mends a setting.
    Attention(CallError),
}

/// Decodes the deliveries that are due, up to a limit.
///
/// # Errors
/// When the store fails.
pub async fn decode(work: &Work) -> Result<Round, StoreError> {
    let id = &work.fence.integration;
    let undecoded = work.store.undecoded(id, Timestamp::now(), TAKE).await?;
    let mut decoded = Vec::with_capacity(undecoded.len());
    let mut attention = None;
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
        // Decoding asks nobody, so that only a setting can be wrong with all of them.
        if matches!(error, CallError::Said { kind: SaidKind::Misconfigured, .. }) {
            attention = Some(error);
            break;
        }
        warn!(integration = %id, delivery = %delivery.number, code = error.code(), "delivery not decoded");
        decoded.push(put_off(&delivery, &error, work.line.real_time.attempts));
    }
    let done = decoded.len();
    if done > 0 {
        work.store.commit_decoded(&work.fence, decoded).await?;
        debug!(integration = %id, deliveries = done, "deliveries decoded");
    }
    match attention {
        Some(error) => Ok(Round::Attention(error)),
        None => Ok(Round::Done(done)),
    }
}

/// Each on a task of its own: decoding is computing, and should use whatever processors there are.
async fn receive(
    connection: Connection,
    undecoded: Undecoded,
) -> (Undecoded, Result<Vec<crate::change::Change>, CallError>) {
    let delivery = undecoded.delivery.clone();
    let task = tokio::spawn(async move { connection.receive(&delivery).await });
    let said = task.await.unwrap_or_else(|_| {
        Err(CallError::Host { call: "receive", reason: "the task was broken off".to_owned() })
    });
    (undecoded, said)
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

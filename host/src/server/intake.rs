//! Deliveries onto the disk: all that wait are stored together, so that they share one sync of it, and each is
//! answered when that is done.
//!
//! Bounded in number and in bytes: what finds no place is not taken. How long somebody waits is his to say;
//! whoever has stopped waiting was told that his delivery is not taken, and it is not stored unless that had
//! begun.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tracing::warn;

use super::answer::Refusal;
use crate::change::{Arrival, NewDelivery};
use crate::error::ErrorCode;
use crate::store::{Store, StoreError};

/// Deliveries that wait at most.
const WAITING: usize = 4_096;
/// Bytes of them, in KiB.
const WAITING_KIB: usize = 64 * 1024;
/// Deliveries stored at once at most.
const AT_ONCE: usize = 512;
/// Bytes of them.
const BYTES_AT_ONCE: usize = 8 << 20;
/// How long storing may take before the next ones are tried.
const STORE_WITHIN: Duration = Duration::from_secs(5);

struct Waiting {
    delivery: NewDelivery,
    answer: oneshot::Sender<Result<Arrival, StoreError>>,
    _place: OwnedSemaphorePermit,
}

/// The way onto the disk.
pub struct Intake {
    queue: mpsc::Sender<Waiting>,
    places: Arc<Semaphore>,
}

impl Intake {
    /// Starts storing. It ends when the last of its users is gone.
    pub fn start(store: Arc<dyn Store>) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        tokio::spawn(store_all(store, waiting));
        Self { queue, places: Arc::new(Semaphore::new(WAITING_KIB)) }
    }

    /// Stores a delivery; it is on disk when this returns `Stored`.
    ///
    /// # Errors
    /// [`Refusal::NotNow`].
    pub async fn store(&self, delivery: NewDelivery) -> Result<Arrival, Refusal> {
        let size = delivery.delivery.body.len() / 1024 + 1;
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.places).try_acquire_many_owned(size).map_err(|_| Refusal::NotNow)?;
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { delivery, answer, _place: place }).map_err(|_| Refusal::NotNow)?;
        match answered.await {
            Ok(Ok(arrival)) => Ok(arrival),
            _ => Err(Refusal::NotNow),
        }
    }
}

async fn store_all(store: Arc<dyn Store>, mut waiting: mpsc::Receiver<Waiting>) {
    while let Some(first) = waiting.recv().await {
        let mut bytes = first.delivery.delivery.body.len();
        let mut group = vec![first];
        while group.len() < AT_ONCE
            && bytes < BYTES_AT_ONCE
            && let Ok(next) = waiting.try_recv()
        {
            bytes += next.delivery.delivery.body.len();
            group.push(next);
        }
        group.retain(|waiting| !waiting.answer.is_closed());
        if group.is_empty() {
            continue;
        }
        let mut answers = Vec::with_capacity(group.len());
        let (deliveries, places): (Vec<_>, Vec<_>) = group
            .into_iter()
            .map(|waiting| {
                answers.push(waiting.answer);
                (waiting.delivery, waiting._place)
            })
            .unzip();
        // What the store was given keeps its places until the store lets go of it, however long that is.
        let store = Arc::clone(&store);
        let storing = tokio::spawn(async move {
            let stored = store.put_deliveries(deliveries).await;
            drop(places);
            stored
        });
        let stored = match tokio::time::timeout(STORE_WITHIN, storing).await {
            Ok(Ok(Ok(stored))) => stored,
            Ok(Ok(Err(error))) => {
                warn!(code = error.code(), %error, "deliveries are not stored, and not taken");
                for answer in answers {
                    // Whoever waited may have stopped.
                    let _ = answer.send(Err(error.clone()));
                }
                continue;
            }
            // Also if that task panicked, which has been printed.
            Err(_) | Ok(Err(_)) => {
                warn!("the store does not answer; deliveries are not taken");
                continue;
            }
        };
        for (arrival, answer) in stored.into_iter().zip(answers) {
            // Whoever waited may have stopped; the CRM sends it again, and it is known then.
            let _ = answer.send(Ok(arrival));
        }
    }
}

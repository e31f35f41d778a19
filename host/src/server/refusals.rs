//! Counts of what was turned away, in memory, and added to the store's from time to time: somebody who sends a
//! flood of forgeries does not make the disk work.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::change::Refused;
use crate::error::ErrorCode;
use crate::integration::IntegrationId;
use crate::store::Store;

/// How often counts are stored.
const STORE_EVERY: Duration = Duration::from_secs(2);

/// Counts that are not stored yet.
#[derive(Default)]
pub struct Refusals(Mutex<HashMap<(IntegrationId, Refused), u64>>);

impl Refusals {
    /// Counts that are stored from time to time, and once more when `stop` is cancelled.
    pub fn stored(store: Arc<dyn Store>, stop: CancellationToken) -> Arc<Self> {
        let counts = Arc::new(Self::default());
        let to_store = Arc::clone(&counts);
        tokio::spawn(async move {
            while stop.run_until_cancelled(tokio::time::sleep(STORE_EVERY)).await.is_some() {
                to_store.store(&*store).await;
            }
            to_store.store(&*store).await;
        });
        counts
    }

    /// One more.
    pub fn add(&self, id: &IntegrationId, refused: Refused) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((id.clone(), refused)).or_default() += 1;
    }

    async fn store(&self, store: &dyn Store) {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if counts.is_empty() {
            return;
        }
        let flat: Vec<_> =
            counts.iter().map(|((id, refused), count)| (id.clone(), *refused, *count)).collect();
        if let Err(error) = store.count_refused(flat).await {
            warn!(code = error.code(), "counts of refused messages are not stored yet");
            let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (of, count) in counts {
                *now.entry(of).or_default() += count;
            }
        }
    }
}

//! Whether deliveries can be taken: whether the store can write. It is tried, and not asked of the last delivery:
//! a host that is sent none because it was not well would never be well again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tracing::warn;

use crate::error::ErrorCode;
use crate::hosting::{BEAT, HostId};
use crate::store::Store;

/// As long as a delivery may take.
const WITHIN: Duration = Duration::from_millis(900);

/// However often it is asked for, it is tried no more often than so.
const EVERY: Duration = Duration::from_secs(1);

/// What is known of this host's health.
pub struct Health {
    store: Arc<dyn Store>,
    host: HostId,
    last: Mutex<Option<(Instant, bool)>>,
}

impl Health {
    /// Nothing is known yet.
    pub fn new(store: Arc<dyn Store>, host: HostId) -> Self {
        Self { store, host, last: Mutex::default() }
    }

    /// Whether the store took a write just now.
    pub async fn is_well(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((at, well)) = *last
            && at.elapsed() < EVERY
        {
            return well;
        }
        let well = match tokio::time::timeout(WITHIN, self.store.beat(&self.host, BEAT)).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => {
                warn!(code = error.code(), %error, "the store takes nothing");
                false
            }
            Err(_) => {
                warn!("the store does not answer");
                false
            }
        };
        *last = Some((Instant::now(), well));
        well
    }
}

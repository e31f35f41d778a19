//! How the integrations are that this host works on, as the store says it when it is asked.

use std::time::Duration;

use jiff::Timestamp;
use tracing::warn;

use crate::error::ErrorCode;
use crate::hosting::HostId;
use crate::lane::{Health, LaneStatus};
use crate::store::{Store, StoreError};

/// As long as a scrape may have to wait for it.
const WITHIN: Duration = Duration::from_secs(5);

/// How integrations are. Default: nobody says.
#[derive(Debug, Clone, Default)]
pub struct Standings(Option<Vec<Standing>>);

/// How one is.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) status: LaneStatus,
    /// How long the oldest delivery has waited.
    pub(super) oldest: Duration,
}

impl Standings {
    /// Those that this host holds, and those that nobody does: of hosts that share a store each tells of its own.
    pub async fn read(store: &dyn Store, host: &HostId) -> Self {
        let why = match tokio::time::timeout(WITHIN, read(store, host)).await {
            Ok(Ok(all)) => return Self(Some(all)),
            Ok(Err(error)) => error.code(),
            Err(_) => "store-silent",
        };
        warn!(code = why, "the store does not say how the integrations are");
        Self(None)
    }

    pub(super) fn store_answers(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Standing> {
        self.0.iter().flatten()
    }
}

async fn read(store: &dyn Store, host: &HostId) -> Result<Vec<Standing>, StoreError> {
    let mut all = Vec::new();
    for holding in store.holdings().await? {
        if holding.host.as_ref().is_some_and(|holder| holder != host) {
            continue;
        }
        let status = match store.lane_status(&holding.integration).await {
            Ok(status) => status,
            // Deleted meanwhile.
            Err(StoreError::NoIntegration(_)) => continue,
            Err(error) => return Err(error),
        };
        let now = Timestamp::now();
        let oldest = status.oldest.map_or(Duration::ZERO, |oldest| {
            Duration::try_from(now.duration_since(oldest)).unwrap_or_default()
        });
        all.push(Standing { status, oldest });
    }
    Ok(all)
}

/// Each state, with its word.
pub(super) fn every_health() -> [(Health, &'static str); 7] {
    [
        (Health::Disabled, "disabled"),
        (Health::NeedsAttention, "needs-attention"),
        (Health::Held, "held"),
        (Health::Waiting, "waiting"),
        (Health::Running, "running"),
        (Health::DeadLetters, "dead-letters"),
        (Health::Works, "works"),
    ]
}

//! Whether deliveries can be taken: whether the store can write, and this host is to stay. It is tried, and not asked of
//! the last delivery: a host that is sent none because it was not well would never be well again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::answer::problem;
use crate::error::ErrorCode;
use crate::hosting::{BEAT, HostId};
use crate::store::Store;

/// As long as a delivery may take.
const WITHIN: Duration = Duration::from_millis(900);

/// However often it is asked for, it is tried no more often than so.
const EVERY: Duration = Duration::from_secs(1);

/// Why a host takes no deliveries now. Whoever asks bears no token: where the store is, is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    /// The store refused a write.
    #[error("this host's store takes nothing; its log says why")]
    Failing,
    /// The store said nothing.
    #[error("this host's store does not answer; see whether it is there, and how busy it is")]
    Silent,
    /// The host was told to stop.
    #[error("this host is stopping; send to another one, or wait until it is started again")]
    Stopping,
}

impl ErrorCode for Unready {
    fn code(&self) -> &'static str {
        match self {
            Self::Failing => "store-failing",
            Self::Silent => "store-silent",
            Self::Stopping => "host-stopping",
        }
    }
}

impl IntoResponse for Unready {
    fn into_response(self) -> Response {
        problem(StatusCode::SERVICE_UNAVAILABLE, &self, true)
    }
}

/// What is known of this host's health.
pub struct Health {
    store: Arc<dyn Store>,
    host: HostId,
    stop: CancellationToken,
    last: Mutex<Option<(Instant, Result<(), Unready>)>>,
}

impl Health {
    /// Nothing is known yet. `stop`: cancelled when the host is to stop.
    pub fn new(store: Arc<dyn Store>, host: HostId, stop: CancellationToken) -> Self {
        Self { store, host, stop, last: Mutex::default() }
    }

    /// Whether the store took a write just now.
    ///
    /// # Errors
    /// With what keeps this host from taking deliveries.
    pub async fn look(&self) -> Result<(), Unready> {
        if self.stop.is_cancelled() {
            return Err(Unready::Stopping);
        }
        let mut last = self.last.lock().await;
        if let Some((at, looked)) = *last
            && at.elapsed() < EVERY
        {
            return looked;
        }
        let looked = match tokio::time::timeout(WITHIN, self.store.beat(&self.host, BEAT)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                warn!(code = error.code(), %error, "the store takes nothing");
                Err(Unready::Failing)
            }
            Err(_) => {
                warn!("the store does not answer");
                Err(Unready::Silent)
            }
        };
        *last = Some((Instant::now(), looked));
        looked
    }
}

//! What is tried again, how often, and after how long.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use super::error::ApsisError;

/// How an attempt that failed is repeated: waits double from `first`, each lengthened by a random part
/// of itself, up to `longest`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) first: Duration,
    pub(super) longest: Duration,
    pub(super) attempts: usize,
    /// A Retry-After beyond this is not waited for.
    pub(super) patience: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            attempts: 7,
            patience: Duration::from_secs(300),
        }
    }
}

impl Policy {
    /// Runs `attempt` until it succeeds, fails for good, or has used up its attempts. Retry-After is
    /// obeyed: it lengthens the wait, never shortens it.
    pub(super) async fn run<T, F, Fut>(self, attempt: F) -> Result<T, ApsisError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, ApsisError>>,
    {
        let waits = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(self.first)
            .with_max_delay(self.longest)
            .with_max_times(self.attempts.saturating_sub(1));
        attempt
            .retry(waits)
            .when(|error| match error {
                ApsisError::Busy { retry_after, .. } => {
                    retry_after.is_none_or(|asked| asked <= self.patience)
                }
                ApsisError::Unreachable { .. } => true,
                _ => false,
            })
            .adjust(|error, wait| match (error, wait) {
                (ApsisError::Busy { retry_after: Some(asked), .. }, Some(wait)) => Some(wait.max(*asked)),
                (_, wait) => wait,
            })
            .await
    }
}

/// Whether an answer asks for another attempt.
pub(super) fn is_retryable(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// Retry-After, in seconds or as an HTTP date.
pub(super) fn retry_after(header: &str, now: jiff::Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(header).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

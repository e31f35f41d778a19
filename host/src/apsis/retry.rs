//! What is tried again, how often, and after how long.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::Response;
use reqwest::header::RETRY_AFTER;

use super::error::{ApsisError, Operation};

/// How an attempt that failed is repeated: waits double from `first`, each lengthened by a random part
/// of itself, up to `longest`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) first: Duration,
    pub(super) longest: Duration,
    pub(super) attempts: usize,
    /// A Retry-After beyond this is not waited for.
    pub(super) patience: Duration,
    /// The shortest wait after a 429 that names none, where the limit counts by the minute: so long that
    /// all attempts together outlast the minute. Processes before this one may have used it up.
    pub(super) by_minute: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            attempts: 7,
            patience: Duration::from_secs(300),
            by_minute: Duration::from_secs(12),
        }
    }
}

impl Policy {
    /// For somebody who tries again later by himself.
    pub(super) fn impatient() -> Self {
        Self {
            first: Duration::from_millis(250),
            longest: Duration::from_secs(1),
            attempts: 3,
            patience: Duration::from_secs(2),
            by_minute: Duration::from_secs(3),
        }
    }

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
            .adjust(|error, wait| Some(self.wait(error, wait?)))
            .await
    }

    /// How long to wait after this error, where `wait` is the turn's own.
    fn wait(self, error: &ApsisError, wait: Duration) -> Duration {
        match error {
            ApsisError::Busy { retry_after: Some(asked), .. } => wait.max(*asked),
            ApsisError::Busy { operation, status: 429, .. } if operation.counts_by_minute() => {
                wait.max(self.by_minute)
            }
            _ => wait,
        }
    }
}

/// Whether an answer asks for another attempt.
pub(super) fn is_retryable(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// An answer that asks for another attempt.
pub(super) fn busy(operation: Operation, response: &Response) -> ApsisError {
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    ApsisError::Busy {
        operation,
        status: response.status().as_u16(),
        retry_after: asked.and_then(|value| retry_after(value, jiff::Timestamp::now())),
    }
}

/// Retry-After, in seconds or as an HTTP date.
fn retry_after(header: &str, now: jiff::Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(header).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::Instant;

    use super::super::error::Fault;
    use super::*;

    const OPERATION: Operation = Operation::WriteAttributes;

    const SHORT: Policy = Policy {
        first: Duration::from_millis(2),
        longest: Duration::from_millis(16),
        attempts: 7,
        patience: Duration::from_millis(100),
        by_minute: Duration::from_millis(20),
    };

    async fn attempts(error: ApsisError) -> (usize, Duration) {
        let (count, start) = (Cell::new(0), Instant::now());
        let end = SHORT
            .run(|| async {
                count.set(count.get() + 1);
                Err::<(), _>(error.clone())
            })
            .await;
        assert_eq!(end, Err(error.clone()));
        (count.get(), start.elapsed())
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_seven_times_with_growing_waits() {
        let (count, took) =
            attempts(ApsisError::Unreachable { operation: OPERATION, fault: Fault::Broken }).await;
        assert_eq!(count, 7);
        // 2 + 4 + 8 + 16 + 16 + 16, and jitter.
        assert!(took >= Duration::from_millis(62), "{took:?}");
    }

    #[tokio::test]
    async fn retry_after_is_obeyed_up_to_a_limit() {
        let asked = |millis| ApsisError::Busy {
            operation: OPERATION,
            status: 429,
            retry_after: Some(Duration::from_millis(millis)),
        };
        let (count, took) = attempts(asked(60)).await;
        assert_eq!(count, 7);
        assert!(took >= Duration::from_millis(360), "{took:?}");
        assert_eq!(attempts(asked(101)).await.0, 1);
    }

    #[tokio::test]
    async fn a_limit_that_counts_by_the_minute_is_outlasted() {
        let busy = |operation, status| ApsisError::Busy { operation, status, retry_after: None };
        let (count, took) = attempts(busy(Operation::Token, 429)).await;
        assert_eq!(count, 7);
        assert!(took >= SHORT.by_minute * 6, "{took:?}");
        let default = Policy::default();
        assert!(default.by_minute * 6 > Duration::from_mins(1));
        for other in [busy(Operation::Token, 503), busy(OPERATION, 429)] {
            assert_eq!(SHORT.wait(&other, SHORT.first), SHORT.first);
        }
    }

    #[tokio::test]
    async fn a_refusal_is_not_tried_again() {
        assert_eq!(attempts(ApsisError::Locked { operation: OPERATION }).await.0, 1);
    }

    #[test]
    fn retry_after_comes_in_seconds_or_as_a_date() {
        let now: jiff::Timestamp = "2024-03-01T09:00:00Z".parse().unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Fri, 01 Mar 2024 09:00:30 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Fri, 01 Mar 2024 08:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }
}

//! Asking the CRM again: a call that the connector says may be tried again is, with growing pauses.

use std::time::Duration;

use tracing::warn;

use crate::connector::{CallError, NextStep};
use crate::error::ErrorCode;

/// How often one thing is asked for before the run gives up: with the growing pauses, some minutes.
const ATTEMPTS: u32 = 8;

/// Calls until it succeeds, fails for good, or has used up its attempts. A pause that the CRM asks for is
/// kept.
///
/// # Errors
/// The last attempt's.
pub async fn again<T, F, Fut>(mut call: F) -> Result<T, CallError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CallError>>,
{
    let mut attempt = 1;
    loop {
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let NextStep::Retry { after: asked } = error.next_step() else { return Err(error) };
        if attempt >= ATTEMPTS {
            return Err(error);
        }
        let pause = asked.unwrap_or_else(|| growing_pause(attempt));
        warn!(
            attempt,
            pause_ms = pause.as_millis(),
            code = error.code(),
            "no answer from the CRM, trying again"
        );
        tokio::time::sleep(pause).await;
        attempt += 1;
    }
}

/// Doubles from half a second, at most a minute, less up to a half by chance, so that many runs do
/// not come back at once.
fn growing_pause(attempt: u32) -> Duration {
    let full = Duration::from_millis(500).saturating_mul(1 << attempt.min(7)).min(Duration::from_mins(1));
    full.mul_f64(rand::random_range(0.5..1.0))
}

//! Asking the CRM again: what may be tried again is, with growing pauses, for some minutes.

use std::time::Duration;

use tracing::warn;

use super::line::Patience;
use crate::connector::{CallError, NextStep};
use crate::error::ErrorCode;

/// Whoever is in a hurry waits no longer than this.
const SHORT: Duration = Duration::from_secs(2);

impl Patience {
    /// How often one call is made before its error stands: with the growing pauses, some minutes or seconds.
    fn attempts(self) -> u32 {
        match self {
            Self::Long => 8,
            Self::Short => 2,
        }
    }
}

/// Makes a call until it has an answer, or an error that trying again does not mend.
pub async fn patiently<T, F: Future<Output = Result<T, CallError>>>(
    patience: Patience,
    mut call: impl FnMut() -> F,
) -> Result<T, CallError> {
    let mut attempt = 1;
    loop {
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let NextStep::Retry { after: asked } = error.next_step() else { return Err(error) };
        if attempt >= patience.attempts() {
            return Err(error);
        }
        let pause = asked.unwrap_or_else(|| growing_pause(attempt));
        if patience == Patience::Short && pause > SHORT {
            return Err(error);
        }
        warn!(
            attempt,
            pause_ms = pause.as_millis(),
            code = error.code(),
            "no answer from the CRM, asking again"
        );
        tokio::time::sleep(pause).await;
        attempt += 1;
    }
}

/// Doubles from half a second, at most a minute, less up to a half by chance, so that many runs do
/// not come back at once.
fn growing_pause(attempt: u32) -> Duration {
    let full = Duration::from_millis(250).saturating_mul(1 << attempt.min(8)).min(Duration::from_mins(1));
    full.mul_f64(rand::random_range(0.5..1.0))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::connector::SaidKind;

    fn error(kind: SaidKind) -> CallError {
        let retry_after = Some(Duration::from_millis(1));
        CallError::Said { call: "scan", kind, message: "busy".into(), retry_after, details: Vec::new() }
    }

    #[tokio::test]
    async fn what_passes_is_waited_for_and_what_does_not_is_told() {
        let calls = Cell::new(0);
        let busy_twice = || {
            calls.set(calls.get() + 1);
            std::future::ready(if calls.get() < 3 { Err(error(SaidKind::Unavailable)) } else { Ok(7) })
        };
        assert_eq!(patiently(Patience::Long, busy_twice).await, Ok(7));
        let refused = || std::future::ready(Err::<(), _>(error(SaidKind::Unauthorized)));
        assert_eq!(patiently(Patience::Long, refused).await, Err(error(SaidKind::Unauthorized)));
        calls.set(0);
        let down = || {
            calls.set(calls.get() + 1);
            std::future::ready(Err::<(), _>(error(SaidKind::Unavailable)))
        };
        assert!(patiently(Patience::Long, down).await.is_err());
        assert_eq!(calls.get(), Patience::Long.attempts());
    }

    #[test]
    fn pauses_grow_to_a_minute() {
        assert!(growing_pause(1) < Duration::from_millis(501));
        assert!(growing_pause(9) >= Duration::from_secs(30) && growing_pause(30) <= Duration::from_mins(1));
    }
}

//! Keeps to the CRM's rate limit: one bucket for each credential at each origin, shared by every call of
//! every connection that uses it.
//!
//! A CRM that allows `n` requests in any window of `w` seconds is asked at most `burst + w / period` times
//! in any window, which is less than `n`: the burst is a fifth of `n`, and the period spreads the rest over
//! the window with a margin of 2 %, because requests do not arrive as evenly as they leave. For Lime
//! (3,000 in 300 s) that is 600 at once and then one every 127.5 ms.
//!
//! The buckets are this process' own: a host that is started again begins with full ones.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sha2::{Digest, Sha256};

/// Requests that the CRM allows in a window of so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// How many.
    pub requests: u32,
    /// The window, in seconds.
    pub seconds: u32,
}

impl RateLimit {
    fn burst(self) -> NonZeroU32 {
        NonZeroU32::new(self.requests / 5).unwrap_or(NonZeroU32::MIN)
    }

    fn period(self) -> Duration {
        let steady = self.requests.saturating_sub(self.burst().get()).max(1);
        let window = Duration::from_secs(u64::from(self.seconds.max(1)));
        window * 51 / 50 / steady
    }

    fn quota(self) -> Option<Quota> {
        Some(Quota::with_period(self.period())?.allow_burst(self.burst()))
    }
}

/// One credential at one origin, without showing it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Payer([u8; 32]);

impl Payer {
    pub(super) fn new<'a>(origin: &'a str, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut digest = Sha256::new();
        for part in std::iter::once(origin).chain(secrets) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

type Buckets = DefaultKeyedRateLimiter<Payer>;

/// All buckets of this process.
#[derive(Default)]
pub(super) struct Pace {
    limits: Mutex<HashMap<RateLimit, Arc<Buckets>>>,
}

impl Pace {
    /// Waits until one more request fits.
    pub(super) async fn wait(&self, limit: RateLimit, payer: &Payer) {
        let Some(buckets) = self.buckets(limit) else { return };
        buckets.until_key_ready(payer).await;
    }

    fn buckets(&self, limit: RateLimit) -> Option<Arc<Buckets>> {
        let quota = limit.quota()?;
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let buckets = limits.entry(limit).or_insert_with(|| Arc::new(RateLimiter::keyed(quota)));
        // A full bucket is as good as none.
        if buckets.len() > 1_000 {
            buckets.retain_recent();
        }
        Some(Arc::clone(buckets))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn limes_limit_gives_600_at_once_and_about_8_a_second() {
        let lime = RateLimit { requests: 3_000, seconds: 300 };
        assert_eq!(lime.burst().get(), 600);
        assert_eq!(lime.period(), Duration::from_micros(127_500));
    }

    proptest::proptest! {
        #[test]
        fn no_window_holds_more_than_is_allowed(requests in 1_u32..100_000, seconds in 1_u32..4_000) {
            let limit = RateLimit { requests, seconds };
            let window = Duration::from_secs(u64::from(seconds));
            let steady = u32::try_from(window.as_nanos() / limit.period().as_nanos()).unwrap();
            proptest::prop_assert!(limit.burst().get() + steady <= requests);
            proptest::prop_assert!(limit.quota().is_some());
        }
    }

    #[tokio::test]
    async fn one_credential_waits_and_another_does_not() {
        let pace = Pace::default();
        let limit = RateLimit { requests: 5, seconds: 1 };
        let (one, other) = (Payer::new("https://a", ["k"]), Payer::new("https://a", ["l"]));
        let start = std::time::Instant::now();
        for _ in 0..3 {
            pace.wait(limit, &one).await;
        }
        let slow = start.elapsed();
        assert!(slow >= limit.period() * 2, "{slow:?}");
        assert!(pace.wait(limit, &other).now_or_never().is_some(), "it need not wait at all");
    }
}

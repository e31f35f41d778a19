//! `Retry-After`: seconds, or a moment (RFC 9110, section 10.2.3).

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// The longest wait that is believed: a day. A CRM that says more has its clock wrong.
const LONGEST_MS: u64 = 24 * 60 * 60 * 1000;

/// The wait in milliseconds. A moment is measured from the answer's own `Date`, so that a clock that
/// is wrong on either side does no harm; without one, from `now`.
pub(crate) fn milliseconds(retry_after: &str, date: Option<&str>, now: Timestamp) -> Option<u64> {
    let text = retry_after.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1000).min(LONGEST_MS));
    }
    let until = rfc2822::parse(text).ok()?.timestamp();
    let from = date.and_then(|date| rfc2822::parse(date.trim()).ok()).map_or(now, |date| date.timestamp());
    let wait = until.as_millisecond().saturating_sub(from.as_millisecond());
    Some(u64::try_from(wait).unwrap_or(0).min(LONGEST_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_moments() {
        let now = "2026-05-17T10:00:00Z".parse().unwrap();
        assert_eq!(milliseconds(" 30 ", None, now), Some(30_000));
        assert_eq!(milliseconds("99999999999999", None, now), Some(LONGEST_MS));
        assert_eq!(milliseconds("Sun, 17 May 2026 10:00:05 GMT", None, now), Some(5_000));
        let date = Some("Sun, 17 May 2026 10:00:03 GMT");
        assert_eq!(milliseconds("Sun, 17 May 2026 10:00:05 GMT", date, now), Some(2_000));
        assert_eq!(milliseconds("Sun, 17 May 2026 09:00:00 GMT", None, now), Some(0));
        assert_eq!(milliseconds("soon", None, now), None);
    }
}

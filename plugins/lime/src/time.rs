//! Lime's times: local to the server, with its offset, or without one.
//!
//! A `time` property is a moment and becomes UTC. A `date` property is a day that Lime writes as the local
//! midnight of its server (`2021-01-01T00:00:00+01:00`): its day is taken as written, since in UTC it
//! would be the day before.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, fmt::temporal::Pieces};

/// A moment in UTC; without an offset it is local to `zone`. None where it is no time.
pub fn to_utc(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let pieces = Pieces::parse(text).ok()?;
    let local = DateTime::from_parts(pieces.date(), pieces.time().unwrap_or_default());
    zone.to_ambiguous_zoned_datetime(local).compatible().ok().map(|zoned| zoned.timestamp())
}

/// The day as written, `YYYY-MM-DD`. None where it is no day.
pub fn day_as_written(text: &str) -> Option<String> {
    let day = text.trim().get(..10)?;
    day.parse::<Date>().ok().map(|date| date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_become_utc() {
        let stockholm = TimeZone::get("Europe/Stockholm").unwrap();
        for (lime, utc) in [
            ("2026-05-17T11:21:12.507000+02:00", "2026-05-17T09:21:12.507Z"),
            ("2026-01-23T15:01:22.537000+01:00", "2026-01-23T14:01:22.537Z"),
            ("2026-05-18T09:00:00", "2026-05-18T07:00:00Z"),
            ("2026-01-18T09:00:00", "2026-01-18T08:00:00Z"),
            ("2026-05-18T09:00:00Z", "2026-05-18T09:00:00Z"),
            ("2026-05-18", "2026-05-17T22:00:00Z"),
            ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
        ] {
            assert_eq!(
                to_utc(lime, &stockholm).map(|moment| moment.to_string()).as_deref(),
                Some(utc),
                "{lime}"
            );
        }
        for lime in ["", "soon", "2026-13-01T00:00:00"] {
            assert_eq!(to_utc(lime, &stockholm), None, "{lime}");
        }
    }

    #[test]
    fn days_stay_as_written() {
        assert_eq!(day_as_written("2021-01-01T00:00:00+01:00").as_deref(), Some("2021-01-01"));
        assert_eq!(day_as_written("1899-12-30").as_deref(), Some("1899-12-30"));
        assert_eq!(day_as_written("0001-01-01T00:00:00+00:53").as_deref(), Some("0001-01-01"));
        assert_eq!(day_as_written("2021-02-30"), None);
        assert_eq!(day_as_written("åååååååååå"), None);
    }
}

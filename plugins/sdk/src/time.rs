//! Times as a CRM wrote them: a moment becomes UTC, a day stays the day that it is.
//!
//! A day must not go by way of a moment: local midnight is the day before in UTC, east of Greenwich.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;

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

/// The day as written, `YYYY-MM-DD`, whatever time and offset follow it. None where it is no day.
pub fn day_as_written(text: &str) -> Option<String> {
    let day = text.trim().get(..10)?;
    day.parse::<Date>().ok().map(|date| date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_become_utc() {
        let stockholm = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        for (text, utc) in [
            ("2026-05-17T11:21:12.507000+02:00", "2026-05-17T09:21:12.507Z"),
            ("2026-01-23T15:01:22.537000+01:00", "2026-01-23T14:01:22.537Z"),
            ("2026-05-17T11:21:12.5070000Z", "2026-05-17T11:21:12.507Z"),
            ("2026-05-17T11:21:12.507", "2026-05-17T09:21:12.507Z"),
            ("2026-05-18T09:00:00", "2026-05-18T07:00:00Z"),
            ("2026-01-18T09:00:00", "2026-01-18T08:00:00Z"),
            ("2026-05-18T09:00:00Z", "2026-05-18T09:00:00Z"),
            ("2026-05-18", "2026-05-17T22:00:00Z"),
            ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
        ] {
            let read = to_utc(text, &stockholm).map(|moment| moment.to_string());
            assert_eq!(read.as_deref(), Some(utc), "{text}");
        }
        for text in ["", "soon", "2026-13-01T00:00:00"] {
            assert_eq!(to_utc(text, &stockholm), None, "{text}");
        }
    }

    #[test]
    fn days_stay_as_written() {
        for (text, day) in [
            ("2021-01-01T00:00:00+01:00", "2021-01-01"),
            ("1899-12-30", "1899-12-30"),
            ("0001-01-01T00:00:00+00:53", "0001-01-01"),
            ("1972-02-29T00:00:00", "1972-02-29"),
        ] {
            assert_eq!(day_as_written(text).as_deref(), Some(day), "{text}");
        }
        for text in ["2021-02-30", "29/02/1972", "åååååååååå", ""] {
            assert_eq!(day_as_written(text), None, "{text}");
        }
    }
}

//! webCRM's times. Those that the vendor's code shows are ISO 8601 in UTC; one without an offset is of the zone that
//! the settings name, and a date is its day as written.

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

/// The day as written, `YYYY-MM-DD`. None where it is no day.
pub fn day_as_written(text: &str) -> Option<String> {
    let day = text.trim().get(..10)?;
    day.parse::<Date>().ok().map(|date| date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_days() {
        let copenhagen = TimeZone::get("Europe/Copenhagen").unwrap();
        for (text, utc) in [
            ("2026-05-17T11:21:12.5070000Z", "2026-05-17T11:21:12.507Z"),
            ("2026-05-17T11:21:12+02:00", "2026-05-17T09:21:12Z"),
            ("2026-05-17T11:21:12.507", "2026-05-17T09:21:12.507Z"),
            ("2026-01-17", "2026-01-16T23:00:00Z"),
        ] {
            let read = to_utc(text, &copenhagen).map(|moment| moment.to_string());
            assert_eq!(read.as_deref(), Some(utc), "{text}");
        }
        assert_eq!(to_utc("", &copenhagen), None);
        assert_eq!(day_as_written("1972-02-29T00:00:00").as_deref(), Some("1972-02-29"));
        assert_eq!(day_as_written("29/02/1972"), None);
    }
}

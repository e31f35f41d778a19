//! Dates and moments as CRMs write them, into the two forms that APSIS One takes.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// The day of an ISO date, or of a date with a time: as written, whatever the zone.
pub fn date_as_written(text: &str) -> Option<Date> {
    let text = text.trim();
    let (day, rest) = text.split_at_checked(10)?;
    let date = day_of(day)?;
    let complete = rest.is_empty() || moment(text).is_some();
    complete.then_some(date)
}

/// The day, in UTC, of a moment.
pub fn date_in_utc(text: &str) -> Option<Date> {
    let date = in_utc(moment(text)?).date();
    (date.year() > 0).then_some(date)
}

/// Date and time, in UTC, of a moment.
pub fn in_utc(moment: Timestamp) -> DateTime {
    TimeZone::UTC.to_datetime(moment)
}

/// A moment: RFC 3339; without an offset, or with no time at all, it is taken as UTC.
pub fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    // jiff reads a zone name in brackets, and a date with an offset as a local one; neither is a moment here.
    if text.len() == 10 {
        return utc(day_of(text)?.to_datetime(jiff::civil::Time::midnight()));
    }
    let local: DateTime = without_zone(text)?.parse().ok()?;
    utc(local)
}

/// A date and time that is one of UTC.
pub fn utc(local: DateTime) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(local).ok()
}

/// Seconds since 1970, rounded down.
pub fn seconds(moment: Timestamp) -> Option<i64> {
    i64::try_from(moment.as_nanosecond().div_euclid(1_000_000_000)).ok()
}

fn without_zone(text: &str) -> Option<&str> {
    let (_, time) = text.split_at_checked(10)?;
    let plain = time.chars().all(|c| c.is_ascii_digit() || matches!(c, 'T' | 't' | ' ' | ':' | '.'));
    plain.then_some(text)
}

/// A date: `YYYY-MM-DD`, after the year nought.
pub fn day_of(text: &str) -> Option<Date> {
    let shaped = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let date: Date = shaped.then(|| text.parse().ok())??;
    (date.year() > 0).then_some(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_is_as_written() {
        assert_eq!(date_as_written("2021-01-01T00:00:00+01:00"), Some(Date::constant(2021, 1, 1)));
        assert_eq!(date_as_written(" 1899-12-30 "), Some(Date::constant(1899, 12, 30)));
        assert_eq!(date_as_written("2024-02-29 10:00"), Some(Date::constant(2024, 2, 29)));
        for bad in [
            "2023-02-29",
            "20130208",
            "201303",
            "0000-00-00",
            "2024-1-1",
            "2024-01-01x",
            "31/12/2024",
            "åååååååååå",
        ] {
            assert_eq!(date_as_written(bad), None, "{bad}");
        }
    }

    #[test]
    fn moments_are_seconds_rounded_down() {
        let at = |text| moment(text).and_then(seconds);
        assert_eq!(at("1970-01-01T00:00:01.9Z"), Some(1));
        assert_eq!(at("1969-12-31T23:59:59.5Z"), Some(-1));
        assert_eq!(at("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(at("1970-01-02"), Some(86_400));
        assert_eq!(at("1970-01-01T00:01:00"), Some(60));
        assert_eq!(at("yesterday"), None);
        assert_eq!(date_in_utc("2021-01-01T00:00:00+01:00"), Some(Date::constant(2020, 12, 31)));
    }
}

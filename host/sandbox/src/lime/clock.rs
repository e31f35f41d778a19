//! Times as Lime serves and takes them: server-local with the offset of that day, milliseconds rounded to
//! SQL Server's 1/300 s, six digits of fraction or none.
//!
//! The zone is Europe/Stockholm, by its present rule for all years: the sandbox needs no time zone files.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// The server's zone.
#[derive(Debug, Clone)]
pub(crate) struct Clock(TimeZone);

impl Clock {
    pub(crate) fn stockholm() -> Self {
        Self(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap_or(TimeZone::UTC))
    }

    /// `YYYY-MM-DDTHH:MM:SS[.ffffff]+HH:MM`.
    pub(crate) fn time(&self, at: Timestamp) -> String {
        self.write(&stored(at).to_zoned_datetime(self.0.clone()))
    }

    /// A date: local midnight.
    pub(crate) fn date(&self, date: Date) -> String {
        match date.to_zoned_datetime(self.0.clone()) {
            Ok(midnight) => self.write(&midnight),
            Err(_) => format!("{date}T00:00:00+01:00"),
        }
    }

    fn write(&self, at: &ZonedDateTime) -> String {
        let fraction = match at.subsec_nanosecond() / 1000 {
            0 => String::new(),
            micros => format!(".{micros:06}"),
        };
        let offset = at.offset().seconds();
        let (sign, offset) = if offset < 0 { ('-', -offset) } else { ('+', offset) };
        let local = at.datetime();
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{fraction}{sign}{:02}:{:02}",
            local.year(),
            local.month(),
            local.day(),
            local.hour(),
            local.minute(),
            local.second(),
            offset / 3600,
            offset % 3600 / 60
        )
    }

    /// A time as a client writes it: with an offset, or local, or a bare date.
    pub(crate) fn read(&self, text: &str) -> Option<Timestamp> {
        if let Ok(at) = text.parse::<Timestamp>() {
            return Some(stored(at));
        }
        let local = text.parse::<DateTime>().ok().or_else(|| Some(text.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight())))?;
        local.to_zoned_datetime(self.0.clone()).ok().map(|at| stored(at.timestamp()))
    }

    /// The date part as written, whatever offset follows.
    pub(crate) fn read_date(text: &str) -> Option<Date> {
        text.get(..10)?.parse().ok().filter(|_| text.len() == 10 || text.get(10..11) == Some("T"))
    }
}

/// What SQL Server's `datetime` keeps of a time: thirds of a hundredth, written as .000, .003 or .007.
pub(crate) fn stored(at: Timestamp) -> Timestamp {
    let millis = at.as_millisecond();
    let rounded = match millis.rem_euclid(10) {
        0 | 1 => 0,
        2..=4 => 3,
        5..=8 => 7,
        _ => 10,
    };
    Timestamp::from_millisecond(millis - millis.rem_euclid(10) + rounded).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_local_and_rounded() {
        let clock = Clock::stockholm();
        let at = |text: &str| clock.time(text.parse().unwrap());
        assert_eq!(at("2026-05-17T09:21:12.506Z"), "2026-05-17T11:21:12.507000+02:00");
        assert_eq!(at("2026-01-23T14:01:22.5394Z"), "2026-01-23T15:01:22.540000+01:00");
        assert_eq!(at("2026-01-23T14:01:22Z"), "2026-01-23T15:01:22+01:00");
        assert_eq!(clock.date("2021-01-01".parse().unwrap()), "2021-01-01T00:00:00+01:00");
        assert_eq!(clock.read("2025-10-23T12:00:00.000Z"), "2025-10-23T12:00:00Z".parse().ok());
        assert_eq!(clock.read("2021-01-01"), "2020-12-31T23:00:00Z".parse().ok());
        assert_eq!(Clock::read_date("2021-01-01T00:00:00+01:00"), "2021-01-01".parse().ok());
    }
}

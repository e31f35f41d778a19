//! Dates and moments in a form of one's own, as strftime and strptime have it: `%d/%m/%Y`.
//!
//! Without a zone in the form, a time is one of UTC.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::fmt::strtime;

use crate::contact::Value;
use crate::moment;

/// A date, or a moment (in UTC), in that form. None: the value is neither, or the form asks for what it does not
/// have, or is no form.
pub fn write(format: &str, value: &Value) -> Option<String> {
    let written = match value {
        Value::Date(text) => strtime::format(format, moment::day_of(text.trim())?),
        Value::Timestamp(text) => strtime::format(format, moment::in_utc(moment::moment(text)?)),
        _ => return None,
    };
    written.ok().filter(|text| !text.trim().is_empty())
}

/// The day that a text in that form names.
pub fn read_day(format: &str, text: &str) -> Option<Date> {
    let date = strtime::parse(format, text.trim()).ok()?.to_date().ok()?;
    (date.year() > 0).then_some(date)
}

/// The moment that a text in that form names.
pub fn read_moment(format: &str, text: &str) -> Option<Timestamp> {
    let parts = strtime::parse(format, text.trim()).ok()?;
    parts.to_timestamp().ok().or_else(|| moment::utc(parts.to_datetime().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_written_as_the_form_says() {
        let day = Value::Date("2026-01-31".into());
        assert_eq!(write("%d/%m/%Y", &day).as_deref(), Some("31/01/2026"));
        assert_eq!(write("%-d.%-m.%y", &day).as_deref(), Some("31.1.26"));
        assert_eq!(write("%H:%M", &day), None, "a date has no time");
        assert_eq!(write("%Q", &day), None);
        assert_eq!(write("%Y", &Value::Text("2026-01-31".into())), None);
        assert_eq!(
            write("%d/%m %H:%M", &Value::Timestamp("2026-01-31T23:30:00-02:00".into())).as_deref(),
            Some("01/02 01:30")
        );
        assert_eq!(read_day("%d/%m/%Y", " 31/01/2026 "), Some(Date::constant(2026, 1, 31)));
        for bad in ["31/02/2026", "2026-01-31", "", "31/01/2026 extra", "01/31/2026"] {
            assert_eq!(read_day("%d/%m/%Y", bad), None, "{bad}");
        }
        let at = read_moment("%d/%m/%Y %H:%M", "31/01/2026 12:00").unwrap();
        assert_eq!(at.to_string(), "2026-01-31T12:00:00Z");
        let at = read_moment("%d/%m/%Y %H:%M %z", "31/01/2026 12:00 +0100").unwrap();
        assert_eq!(at.to_string(), "2026-01-31T11:00:00Z");
    }
}

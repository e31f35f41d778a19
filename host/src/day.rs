//! A day as rules name it: a date, or one that is counted from today.

use std::fmt;

use jiff::Span;
use jiff::civil::Date;

use crate::moment;

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// A date: `2026-01-31`.
    On(Date),
    /// So many days, weeks, months or years from today: `today`, `today-30d`, `today+2w`.
    FromToday(i32, Unit),
}

/// What a distance from today is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Days,
    Weeks,
    Months,
    Years,
}

impl Day {
    /// Reads a day, without regard to case and spaces; none if the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(date) = moment::day_of(text) {
            return Some(Self::On(date));
        }
        let plain: String = text.to_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
        let distance = plain.strip_prefix("today")?;
        if distance.is_empty() {
            return Some(Self::FromToday(0, Unit::Days));
        }
        let (sign, distance) = match distance.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, distance.strip_prefix('+')?),
        };
        let unit = match distance.chars().last()? {
            'd' => Unit::Days,
            'w' => Unit::Weeks,
            'm' => Unit::Months,
            'y' => Unit::Years,
            _ => return None,
        };
        let digits = distance.get(..distance.len().saturating_sub(1))?;
        let counted = (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        let amount: i32 = counted.then(|| digits.parse().ok())??;
        Some(Self::FromToday(amount * sign, unit))
    }

    /// Which date it is. None: no calendar goes as far.
    pub fn on(self, today: Date) -> Option<Date> {
        match self {
            Self::On(date) => Some(date),
            Self::FromToday(amount, unit) => {
                let span = match unit {
                    Unit::Days => Span::new().try_days(amount),
                    Unit::Weeks => Span::new().try_weeks(amount),
                    Unit::Months => Span::new().try_months(amount),
                    Unit::Years => Span::new().try_years(amount),
                };
                today.checked_add(span.ok()?).ok()
            }
        }
    }

    /// Whether it moves on with every day.
    pub fn is_relative(self) -> bool {
        matches!(self, Self::FromToday(..))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(date) => date.fmt(out),
            Self::FromToday(0, _) => out.write_str("today"),
            Self::FromToday(amount, unit) => {
                let letter = match unit {
                    Unit::Days => 'd',
                    Unit::Weeks => 'w',
                    Unit::Months => 'm',
                    Unit::Years => 'y',
                };
                write!(out, "today{amount:+}{letter}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_are_counted_from_today() {
        let today = Date::constant(2026, 3, 31);
        for (text, wanted) in [
            ("today", "2026-03-31"),
            (" Today ", "2026-03-31"),
            ("today-30d", "2026-03-01"),
            ("today + 2w", "2026-04-14"),
            ("today-1m", "2026-02-28"),
            ("TODAY+1Y", "2027-03-31"),
            ("2024-02-29", "2024-02-29"),
        ] {
            let day = Day::parse(text).and_then(|day| day.on(today));
            assert_eq!(day.map(|day| day.to_string()).as_deref(), Some(wanted), "{text}");
        }
        assert_eq!(Day::parse("today+9999y").and_then(|day| day.on(today)), None, "no calendar goes as far");
    }

    #[test]
    fn what_is_no_day() {
        for text in [
            "",
            "tomorrow",
            "today30d",
            "today-",
            "today-d",
            "today-30",
            "today-3h",
            "today--3d",
            "today+12345d",
            "today-1å",
            "2026-13-01",
            "31/12/2026",
        ] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(amount in -9_999_i32..=9_999, unit in 0..4) {
            let unit = [Unit::Days, Unit::Weeks, Unit::Months, Unit::Years][usize::try_from(unit).unwrap()];
            let day = Day::FromToday(amount, if amount == 0 { Unit::Days } else { unit });
            prop_assert_eq!(Day::parse(&day.to_string()), Some(day));
        }

        #[test]
        fn no_text_breaks_it(text in any::<String>()) {
            Day::parse(&text);
        }
    }
}

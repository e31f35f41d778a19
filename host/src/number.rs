//! Exact numbers as text: one form for each value, no floating point, so no rounding and no NaN.

use std::cmp::Ordering;

/// More digits than this are no number that a CRM means.
const MOST_DIGITS: usize = 64;

/// The one form of a number: no plus sign, no exponent, no needless zeros, no `-0`. None: not a
/// number. The point is the decimal sign; a comma is refused, since it may mean thousands.
pub fn exact(text: &str) -> Option<String> {
    let text = text.trim();
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The value is 0.<significant> times ten to the power of `point`.
    let significant = digits.trim_start_matches('0');
    let zeros = digits.len() - significant.len();
    let significant = significant.trim_end_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    let length = significant.len();
    let point =
        i64::try_from(whole.len()).ok()?.checked_sub(i64::try_from(zeros).ok()?)?.checked_add(exponent)?;
    let room = MOST_DIGITS;
    if length > room || point.unsigned_abs() > u64::try_from(room).ok()? {
        return None;
    }
    let sign = if negative { "-" } else { "" };
    let Ok(point) = usize::try_from(point) else {
        let leading = "0".repeat(usize::try_from(point.unsigned_abs()).ok()?);
        return Some(format!("{sign}0.{leading}{significant}"));
    };
    Some(match significant.split_at_checked(point) {
        Some(("", after)) => format!("{sign}0.{after}"),
        Some((all, "")) => format!("{sign}{all}"),
        Some((before, after)) => format!("{sign}{before}.{after}"),
        None => format!("{sign}{significant}{}", "0".repeat(point.saturating_sub(length))),
    })
}

/// Which of two numbers is the greater; both in the form that `exact` gives.
pub fn compare(one: &str, other: &str) -> Ordering {
    let magnitude = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        // A nought before the point is no digit of its own: without it, the longer whole part is the greater.
        let whole = whole.trim_start_matches('0').to_owned();
        (whole.len(), whole, fraction.to_owned())
    };
    match (one.strip_prefix('-'), other.strip_prefix('-')) {
        (None, None) => magnitude(one).cmp(&magnitude(other)),
        (Some(one), Some(other)) => magnitude(other).cmp(&magnitude(one)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    }
}

/// A whole number that fits 64 bits; `12.0` is one.
pub fn whole(text: &str) -> Option<i64> {
    exact(text)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_has_one_form() {
        for (given, wanted) in [
            ("12", "12"),
            ("+012.500", "12.5"),
            ("-0.0", "0"),
            ("-.5", "-0.5"),
            ("5.", "5"),
            ("1e3", "1000"),
            ("1.25E-3", "0.00125"),
            ("0.001e3", "1"),
            ("9007199254740993", "9007199254740993"),
            (" 7 ", "7"),
            ("100", "100"),
            ("-1200.10", "-1200.1"),
            ("0e999999999999", "0"),
        ] {
            assert_eq!(exact(given).as_deref(), Some(wanted), "{given}");
        }
        for given in [
            "",
            "-",
            ".",
            "NaN",
            "inf",
            "1,5",
            "1 000",
            "0x10",
            "--1",
            "1e",
            "1e99",
            "1e-999999999999999999",
            "１",
        ] {
            assert_eq!(exact(given), None, "{given}");
        }
    }

    #[test]
    fn whole_numbers_are_exact_to_the_ends_of_64_bits() {
        assert_eq!(whole("9223372036854775807"), Some(i64::MAX));
        assert_eq!(whole("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(whole("9223372036854775808"), None);
        assert_eq!(whole("12.0"), Some(12));
        assert_eq!(whole("12.5"), None);
    }

    proptest! {
        #[test]
        fn they_are_ordered_as_numbers(one in -1_000_000_i64..1_000_000, other in -1_000_000_i64..1_000_000, tens in 0_u32..5) {
            let text = |number: i64| exact(&format!("{number}e-{tens}")).unwrap();
            prop_assert_eq!(compare(&text(one), &text(other)), one.cmp(&other));
        }

        #[test]
        fn it_is_json_and_stays_as_it_is(whole in any::<i64>(), scale in 0usize..12, zeros in 0usize..5) {
            let digits = whole.unsigned_abs().to_string();
            let digits = format!("{digits:0>width$}", width = scale + 1);
            let (left, right) = digits.split_at(digits.len() - scale);
            let sign = if whole < 0 { "-" } else { "" };
            let text = format!("{sign}{left}.{right}0{}", "0".repeat(zeros));
            let once = exact(&text).unwrap();
            prop_assert_eq!(exact(&once), Some(once.clone()));
            prop_assert!(serde_json::from_str::<f64>(&once).is_ok());
            prop_assert_eq!(once.parse::<f64>().unwrap(), text.parse::<f64>().unwrap());
        }
    }
}

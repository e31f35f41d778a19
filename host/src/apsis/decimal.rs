//! Numbers as text: compared and written exactly, without a float in between.

/// The largest exponent that is spelled out; beyond it a text is not taken for a number.
const LONGEST: i64 = 400;

/// The one way to write a number: no plus, no leading zeros, no trailing zeros after the point, no
/// exponent, no `-0`. None for a text that is not a number.
pub(super) fn canonical(text: &str) -> Option<String> {
    let text = text.trim();
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 1000 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    if exponent.abs() > LONGEST {
        return None;
    }
    // How many of the digits stand before the point.
    let point = i64::try_from(whole.len()).ok()? + exponent;
    let (whole, fraction) = match usize::try_from(point) {
        Ok(point) if point >= digits.len() => (format!("{digits:0<point$}"), String::new()),
        Ok(point) => (digits.get(..point)?.to_owned(), digits.get(point..)?.to_owned()),
        Err(_) => {
            let zeros = usize::try_from(-point).ok()?;
            (String::new(), format!("{}{digits}", "0".repeat(zeros)))
        }
    };
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let sign = if negative && (whole != "0" || !fraction.is_empty()) { "-" } else { "" };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_numbers_are_written_alike() {
        for (text, expected) in [
            ("1234.50", "1234.5"),
            ("+007", "7"),
            ("-0.00", "0"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1.5E+2", "150"),
            ("15e-4", "0.0015"),
            ("-12345678901234567890.123456789012345678901", "-12345678901234567890.123456789012345678901"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_has_no_form() {
        for text in ["", "-", ".", "1,5", "12a", "1e", "NaN", "inf", "1 000", "--1", "1e999999999", "+-1"] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_is_json_and_stays_as_it_is(whole in any::<i64>(), scale in 0usize..12, zeros in 0usize..5) {
            let digits = whole.unsigned_abs().to_string();
            let digits = format!("{digits:0>width$}", width = scale + 1);
            let (left, right) = digits.split_at(digits.len() - scale);
            let sign = if whole < 0 { "-" } else { "" };
            let text = format!("{sign}{left}.{right}0{}", "0".repeat(zeros));
            let once = canonical(&text).unwrap();
            prop_assert_eq!(canonical(&once), Some(once.clone()));
            prop_assert!(serde_json::from_str::<f64>(&once).is_ok());
            prop_assert_eq!(once.parse::<f64>().unwrap(), text.parse::<f64>().unwrap());
        }
    }
}

//! Numbers as a CRM wrote them: exact, whatever their size.
//!
//! JSON's numbers have no limit, and a float would round them. So a number is taken as its text.

use crate::Value;

/// A whole number from the text of a JSON number; a decimal where it has a fraction or is beyond 64 bits. None where
/// it is no number.
pub fn integer(text: &str) -> Option<Value> {
    let text = plain(text)?;
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole,
        Some(_) => return Some(Value::Decimal(text)),
        None => text.as_str(),
    };
    Some(whole.parse().map_or_else(|_| Value::Decimal(whole.to_owned()), Value::Integer))
}

/// A JSON number without exponent, every digit kept: `1.2e3` is `1200`. None where it is no number.
pub fn plain(text: &str) -> Option<String> {
    // A number is at most this long once written out; beyond that it is no amount of anything.
    const LONGEST: i64 = 400;
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || exponent.abs() > LONGEST {
        return None;
    }
    if exponent == 0 {
        return Some(mantissa.to_owned());
    }
    let all = format!("{whole}{fraction}");
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let written = if point <= 0 {
        let zeros = "0".repeat(usize::try_from(point.unsigned_abs()).ok()?);
        format!("0.{zeros}{all}")
    } else {
        let point = usize::try_from(point).ok()?;
        if point >= all.len() {
            format!("{all}{}", "0".repeat(point.saturating_sub(all.len())))
        } else {
            let (whole, fraction) = all.split_at(point);
            format!("{whole}.{fraction}")
        }
    };
    let trimmed = written.trim_start_matches('0');
    let written = if trimmed.is_empty() || trimmed.starts_with('.') {
        format!("0{trimmed}")
    } else {
        trimmed.to_owned()
    };
    Some(format!("{sign}{written}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_is_kept() {
        for (text, value) in [
            ("9007199254740993", Value::Integer(9_007_199_254_740_993)),
            ("41.0", Value::Integer(41)),
            ("-1.5e1", Value::Integer(-15)),
            ("99999999999999999999", Value::Decimal("99999999999999999999".to_owned())),
            ("1.5", Value::Decimal("1.5".to_owned())),
        ] {
            assert_eq!(integer(text), Some(value), "{text}");
        }
        for (text, written) in [("0.0", "0.0"), ("1.2e3", "1200"), ("-1.5e-3", "-0.0015"), ("0.1e1", "1")] {
            assert_eq!(plain(text).as_deref(), Some(written), "{text}");
        }
        for text in ["", "many", "1e999", "1,5", "--1"] {
            assert_eq!(integer(text), None, "{text}");
        }
    }
}

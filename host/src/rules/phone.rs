//! Mobile numbers as APSIS One takes them: digits with country code, no plus sign ("MSISDN", APSIS
//! One help centre, formats of attributes), as the vendor's own clients build them with libphonenumber.

use phonenumber::country::Id;

/// The country of a number that does not name its own.
pub(super) type Country = Id;

/// The longest number of the international plan (ITU-T E.164).
const MOST_DIGITS: usize = 15;

/// A country by its two letters.
pub(super) fn country(code: &str) -> Option<Country> {
    code.trim().to_ascii_uppercase().parse().ok()
}

/// The number's digits with country code; none where it does not exist in its country's plan.
pub(super) fn digits(text: &str, country: Option<Country>) -> Option<i64> {
    let known =
        |c: char| c.is_ascii_digit() || matches!(c, '+' | '(' | ')' | '-' | '.' | '/' | ' ' | '\u{a0}');
    if !text.chars().all(known) || text.chars().count() > 40 {
        return None;
    }
    // The trunk zero in brackets is not dialled from abroad; two zeros dial out of almost every country.
    let text = text.replace("(0)", "").replace('\u{a0}', " ");
    let text = match text.trim_start().strip_prefix("00") {
        Some(rest) => format!("+{rest}"),
        None => text,
    };
    let number = phonenumber::parse(country, text).ok()?;
    if !number.is_valid() {
        return None;
    }
    let digits = format!("{}{}", number.code().value(), number.national());
    (digits.len() <= MOST_DIGITS).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_in_many_spellings() {
        for given in [
            "+46736451974",
            "0736-45 19 74",
            "0046 73 6451974",
            "+46(0)736451974",
            "+46 (0)73-645 19 74",
            "073/6451974",
        ] {
            assert_eq!(digits(given, country("se")), Some(46_736_451_974), "{given}");
        }
    }

    #[test]
    fn no_country_no_number() {
        assert_eq!(digits("0736451974", None), None);
        assert_eq!(digits("+46736451974", None), Some(46_736_451_974));
    }

    #[test]
    fn what_is_no_number() {
        for bad in [
            "12",
            "+",
            "",
            "+46",
            "call me",
            "+999123456789",
            "+4673645197412345678",
            "0736451974 / 0736451975",
            "((((",
        ] {
            assert_eq!(digits(bad, country("SE")), None, "{bad}");
        }
    }
}

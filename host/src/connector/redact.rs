//! Takes personal data and secrets out of a connector's words before they are logged or shown.
//!
//! A connector must not say such things; this is for the one that does. What looks like an e-mail
//! address or a phone number is replaced, and so is every value that is known to be secret, plain, as
//! base64 and percent-encoded. It errs on the side of replacing too much: a log line without a number
//! is still of use. Names of people cannot be recognised; they are the connector's to keep out.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

/// A secret shorter than this would make ordinary words disappear.
const SHORTEST_SECRET: usize = 4;

/// Room for an address or a number that a cut would leave half behind.
const LONGEST_ADDRESS: usize = 512;

/// Values that must not be seen, in every form in which they might be. Made once for all calls of a connection.
#[derive(Clone, Default)]
pub(super) struct Hidden(Arc<[Zeroizing<String>]>);

impl Hidden {
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        Self(secrets.into_iter().flat_map(forms).collect())
    }
}

/// How a value might be seen. None for one that is too short.
fn forms(secret: &str) -> impl Iterator<Item = Zeroizing<String>> {
    let is_long_enough = secret.len() >= SHORTEST_SECRET;
    let forms = is_long_enough.then(|| {
        let percent_encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        [secret.to_owned(), BASE64.encode(secret), percent_encoded].map(Zeroizing::new)
    });
    forms.into_iter().flatten()
}

/// Replaces what must not be seen.
#[derive(Default)]
pub(super) struct Redactor {
    hidden: [Hidden; 2],
    /// What came to it since.
    more: Mutex<Vec<Zeroizing<String>>>,
}

impl Redactor {
    pub(super) fn new(hidden: [Hidden; 2]) -> Self {
        Self { hidden, more: Mutex::default() }
    }

    /// One more value that must not be seen from now on. It is kept as long as this is.
    pub(super) fn add(&self, secret: &str) {
        self.more.lock().unwrap_or_else(PoisonError::into_inner).extend(forms(secret));
    }

    /// The text on one line, without what must not be seen, and not longer than `longest` bytes. No more
    /// of a long text is looked at than that takes.
    pub(super) fn clean(&self, text: &str, longest: usize) -> String {
        let more = self.more.lock().unwrap_or_else(PoisonError::into_inner);
        let hidden = self.hidden.iter().flat_map(|hidden| hidden.0.iter());
        let mut secrets: Vec<&str> = hidden.chain(more.iter()).map(|form| form.as_str()).collect();
        // The longest first, so that none hides part of a longer one.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        // Behind the cut there may be the half of a secret; as much as that could be is left out again.
        let behind = secrets.first().map_or(0, |longest| longest.len()).saturating_add(LONGEST_ADDRESS);
        let looked_at = before(text, longest.saturating_add(behind));
        let is_cut = looked_at.len() < text.len();
        let mut text: String = looked_at.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        for secret in secrets {
            if text.contains(secret) {
                text = text.replace(secret, "[secret]");
            }
        }
        let mut text = without_phone_numbers(&without_addresses(&text));
        let kept = if is_cut { text.len().saturating_sub(behind).min(longest) } else { longest };
        if text.len() > kept {
            let end = before(&text, kept).len();
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

/// As much of the text as so many bytes hold.
fn before(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

fn of_address(c: char) -> bool {
    c.is_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(c)
}

/// Replaces every run of address characters around an `@` or its percent-encoded form.
fn without_addresses(text: &str) -> String {
    let text = text.replace("%40", "@");
    if !text.contains('@') {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars().chain(std::iter::once(' ')) {
        if c == '@' || of_address(c) {
            run.push(c);
            continue;
        }
        out.push_str(if run.contains('@') { "[e-mail]" } else { &run });
        run.clear();
        out.push(c);
    }
    out.pop();
    out
}

/// Replaces digits that read like a phone number: after a `+` or beginning with `0`, at least seven of
/// them, with or without the usual separators. A number that begins otherwise stays: ids do.
fn without_phone_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let starts = (first == '+' || first == '0') && !before.is_alphanumeric() && before != '.';
        let number = if starts { number_at(rest) } else { None };
        match number.and_then(|end| Some((rest.get(..end)?, rest.get(end..)?))) {
            Some((_, after)) => {
                out.push_str("[phone]");
                before = ']';
                rest = after;
            }
            None => {
                out.push(first);
                before = first;
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    out
}

/// Where the phone number that `text` begins with ends.
fn number_at(text: &str) -> Option<usize> {
    let mut digits = 0;
    let mut end = 0;
    for (at, c) in text.char_indices() {
        if c.is_ascii_digit() {
            digits += 1;
            end = at + 1;
            continue;
        }
        let belongs = at == 0 && c == '+' || " -().\u{a0}/".contains(c);
        if !belongs {
            break;
        }
    }
    (digits >= 7).then_some(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clean(text: &str) -> String {
        Redactor::new([Hidden::new(["s3cr3t-value/+", "abc"]), Hidden::default()]).clean(text, 1000)
    }

    #[test]
    fn addresses_go_and_the_words_around_them_stay() {
        assert_eq!(
            clean("person 1001 <anna.svensson+x@example.se> has no name"),
            "person 1001 <[e-mail]> has no name"
        );
        assert_eq!(clean("q=anna%40example.se"), "[e-mail]");
        assert_eq!(clean("åsa@exämple.se, bo@x"), "[e-mail], [e-mail]");
        assert_eq!(clean("nothing here"), "nothing here");
    }

    #[test]
    fn phone_numbers_go_and_ids_and_times_stay() {
        assert_eq!(clean("call +46 (70) 123 45 67 now"), "call [phone] now");
        assert_eq!(clean("070-123 45 67"), "[phone]");
        assert_eq!(clean("0046701234567"), "[phone]");
        assert_eq!(
            clean("person 1001234 at 2026-11-24T02:44:38Z took 0.250 s"),
            "person 1001234 at 2026-11-24T02:44:38Z took 0.250 s"
        );
    }

    #[test]
    fn secrets_go_in_every_form() {
        assert_eq!(clean("key s3cr3t-value/+ sent"), "key [secret] sent");
        assert_eq!(clean(&BASE64.encode("s3cr3t-value/+")), "[secret]");
        assert_eq!(clean("k=s3cr3t%2Dvalue%2F%2B"), "k=[secret]");
        assert_eq!(clean("abc is too short to be replaced"), "abc is too short to be replaced");
    }

    #[test]
    fn a_line_stays_one_line_and_is_cut_between_characters() {
        assert_eq!(Redactor::default().clean("a\nb\tc", 10), "a b c");
        assert_eq!(Redactor::default().clean("ååå", 3), "å…");
    }

    #[test]
    fn a_long_text_is_cut_before_it_is_cleaned_and_no_half_secret_is_left() {
        let secret = "0123456789abcdef".repeat(500);
        let redactor = Redactor::new([Hidden::new([secret.as_str()]), Hidden::default()]);
        for offset in 0..2_000 {
            let text = format!("{}{secret}", "a ".repeat(offset * 5));
            let cleaned = redactor.clean(&text, 1_000);
            assert!(!cleaned.contains("0123456789"), "{offset}: {cleaned}");
            assert!(cleaned.len() <= 1_003);
        }
        assert_eq!(redactor.clean(&"x".repeat(50_000_000), 1_000).len(), 1_003);
    }

    proptest! {
        #[test]
        fn no_address_gets_through(before in ".{0,20}", local in "[a-z0-9._+-]{1,12}", domain in "[a-z0-9-]{1,8}\\.[a-z]{2,4}", after in ".{0,20}") {
            let address = format!("{local}@{domain}");
            let cleaned = clean(&format!("{before}{address}{after}"));
            prop_assert!(!cleaned.contains(&address));
            prop_assert!(!cleaned.contains('@'));
        }

        #[test]
        fn any_text_is_survived(text in "\\PC{0,200}", longest in 0_usize..50) {
            prop_assert!(Redactor::default().clean(&text, longest).len() <= longest + '…'.len_utf8());
        }
    }
}

//! Takes people and secrets out of recordings.
//!
//! Whatever a CRM answers as text is replaced by made-up text of the same shape, unless it is known to be no person's: what
//! fields, options, consents and lists are called, dates, addresses on the CRM's own origin, `yes` and `no`, and what the
//! author says. The same text becomes the same made-up text everywhere, so that what a connector asks for next is still
//! found. What is made up cannot be traced back: it depends on a number that is made for one recording and forgotten.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::fixture::{Exchange, Reply};
use super::json_text::rewritten;
use crate::connector::{Answered, Asked};

/// Headers of an answer that say how to read it or how long to wait; no other is recorded.
const KEPT_HEADERS: &[&str] = &["content-type", "retry-after", "link"];
/// Headers of a request that are recorded: others may hold what the CRM gave to log in.
const ASKED_HEADERS: &[&str] = &["accept", "content-type"];
/// Words that are nobody's.
const PLAIN: &[&str] = &["", "yes", "no", "true", "false", "null"];
/// Shorter text may be replaced as a whole, never inside other text: it would be found everywhere.
const SHORTEST_INSIDE: usize = 4;

/// Replaces text, the same by the same.
pub struct Scrubber {
    salt: [u8; 16],
    kept: BTreeSet<String>,
    /// What was replaced, and by what.
    made_up: BTreeMap<String, String>,
    addresses: usize,
}

impl Scrubber {
    /// One that keeps these words.
    pub fn new(kept: impl IntoIterator<Item = String>) -> Self {
        let mut kept: BTreeSet<String> = kept.into_iter().collect();
        kept.extend(PLAIN.iter().map(|word| (*word).to_owned()));
        Self { salt: rand::random(), kept, made_up: BTreeMap::new(), addresses: 0 }
    }

    /// An exchange without people; `values` is text of people that is to go wherever it is found in an answer that is no
    /// JSON.
    pub fn exchange(&mut self, exchange: &Exchange, values: &[String]) -> Exchange {
        let reply = match &exchange.reply {
            Reply::Answer(answered) => Reply::Answer(self.answer(answered, values)),
            Reply::None(unanswered) => Reply::None(*unanswered),
        };
        // What was asked came from earlier answers, which are replaced by now.
        Exchange { asked: self.asked(&exchange.asked), reply }
    }

    fn answer(&mut self, answered: &Answered, values: &[String]) -> Answered {
        let headers =
            answered.headers.iter().filter(|(name, _)| KEPT_HEADERS.contains(&name.to_lowercase().as_str()));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
        let body = match std::str::from_utf8(&answered.body) {
            Ok(text) => match rewritten(text, |value| Some(self.value(value))) {
                Some(json) => json,
                None => self.plain(text, values),
            }
            .into_bytes(),
            // What is no text may be anything, such as a picture of somebody.
            Err(_) => Vec::new(),
        };
        Answered { status: answered.status, headers, body }
    }

    fn asked(&self, asked: &Asked) -> Asked {
        let headers =
            asked.headers.iter().filter(|(name, _)| ASKED_HEADERS.contains(&name.to_lowercase().as_str()));
        let body = asked.body.as_deref().map(|body| match std::str::from_utf8(body) {
            Ok(text) => match rewritten(text, |value| Some(self.inside(value))) {
                Some(json) => json,
                None => self.inside(text),
            }
            .into_bytes(),
            Err(_) => body.to_vec(),
        });
        Asked {
            url: self.inside(&asked.url),
            headers: headers.map(|(name, value)| (name.to_lowercase(), value.clone())).collect(),
            body,
            ..asked.clone()
        }
    }

    /// One text that a CRM answers.
    fn value(&mut self, text: &str) -> String {
        if self.is_kept(text) {
            return text.to_owned();
        }
        if let Some(made_up) = self.made_up.get(text) {
            return made_up.clone();
        }
        let made_up = if is_address(text) { self.address() } else { self.shape(text) };
        self.made_up.insert(text.to_owned(), made_up.clone());
        made_up
    }

    fn is_kept(&self, text: &str) -> bool {
        let trimmed = text.trim();
        self.kept.contains(trimmed)
            || self.kept.contains(&trimmed.to_lowercase())
            || is_date(trimmed)
            || (trimmed.len() <= 6 && trimmed.bytes().all(|byte| byte.is_ascii_digit()))
            || (trimmed.starts_with("http") && !trimmed.contains(['@', '?']) && !trimmed.contains("%40"))
    }

    /// Text that is no JSON, without what looks like an address, and without these values.
    fn plain(&mut self, text: &str, values: &[String]) -> String {
        let mut text = text.to_owned();
        let mut values: Vec<&String> =
            values.iter().filter(|value| value.len() >= SHORTEST_INSIDE && !self.is_kept(value)).collect();
        // The longest first, so that none hides part of a longer one.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        for value in values {
            if text.contains(value.as_str()) {
                let made_up = self.value(value);
                text = text.replace(value.as_str(), &made_up);
            }
        }
        let mut out = String::with_capacity(text.len());
        for word in text.split_inclusive(|c: char| c.is_whitespace() || ",;<>\"'()".contains(c)) {
            let end = word.trim_end_matches(|c: char| c.is_whitespace() || ",;<>\"'()".contains(c)).len();
            let (word, rest) = word.split_at(end);
            let is_made_up = self.made_up.values().any(|made_up| made_up == word);
            out.push_str(&if is_address(word) && !is_made_up { self.value(word) } else { word.to_owned() });
            out.push_str(rest);
        }
        out
    }

    /// Text of ours in which text of the CRM may be: an address, a query.
    fn inside(&self, text: &str) -> String {
        if let Some(made_up) = self.made_up.get(text) {
            return made_up.clone();
        }
        let mut text = text.to_owned();
        let mut known: Vec<(&String, &String)> =
            self.made_up.iter().filter(|(was, _)| was.len() >= SHORTEST_INSIDE).collect();
        known.sort_by_key(|(was, _)| std::cmp::Reverse(was.len()));
        for (was, made_up) in known {
            for (was, made_up) in [(was.clone(), made_up.clone()), (encoded(was), encoded(made_up))] {
                if text.contains(&was) {
                    text = text.replace(&was, &made_up);
                }
            }
        }
        text
    }

    fn address(&mut self) -> String {
        self.addresses += 1;
        format!("person{}@example.com", self.addresses)
    }

    /// Other letters and digits of the same kind in the same places.
    fn shape(&self, text: &str) -> String {
        let mut bytes = Sha256::new().chain_update(self.salt).chain_update(text).finalize().to_vec();
        let mut at = 0;
        let mut next = move || {
            if at == bytes.len() {
                bytes = Sha256::digest(&bytes).to_vec();
                at = 0;
            }
            at += 1;
            bytes.get(at - 1).copied().unwrap_or_default()
        };
        text.chars().map(|c| made_up(c, next())).collect()
    }
}

/// A letter or digit of the same kind.
fn made_up(c: char, chance: u8) -> char {
    let of = |letters: &str| letters.chars().nth(usize::from(chance) % letters.chars().count()).unwrap_or(c);
    match c {
        // A number beyond the first digits tells how it is written, and not whose it is.
        '0'..='9' => of("0123456789"),
        'a'..='z' => of("abcdefghijklmnopqrstuvwxyz"),
        'A'..='Z' => of("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        _ if c.is_uppercase() => of("ÅÄÖÆØÉ"),
        _ if c.is_alphabetic() => of("åäöæøé"),
        _ => c,
    }
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn is_address(text: &str) -> bool {
    let text = text.trim();
    text.contains('@') && !text.contains(char::is_whitespace)
}

/// `2026-11-28`, with or without a time behind it.
fn is_date(text: &str) -> bool {
    let date = text.get(..10).unwrap_or_default();
    let is_date =
        date.char_indices().all(|(at, c)| if matches!(at, 4 | 7) { c == '-' } else { c.is_ascii_digit() });
    let rest = text.get(10..).unwrap_or_default();
    date.len() == 10 && is_date && rest.chars().all(|c| c.is_ascii_digit() || "T:.+-Z ".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(body: &str) -> Answered {
        let headers = [("Set-Cookie", "session=1"), ("Content-Type", "application/json")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Answered { status: 200, headers: headers.to_vec(), body: body.into() }
    }

    fn exchange(url: &str, body: &str) -> Exchange {
        let headers = vec![("Authorization".to_owned(), "Bearer token-of-tuva".to_owned())];
        let asked = Asked { method: "GET", url: url.to_owned(), headers, secrets: Vec::new(), body: None };
        Exchange { asked, reply: Reply::Answer(answered(body)) }
    }

    fn body(exchange: &Exchange) -> String {
        let Reply::Answer(answered) = &exchange.reply else { panic!() };
        String::from_utf8(answered.body.clone()).unwrap()
    }

    #[test]
    fn people_go_and_what_is_nobodys_stays() {
        let mut scrubber = Scrubber::new(["Customer".to_owned()]);
        let text = r#"{"id": 1001, "name": "Tuva Öberg", "email": "tuva@firma.se", "phone": "+46 70-123 45 67",
            "type": "Customer", "changed": "2026-11-28T10:00:00Z", "active": "Yes", "token": "aGVsbG8gd29ybGQ"}"#;
        let first = scrubber.exchange(&exchange("https://crm.example/people", text), &[]);
        let scrubbed = body(&first);
        for gone in ["Tuva", "Öberg", "firma", "123 45", "aGVsbG8"] {
            assert!(!scrubbed.contains(gone), "{gone}: {scrubbed}");
        }
        for stays in ["1001", "Customer", "2026-11-28T10:00:00Z", "Yes", "person1@example.com", "+"] {
            assert!(scrubbed.contains(stays), "{stays}: {scrubbed}");
        }
        assert!(
            !format!("{first:?}").contains("token-of-tuva") && !format!("{first:?}").contains("session=1")
        );

        // What is asked next is asked for under the made-up name.
        let json: serde_json::Value = serde_json::from_str(&scrubbed).unwrap();
        let next = scrubber.exchange(&exchange("https://crm.example/people?q=tuva%40firma%2Ese", "[]"), &[]);
        assert_eq!(next.asked.url, "https://crm.example/people?q=person1%40example%2Ecom");
        assert_eq!(json["name"].as_str().unwrap().chars().count(), "Tuva Öberg".chars().count());
    }

    #[test]
    fn text_that_is_no_json_loses_addresses_and_known_values() {
        let mut scrubber = Scrubber::new([]);
        let text = "id,name,mail\n17,Tuva Öberg,tuva@firma.se\n18,Bo,bo@firma.se\n";
        let scrubbed =
            body(&scrubber.exchange(&exchange("https://crm.example", text), &["Tuva Öberg".to_owned()]));
        assert!(!scrubbed.contains("Tuva") && !scrubbed.contains("firma"), "{scrubbed}");
        assert!(scrubbed.starts_with("id,name,mail\n17,"), "{scrubbed}");
    }

    #[test]
    fn dates_are_told_from_numbers() {
        for date in ["2026-11-28", "2026-11-28T10:00:00.123+01:00", "2026-11-28 10:00"] {
            assert!(is_date(date), "{date}");
        }
        for other in ["20261128", "19800101-1234", "2026-11-28 Tuva", ""] {
            assert!(!is_date(other), "{other}");
        }
    }
}

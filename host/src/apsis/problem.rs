//! What a refusal says about itself, cut down to what is known to be safe.
//!
//! APSIS One answers errors with problem JSON (`title`, `status`, `detail`). A `detail` may quote the
//! value that it refuses, an e-mail address for one, so none of it is taken over. Taken are: the
//! title, if it consists of a few plain words, and the first name among those that we sent
//! (attributes, topics) that the body contains. The status comes from HTTP.

use serde::Deserialize;

use super::error::{ApsisError, Hint, Operation};

/// A body longer than this is not looked at.
const LONGEST: usize = 64 * 1024;

#[derive(Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
}

/// The safe part of an error's body. `named`: what we sent and may find named.
pub(super) fn hint<'a>(body: &[u8], named: impl Iterator<Item = &'a str>) -> Hint {
    if body.len() > LONGEST {
        return Hint::default();
    }
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else { return Hint::default() };
    let detail = problem.detail.unwrap_or_default();
    let subject =
        named.filter(|name| !name.is_empty()).find(|name| detail.contains(*name)).map(str::to_owned);
    Hint { title: problem.title.filter(|title| is_plain(title)), subject }
}

/// Whether it is a handful of words that hold no value: letters, spaces and hyphens only.
fn is_plain(title: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphabetic() || letter == ' ' || letter == '-';
    !title.trim().is_empty() && title.len() <= 60 && title.chars().all(plain)
}

/// The error for an answer that is neither a success nor one of the operation's own outcomes.
pub(super) fn error<'a>(
    operation: Operation,
    status: u16,
    body: &[u8],
    named: impl Iterator<Item = &'a str>,
) -> ApsisError {
    match status {
        404 => ApsisError::Missing { operation, hint: hint(body, named) },
        409 => ApsisError::Conflict { operation, hint: hint(body, named) },
        410 | 423 => ApsisError::Locked { operation },
        413 => ApsisError::TooLarge { operation, limit: "100 kB a request" },
        403 => ApsisError::Denied { operation, hint: hint(body, named) },
        401 => ApsisError::Credentials { status },
        _ => ApsisError::Refused { operation, status, hint: hint(body, named) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_detail_is_taken_but_names_that_we_sent() {
        let body = br#"{"title":"Bad Request","status":400,"detail":"com.apsis1.attributes.email: anna@example.se is not an address"}"#;
        let found = hint(body, ["usercreated.attributes.city-x", "com.apsis1.attributes.email"].into_iter());
        assert_eq!(found.title.as_deref(), Some("Bad Request"));
        assert_eq!(found.subject.as_deref(), Some("com.apsis1.attributes.email"));
        let shown = error(Operation::WriteAttributes, 400, body, std::iter::empty()).to_string();
        assert!(!shown.contains("anna"), "{shown}");
    }

    #[test]
    fn a_title_with_a_value_in_it_is_not_taken() {
        for title in ["anna@example.se is bad", "Value 4670123456 refused", "Bad \u{2028} thing", "", "x\ny"]
        {
            let body = serde_json::to_vec(&serde_json::json!({"title": title})).unwrap();
            assert_eq!(hint(&body, std::iter::empty()), Hint::default(), "{title}");
        }
    }

    #[test]
    fn a_body_that_is_no_problem_gives_no_hint() {
        assert_eq!(hint(b"<html>502 Bad Gateway</html>", std::iter::empty()), Hint::default());
        assert_eq!(hint(&vec![b' '; LONGEST + 1], std::iter::empty()), Hint::default());
    }
}

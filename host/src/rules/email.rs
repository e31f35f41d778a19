//! The e-mail address: what APSIS One would take, or why there is none.

use email_address::{EmailAddress, Options};

use crate::contact::Value;
use crate::reason::{Reason, ReasonCode};

/// The address, trimmed and in lower case.
///
/// APSIS One documents "a well-formed address with domain and TLD" and nothing on letters outside
/// ASCII, quoted names or case. Inferred, here only: such letters and quotes are refused (no mail
/// would reach many of those addresses anyway), and case makes no difference.
pub(super) fn address(field: &str, value: &Value) -> Result<String, Reason> {
    if value.is_empty() {
        return Err(Reason::about(
            ReasonCode::EmailMissing,
            field,
            format!("the contact has no e-mail address in the field `{field}`; add one in the CRM"),
        ));
    }
    let address = match value {
        Value::Text(text) => text.trim().to_lowercase(),
        _ => String::new(),
    };
    if is_address(&address) {
        return Ok(address);
    }
    let what = if address.contains([';', ',']) {
        "holds more than one e-mail address; leave one"
    } else if !address.is_ascii() {
        "holds an e-mail address with letters that mail systems do not take (such as å or é); mend it"
    } else {
        "does not hold an e-mail address (name@domain.tld); mend it"
    };
    Err(Reason::about(ReasonCode::EmailInvalid, field, format!("the field `{field}` {what} in the CRM")))
}

fn is_address(text: &str) -> bool {
    let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
    if !text.is_ascii() || text.contains(['"', ';', ',']) || text.chars().any(char::is_whitespace) {
        return false;
    }
    EmailAddress::parse_with_options(text, options).is_ok_and(|address| {
        let last = address.domain().rsplit('.').next().unwrap_or_default();
        last.len() > 1 && !last.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Result<String, ReasonCode> {
        address("email", &Value::Text(text.to_owned())).map_err(|reason| reason.code)
    }

    #[test]
    fn good_addresses_are_trimmed_and_lowered() {
        assert_eq!(code("  Asa.Berg+x@Example.COM\n"), Ok("asa.berg+x@example.com".into()));
        assert_eq!(code("o'neill@mail.example.co.uk"), Ok("o'neill@mail.example.co.uk".into()));
    }

    #[test]
    fn untidy_ones_are_refused() {
        for bad in [
            "gun.nilsson at ljungab.se.example",
            "a@b",
            "a@localhost",
            "a@b.example; c@d.example",
            "a@@b.example",
            "@b.example",
            "a@",
            "zoë@b.example",
            "a b@c.example",
            "a@b..example",
            "a@[127.0.0.1]",
            "a@10.0.0.1",
            "\"a b\"@c.example",
            "A <a@b.example>",
            "a@b.example.",
            "a@-b.example",
            ".a@b.example",
        ] {
            assert_eq!(code(bad), Err(ReasonCode::EmailInvalid), "{bad}");
        }
        for none in ["", "  "] {
            assert_eq!(code(none), Err(ReasonCode::EmailMissing));
        }
        assert_eq!(address("email", &Value::Integer(1)).map_err(|r| r.code), Err(ReasonCode::EmailInvalid));
    }

    #[test]
    fn the_reason_does_not_repeat_the_address() {
        let reason = address("email", &Value::Text("secret at b.example".into())).unwrap_err();
        assert!(!reason.message.contains("secret"));
    }
}

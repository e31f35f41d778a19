//! Lime's API: addresses, the key, and the ways in which Lime refuses.
//!
//! Addresses follow Lime's REST documentation: `https://<host>/<application>/api/v1/...`, every path with
//! its trailing slash. The key goes into the header `x-api-key`, put there by the host.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sluice_sdk::Error;
use sluice_sdk::request::{Call, Credential, Method, Reply};

use crate::settings::API_KEY;

/// What must be written as `%XX` in the value of a query parameter.
const IN_QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What must be written as `%XX` in an address that a user typed; `%` stays, since it may be done already.
const IN_ADDRESS: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'{').add(b'}');

/// One application on one Lime server.
#[derive(Debug, Clone)]
pub struct Api {
    base: String,
}

impl Api {
    /// From the setting `url`: the server with the application, spaces and letters of any kind allowed.
    ///
    /// # Errors
    /// `misconfigured` where it is no such address.
    pub fn new(url: &str) -> Result<Self, Error> {
        let trimmed = url.trim().trim_end_matches('/');
        let trimmed = trimmed.strip_suffix("/api/v1").unwrap_or(trimmed).trim_end_matches('/');
        let rest = trimmed.strip_prefix("https://").or_else(|| trimmed.strip_prefix("http://"));
        let fits = rest.and_then(|rest| rest.split_once('/')).is_some_and(|(host, application)| {
            !host.is_empty() && !application.is_empty() && !application.contains(['?', '#'])
        });
        if !fits {
            return Err(Error::misconfigured(
                "The setting `url` is not the address of a Lime application. Give server and application, such \
                 as https://acme.lime-crm.com/acme.",
            ));
        }
        Ok(Self { base: utf8_percent_encode(trimmed, IN_ADDRESS).to_string() })
    }

    /// Asks for a path below `/api/`, such as `v1/limetype/`. Any status is an answer.
    ///
    /// # Errors
    /// Where there is no answer.
    pub fn get(&self, path: &str, what: &str) -> Result<Reply, Error> {
        self.call(Method::Get, path).send(what)
    }

    /// A request that is to be completed.
    pub fn call(&self, method: Method, path: &str) -> Call {
        Call::new(method, format!("{}/api/{path}", self.base))
            .header("accept", "application/hal+json")
            .credential(Credential::Header(("x-api-key".to_owned(), API_KEY.to_owned())))
    }
}

/// A value for a query parameter.
pub fn in_query(value: &str) -> String {
    utf8_percent_encode(value, IN_QUERY).to_string()
}

/// The HTTP status that an error came with.
pub fn status(error: &Error) -> Option<u16> {
    error.detail("http.status").and_then(|status| status.parse().ok())
}

/// Whether the refusal can mean that the user may not use this part of the API, or that this server does
/// not have it. Inferred: Lime documents neither the status nor the body; 403 and 404 are what its
/// clients treat so.
pub fn is_not_permitted(error: &Error) -> bool {
    matches!(status(error), Some(403 | 404))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (url, base) in [
            ("https://acme.lime-crm.com/acme", "https://acme.lime-crm.com/acme"),
            (" https://acme.lime-crm.com/acme/ ", "https://acme.lime-crm.com/acme"),
            ("https://lime.kund.example/Kund AB/api/v1/", "https://lime.kund.example/Kund%20AB"),
            ("https://lime.kund.example/Kund%20Å", "https://lime.kund.example/Kund%20%C3%85"),
            ("http://127.0.0.1:8080/acme", "http://127.0.0.1:8080/acme"),
        ] {
            assert_eq!(Api::new(url).unwrap().base, base);
        }
        for url in ["", "acme", "https://acme.lime-crm.com", "https:///acme", "ftp://x/y", "https://x/y?z"] {
            assert!(Api::new(url).is_err(), "{url}");
        }
    }
}

//! webCRM's API: the address, the log-in, and the ways in which webCRM refuses.
//!
//! Log-in and limits as webCRM's REST page and its notes on the API have them: the application token buys an access
//! token at `/Auth/ApiLogin`, which every other request carries. The application token is put there by the host, as a
//! field of an urlencoded body. The access token is kept in the session, and for the rest of the call should the
//! session not hold it.

use std::cell::RefCell;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use sluice_sdk::request::{Call, Credential, Method, Reply};
use sluice_sdk::{Error, ErrorKind, session};

use crate::inferred;
use crate::settings::APPLICATION_TOKEN;

/// The session key of the access token.
const SESSION_KEY: &str = "access-token";

/// The form field that webCRM wants the application token in.
const AUTH_CODE: &str = "authCode";

const LOGIN: &str = "an access token";

/// What may stay as it is in the value of a query parameter.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// webCRM's API, for one customer.
#[derive(Debug)]
pub struct Api {
    base: String,
    token: RefCell<Option<String>>,
}

/// `TokenResponseDto` of webCRM's definition. Its words about an error are left unread: nobody knows what is in them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Token {
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<i64>,
    #[serde(default)]
    is_error: Option<bool>,
}

/// The body of a 429, as webCRM's notes on the API show it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TooMany {
    retry_after_seconds: f64,
}

impl Api {
    /// From the setting `url`.
    ///
    /// # Errors
    /// `misconfigured` where it is no address of a server.
    pub fn new(url: &str) -> Result<Self, Error> {
        let base = url.trim().trim_end_matches('/');
        let host = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://"));
        if !host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', ' ', '@'])) {
            return Err(Error::misconfigured(
                "The setting `url` is not the address of webCRM's API. Leave it out, or give one such as \
                 https://api.webcrm.com.",
            ));
        }
        Ok(Self { base: base.to_owned(), token: RefCell::default() })
    }

    /// Asks for a path. Any status but 401 is an answer.
    ///
    /// # Errors
    /// Where there is no answer, or webCRM takes no token.
    pub fn get(&self, path: &str, what: &str) -> Result<Reply, Error> {
        self.send(Method::Get, path, None, what)
    }

    /// What is at a path.
    ///
    /// # Errors
    /// As webCRM answers.
    pub fn read<T: DeserializeOwned>(&self, path: &str, what: &str) -> Result<T, Error> {
        ok(self.get(path, what)?, what)?.json(what)
    }

    /// One request, with an access token. A token that webCRM refuses is bought anew, once: it may have ended early,
    /// and webCRM was seen to refuse good ones when it has much to do.
    ///
    /// # Errors
    /// Where there is no answer, or webCRM takes no token.
    pub fn send(&self, method: Method, path: &str, body: Option<&Json>, what: &str) -> Result<Reply, Error> {
        let reply = self.with_token(method, path, body, &self.token()?, what)?;
        if reply.status() != 401 {
            return Ok(reply);
        }
        let reply = self.with_token(method, path, body, &self.login()?, what)?;
        if reply.status() == 401 { Err(reply.error(what)) } else { Ok(reply) }
    }

    fn with_token(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
        token: &str,
        what: &str,
    ) -> Result<Reply, Error> {
        let call = Call::new(method, format!("{}/{path}", self.base))
            .header("accept", "application/json")
            .header("authorization", &format!("Bearer {token}"));
        match body {
            Some(body) => call.json(body)?.send(what),
            None => call.send(what),
        }
    }

    fn token(&self) -> Result<String, Error> {
        let kept = self.token.borrow().clone();
        match kept.or_else(|| session::get(SESSION_KEY)) {
            Some(token) => Ok(token),
            None => self.login(),
        }
    }

    fn login(&self) -> Result<String, Error> {
        let reply = Call::new(Method::Post, format!("{}/Auth/ApiLogin", self.base))
            .header("accept", "application/json")
            .credential(Credential::Form((AUTH_CODE.to_owned(), APPLICATION_TOKEN.to_owned())))
            .send(LOGIN)?;
        if matches!(reply.status(), 400 | 401 | 403) {
            return Err(refused().with("http.status", reply.status().to_string()));
        }
        let answer: Token = ok(reply, LOGIN)?.json(LOGIN)?;
        if answer.is_error == Some(true) {
            return Err(refused());
        }
        let token = answer
            .access_token
            .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or_else(|| {
                Error::malformed("webCRM took the application token and gave no access token. Report it.")
            })?;
        let lives = answer.expires_in.map_or(inferred::EXPIRES_IN, |lives| u32::try_from(lives).unwrap_or(0));
        session::put(SESSION_KEY, &token, inferred::seconds_of_use(lives));
        self.token.replace(Some(token.clone()));
        Ok(token)
    }
}

fn refused() -> Error {
    Error::unauthorized(
        "webCRM refuses the application token. Make one in webCRM under Configuration > Integration > API > REST, and \
         give it as the secret `application-token`.",
    )
}

/// This answer, if its status is a success.
///
/// # Errors
/// The error that the status stands for. How long to wait is in a header or in the body.
pub fn ok(reply: Reply, what: &str) -> Result<Reply, Error> {
    if (200..300).contains(&reply.status()) {
        return Ok(reply);
    }
    let mut error = reply.error(what);
    if error.kind == ErrorKind::RateLimited && error.retry_after_ms.is_none() {
        error.retry_after_ms = serde_json::from_slice::<TooMany>(reply.body()).ok().and_then(|body| {
            std::time::Duration::try_from_secs_f64(body.retry_after_seconds)
                .ok()
                .and_then(|wait| u64::try_from(wait.as_millis()).ok())
        });
    }
    Err(error)
}

/// A value for a query parameter.
pub fn in_query(value: &str) -> String {
    utf8_percent_encode(value, IN_QUERY).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for url in ["https://api.webcrm.com", " https://api.webcrm.com/ ", "http://127.0.0.1:8080"] {
            assert_eq!(Api::new(url).unwrap().base, url.trim().trim_end_matches('/'));
        }
        for url in ["", "api.webcrm.com", "https://", "https://api.webcrm.com/v1", "https://u@x", "ftp://x"] {
            assert!(Api::new(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_script_is_one_parameter() {
        let script = "SELECT * FROM Person WHERE PersonUpdatedAt >= '2026-05-17T10:00:00Z' & x=+1";
        let written = in_query(script);
        assert!(!written.contains([' ', '&', '+', '\'', '=', '>', '*', ':']), "{written}");
        assert_eq!(percent_encoding::percent_decode_str(&written).decode_utf8().unwrap(), script);
    }
}

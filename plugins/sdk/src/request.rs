//! Requests to the CRM, and what becomes of the answers.
//!
//! [`Call`] is a request in the making; [`Reply`] an answer of any status. [`Reply::ok`] turns a status
//! into the error whose kind names what the host should do. No error holds any part of a body: a body
//! may hold people's data. `what` in these functions is a noun phrase that stands in the sentence for the
//! user, such as `the persons of Lime`.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::complete::sluice::crm_connector::http::{Credential, Method};

use crate::bindings::complete::sluice::crm_connector::http;
use crate::{Error, ErrorKind, host, retry_after};

/// A request in the making.
#[derive(Debug)]
pub struct Call {
    request: http::Request,
}

impl Call {
    /// A request without a body. `url` is absolute.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        let request = http::Request {
            method,
            url: url.into(),
            headers: Vec::new(),
            credentials: Vec::new(),
            body: None,
        };
        Self { request }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Names a secret and the place where the host puts it as the request leaves.
    #[must_use]
    pub fn credential(mut self, credential: Credential) -> Self {
        self.request.credentials.push(credential);
        self
    }

    /// A JSON body.
    ///
    /// # Errors
    /// `malformed` where the value has no JSON form, which is a fault of the connector.
    pub fn json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let bytes = serde_json::to_vec(body).map_err(|_| {
            Error::malformed("The connector made a request that has no JSON form: report it.")
        })?;
        self.request.body = Some(bytes);
        Ok(self.header("content-type", "application/json"))
    }

    /// Sends it. Any status is an answer.
    ///
    /// # Errors
    /// Where there is no answer: `misconfigured` or `unavailable`, by the cause.
    pub fn send(self, what: &str) -> Result<Reply, Error> {
        match host::fetch(&self.request) {
            Ok(response) => Ok(Reply { response }),
            Err(error) => Err(unanswered(&error, what)),
        }
    }
}

/// An answer of any status.
#[derive(Debug)]
pub struct Reply {
    response: http::Response,
}

impl Reply {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.response.status
    }

    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.response.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.response.body
    }

    /// This answer, if its status is a success.
    ///
    /// # Errors
    /// The error that the status stands for; see [`kind_of`].
    pub fn ok(self, what: &str) -> Result<Self, Error> {
        if (200..300).contains(&self.response.status) { Ok(self) } else { Err(self.error(what)) }
    }

    /// The error that this answer's status stands for.
    pub fn error(&self, what: &str) -> Error {
        let status = self.response.status;
        let message = match kind_of(status) {
            ErrorKind::Unauthorized if status == 401 => {
                format!("The CRM refused the credentials (HTTP 401) when asked for {what}. Give a valid key.")
            }
            ErrorKind::Unauthorized => {
                format!(
                    "The CRM's user has no right to {what} (HTTP {status}). Give it that right in the CRM."
                )
            }
            ErrorKind::Misconfigured => {
                format!("The CRM does not have {what} at this address (HTTP {status}). Check the settings.")
            }
            ErrorKind::RateLimited => {
                format!(
                    "The CRM had too many requests (HTTP {status}) when asked for {what}. It is asked again later."
                )
            }
            ErrorKind::Unavailable => {
                format!("The CRM is at fault (HTTP {status}) when asked for {what}. It is asked again later.")
            }
            _ => format!(
                "The CRM refused the request for {what} (HTTP {status}). Check the settings that name fields."
            ),
        };
        let wait = self
            .header("retry-after")
            .and_then(|text| retry_after::milliseconds(text, self.header("date"), Timestamp::now()));
        let mut error = Error::new(kind_of(status), message).with("http.status", status.to_string());
        error.retry_after_ms = wait;
        error
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// `misconfigured` where it is a web page, which is what a wrong address or a login page gives;
    /// `malformed` where it is not of the shape that is asked for. Neither tells what it was.
    pub fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T, Error> {
        let start = self.response.body.iter().find(|byte| !byte.is_ascii_whitespace());
        if start == Some(&b'<') {
            return Err(Error::misconfigured(format!(
                "The CRM answered with a web page, not with {what}. Check the address in the settings."
            )));
        }
        serde_json::from_slice(&self.response.body).map_err(|error| {
            // serde's own sentence may quote the value, so only the place and the sort of fault are told.
            let sort = match error.classify() {
                serde_json::error::Category::Data => "not of the expected shape",
                serde_json::error::Category::Eof => "cut off",
                _ => "not JSON",
            };
            Error::malformed(format!(
                "What the CRM sent as {what} is {sort} (line {}, column {}). Report it.",
                error.line(),
                error.column()
            ))
        })
    }
}

/// What the host should do about a status that is no success.
///
/// 401 and 403 are `unauthorized`; 404, 405, 410 and any redirect `misconfigured`; 429 `rate-limited`;
/// 408, 425 and 5xx `unavailable`; everything else `other`.
pub fn kind_of(status: u16) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::Unauthorized,
        300..=399 | 404 | 405 | 410 => ErrorKind::Misconfigured,
        429 => ErrorKind::RateLimited,
        408 | 425 | 500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Other,
    }
}

/// The error for a request that no answer came to. The host's own sentence is kept: it names limits and
/// grants, never a body.
fn unanswered(error: &http::Error, what: &str) -> Error {
    let kind = match error.kind {
        http::ErrorKind::Denied | http::ErrorKind::Tls => ErrorKind::Misconfigured,
        http::ErrorKind::TooLarge => ErrorKind::Malformed,
        http::ErrorKind::Dns
        | http::ErrorKind::Connect
        | http::ErrorKind::Timeout
        | http::ErrorKind::Other => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("The CRM did not answer when asked for {what}: {}", error.message))
        .with("http.error", format!("{:?}", error.kind).to_lowercase())
}

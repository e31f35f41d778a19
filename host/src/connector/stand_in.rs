//! Whoever stands between a connector and its CRM while the connector is tried: looks on, or answers in the CRM's place.
//!
//! It sees a request as the connector made it, with its secrets by name, after the host has found that it may leave; and
//! what the connector writes as the host would log it. It never sees a secret.

use std::time::Duration;

use super::bindings::imported::http::{Credential, ErrorKind, Method, Request, Response};
use super::outbound::Failed;

/// One request of a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// In capitals.
    pub method: &'static str,
    /// The whole address.
    pub url: String,
    /// Its headers, but for those that hold a secret.
    pub headers: Vec<(String, String)>,
    /// The secrets that the host puts in.
    pub secrets: Vec<Placed>,
    /// Its body, without what the host puts in.
    pub body: Option<Vec<u8>>,
}

/// A secret, and where the host puts it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placed {
    /// `bearer`, `basic USER`, `header NAME`, `form FIELD` or `json POINTER`.
    pub place: String,
    /// The secret's name.
    pub secret: String,
}

/// What the CRM answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// Nobody knows the answer.
    Unknown,
    /// No connection.
    Connect,
    /// None in time.
    Timeout,
}

/// Stands between a connector and its CRM.
pub trait StandIn: Send + Sync {
    /// The answer in the CRM's place; none: the CRM is asked.
    fn answer(&self, asked: &Asked) -> Option<Result<Answered, Unanswered>>;

    /// What the CRM answered, as the connector is to see it.
    fn answered(&self, _asked: &Asked, answered: Answered) -> Answered {
        answered
    }

    /// A request that the host refused, and why.
    fn refused(&self, _why: &str) {}

    /// A line that the connector wrote.
    fn wrote(&self, _line: &str) {}

    /// A call has ended: the most memory that it had, in bytes, and how long it took.
    fn ended(&self, _call: &'static str, _memory: usize, _took: Duration) {}
}

impl Asked {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            method: match request.method {
                Method::Get => "GET",
                Method::Head => "HEAD",
                Method::Post => "POST",
                Method::Put => "PUT",
                Method::Patch => "PATCH",
                Method::Delete => "DELETE",
            },
            url: request.url.clone(),
            headers: request.headers.clone(),
            secrets: request.credentials.iter().map(Placed::of).collect(),
            body: request.body.clone(),
        }
    }
}

impl Placed {
    fn of(credential: &Credential) -> Self {
        let (place, secret) = match credential {
            Credential::Bearer(secret) => ("bearer".to_owned(), secret),
            Credential::Basic((user, secret)) => (format!("basic {user}"), secret),
            Credential::Header((name, secret)) => (format!("header {name}"), secret),
            Credential::Form((field, secret)) => (format!("form {field}"), secret),
            Credential::Json((pointer, secret)) => (format!("json {pointer}"), secret),
        };
        Self { place, secret: secret.clone() }
    }
}

impl From<Answered> for Response {
    fn from(answered: Answered) -> Self {
        Self { status: answered.status, headers: answered.headers, body: answered.body }
    }
}

impl From<Response> for Answered {
    fn from(response: Response) -> Self {
        Self { status: response.status, headers: response.headers, body: response.body }
    }
}

impl From<Unanswered> for Failed {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Unknown => Self::denied("there is no recorded answer to this request"),
            Unanswered::Connect => Self::new(ErrorKind::Connect, "the CRM cannot be reached"),
            Unanswered::Timeout => Self::new(ErrorKind::Timeout, "the CRM did not answer in time"),
        }
    }
}

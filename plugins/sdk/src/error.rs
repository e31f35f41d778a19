//! Ways to make the contract's error: each names what the host should do next.

use crate::bindings::complete::sluice::crm_connector::types::{Error, ErrorKind};

impl Error {
    /// An error of a kind, with a sentence for the user: what happened and what to do. No secrets, no
    /// personal data, no part of a body.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after_ms: None, details: Vec::new() }
    }

    /// The CRM refused the credentials.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unauthorized, message)
    }

    /// A setting is wrong or missing, on this side or in the CRM.
    pub fn misconfigured(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Misconfigured, message)
    }

    /// The CRM sent what cannot be read.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, message)
    }

    /// This connector, or this CRM, does not do that.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// The cursor cannot be used any more.
    pub fn cursor_expired(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::CursorExpired, message)
    }

    /// Adds a detail for logs and support: `("http.status", "502")`. No personal data.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.details.push((name.to_owned(), value.into()));
        self
    }

    /// A detail's value.
    pub fn detail(&self, name: &str) -> Option<&str> {
        self.details.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

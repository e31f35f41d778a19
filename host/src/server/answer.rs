//! What a sender is answered, as an HTTP response: problems are RFC 9457 documents with the codes of
//! `docs/errors.md`.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};

use crate::error::ErrorCode;

/// Why a request to deliver was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No integration, or another key; which of both is not told.
    #[error("there is no such address; look it up in the subscription that Sluice made in the CRM")]
    Unknown,
    /// The CRM did not send it.
    #[error("the message is not signed as the CRM signs it; check the webhook's secret on both sides")]
    Forged,
    /// It was first sent too long ago, or is from the future.
    #[error(
        "the message was first sent too long ago, or is from the future; check the clocks, and \
         `accept-within-hours` under [real-time]"
    )]
    Stale,
    /// It cannot be read so far as to tell whether the CRM sent it.
    #[error("the message cannot be read; this is the address for the CRM's webhook")]
    Unreadable,
    /// The body is too large.
    #[error("the message is larger than {limit} bytes; have the CRM send less", limit = super::deliveries::BODY_BYTES)]
    TooLarge,
    /// The body did not come in time.
    #[error("the message did not come in time; send it again")]
    TooSlow,
    /// It could not be checked or stored now.
    #[error("the message could not be stored now, and is not taken; send it again")]
    NotNow,
}

impl ErrorCode for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "delivery-address-unknown",
            Self::Forged => "delivery-forged",
            Self::Stale => "delivery-stale",
            Self::Unreadable => "delivery-unreadable",
            Self::TooLarge => "delivery-too-large",
            Self::TooSlow => "delivery-too-slow",
            Self::NotNow => "delivery-not-stored",
        }
    }
}

/// Seconds after which a sender should try again.
const AGAIN: HeaderValue = HeaderValue::from_static("2");

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::Forged | Self::Stale => StatusCode::UNAUTHORIZED,
            Self::Unreadable => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::NotNow => StatusCode::SERVICE_UNAVAILABLE,
        };
        problem(status, &self, self == Self::NotNow)
    }
}

/// An error as a problem document; `again`: it may be tried again soon.
pub(super) fn problem(status: StatusCode, error: &impl ErrorCode, again: bool) -> Response {
    let problem = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "code": error.code(),
        "detail": error.to_string(),
    });
    let mut response = Response::new(Body::from(problem.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if again {
        headers.insert(RETRY_AFTER, AGAIN);
    }
    response
}

//! Errors as the API answers them: RFC 9457 documents with the codes of `docs/errors.md`.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use utoipa::openapi::{RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::error::{ErrorCode, Failure};

/// A problem document.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the code says more than an address would.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// The stable code, listed in `docs/errors.md`.
    code: String,
    /// What happened, to what, and what to do.
    detail: String,
}

/// What is wrong with a request itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The address has nothing behind it.
    #[error("there is nothing at this address; `/api/v1/openapi.json` lists what there is")]
    NoRoute,
    /// The address does not do this.
    #[error("this address does not take this method; `/api/v1/openapi.json` lists what it takes")]
    NoMethod,
    /// A part of it cannot be read.
    #[error("the request's {part} cannot be used: {problem}")]
    Malformed {
        /// Which.
        part: &'static str,
        /// What is wrong, without its value.
        problem: String,
    },
    /// The body is no JSON.
    #[error("the body is to be JSON; send it with `Content-Type: application/json`")]
    NotJson,
    /// The body is too large, or did not come in time.
    #[error("the body is larger than {0} bytes, or did not come in time")]
    TooLarge(usize),
    /// Nothing says what is to be replaced.
    #[error(
        "send `If-Match` with the ETag that you have seen, so that nobody's change is overwritten; to add what is not \
         there, `If-None-Match: *`"
    )]
    NoPrecondition,
    /// The key of an earlier request came with another one.
    #[error("the `Idempotency-Key` was used for another request; use a new one for each")]
    KeyReused,
    /// The request of this key has no answer yet.
    #[error(
        "the request of this `Idempotency-Key` is being answered, or was cut off in the middle; look whether it took effect, \
         and use a new key if not"
    )]
    KeyUnderWay,
    /// What is done here is not done again for a key.
    #[error(
        "an `Idempotency-Key` is not taken here, since the request or the answer holds a secret, of which nothing is kept"
    )]
    KeyNotTaken,
}

impl ErrorCode for RequestError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoRoute => "route-unknown",
            Self::NoMethod => "method-unknown",
            Self::Malformed { .. } => "request-malformed",
            Self::NotJson => "request-not-json",
            Self::TooLarge(_) => "request-too-large",
            Self::NoPrecondition => "precondition-missing",
            Self::KeyReused => "idempotency-key-reused",
            Self::KeyUnderWay => "idempotency-key-under-way",
            Self::KeyNotTaken => "idempotency-key-not-taken",
        }
    }
}

/// A failure on its way out.
#[derive(Debug)]
pub struct Refused(pub Failure);

impl<E: ErrorCode> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(Failure::from(&error))
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

/// What a handler answers.
pub type Answer<T> = Result<T, Refused>;

/// The HTTP status of a code. What is not named is a request that could be read, and asks for what cannot be.
pub fn status(code: &str) -> StatusCode {
    match code {
        "request-malformed" => StatusCode::BAD_REQUEST,
        "token-missing" | "token-unknown" => StatusCode::UNAUTHORIZED,
        "role-too-small" | "out-of-scope" => StatusCode::FORBIDDEN,
        "route-unknown"
        | "integration-unknown"
        | "run-unknown"
        | "run-none"
        | "delivery-unknown"
        | "token-none"
        | "secret-unknown"
        | "contact-unknown"
        | "overview-unknown"
        | "overview-not-in-crm"
        | "catalogue-missing" => StatusCode::NOT_FOUND,
        "method-unknown" => StatusCode::METHOD_NOT_ALLOWED,
        "run-active"
        | "upgrade-held"
        | "component-in-use"
        | "rollback-nothing"
        | "catalogue-ambiguous"
        | "run-ended"
        | "secret-in-use"
        | "gate-closed"
        | "nothing-held"
        | "overview-import-active"
        | "overview-leaving"
        | "overview-tag-taken"
        | "known-not-enough"
        | "delivery-open"
        | "delivery-emptied"
        | "idempotency-key-under-way" => StatusCode::CONFLICT,
        "integration-changed" => StatusCode::PRECONDITION_FAILED,
        "precondition-missing" => StatusCode::PRECONDITION_REQUIRED,
        "request-too-large" => StatusCode::PAYLOAD_TOO_LARGE,
        "too-many-attempts" => StatusCode::TOO_MANY_REQUESTS,
        "request-not-json" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "store-broken" | "store-too-new" | "store-too-old" | "lease-lost" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(Failure { code, message }) = self;
        let status = status(&code);
        let problem = Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code,
            detail: message,
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("60"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
            }
            _ => {}
        }
        response
    }
}

/// Every problem that a call may be answered with.
pub struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::response::Response>> {
        let statuses = [400, 401, 403, 404, 409, 412, 413, 415, 422, 428, 429, 503];
        let problem = |status: u16| {
            let words = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
            let content = utoipa::openapi::ContentBuilder::new()
                .schema(Some(utoipa::openapi::Ref::from_schema_name("Problem")))
                .build();
            let response = ResponseBuilder::new()
                .description(words.unwrap_or_default())
                .content("application/problem+json", content)
                .build();
            (status.to_string(), RefOr::T(response))
        };
        statuses.into_iter().map(problem).collect()
    }
}

//! What comes with a request, read strictly: an unknown key or parameter is refused, not passed over.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::{Refused, RequestError};

/// The largest body that is read at once.
pub const BODY_BYTES: usize = 1 << 20;
/// The longest time for a body.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// A JSON body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(RequestError::NotJson.into());
        }
        let bytes = body(request, BODY_BYTES).await?;
        let read = serde_json::from_slice(&bytes).map_err(|error| RequestError::Malformed {
            part: "body",
            problem: without_values(&error.to_string()),
        })?;
        Ok(Self(read))
    }
}

/// Reads a body of at most so many bytes.
///
/// # Errors
/// It is larger, or does not come in time.
pub async fn body(request: Request, limit: usize) -> Result<axum::body::Bytes, RequestError> {
    match tokio::time::timeout(BODY_WITHIN, to_bytes(request.into_body(), limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) | Err(_) => Err(RequestError::TooLarge(limit)),
    }
}

/// The parts of the address.
pub struct At<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(read)) => Ok(Self(read)),
            // A number that is none names nothing that there is.
            Err(_) => Err(RequestError::NoRoute.into()),
        }
    }
}

/// What follows the question mark.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(read)) => Ok(Self(read)),
            Err(rejection) => {
                let problem = without_values(&rejection.body_text());
                Err(RequestError::Malformed { part: "query", problem }.into())
            }
        }
    }
}

/// What serde says, without the value that it found; that may be somebody's secret, in the wrong place.
fn without_values(message: &str) -> String {
    let mut words = String::with_capacity(message.len());
    for (at, part) in message.split('"').enumerate() {
        words.push_str(if at % 2 == 0 { part } else { "…" });
    }
    let shows_value = ["unknown variant", "invalid type", "invalid value"];
    match shows_value.iter().find_map(|start| words.find(start).map(|at| (at, *start))) {
        Some((at, start)) => {
            let expected = words.rfind(", expected ").map_or("", |at| words.get(at..).unwrap_or_default());
            format!("{}{start}{expected}", words.get(..at).unwrap_or_default())
        }
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_not_repeated() {
        for (said, kept) in [
            (
                "invalid type: string \"hunter2\", expected u64 at line 1",
                "invalid type, expected u64 at line 1",
            ),
            ("unknown variant `hunter2`, expected `a` or `b`", "unknown variant, expected `a` or `b`"),
            ("missing field `name`", "missing field `name`"),
            ("unknown field `x`, expected `y`", "unknown field `x`, expected `y`"),
        ] {
            assert_eq!(without_values(said), kept);
        }
    }
}

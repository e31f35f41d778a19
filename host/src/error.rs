//! What every error that a user can meet has in common: a stable code, listed in `docs/errors.md`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error with a stable code. Its `Display` says what happened, to which record or setting, and
/// what to do; no secrets, no personal data.
pub trait ErrorCode: std::error::Error {
    /// The code: lower-case words with hyphens, never renamed.
    fn code(&self) -> &'static str;
}

/// An error as it is stored and shown: what is left of one when only its words matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// The stable code.
    pub code: String,
    /// What happened, to what, and what to do.
    pub message: String,
}

impl<E: ErrorCode> From<&E> for Failure {
    fn from(error: &E) -> Self {
        Self { code: error.code().to_owned(), message: error.to_string() }
    }
}

//! What can go wrong in a transaction, whichever the engine, and its sentence.
//!
//! A sentence never quotes a value of the database: rows hold personal data.

use super::StoreError;

/// Why a transaction was undone.
#[derive(Debug)]
pub enum Fault {
    /// What was asked is not allowed in this state.
    Refused(StoreError),
    /// The engine could not do it.
    Engine(EngineFault),
    /// A row holds what this program never writes; which column.
    Content(String),
}

/// What the engine says.
#[derive(Debug)]
pub struct EngineFault {
    /// What happened; no values.
    pub(super) message: String,
    /// What to look at.
    pub(super) todo: &'static str,
    /// The same transaction again may succeed: it met another one.
    pub(super) again: bool,
}

/// What to look at where the database cannot be understood.
const DAMAGED: &str = "Restore a backup, or report it";

impl Fault {
    /// The error for the caller, about the database at `place`.
    pub(super) fn at(self, place: &str) -> StoreError {
        let (message, todo) = match self {
            Self::Refused(error) => return error,
            Self::Content(message) => (message, DAMAGED),
            Self::Engine(EngineFault { message, todo, .. }) => (message, todo),
        };
        StoreError::Broken { place: place.to_owned(), message, todo }
    }

    /// Whether the same transaction may succeed when it is done again at once.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Engine(EngineFault { again: true, .. }))
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

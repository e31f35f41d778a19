//! What can go wrong in a transaction, and its sentence.
//!
//! A sentence never quotes a value of the database: rows hold personal data.

use rusqlite::ErrorCode;

use crate::store::StoreError;

/// Why a transaction was undone.
#[derive(Debug)]
pub(super) enum Fault {
    /// What was asked is not allowed in this state.
    Refused(StoreError),
    /// SQLite could not do it.
    Sql(rusqlite::Error),
    /// A row holds what this program never writes; which column.
    Content(String),
}

impl Fault {
    /// The error for the caller, about the database at `path`.
    pub(super) fn at(self, path: &str) -> StoreError {
        let message = match self {
            Self::Refused(error) => return error,
            Self::Content(message) => message,
            Self::Sql(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => {
                    "there is no space left on the disk; nothing of the last step was stored".to_owned()
                }
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    "another program keeps it locked".to_owned()
                }
                Some(ErrorCode::ReadOnly) => "it may not be written to".to_owned(),
                Some(ErrorCode::NotADatabase) => "the file is not an SQLite database".to_owned(),
                Some(ErrorCode::DatabaseCorrupt) => {
                    "the file is damaged; restore a backup, or start with an empty one".to_owned()
                }
                _ => error.to_string(),
            },
        };
        StoreError::Broken { path: path.to_owned(), message }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

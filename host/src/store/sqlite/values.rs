//! How the vocabulary's values are kept in columns.

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::Fault;
use crate::run::{BatchState, Outcome, Phase};

/// A vocabulary value as JSON text.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, Fault> {
    // serde_json's own message may quote the value.
    serde_json::to_string(value).map_err(|_| Fault::Content("a value has no JSON form".to_owned()))
}

/// An optional value as JSON text.
pub(super) fn some_to_json<T: Serialize>(value: Option<&T>) -> Result<Option<String>, Fault> {
    value.map(to_json).transpose()
}

/// A vocabulary value from a column's JSON text.
pub(super) fn from_json<T: DeserializeOwned>(column: &str, json: &str) -> Result<T, Fault> {
    serde_json::from_str(json).map_err(|error| {
        let place = error.column();
        Fault::Content(format!("column {column} holds what cannot be read, at character {place}"))
    })
}

/// An optional value from a column's JSON text.
pub(super) fn some_from_json<T: DeserializeOwned>(
    column: &str,
    json: Option<String>,
) -> Result<Option<T>, Fault> {
    json.map(|json| from_json(column, &json)).transpose()
}

/// A moment, as microseconds since 1970: the precision that PostgreSQL keeps too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(pub Timestamp);

impl ToSql for Moment {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_microsecond().into())
    }
}

impl FromSql for Moment {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let microseconds = value.as_i64()?;
        Timestamp::from_microsecond(microseconds)
            .map(Self)
            .map_err(|_| FromSqlError::OutOfRange(microseconds))
    }
}

/// A number that is never negative; SQLite's integers are signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count(pub u64);

impl ToSql for Count {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for Count {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        u64::try_from(number).map(Self).map_err(|_| FromSqlError::OutOfRange(number))
    }
}

/// An enum that is stored as a word.
pub(super) trait Word: Copy + Sized + 'static {
    /// Every case.
    const CASES: &'static [Self];
    /// The word.
    fn word(self) -> &'static str;
}

/// The column form of a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored<T>(pub T);

impl<T: Word> ToSql for Stored<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.word().into())
    }
}

impl<T: Word> FromSql for Stored<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        let found = T::CASES.iter().find(|case| case.word() == text);
        found.copied().map(Self).ok_or(FromSqlError::InvalidType)
    }
}

impl Word for Outcome {
    const CASES: &'static [Self] = &Self::ALL;
    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Word for Phase {
    const CASES: &'static [Self] = &[
        Self::Accepted,
        Self::Reading,
        Self::Comparing,
        Self::Importing,
        Self::Verifying,
        Self::Writing,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];
    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Word for BatchState {
    const CASES: &'static [Self] = &[Self::Chosen, Self::Uploaded, Self::Ended];
    fn word(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Uploaded => "uploaded",
            Self::Ended => "ended",
        }
    }
}

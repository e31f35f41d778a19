//! The schema's versions. A migration that was released is never edited; a change is a new file.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use super::fault::Fault;
use crate::store::StoreError;

const STEPS: &[M<'static>] = &[M::up(include_str!("migrations/0001_runs_and_ledger.sql"))];

/// Brings the database to this program's schema. `path` is for the error. Only one process may do so
/// at a time.
pub(super) fn apply(sql: &mut Connection, path: &str) -> Result<(), StoreError> {
    let version: i64 = sql
        .query_row("PRAGMA user_version", (), |row| row.get(0))
        .map_err(|error| Fault::from(error).at(path))?;
    if usize::try_from(version).is_ok_and(|version| version > STEPS.len()) {
        let message = format!("its schema is {version}, and this program knows up to {}", STEPS.len());
        return Err(StoreError::TooNew { path: path.to_owned(), message });
    }
    Migrations::from_slice(STEPS).to_latest(sql).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => Fault::from(err).at(path),
        other => Fault::Content(other.to_string()).at(path),
    })
}

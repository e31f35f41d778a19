//! The schema's versions. A migration that was released is never edited; a change is a new file.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use crate::store::StoreError;
use crate::store::fault::Fault;

const STEPS: &[M<'static>] = &[
    M::up(include_str!("migrations/0001_runs_and_ledger.sql")),
    M::up(include_str!("migrations/0002_real_time.sql")),
    M::up(include_str!("migrations/0003_consents.sql")),
    M::up(include_str!("migrations/0004_why.sql")),
    M::up(include_str!("migrations/0005_needs.sql")),
    M::up(include_str!("migrations/0006_known.sql")),
    M::up(include_str!("migrations/0007_access.sql")),
    M::up(include_str!("migrations/0008_secrets.sql")),
    M::up(include_str!("migrations/0009_overviews.sql")),
    M::up(include_str!("migrations/0010_sessions.sql")),
    M::up(include_str!("migrations/0011_alerts.sql")),
    M::up(include_str!("migrations/0012_connectors.sql")),
];

/// Brings the database to this program's schema. `place` is for the error. Only one process may do so
/// at a time.
pub(super) fn apply(sql: &mut Connection, place: &str) -> Result<(), StoreError> {
    let version: i64 = sql
        .query_row("PRAGMA user_version", (), |row| row.get(0))
        .map_err(|error| Fault::from(error).at(place))?;
    if usize::try_from(version).is_ok_and(|version| version > STEPS.len()) {
        let message = format!("its schema is {version}, and this program knows up to {}", STEPS.len());
        return Err(StoreError::TooNew { place: place.to_owned(), message });
    }
    Migrations::from_slice(STEPS).to_latest(sql).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => Fault::from(err).at(place),
        other => Fault::Content(other.to_string()).at(place),
    })
}

//! A connection to the database file as the shared SQL sees it, and SQLite's errors in words.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode};

use crate::integration::IntegrationId;
use crate::store::fault::{EngineFault, Fault};
use crate::store::sql::{Cell, Param, Row, Sql};

/// What to look at when the file fails.
pub(super) const TODO: &str = "Check the disk's free space and the file's permissions";

/// A connection in a transaction.
pub(super) struct Session<'a> {
    sql: &'a Connection,
    /// Integrations to be told of when the transaction is stored.
    told: RefCell<Vec<IntegrationId>>,
}

impl<'a> Session<'a> {
    pub(super) fn on(sql: &'a Connection) -> Self {
        Self { sql, told: RefCell::default() }
    }

    pub(super) fn told(self) -> Vec<IntegrationId> {
        self.told.into_inner()
    }
}

impl Sql for Session<'_> {
    fn execute(&self, statement: &str, params: &[Param<'_>]) -> Result<u64, Fault> {
        let mut prepared = self.sql.prepare_cached(&translated(statement))?;
        Ok(prepared.execute(rusqlite::params_from_iter(params))? as u64)
    }

    fn query(&self, statement: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Fault> {
        let mut prepared = self.sql.prepare_cached(&translated(statement))?;
        let columns = columns(&prepared);
        rows(&mut prepared, &columns, params)
    }

    fn query_each(&self, statement: &str, each: &[Vec<Param<'_>>]) -> Result<Vec<Vec<Row>>, Fault> {
        let mut prepared = self.sql.prepare_cached(&translated(statement))?;
        let columns = columns(&prepared);
        each.iter().map(|params| rows(&mut prepared, &columns, params)).collect()
    }

    fn execute_each(&self, statement: &str, each: &[Vec<Param<'_>>]) -> Result<Vec<u64>, Fault> {
        let mut prepared = self.sql.prepare_cached(&translated(statement))?;
        let changed = each.iter().map(|params| prepared.execute(rusqlite::params_from_iter(params)));
        changed.map(|changed| Ok(changed? as u64)).collect()
    }

    fn now(&self) -> Result<Timestamp, Fault> {
        Ok(Timestamp::now())
    }

    /// Only this process is told; others look into the file from time to time.
    fn notify(&self, id: &IntegrationId) -> Result<(), Fault> {
        self.told.borrow_mut().push(id.clone());
        Ok(())
    }
}

fn columns(prepared: &CachedStatement<'_>) -> Arc<[String]> {
    prepared.column_names().into_iter().map(str::to_owned).collect()
}

fn rows(
    prepared: &mut CachedStatement<'_>,
    columns: &Arc<[String]>,
    params: &[Param<'_>],
) -> Result<Vec<Row>, Fault> {
    let mut found = Vec::new();
    let mut rows = prepared.query(rusqlite::params_from_iter(params))?;
    while let Some(row) = rows.next()? {
        let cells = (0..columns.len()).map(|at| Ok(cell(row.get_ref(at)?)));
        found.push(Row::new(Arc::clone(columns), cells.collect::<rusqlite::Result<_>>()?));
    }
    Ok(found)
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Int(number),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
        // No column of ours holds one; what is made of it is not what the column's reader expects.
        ValueRef::Real(_) => Cell::Bytes(Vec::new()),
    }
}

/// `LIST(?n)` as SQLite has it: the list is given as JSON.
fn translated(statement: &str) -> Cow<'_, str> {
    let Some((before, rest)) = statement.split_once("LIST(") else { return Cow::Borrowed(statement) };
    let Some((param, after)) = rest.split_once(')') else { return Cow::Borrowed(statement) };
    Cow::Owned(format!("{before}(SELECT value FROM json_each({param})){}", translated(after)))
}

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Int(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            // A list of texts always has a JSON form.
            Self::List(texts) => {
                ToSqlOutput::Owned(Value::Text(serde_json::to_string(texts).unwrap_or_default()))
            }
        })
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        let (message, todo) = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => {
                ("there is no space left on the disk; nothing of the last step was stored".to_owned(), TODO)
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                ("another program keeps it locked".to_owned(), "Look which program has the file open")
            }
            Some(ErrorCode::ReadOnly) => ("it may not be written to".to_owned(), TODO),
            Some(ErrorCode::NotADatabase) => ("the file is not an SQLite database".to_owned(), TODO),
            Some(ErrorCode::DatabaseCorrupt) => {
                ("the file is damaged".to_owned(), "Restore a backup, or start with an empty one")
            }
            _ => (error.to_string(), TODO),
        };
        Self::Engine(EngineFault { message, todo, again: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_translated_wherever_they_stand() {
        assert_eq!(translated("SELECT 1"), "SELECT 1");
        assert_eq!(
            translated("a IN LIST(?2) AND b IN LIST(?3)"),
            "a IN (SELECT value FROM json_each(?2)) AND b IN (SELECT value FROM json_each(?3))"
        );
    }
}

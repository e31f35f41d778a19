//! Integrations: their definition, and the number by which the other tables know them.

use rusqlite::{Connection, OptionalExtension};

use super::fault::Fault;
use super::leftovers::{self, Part};
use super::values::{from_json, to_json};
use crate::integration::{Integration, IntegrationId};
use crate::run::RunId;
use crate::store::StoreError;

pub(super) fn put(sql: &Connection, integration: &Integration) -> Result<(), Fault> {
    match number(sql, &integration.id) {
        Ok(known) => refuse_active(sql, &integration.id, known)?,
        Err(Fault::Refused(StoreError::NoIntegration(_))) => {}
        Err(fault) => return Err(fault),
    }
    sql.prepare_cached(
        "INSERT INTO integrations (id, definition) VALUES (?1, ?2)
         ON CONFLICT (id) DO UPDATE SET definition = excluded.definition",
    )?
    .execute((&integration.id.0, to_json(integration)?))?;
    Ok(())
}

pub(super) fn get(sql: &Connection, id: &IntegrationId) -> Result<Option<Integration>, Fault> {
    let json: Option<String> = sql
        .prepare_cached("SELECT definition FROM integrations WHERE id = ?1")?
        .query_row([&id.0], |row| row.get(0))
        .optional()?;
    json.map(|json| from_json("definition", &json)).transpose()
}

pub(super) fn all(sql: &Connection) -> Result<Vec<Integration>, Fault> {
    let mut statement = sql.prepare_cached("SELECT definition FROM integrations ORDER BY id")?;
    let mut rows = statement.query(())?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(from_json("definition", &row.get::<_, String>(0)?)?);
    }
    Ok(all)
}

/// The number of an integration that there is.
pub(super) fn number(sql: &Connection, id: &IntegrationId) -> Result<i64, Fault> {
    sql.prepare_cached("SELECT number FROM integrations WHERE id = ?1")?
        .query_row([&id.0], |row| row.get(0))
        .optional()?
        .ok_or_else(|| StoreError::NoIntegration(id.clone()).into())
}

/// Refuses if the integration has an active run.
pub(super) fn refuse_active(sql: &Connection, id: &IntegrationId, number: i64) -> Result<(), Fault> {
    let active: Option<i64> = sql
        .prepare_cached("SELECT id FROM runs WHERE integration = ?1 AND ended_at IS NULL")?
        .query_row([number], |row| row.get(0))
        .optional()?;
    match active {
        Some(run) => Err(StoreError::RunActive { integration: id.clone(), run: RunId(run) }.into()),
        None => Ok(()),
    }
}

pub(super) fn delete(sql: &Connection, id: &IntegrationId) -> Result<(), Fault> {
    let number = number(sql, id)?;
    refuse_active(sql, id, number)?;
    let mut statement = sql.prepare_cached("SELECT id FROM runs WHERE integration = ?1")?;
    let runs: Vec<i64> = statement.query_map([number], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for run in runs {
        for part in Part::OF_RUN {
            leftovers::add(sql, part, run)?;
        }
    }
    leftovers::add(sql, Part::Ledger, number)?;
    sql.execute("DELETE FROM runs WHERE integration = ?1", [number])?;
    sql.execute("DELETE FROM integrations WHERE number = ?1", [number])?;
    Ok(())
}

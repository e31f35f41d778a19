//! The bulk imports of a run.

use rusqlite::{Connection, Row};

use super::fault::Fault;
use super::runs;
use super::values::Stored;
use crate::contact::ContactId;
use crate::integration::IntegrationId;
use crate::run::{Batch, BatchState, RunId};

pub(super) fn put(sql: &Connection, run: RunId, batch: &Batch) -> Result<(), Fault> {
    runs::active(sql, run)?;
    sql.prepare_cached(
        "INSERT INTO batches (run, number, first, last, state, import_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (run, number) DO UPDATE SET first = excluded.first, last = excluded.last,
             state = excluded.state, import_id = excluded.import_id",
    )?
    .execute((
        run.0,
        batch.number,
        &batch.first.0,
        &batch.last.0,
        Stored(batch.state),
        &batch.import_id,
    ))?;
    Ok(())
}

/// Uploaded by runs that have ended, of this integration.
pub(super) fn left(sql: &Connection, integration: &IntegrationId) -> Result<Vec<(RunId, Batch)>, Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT batches.number, first, last, state, import_id, run FROM batches JOIN runs ON runs.id = run
         WHERE runs.integration = (SELECT number FROM integrations WHERE id = ?1)
         AND runs.ended_at IS NOT NULL AND state = ?2 ORDER BY run, batches.number",
    )?;
    let left = statement.query_map((&integration.0, Stored(BatchState::Uploaded)), |row| {
        Ok((RunId(row.get(5)?), from_row(row)?))
    })?;
    Ok(left.collect::<Result<_, _>>()?)
}

pub(super) fn end_left(sql: &Connection, run: RunId, number: u32) -> Result<(), Fault> {
    sql.prepare_cached("UPDATE batches SET state = ?3 WHERE run = ?1 AND number = ?2")?.execute((
        run.0,
        number,
        Stored(BatchState::Ended),
    ))?;
    Ok(())
}

pub(super) fn all(sql: &Connection, run: RunId) -> Result<Vec<Batch>, Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT number, first, last, state, import_id FROM batches
         WHERE run = (SELECT id FROM runs WHERE id = ?1 AND details_kept) ORDER BY number",
    )?;
    let batches = statement.query_map([run.0], from_row)?;
    Ok(batches.collect::<Result<_, _>>()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Batch> {
    Ok(Batch {
        number: row.get(0)?,
        first: ContactId(row.get(1)?),
        last: ContactId(row.get(2)?),
        state: row.get::<_, Stored<BatchState>>(3)?.0,
        import_id: row.get(4)?,
    })
}

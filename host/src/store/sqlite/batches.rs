//! The bulk imports of a run.

use rusqlite::Connection;

use super::fault::Fault;
use super::runs;
use super::values::Stored;
use crate::contact::ContactId;
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

pub(super) fn all(sql: &Connection, run: RunId) -> Result<Vec<Batch>, Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT number, first, last, state, import_id FROM batches
         WHERE run = (SELECT id FROM runs WHERE id = ?1 AND details_kept) ORDER BY number",
    )?;
    let batches = statement.query_map([run.0], |row| {
        Ok(Batch {
            number: row.get(0)?,
            first: ContactId(row.get(1)?),
            last: ContactId(row.get(2)?),
            state: row.get::<_, Stored<BatchState>>(3)?.0,
            import_id: row.get(4)?,
        })
    })?;
    Ok(batches.collect::<Result<_, _>>()?)
}

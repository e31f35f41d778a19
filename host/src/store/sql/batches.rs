//! The bulk imports of a run.

use super::values::Stored;
use super::{Row, Sql, leases, params, runs};
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::run::{Batch, BatchState, RunId};
use crate::store::fault::Fault;

pub(super) fn put(sql: &dyn Sql, fence: &Fence, run: RunId, batch: &Batch) -> Result<(), Fault> {
    runs::active(sql, fence, run)?;
    sql.execute(
        "INSERT INTO batches (run, number, first, last, state, import_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (run, number) DO UPDATE SET first = excluded.first, last = excluded.last,
             state = excluded.state, import_id = excluded.import_id",
        &params![
            run,
            batch.number,
            &batch.first,
            &batch.last,
            Stored(batch.state),
            batch.import_id.as_deref(),
        ],
    )?;
    Ok(())
}

/// Uploaded by runs that have ended, of this integration.
pub(super) fn left(sql: &dyn Sql, integration: &IntegrationId) -> Result<Vec<(RunId, Batch)>, Fault> {
    let rows = sql.query(
        "SELECT run, batches.number, first, last, state, import_id FROM batches JOIN runs ON runs.id = run
         WHERE runs.integration = (SELECT number FROM integrations WHERE id = ?1)
         AND runs.ended_at IS NOT NULL AND state = ?2 ORDER BY run, batches.number",
        &params![integration, Stored(BatchState::Uploaded)],
    )?;
    rows.into_iter().map(|mut row| Ok((row.take()?, from_row(row)?))).collect()
}

pub(super) fn end_left(sql: &dyn Sql, fence: &Fence, run: RunId, number: u32) -> Result<(), Fault> {
    leases::hold(sql, fence)?;
    sql.execute(
        "UPDATE batches SET state = ?3 WHERE run = ?1 AND number = ?2",
        &params![run, number, Stored(BatchState::Ended)],
    )?;
    Ok(())
}

pub(super) fn all(sql: &dyn Sql, run: RunId) -> Result<Vec<Batch>, Fault> {
    let rows = sql.query(
        "SELECT number, first, last, state, import_id FROM batches
         WHERE run = (SELECT id FROM runs WHERE id = ?1 AND details_kept = 1) ORDER BY number",
        &params![run],
    )?;
    rows.into_iter().map(from_row).collect()
}

fn from_row(mut row: Row) -> Result<Batch, Fault> {
    Ok(Batch {
        number: row.take()?,
        first: row.take()?,
        last: row.take()?,
        state: row.take::<Stored<BatchState>>()?.0,
        import_id: row.take()?,
    })
}

//! Hosts and what they hold.
//!
//! A lease's end is told by one clock, the database's, so that hosts whose clocks differ agree on it.

use std::time::Duration;

use jiff::Timestamp;
use tracing::warn;

use super::values::{Count, Moment};
use super::{Sql, params};
use crate::hosting::{Fence, Holding, HostId, Term};
use crate::integration::IntegrationId;
use crate::store::StoreError;
use crate::store::fault::Fault;

/// Checks that the lease is the newest one, and keeps it so until the transaction has ended; the
/// integration's number.
pub(super) fn hold(sql: &dyn Sql, fence: &Fence) -> Result<i64, Fault> {
    let row = sql.query_one(
        "SELECT integrations.number FROM integrations JOIN leases ON leases.integration = integrations.number
         WHERE integrations.id = ?1 AND leases.number = ?2 /*pg FOR NO KEY UPDATE OF leases */",
        &params![&fence.integration, fence.number],
    )?;
    match row {
        Some(mut row) => row.take(),
        None => {
            warn!(integration = %fence.integration, fence = fence.number, "a late write was refused");
            Err(StoreError::LeaseLost(fence.integration.clone()).into())
        }
    }
}

fn after(now: Timestamp, so_long: Duration) -> Moment {
    Moment(now.checked_add(so_long).unwrap_or(Timestamp::MAX))
}

pub(super) fn beat(sql: &dyn Sql, host: &HostId, for_so_long: Duration) -> Result<u64, Fault> {
    let now = sql.now()?;
    sql.execute(
        "INSERT INTO hosts (host, until) VALUES (?1, ?2)
         ON CONFLICT (host) DO UPDATE SET until = excluded.until",
        &params![host, after(now, for_so_long)],
    )?;
    sql.execute("DELETE FROM hosts WHERE until <= ?1", &params![Moment(now)])?;
    Ok(sql.value::<Count>("SELECT count(*) FROM hosts", &[])?.0)
}

pub(super) fn acquire(
    sql: &dyn Sql,
    id: &IntegrationId,
    host: &HostId,
    term: Term,
) -> Result<Option<Fence>, Fault> {
    let row = sql.query_one(
        "SELECT integrations.number, leases.host, leases.until
         FROM integrations JOIN leases ON leases.integration = integrations.number
         WHERE id = ?1 /*pg FOR NO KEY UPDATE OF leases */",
        &params![id],
    )?;
    let Some(mut row) = row else { return Err(StoreError::NoIntegration(id.clone()).into()) };
    let (number, holder, until): (i64, Option<HostId>, Moment) = (row.take()?, row.take()?, row.take()?);
    let now = sql.now()?;
    let until_now = match term {
        Term::Alone => Moment(Timestamp::MAX),
        Term::For(so_long) if holder.is_none() || until.0 <= now => after(now, so_long),
        Term::For(_) => return Ok(None),
    };
    let fence: i64 = sql.value(
        "UPDATE leases SET number = number + 1, host = ?2, until = ?3 WHERE integration = ?1 RETURNING number",
        &params![number, host, until_now],
    )?;
    Ok(Some(Fence { integration: id.clone(), number: fence }))
}

pub(super) fn renew(sql: &dyn Sql, fences: &[Fence], for_so_long: Duration) -> Result<Vec<Fence>, Fault> {
    let until = after(sql.now()?, for_so_long);
    let each: Vec<_> =
        fences.iter().map(|fence| params![&fence.integration, fence.number, until].to_vec()).collect();
    let kept = sql.execute_each(
        "UPDATE leases SET until = ?3 WHERE number = ?2 AND host IS NOT NULL
         AND integration = (SELECT number FROM integrations WHERE id = ?1)",
        &each,
    )?;
    let kept = fences.iter().zip(kept).filter(|(_, kept)| *kept > 0);
    Ok(kept.map(|(fence, _)| fence.clone()).collect())
}

pub(super) fn release(sql: &dyn Sql, fence: &Fence) -> Result<(), Fault> {
    // The number grows, so that nothing that is still on its way is written.
    sql.execute(
        "UPDATE leases SET host = NULL, until = 0, number = number + 1
         WHERE number = ?2 AND integration = (SELECT number FROM integrations WHERE id = ?1)",
        &params![&fence.integration, fence.number],
    )?;
    Ok(())
}

pub(super) fn holdings(sql: &dyn Sql) -> Result<Vec<Holding>, Fault> {
    let now = Moment(sql.now()?);
    let rows = sql.query(
        "SELECT id, revision, CASE WHEN until > ?1 THEN host END
         FROM integrations JOIN leases ON leases.integration = integrations.number ORDER BY id",
        &params![now],
    )?;
    let read = |mut row: super::Row| {
        Ok(Holding { integration: row.take()?, revision: row.take()?, host: row.take()? })
    };
    rows.into_iter().map(read).collect()
}

/// See `Store::to_do`. Each part is one look into an index, however much waits.
pub(super) fn to_do(sql: &dyn Sql, host: &HostId, now: Timestamp) -> Result<Vec<IntegrationId>, Fault> {
    let rows = sql.query(
        "SELECT i.id FROM leases JOIN integrations i ON i.number = leases.integration
         WHERE leases.host = ?1 AND (
             EXISTS (SELECT 1 FROM runs WHERE runs.integration = i.number AND ended_at IS NULL)
             OR EXISTS (SELECT 1 FROM forgotten f WHERE f.integration = i.number AND purged = 0)
             OR EXISTS (SELECT 1 FROM overview_imports o WHERE o.integration = i.number AND ended_at IS NULL)
             OR i.enabled = 1 AND (
                 EXISTS (SELECT 1 FROM deliveries d WHERE d.integration = i.number AND decoded = 0
                         AND ended_at IS NULL AND due <= ?2)
                 OR EXISTS (SELECT 1 FROM waiting w WHERE w.integration = i.number AND due <= ?2)))",
        &params![host, Moment(now)],
    )?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

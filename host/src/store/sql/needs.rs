//! What a full sync is needed for.

use jiff::Timestamp;

use super::values::{Count, Moment, Stored, to_json};
use super::{Sql, params};
use crate::need::{Need, NeedCode, NewNeed};
use crate::run::{Phase, Run, RunKind, Source};
use crate::store::fault::Fault;

pub(super) fn all(sql: &dyn Sql, integration: i64) -> Result<Vec<Need>, Fault> {
    let rows = sql.query(
        "SELECT code, message, subjects, times, since, last, after_run FROM needs
         WHERE integration = ?1 ORDER BY since, code",
        &params![integration],
    )?;
    let need = |mut row: super::Row| {
        Ok(Need {
            code: row.take::<Stored<NeedCode>>()?.0,
            message: row.take()?,
            subjects: row.json()?,
            times: row.take::<Count>()?.0,
            since: row.take::<Moment>()?.0,
            last: row.take::<Moment>()?.0,
            after_run: row.take()?,
        })
    };
    rows.into_iter().map(need).collect()
}

/// Why one is needed.
pub(super) fn codes(sql: &dyn Sql, integration: i64) -> Result<Vec<NeedCode>, Fault> {
    let rows = sql.query("SELECT code FROM needs WHERE integration = ?1", &params![integration])?;
    rows.into_iter().map(|mut row| Ok(row.take::<Stored<NeedCode>>()?.0)).collect()
}

/// Notes that a full sync is needed. A run that has been accepted already does not clear it: it may have read what
/// this is about before.
pub(super) fn add(sql: &dyn Sql, integration: i64, new: &NewNeed, now: Moment) -> Result<(), Fault> {
    let code = Stored(new.code);
    let before = sql.query_one(
        "SELECT subjects FROM needs WHERE integration = ?1 AND code = ?2",
        &params![integration, code],
    )?;
    let before: Option<Vec<String>> = before.map(|mut row| row.json()).transpose()?;
    let subjects = new.subjects_with(before.unwrap_or_default());
    sql.execute(
        "INSERT INTO needs (integration, code, message, subjects, times, since, last, after_run)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, (SELECT coalesce(max(id), 0) FROM runs WHERE integration = ?1))
         ON CONFLICT (integration, code) DO UPDATE SET message = excluded.message, subjects = excluded.subjects,
             times = needs.times + excluded.times, last = excluded.last, after_run = excluded.after_run",
        &params![integration, code, new.message(&subjects), to_json(&subjects)?, Count(new.times), now],
    )?;
    Ok(())
}

/// What a run leaves to be done by ending, or makes good.
pub(super) fn after(sql: &dyn Sql, integration: i64, run: &Run, had_begun: bool) -> Result<(), Fault> {
    let code = match (run.kind, run.phase) {
        (RunKind::FullSync, Phase::Completed) => return clear(sql, integration, run),
        // Before its first write, one that asks only what is known has left all as it was.
        (RunKind::FullSync, Phase::Failed) if run.source == Source::Known && !had_begun => return Ok(()),
        (RunKind::FullSync, Phase::Failed) => NeedCode::FullSyncFailed,
        // Before its first write it has left nothing half done.
        (RunKind::FullSync, Phase::Cancelled) if had_begun => NeedCode::FullSyncCancelled,
        _ => return Ok(()),
    };
    let subjects = run.failure.iter().map(|failure| failure.code.clone()).collect();
    add(sql, integration, &NewNeed::about(code, subjects), Moment(Timestamp::now()))
}

fn clear(sql: &dyn Sql, integration: i64, run: &Run) -> Result<(), Fault> {
    let cleared = all(sql, integration)?.into_iter().filter(|need| need.is_cleared_by(run));
    let each: Vec<_> = cleared.map(|need| params![integration, Stored(need.code)].to_vec()).collect();
    sql.execute_each("DELETE FROM needs WHERE integration = ?1 AND code = ?2", &each)?;
    Ok(())
}

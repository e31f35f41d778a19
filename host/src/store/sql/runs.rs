//! Runs: accepting, moving on, ending, and their counters. A run that has not ended is the closed gate.

use jiff::Timestamp;

use super::leftovers::{self, Part};
use super::values::{Count, Moment, Stored, some_to_json};
use super::{Row, Sql, integrations, known, leases, needs, params, stage};
use crate::contact::Cursor;
use crate::error::Failure;
use crate::hosting::Fence;
use crate::integration::{Integration, IntegrationId};
use crate::run::{Counters, Outcome, Phase, Run, RunId, RunKind, RunOrder, Source};
use crate::store::fault::Fault;
use crate::store::{RunEnd, StoreError};

/// Runs of an integration whose contacts, discards and batches are kept.
const DETAILED_RUNS: u32 = 10;

pub(super) const SELECT: &str =
    "SELECT runs.id, integrations.id, kind, forced, source, phase, cursor, read_to_end,
    total, cancel_requested, accepted_at, ended_at, failure, hold, approved,
    read, created, updated, unchanged, excluded, rejected, deleted, discarded
    FROM runs JOIN integrations ON integrations.number = runs.integration";

pub(super) fn from_row(mut row: Row) -> Result<Run, Fault> {
    Ok(Run {
        id: row.take()?,
        integration: row.take()?,
        kind: row.take::<Stored<RunKind>>()?.0,
        forced: row.take()?,
        source: row.take::<Stored<Source>>()?.0,
        phase: row.take::<Stored<Phase>>()?.0,
        cursor: row.take::<Option<String>>()?.map(Cursor),
        read_to_end: row.take()?,
        total: row.take::<Option<Count>>()?.map(|total| total.0),
        cancel_requested: row.take()?,
        accepted_at: row.take::<Moment>()?.0,
        ended_at: row.take::<Option<Moment>>()?.map(|moment| moment.0),
        failure: row.some_json()?,
        hold: row.some_json()?,
        approved: row.take()?,
        counters: counters(&mut row)?,
    })
}

fn counters(row: &mut Row) -> Result<Counters, Fault> {
    let mut count = || row.take::<Count>().map(|count| count.0);
    Ok(Counters {
        read: count()?,
        created: count()?,
        updated: count()?,
        unchanged: count()?,
        excluded: count()?,
        rejected: count()?,
        deleted: count()?,
        discarded: count()?,
    })
}

pub(super) fn get(sql: &dyn Sql, id: RunId) -> Result<Run, Fault> {
    let row = sql.query_one(&format!("{SELECT} WHERE runs.id = ?1"), &params![id])?;
    row.map_or(Err(StoreError::NoRun(id).into()), from_row)
}

pub(super) fn newest(sql: &dyn Sql, integration: &IntegrationId, limit: u32) -> Result<Vec<Run>, Fault> {
    let rows = sql.query(
        &format!("{SELECT} WHERE integrations.id = ?1 ORDER BY runs.id DESC LIMIT ?2"),
        &params![integration, limit],
    )?;
    rows.into_iter().map(from_row).collect()
}

pub(super) fn active_of(sql: &dyn Sql, integration: &IntegrationId) -> Result<Option<Run>, Fault> {
    let row = sql.query_one(
        &format!("{SELECT} WHERE integrations.id = ?1 AND ended_at IS NULL"),
        &params![integration],
    )?;
    row.map(from_row).transpose()
}

pub(super) fn accept(sql: &dyn Sql, id: &IntegrationId, order: &RunOrder) -> Result<Run, Fault> {
    // Whoever is about to write for the lane comes before this, and is waited for; or after it, and is
    // refused.
    let integration = integrations::lock(sql, id)?;
    integrations::refuse_active(sql, id, integration)?;
    integrations::refuse_retiring(sql, id, integration)?;
    let (kind, forced, source, trial) = match order {
        RunOrder::FullSync { forced, source } => (RunKind::FullSync, *forced, *source, None),
        RunOrder::Daily { due } => {
            sql.execute(
                "UPDATE lanes SET daily_done = ?2 WHERE integration = ?1",
                &params![integration, Moment(*due)],
            )?;
            (RunKind::Daily, false, Source::Crm, None)
        }
        RunOrder::DryRun { forced, source, trial } => (RunKind::DryRun, *forced, *source, trial.as_deref()),
    };
    if source == Source::Known {
        known::refuse_unknown(sql, id, integration)?;
    }
    let run = sql.value(
        "INSERT INTO runs (integration, kind, forced, phase, accepted_at, trial, source)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         RETURNING id",
        &params![
            integration,
            Stored(kind),
            forced,
            Stored(Phase::Accepted),
            Moment(Timestamp::now()),
            some_to_json(trial)?,
            Stored(source),
        ],
    )?;
    drop_old_details(sql, integration)?;
    sql.notify(id)?;
    get(sql, run)
}

fn drop_old_details(sql: &dyn Sql, integration: i64) -> Result<(), Fault> {
    let old = sql.query(
        "UPDATE runs SET details_kept = 0 WHERE integration = ?1 AND details_kept = 1 AND id <=
             (SELECT id FROM runs WHERE integration = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
         RETURNING id",
        &params![integration, DETAILED_RUNS],
    )?;
    for mut row in old {
        let run = row.take()?;
        // What is left of the stage is not for people to see, and stays.
        for part in [Part::Contacts, Part::Discards, Part::Batches] {
            leftovers::add(sql, part, run)?;
        }
    }
    Ok(())
}

/// A run that has not ended, as far as a step of it needs to know.
pub(super) struct Active {
    pub(super) id: RunId,
    /// The number of its integration.
    pub(super) integration: i64,
    pub(super) phase: Phase,
    pub(super) kind: RunKind,
    pub(super) counters: Counters,
}

impl Active {
    /// Whether what it finds may be taken for known.
    pub(super) fn is_real(&self) -> bool {
        self.kind != RunKind::DryRun
    }
}

/// The run, if it has not ended and the lease on its integration is held.
pub(super) fn active(sql: &dyn Sql, fence: &Fence, id: RunId) -> Result<Active, Fault> {
    let integration = leases::hold(sql, fence)?;
    let row = sql.query_one(
        "SELECT ended_at, phase, kind, read, created, updated, unchanged, excluded, rejected, deleted, discarded
         FROM runs WHERE id = ?1 AND integration = ?2",
        &params![id, integration],
    )?;
    let Some(mut row) = row else { return Err(StoreError::NoRun(id).into()) };
    if row.take::<Option<Moment>>()?.is_some() {
        return Err(StoreError::RunEnded(id).into());
    }
    let phase = row.take::<Stored<Phase>>()?.0;
    let kind = row.take::<Stored<RunKind>>()?.0;
    Ok(Active { id, integration, phase, kind, counters: counters(&mut row)? })
}

pub(super) fn store_counters(sql: &dyn Sql, id: RunId, counters: &Counters) -> Result<(), Fault> {
    sql.execute(
        "UPDATE runs SET read = ?2, created = ?3, updated = ?4, unchanged = ?5, excluded = ?6, rejected = ?7,
             deleted = ?8, discarded = ?9 WHERE id = ?1",
        &params![
            id,
            Count(counters.read),
            Count(counters.created),
            Count(counters.updated),
            Count(counters.unchanged),
            Count(counters.excluded),
            Count(counters.rejected),
            Count(counters.deleted),
            Count(counters.discarded),
        ],
    )?;
    Ok(())
}

pub(super) fn request_cancel(sql: &dyn Sql, id: RunId) -> Result<(), Fault> {
    let run = get(sql, id)?;
    sql.execute("UPDATE runs SET cancel_requested = 1 WHERE id = ?1 AND ended_at IS NULL", &params![id])?;
    sql.notify(&run.integration)
}

pub(super) fn enter_phase(sql: &dyn Sql, fence: &Fence, id: RunId, phase: Phase) -> Result<(), Fault> {
    active(sql, fence, id)?;
    if !phase.is_active() {
        return Err(StoreError::PhaseEnds { run: id, phase }.into());
    }
    sql.execute("UPDATE runs SET phase = ?2 WHERE id = ?1", &params![id, Stored(phase)])?;
    Ok(())
}

pub(super) fn restart_reading(sql: &dyn Sql, fence: &Fence, id: RunId) -> Result<(), Fault> {
    active(sql, fence, id)?;
    sql.execute("DELETE FROM discards WHERE run = ?1", &params![id])?;
    sql.execute("UPDATE runs SET cursor = NULL, read_to_end = 0, discarded = 0 WHERE id = ?1", &params![id])?;
    Ok(())
}

pub(super) fn read_anew(sql: &dyn Sql, fence: &Fence, id: RunId) -> Result<Run, Fault> {
    restart_reading(sql, fence, id)?;
    for table in ["stage", "run_contacts", "batches"] {
        sql.execute(&format!("DELETE FROM {table} WHERE run = ?1"), &params![id])?;
    }
    sql.execute(
        "UPDATE runs SET absent_up_to = 0, phase = ?2 WHERE id = ?1",
        &params![id, Stored(Phase::Reading)],
    )?;
    store_counters(sql, id, &Counters::default())?;
    get(sql, id)
}

/// Where reading goes on, and how many contacts there are where the page said.
pub(super) fn read_up_to(
    sql: &dyn Sql,
    id: RunId,
    next: Option<&Cursor>,
    total: Option<u64>,
) -> Result<(), Fault> {
    sql.execute(
        "UPDATE runs SET cursor = ?2, read_to_end = ?3, total = coalesce(?4, total) WHERE id = ?1",
        &params![id, next.map(|cursor| cursor.0.as_str()), next.is_none(), total.map(Count)],
    )?;
    Ok(())
}

pub(super) fn end(sql: &dyn Sql, fence: &Fence, id: RunId, end: &RunEnd) -> Result<Run, Fault> {
    let run = match active(sql, fence, id) {
        Ok(run) => run,
        // Asked again, as after a crash between the end and its answer.
        Err(Fault::Refused(StoreError::RunEnded(_))) => return get(sql, id),
        Err(fault) => return Err(fault),
    };
    let (phase, failure) = match end {
        RunEnd::Completed => match difference(sql, &run)? {
            None => (Phase::Completed, None),
            Some(message) => {
                (Phase::Failed, Some(Failure { code: "run-does-not-add-up".to_owned(), message }))
            }
        },
        RunEnd::Failed(failure) => (Phase::Failed, Some(failure.clone())),
        RunEnd::Cancelled => (Phase::Cancelled, None),
    };
    sql.execute(
        "UPDATE runs SET phase = ?2, failure = ?3, ended_at = ?4 WHERE id = ?1",
        &params![id, Stored(phase), some_to_json(failure.as_ref())?, Moment(Timestamp::now())],
    )?;
    let had_begun = run.is_real() && Phase::WRITING.contains(&run.phase);
    stage::end(sql, &run, run.is_real() && phase == Phase::Completed || had_begun)?;
    let integration = run.integration;
    let is_real = run.is_real();
    if !is_real {
        leftovers::add(sql, Part::DryAddresses, run.id.0)?;
    }
    let run = get(sql, id)?;
    needs::after(sql, integration, &run, had_begun)?;
    Ok(run)
}

pub(super) fn trial(sql: &dyn Sql, id: RunId) -> Result<Option<Integration>, Fault> {
    let row = sql.query_one("SELECT trial FROM runs WHERE id = ?1", &params![id])?;
    row.map_or(Err(StoreError::NoRun(id).into()), |mut row| row.some_json())
}

/// What does not add up, in words: the counters among themselves, or against the outcomes counted anew.
fn difference(sql: &dyn Sql, run: &Active) -> Result<Option<String>, Fault> {
    let recount = recount(sql, run.id)?;
    let Count(staged) =
        sql.value("SELECT count(*) FROM stage WHERE run = ?1 AND tried = 0", &params![run.id])?;
    if run.counters.add_up() && recount == run.counters && staged == 0 {
        return Ok(None);
    }
    let (mut counted, mut found) = (run.counters, recount);
    let outcomes: Vec<String> = Outcome::ALL
        .into_iter()
        .map(|outcome| format!("{} {} ({})", outcome.as_str(), *counted.of(outcome), *found.of(outcome)))
        .collect();
    Ok(Some(format!(
        "the run's numbers do not add up: read {} (recounted {}), {}, discarded {} ({}), still to be written {staged}. \
         Start a new full sync; if this happens again, report it with these numbers",
        counted.read,
        found.read,
        outcomes.join(", "),
        counted.discarded,
        found.discarded,
    )))
}

/// The counters as the run's rows say them.
fn recount(sql: &dyn Sql, id: RunId) -> Result<Counters, Fault> {
    let Count(discarded) = sql.value("SELECT count(*) FROM discards WHERE run = ?1", &params![id])?;
    let mut counters = Counters { discarded, ..Counters::default() };
    let rows = sql
        .query("SELECT outcome, count(*) FROM run_contacts WHERE run = ?1 GROUP BY outcome", &params![id])?;
    for mut row in rows {
        let outcome: Option<Stored<Outcome>> = row.take()?;
        let Count(count) = row.take()?;
        counters.read += count;
        if let Some(Stored(outcome)) = outcome {
            *counters.of(outcome) += count;
        }
    }
    Ok(counters)
}

//! Runs: accepting, moving on, ending, and their counters.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use super::fault::Fault;
use super::leftovers::{self, Part};
use super::values::{Count, Moment, Stored, from_json, some_to_json};
use super::{integrations, stage};
use crate::contact::Cursor;
use crate::error::Failure;
use crate::integration::IntegrationId;
use crate::run::{Counters, Outcome, Phase, Run, RunId};
use crate::store::{RunEnd, StoreError};

/// Runs of an integration whose contacts, discards and batches are kept.
const DETAILED_RUNS: u32 = 10;

const SELECT: &str = "SELECT runs.id, integrations.id AS integration_id, forced, phase, cursor, read_to_end,
    total, cancel_requested, accepted_at, ended_at, failure,
    read, created, updated, unchanged, excluded, rejected, discarded
    FROM runs JOIN integrations ON integrations.number = runs.integration";

fn from_row(row: &Row<'_>) -> Result<Run, Fault> {
    let failure: Option<String> = row.get("failure")?;
    Ok(Run {
        id: RunId(row.get("id")?),
        integration: IntegrationId(row.get("integration_id")?),
        forced: row.get("forced")?,
        phase: row.get::<_, Stored<Phase>>("phase")?.0,
        cursor: row.get::<_, Option<String>>("cursor")?.map(Cursor),
        read_to_end: row.get("read_to_end")?,
        counters: counters(row)?,
        total: row.get::<_, Option<Count>>("total")?.map(|total| total.0),
        cancel_requested: row.get("cancel_requested")?,
        accepted_at: row.get::<_, Moment>("accepted_at")?.0,
        ended_at: row.get::<_, Option<Moment>>("ended_at")?.map(|moment| moment.0),
        failure: failure.map(|json| from_json("failure", &json)).transpose()?,
    })
}

fn counters(row: &Row<'_>) -> rusqlite::Result<Counters> {
    let count = |column| row.get::<_, Count>(column).map(|count| count.0);
    Ok(Counters {
        read: count("read")?,
        created: count("created")?,
        updated: count("updated")?,
        unchanged: count("unchanged")?,
        excluded: count("excluded")?,
        rejected: count("rejected")?,
        discarded: count("discarded")?,
    })
}

pub(super) fn get(sql: &Connection, id: RunId) -> Result<Run, Fault> {
    let mut statement = sql.prepare_cached(&format!("{SELECT} WHERE runs.id = ?1"))?;
    let mut rows = statement.query([id.0])?;
    rows.next()?.map_or(Err(StoreError::NoRun(id).into()), from_row)
}

fn list(sql: &Connection, rest: &str, params: impl rusqlite::Params) -> Result<Vec<Run>, Fault> {
    let mut statement = sql.prepare_cached(&format!("{SELECT} {rest}"))?;
    let mut rows = statement.query(params)?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        runs.push(from_row(row)?);
    }
    Ok(runs)
}

pub(super) fn newest(sql: &Connection, integration: &IntegrationId, limit: u32) -> Result<Vec<Run>, Fault> {
    list(sql, "WHERE integrations.id = ?1 ORDER BY runs.id DESC LIMIT ?2", (&integration.0, limit))
}

pub(super) fn all_active(sql: &Connection) -> Result<Vec<Run>, Fault> {
    list(sql, "WHERE ended_at IS NULL ORDER BY runs.id", ())
}

pub(super) fn accept(sql: &Connection, id: &IntegrationId, forced: bool) -> Result<Run, Fault> {
    let integration = integrations::number(sql, id)?;
    integrations::refuse_active(sql, id, integration)?;
    sql.prepare_cached("INSERT INTO runs (integration, forced, phase, accepted_at) VALUES (?1, ?2, ?3, ?4)")?
        .execute((integration, forced, Stored(Phase::Accepted), Moment(Timestamp::now())))?;
    let run = RunId(sql.last_insert_rowid());
    drop_old_details(sql, integration)?;
    get(sql, run)
}

fn drop_old_details(sql: &Connection, integration: i64) -> Result<(), Fault> {
    let mut statement = sql.prepare_cached(
        "UPDATE runs SET details_kept = 0 WHERE details_kept AND id IN
             (SELECT id FROM runs WHERE integration = ?1 ORDER BY id DESC LIMIT -1 OFFSET ?2)
         RETURNING id",
    )?;
    let old: Vec<i64> =
        statement.query_map((integration, DETAILED_RUNS), |row| row.get(0))?.collect::<Result<_, _>>()?;
    for run in old {
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
    pub(super) counters: Counters,
}

/// The run, if it has not ended.
pub(super) fn active(sql: &Connection, id: RunId) -> Result<Active, Fault> {
    let found = sql
        .prepare_cached(
            "SELECT integration, phase, ended_at, read, created, updated, unchanged, excluded, rejected, discarded
             FROM runs WHERE id = ?1",
        )?
        .query_row([id.0], |row| {
            let ended: Option<Moment> = row.get("ended_at")?;
            let phase = row.get::<_, Stored<Phase>>("phase")?.0;
            Ok((ended, Active { id, integration: row.get("integration")?, phase, counters: counters(row)? }))
        })
        .optional()?;
    match found {
        None => Err(StoreError::NoRun(id).into()),
        Some((Some(_), _)) => Err(StoreError::RunEnded(id).into()),
        Some((None, run)) => Ok(run),
    }
}

pub(super) fn store_counters(sql: &Connection, id: RunId, counters: &Counters) -> Result<(), Fault> {
    sql.prepare_cached(
        "UPDATE runs SET read = ?2, created = ?3, updated = ?4, unchanged = ?5, excluded = ?6, rejected = ?7,
             discarded = ?8 WHERE id = ?1",
    )?
    .execute((
        id.0,
        Count(counters.read),
        Count(counters.created),
        Count(counters.updated),
        Count(counters.unchanged),
        Count(counters.excluded),
        Count(counters.rejected),
        Count(counters.discarded),
    ))?;
    Ok(())
}

pub(super) fn request_cancel(sql: &Connection, id: RunId) -> Result<(), Fault> {
    match active(sql, id) {
        Ok(_) => {
            sql.prepare_cached("UPDATE runs SET cancel_requested = 1 WHERE id = ?1")?.execute([id.0])?;
            Ok(())
        }
        Err(Fault::Refused(StoreError::RunEnded(_))) => Ok(()),
        Err(fault) => Err(fault),
    }
}

pub(super) fn enter_phase(sql: &Connection, id: RunId, phase: Phase) -> Result<(), Fault> {
    active(sql, id)?;
    if !phase.is_active() {
        return Err(StoreError::PhaseEnds { run: id, phase }.into());
    }
    sql.prepare_cached("UPDATE runs SET phase = ?2 WHERE id = ?1")?.execute((id.0, Stored(phase)))?;
    Ok(())
}

pub(super) fn restart_reading(sql: &Connection, id: RunId) -> Result<(), Fault> {
    active(sql, id)?;
    sql.prepare_cached("DELETE FROM discards WHERE run = ?1")?.execute([id.0])?;
    sql.prepare_cached("UPDATE runs SET cursor = NULL, read_to_end = 0, discarded = 0 WHERE id = ?1")?
        .execute([id.0])?;
    Ok(())
}

/// Where reading goes on, and how many contacts there are where the page said.
pub(super) fn read_up_to(
    sql: &Connection,
    id: RunId,
    next: Option<&Cursor>,
    total: Option<u64>,
) -> Result<(), Fault> {
    sql.prepare_cached(
        "UPDATE runs SET cursor = ?2, read_to_end = ?2 IS NULL, total = coalesce(?3, total) WHERE id = ?1",
    )?
    .execute((id.0, next.map(|cursor| &cursor.0), total.map(Count)))?;
    Ok(())
}

pub(super) fn end(sql: &Connection, id: RunId, end: &RunEnd) -> Result<Run, Fault> {
    let run = match active(sql, id) {
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
    sql.prepare_cached("UPDATE runs SET phase = ?2, failure = ?3, ended_at = ?4 WHERE id = ?1")?
        .execute((id.0, Stored(phase), some_to_json(failure.as_ref())?, Moment(Timestamp::now())))?;
    let wrote = phase == Phase::Completed || Phase::WRITING.contains(&run.phase);
    stage::end(sql, id, wrote)?;
    get(sql, id)
}

/// What does not add up, in words: the counters among themselves, or against the outcomes counted anew.
fn difference(sql: &Connection, run: &Active) -> Result<Option<String>, Fault> {
    let recount = recount(sql, run.id)?;
    let staged: Count = sql
        .prepare_cached("SELECT count(*) FROM stage WHERE run = ?1 AND NOT tried")?
        .query_row([run.id.0], |row| row.get(0))?;
    if run.counters.add_up() && recount == run.counters && staged.0 == 0 {
        return Ok(None);
    }
    let (counted, found) = (run.counters, recount);
    Ok(Some(format!(
        "the run's numbers do not add up: read {} (recounted {}), created {} ({}), updated {} ({}), \
         unchanged {} ({}), excluded {} ({}), rejected {} ({}), discarded {} ({}), still to be written {}. \
         Start a new full sync; if this happens again, report it with these numbers",
        counted.read,
        found.read,
        counted.created,
        found.created,
        counted.updated,
        found.updated,
        counted.unchanged,
        found.unchanged,
        counted.excluded,
        found.excluded,
        counted.rejected,
        found.rejected,
        counted.discarded,
        found.discarded,
        staged.0,
    )))
}

/// The counters as the run's rows say them.
fn recount(sql: &Connection, id: RunId) -> Result<Counters, Fault> {
    let discarded: Count = sql
        .prepare_cached("SELECT count(*) FROM discards WHERE run = ?1")?
        .query_row([id.0], |row| row.get(0))?;
    let mut counters = Counters { discarded: discarded.0, ..Counters::default() };
    let mut statement =
        sql.prepare_cached("SELECT outcome, count(*) FROM run_contacts WHERE run = ?1 GROUP BY outcome")?;
    let mut rows = statement.query([id.0])?;
    while let Some(row) = rows.next()? {
        let outcome: Option<Stored<Outcome>> = row.get(0)?;
        let Count(count) = row.get(1)?;
        counters.read += count;
        if let Some(Stored(outcome)) = outcome {
            *counters.of(outcome) += count;
        }
    }
    Ok(counters)
}

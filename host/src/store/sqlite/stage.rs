//! The stage: what a run has decided to write and has not settled yet. A row goes when its contact gets
//! its outcome, so that what is left is what there is to do.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use super::fault::Fault;
use super::ledger::{self, Learnt};
use super::leftovers::{self, Part};
use super::runs::Active;
use super::values::{Count, Moment, from_json, some_from_json, to_json};
use super::{integrations, pages, runs};
use crate::contact::ContactId;
use crate::integration::IntegrationId;
use crate::profile::{Intent, KnownConsent};
use crate::run::{Counters, Decided, RunId, Settled, Staged};
use crate::store::Found;

/// Of a run that has ended nothing is staged any more, though its rows may not be deleted yet.
const SELECT: &str = "SELECT stage.intent, stage.existed, stage.known_consents, ledger.written,
    stage.number <= runs.absent_up_to AS absent, runs.integration, stage.contact
    FROM stage JOIN runs ON runs.id = stage.run AND runs.ended_at IS NULL
    LEFT JOIN ledger ON ledger.integration = runs.integration AND ledger.contact = stage.contact
    WHERE stage.run = ?1 AND NOT stage.tried";

pub(super) fn put(sql: &Connection, run: RunId, decided: &Decided, intent: &Intent) -> Result<(), Fault> {
    sql.prepare_cached(
        "INSERT INTO stage (run, contact, modified_at, intent) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (run, contact) DO UPDATE SET modified_at = excluded.modified_at,
             intent = excluded.intent, tried = 0",
    )?
    .execute((run.0, &decided.contact.0, decided.modified_at.map(Moment), to_json(intent)?))?;
    Ok(())
}

pub(super) fn remove(sql: &Connection, run: RunId, contact: &ContactId) -> Result<(), Fault> {
    sql.prepare_cached("DELETE FROM stage WHERE run = ?1 AND contact = ?2")?.execute((run.0, &contact.0))?;
    Ok(())
}

pub(super) fn count(sql: &Connection, run: RunId) -> Result<u64, Fault> {
    let count: Count = sql
        .prepare_cached(
            "SELECT count(*) FROM stage
             WHERE NOT tried AND run = (SELECT id FROM runs WHERE id = ?1 AND ended_at IS NULL)",
        )?
        .query_row([run.0], |row| row.get(0))?;
    Ok(count.0)
}

pub(super) fn between(
    sql: &Connection,
    run: RunId,
    after: Option<&ContactId>,
    last: Option<&ContactId>,
    limit: u32,
) -> Result<Vec<Staged>, Fault> {
    // A bound that may be absent would keep SQLite from seeking in the index.
    let (from, to) = (
        after.map_or("?2 IS NULL", |_| "stage.contact > ?2"),
        last.map_or("?3 IS NULL", |_| "stage.contact <= ?3"),
    );
    let mut statement =
        sql.prepare_cached(&format!("{SELECT} AND {from} AND {to} ORDER BY stage.contact LIMIT ?4"))?;
    let mut rows = statement.query((run.0, after.map(|id| &id.0), last.map(|id| &id.0), limit))?;
    let mut staged = Vec::new();
    while let Some(row) = rows.next()? {
        staged.push(from_row(sql, row)?);
    }
    Ok(staged)
}

pub(super) fn of(sql: &Connection, run: RunId, contacts: &[ContactId]) -> Result<Vec<Staged>, Fault> {
    let mut statement = sql.prepare_cached(&format!("{SELECT} AND stage.contact = ?2"))?;
    let mut staged = Vec::with_capacity(contacts.len());
    for contact in contacts {
        let mut rows = statement.query((run.0, &contact.0))?;
        if let Some(row) = rows.next()? {
            staged.push(from_row(sql, row)?);
        }
    }
    Ok(staged)
}

fn from_row(sql: &Connection, row: &Row<'_>) -> Result<Staged, Fault> {
    let existed: Option<bool> = row.get("existed")?;
    let known: Option<Vec<KnownConsent>> = some_from_json("known_consents", row.get("known_consents")?)?;
    let absent: bool = row.get("absent")?;
    let (existed, known_consents) =
        if existed.is_none() && absent { (Some(false), Some(Vec::new())) } else { (existed, known) };
    Ok(Staged {
        intent: from_json("intent", &row.get::<_, String>("intent")?)?,
        existed,
        known_consents,
        last_written: some_from_json("written", row.get("written")?)?,
        attempted: attempted(sql, row.get("integration")?, &row.get::<_, String>("contact")?)?,
    })
}

/// What runs that have ended may have written for a contact.
fn attempted(sql: &Connection, integration: i64, contact: &str) -> Result<Vec<Intent>, Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT stage.intent FROM runs JOIN stage ON stage.run = runs.id AND stage.contact = ?2
         WHERE runs.integration = ?1 AND runs.left_stage ORDER BY runs.id",
    )?;
    let mut rows = statement.query((integration, contact))?;
    let mut attempted = Vec::new();
    while let Some(row) = rows.next()? {
        attempted.push(from_json("intent", &row.get::<_, String>(0)?)?);
    }
    Ok(attempted)
}

pub(super) fn attempted_of(
    sql: &Connection,
    integration: &IntegrationId,
    contacts: &[ContactId],
) -> Result<HashMap<ContactId, Vec<Intent>>, Fault> {
    let number = integrations::number(sql, integration)?;
    let mut all = HashMap::new();
    for contact in contacts {
        let attempted = attempted(sql, number, &contact.0)?;
        if !attempted.is_empty() {
            all.insert(contact.clone(), attempted);
        }
    }
    Ok(all)
}

/// What becomes of a run's stage when it ends: what may have been written is kept, for as long as its
/// contact is not written again.
pub(super) fn end(sql: &Connection, run: RunId, wrote: bool) -> Result<(), Fault> {
    if !wrote {
        leftovers::add(sql, Part::Stage, run.0)?;
    }
    sql.prepare_cached(
        "UPDATE runs SET left_stage = EXISTS (SELECT 1 FROM stage WHERE run = runs.id)
         WHERE left_stage OR (id = ?1 AND ?2)",
    )?
    .execute((run.0, wrote))?;
    Ok(())
}

pub(super) fn note_found(sql: &Connection, run: RunId, found: &[Found]) -> Result<(), Fault> {
    runs::active(sql, run)?;
    let mut statement = sql.prepare_cached(
        "UPDATE stage SET existed = ?3, known_consents = ?4
         WHERE run = ?1 AND contact = ?2 AND existed IS NULL
         AND number > (SELECT absent_up_to FROM runs WHERE id = ?1)",
    )?;
    for found in found {
        statement.execute((run.0, &found.contact.0, found.existed, to_json(&found.consents)?))?;
    }
    Ok(())
}

/// One number instead of a change of every row: rows staged later have greater numbers.
pub(super) fn note_rest_absent(sql: &Connection, run: RunId) -> Result<(), Fault> {
    runs::active(sql, run)?;
    sql.prepare_cached(
        "UPDATE runs SET absent_up_to = (SELECT coalesce(max(number), 0) FROM stage) WHERE id = ?1",
    )?
    .execute([run.0])?;
    Ok(())
}

/// What was written makes earlier attempts void, this one included; what was refused, only the same one.
fn forget_attempts(sql: &Connection, run: &Active, contact: &ContactId, written: bool) -> Result<(), Fault> {
    if written {
        remove(sql, run.id, contact)?;
    }
    sql.prepare_cached(
        "DELETE FROM stage WHERE contact = ?2
         AND run IN (SELECT id FROM runs WHERE integration = ?1 AND left_stage)
         AND (?4 OR intent = (SELECT intent FROM stage WHERE run = ?3 AND contact = ?2))",
    )?
    .execute((run.integration, &contact.0, run.id.0, written))?;
    Ok(())
}

pub(super) fn settle(sql: &Connection, id: RunId, settled: &[Settled]) -> Result<Counters, Fault> {
    let mut run = runs::active(sql, id)?;
    let now = Timestamp::now();
    for settled in settled {
        let taken: Option<(String, Option<Moment>)> = sql
            .prepare_cached(
                "UPDATE stage SET tried = 1 WHERE run = ?1 AND contact = ?2 AND NOT tried
                 RETURNING intent, modified_at",
            )?
            .query_row((id.0, &settled.contact.0), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((intent, modified_at)) = taken else { continue };
        forget_attempts(sql, &run, &settled.contact, settled.written)?;
        *run.counters.of(settled.outcome) += 1;
        let reason = settled.reason.as_ref();
        pages::note(sql, id, &settled.contact, Some(settled.outcome), reason)?;
        let written = settled.written.then_some(intent.as_str());
        let learnt = Learnt { outcome: settled.outcome, reason, written, modified_at };
        ledger::put(sql, &run, &settled.contact, &learnt, now)?;
    }
    runs::store_counters(sql, id, &run.counters)?;
    Ok(run.counters)
}

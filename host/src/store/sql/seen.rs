//! What contacts looked like when they were last read, and what was done for them.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::values::{Moment, Stored, from_json};
use super::{Row, Sql, integrations, params};
use crate::change::{Cause, ChangeNumber, ChangeOutcome, ContactEnd, LaneEnd};
use crate::contact::ContactId;
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::run::{Outcome, RunId, Settled};
use crate::step::Asked;
use crate::store::fault::Fault;
use crate::story::{By, Chapter, LastSeen, Seen};

use super::runs;

/// What of a story has no column of its own.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Told {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    #[serde(default)]
    steps: Vec<Asked>,
}

/// A story on its way into its table.
pub(super) struct Entry<'a> {
    contact: &'a ContactId,
    by: By,
    part: i64,
    outcome: Option<ChangeOutcome>,
    cause: Option<Cause>,
    steps: &'a [Asked],
}

const OF_RUN: &str = "run";
const OF_CHANGE: &str = "change";

/// JSON, deflated: a contact's fields have the same names each time, and most of them are long.
fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, Fault> {
    let mut to = DeflateEncoder::new(Vec::with_capacity(1024), Compression::fast());
    let json = super::values::to_json(value)?;
    let packed = to.write_all(json.as_bytes()).and_then(|()| to.finish());
    packed.map_err(|_| Fault::Content("a value could not be packed".to_owned()))
}

pub(super) fn unpack<T: DeserializeOwned>(column: &str, packed: &[u8]) -> Result<T, Fault> {
    let mut json = String::new();
    DeflateDecoder::new(packed)
        .read_to_string(&mut json)
        .map_err(|_| Fault::Content(format!("column {column} holds what cannot be unpacked")))?;
    from_json(column, &json)
}

/// When what is stored now may be deleted.
fn forget_at(sql: &dyn Sql, integration: i64, now: Timestamp) -> Result<i64, Fault> {
    let keep: i64 = sql.value("SELECT story_for FROM lanes WHERE integration = ?1", &params![integration])?;
    Ok(now.as_microsecond().saturating_add(keep))
}

/// Replaces what contacts looked like.
pub(super) fn put<'a>(
    sql: &dyn Sql,
    integration: i64,
    all: impl Iterator<Item = &'a Seen>,
) -> Result<(), Fault> {
    let keep = forget_at(sql, integration, Timestamp::UNIX_EPOCH)?;
    let each = all.map(|seen| {
        let explained = seen.explained.as_ref().map(pack).transpose()?;
        let explained_at = explained.as_ref().map(|_| Moment(seen.at));
        Ok(params![
            integration,
            &seen.contact.id,
            Moment(seen.at),
            pack(&seen.contact)?,
            explained,
            explained_at,
            seen.at.as_microsecond().saturating_add(keep),
        ]
        .to_vec())
    });
    let each: Vec<_> = each.collect::<Result<_, Fault>>()?;
    sql.execute_each(
        "INSERT INTO seen (integration, contact, at, state, explained, explained_at, forget_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (integration, contact) DO UPDATE SET at = excluded.at, state = excluded.state,
             explained = coalesce(excluded.explained, seen.explained),
             explained_at = coalesce(excluded.explained_at, seen.explained_at), forget_at = excluded.forget_at",
        &each,
    )?;
    Ok(())
}

pub(super) fn last(
    sql: &dyn Sql,
    id: &IntegrationId,
    contact: &ContactId,
) -> Result<Option<LastSeen>, Fault> {
    let integration = integrations::number(sql, id)?;
    let row = sql.query_one(
        "SELECT at, state, explained, explained_at FROM seen WHERE integration = ?1 AND contact = ?2",
        &params![integration, contact],
    )?;
    let Some(mut row) = row else { return Ok(None) };
    let (Moment(at), state): (Moment, Vec<u8>) = (row.take()?, row.take()?);
    let explained: Option<Vec<u8>> = row.take()?;
    Ok(Some(LastSeen {
        at,
        contact: unpack("state", &state)?,
        explained: explained.map(|packed| unpack("explained", &packed)).transpose()?,
        explained_at: row.take::<Option<Moment>>()?.map(|moment| moment.0),
    }))
}

/// What the lane has done for contacts. What only gave way to something newer has no story.
pub(super) fn of_lane(
    sql: &dyn Sql,
    integration: i64,
    ends: &[LaneEnd],
    now: Timestamp,
) -> Result<(), Fault> {
    let entries = ends.iter().filter_map(|end| {
        let (by, outcome, cause, steps) = match &end.end {
            ContactEnd::Ended(ended) if ended.outcome != ChangeOutcome::Superseded => {
                (ended.by, Some(ended.outcome), ended.cause.clone(), &ended.steps)
            }
            ContactEnd::Dead(cause, steps) => {
                let rejected = ChangeOutcome::Contact(Outcome::Rejected);
                (end.up_to, Some(rejected), Some(cause.clone()), steps)
            }
            ContactEnd::Again { cause, steps, .. } => (end.up_to, None, Some(cause.clone()), steps),
            ContactEnd::Ended(_) | ContactEnd::Forgotten => return None,
        };
        Some(Entry { contact: &end.contact, by: By::Change(by), part: 0, outcome, cause, steps })
    });
    tell(sql, integration, entries, now)
}

/// What a run has done for contacts. Where it asked nothing of APSIS One, its results say it all.
pub(super) fn of_run<'a>(
    sql: &dyn Sql,
    integration: i64,
    run: RunId,
    settled: impl Iterator<Item = &'a Settled>,
    now: Timestamp,
) -> Result<(), Fault> {
    let entries = settled.filter(|settled| !settled.steps.is_empty()).map(|settled| Entry {
        contact: &settled.contact,
        by: By::Run(run),
        part: 0,
        outcome: Some(ChangeOutcome::Contact(settled.outcome)),
        cause: settled.reason.clone().map(Cause::from),
        steps: &settled.steps,
    });
    tell(sql, integration, entries, now)
}

/// What a run has done for a contact before its outcome.
pub(super) fn before_outcome(
    sql: &dyn Sql,
    fence: &Fence,
    run: RunId,
    contact: &ContactId,
    steps: &[Asked],
) -> Result<(), Fault> {
    let active = runs::active(sql, fence, run)?;
    let entry = Entry { contact, by: By::Run(run), part: 1, outcome: None, cause: None, steps };
    tell(sql, active.integration, std::iter::once(entry), Timestamp::now())
}

fn tell<'a>(
    sql: &dyn Sql,
    integration: i64,
    entries: impl Iterator<Item = Entry<'a>>,
    now: Timestamp,
) -> Result<(), Fault> {
    let entries: Vec<Entry<'_>> = entries.collect();
    if entries.is_empty() {
        return Ok(());
    }
    let forget_at = forget_at(sql, integration, now)?;
    let each = entries.into_iter().map(|entry| {
        let (kind, number) = match entry.by {
            By::Run(run) => (OF_RUN, run.0),
            By::Change(change) => (OF_CHANGE, change.0),
        };
        let told = Told { cause: entry.cause, steps: entry.steps.to_vec() };
        Ok(params![
            integration,
            entry.contact,
            kind,
            number,
            entry.part,
            Moment(now),
            entry.outcome.map(Stored),
            pack(&told)?,
            forget_at,
        ]
        .to_vec())
    });
    let each: Vec<_> = each.collect::<Result<_, Fault>>()?;
    sql.execute_each(
        "INSERT INTO stories (integration, contact, kind, number, part, at, outcome, told, forget_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (integration, contact, kind, number, part) DO UPDATE SET at = excluded.at,
             outcome = excluded.outcome, told = excluded.told, forget_at = excluded.forget_at",
        &each,
    )?;
    Ok(())
}

pub(super) fn chapters(
    sql: &dyn Sql,
    id: &IntegrationId,
    contact: &ContactId,
    limit: u32,
) -> Result<Vec<Chapter>, Fault> {
    let integration = integrations::number(sql, id)?;
    let rows = sql.query(
        "SELECT kind, number, at, outcome, told FROM stories WHERE integration = ?1 AND contact = ?2
         ORDER BY at DESC, part, number DESC LIMIT ?3",
        &params![integration, contact, limit],
    )?;
    rows.into_iter().map(chapter).collect()
}

fn chapter(mut row: Row) -> Result<Chapter, Fault> {
    let (kind, number): (String, i64) = (row.take()?, row.take()?);
    let by = if kind == OF_RUN { By::Run(RunId(number)) } else { By::Change(ChangeNumber(number)) };
    let Moment(at) = row.take()?;
    let outcome = row.take::<Option<Stored<ChangeOutcome>>>()?.map(|stored| stored.0);
    let Told { cause, steps } = unpack("told", &row.take::<Vec<u8>>()?)?;
    Ok(Chapter { by, at, outcome, cause, steps })
}

/// The steps of a story, as the column has them.
pub(super) fn steps(told: &[u8]) -> Result<Vec<Asked>, Fault> {
    Ok(unpack::<Told>("told", told)?.steps)
}

/// Deletes some of what was kept for long enough; whether there may be more.
pub(super) fn sweep(sql: &dyn Sql, now: Timestamp, at_once: u32) -> Result<bool, Fault> {
    let mut deleted = 0;
    for (table, key) in
        [("seen", "integration, contact"), ("stories", "integration, contact, kind, number, part")]
    {
        deleted += sql.execute(
            &format!(
                "DELETE FROM {table} WHERE ({key}) IN
                     (SELECT {key} FROM {table} WHERE forget_at <= ?1 LIMIT ?2 /*pg FOR UPDATE SKIP LOCKED */)"
            ),
            &params![Moment(now), at_once],
        )?;
    }
    Ok(deleted > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back_smaller() {
        let names: Vec<String> =
            (0..50).map(|number| format!("company.customertype.{}", number % 5)).collect();
        let packed = pack(&names).unwrap();
        assert!(packed.len() * 5 < serde_json::to_string(&names).unwrap().len(), "{}", packed.len());
        assert_eq!(unpack::<Vec<String>>("names", &packed).unwrap(), names);
        let fault = unpack::<Vec<String>>("names", b"?").unwrap_err();
        assert!(format!("{fault:?}").contains("names"), "{fault:?}");
    }
}

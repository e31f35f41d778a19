//! What a run came to, contact by contact. Runs whose details are dropped show none.

use std::collections::{BTreeMap, HashMap};

use super::values::{Count, Stored, list, to_json};
use super::{Param, Row, Sql, integrations, params, runs};
use crate::contact::{ContactId, Discard};
use crate::difference::Difference;
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::reason::Reason;
use crate::run::{Outcome, Run, RunContact, RunId};
use crate::store::fault::Fault;

pub(super) fn contacts(
    sql: &dyn Sql,
    run: RunId,
    outcome: Option<Outcome>,
    after: Option<&ContactId>,
    limit: u32,
) -> Result<Vec<RunContact>, Fault> {
    // A bound that may be absent would keep the engine from seeking in the key.
    let mut params = params![run, limit].to_vec();
    let mut bounds = String::new();
    if let Some(outcome) = outcome {
        params.push(Stored(outcome).into());
        bounds.push_str(&format!(" AND outcome = ?{}", params.len()));
    }
    if let Some(after) = after {
        params.push(after.into());
        bounds.push_str(&format!(" AND contact > ?{}", params.len()));
    }
    let rows = sql.query(
        &format!(
            "SELECT contact, outcome, reason FROM run_contacts
             WHERE run = (SELECT id FROM runs WHERE id = ?1 AND details_kept = 1){bounds}
             ORDER BY contact LIMIT ?2"
        ),
        &params,
    )?;
    rows.into_iter().map(from_row).collect()
}

fn from_row(mut row: Row) -> Result<RunContact, Fault> {
    Ok(RunContact {
        contact: row.take()?,
        outcome: row.take::<Option<Stored<Outcome>>>()?.map(|stored| stored.0),
        reason: row.some_json()?,
    })
}

/// What the run made of these contacts.
pub(super) fn of(
    sql: &dyn Sql,
    run: RunId,
    contacts: &[ContactId],
) -> Result<HashMap<ContactId, RunContact>, Fault> {
    let rows = sql.query(
        "SELECT contact, outcome, reason FROM run_contacts WHERE run = ?1 AND contact IN LIST(?2)",
        &[Param::from(run), list(contacts)],
    )?;
    rows.into_iter().map(|row| from_row(row).map(|found| (found.contact.clone(), found))).collect()
}

pub(super) fn note_difference(
    sql: &dyn Sql,
    fence: &Fence,
    id: RunId,
    contact: &ContactId,
    difference: &Difference,
) -> Result<(), Fault> {
    runs::active(sql, fence, id)?;
    sql.execute(
        "UPDATE run_contacts SET difference = ?3 WHERE run = ?1 AND contact = ?2",
        &params![id, contact, to_json(difference)?],
    )?;
    Ok(())
}

pub(super) fn differences(
    sql: &dyn Sql,
    run: RunId,
    after: Option<&ContactId>,
    limit: u32,
) -> Result<Vec<(RunContact, Difference)>, Fault> {
    let mut params = params![run, limit].to_vec();
    let mut bound = "";
    if let Some(after) = after {
        params.push(after.into());
        bound = " AND contact > ?3";
    }
    let rows = sql.query(
        &format!(
            "SELECT contact, outcome, reason, difference FROM run_contacts
             WHERE run = (SELECT id FROM runs WHERE id = ?1 AND details_kept = 1) AND difference IS NOT NULL{bound}
             ORDER BY contact LIMIT ?2"
        ),
        &params,
    )?;
    let read = |mut row: Row| {
        let of = RunContact {
            contact: row.take()?,
            outcome: row.take::<Option<Stored<Outcome>>>()?.map(|stored| stored.0),
            reason: row.some_json()?,
        };
        Ok((of, row.json()?))
    };
    rows.into_iter().map(read).collect()
}

pub(super) fn reasons(sql: &dyn Sql, run: RunId) -> Result<Vec<(Outcome, String, u64)>, Fault> {
    let rows = sql.query(
        "SELECT outcome, reason, count(*) FROM run_contacts
         WHERE run = (SELECT id FROM runs WHERE id = ?1 AND details_kept = 1)
         AND outcome IS NOT NULL AND reason IS NOT NULL GROUP BY outcome, reason",
        &params![run],
    )?;
    let mut by_code: BTreeMap<(&str, String), (Outcome, u64)> = BTreeMap::new();
    for mut row in rows {
        let Stored(outcome): Stored<Outcome> = row.take()?;
        let reason: Reason = row.json()?;
        let Count(times) = row.take()?;
        let key = (outcome.as_str(), reason.code.to_string());
        by_code.entry(key).or_insert((outcome, 0)).1 += times;
    }
    let mut reasons: Vec<_> =
        by_code.into_iter().map(|((_, code), (outcome, times))| (outcome, code, times)).collect();
    // Stable: equally frequent ones stay in the order of their words.
    reasons.sort_by_key(|(_, _, times)| std::cmp::Reverse(*times));
    Ok(reasons)
}

pub(super) fn discards(sql: &dyn Sql, run: RunId, limit: u32) -> Result<Vec<Discard>, Fault> {
    let rows = sql.query(
        "SELECT discard FROM discards
         WHERE run = (SELECT id FROM runs WHERE id = ?1 AND details_kept = 1) ORDER BY number LIMIT ?2",
        &params![run, limit],
    )?;
    rows.into_iter().map(|mut row| row.json()).collect()
}

/// The runs that read a contact, the newest first.
pub(super) fn of_contact(
    sql: &dyn Sql,
    integration: &IntegrationId,
    contact: &ContactId,
) -> Result<Vec<(Run, RunContact)>, Fault> {
    let number = integrations::number(sql, integration)?;
    let rows = sql.query(
        "SELECT run, contact, outcome, reason FROM run_contacts
         WHERE contact = ?2 AND run IN (SELECT id FROM runs WHERE integration = ?1 AND details_kept = 1)
         ORDER BY run DESC",
        &params![number, contact],
    )?;
    rows.into_iter().map(|mut row| Ok((runs::get(sql, row.take()?)?, from_row(row)?))).collect()
}

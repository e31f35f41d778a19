//! The ledger: the last known outcome of each contact of an integration.

use std::collections::HashMap;

use jiff::Timestamp;

use super::values::{Count, Moment, Stored, list, some_to_json};
use super::{Param, Row, Sql, integrations, members, params};
use crate::change::{Learnt, Written};
use crate::contact::ContactId;
use crate::integration::IntegrationId;
use crate::reason::Reason;
use crate::run::{LedgerEntry, Outcome, RunId};
use crate::store::fault::Fault;

/// What was learnt of a contact that is there.
pub(super) struct Entry<'a> {
    pub(super) contact: &'a ContactId,
    pub(super) outcome: Outcome,
    pub(super) reason: Option<&'a Reason>,
    /// What APSIS One has of it.
    pub(super) written: Kept<'a>,
    pub(super) modified_at: Option<Moment>,
}

/// What APSIS One has of a contact.
pub(super) enum Kept<'a> {
    /// What it had before.
    AsBefore,
    /// This intent, as JSON.
    Now(&'a str),
    /// No profile.
    Nothing,
}

pub(super) fn put<'a>(
    sql: &dyn Sql,
    integration: i64,
    run: Option<RunId>,
    entries: impl Iterator<Item = Entry<'a>>,
    now: Timestamp,
) -> Result<(), Fault> {
    let mut new = Vec::new();
    let each = entries.map(|entry| {
        if entry.outcome == Outcome::Created || matches!(entry.written, Kept::Nothing) {
            new.push(entry.contact);
        }
        Ok(params![
            integration,
            entry.contact,
            Stored(entry.outcome),
            some_to_json(entry.reason)?,
            match entry.written {
                Kept::Now(intent) => Some(intent),
                Kept::AsBefore | Kept::Nothing => None,
            },
            entry.modified_at,
            run,
            Moment(now),
            matches!(entry.written, Kept::AsBefore),
        ]
        .to_vec())
    });
    let each: Vec<_> = each.collect::<Result<_, Fault>>()?;
    sql.execute_each(
        "INSERT INTO ledger (integration, contact, outcome, reason, written, modified_at, run, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (integration, contact) DO UPDATE SET outcome = excluded.outcome,
             reason = excluded.reason,
             written = CASE WHEN ?9 = 1 THEN ledger.written ELSE excluded.written END,
             modified_at = excluded.modified_at, deleted_at = NULL, run = excluded.run, at = excluded.at",
        &each,
    )?;
    members::have_no_tags(sql, integration, new)
}

/// What the lane has learnt.
pub(super) fn learn<'a>(
    sql: &dyn Sql,
    integration: i64,
    learnt: impl Iterator<Item = (&'a ContactId, &'a Learnt)>,
    now: Timestamp,
) -> Result<(), Fault> {
    let mut new = Vec::new();
    let each = learnt.map(|(contact, learnt)| {
        if learnt.outcome == Outcome::Created || matches!(learnt.written, Written::Nothing) {
            new.push(contact);
        }
        let (keeps, written) = match &learnt.written {
            Written::AsBefore => (true, None),
            Written::Now(intent) => (false, Some(super::values::to_json(intent)?)),
            Written::Nothing => (false, None),
        };
        Ok(params![
            integration,
            contact,
            Stored(learnt.outcome),
            some_to_json(learnt.reason.as_ref())?,
            written,
            learnt.modified_at.map(Moment),
            learnt.deleted_at.map(Moment),
            Moment(now),
            keeps,
        ]
        .to_vec())
    });
    let each: Vec<_> = each.collect::<Result<_, Fault>>()?;
    sql.execute_each(
        "INSERT INTO ledger (integration, contact, outcome, reason, written, modified_at, deleted_at, run, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL, ?8)
         ON CONFLICT (integration, contact) DO UPDATE SET outcome = excluded.outcome,
             reason = excluded.reason,
             written = CASE WHEN ?9 = 1 THEN ledger.written ELSE excluded.written END,
             modified_at = CASE WHEN excluded.deleted_at IS NULL
                 THEN coalesce(excluded.modified_at, ledger.modified_at) END,
             deleted_at = excluded.deleted_at, run = NULL,
             at = excluded.at",
        &each,
    )?;
    members::have_no_tags(sql, integration, new)
}

/// How many profiles were written and are believed to be there.
pub(super) fn profiles(sql: &dyn Sql, integration: &IntegrationId) -> Result<u64, Fault> {
    let Count(count) = sql.value(
        "SELECT count(*) FROM ledger WHERE integration = ?1 AND written IS NOT NULL",
        &params![integrations::number(sql, integration)?],
    )?;
    Ok(count)
}

pub(super) fn get(
    sql: &dyn Sql,
    integration: &IntegrationId,
    contacts: &[ContactId],
) -> Result<HashMap<ContactId, LedgerEntry>, Fault> {
    of(sql, integrations::number(sql, integration)?, contacts)
}

pub(super) fn of(
    sql: &dyn Sql,
    integration: i64,
    contacts: &[ContactId],
) -> Result<HashMap<ContactId, LedgerEntry>, Fault> {
    let rows = sql.query(
        "SELECT contact, outcome, reason, written, modified_at, deleted_at, run, at FROM ledger
         WHERE integration = ?1 AND contact IN LIST(?2)",
        &[Param::from(integration), list(contacts)],
    )?;
    let read = |mut row: Row| {
        let contact: ContactId = row.take()?;
        let entry = LedgerEntry {
            contact: contact.clone(),
            outcome: row.take::<Stored<Outcome>>()?.0,
            reason: row.some_json()?,
            written: row.some_json()?,
            modified_at: row.take::<Option<Moment>>()?.map(|moment| moment.0),
            deleted_at: row.take::<Option<Moment>>()?.map(|moment| moment.0),
            run: row.take()?,
            at: row.take::<Moment>()?.0,
        };
        Ok((contact, entry))
    };
    rows.into_iter().map(read).collect()
}

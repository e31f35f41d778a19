//! The ledger: the last known outcome of each contact of an integration.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::Connection;

use super::fault::Fault;
use super::runs::Active;
use super::values::{Moment, Stored, some_from_json, some_to_json};
use crate::contact::ContactId;
use crate::integration::IntegrationId;
use crate::reason::Reason;
use crate::run::{LedgerEntry, Outcome, RunId};

/// What a run has learnt of a contact.
pub(super) struct Learnt<'a> {
    pub(super) outcome: Outcome,
    pub(super) reason: Option<&'a Reason>,
    /// The JSON of the intent that was written now; none leaves what was written before.
    pub(super) written: Option<&'a str>,
    pub(super) modified_at: Option<Moment>,
}

pub(super) fn put(
    sql: &Connection,
    run: &Active,
    contact: &ContactId,
    learnt: &Learnt<'_>,
    now: Timestamp,
) -> Result<(), Fault> {
    sql.prepare_cached(
        "INSERT INTO ledger (integration, contact, outcome, reason, written, modified_at, run, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (integration, contact) DO UPDATE SET outcome = excluded.outcome,
             reason = excluded.reason, written = coalesce(excluded.written, written),
             modified_at = excluded.modified_at, run = excluded.run, at = excluded.at",
    )?
    .execute((
        run.integration,
        &contact.0,
        Stored(learnt.outcome),
        some_to_json(learnt.reason)?,
        learnt.written,
        learnt.modified_at,
        run.id.0,
        Moment(now),
    ))?;
    Ok(())
}

pub(super) fn get(
    sql: &Connection,
    integration: &IntegrationId,
    contacts: &[ContactId],
) -> Result<HashMap<ContactId, LedgerEntry>, Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT outcome, reason, written, modified_at, run, at FROM ledger
         WHERE integration = (SELECT number FROM integrations WHERE id = ?1) AND contact = ?2",
    )?;
    let mut found = HashMap::with_capacity(contacts.len());
    for contact in contacts {
        let mut rows = statement.query((&integration.0, &contact.0))?;
        let Some(row) = rows.next()? else { continue };
        let entry = LedgerEntry {
            contact: contact.clone(),
            outcome: row.get::<_, Stored<Outcome>>(0)?.0,
            reason: some_from_json("reason", row.get(1)?)?,
            written: some_from_json("written", row.get(2)?)?,
            modified_at: row.get::<_, Option<Moment>>(3)?.map(|moment| moment.0),
            run: RunId(row.get(4)?),
            at: row.get::<_, Moment>(5)?.0,
        };
        found.insert(contact.clone(), entry);
    }
    Ok(found)
}

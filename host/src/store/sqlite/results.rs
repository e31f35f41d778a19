//! What a run came to, contact by contact. Runs whose details are dropped show none.

use rusqlite::Connection;

use super::fault::Fault;
use super::values::{Count, Stored, from_json, some_from_json};
use crate::contact::{ContactId, Discard};
use crate::run::{Outcome, RunContact, RunId};

pub(super) fn contacts(
    sql: &Connection,
    run: RunId,
    outcome: Option<Outcome>,
    after: Option<&ContactId>,
    limit: u32,
) -> Result<Vec<RunContact>, Fault> {
    // A bound that may be absent would keep SQLite from seeking in the key.
    let (of, from) =
        (outcome.map_or("?2 IS NULL", |_| "outcome = ?2"), after.map_or("?3 IS NULL", |_| "contact > ?3"));
    let mut statement = sql.prepare_cached(&format!(
        "SELECT contact, outcome, reason FROM run_contacts
         WHERE run = (SELECT id FROM runs WHERE id = ?1 AND details_kept) AND {of} AND {from}
         ORDER BY contact LIMIT ?4"
    ))?;
    let mut rows = statement.query((run.0, outcome.map(Stored), after.map(|id| &id.0), limit))?;
    let mut contacts = Vec::new();
    while let Some(row) = rows.next()? {
        contacts.push(RunContact {
            contact: ContactId(row.get(0)?),
            outcome: row.get::<_, Option<Stored<Outcome>>>(1)?.map(|stored| stored.0),
            reason: some_from_json("reason", row.get(2)?)?,
        });
    }
    Ok(contacts)
}

pub(super) fn reasons(sql: &Connection, run: RunId) -> Result<Vec<(Outcome, String, u64)>, Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT outcome, reason ->> '$.code' AS code, count(*) AS times FROM run_contacts
         WHERE run = (SELECT id FROM runs WHERE id = ?1 AND details_kept)
         AND outcome IS NOT NULL AND reason IS NOT NULL
         GROUP BY outcome, code ORDER BY times DESC, outcome, code",
    )?;
    let reasons = statement.query_map([run.0], |row| {
        Ok((row.get::<_, Stored<Outcome>>(0)?.0, row.get(1)?, row.get::<_, Count>(2)?.0))
    })?;
    Ok(reasons.collect::<Result<_, _>>()?)
}

pub(super) fn discards(sql: &Connection, run: RunId, limit: u32) -> Result<Vec<Discard>, Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT discard FROM discards
         WHERE run = (SELECT id FROM runs WHERE id = ?1 AND details_kept) ORDER BY number LIMIT ?2",
    )?;
    let mut rows = statement.query((run.0, limit))?;
    let mut discards = Vec::new();
    while let Some(row) = rows.next()? {
        discards.push(from_json("discard", &row.get::<_, String>(0)?)?);
    }
    Ok(discards)
}

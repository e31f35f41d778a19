//! Contacts that are forgotten: the mark that keeps them out, and the removal of all that is kept of them.
//!
//! What stays of a contact is a digest. Rows that others refer to (its changes and the deliveries that they came
//! from) stay too, emptied.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::values::{Moment, Stored, some_to_json, to_json};
use super::{Param, Row, Sql, changes, integrations, leases, members, params};
use crate::brake::Held;
use crate::change::{Cause, Change, DeliveryNumber};
use crate::contact::{Channel, ContactId};
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::profile::{Answer, WantedConsent};
use crate::store::fault::Fault;
use crate::story::{Erased, Tombstone, forgotten, mark};

/// Tables that may have held something of a contact, for the database to clean.
pub(super) const TABLES: &[&str] = &[
    "ledger",
    "seen",
    "stories",
    "run_contacts",
    "stage",
    "batches",
    "changes",
    "deliveries",
    "newcomers",
    "lane_attempts",
    "lane_effects",
    "addresses",
    "moves",
    "opt_outs",
    "doubts",
    "waiting",
    "overview_members",
    "overview_imports",
    "forgotten",
    "runs",
    "lanes",
];

fn digest(salt: &str, contact: &ContactId) -> String {
    hex::encode(Sha256::new().chain_update(salt).chain_update(&contact.0).finalize())
}

fn salt(sql: &dyn Sql, integration: i64) -> Result<Option<String>, Fault> {
    sql.value("SELECT salt FROM lanes WHERE integration = ?1", &params![integration])
}

pub(super) fn of(
    sql: &dyn Sql,
    id: &IntegrationId,
    contacts: &[ContactId],
) -> Result<HashMap<ContactId, Tombstone>, Fault> {
    let integration = integrations::number(sql, id)?;
    // Without it nobody was ever forgotten.
    let Some(salt) = salt(sql, integration)? else { return Ok(HashMap::new()) };
    let digests: HashMap<String, &ContactId> =
        contacts.iter().map(|contact| (digest(&salt, contact), contact)).collect();
    let rows = sql.query(
        "SELECT digest, at, erased, purged, failure FROM forgotten WHERE integration = ?1 AND digest IN LIST(?2)",
        &[Param::from(integration), Param::List(digests.keys().map(String::as_str).collect())],
    )?;
    let mut found = HashMap::new();
    for mut row in rows {
        let tombstone = Tombstone {
            digest: row.take()?,
            at: row.take::<Moment>()?.0,
            erased: row.some_json()?,
            purged: row.take()?,
            failure: row.some_json()?,
        };
        if let Some(contact) = digests.get(&tombstone.digest) {
            found.insert((*contact).clone(), tombstone);
        }
    }
    Ok(found)
}

/// `fresh`: the salt, should there be none yet.
pub(super) fn ask(sql: &dyn Sql, id: &IntegrationId, contact: &ContactId, fresh: &str) -> Result<(), Fault> {
    let integration = integrations::lock(sql, id)?;
    integrations::refuse_active(sql, id, integration)?;
    sql.execute(
        "UPDATE lanes SET salt = coalesce(salt, ?2) WHERE integration = ?1",
        &params![integration, fresh],
    )?;
    let salt = salt(sql, integration)?.unwrap_or_default();
    sql.execute(
        "INSERT INTO forgotten (integration, digest, at, contact) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (integration, digest) DO UPDATE SET at = excluded.at, contact = excluded.contact,
             erased = NULL, purged = 0, failure = NULL",
        &params![integration, digest(&salt, contact), Moment(Timestamp::now()), contact],
    )?;
    sql.notify(id)
}

pub(super) fn to_do(sql: &dyn Sql, id: &IntegrationId) -> Result<(Vec<ContactId>, bool), Fault> {
    let integration = integrations::number(sql, id)?;
    let rows = sql.query(
        "SELECT contact FROM forgotten WHERE integration = ?1 AND purged = 0",
        &params![integration],
    )?;
    let all = rows.into_iter().map(|mut row| row.take()).collect::<Result<Vec<Option<ContactId>>, _>>()?;
    let to_purge = all.contains(&None);
    Ok((all.into_iter().flatten().collect(), to_purge))
}

pub(super) fn erase(sql: &dyn Sql, fence: &Fence, contact: &ContactId, profile: bool) -> Result<(), Fault> {
    let integration = leases::hold(sql, fence)?;
    let now = Moment(Timestamp::now());
    let open = end_open(sql, integration, contact)?;
    changes::end_deliveries(sql, integration, &open.deliveries, now)?;
    let mut deliveries = own_deliveries(sql, integration, contact, "")?;
    let ended = sql.execute(
        "UPDATE changes SET contact = NULL, change = NULL, steps = NULL WHERE integration = ?1 AND contact = ?2",
        &params![integration, contact],
    )?;
    let changes = open.changes + ended;
    empty(sql, &deliveries)?;
    deliveries.extend(open.deliveries);
    let of_it = params![integration, contact];
    let delete = |table: &str| {
        sql.execute(&format!("DELETE FROM {table} WHERE integration = ?1 AND contact = ?2"), &of_it)
    };
    let of_runs = "run IN (SELECT id FROM runs WHERE integration = ?1)";
    let delete_of_runs =
        |table: &str| sql.execute(&format!("DELETE FROM {table} WHERE contact = ?2 AND {of_runs}"), &of_it);
    keep_refusals(sql, integration, contact)?;
    let addresses = delete("addresses")? + delete("moves")? + delete("opt_outs")?;
    // What is waited with, or was, names some contacts.
    sql.execute(
        "UPDATE runs SET hold = NULL WHERE integration = ?1 AND ended_at IS NOT NULL AND hold IS NOT NULL",
        &params![integration],
    )?;
    let held: Option<Held> = sql
        .query_one("SELECT hold FROM lanes WHERE integration = ?1", &params![integration])?
        .map_or(Ok(None), |mut row| row.some_json())?;
    if let Some(mut held) = held {
        held.would.samples.retain(|(sample, _)| sample != contact);
        sql.execute(
            "UPDATE lanes SET hold = ?2 WHERE integration = ?1",
            &params![integration, to_json(&held)?],
        )?;
    }
    let erased = Erased {
        profile,
        ledger: delete("ledger")?,
        seen: delete("seen")?,
        stories: delete("stories")?,
        addresses,
        results: delete_of_runs("run_contacts")?,
        writes: delete_of_runs("stage")?
            + delete("lane_attempts")?
            + delete("lane_effects")?
            + delete("doubts")?,
        changes,
        deliveries: deliveries.len() as u64,
        waiting: delete("newcomers")? + delete("waiting")? + open.waiting,
        overviews: members::erase(sql, integration, contact)?,
        undecoded: sql
            .value::<super::values::Count>(
                "SELECT count(*) FROM deliveries WHERE integration = ?1 AND decoded = 0 AND length(body) > 0",
                &params![integration],
            )?
            .0,
    };
    for end in ["first", "last"] {
        sql.execute(&format!("UPDATE batches SET {end} = '' WHERE {end} = ?2 AND {of_runs}"), &of_it)?;
    }
    // Where a daily run was is a contact's id.
    sql.execute(
        "UPDATE runs SET cursor = NULL WHERE integration = ?1 AND ended_at IS NOT NULL AND cursor IS NOT NULL",
        &params![integration],
    )?;
    sql.execute(
        "UPDATE forgotten SET contact = NULL, erased = ?3 WHERE integration = ?1 AND contact = ?2",
        &params![integration, contact, to_json(&erased)?],
    )?;
    Ok(())
}

/// What the contact refuses for its addresses stays, under its mark: a no is a no for whoever else has the address. Kept are
/// the digest of the address and the subscriptions.
fn keep_refusals(sql: &dyn Sql, integration: i64, contact: &ContactId) -> Result<(), Fault> {
    let Some(salt) = salt(sql, integration)? else { return Ok(()) };
    let mark = mark(&digest(&salt, contact));
    let rows = sql.query(
        "SELECT channel, address, answers FROM addresses
         WHERE integration = ?1 AND scope = 0 AND contact = ?2 AND address <> ''",
        &params![integration, contact],
    )?;
    for mut row in rows {
        let (channel, address): (Stored<Channel>, String) = (row.take()?, row.take()?);
        let mut answers: Vec<WantedConsent> = row.json()?;
        answers.retain(|one| matches!(one.answer, Answer::Refused(_)));
        if !answers.is_empty() {
            sql.execute(
                "INSERT INTO addresses (integration, scope, contact, channel, address, answers)
                 VALUES (?1, 0, ?2, ?3, ?4, ?5)
                 ON CONFLICT (integration, scope, contact, channel) DO UPDATE SET address = excluded.address,
                     answers = excluded.answers",
                &params![integration, &mark, channel, address, to_json(&answers)?],
            )?;
        }
    }
    Ok(())
}

/// What was open of a contact.
pub(super) struct Open {
    /// The deliveries of its changes, emptied, and to be ended.
    pub(super) deliveries: BTreeSet<DeliveryNumber>,
    changes: u64,
    waiting: u64,
}

/// Ends the open changes of a contact that was forgotten.
pub(super) fn end_open(sql: &dyn Sql, integration: i64, contact: &ContactId) -> Result<Open, Fault> {
    let own = own_deliveries(sql, integration, contact, " AND outcome IS NULL")?;
    let ended = sql.query(
        "UPDATE changes SET contact = NULL, change = NULL, outcome = 'excluded', cause = ?3, ended_at = ?4
         WHERE integration = ?1 AND contact = ?2 AND outcome IS NULL RETURNING delivery",
        &params![integration, contact, to_json(&Cause::from(forgotten()))?, Moment(Timestamp::now())],
    )?;
    let changes = ended.len() as u64;
    let deliveries = numbers(ended)?;
    empty(sql, &own)?;
    let waiting = sql.execute(
        "DELETE FROM waiting WHERE integration = ?1 AND contact = ?2",
        &params![integration, contact],
    )?;
    Ok(Open { deliveries, changes, waiting })
}

/// The deliveries that are about a contact. Not those that only had it looked at again because of what another one, who
/// has the same address, says in them.
fn own_deliveries(
    sql: &dyn Sql,
    integration: i64,
    contact: &ContactId,
    more: &str,
) -> Result<BTreeSet<DeliveryNumber>, Fault> {
    numbers(sql.query(
        &format!("SELECT delivery FROM changes WHERE integration = ?1 AND contact = ?2 AND kind <> ?3{more}"),
        &params![integration, contact, Change::Shared(contact.clone()).kind()],
    )?)
}

fn numbers(rows: Vec<Row>) -> Result<BTreeSet<DeliveryNumber>, Fault> {
    rows.into_iter().map(|mut row| row.take()).collect()
}

/// Takes what came out of deliveries. They are no dead letters any more: there is nothing to replay.
fn empty(sql: &dyn Sql, deliveries: &BTreeSet<DeliveryNumber>) -> Result<(), Fault> {
    let cause = Cause::from(forgotten());
    let json = to_json(&cause)?;
    let nothing: &[u8] = &[];
    let each: Vec<_> = deliveries
        .iter()
        .map(|number| params![*number, nothing, json.as_str(), cause.code.as_str()].to_vec())
        .collect();
    sql.execute_each(
        "UPDATE deliveries SET headers = '[]', query = '', body = ?2, dead = 0, cause = ?3, cause_code = ?4
         WHERE number = ?1",
        &each,
    )?;
    Ok(())
}

pub(super) fn put_failure(sql: &dyn Sql, fence: &Fence, cause: &Cause) -> Result<(), Fault> {
    let integration = leases::hold(sql, fence)?;
    sql.execute(
        "UPDATE forgotten SET failure = ?2 WHERE integration = ?1 AND purged = 0",
        &params![integration, some_to_json(Some(cause))?],
    )?;
    Ok(())
}

pub(super) fn purged(sql: &dyn Sql, fence: &Fence) -> Result<(), Fault> {
    let integration = leases::hold(sql, fence)?;
    sql.execute(
        "UPDATE forgotten SET purged = 1, failure = NULL
         WHERE integration = ?1 AND purged = 0 AND contact IS NULL",
        &params![integration],
    )?;
    Ok(())
}

pub(super) fn readmit(sql: &dyn Sql, id: &IntegrationId, contact: &ContactId) -> Result<bool, Fault> {
    let integration = integrations::lock(sql, id)?;
    integrations::refuse_active(sql, id, integration)?;
    let Some(salt) = salt(sql, integration)? else { return Ok(false) };
    let deleted = sql.execute(
        "DELETE FROM forgotten WHERE integration = ?1 AND digest = ?2",
        &params![integration, digest(&salt, contact)],
    )?;
    sql.execute(
        "DELETE FROM addresses WHERE integration = ?1 AND contact = ?2",
        &params![integration, &mark(&digest(&salt, contact))],
    )?;
    Ok(deleted > 0)
}

//! The components of connectors, and which integrations use which.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::values::{Moment, Stored};
use super::{Sql, integrations, params};
use crate::contact::ContactId;
use crate::integration::{Integration, IntegrationId};
use crate::run::Outcome;
use crate::store::fault::Fault;
use crate::store::{ComponentRecord, StoreError};

pub(super) fn put(sql: &dyn Sql, name: &str, component: &[u8]) -> Result<(), Fault> {
    // What is kept may be damaged, and is made good then.
    sql.execute(
        "INSERT INTO components (name, component, added_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET component = excluded.component",
        &params![name, component, Moment(Timestamp::now())],
    )?;
    Ok(())
}

pub(super) fn get(sql: &dyn Sql, name: &str) -> Result<Option<Vec<u8>>, Fault> {
    let row = sql.query_one("SELECT component FROM components WHERE name = ?1", &params![name])?;
    row.map(|mut row| row.take()).transpose()
}

pub(super) fn names(sql: &dyn Sql) -> Result<Vec<String>, Fault> {
    let rows = sql.query("SELECT name FROM components ORDER BY name", &[])?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

pub(super) fn all(sql: &dyn Sql) -> Result<Vec<ComponentRecord>, Fault> {
    let uses = uses(sql)?;
    let those = |wanted: &dyn Fn(&Use) -> bool| {
        uses.iter().filter(|one| wanted(one)).map(|one| one.id.clone()).collect()
    };
    let record = |mut row: super::Row| {
        let (name, added_at): (String, Option<Moment>) = (row.take()?, row.take()?);
        Ok(ComponentRecord {
            added_at: added_at.map(|moment| moment.0),
            used_by: those(&|one| one.now == name),
            returned_to_by: those(&|one| one.before.as_ref() == Some(&name)),
            name,
        })
    };
    let rows = sql.query("SELECT name, added_at FROM components ORDER BY name", &[])?;
    rows.into_iter().map(record).collect()
}

/// Which components an integration uses.
struct Use {
    id: IntegrationId,
    now: String,
    before: Option<String>,
}

fn uses(sql: &dyn Sql) -> Result<Vec<Use>, Fault> {
    let rows = sql.query("SELECT definition, connector_before FROM integrations ORDER BY id", &[])?;
    let read = |mut row: super::Row| {
        let integration: Integration = row.json()?;
        Ok(Use { id: integration.id, now: integration.connector, before: row.take()? })
    };
    rows.into_iter().map(read).collect()
}

/// Keeps a component from being taken away until the transaction has ended; whether it is there.
pub(super) fn hold(sql: &dyn Sql, name: &str) -> Result<bool, Fault> {
    let row =
        sql.query_one("SELECT name FROM components WHERE name = ?1 /*pg FOR KEY SHARE */", &params![name])?;
    Ok(row.is_some())
}

pub(super) fn remove(sql: &dyn Sql, name: &str) -> Result<(), Fault> {
    // First, so that whoever is about to use it is waited for, or finds it gone.
    if sql.execute("DELETE FROM components WHERE name = ?1", &params![name])? == 0 {
        return Err(StoreError::NoComponent(name.to_owned()).into());
    }
    let of_integrations = uses(sql)?.into_iter();
    let of_integrations = of_integrations
        .filter(|one| one.now == name || one.before.as_deref() == Some(name))
        .map(|one| one.id);
    let tried = sql.query("SELECT trial FROM runs WHERE ended_at IS NULL AND trial IS NOT NULL", &[])?;
    let tried = tried.into_iter().map(|mut row| row.json::<Integration>()).collect::<Result<Vec<_>, _>>()?;
    let tried = tried.into_iter().filter(|trial| trial.connector == name).map(|trial| trial.id);
    let users: BTreeSet<IntegrationId> = of_integrations.chain(tried).collect();
    if users.is_empty() {
        return Ok(());
    }
    let integrations = users.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Err(StoreError::ComponentInUse { name: name.to_owned(), integrations }.into())
}

pub(super) fn sample(sql: &dyn Sql, id: &IntegrationId, size: u32) -> Result<Vec<ContactId>, Fault> {
    let rows = sql.query(
        "SELECT contact FROM (
             SELECT contact, row_number() OVER (ORDER BY contact) AS place, count(*) OVER () AS total
             FROM ledger WHERE integration = ?1 AND outcome <> ?3) AS known
         WHERE (place * ?2) / total > ((place - 1) * ?2) / total ORDER BY contact",
        &params![integrations::number(sql, id)?, size, Stored(Outcome::Deleted)],
    )?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

//! Integrations: their definition, what is set beside it, and the number by which the other tables know them.

use jiff::Timestamp;

use super::leftovers::{self, Part};
use super::values::{Moment, to_json};
use super::{Sql, components, leases, needs, params};
use crate::hosting::Fence;
use crate::integration::{Integration, IntegrationId, needs_full_sync};
use crate::lane::Standing;
use crate::need::{NeedCode, NewNeed};
use crate::run::RunId;
use crate::store::fault::Fault;
use crate::store::{Expected, StoreError, Switch};

/// `key`: the one to begin with, should the integration be new.
pub(super) fn put(
    sql: &dyn Sql,
    integration: &Integration,
    key: &str,
    expected: Expected,
) -> Result<i64, Fault> {
    let id = &integration.id;
    components::hold(sql, &integration.connector)?;
    let mut replaced = None;
    let needs = match lock(sql, id) {
        Ok(known) => {
            refuse_active(sql, id, known)?;
            refuse_changed(sql, id, known, expected)?;
            let before = get(sql, id)?;
            replaced = before.as_ref().map(|before| before.connector.clone());
            before.map_or_else(Vec::new, |before| needs_full_sync(&before, integration))
        }
        Err(Fault::Refused(StoreError::NoIntegration(_))) if matches!(expected, Expected::Revision(_)) => {
            return Err(StoreError::Changed { integration: id.clone(), revision: 0 }.into());
        }
        Err(Fault::Refused(StoreError::NoIntegration(_))) => vec![NewNeed::of(NeedCode::NeverSynced)],
        Err(fault) => return Err(fault),
    };
    let row = sql.query_one(
        "INSERT INTO integrations (id, definition) VALUES (?1, ?2)
         ON CONFLICT (id) DO UPDATE SET definition = excluded.definition, retiring = 0,
             revision = integrations.revision + 1
         RETURNING number, revision",
        &params![id, to_json(integration)?],
    )?;
    let Some(mut row) = row else { return Err(Fault::Content("an integration was not stored".to_owned())) };
    let (number, revision): (i64, i64) = (row.take()?, row.take()?);
    sql.execute("INSERT INTO leases (integration) VALUES (?1) ON CONFLICT DO NOTHING", &params![number])?;
    sql.execute(
        "INSERT INTO webhooks (integration, key) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        &params![number, key],
    )?;
    // What the lane waits for may be mended: it looks at once.
    sql.execute(
        "INSERT INTO lanes (integration, daily_done, keep_for, story_for) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (integration) DO UPDATE SET keep_for = excluded.keep_for, story_for = excluded.story_for,
             pause = NULL, hold = NULL",
        &params![
            number,
            Moment(Timestamp::now()),
            i64::from(integration.real_time.keep_days) * DAY,
            i64::from(integration.story.keep_days) * DAY,
        ],
    )?;
    if let Some(before) = replaced.filter(|before| *before != integration.connector) {
        sql.execute(
            "UPDATE integrations SET connector_before = ?2 WHERE number = ?1",
            &params![number, before.as_str()],
        )?;
    }
    for need in needs {
        needs::add(sql, number, &need, Moment(Timestamp::now()))?;
    }
    sql.notify(id)?;
    Ok(revision)
}

/// Has an integration use another version of its connector, also while a run is active: that goes on with it.
pub(super) fn switch(sql: &dyn Sql, id: &IntegrationId, switch: &Switch) -> Result<i64, Fault> {
    if !components::hold(sql, &switch.to)? {
        return Err(StoreError::NoComponent(switch.to.clone()).into());
    }
    let number = lock(sql, id)?;
    refuse_retiring(sql, id, number)?;
    refuse_changed(sql, id, number, Expected::Revision(switch.revision))?;
    let Some(before) = get(sql, id)? else { return Err(StoreError::NoIntegration(id.clone()).into()) };
    let after = Integration { connector: switch.to.clone(), ..before.clone() };
    let return_to = switch.may_return.then_some(before.connector.as_str());
    let revision = sql.value(
        "UPDATE integrations SET definition = ?2, connector_before = ?3, revision = revision + 1
         WHERE number = ?1 RETURNING revision",
        &params![number, to_json(&after)?, return_to],
    )?;
    // What the lane waits for may be mended, unless it waits for somebody to approve.
    sql.execute("UPDATE lanes SET pause = NULL WHERE integration = ?1 AND hold IS NULL", &params![number])?;
    if let Some(need) = &switch.need {
        needs::add(sql, number, need, Moment(Timestamp::now()))?;
    }
    sql.notify(id)?;
    Ok(revision)
}

/// Refuses if the integration is of another revision, and keeps it from becoming so until the transaction has ended.
pub(super) fn refuse_other(sql: &dyn Sql, id: &IntegrationId, revision: i64) -> Result<(), Fault> {
    let number = lock(sql, id)?;
    refuse_changed(sql, id, number, Expected::Revision(revision))
}

/// Refuses if the integration is not what whoever changes it believes.
fn refuse_changed(sql: &dyn Sql, id: &IntegrationId, number: i64, expected: Expected) -> Result<(), Fault> {
    let revision = sql.value("SELECT revision FROM integrations WHERE number = ?1", &params![number])?;
    match expected {
        Expected::Anything => Ok(()),
        Expected::Revision(known) if known == revision => Ok(()),
        Expected::Revision(_) | Expected::Absent => {
            Err(StoreError::Changed { integration: id.clone(), revision }.into())
        }
    }
}

/// Microseconds.
const DAY: i64 = 86_400_000_000;

pub(super) fn get(sql: &dyn Sql, id: &IntegrationId) -> Result<Option<Integration>, Fault> {
    let row = sql.query_one("SELECT definition FROM integrations WHERE id = ?1", &params![id])?;
    row.map(|mut row| row.json()).transpose()
}

pub(super) fn standing(sql: &dyn Sql, id: &IntegrationId) -> Result<Option<Standing>, Fault> {
    let row = sql.query_one(
        "SELECT definition, revision, enabled, retiring, connector_before, key, previous_key, previous_until
         FROM integrations JOIN webhooks ON webhooks.integration = integrations.number WHERE id = ?1",
        &params![id],
    )?;
    let Some(mut row) = row else { return Ok(None) };
    Ok(Some(Standing {
        integration: row.json()?,
        revision: row.take()?,
        enabled: row.take()?,
        retiring: row.take()?,
        connector_before: row.take()?,
        key: row.take()?,
        previous_key: match (row.take::<Option<String>>()?, row.take::<Option<Moment>>()?) {
            (Some(key), Some(until)) => Some((key, until.0)),
            _ => None,
        },
    }))
}

pub(super) fn all(sql: &dyn Sql) -> Result<Vec<Integration>, Fault> {
    let rows = sql.query("SELECT definition FROM integrations ORDER BY id", &[])?;
    rows.into_iter().map(|mut row| row.json()).collect()
}

/// The number of an integration that there is.
pub(super) fn number(sql: &dyn Sql, id: &IntegrationId) -> Result<i64, Fault> {
    match sql.query_one("SELECT number FROM integrations WHERE id = ?1", &params![id])? {
        Some(mut row) => row.take(),
        None => Err(StoreError::NoIntegration(id.clone()).into()),
    }
}

/// As `number`, and nobody else changes its lane or runs until the transaction has ended.
pub(super) fn lock(sql: &dyn Sql, id: &IntegrationId) -> Result<i64, Fault> {
    let row = sql.query_one(
        "SELECT integrations.number FROM integrations JOIN leases ON leases.integration = integrations.number
         WHERE id = ?1 /*pg FOR NO KEY UPDATE OF leases */",
        &params![id],
    )?;
    match row {
        Some(mut row) => row.take(),
        None => Err(StoreError::NoIntegration(id.clone()).into()),
    }
}

/// The run that keeps the integration's gate closed, if any.
pub(super) fn gate(sql: &dyn Sql, number: i64) -> Result<Option<RunId>, Fault> {
    let row =
        sql.query_one("SELECT id FROM runs WHERE integration = ?1 AND ended_at IS NULL", &params![number])?;
    row.map(|mut row| row.take()).transpose()
}

/// Refuses if the integration has an active run.
pub(super) fn refuse_active(sql: &dyn Sql, id: &IntegrationId, number: i64) -> Result<(), Fault> {
    match gate(sql, number)? {
        Some(run) => Err(StoreError::RunActive { integration: id.clone(), run }.into()),
        None => Ok(()),
    }
}

/// Refuses if the integration is on its way out.
pub(super) fn refuse_retiring(sql: &dyn Sql, id: &IntegrationId, number: i64) -> Result<(), Fault> {
    match is_retiring(sql, number)? {
        true => Err(StoreError::NoIntegration(id.clone()).into()),
        false => Ok(()),
    }
}

fn is_retiring(sql: &dyn Sql, number: i64) -> Result<bool, Fault> {
    sql.value("SELECT retiring FROM integrations WHERE number = ?1", &params![number])
}

/// Deletes the integration if it still is to be, and this host still holds it; whether it did.
pub(super) fn delete_retiring(sql: &dyn Sql, fence: &Fence) -> Result<bool, Fault> {
    let number = leases::hold(sql, fence)?;
    if !is_retiring(sql, number)? {
        return Ok(false);
    }
    delete(sql, &fence.integration)?;
    Ok(true)
}

pub(super) fn set_enabled(sql: &dyn Sql, id: &IntegrationId, enabled: bool) -> Result<(), Fault> {
    let number = lock(sql, id)?;
    sql.execute(
        "UPDATE integrations SET enabled = ?2, revision = revision + 1 WHERE number = ?1 AND enabled <> ?2",
        &params![number, enabled],
    )?;
    sql.notify(id)
}

pub(super) fn retire(sql: &dyn Sql, id: &IntegrationId) -> Result<(), Fault> {
    let number = lock(sql, id)?;
    refuse_active(sql, id, number)?;
    sql.execute(
        "UPDATE integrations SET retiring = 1, revision = revision + 1 WHERE number = ?1",
        &params![number],
    )?;
    sql.notify(id)
}

pub(super) fn rotate_key(
    sql: &dyn Sql,
    id: &IntegrationId,
    key: &str,
    until: Timestamp,
) -> Result<(), Fault> {
    let number = lock(sql, id)?;
    sql.execute(
        "UPDATE webhooks SET previous_key = key, previous_until = ?3, key = ?2 WHERE integration = ?1",
        &params![number, key, Moment(until)],
    )?;
    sql.execute("UPDATE integrations SET revision = revision + 1 WHERE number = ?1", &params![number])?;
    sql.notify(id)
}

pub(super) fn delete(sql: &dyn Sql, id: &IntegrationId) -> Result<(), Fault> {
    let number = lock(sql, id)?;
    refuse_active(sql, id, number)?;
    for mut row in sql.query("SELECT id FROM runs WHERE integration = ?1", &params![number])? {
        let run = row.take()?;
        for part in Part::OF_RUN {
            leftovers::add(sql, part, run)?;
        }
    }
    for part in Part::OF_INTEGRATION {
        leftovers::add(sql, part, number)?;
    }
    for table in [
        "runs",
        "webhooks",
        "lanes",
        "needs",
        "leases",
        "forgotten",
        "secrets",
        "overviews",
        "overview_imports",
        "alerts",
    ] {
        sql.execute(&format!("DELETE FROM {table} WHERE integration = ?1"), &params![number])?;
    }
    sql.execute("DELETE FROM integrations WHERE number = ?1", &params![number])?;
    sql.notify(id)
}

//! The lane: which contacts are to be taken, what is about to be written for them, and what they came to.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use super::values::{Moment, Stored, list, some_to_json, to_json};
use super::{
    Param, Row, Sql, brakes, changes, forgetting, integrations, leases, ledger, params, seen, stage,
};
use crate::brake::Effect;
use crate::change::{
    Cause, ChangeNumber, ChangeOutcome, ContactEnd, DeliveryNumber, LaneEnd, OpenChange, Taken, Waiting,
    Written,
};
use crate::contact::{Contact, ContactId};
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::lane::{LaneRecord, Pause};
use crate::profile::Intent;
use crate::run::{Outcome, Phase, RunKind, Source};
use crate::store::fault::Fault;
use crate::store::{Newcomer, StoreError};

/// Open changes of one contact that are handed out at once.
const CHANGES: u32 = 500;

pub(super) fn take(
    sql: &dyn Sql,
    id: &IntegrationId,
    now: Timestamp,
    busy: &[ContactId],
    limit: u32,
) -> Result<Taken, Fault> {
    let integration = integrations::number(sql, id)?;
    if let Some(run) = integrations::gate(sql, integration)? {
        return Ok(Taken::Closed(run));
    }
    let busy: HashSet<&ContactId> = busy.iter().collect();
    let reach = limit.saturating_add(u32::try_from(busy.len()).unwrap_or(u32::MAX));
    let places = usize::try_from(limit).unwrap_or(usize::MAX);
    let later = sql.query(
        "SELECT contact, attempts, existed FROM waiting WHERE integration = ?1 AND due > 0 AND due <= ?2
         ORDER BY due, since LIMIT ?3",
        &params![integration, Moment(now), reach],
    )?;
    let fresh = sql.query(
        "SELECT contact, attempts, existed FROM waiting WHERE integration = ?1 AND due = 0
         ORDER BY since LIMIT ?2",
        &params![integration, reach],
    )?;
    let read = |mut row: Row| Ok((row.take::<ContactId>()?, row.take::<u32>()?, row.take::<Option<bool>>()?));
    let free = |rows: Vec<Row>, places: usize| -> Result<Vec<_>, Fault> {
        let all = rows.into_iter().map(read).filter(|row| match row {
            Ok((contact, ..)) => !busy.contains(contact),
            Err(_) => true,
        });
        all.take(places).collect()
    };
    let (mut later, fresh) = (free(later, places)?, free(fresh, places)?);
    // Those that wait for another attempt may take half of the places, so that they do not keep back what is new;
    // and of one place none, so that a lane is not tried again and again with what fails by itself.
    later.truncate((places / 2).max(places.saturating_sub(fresh.len())));
    let mut contacts = later;
    let left = places.saturating_sub(contacts.len());
    contacts.extend(fresh.into_iter().take(left));

    let each: Vec<_> =
        contacts.iter().map(|(contact, ..)| params![integration, contact, CHANGES].to_vec()).collect();
    let open = sql.query_each(
        "SELECT number, arrived_at, change FROM changes
         WHERE integration = ?1 AND contact = ?2 AND outcome IS NULL ORDER BY number LIMIT ?3",
        &each,
    )?;
    let ids: Vec<ContactId> = contacts.iter().map(|(contact, ..)| contact.clone()).collect();
    let mut entries = ledger::of(sql, integration, &ids)?;
    let mut attempted = stage::attempted(sql, integration, &ids)?;
    let mut kept = kept(sql, integration, &ids)?;
    let mut taken = Vec::with_capacity(contacts.len());
    for ((contact, attempts, existed), open) in contacts.into_iter().zip(open) {
        let change = |mut row: Row| {
            Ok(OpenChange { number: row.take()?, arrived_at: row.take::<Moment>()?.0, change: row.json()? })
        };
        taken.push(Waiting {
            changes: open.into_iter().map(change).collect::<Result<_, Fault>>()?,
            attempts,
            existed,
            entry: entries.remove(&contact),
            attempted: attempted.remove(&contact).unwrap_or_default(),
            kept: kept.remove(&contact),
            contact,
        });
    }
    Ok(Taken::Contacts(taken))
}

/// The states in which contacts wait for the daily run.
fn kept(
    sql: &dyn Sql,
    integration: i64,
    contacts: &[ContactId],
) -> Result<HashMap<ContactId, Contact>, Fault> {
    let rows = sql.query(
        "SELECT contact, state FROM newcomers
         WHERE integration = ?1 AND contact IN LIST(?2) AND state IS NOT NULL",
        &[Param::from(integration), list(contacts)],
    )?;
    rows.into_iter().map(|mut row| Ok((row.take()?, row.json()?))).collect()
}

pub(super) fn begin_writes(
    sql: &dyn Sql,
    fence: &Fence,
    intents: &[Intent],
    effects: &[(ContactId, Effect)],
) -> Result<(), Fault> {
    let integration = leases::hold(sql, fence)?;
    if let Some(run) = integrations::gate(sql, integration)? {
        return Err(StoreError::GateClosed { integration: fence.integration.clone(), run }.into());
    }
    let each = intents.iter().map(|intent| Ok(params![integration, &intent.key, to_json(intent)?].to_vec()));
    let each: Vec<_> = each.collect::<Result<_, Fault>>()?;
    sql.execute_each(
        "INSERT INTO lane_attempts (integration, contact, intent) SELECT ?1, ?2, ?3
         WHERE NOT EXISTS (SELECT 1 FROM lane_attempts WHERE integration = ?1 AND contact = ?2 AND intent = ?3)",
        &each,
    )?;
    brakes::note_effects(sql, integration, effects, Timestamp::now())
}

pub(super) fn note_absent(sql: &dyn Sql, fence: &Fence, contact: &ContactId) -> Result<(), Fault> {
    let integration = leases::hold(sql, fence)?;
    sql.execute(
        "UPDATE waiting SET existed = 0 WHERE integration = ?1 AND contact = ?2 AND existed IS NULL",
        &params![integration, contact],
    )?;
    Ok(())
}

/// What the lane may have written for contacts: contact and intent.
pub(super) fn attempts(sql: &dyn Sql, integration: i64, contacts: &[ContactId]) -> Result<Vec<Row>, Fault> {
    sql.query(
        "SELECT contact, intent FROM lane_attempts WHERE integration = ?1 AND contact IN LIST(?2) ORDER BY number",
        &[Param::from(integration), list(contacts)],
    )
}

pub(super) fn forget_attempts<'a>(
    sql: &dyn Sql,
    integration: i64,
    contacts: impl Iterator<Item = &'a ContactId>,
) -> Result<(), Fault> {
    sql.execute(
        "DELETE FROM lane_attempts WHERE integration = ?1 AND contact IN LIST(?2)",
        &[Param::from(integration), list(contacts)],
    )?;
    Ok(())
}

pub(super) fn settle(sql: &dyn Sql, fence: &Fence, ends: &[LaneEnd]) -> Result<(), Fault> {
    let integration = leases::hold(sql, fence)?;
    let now = Moment(Timestamp::now());
    put_off(sql, integration, ends)?;
    let ended: Vec<&LaneEnd> =
        ends.iter().filter(|end| !matches!(end.end, ContactEnd::Again { .. })).collect();
    let mut deliveries = end_changes(sql, integration, &ended, now)?;
    learn(sql, integration, &ended, now)?;
    seen::put(sql, integration, ends.iter().filter_map(|end| end.seen.as_deref()))?;
    seen::of_lane(sql, integration, ends, now.0)?;
    for end in ended.iter().filter(|end| matches!(end.end, ContactEnd::Forgotten)) {
        deliveries.extend(forgetting::end_open(sql, integration, &end.contact)?.deliveries);
    }
    let each: Vec<_> = ended.iter().map(|end| params![integration, &end.contact].to_vec()).collect();
    let open = "integration = ?1 AND contact = ?2 AND outcome IS NULL";
    sql.execute_each(
        &format!(
            "DELETE FROM waiting WHERE integration = ?1 AND contact = ?2
             AND NOT EXISTS (SELECT 1 FROM changes WHERE {open})"
        ),
        &each,
    )?;
    sql.execute_each(
        &format!(
            "UPDATE waiting SET since = coalesce((SELECT min(delivery) FROM changes WHERE {open}), since), due = 0,
                 attempts = 0, cause = NULL, existed = NULL WHERE integration = ?1 AND contact = ?2"
        ),
        &each,
    )?;
    changes::end_deliveries(sql, integration, &deliveries, now)
}

fn put_off(sql: &dyn Sql, integration: i64, ends: &[LaneEnd]) -> Result<(), Fault> {
    let each = ends.iter().filter_map(|end| match &end.end {
        ContactEnd::Again { due, cause, counts, .. } => Some(to_json(cause).map(|cause| {
            params![integration, &end.contact, Moment(*due), cause, i64::from(*counts)].to_vec()
        })),
        _ => None,
    });
    let each: Vec<_> = each.collect::<Result<_, Fault>>()?;
    sql.execute_each(
        "UPDATE waiting SET due = ?3, cause = ?4, attempts = attempts + ?5
         WHERE integration = ?1 AND contact = ?2",
        &each,
    )?;
    Ok(())
}

/// Gives the changes their outcomes; the deliveries that they came from.
fn end_changes(
    sql: &dyn Sql,
    integration: i64,
    ended: &[&LaneEnd],
    now: Moment,
) -> Result<BTreeSet<DeliveryNumber>, Fault> {
    let (mut first, mut rest, mut dead_too) = (Vec::new(), Vec::new(), Vec::new());
    for end in ended {
        let (by, outcome, dead, cause): (ChangeNumber, _, _, Option<&Cause>) = match &end.end {
            ContactEnd::Ended(ended) => (ended.by, ended.outcome, false, ended.cause.as_ref()),
            ContactEnd::Dead(cause, _) => {
                (end.up_to, ChangeOutcome::Contact(Outcome::Rejected), true, Some(cause))
            }
            ContactEnd::Again { .. } | ContactEnd::Forgotten => continue,
        };
        first.push(params![by, Stored(outcome), dead, some_to_json(cause)?, now].to_vec());
        if dead {
            // Nothing of any of them took effect.
            let cause = some_to_json(cause)?;
            dead_too
                .push(params![integration, &end.contact, end.up_to, Stored(outcome), cause, now].to_vec());
        } else {
            rest.push(params![integration, &end.contact, end.up_to, by, now].to_vec());
        }
    }
    // What it says is personal data, and the delivery has it, too.
    let by = sql.query_each(
        "UPDATE changes SET outcome = ?2, dead = ?3, cause = ?4, ended_at = ?5, change = NULL
         WHERE number = ?1 AND outcome IS NULL RETURNING delivery",
        &first,
    )?;
    let superseded = sql.query_each(
        "UPDATE changes SET outcome = 'superseded', superseded_by = ?4, ended_at = ?5, change = NULL
         WHERE integration = ?1 AND contact = ?2 AND number <= ?3 AND outcome IS NULL RETURNING delivery",
        &rest,
    )?;
    let dead = sql.query_each(
        "UPDATE changes SET outcome = ?4, dead = 1, cause = ?5, ended_at = ?6, change = NULL
         WHERE integration = ?1 AND contact = ?2 AND number <= ?3 AND outcome IS NULL RETURNING delivery",
        &dead_too,
    )?;
    by.into_iter().chain(superseded).chain(dead).flatten().map(|mut row| row.take()).collect()
}

/// Tells the ledger, and what was kept beside it, what contacts came to.
fn learn(sql: &dyn Sql, integration: i64, ended: &[&LaneEnd], now: Moment) -> Result<(), Fault> {
    let ended: Vec<_> = ended
        .iter()
        .filter_map(|end| match &end.end {
            ContactEnd::Ended(ended) => Some((&end.contact, ended)),
            _ => None,
        })
        .collect();
    let learnt = || ended.iter().filter_map(|(contact, ended)| Some((*contact, ended.learnt.as_ref()?)));
    ledger::learn(sql, integration, learnt(), now.0)?;
    let written: Vec<&ContactId> = learnt()
        .filter(|(_, learnt)| learnt.written != Written::AsBefore)
        .map(|(contact, _)| contact)
        .collect();
    stage::forget_left(sql, integration, written.iter().copied())?;

    let mut kept = Vec::new();
    for (contact, ended) in &ended {
        if let Some(state) = &ended.newcomer {
            kept.push(params![integration, *contact, some_to_json(state.as_ref())?].to_vec());
        }
    }
    sql.execute_each(
        "INSERT INTO newcomers (integration, contact, state) VALUES (?1, ?2, ?3)
         ON CONFLICT (integration, contact) DO UPDATE SET state = excluded.state",
        &kept,
    )?;
    let there = ended
        .iter()
        .filter(|(_, ended)| ended.newcomer.is_none() && ended.outcome != ChangeOutcome::Superseded);
    forget_newcomers(sql, integration, there.map(|(contact, _)| *contact))
}

pub(super) fn forget_newcomers<'a>(
    sql: &dyn Sql,
    integration: i64,
    contacts: impl Iterator<Item = &'a ContactId>,
) -> Result<(), Fault> {
    sql.execute(
        "DELETE FROM newcomers WHERE integration = ?1 AND contact IN LIST(?2)",
        &[Param::from(integration), list(contacts)],
    )?;
    Ok(())
}

pub(super) fn drop_newcomers(sql: &dyn Sql, fence: &Fence, contacts: &[ContactId]) -> Result<(), Fault> {
    let integration = leases::hold(sql, fence)?;
    forget_newcomers(sql, integration, contacts.iter())
}

pub(super) fn newcomers(
    sql: &dyn Sql,
    id: &IntegrationId,
    after: Option<&ContactId>,
    limit: u32,
) -> Result<Vec<Newcomer>, Fault> {
    let integration = integrations::number(sql, id)?;
    let mut params = params![integration, limit].to_vec();
    let mut bound = "";
    if let Some(after) = after {
        params.push(after.into());
        bound = " AND contact > ?3";
    }
    let rows = sql.query(
        &format!(
            "SELECT contact, state FROM newcomers WHERE integration = ?1{bound} ORDER BY contact LIMIT ?2"
        ),
        &params,
    )?;
    rows.into_iter().map(|mut row| Ok(Newcomer { contact: row.take()?, state: row.some_json()? })).collect()
}

pub(super) fn record(sql: &dyn Sql, id: &IntegrationId) -> Result<LaneRecord, Fault> {
    let integration = integrations::number(sql, id)?;
    let row = sql.query_one(
        "SELECT pause, daily_done,
             (SELECT max(accepted_at) FROM runs WHERE runs.integration = ?1 AND phase = ?2 AND kind <> ?3
                 AND source = ?4)
         FROM lanes WHERE integration = ?1",
        &params![integration, Stored(Phase::Completed), Stored(RunKind::DryRun), Stored(Source::Crm)],
    )?;
    let Some(mut row) = row else { return Ok(LaneRecord::default()) };
    Ok(LaneRecord {
        pause: row.some_json()?,
        daily_done: row.take::<Option<Moment>>()?.map(|moment| moment.0),
        read_up_to: row.take::<Option<Moment>>()?.map(|moment| moment.0),
    })
}

pub(super) fn put_pause(sql: &dyn Sql, fence: &Fence, pause: Option<&Pause>) -> Result<(), Fault> {
    let integration = leases::hold(sql, fence)?;
    sql.execute(
        "UPDATE lanes SET pause = ?2 WHERE integration = ?1",
        &params![integration, some_to_json(pause)?],
    )?;
    Ok(())
}

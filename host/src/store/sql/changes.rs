//! What deliveries say: changes, the contacts that wait because of them, and how a delivery ends with its
//! changes.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::values::{Moment, Stored, some_to_json, to_json};
use super::{Row, Sql, deliveries, integrations, leases, needs, params};
use crate::change::{Cause, Change, ChangeOutcome, Decoded, DeliveryNumber};
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::lane::Replay;
use crate::need::{NeedCode, NewNeed};
use crate::reason::ReasonCode;
use crate::run::Outcome;
use crate::store::StoreError;
use crate::store::fault::Fault;

/// How long dead letters and discarded records are kept, microseconds: 90 days.
const KEEP_DEAD: i64 = 90 * 86_400_000_000;

/// Deliveries that are replayed in one transaction.
const REPLAY_AT_ONCE: u32 = 500;

pub(super) fn commit_decoded(
    sql: &dyn Sql,
    fence: &Fence,
    decoded: &[(DeliveryNumber, Decoded)],
) -> Result<(), Fault> {
    let integration = leases::hold(sql, fence)?;
    let now = Moment(Timestamp::now());
    let (mut changes, mut waiting, mut open) = (Vec::new(), Vec::new(), Vec::new());
    let (mut again, mut dead, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    for (delivery, decoded) in decoded {
        match decoded {
            Decoded::Says(said) => {
                for change in said {
                    let discard = match change {
                        Change::Discarded(discard) => Some(discard),
                        _ => None,
                    };
                    if let Some(contact) = change.contact() {
                        waiting.push(params![integration, contact, *delivery].to_vec());
                    }
                    let content = if discard.is_none() { Some(to_json(change)?) } else { None };
                    changes.push(
                        params![
                            integration,
                            *delivery,
                            change.contact(),
                            change.kind(),
                            content,
                            discard.map(|_| Stored(ChangeOutcome::Discarded)),
                            some_to_json(discard.map(Cause::from).as_ref())?,
                            discard.map(|_| now),
                        ]
                        .to_vec(),
                    );
                    // It leaves data wrong until a full sync; a message about something else does not.
                    if let Some(code) = discard.and_then(|it| NeedCode::of_discard(it.reason)) {
                        needs::add(sql, integration, &NewNeed::of(code), now)?;
                    }
                }
                if said.iter().any(|change| change.contact().is_some()) {
                    open.push(params![*delivery].to_vec());
                } else {
                    let cause = said.iter().find_map(|change| match change {
                        Change::Discarded(discard) => Some(Cause::from(discard)),
                        _ => None,
                    });
                    ended.push((*delivery, DeliveryEnd::discarded(cause.unwrap_or_else(says_nothing))));
                }
            }
            Decoded::Again(due, cause) => {
                again.push(params![*delivery, Moment(*due), to_json(cause)?].to_vec());
            }
            Decoded::Dead(cause) => {
                dead.push(params![*delivery].to_vec());
                ended.push((*delivery, DeliveryEnd::dead(cause.clone())));
            }
        }
    }
    sql.execute_each(
        "INSERT INTO changes (integration, delivery, contact, kind, change, arrived_at, outcome, cause, ended_at)
         VALUES (?1, ?2, ?3, ?4, ?5, (SELECT arrived_at FROM deliveries WHERE number = ?2), ?6, ?7, ?8)",
        &changes,
    )?;
    sql.execute_each(
        // What is new is tried at once, whatever became of what was before it: it may be an opt-out.
        "INSERT INTO waiting (integration, contact, since) VALUES (?1, ?2, ?3)
         ON CONFLICT (integration, contact) DO UPDATE SET due = 0, attempts = 0",
        &waiting,
    )?;
    sql.execute_each("UPDATE deliveries SET decoded = 1, cause = NULL WHERE number = ?1", &open)?;
    sql.execute_each(
        "UPDATE deliveries SET due = ?2, cause = ?3, attempts = attempts + 1 WHERE number = ?1",
        &again,
    )?;
    sql.execute_each("UPDATE deliveries SET attempts = attempts + 1 WHERE number = ?1", &dead)?;
    end(sql, integration, &ended, now)
}

fn says_nothing() -> Cause {
    Cause {
        code: "not-relevant".to_owned(),
        subject: None,
        message: "The message says nothing that concerns a contact.".to_owned(),
    }
}

/// How a delivery ends.
struct DeliveryEnd {
    outcome: ChangeOutcome,
    dead: bool,
    cause: Option<Cause>,
}

impl DeliveryEnd {
    fn discarded(cause: Cause) -> Self {
        Self { outcome: ChangeOutcome::Discarded, dead: false, cause: Some(cause) }
    }

    fn dead(cause: Cause) -> Self {
        Self { outcome: ChangeOutcome::Contact(Outcome::Rejected), dead: true, cause: Some(cause) }
    }
}

/// Ends deliveries.
fn end(
    sql: &dyn Sql,
    integration: i64,
    ended: &[(DeliveryNumber, DeliveryEnd)],
    now: Moment,
) -> Result<(), Fault> {
    if ended.is_empty() {
        return Ok(());
    }
    let keep: i64 = sql.value("SELECT keep_for FROM lanes WHERE integration = ?1", &params![integration])?;
    let each = ended.iter().map(|(number, end)| {
        let keep =
            if end.dead || end.outcome == ChangeOutcome::Discarded { KEEP_DEAD.max(keep) } else { keep };
        Ok(params![
            *number,
            Stored(end.outcome),
            end.dead,
            some_to_json(end.cause.as_ref())?,
            end.cause.as_ref().map(|cause| cause.code.as_str()),
            now,
            now.0.as_microsecond().saturating_add(keep),
        ]
        .to_vec())
    });
    let each: Vec<_> = each.collect::<Result<_, Fault>>()?;
    sql.execute_each(
        "UPDATE deliveries SET outcome = ?2, dead = ?3, cause = ?4, cause_code = ?5, ended_at = ?6,
             forget_at = ?7 WHERE number = ?1",
        &each,
    )?;
    let dead: Vec<&DeliveryEnd> = ended.iter().map(|(_, end)| end).filter(|end| end.dead).collect();
    if dead.is_empty() {
        return Ok(());
    }
    let codes = dead.iter().filter_map(|end| Some(end.cause.as_ref()?.code.clone())).collect();
    let need = NewNeed { times: dead.len() as u64, ..NewNeed::about(NeedCode::DeliveriesGivenUp, codes) };
    needs::add(sql, integration, &need, now)
}

/// Ends those of these deliveries whose changes have all ended.
pub(super) fn end_deliveries(
    sql: &dyn Sql,
    integration: i64,
    deliveries: &BTreeSet<DeliveryNumber>,
    now: Moment,
) -> Result<(), Fault> {
    let each: Vec<_> = deliveries.iter().map(|number| params![*number].to_vec()).collect();
    let found = sql.query_each("SELECT outcome, dead, cause FROM changes WHERE delivery = ?1", &each)?;
    let mut ended = Vec::new();
    for (number, rows) in deliveries.iter().zip(found) {
        if let Some(end) = joined(rows)? {
            ended.push((*number, end));
        }
    }
    end(sql, integration, &ended, now)
}

/// What several changes come to together; none while one of them is open.
fn joined(changes: Vec<Row>) -> Result<Option<DeliveryEnd>, Fault> {
    let mut joined: Option<DeliveryEnd> = None;
    for mut row in changes {
        let Some(Stored(outcome)) = row.take::<Option<Stored<ChangeOutcome>>>()? else { return Ok(None) };
        let one = DeliveryEnd { outcome, dead: row.take()?, cause: row.some_json()? };
        joined = Some(match joined {
            Some(other) if (!other.dead, other.outcome.rank()) <= (!one.dead, one.outcome.rank()) => other,
            _ => one,
        });
    }
    Ok(joined)
}

/// Has some deliveries that ended before a moment decoded anew; how many.
pub(super) fn replay(
    sql: &dyn Sql,
    id: &IntegrationId,
    which: &Replay,
    before: Timestamp,
) -> Result<u64, Fault> {
    let integration = integrations::lock(sql, id)?;
    let numbers: Vec<DeliveryNumber> = match which {
        Replay::One(number) => {
            let row = sql.query_one(
                "SELECT ended_at, cause_code FROM deliveries WHERE integration = ?1 AND number = ?2",
                &params![integration, *number],
            )?;
            let mut row = row.ok_or_else(|| deliveries::unknown(id, *number))?;
            if row.take::<Option<Moment>>()?.is_none() {
                return Err(StoreError::DeliveryOpen(*number).into());
            }
            if row.take::<Option<String>>()?.as_deref() == Some(ReasonCode::ContactForgotten.as_str()) {
                return Err(StoreError::DeliveryEmptied(*number).into());
            }
            vec![*number]
        }
        Replay::Cause(_) | Replay::All => {
            let mut params = params![integration, REPLAY_AT_ONCE, Moment(before)].to_vec();
            let mut of_cause = "";
            if let Replay::Cause(code) = which {
                params.push(code.into());
                of_cause = " AND cause_code = ?4";
            }
            let rows = sql.query(
                &format!(
                    "SELECT number FROM deliveries
                     WHERE integration = ?1 AND dead = 1 AND cause_code IS NOT NULL AND ended_at < ?3{of_cause}
                     ORDER BY number LIMIT ?2"
                ),
                &params,
            )?;
            rows.into_iter().map(|mut row| row.take()).collect::<Result<_, _>>()?
        }
    };
    let each: Vec<_> = numbers.iter().map(|number| params![*number].to_vec()).collect();
    sql.execute_each("DELETE FROM changes WHERE delivery = ?1", &each)?;
    sql.execute_each(
        "UPDATE deliveries SET decoded = 0, due = 0, attempts = 0, outcome = NULL, dead = 0, cause = NULL,
             cause_code = NULL, ended_at = NULL, forget_at = NULL WHERE number = ?1",
        &each,
    )?;
    sql.notify(id)?;
    Ok(numbers.len() as u64)
}

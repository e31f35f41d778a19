//! What came of deliveries, for people to see.

use super::values::{Count, Moment, Stored};
use super::{Param, Row, Sql, deliveries, integrations, needs, params, seen, webhooks};
use crate::change::{Cause, ChangeOutcome, Delivery, DeliveryNumber};
use crate::contact::ContactId;
use crate::integration::IntegrationId;
use crate::lane::{CauseCount, ChangeRecord, DeliveryFilter, DeliveryLine, DeliveryRecord, LaneStatus};
use crate::store::fault::Fault;

const LINE: &str = "number, id, arrived_at, decoded, attempts, outcome, dead, cause, ended_at";

fn line(row: &mut Row) -> Result<DeliveryLine, Fault> {
    Ok(DeliveryLine {
        number: row.take()?,
        id: row.take()?,
        arrived_at: row.take::<Moment>()?.0,
        decoded: row.take()?,
        attempts: row.take()?,
        outcome: row.take::<Option<Stored<ChangeOutcome>>>()?.map(|stored| stored.0),
        dead: row.take()?,
        cause: row.some_json()?,
        ended_at: row.take::<Option<Moment>>()?.map(|moment| moment.0),
    })
}

pub(super) fn deliveries(
    sql: &dyn Sql,
    id: &IntegrationId,
    filter: &DeliveryFilter,
    before: Option<DeliveryNumber>,
    limit: u32,
) -> Result<Vec<DeliveryLine>, Fault> {
    let integration = integrations::number(sql, id)?;
    let mut params = params![integration, limit].to_vec();
    let mut bounds = String::new();
    let mut bound = |test: &str, value: Option<Param<'static>>| {
        bounds.push_str(" AND ");
        bounds.push_str(test);
        if let Some(value) = value {
            params.push(value);
            bounds.push_str(&format!(" ?{}", params.len()));
        }
    };
    if let Some(before) = before {
        bound("number <", Some(before.into()));
    }
    match filter.outcome {
        // One of a delivery's records may be discarded, and another one count for more.
        Some(ChangeOutcome::Discarded) => bound(
            "EXISTS (SELECT 1 FROM changes WHERE delivery = deliveries.number AND changes.outcome = 'discarded'
                 UNION ALL SELECT 1 WHERE deliveries.outcome = 'discarded')",
            None,
        ),
        Some(outcome) => bound("outcome =", Some(Stored(outcome).into())),
        None => {}
    }
    if filter.dead {
        bound("dead = 1 AND cause_code IS NOT NULL", None);
    }
    if filter.open {
        bound("ended_at IS NULL", None);
    }
    if let Some(cause) = &filter.cause {
        bound("cause_code =", Some(cause.clone().into()));
    }
    let rows = sql.query(
        &format!(
            "SELECT {LINE} FROM deliveries WHERE integration = ?1{bounds} ORDER BY number DESC LIMIT ?2"
        ),
        &params,
    )?;
    rows.into_iter().map(|mut row| line(&mut row)).collect()
}

pub(super) fn delivery(
    sql: &dyn Sql,
    id: &IntegrationId,
    number: DeliveryNumber,
) -> Result<DeliveryRecord, Fault> {
    let integration = integrations::number(sql, id)?;
    let row = sql.query_one(
        &format!(
            "SELECT {LINE}, headers, query, body FROM deliveries WHERE integration = ?1 AND number = ?2"
        ),
        &params![integration, number],
    )?;
    let mut row = row.ok_or_else(|| deliveries::unknown(id, number))?;
    let rows =
        sql.query(&format!("{CHANGES} WHERE delivery = ?1 ORDER BY changes.number"), &params![number])?;
    Ok(DeliveryRecord {
        integration: id.clone(),
        line: line(&mut row)?,
        delivery: Delivery { headers: row.json()?, query: row.take()?, body: row.take()? },
        changes: rows.into_iter().map(change).collect::<Result<_, _>>()?,
    })
}

/// Changes, with their story; those that are open with what their contact waits for. `steps`: as an older program
/// kept them.
const CHANGES: &str = "SELECT changes.number, delivery, arrived_at, changes.contact, changes.kind, changes.outcome, dead,
        coalesce(changes.cause, waiting.cause), coalesce(waiting.attempts, 0), nullif(waiting.due, 0), superseded_by,
        steps, stories.told, ended_at
    FROM changes LEFT JOIN stories ON stories.integration = changes.integration
        AND stories.contact = changes.contact AND stories.kind = 'change' AND stories.number = changes.number
        AND part = 0
    LEFT JOIN waiting ON changes.outcome IS NULL AND waiting.integration = changes.integration
        AND waiting.contact = changes.contact";

fn change(mut row: Row) -> Result<ChangeRecord, Fault> {
    Ok(ChangeRecord {
        number: row.take()?,
        delivery: row.take()?,
        arrived_at: row.take::<Moment>()?.0,
        contact: row.take()?,
        kind: row.take()?,
        outcome: row.take::<Option<Stored<ChangeOutcome>>>()?.map(|stored| stored.0),
        dead: row.take()?,
        cause: row.some_json()?,
        attempts: row.take()?,
        due: row.take::<Option<Moment>>()?.map(|moment| moment.0),
        superseded_by: row.take()?,
        steps: match (row.some_json()?, row.take::<Option<Vec<u8>>>()?) {
            (_, Some(told)) => seen::steps(&told)?,
            (steps, None) => steps.unwrap_or_default(),
        },
        ended_at: row.take::<Option<Moment>>()?.map(|moment| moment.0),
    })
}

pub(super) fn changes_of(
    sql: &dyn Sql,
    id: &IntegrationId,
    contact: &ContactId,
    limit: u32,
) -> Result<Vec<ChangeRecord>, Fault> {
    let integration = integrations::number(sql, id)?;
    let rows = sql.query(
        &format!(
            "{CHANGES} WHERE changes.integration = ?1 AND changes.contact = ?2 ORDER BY changes.number DESC LIMIT ?3"
        ),
        &params![integration, contact, limit],
    )?;
    rows.into_iter().map(change).collect()
}

pub(super) fn causes(sql: &dyn Sql, id: &IntegrationId, dead: bool) -> Result<Vec<CauseCount>, Fault> {
    let integration = integrations::number(sql, id)?;
    let discarded = if dead { "" } else { " AND outcome = 'discarded'" };
    let rows = sql.query(
        &format!(
            "SELECT cause_code, count(*), max(number) FROM deliveries
             WHERE integration = ?1 AND dead = ?2 AND cause_code IS NOT NULL{discarded}
             GROUP BY cause_code ORDER BY count(*) DESC, cause_code"
        ),
        &params![integration, dead],
    )?;
    let mut causes = Vec::with_capacity(rows.len());
    for mut row in rows {
        let (code, Count(times), newest): (_, _, DeliveryNumber) = (row.take()?, row.take()?, row.take()?);
        let cause: Option<Cause> =
            match sql.query_one("SELECT cause FROM deliveries WHERE number = ?1", &params![newest])? {
                Some(mut row) => row.some_json()?,
                None => None,
            };
        let message = cause.map(|cause| cause.message).unwrap_or_default();
        causes.push(CauseCount { code, deliveries: times, newest, message });
    }
    Ok(causes)
}

pub(super) fn status(sql: &dyn Sql, id: &IntegrationId) -> Result<LaneStatus, Fault> {
    let integration = integrations::number(sql, id)?;
    let of_it = params![integration];
    let count = |statement: &str| sql.value::<Count>(statement, &of_it).map(|count| count.0);
    let mut row = sql
        .query_one(
            "SELECT enabled, CASE WHEN until > ?2 THEN host END, pause, forged, stale
             FROM integrations JOIN leases ON leases.integration = integrations.number
             JOIN lanes ON lanes.integration = integrations.number WHERE integrations.number = ?1",
            &params![integration, Moment(sql.now()?)],
        )?
        .ok_or_else(|| Fault::Content("an integration without its lane".to_owned()))?;
    // `due` is never negative. Named so, and `number` with a sign, it is looked for among those that wait; else through all
    // deliveries that are kept.
    let waits = "integration = ?1 AND due >= 0 AND decoded = 0 AND ended_at IS NULL";
    let oldest_of =
        |statement: String| -> Result<Option<DeliveryNumber>, Fault> { sql.value(&statement, &of_it) };
    let undecoded = oldest_of(format!("SELECT min(+number) FROM deliveries WHERE {waits}"))?;
    let waiting = oldest_of("SELECT min(since) FROM waiting WHERE integration = ?1".to_owned())?;
    let oldest = match undecoded.into_iter().chain(waiting).min() {
        None => None,
        Some(number) => sql
            .query_one("SELECT arrived_at FROM deliveries WHERE number = ?1", &params![number])?
            .map(|mut row| row.take::<Moment>())
            .transpose()?,
    };
    Ok(LaneStatus {
        integration: id.clone(),
        enabled: row.take()?,
        host: row.take()?,
        pause: row.some_json()?,
        refused: (row.take::<Count>()?.0, row.take::<Count>()?.0),
        gate_closed_by: integrations::gate(sql, integration)?,
        deliveries_waiting: count(&format!("SELECT count(*) FROM deliveries WHERE {waits}"))?,
        contacts_waiting: count("SELECT count(*) FROM waiting WHERE integration = ?1")?,
        retrying: count("SELECT count(*) FROM waiting WHERE integration = ?1 AND due > 0")?
            + count(&format!("SELECT count(*) FROM deliveries WHERE {waits} AND due > 0"))?,
        oldest: oldest.map(|moment| moment.0),
        dead: count(
            "SELECT count(*) FROM deliveries WHERE integration = ?1 AND dead = 1 AND cause_code IS NOT NULL",
        )?,
        newcomers: count("SELECT count(*) FROM newcomers WHERE integration = ?1")?,
        webhook: webhooks::get(sql, id)?,
        needs: needs::all(sql, integration)?,
    })
}

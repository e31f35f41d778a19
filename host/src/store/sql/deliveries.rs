//! Deliveries: taken in raw, handed to the lane in the order in which they came.

use std::collections::HashMap;

use jiff::Timestamp;

use super::values::{Moment, to_json};
use super::{Row, Sql, integrations, needs, params};
use crate::change::{Arrival, Delivery, NewDelivery, Refused, Undecoded};
use crate::integration::IntegrationId;
use crate::need::{NeedCode, NewNeed};
use crate::store::StoreError;
use crate::store::fault::Fault;

/// Bytes of bodies that are handed out at once, but for one that is larger by itself.
const BODIES: u64 = 8 << 20;

/// Stores deliveries in this order; what became of each.
pub(super) fn put(sql: &dyn Sql, deliveries: &[NewDelivery]) -> Result<Vec<Arrival>, Fault> {
    let mut numbers: HashMap<&IntegrationId, Option<i64>> = HashMap::new();
    for delivery in deliveries {
        if !numbers.contains_key(&delivery.integration) {
            let row = sql.query_one(
                "SELECT number FROM integrations WHERE id = ?1 /*pg FOR KEY SHARE */",
                &params![&delivery.integration],
            )?;
            numbers.insert(&delivery.integration, row.map(|mut row| row.take()).transpose()?);
        }
    }
    let number = |delivery: &NewDelivery| numbers.get(&delivery.integration).copied().flatten();
    let each = deliveries.iter().filter_map(|new| {
        let integration = number(new)?;
        let Delivery { headers, query, body } = &new.delivery;
        Some(to_json(headers).map(|headers| {
            params![integration, new.id.as_deref(), Moment(new.arrived_at), headers, query, body.as_slice(),]
                .to_vec()
        }))
    });
    let each: Vec<_> = each.collect::<Result<_, Fault>>()?;
    let stored = sql.query_each(
        "INSERT INTO deliveries (integration, id, arrived_at, headers, query, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (integration, id) DO NOTHING RETURNING number",
        &each,
    )?;
    let mut stored = stored.into_iter();
    let mut arrivals = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        arrivals.push(match number(delivery) {
            None => Arrival::NoIntegration,
            Some(_) => match stored.next().unwrap_or_default().into_iter().next() {
                Some(mut row) => Arrival::Stored(row.take()?),
                None => Arrival::Known,
            },
        });
    }
    for (id, number) in &numbers {
        if number.is_some() {
            sql.notify(id)?;
        }
    }
    Ok(arrivals)
}

pub(super) fn count_refused(sql: &dyn Sql, counts: &[(IntegrationId, Refused, u64)]) -> Result<(), Fault> {
    for (id, refused, times) in counts {
        let column = refused.as_str();
        let count = i64::try_from(*times).unwrap_or(i64::MAX);
        sql.execute(
            &format!(
                "UPDATE lanes SET {column} = {column} + ?2
                 WHERE integration = (SELECT number FROM integrations WHERE id = ?1)"
            ),
            &params![id, count],
        )?;
        // What was turned away as forged was nothing that the CRM sent.
        if *refused == Refused::Stale
            && let Some(mut row) =
                sql.query_one("SELECT number FROM integrations WHERE id = ?1", &params![id])?
        {
            let need = NewNeed { times: *times, ..NewNeed::of(NeedCode::DeliveriesTooOld) };
            needs::add(sql, row.take()?, &need, Moment(Timestamp::now()))?;
        }
    }
    Ok(())
}

/// Deliveries that are due to be decoded: those that wait for another attempt may take half of the places, so
/// that they do not keep back what is new.
pub(super) fn undecoded(
    sql: &dyn Sql,
    id: &IntegrationId,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Undecoded>, Fault> {
    let integration = integrations::number(sql, id)?;
    if integrations::gate(sql, integration)?.is_some() {
        return Ok(Vec::new());
    }
    let waits = "integration = ?1 AND decoded = 0 AND ended_at IS NULL";
    let mut due = sql.query(
        &format!(
            "SELECT number, length(body) FROM deliveries WHERE {waits} AND due > 0 AND due <= ?2
             ORDER BY due, number LIMIT ?3"
        ),
        &params![integration, Moment(now), limit.div_ceil(2)],
    )?;
    let left = limit.saturating_sub(u32::try_from(due.len()).unwrap_or(u32::MAX));
    // Nothing is due before 0. Asked for so, only the index of those that wait has the order; with `due = 0`, the
    // database might go through all deliveries there are, in theirs.
    due.extend(sql.query(
        &format!(
            "SELECT number, length(body) FROM deliveries WHERE {waits} AND due <= 0 ORDER BY due, number LIMIT ?2"
        ),
        &params![integration, left],
    )?);
    let (mut numbers, mut bytes) = (Vec::new(), 0);
    for mut row in due {
        let (number, length): (i64, i64) = (row.take()?, row.take()?);
        bytes += u64::try_from(length).unwrap_or(0);
        if bytes > BODIES && !numbers.is_empty() {
            break;
        }
        numbers.push(number);
    }
    numbers.sort_unstable();
    let each: Vec<_> = numbers.into_iter().map(|number| params![number].to_vec()).collect();
    let rows = sql.query_each(
        "SELECT number, arrived_at, attempts, headers, query, body FROM deliveries WHERE number = ?1",
        &each,
    )?;
    let read = |mut row: Row| {
        Ok(Undecoded {
            number: row.take()?,
            arrived_at: row.take::<Moment>()?.0,
            attempts: row.take()?,
            delivery: Delivery { headers: row.json()?, query: row.take()?, body: row.take()? },
        })
    };
    rows.into_iter().flatten().map(read).collect()
}

/// The error for a delivery that there is not.
pub(super) fn unknown(id: &IntegrationId, number: crate::change::DeliveryNumber) -> Fault {
    StoreError::NoDelivery { integration: id.clone(), number }.into()
}

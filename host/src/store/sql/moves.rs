//! Addresses that are being changed.

use std::collections::HashMap;

use super::values::{list, to_json};
use super::{Param, Sql, integrations, leases, params};
use crate::address::Move;
use crate::contact::ContactId;
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::store::fault::Fault;

/// Remembers a change of address. One that was begun before, from the same address, stays as it is.
pub(super) fn begin(sql: &dyn Sql, fence: &Fence, contact: &ContactId, begun: &Move) -> Result<(), Fault> {
    let integration = leases::hold(sql, fence)?;
    let same = |other: &Move| other.channel == begun.channel && other.old == begun.old;
    if all_of(sql, integration, std::slice::from_ref(contact))?.values().flatten().any(same) {
        return Ok(());
    }
    sql.execute(
        "INSERT INTO moves (integration, contact, move) VALUES (?1, ?2, ?3)",
        &params![integration, contact, to_json(begun)?],
    )?;
    Ok(())
}

/// Forgets changes of address: they are done.
pub(super) fn end(sql: &dyn Sql, fence: &Fence, contact: &ContactId) -> Result<(), Fault> {
    let integration = leases::hold(sql, fence)?;
    sql.execute("DELETE FROM moves WHERE integration = ?1 AND contact = ?2", &params![integration, contact])?;
    Ok(())
}

/// The changes of address that are not done.
pub(super) fn of(
    sql: &dyn Sql,
    id: &IntegrationId,
    contacts: &[ContactId],
) -> Result<HashMap<ContactId, Vec<Move>>, Fault> {
    all_of(sql, integrations::number(sql, id)?, contacts)
}

fn all_of(
    sql: &dyn Sql,
    integration: i64,
    contacts: &[ContactId],
) -> Result<HashMap<ContactId, Vec<Move>>, Fault> {
    let rows = sql.query(
        "SELECT contact, move FROM moves WHERE integration = ?1 AND contact IN LIST(?2) ORDER BY number",
        &[Param::from(integration), list(contacts)],
    )?;
    let mut moves: HashMap<ContactId, Vec<Move>> = HashMap::new();
    for mut row in rows {
        moves.entry(row.take()?).or_default().push(row.json()?);
    }
    Ok(moves)
}

/// Contacts with changes of address that are not done, by id, after `after`, at most `limit`.
pub(super) fn pending(
    sql: &dyn Sql,
    id: &IntegrationId,
    after: Option<&ContactId>,
    limit: u32,
) -> Result<Vec<ContactId>, Fault> {
    let integration = integrations::number(sql, id)?;
    let mut params = params![integration, limit].to_vec();
    let mut bound = "";
    if let Some(after) = after {
        params.push(after.into());
        bound = " AND contact > ?3";
    }
    let rows = sql.query(
        &format!(
            "SELECT DISTINCT contact FROM moves WHERE integration = ?1{bound} ORDER BY contact LIMIT ?2"
        ),
        &params,
    )?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

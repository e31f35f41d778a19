//! What people had opted out of in APSIS One when their profiles were deleted.

use std::collections::HashMap;

use super::values::{list, to_json};
use super::{Param, Sql, integrations, leases, params};
use crate::contact::ContactId;
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::profile::KnownConsent;
use crate::store::fault::Fault;

/// Keeps a contact's opt-outs beside those that are kept already; of two of the same kind the later one.
pub(super) fn keep(
    sql: &dyn Sql,
    fence: &Fence,
    contact: &ContactId,
    new: &[KnownConsent],
) -> Result<(), Fault> {
    let integration = leases::hold(sql, fence)?;
    let mut all =
        of(sql, &fence.integration, std::slice::from_ref(contact))?.remove(contact).unwrap_or_default();
    all.retain(|held| !new.iter().any(|now| now.topic == held.topic && now.channel == held.channel));
    all.extend(new.iter().cloned());
    sql.execute(
        "INSERT INTO opt_outs (integration, contact, consents) VALUES (?1, ?2, ?3)
         ON CONFLICT (integration, contact) DO UPDATE SET consents = excluded.consents",
        &params![integration, contact, to_json(&all)?],
    )?;
    Ok(())
}

/// What is kept of these contacts.
pub(super) fn of(
    sql: &dyn Sql,
    id: &IntegrationId,
    contacts: &[ContactId],
) -> Result<HashMap<ContactId, Vec<KnownConsent>>, Fault> {
    let rows = sql.query(
        "SELECT contact, consents FROM opt_outs WHERE integration = ?1 AND contact IN LIST(?2)",
        &[Param::from(integrations::number(sql, id)?), list(contacts)],
    )?;
    rows.into_iter().map(|mut row| Ok((row.take()?, row.json()?))).collect()
}

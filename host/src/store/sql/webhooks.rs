//! The webhook of an integration in its CRM, as far as is known.

use super::values::to_json;
use super::{Sql, integrations, leases, params};
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::lane::Webhook;
use crate::store::fault::Fault;

pub(super) fn get(sql: &dyn Sql, id: &IntegrationId) -> Result<Webhook, Fault> {
    let number = integrations::number(sql, id)?;
    let row = sql.query_one("SELECT state FROM webhooks WHERE integration = ?1", &params![number])?;
    let state = row.map(|mut row| row.some_json()).transpose()?;
    Ok(state.flatten().unwrap_or_default())
}

pub(super) fn put(sql: &dyn Sql, fence: &Fence, webhook: &Webhook) -> Result<(), Fault> {
    let number = leases::hold(sql, fence)?;
    sql.execute(
        "UPDATE webhooks SET state = ?2 WHERE integration = ?1",
        &params![number, to_json(webhook)?],
    )?;
    Ok(())
}

//! What was told of an integration, and what is to be.

use super::values::to_json;
use super::{Sql, integrations, leases, params};
use crate::alert::AlertRecord;
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::store::fault::Fault;

pub(super) fn get(sql: &dyn Sql, id: &IntegrationId) -> Result<AlertRecord, Fault> {
    let number = integrations::number(sql, id)?;
    let row = sql.query_one("SELECT state FROM alerts WHERE integration = ?1", &params![number])?;
    row.map_or_else(|| Ok(AlertRecord::default()), |mut row| row.json())
}

pub(super) fn put(sql: &dyn Sql, fence: &Fence, record: &AlertRecord) -> Result<(), Fault> {
    let number = leases::hold(sql, fence)?;
    sql.execute(
        "INSERT INTO alerts (integration, state) VALUES (?1, ?2)
         ON CONFLICT (integration) DO UPDATE SET state = excluded.state",
        &params![number, to_json(record)?],
    )?;
    Ok(())
}

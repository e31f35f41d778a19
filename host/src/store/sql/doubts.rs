//! What an audit asks of the ledger, and the contacts that it doubts.

use std::collections::{HashMap, HashSet};

use super::values::{Moment, list, to_json};
use super::{Param, Row, Sql, integrations, leases, ledger, params};
use crate::contact::ContactId;
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::profile::WantedConsent;
use crate::store::fault::Fault;
use crate::store::{Doubt, Judged};

/// No opt-outs, as `to_json` has it.
const NONE: &str = "[]";

pub(super) fn written(
    sql: &dyn Sql,
    id: &IntegrationId,
    after: Option<&ContactId>,
    limit: u32,
) -> Result<Vec<ContactId>, Fault> {
    let mut params = params![integrations::number(sql, id)?, limit].to_vec();
    let mut bound = "";
    if let Some(after) = after {
        params.push(after.into());
        bound = " AND contact > ?3";
    }
    let rows = sql.query(
        &format!(
            "SELECT contact FROM ledger WHERE integration = ?1 AND written IS NOT NULL{bound} ORDER BY contact LIMIT ?2"
        ),
        &params,
    )?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

pub(super) fn sample(sql: &dyn Sql, id: &IntegrationId, size: u32) -> Result<Vec<ContactId>, Fault> {
    let rows = sql.query(
        "SELECT contact FROM (
             SELECT contact, row_number() OVER (ORDER BY contact) AS place, count(*) OVER () AS total
             FROM ledger WHERE integration = ?1 AND written IS NOT NULL) AS known
         WHERE (place * ?2) / total > ((place - 1) * ?2) / total ORDER BY contact",
        &params![integrations::number(sql, id)?, size],
    )?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

/// Who is open is looked at first: who is settled between the two looks has a new entry then, which says when.
pub(super) fn judged(
    sql: &dyn Sql,
    id: &IntegrationId,
    contacts: &[ContactId],
) -> Result<HashMap<ContactId, Judged>, Fault> {
    let integration = integrations::number(sql, id)?;
    let rows = sql.query(
        "SELECT contact FROM lane_attempts WHERE integration = ?1 AND contact IN LIST(?2)
         UNION SELECT contact FROM waiting WHERE integration = ?1 AND contact IN LIST(?2)
         UNION SELECT stage.contact FROM runs JOIN stage ON stage.run = runs.id
             WHERE runs.integration = ?1 AND runs.left_stage = 1 AND stage.contact IN LIST(?2)",
        &[Param::from(integration), list(contacts)],
    )?;
    let open: HashSet<ContactId> =
        rows.into_iter().map(|mut row| row.take()).collect::<Result<_, Fault>>()?;
    let mut entries = ledger::of(sql, integration, contacts)?;
    let judged = contacts.iter().map(|contact| {
        let judged = Judged { entry: entries.remove(contact), is_open: open.contains(contact) };
        (contact.clone(), judged)
    });
    Ok(judged.collect())
}

pub(super) fn add(sql: &dyn Sql, id: &IntegrationId, doubts: &[Doubt]) -> Result<u64, Fault> {
    let integration = integrations::lock(sql, id)?;
    let each = doubts.iter().map(|doubt| {
        let opt_outs = to_json(&doubt.opt_outs)?;
        Ok(params![integration, &doubt.contact, Moment(doubt.entry_at), opt_outs].to_vec())
    });
    let each: Vec<_> = each.collect::<Result<_, Fault>>()?;
    let added = sql.execute_each(
        "INSERT INTO doubts (integration, contact, intent, opt_outs)
         SELECT integration, contact, written, ?4 FROM ledger
         WHERE integration = ?1 AND contact = ?2 AND at = ?3
             AND NOT EXISTS (SELECT 1 FROM waiting WHERE integration = ?1 AND contact = ?2)
         ON CONFLICT (integration, contact) DO UPDATE SET intent = excluded.intent, opt_outs = excluded.opt_outs",
        &each,
    )?;
    Ok(added.into_iter().sum())
}

pub(super) fn opt_outs(
    sql: &dyn Sql,
    id: &IntegrationId,
    after: Option<&ContactId>,
    limit: u32,
) -> Result<Vec<(ContactId, Vec<WantedConsent>)>, Fault> {
    let mut params = params![integrations::number(sql, id)?, limit, NONE].to_vec();
    let mut bound = "";
    if let Some(after) = after {
        params.push(after.into());
        bound = " AND contact > ?4";
    }
    let rows = sql.query(
        &format!(
            "SELECT contact, opt_outs FROM doubts WHERE integration = ?1 AND opt_outs <> ?3{bound}
             ORDER BY contact LIMIT ?2"
        ),
        &params,
    )?;
    rows.into_iter().map(|mut row| Ok((row.take()?, row.json()?))).collect()
}

pub(super) fn opted_out(sql: &dyn Sql, fence: &Fence, contacts: &[ContactId]) -> Result<(), Fault> {
    let integration = leases::hold(sql, fence)?;
    let of = [Param::from(integration), list(contacts), Param::from(NONE)];
    sql.execute("UPDATE doubts SET opt_outs = ?3 WHERE integration = ?1 AND contact IN LIST(?2)", &of)?;
    // Of a contact that was deleted nothing was written: there is nothing more to do for it.
    sql.execute(
        "DELETE FROM doubts WHERE integration = ?1 AND contact IN LIST(?2) AND intent IS NULL AND opt_outs = ?3",
        &of,
    )?;
    Ok(())
}

/// What doubted contacts may not have: contact and intent.
pub(super) fn intents(sql: &dyn Sql, integration: i64, contacts: &[ContactId]) -> Result<Vec<Row>, Fault> {
    sql.query(
        "SELECT contact, intent FROM doubts
         WHERE integration = ?1 AND contact IN LIST(?2) AND intent IS NOT NULL ORDER BY contact",
        &[Param::from(integration), list(contacts)],
    )
}

/// They were written anew.
pub(super) fn forget<'a>(
    sql: &dyn Sql,
    integration: i64,
    contacts: impl Iterator<Item = &'a ContactId>,
) -> Result<(), Fault> {
    sql.execute(
        "DELETE FROM doubts WHERE integration = ?1 AND contact IN LIST(?2)",
        &[Param::from(integration), list(contacts)],
    )?;
    Ok(())
}

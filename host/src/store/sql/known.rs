//! What is known of everybody: contacts as they looked when they were last read, for runs that ask nothing else.
//!
//! Of a contact that the last full sync did not find, and of which nothing came since, nothing is known: it may be gone
//! from the CRM.

use jiff::Timestamp;

use super::seen::unpack;
use super::values::{Count, Moment, Stored};
use super::{Sql, integrations, needs, params};
use crate::contact::{Contact, ContactId};
use crate::integration::IntegrationId;
use crate::need::NeedCode;
use crate::run::{Outcome, Phase, RunKind, Source};
use crate::store::StoreError;
use crate::store::fault::Fault;

/// When the last full sync began that read the CRM to its end.
fn last_read(sql: &dyn Sql, integration: i64) -> Result<Option<Moment>, Fault> {
    sql.value(
        "SELECT max(accepted_at) FROM runs WHERE integration = ?1 AND kind = ?2 AND phase = ?3 AND source = ?4",
        &params![
            integration,
            Stored(RunKind::FullSync),
            Stored(Phase::Completed),
            Stored(Source::Crm)
        ],
    )
}

/// Refuses where the CRM is not known well enough.
pub(super) fn refuse_unknown(sql: &dyn Sql, id: &IntegrationId, integration: i64) -> Result<(), Fault> {
    match unknown(sql, integration)? {
        None => Ok(()),
        Some(why) => Err(StoreError::KnownNotEnough { integration: id.clone(), why }.into()),
    }
}

/// What is not known, in words.
fn unknown(sql: &dyn Sql, integration: i64) -> Result<Option<String>, Fault> {
    let needs = needs::all(sql, integration)?;
    let others: Vec<&str> = needs
        .iter()
        .map(|need| need.code)
        .filter(|code| !code.is_of_rules() && *code != NeedCode::MappingPaused)
        .map(NeedCode::as_str)
        .collect();
    if !others.is_empty() {
        return Ok(Some(format!("a full sync is needed for another reason ({})", others.join(", "))));
    }
    let Some(since) = last_read(sql, integration)? else {
        return Ok(Some("no full sync that reads the CRM has completed yet".to_owned()));
    };
    let Count(waiting) = sql.value(
        "SELECT (SELECT count(*) FROM deliveries WHERE integration = ?1 AND due >= 0 AND decoded = 0 AND ended_at IS NULL)
             + (SELECT count(*) FROM waiting WHERE integration = ?1)",
        &params![integration],
    )?;
    if waiting > 0 {
        return Ok(Some(format!("{waiting} messages of the CRM wait that are newer")));
    }
    // What is in the ledger, and not gone from the CRM, has been read; what it looked like is kept for a time.
    let Count(contacts) = sql.value(
        "SELECT count(*) FROM ledger WHERE integration = ?1 AND at >= ?2 AND outcome <> ?3 AND NOT EXISTS (
             SELECT 1 FROM seen WHERE seen.integration = ledger.integration AND seen.contact = ledger.contact)",
        &params![integration, since, Stored(Outcome::Deleted)],
    )?;
    Ok((contacts > 0).then(|| {
        format!(
            "what {contacts} contacts look like is known no more (it is kept for the `keep-days` under [story])"
        )
    }))
}

/// What contacts looked like, and when, by id, after `after`, at most `limit`.
pub(super) fn states(
    sql: &dyn Sql,
    id: &IntegrationId,
    after: Option<&ContactId>,
    limit: u32,
) -> Result<Vec<(Timestamp, Contact)>, Fault> {
    let integration = integrations::number(sql, id)?;
    let Some(since) = last_read(sql, integration)? else { return Ok(Vec::new()) };
    let mut params = params![integration, since, Stored(Outcome::Deleted), limit].to_vec();
    let mut bound = "";
    if let Some(after) = after {
        params.push(after.into());
        bound = " AND seen.contact > ?5";
    }
    let rows = sql.query(
        &format!(
            "SELECT seen.at, seen.state FROM seen
             JOIN ledger ON ledger.integration = seen.integration AND ledger.contact = seen.contact
             WHERE seen.integration = ?1 AND ledger.at >= ?2 AND ledger.outcome <> ?3{bound}
             ORDER BY seen.contact LIMIT ?4"
        ),
        &params,
    )?;
    let read = |mut row: super::Row| {
        let Moment(at) = row.take()?;
        Ok((at, unpack("state", &row.take::<Vec<u8>>()?)?))
    };
    rows.into_iter().map(read).collect()
}

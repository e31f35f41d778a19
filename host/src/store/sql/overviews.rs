//! Overviews that are imported, and their imports.

use jiff::Timestamp;
use jiff::civil::Time;

use super::values::{Count, Moment, Stored, Word, some_to_json};
use super::{Row, Sql, integrations, leases, members, params};
use crate::contact::Cursor;
use crate::error::Failure;
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::overview::{
    ImportCounters, ImportKind, ImportNumber, ImportState, ImportWork, Overview, OverviewError, OverviewId,
    OverviewImport,
};
use crate::profile::TagId;
use crate::store::fault::Fault;
use crate::store::{NewImport, StoreError};

/// Imports of an overview that are kept.
const KEPT: u32 = 100;
/// How many older ones are deleted at once.
const SWEPT: u32 = 100;

/// How a local time is kept.
const CLOCK: &str = "%H:%M";

const OVERVIEW: &str = "overview, name, tag, tag_name, recurring, local_time, leaving";

const IMPORT: &str =
    "imports.number, imports.overview, kind, confirmed, state, read, added, unchanged, skipped, removed,
    not_removed, accepted_at, started_at, ended_at, failure";

impl Word for ImportKind {
    const CASES: &'static [Self] = &Self::ALL;
    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Word for ImportState {
    const CASES: &'static [Self] = &Self::ALL;
    fn word(self) -> &'static str {
        self.as_str()
    }
}

fn read_overview(row: &mut Row) -> Result<Overview, Fault> {
    Ok(Overview {
        id: OverviewId(row.take()?),
        name: row.take()?,
        tag: TagId(row.take()?),
        tag_name: row.take()?,
        recurring: row.take()?,
        at: Time::strptime(CLOCK, row.take::<String>()?)
            .map_err(|_| Fault::Content("column local_time holds no time of day".to_owned()))?,
        leaving: row.take()?,
    })
}

fn read_import(row: &mut Row) -> Result<OverviewImport, Fault> {
    let (number, overview) = (ImportNumber(row.take()?), OverviewId(row.take()?));
    let (kind, confirmed, state) =
        (row.take::<Stored<ImportKind>>()?.0, row.take()?, row.take::<Stored<ImportState>>()?.0);
    let mut count = || row.take::<Count>().map(|count| count.0);
    let counters = ImportCounters {
        read: count()?,
        added: count()?,
        unchanged: count()?,
        skipped: count()?,
        removed: count()?,
        not_removed: count()?,
    };
    Ok(OverviewImport {
        number,
        overview,
        kind,
        confirmed,
        state,
        counters,
        accepted_at: row.take::<Moment>()?.0,
        started_at: row.take::<Option<Moment>>()?.map(|moment| moment.0),
        ended_at: row.take::<Option<Moment>>()?.map(|moment| moment.0),
        failure: row.some_json()?,
    })
}

pub(super) fn put(sql: &dyn Sql, id: &IntegrationId, overview: &Overview) -> Result<bool, Fault> {
    let integration = integrations::lock(sql, id)?;
    integrations::refuse_retiring(sql, id, integration)?;
    if let Some(other) = members::holder(sql, integration, &overview.id, &overview.tag)? {
        return refused(OverviewError::TagTaken { tag: overview.tag.clone(), overview: other });
    }
    let is_new = find(sql, integration, &overview.id)?.is_none();
    sql.execute(
        "INSERT INTO overviews (integration, overview, name, tag, tag_name, recurring, local_time, done)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (integration, overview) DO UPDATE SET name = excluded.name, tag = excluded.tag,
             tag_name = excluded.tag_name, recurring = excluded.recurring, local_time = excluded.local_time,
             done = excluded.done, leaving = 0",
        &params![
            integration,
            &overview.id.0,
            &overview.name,
            &overview.tag.0,
            &overview.tag_name,
            overview.recurring,
            overview.at.strftime(CLOCK).to_string(),
            Moment(Timestamp::now()),
        ],
    )?;
    sql.notify(id)?;
    Ok(is_new)
}

fn refused<T>(error: OverviewError) -> Result<T, Fault> {
    Err(StoreError::from(error).into())
}

fn find(sql: &dyn Sql, integration: i64, overview: &OverviewId) -> Result<Option<Overview>, Fault> {
    let row = sql.query_one(
        &format!("SELECT {OVERVIEW} FROM overviews WHERE integration = ?1 AND overview = ?2"),
        &params![integration, &overview.0],
    )?;
    row.map(|mut row| read_overview(&mut row)).transpose()
}

fn known(
    sql: &dyn Sql,
    id: &IntegrationId,
    integration: i64,
    overview: &OverviewId,
) -> Result<Overview, Fault> {
    match find(sql, integration, overview)? {
        Some(found) => Ok(found),
        None => refused(OverviewError::Unknown { integration: id.clone(), overview: overview.clone() }),
    }
}

pub(super) fn get(sql: &dyn Sql, id: &IntegrationId, overview: &OverviewId) -> Result<Overview, Fault> {
    known(sql, id, integrations::number(sql, id)?, overview)
}

pub(super) fn all(
    sql: &dyn Sql,
    id: &IntegrationId,
) -> Result<Vec<(Overview, Option<OverviewImport>)>, Fault> {
    let integration = integrations::number(sql, id)?;
    let rows = sql.query(
        &format!("SELECT {OVERVIEW} FROM overviews WHERE integration = ?1 ORDER BY name, overview"),
        &params![integration],
    )?;
    let with_last = |mut row: Row| {
        let overview = read_overview(&mut row)?;
        let last = newest(sql, integration, &overview.id, None, 1)?.into_iter().next();
        Ok((overview, last))
    };
    rows.into_iter().map(with_last).collect()
}

pub(super) fn recurring(sql: &dyn Sql, id: &IntegrationId) -> Result<Vec<(Overview, Timestamp)>, Fault> {
    let rows = sql.query(
        &format!(
            "SELECT {OVERVIEW}, done FROM overviews JOIN integrations ON integrations.number = overviews.integration
             WHERE id = ?1 AND recurring = 1 AND leaving = 0 ORDER BY overview"
        ),
        &params![id],
    )?;
    rows.into_iter().map(|mut row| Ok((read_overview(&mut row)?, row.take::<Moment>()?.0))).collect()
}

pub(super) fn forget(sql: &dyn Sql, id: &IntegrationId, overview: &OverviewId) -> Result<(), Fault> {
    let integration = integrations::lock(sql, id)?;
    known(sql, id, integration, overview)?;
    refuse_active(sql, integration, overview)?;
    delete(sql, integration, overview)
}

fn delete(sql: &dyn Sql, integration: i64, overview: &OverviewId) -> Result<(), Fault> {
    for table in ["overview_members", "overview_imports", "overviews"] {
        sql.execute(
            &format!("DELETE FROM {table} WHERE integration = ?1 AND overview = ?2"),
            &params![integration, &overview.0],
        )?;
    }
    Ok(())
}

fn refuse_active(sql: &dyn Sql, integration: i64, overview: &OverviewId) -> Result<(), Fault> {
    let active = sql.query_one(
        "SELECT number FROM overview_imports WHERE integration = ?1 AND overview = ?2 AND ended_at IS NULL",
        &params![integration, &overview.0],
    )?;
    match active {
        Some(mut row) => refused(OverviewError::ImportActive {
            overview: overview.clone(),
            number: ImportNumber(row.take()?),
        }),
        None => Ok(()),
    }
}

pub(super) fn accept(
    sql: &dyn Sql,
    id: &IntegrationId,
    overview: &OverviewId,
    new: NewImport,
) -> Result<OverviewImport, Fault> {
    let integration = integrations::lock(sql, id)?;
    integrations::refuse_retiring(sql, id, integration)?;
    let is_leaving = known(sql, id, integration, overview)?.leaving;
    if let Some(done) = new.done {
        sql.execute(
            "UPDATE overviews SET done = ?3 WHERE integration = ?1 AND overview = ?2",
            &params![integration, &overview.0, Moment(done)],
        )?;
    }
    refuse_active(sql, integration, overview)?;
    if is_leaving && new.kind != ImportKind::Removal {
        return refused(OverviewError::Leaving(overview.clone()));
    }
    if new.kind == ImportKind::Removal {
        sql.execute(
            "UPDATE overviews SET leaving = 1 WHERE integration = ?1 AND overview = ?2",
            &params![integration, &overview.0],
        )?;
    }
    sql.execute(
        "DELETE FROM overview_imports WHERE number IN (SELECT number FROM overview_imports
             WHERE integration = ?1 AND overview = ?2 ORDER BY number DESC LIMIT ?4 OFFSET ?3)",
        &params![integration, &overview.0, KEPT, SWEPT],
    )?;
    let number: i64 = sql.value(
        "INSERT INTO overview_imports (integration, overview, kind, confirmed, state, accepted_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING number",
        &params![
            integration,
            &overview.0,
            Stored(new.kind),
            new.confirmed,
            Stored(ImportState::Accepted),
            Moment(Timestamp::now()),
        ],
    )?;
    sql.notify(id)?;
    one(sql, ImportNumber(number))
}

fn one(sql: &dyn Sql, number: ImportNumber) -> Result<OverviewImport, Fault> {
    import(sql, number)?.ok_or_else(|| Fault::Content("an import is not there that was".to_owned()))
}

pub(super) fn import(sql: &dyn Sql, number: ImportNumber) -> Result<Option<OverviewImport>, Fault> {
    let row = sql.query_one(
        &format!("SELECT {IMPORT} FROM overview_imports imports WHERE number = ?1"),
        &params![number.0],
    )?;
    row.map(|mut row| read_import(&mut row)).transpose()
}

pub(super) fn newest_of(
    sql: &dyn Sql,
    id: &IntegrationId,
    overview: &OverviewId,
    before: Option<ImportNumber>,
    limit: u32,
) -> Result<Vec<OverviewImport>, Fault> {
    let integration = integrations::number(sql, id)?;
    known(sql, id, integration, overview)?;
    newest(sql, integration, overview, before, limit)
}

fn newest(
    sql: &dyn Sql,
    integration: i64,
    overview: &OverviewId,
    before: Option<ImportNumber>,
    limit: u32,
) -> Result<Vec<OverviewImport>, Fault> {
    let before = before.map_or(i64::MAX, |before| before.0);
    let rows = sql.query(
        &format!(
            "SELECT {IMPORT} FROM overview_imports imports WHERE integration = ?1 AND overview = ?2 AND number < ?3
             ORDER BY number DESC LIMIT ?4"
        ),
        &params![integration, &overview.0, before, limit],
    )?;
    rows.into_iter().map(|mut row| read_import(&mut row)).collect()
}

pub(super) fn active_of(sql: &dyn Sql, id: &IntegrationId) -> Result<Option<ImportWork>, Fault> {
    let row = sql.query_one(
        &format!(
            "SELECT {IMPORT}, tag, cursor FROM overview_imports imports
             JOIN integrations ON integrations.number = imports.integration
             JOIN overviews ON overviews.integration = imports.integration AND overviews.overview = imports.overview
             WHERE integrations.id = ?1 AND ended_at IS NULL ORDER BY imports.number LIMIT 1"
        ),
        &params![id],
    )?;
    let Some(mut row) = row else { return Ok(None) };
    Ok(Some(ImportWork {
        import: read_import(&mut row)?,
        tag: TagId(row.take()?),
        cursor: row.take::<Option<String>>()?.map(Cursor),
    }))
}

/// An import that this host may go on with: the integration's number, and the import.
pub(super) fn active(
    sql: &dyn Sql,
    fence: &Fence,
    number: ImportNumber,
) -> Result<(i64, OverviewImport), Fault> {
    let integration = leases::hold(sql, fence)?;
    match import(sql, number)? {
        Some(import) if import.ended_at.is_none() => Ok((integration, import)),
        // It went with its overview, or another host has ended it.
        _ => Err(StoreError::LeaseLost(fence.integration.clone()).into()),
    }
}

pub(super) fn begin_tagging(sql: &dyn Sql, fence: &Fence, number: ImportNumber) -> Result<(), Fault> {
    let (integration, import) = active(sql, fence, number)?;
    let read = members::begin_tagging(sql, integration, &import)?;
    sql.execute(
        "UPDATE overview_imports SET state = ?2, cursor = NULL, read = ?3, started_at = coalesce(started_at, ?4)
         WHERE number = ?1",
        &params![number.0, Stored(ImportState::Writing), Count(read), Moment(Timestamp::now())],
    )?;
    Ok(())
}

pub(super) fn end(
    sql: &dyn Sql,
    fence: &Fence,
    number: ImportNumber,
    failure: Option<&Failure>,
) -> Result<OverviewImport, Fault> {
    let (integration, before) = active(sql, fence, number)?;
    let state = if failure.is_some() { ImportState::Failed } else { ImportState::Completed };
    // Where it was is a contact's id.
    sql.execute(
        "UPDATE overview_imports SET state = ?2, failure = ?3, ended_at = ?4, cursor = NULL, place = NULL
         WHERE number = ?1",
        &params![number.0, Stored(state), some_to_json(failure)?, Moment(Timestamp::now())],
    )?;
    let ended = one(sql, number)?;
    if before.kind == ImportKind::Removal
        && state == ImportState::Completed
        && members::tagged(sql, integration, &before.overview)? == 0
    {
        delete(sql, integration, &before.overview)?;
    }
    sql.notify(&fence.integration)?;
    Ok(ended)
}

/// Stores how far an import is.
pub(super) fn put_counters(
    sql: &dyn Sql,
    number: ImportNumber,
    counters: &ImportCounters,
) -> Result<(), Fault> {
    sql.execute(
        "UPDATE overview_imports SET read = ?2, added = ?3, unchanged = ?4, skipped = ?5, removed = ?6, not_removed = ?7
         WHERE number = ?1",
        &params![
            number.0,
            Count(counters.read),
            Count(counters.added),
            Count(counters.unchanged),
            Count(counters.skipped),
            Count(counters.removed),
            Count(counters.not_removed),
        ],
    )?;
    Ok(())
}

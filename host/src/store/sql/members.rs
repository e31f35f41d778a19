//! Who is a member of an overview, or was, and which of its tags are on whose profile.
//!
//! A tag is written down before it is sent, so that whoever comes after a crash knows of all that may be there.

use jiff::Timestamp;

use super::overviews::{active, put_counters};
use super::values::{Count, Moment, Stored, from_json, list, some_to_json, to_json};
use super::{Param, Row, Sql, integrations, params};
use crate::contact::{ContactId, Cursor};
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::overview::{
    ImportCounters, ImportNumber, ImportState, Member, MemberEnd, MemberSettled, OverviewId, OverviewImport,
    SkippedMember,
};
use crate::profile::TagId;
use crate::store::fault::Fault;

/// The overview, other than this one, whose tag this is, or that may have set it.
pub(super) fn holder(
    sql: &dyn Sql,
    integration: i64,
    overview: &OverviewId,
    tag: &TagId,
) -> Result<Option<OverviewId>, Fault> {
    let others = params![integration, &overview.0, &tag.0];
    let by_name = sql.query_one(
        "SELECT overview FROM overviews WHERE integration = ?1 AND overview <> ?2 AND tag = ?3",
        &others,
    )?;
    if let Some(mut row) = by_name {
        return Ok(Some(OverviewId(row.take()?)));
    }
    // Of one whose tag was changed, some may still have the former one.
    let kept = sql.query(
        "SELECT DISTINCT overview, tags FROM overview_members
         WHERE integration = ?1 AND overview <> ?2 AND tags IS NOT NULL",
        &params![integration, &overview.0],
    )?;
    for mut row in kept {
        let (other, tags): (String, Option<String>) = (row.take()?, row.take()?);
        if read_tags(tags)?.contains(tag) {
            return Ok(Some(OverviewId(other)));
        }
    }
    Ok(None)
}

fn read_tags(tags: Option<String>) -> Result<Vec<TagId>, Fault> {
    tags.map_or_else(|| Ok(Vec::new()), |tags| from_json("tags", &tags))
}

/// No tags are NULL, so that those who have one are found.
fn kept_tags(tags: &[TagId]) -> Result<Option<String>, Fault> {
    (!tags.is_empty()).then(|| to_json(&tags)).transpose()
}

pub(super) fn commit(
    sql: &dyn Sql,
    fence: &Fence,
    number: ImportNumber,
    members: &[(ContactId, bool)],
    next: Option<&Cursor>,
) -> Result<ImportCounters, Fault> {
    let (integration, import) = active(sql, fence, number)?;
    let mut counters = import.counters;
    let each: Vec<_> = members
        .iter()
        .map(|(contact, is_forgotten)| {
            params![integration, &import.overview.0, contact, number.0, *is_forgotten].to_vec()
        })
        .collect();
    let read = sql.execute_each(
        "INSERT INTO overview_members (integration, overview, contact, read_in, forgotten) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (integration, overview, contact) DO UPDATE SET read_in = excluded.read_in,
             forgotten = excluded.forgotten
         WHERE overview_members.read_in IS NULL OR overview_members.read_in <> excluded.read_in",
        &each,
    )?;
    counters.read += read.into_iter().sum::<u64>();
    put_counters(sql, number, &counters)?;
    sql.execute(
        "UPDATE overview_imports SET state = ?2, cursor = ?3, started_at = coalesce(started_at, ?4) WHERE number = ?1",
        &params![
            number.0,
            Stored(ImportState::Reading),
            next.map(|cursor| cursor.0.as_str()),
            Moment(Timestamp::now()),
        ],
    )?;
    Ok(counters)
}

pub(super) fn read_anew(sql: &dyn Sql, fence: &Fence, number: ImportNumber) -> Result<(), Fault> {
    let (integration, import) = active(sql, fence, number)?;
    sql.execute(
        "UPDATE overview_members SET read_in = NULL WHERE integration = ?1 AND overview = ?2 AND read_in = ?3",
        &params![integration, &import.overview.0, number.0],
    )?;
    sql.execute(
        "UPDATE overview_imports SET state = ?2, cursor = NULL, read = 0 WHERE number = ?1",
        &params![number.0, Stored(ImportState::Accepted)],
    )?;
    Ok(())
}

pub(super) fn would_lose(sql: &dyn Sql, number: ImportNumber) -> Result<(u64, u64), Fault> {
    let row = sql.query_one(
        "SELECT count(*), coalesce(sum(CASE WHEN members.read_in = imports.number THEN 0 ELSE 1 END), 0)
         FROM overview_imports imports JOIN overview_members members
             ON members.integration = imports.integration AND members.overview = imports.overview
         WHERE imports.number = ?1 AND members.tags IS NOT NULL",
        &params![number.0],
    )?;
    let Some(mut row) = row else { return Ok((0, 0)) };
    Ok((row.take::<Count>()?.0, row.take::<Count>()?.0))
}

/// How many have a tag of the overview, or may have.
pub(super) fn tagged(sql: &dyn Sql, integration: i64, overview: &OverviewId) -> Result<u64, Fault> {
    let Count(count) = sql.value(
        "SELECT count(*) FROM overview_members WHERE integration = ?1 AND overview = ?2 AND tags IS NOT NULL",
        &params![integration, &overview.0],
    )?;
    Ok(count)
}

/// Forgets whom the import before this one left aside; how many members were read.
pub(super) fn begin_tagging(sql: &dyn Sql, integration: i64, import: &OverviewImport) -> Result<u64, Fault> {
    let of = params![integration, &import.overview.0];
    sql.execute(
        "UPDATE overview_members SET reason = NULL WHERE integration = ?1 AND overview = ?2 AND reason IS NOT NULL",
        &of,
    )?;
    let Count(read) = sql.value(
        "SELECT count(*) FROM overview_members WHERE integration = ?1 AND overview = ?2 AND read_in = ?3",
        &params![integration, &import.overview.0, import.number.0],
    )?;
    Ok(read)
}

pub(super) fn next(sql: &dyn Sql, number: ImportNumber, limit: u32) -> Result<Vec<Member>, Fault> {
    let rows = sql.query(
        "SELECT members.contact, CASE WHEN members.read_in = imports.number THEN 1 ELSE 0 END, members.forgotten,
             members.tags, members.settled
         FROM overview_imports imports JOIN overview_members members
             ON members.integration = imports.integration AND members.overview = imports.overview
         WHERE imports.number = ?1 AND (imports.place IS NULL OR members.contact > imports.place)
         ORDER BY members.contact LIMIT ?2",
        &params![number.0, limit],
    )?;
    let read = |mut row: Row| {
        Ok(Member {
            contact: row.take()?,
            is_member: row.take()?,
            is_forgotten: row.take()?,
            tags: read_tags(row.take()?)?,
            is_settled: row.take()?,
        })
    };
    rows.into_iter().map(read).collect()
}

pub(super) fn note_tags(
    sql: &dyn Sql,
    fence: &Fence,
    number: ImportNumber,
    tags: &[(ContactId, Vec<TagId>)],
) -> Result<(), Fault> {
    let (integration, import) = active(sql, fence, number)?;
    let each = tags.iter().map(|(contact, tags)| {
        Ok(params![integration, &import.overview.0, contact, kept_tags(tags)?].to_vec())
    });
    let each: Vec<_> = each.collect::<Result<_, Fault>>()?;
    sql.execute_each(
        "UPDATE overview_members SET tags = ?4, settled = 0
         WHERE integration = ?1 AND overview = ?2 AND contact = ?3",
        &each,
    )?;
    Ok(())
}

pub(super) fn settle(
    sql: &dyn Sql,
    fence: &Fence,
    number: ImportNumber,
    settled: &[MemberSettled],
) -> Result<ImportCounters, Fault> {
    let (integration, import) = active(sql, fence, number)?;
    let mut counters = import.counters;
    let (mut gone, mut kept) = (Vec::new(), Vec::with_capacity(settled.len()));
    for one in settled {
        if let Some(counter) = counters.of(one.end) {
            *counter += 1;
        }
        match one.end {
            MemberEnd::Gone | MemberEnd::Removed => gone.push(&one.contact),
            MemberEnd::Added | MemberEnd::Unchanged | MemberEnd::Skipped | MemberEnd::NotRemoved => kept
                .push(
                    params![
                        integration,
                        &import.overview.0,
                        &one.contact,
                        kept_tags(&one.tags)?,
                        one.is_settled,
                        some_to_json(one.reason.as_ref())?,
                    ]
                    .to_vec(),
                ),
        }
    }
    sql.execute_each(
        "UPDATE overview_members SET tags = ?4, settled = ?5, reason = ?6
         WHERE integration = ?1 AND overview = ?2 AND contact = ?3",
        &kept,
    )?;
    sql.execute(
        "DELETE FROM overview_members WHERE integration = ?1 AND overview = ?2 AND contact IN LIST(?3)",
        &[Param::from(integration), Param::from(&import.overview.0), list(gone)],
    )?;
    put_counters(sql, number, &counters)?;
    if let Some(last) = settled.iter().map(|one| &one.contact).max() {
        sql.execute("UPDATE overview_imports SET place = ?2 WHERE number = ?1", &params![number.0, last])?;
    }
    Ok(counters)
}

pub(super) fn skipped(
    sql: &dyn Sql,
    id: &IntegrationId,
    overview: &OverviewId,
    after: Option<&ContactId>,
    limit: u32,
) -> Result<Vec<SkippedMember>, Fault> {
    super::overviews::get(sql, id, overview)?;
    let mut params = params![integrations::number(sql, id)?, &overview.0, limit].to_vec();
    let mut bound = "";
    if let Some(after) = after {
        params.push(after.into());
        bound = " AND contact > ?4";
    }
    let rows = sql.query(
        &format!(
            "SELECT contact, reason FROM overview_members
             WHERE integration = ?1 AND overview = ?2 AND reason IS NOT NULL{bound} ORDER BY contact LIMIT ?3"
        ),
        &params,
    )?;
    rows.into_iter().map(|mut row| Ok(SkippedMember { contact: row.take()?, reason: row.json()? })).collect()
}

/// Their profiles are gone, or new: no tag is on them.
pub(super) fn have_no_tags(sql: &dyn Sql, integration: i64, contacts: Vec<&ContactId>) -> Result<(), Fault> {
    if contacts.is_empty() {
        return Ok(());
    }
    sql.execute(
        "UPDATE overview_members SET tags = NULL, settled = 1
         WHERE integration = ?1 AND contact IN LIST(?2) AND tags IS NOT NULL",
        &[Param::from(integration), list(contacts)],
    )?;
    Ok(())
}

/// Erases what is kept of a contact; how many memberships.
pub(super) fn erase(sql: &dyn Sql, integration: i64, contact: &ContactId) -> Result<u64, Fault> {
    let of_it = params![integration, contact];
    // Where an import is may be that contact; the one before it in the order does as well.
    sql.execute(
        "UPDATE overview_imports SET place = (SELECT max(members.contact) FROM overview_members members
             WHERE members.integration = ?1 AND members.overview = overview_imports.overview AND members.contact < ?2)
         WHERE integration = ?1 AND place = ?2",
        &of_it,
    )?;
    sql.execute("DELETE FROM overview_members WHERE integration = ?1 AND contact = ?2", &of_it)
}

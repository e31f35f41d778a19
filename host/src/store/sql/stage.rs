//! The stage: what a run has decided to write and has not settled yet. A row goes when its contact gets
//! its outcome, so that what is left is what there is to do.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::ledger::{self, Entry, Kept};
use super::leftovers::{self, Part};
use super::runs::Active;
use super::values::{Count, Moment, list, some_to_json, to_json};
use super::{Param, Row, Sql, doubts, integrations, lane, pages, params, runs, seen};
use crate::contact::ContactId;
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::profile::{Intent, KnownConsent};
use crate::run::{Counters, Decided, RunId, Settled, Staged, Wrote};
use crate::store::Found;
use crate::store::fault::Fault;

/// Of a run that has ended nothing is staged any more, though its rows may not be deleted yet.
const SELECT: &str =
    "SELECT stage.contact, stage.intent, stage.existed, stage.known_consents, ledger.written,
    CASE WHEN stage.number <= runs.absent_up_to THEN 1 ELSE 0 END, stage.found, runs.integration
    FROM stage JOIN runs ON runs.id = stage.run AND runs.ended_at IS NULL
    LEFT JOIN ledger ON ledger.integration = runs.integration AND ledger.contact = stage.contact
    WHERE stage.run = ?1 AND stage.tried = 0";

pub(super) fn put(sql: &dyn Sql, run: RunId, staged: &[(&Decided, &Intent)]) -> Result<(), Fault> {
    let each = staged.iter().map(|(decided, intent)| {
        Ok(params![run, &decided.contact, decided.modified_at.map(Moment), to_json(*intent)?].to_vec())
    });
    let each: Vec<_> = each.collect::<Result<_, Fault>>()?;
    sql.execute_each(
        "INSERT INTO stage (run, contact, modified_at, intent) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (run, contact) DO UPDATE SET modified_at = coalesce(excluded.modified_at, stage.modified_at),
             intent = excluded.intent, tried = 0",
        &each,
    )?;
    Ok(())
}

pub(super) fn remove<'a>(
    sql: &dyn Sql,
    run: RunId,
    contacts: impl Iterator<Item = &'a ContactId>,
) -> Result<(), Fault> {
    sql.execute(
        "DELETE FROM stage WHERE run = ?1 AND contact IN LIST(?2)",
        &[Param::from(run), list(contacts)],
    )?;
    Ok(())
}

pub(super) fn count(sql: &dyn Sql, run: RunId) -> Result<u64, Fault> {
    let Count(count) = sql.value(
        "SELECT count(*) FROM stage
         WHERE tried = 0 AND run = (SELECT id FROM runs WHERE id = ?1 AND ended_at IS NULL)",
        &params![run],
    )?;
    Ok(count)
}

pub(super) fn between(
    sql: &dyn Sql,
    run: RunId,
    after: Option<&ContactId>,
    last: Option<&ContactId>,
    limit: u32,
) -> Result<Vec<Staged>, Fault> {
    // A bound that may be absent would keep the engine from seeking in the index.
    let mut params = params![run, limit].to_vec();
    let mut bounds = String::new();
    for (bound, test) in [(after, ">"), (last, "<=")] {
        if let Some(contact) = bound {
            params.push(contact.into());
            bounds.push_str(&format!(" AND stage.contact {test} ?{}", params.len()));
        }
    }
    let rows = sql.query(&format!("{SELECT}{bounds} ORDER BY stage.contact LIMIT ?2"), &params)?;
    from_rows(sql, rows)
}

pub(super) fn of(sql: &dyn Sql, run: RunId, contacts: &[ContactId]) -> Result<Vec<Staged>, Fault> {
    let rows = sql.query(
        &format!("{SELECT} AND stage.contact IN LIST(?2) ORDER BY stage.contact"),
        &[Param::from(run), list(contacts)],
    )?;
    from_rows(sql, rows)
}

fn from_rows(sql: &dyn Sql, rows: Vec<Row>) -> Result<Vec<Staged>, Fault> {
    let mut integration = None;
    let mut all: Vec<Staged> = Vec::with_capacity(rows.len());
    for mut row in rows {
        let _contact: ContactId = row.take()?;
        let intent = row.json()?;
        let existed: Option<bool> = row.take()?;
        let known: Option<Vec<KnownConsent>> = row.some_json()?;
        let last_written = row.some_json()?;
        let absent: bool = row.take()?;
        let found = row.some_json()?;
        integration = Some(row.take::<i64>()?);
        let (existed, known_consents) =
            if existed.is_none() && absent { (Some(false), Some(Vec::new())) } else { (existed, known) };
        all.push(Staged { intent, existed, known_consents, last_written, attempted: Vec::new(), found });
    }
    if let Some(integration) = integration {
        let contacts: Vec<ContactId> = all.iter().map(|staged| staged.intent.key.clone()).collect();
        let mut attempted = attempted(sql, integration, &contacts)?;
        for staged in &mut all {
            staged.attempted = attempted.remove(&staged.intent.key).unwrap_or_default();
        }
    }
    Ok(all)
}

/// What runs that have ended, and the lane, may have written for contacts; and what an audit did not find.
pub(super) fn attempted(
    sql: &dyn Sql,
    integration: i64,
    contacts: &[ContactId],
) -> Result<HashMap<ContactId, Vec<Intent>>, Fault> {
    let rows = sql.query(
        "SELECT stage.contact, stage.intent FROM runs JOIN stage ON stage.run = runs.id
         WHERE runs.integration = ?1 AND runs.left_stage = 1 AND stage.contact IN LIST(?2) ORDER BY runs.id",
        &[Param::from(integration), list(contacts)],
    )?;
    let mut attempted: HashMap<ContactId, Vec<Intent>> = HashMap::new();
    let of_lane = lane::attempts(sql, integration, contacts)?;
    let doubted = doubts::intents(sql, integration, contacts)?;
    for mut row in rows.into_iter().chain(of_lane).chain(doubted) {
        attempted.entry(row.take()?).or_default().push(row.json()?);
    }
    Ok(attempted)
}

pub(super) fn attempted_of(
    sql: &dyn Sql,
    integration: &IntegrationId,
    contacts: &[ContactId],
) -> Result<HashMap<ContactId, Vec<Intent>>, Fault> {
    attempted(sql, integrations::number(sql, integration)?, contacts)
}

/// What becomes of a run's stage when it ends: what may have been written is kept, for as long as its
/// contact is not written again.
pub(super) fn end(sql: &dyn Sql, run: &Active, wrote: bool) -> Result<(), Fault> {
    if !wrote {
        leftovers::add(sql, Part::Stage, run.id.0)?;
    }
    sql.execute(
        "UPDATE runs SET left_stage = CASE WHEN EXISTS (SELECT 1 FROM stage WHERE run = runs.id) THEN 1 ELSE 0 END
         WHERE integration = ?1 AND (left_stage = 1 OR id = ?2 AND ?3 = 1)",
        &params![run.integration, run.id, wrote],
    )?;
    Ok(())
}

pub(super) fn note_found(sql: &dyn Sql, fence: &Fence, id: RunId, found: &[Found]) -> Result<(), Fault> {
    runs::active(sql, fence, id)?;
    let each = found.iter().map(|found| {
        Ok(params![
            id,
            &found.contact,
            found.existed,
            to_json(&found.consents)?,
            some_to_json(found.attributes.as_ref())?,
        ]
        .to_vec())
    });
    let each: Vec<_> = each.collect::<Result<_, Fault>>()?;
    sql.execute_each(
        "UPDATE stage SET existed = ?3, known_consents = ?4, found = ?5
         WHERE run = ?1 AND contact = ?2 AND existed IS NULL
         AND number > (SELECT absent_up_to FROM runs WHERE id = ?1)",
        &each,
    )?;
    Ok(())
}

/// One number instead of a change of every row: rows staged later have greater numbers.
pub(super) fn note_rest_absent(sql: &dyn Sql, fence: &Fence, id: RunId) -> Result<(), Fault> {
    runs::active(sql, fence, id)?;
    sql.execute(
        "UPDATE runs SET absent_up_to = (SELECT coalesce(max(number), 0) FROM stage WHERE run = ?1) WHERE id = ?1",
        &params![id],
    )?;
    Ok(())
}

const OF_LEFT_RUNS: &str = "run IN (SELECT id FROM runs WHERE integration = ?1 AND left_stage = 1)";

/// What was written makes earlier attempts void, whoever made them.
pub(super) fn forget_left<'a>(
    sql: &dyn Sql,
    integration: i64,
    contacts: impl Iterator<Item = &'a ContactId> + Clone,
) -> Result<(), Fault> {
    sql.execute(
        &format!("DELETE FROM stage WHERE contact IN LIST(?2) AND {OF_LEFT_RUNS}"),
        &[Param::from(integration), list(contacts.clone())],
    )?;
    doubts::forget(sql, integration, contacts.clone())?;
    lane::forget_attempts(sql, integration, contacts)
}

/// What was refused makes the same attempt void, and no other.
fn forget_same(sql: &dyn Sql, run: &Active, refused: &[&ContactId]) -> Result<(), Fault> {
    sql.execute(
        &format!(
            "DELETE FROM stage WHERE contact IN LIST(?2) AND {OF_LEFT_RUNS} AND intent =
                 (SELECT intent FROM stage now WHERE now.run = ?3 AND now.contact = stage.contact)"
        ),
        &[Param::from(run.integration), list(refused.iter().copied()), Param::from(run.id)],
    )?;
    Ok(())
}

/// A staged contact that gets its outcome.
struct Taken {
    intent: String,
    modified_at: Option<Moment>,
}

pub(super) fn settle(
    sql: &dyn Sql,
    fence: &Fence,
    id: RunId,
    settled: &[Settled],
) -> Result<Counters, Fault> {
    let mut run = runs::active(sql, fence, id)?;
    let rows = sql.query(
        "UPDATE stage SET tried = 1 WHERE run = ?1 AND contact IN LIST(?2) AND tried = 0
         RETURNING contact, intent, modified_at",
        &[Param::from(id), list(settled.iter().map(|settled| &settled.contact))],
    )?;
    let mut taken: HashMap<ContactId, Taken> = HashMap::with_capacity(rows.len());
    for mut row in rows {
        taken.insert(row.take()?, Taken { intent: row.take()?, modified_at: row.take()? });
    }
    // Of a contact that is there twice, the first one holds.
    let mut ended: BTreeMap<&ContactId, &Settled> = BTreeMap::new();
    for settled in settled.iter().filter(|settled| taken.contains_key(&settled.contact)) {
        ended.entry(&settled.contact).or_insert(settled);
    }
    let of = |as_before: bool| -> Vec<&ContactId> {
        let is = |ended: &&&Settled| (ended.wrote == Wrote::AsBefore) == as_before;
        ended.values().filter(is).map(|ended| &ended.contact).collect()
    };
    let written = of(false);
    remove(sql, id, written.iter().copied())?;
    if run.is_real() {
        forget_left(sql, run.integration, written.iter().copied())?;
        forget_same(sql, &run, &of(true))?;
    }
    for settled in ended.values() {
        *run.counters.of(settled.outcome) += 1;
    }
    let outcomes =
        ended.values().map(|settled| (&settled.contact, Some(settled.outcome), settled.reason.as_ref()));
    pages::note(sql, id, outcomes)?;
    let entries = ended.values().filter_map(|settled| {
        let taken = taken.get(&settled.contact)?;
        Some(Entry {
            contact: &settled.contact,
            outcome: settled.outcome,
            reason: settled.reason.as_ref(),
            written: match settled.wrote {
                Wrote::AsBefore => Kept::AsBefore,
                Wrote::Intended => Kept::Now(taken.intent.as_str()),
                Wrote::Nothing => Kept::Nothing,
            },
            modified_at: taken.modified_at,
        })
    });
    if run.is_real() {
        let now = Timestamp::now();
        ledger::put(sql, run.integration, Some(id), entries, now)?;
        seen::of_run(sql, run.integration, id, ended.values().copied(), now)?;
        lane::forget_newcomers(sql, run.integration, written.iter().copied())?;
    }
    runs::store_counters(sql, id, &run.counters)?;
    Ok(run.counters)
}

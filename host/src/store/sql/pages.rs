//! A page of a run: its contacts' outcomes and writes, its discarded records, the cursor of the next
//! page and the counters.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::ledger::{self, Entry, Kept};
use super::values::{Moment, Stored, list, some_to_json, to_json};
use super::{Param, Sql, lane, params, runs, seen, stage};
use crate::contact::ContactId;
use crate::hosting::Fence;
use crate::profile::Intent;
use crate::reason::{Reason, ReasonCode};
use crate::run::{Counters, Decided, Outcome, RunId, Verdict};
use crate::store::PageCommit;
use crate::store::fault::Fault;

pub(super) fn commit(sql: &dyn Sql, fence: &Fence, id: RunId, page: &PageCommit) -> Result<Counters, Fault> {
    let mut run = runs::active(sql, fence, id)?;
    // Of a contact that comes twice in one page, the later one holds.
    let decided: BTreeMap<&ContactId, &Decided> =
        page.decided.iter().map(|decided| (&decided.contact, decided)).collect();
    let before = before(sql, id, decided.keys().copied())?;
    let mut settled: Vec<(&Decided, Outcome, Option<&Reason>)> = Vec::new();
    let mut staged: Vec<(&Decided, &Intent)> = Vec::new();
    for (contact, decided) in &decided {
        match before.get(*contact) {
            None => run.counters.read += 1,
            Some(None) => {}
            Some(Some(outcome)) => {
                let count = run.counters.of(*outcome);
                *count = count.saturating_sub(1);
            }
        }
        match &decided.verdict {
            Verdict::Settled(outcome, reason) => {
                *run.counters.of(*outcome) += 1;
                settled.push((decided, *outcome, reason.as_ref()));
            }
            Verdict::Write(intent) => staged.push((decided, intent)),
        }
    }
    note(
        sql,
        id,
        settled
            .iter()
            .map(|(decided, outcome, reason)| (&decided.contact, Some(*outcome), *reason))
            .chain(staged.iter().map(|(decided, _)| (&decided.contact, None, None))),
    )?;
    stage::put(sql, id, &staged)?;
    stage::remove(sql, id, settled.iter().map(|(decided, ..)| &decided.contact))?;
    // Of whoever was forgotten nothing is known.
    let is_known =
        |reason: Option<&Reason>| reason.is_none_or(|why| why.code != ReasonCode::ContactForgotten);
    let known = settled.iter().filter(|(.., reason)| is_known(*reason));
    let entries = known.map(|(decided, outcome, reason)| Entry {
        contact: &decided.contact,
        outcome: *outcome,
        reason: *reason,
        written: Kept::AsBefore,
        modified_at: decided.modified_at.map(Moment),
    });
    if run.is_real() {
        let now = Timestamp::now();
        lane::forget_newcomers(sql, run.integration, settled.iter().map(|(decided, ..)| &decided.contact))?;
        ledger::put(sql, run.integration, Some(id), entries, now)?;
        let seen = decided.values().filter_map(|decided| decided.seen.as_deref());
        seen::put(sql, run.integration, seen)?;
    }

    let discards = page.discarded.iter().map(|discard| Ok(params![id, to_json(discard)?].to_vec()));
    let discards: Vec<_> = discards.collect::<Result<_, Fault>>()?;
    sql.execute_each("INSERT INTO discards (run, discard) VALUES (?1, ?2)", &discards)?;
    run.counters.discarded += discards.len() as u64;
    runs::read_up_to(sql, id, page.next.as_ref(), page.total)?;
    runs::store_counters(sql, id, &run.counters)?;
    Ok(run.counters)
}

/// What the run has for those of these contacts that it has read before.
fn before<'a>(
    sql: &dyn Sql,
    run: RunId,
    contacts: impl Iterator<Item = &'a ContactId>,
) -> Result<HashMap<ContactId, Option<Outcome>>, Fault> {
    let rows = sql.query(
        "SELECT contact, outcome FROM run_contacts WHERE run = ?1 AND contact IN LIST(?2)",
        &[Param::from(run), list(contacts)],
    )?;
    let read = |mut row: super::Row| {
        let contact = row.take()?;
        Ok((contact, row.take::<Option<Stored<Outcome>>>()?.map(|stored| stored.0)))
    };
    rows.into_iter().map(read).collect()
}

/// Writes down what contacts of the run came to.
pub(super) fn note<'a>(
    sql: &dyn Sql,
    run: RunId,
    outcomes: impl Iterator<Item = (&'a ContactId, Option<Outcome>, Option<&'a Reason>)>,
) -> Result<(), Fault> {
    let each = outcomes.map(|(contact, outcome, reason)| {
        Ok(params![run, contact, outcome.map(Stored), some_to_json(reason)?].to_vec())
    });
    let each: Vec<_> = each.collect::<Result<_, Fault>>()?;
    sql.execute_each(
        "INSERT INTO run_contacts (run, contact, outcome, reason) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (run, contact) DO UPDATE SET outcome = excluded.outcome, reason = excluded.reason",
        &each,
    )?;
    Ok(())
}

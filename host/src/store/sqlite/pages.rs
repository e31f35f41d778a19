//! A page of a run: its contacts' outcomes and writes, its discarded records, the cursor of the next
//! page and the counters.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::fault::Fault;
use super::ledger::{self, Learnt};
use super::runs::{self, Active};
use super::stage;
use super::values::{Moment, Stored, some_to_json, to_json};
use crate::contact::ContactId;
use crate::reason::Reason;
use crate::run::{Counters, Decided, Outcome, RunId, Verdict};
use crate::store::PageCommit;

pub(super) fn commit(sql: &Connection, id: RunId, page: &PageCommit) -> Result<Counters, Fault> {
    let mut run = runs::active(sql, id)?;
    let now = Timestamp::now();
    for decided in &page.decided {
        decide(sql, &mut run, decided, now)?;
    }
    for discard in &page.discarded {
        sql.prepare_cached("INSERT INTO discards (run, discard) VALUES (?1, ?2)")?
            .execute((id.0, to_json(discard)?))?;
        run.counters.discarded += 1;
    }
    runs::read_up_to(sql, id, page.next.as_ref(), page.total)?;
    runs::store_counters(sql, id, &run.counters)?;
    Ok(run.counters)
}

fn decide(sql: &Connection, run: &mut Active, decided: &Decided, now: Timestamp) -> Result<(), Fault> {
    let before: Option<Option<Stored<Outcome>>> = sql
        .prepare_cached("SELECT outcome FROM run_contacts WHERE run = ?1 AND contact = ?2")?
        .query_row((run.id.0, &decided.contact.0), |row| row.get(0))
        .optional()?;
    match before {
        None => run.counters.read += 1,
        Some(None) => {}
        Some(Some(Stored(outcome))) => {
            let count = run.counters.of(outcome);
            *count = count.saturating_sub(1);
        }
    }
    match &decided.verdict {
        Verdict::Settled(outcome, reason) => {
            *run.counters.of(*outcome) += 1;
            note(sql, run.id, &decided.contact, Some(*outcome), reason.as_ref())?;
            stage::remove(sql, run.id, &decided.contact)?;
            let learnt = Learnt {
                outcome: *outcome,
                reason: reason.as_ref(),
                written: None,
                modified_at: decided.modified_at.map(Moment),
            };
            ledger::put(sql, run, &decided.contact, &learnt, now)
        }
        Verdict::Write(intent) => {
            note(sql, run.id, &decided.contact, None, None)?;
            stage::put(sql, run.id, decided, intent)
        }
    }
}

/// Writes down what a contact of the run came to.
pub(super) fn note(
    sql: &Connection,
    run: RunId,
    contact: &ContactId,
    outcome: Option<Outcome>,
    reason: Option<&Reason>,
) -> Result<(), Fault> {
    sql.prepare_cached(
        "INSERT INTO run_contacts (run, contact, outcome, reason) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (run, contact) DO UPDATE SET outcome = excluded.outcome, reason = excluded.reason",
    )?
    .execute((run.0, &contact.0, outcome.map(Stored), some_to_json(reason)?))?;
    Ok(())
}

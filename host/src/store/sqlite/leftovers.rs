//! Rows that nothing shows any more are marked in one step and deleted a few at a time between
//! commands, so that ending a run or dropping an old one keeps nobody waiting.

use rusqlite::{Connection, OptionalExtension};

use super::fault::Fault;
use super::values::{Stored, Word};

/// Rows deleted in one transaction.
const AT_ONCE: u32 = 1_000;

/// A table with rows of an owner: a run, or for the ledger an integration.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Stage,
    Contacts,
    Discards,
    Batches,
    Ledger,
}

impl Part {
    /// What a run has.
    pub(super) const OF_RUN: [Self; 4] = [Self::Stage, Self::Contacts, Self::Discards, Self::Batches];
}

impl Word for Part {
    const CASES: &'static [Self] =
        &[Self::Stage, Self::Contacts, Self::Discards, Self::Batches, Self::Ledger];
    fn word(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Contacts => "run_contacts",
            Self::Discards => "discards",
            Self::Batches => "batches",
            Self::Ledger => "ledger",
        }
    }
}

/// Marks what `owner` has in `part` for deletion.
pub(super) fn add(sql: &Connection, part: Part, owner: i64) -> Result<(), Fault> {
    sql.prepare_cached("INSERT OR IGNORE INTO leftovers (part, owner) VALUES (?1, ?2)")?
        .execute((Stored(part), owner))?;
    Ok(())
}

/// What is to be deleted next, if anything.
pub(super) fn next(sql: &Connection) -> Result<Option<(Part, i64)>, Fault> {
    let next: Option<(Stored<Part>, i64)> = sql
        .prepare_cached("SELECT part, owner FROM leftovers LIMIT 1")?
        .query_row((), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(next.map(|(Stored(part), owner)| (part, owner)))
}

/// Deletes some of the owner's rows, and the mark once there are none.
pub(super) fn sweep(sql: &Connection, (part, owner): (Part, i64)) -> Result<(), Fault> {
    let delete = match part {
        Part::Stage => "DELETE FROM stage WHERE number IN (SELECT number FROM stage WHERE run = ?1 LIMIT ?2)",
        Part::Contacts => {
            "DELETE FROM run_contacts WHERE run = ?1
             AND contact IN (SELECT contact FROM run_contacts WHERE run = ?1 LIMIT ?2)"
        }
        Part::Discards => {
            "DELETE FROM discards WHERE number IN (SELECT number FROM discards WHERE run = ?1 LIMIT ?2)"
        }
        Part::Batches => {
            "DELETE FROM batches WHERE run = ?1
             AND number IN (SELECT number FROM batches WHERE run = ?1 LIMIT ?2)"
        }
        Part::Ledger => {
            "DELETE FROM ledger WHERE number IN (SELECT number FROM ledger WHERE integration = ?1 LIMIT ?2)"
        }
    };
    let deleted = sql.prepare_cached(delete)?.execute((owner, AT_ONCE))?;
    if deleted == 0 {
        sql.prepare_cached("DELETE FROM leftovers WHERE part = ?1 AND owner = ?2")?
            .execute((Stored(part), owner))?;
    }
    Ok(())
}

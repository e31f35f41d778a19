//! Rows that nothing shows any more are marked in one step and deleted a few at a time between
//! commands, so that ending a run or dropping an old one keeps nobody waiting.

use jiff::{SignedDuration, Timestamp};

use super::values::{Moment, Stored, Word};
use super::{Sql, access, params, seen};
use crate::store::fault::Fault;

/// What the lane did is counted for an hour.
const KEEP_EFFECTS: SignedDuration = SignedDuration::from_hours(2);

/// Rows deleted in one transaction.
const AT_ONCE: u32 = 1_000;

/// A table with rows of an owner: a run or an integration.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Stage,
    Contacts,
    Discards,
    Batches,
    Ledger,
    Deliveries,
    Changes,
    Waiting,
    LaneAttempts,
    Newcomers,
    Addresses,
    Moves,
    OptOuts,
    LaneEffects,
    DryAddresses,
    Doubts,
    Seen,
    Stories,
    OverviewMembers,
}

impl Part {
    /// What a run has.
    pub(super) const OF_RUN: [Self; 5] =
        [Self::Stage, Self::Contacts, Self::Discards, Self::Batches, Self::DryAddresses];
    /// What an integration has beside its runs.
    pub(super) const OF_INTEGRATION: [Self; 14] = [
        Self::Ledger,
        Self::Deliveries,
        Self::Changes,
        Self::Waiting,
        Self::LaneAttempts,
        Self::Newcomers,
        Self::Addresses,
        Self::Moves,
        Self::OptOuts,
        Self::LaneEffects,
        Self::Doubts,
        Self::Seen,
        Self::Stories,
        Self::OverviewMembers,
    ];

    fn table(self) -> &'static str {
        match self {
            Self::DryAddresses => Self::Addresses.word(),
            part => part.word(),
        }
    }

    /// The table's owner and what tells its rows apart.
    fn columns(self) -> (&'static str, &'static str) {
        match self {
            Self::Stage | Self::Discards | Self::Batches => ("run", "number"),
            Self::Contacts => ("run", "contact"),
            Self::Ledger
            | Self::Deliveries
            | Self::Changes
            | Self::LaneAttempts
            | Self::Addresses
            | Self::Moves
            | Self::LaneEffects => ("integration", "number"),
            Self::DryAddresses => ("scope", "number"),
            Self::Waiting
            | Self::Newcomers
            | Self::Doubts
            | Self::OptOuts
            | Self::Seen
            | Self::Stories
            | Self::OverviewMembers => ("integration", "contact"),
        }
    }
}

impl Word for Part {
    const CASES: &'static [Self] = &[
        Self::Stage,
        Self::Contacts,
        Self::Discards,
        Self::Batches,
        Self::Ledger,
        Self::Deliveries,
        Self::Changes,
        Self::Waiting,
        Self::LaneAttempts,
        Self::Newcomers,
        Self::Addresses,
        Self::Moves,
        Self::OptOuts,
        Self::LaneEffects,
        Self::DryAddresses,
        Self::Doubts,
        Self::Seen,
        Self::Stories,
        Self::OverviewMembers,
    ];
    fn word(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Contacts => "run_contacts",
            Self::Discards => "discards",
            Self::Batches => "batches",
            Self::Ledger => "ledger",
            Self::Deliveries => "deliveries",
            Self::Changes => "changes",
            Self::Waiting => "waiting",
            Self::LaneAttempts => "lane_attempts",
            Self::Newcomers => "newcomers",
            Self::Addresses => "addresses",
            Self::Moves => "moves",
            Self::OptOuts => "opt_outs",
            Self::LaneEffects => "lane_effects",
            Self::DryAddresses => "dry_addresses",
            Self::Doubts => "doubts",
            Self::Seen => "seen",
            Self::Stories => "stories",
            Self::OverviewMembers => "overview_members",
        }
    }
}

/// Marks what `owner` has in `part` for deletion.
pub(super) fn add(sql: &dyn Sql, part: Part, owner: i64) -> Result<(), Fault> {
    sql.execute(
        "INSERT INTO leftovers (part, owner) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        &params![Stored(part), owner],
    )?;
    Ok(())
}

/// Deletes some rows; whether there may be more.
pub(super) fn sweep(sql: &dyn Sql, now: Timestamp) -> Result<bool, Fault> {
    let next =
        sql.query_one("SELECT part, owner FROM leftovers LIMIT 1 /*pg FOR UPDATE SKIP LOCKED */", &[])?;
    if let Some(mut row) = next {
        let (Stored(part), owner): (Stored<Part>, i64) = (row.take()?, row.take()?);
        sweep_part(sql, part, owner)?;
        return Ok(true);
    }
    let told = seen::sweep(sql, now, AT_ONCE)?;
    let answered = access::sweep_answers(sql, now)?;
    let left = access::sweep_sessions(sql, now)?;
    Ok(forget_deliveries(sql, now)? || told || answered || left)
}

fn sweep_part(sql: &dyn Sql, part: Part, owner: i64) -> Result<(), Fault> {
    let (table, (of, key)) = (part.table(), part.columns());
    let deleted = sql.execute(
        &format!(
            "DELETE FROM {table} WHERE {of} = ?1
             AND {key} IN (SELECT {key} FROM {table} WHERE {of} = ?1 LIMIT ?2)"
        ),
        &params![owner, AT_ONCE],
    )?;
    if deleted == 0 {
        sql.execute("DELETE FROM leftovers WHERE part = ?1 AND owner = ?2", &params![Stored(part), owner])?;
    }
    Ok(())
}

/// Deliveries whose time is over go with their changes.
fn forget_deliveries(sql: &dyn Sql, now: Timestamp) -> Result<bool, Fault> {
    let old = sql.query(
        "DELETE FROM deliveries WHERE number IN
             (SELECT number FROM deliveries WHERE forget_at <= ?1 LIMIT ?2 /*pg FOR UPDATE SKIP LOCKED */)
         RETURNING number",
        &params![Moment(now), AT_ONCE],
    )?;
    let each: Vec<_> = old
        .into_iter()
        .map(|mut row| Ok(params![row.take::<i64>()?].to_vec()))
        .collect::<Result<_, Fault>>()?;
    sql.execute_each("DELETE FROM changes WHERE delivery = ?1", &each)?;
    let effects = sql.execute(
        "DELETE FROM lane_effects WHERE number IN (SELECT number FROM lane_effects WHERE at <= ?1 LIMIT ?2)",
        &params![Moment(now.checked_sub(KEEP_EFFECTS).unwrap_or(now)), AT_ONCE],
    )?;
    Ok(!each.is_empty() || effects > 0)
}

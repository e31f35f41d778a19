//! What runs and lanes wait with until somebody approves, and what a lane has done of what is counted.

use jiff::Timestamp;

use super::values::{Count, Moment, Stored, Word, list, some_to_json, to_json};
use super::{Param, Sql, integrations, leases, params, runs};
use crate::brake::{Effect, Held, Tally, WINDOW};
use crate::contact::ContactId;
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::run::{Phase, RunId};
use crate::store::fault::Fault;

impl Word for Effect {
    const CASES: &'static [Self] = &Self::ALL;
    fn word(self) -> &'static str {
        self.as_str()
    }
}

pub(super) fn hold_run(sql: &dyn Sql, fence: &Fence, id: RunId, held: &Held) -> Result<(), Fault> {
    runs::active(sql, fence, id)?;
    sql.execute(
        "UPDATE runs SET phase = ?2, hold = ?3, approved = 0 WHERE id = ?1",
        &params![id, Stored(Phase::Held), to_json(held)?],
    )?;
    Ok(())
}

pub(super) fn hold_lane(sql: &dyn Sql, fence: &Fence, held: Option<&Held>) -> Result<(), Fault> {
    let integration = leases::hold(sql, fence)?;
    sql.execute(
        "UPDATE lanes SET hold = ?2 WHERE integration = ?1",
        &params![integration, some_to_json(held)?],
    )?;
    Ok(())
}

pub(super) fn held_lane(sql: &dyn Sql, id: &IntegrationId) -> Result<Option<Held>, Fault> {
    let integration = integrations::number(sql, id)?;
    let row = sql.query_one("SELECT hold FROM lanes WHERE integration = ?1", &params![integration])?;
    row.map_or(Ok(None), |mut row| row.some_json())
}

pub(super) fn approve(sql: &dyn Sql, id: &IntegrationId) -> Result<Vec<Held>, Fault> {
    let integration = integrations::lock(sql, id)?;
    let run = sql.query(
        "UPDATE runs SET approved = 1 WHERE integration = ?1 AND phase = ?2 AND ended_at IS NULL AND approved = 0
         RETURNING hold",
        &params![integration, Stored(Phase::Held)],
    )?;
    let mut approved = Vec::new();
    for mut row in run {
        approved.extend(row.some_json::<Held>()?);
    }
    if let Some(held) = held_lane(sql, id)? {
        sql.execute(
            "UPDATE lanes SET hold = NULL, pause = NULL, approved_at = ?2 WHERE integration = ?1",
            &params![integration, Moment(Timestamp::now())],
        )?;
        approved.push(held);
    }
    sql.notify(id)?;
    Ok(approved)
}

/// What the lane has done within the window, with what it is about to do; each contact is counted once for each effect.
/// Nothing, for as long after an approval.
pub(super) fn lane_tally(
    sql: &dyn Sql,
    id: &IntegrationId,
    now: Timestamp,
    about_to: &[(ContactId, Effect)],
) -> Result<Tally, Fault> {
    let integration = integrations::number(sql, id)?;
    let row = sql.query_one("SELECT approved_at FROM lanes WHERE integration = ?1", &params![integration])?;
    let approved = row.map(|mut row| row.take::<Option<Moment>>()).transpose()?.flatten();
    // Whoever approved has approved of what came with it, too.
    let until = approved.and_then(|approved| approved.0.checked_add(WINDOW).ok());
    if until.is_some_and(|until| until > now) {
        return Ok(Tally::default());
    }
    let since = now.checked_sub(WINDOW).unwrap_or(now);
    let since = until.map_or(since, |until| until.max(since));
    let mut tally = Tally::default();
    let counted = sql.query(
        "SELECT effect, count(*) FROM lane_effects WHERE integration = ?1 AND at > ?2 GROUP BY effect",
        &params![integration, Moment(since)],
    )?;
    for mut row in counted {
        let Stored(effect): Stored<Effect> = row.take()?;
        let Count(count) = row.take()?;
        *tally.of(effect) = count;
    }
    let mut known = std::collections::HashSet::new();
    let rows = sql.query(
        "SELECT contact, effect FROM lane_effects WHERE integration = ?1 AND at > ?2 AND contact IN LIST(?3)",
        &[
            Param::from(integration),
            Param::from(Moment(since)),
            list(about_to.iter().map(|(contact, _)| contact)),
        ],
    )?;
    for mut row in rows {
        known.insert((row.take::<ContactId>()?, row.take::<Stored<Effect>>()?.0));
    }
    for (contact, effect) in about_to.iter().filter(|one| !known.contains(*one)) {
        tally.add(contact, &std::collections::BTreeSet::from([*effect]));
    }
    Ok(tally)
}

/// Remembers what the lane is about to do.
pub(super) fn note_effects(
    sql: &dyn Sql,
    integration: i64,
    effects: &[(ContactId, Effect)],
    now: Timestamp,
) -> Result<(), Fault> {
    let each: Vec<_> = effects
        .iter()
        .map(|(contact, effect)| params![integration, contact, Stored(*effect), Moment(now)].to_vec())
        .collect();
    sql.execute_each(
        "INSERT INTO lane_effects (integration, contact, effect, at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (integration, contact, effect) DO UPDATE SET at = excluded.at",
        &each,
    )?;
    Ok(())
}

//! Who has which address, and what each says of it.
//!
//! A dry run keeps what it finds in a scope of its own, laid over what is known (scope 0).

use std::collections::{BTreeSet, HashMap, HashSet};

use super::values::{Stored, Word, list, to_json};
use super::{Param, Row, Sql, leases, needs, params, runs};
use crate::address::{AddressDigest, Holding, Says, SharedAddress, Sharer, Voices};
use crate::change::Change;
use crate::contact::{Channel, ContactId};
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::profile::{Answer, TopicId, WantedConsent, lay_told_over};
use crate::run::{Run, RunKind};
use crate::store::fault::Fault;
use crate::store::sql::integrations;
use crate::story::MARK;

impl Word for Channel {
    const CASES: &'static [Self] = &[Self::Email, Self::Sms];
    fn word(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }
}

/// A row, as far as it is compared.
#[derive(Clone, PartialEq, Eq)]
struct Kept {
    address: Option<AddressDigest>,
    answers: Vec<WantedConsent>,
}

impl Kept {
    fn refusals(&self) -> impl Iterator<Item = &WantedConsent> {
        self.answers.iter().filter(|one| matches!(one.answer, Answer::Refused(_)))
    }

    /// Whether others who have the same address have to be looked at again when this takes the place of that.
    fn concerns(&self, before: Option<&Self>) -> Vec<AddressDigest> {
        let refused = |kept: &Self| -> Vec<(String, Channel)> {
            kept.refusals().map(|one| (one.topic.0.clone(), one.channel)).collect()
        };
        let (then, now) = (before.map(refused).unwrap_or_default(), refused(self));
        let old = before.and_then(|before| before.address.clone());
        if old == self.address && then == now {
            return Vec::new();
        }
        let mut concerned = Vec::new();
        concerned.extend(old.filter(|_| !then.is_empty()));
        concerned.extend(self.address.clone().filter(|_| !now.is_empty()));
        concerned.dedup();
        concerned
    }
}

/// The scope of a run: its own if nothing that it finds may be kept.
pub(super) fn scope_of(run: &Run) -> i64 {
    if run.kind == RunKind::DryRun { run.id.0 } else { 0 }
}

/// The rows that count in scope `?2`, of alias `a`.
const VISIBLE: &str = "a.integration = ?1 AND (a.scope = ?2 OR a.scope = 0 AND NOT EXISTS
    (SELECT 1 FROM addresses o WHERE o.integration = ?1 AND o.scope = ?2 AND o.contact = a.contact
     AND o.channel = a.channel))";

/// Stores what contacts say, and gives what counts for each. `echo`: others whose addresses are concerned, and
/// who have a profile, are to be looked at again by the lane.
pub(super) fn put(
    sql: &dyn Sql,
    fence: &Fence,
    scope: i64,
    holdings: &[Holding],
    echo: bool,
) -> Result<HashMap<ContactId, Voices>, Fault> {
    let integration = leases::hold(sql, fence)?;
    let contacts: HashSet<&ContactId> = holdings.iter().map(|holding| &holding.contact).collect();
    let before = kept(sql, integration, scope, contacts.iter().copied())?;
    let mut now: HashMap<(ContactId, Channel), Kept> = HashMap::with_capacity(holdings.len());
    let (mut changed, mut gone, mut concerned) = (Vec::new(), Vec::new(), Vec::new());
    for Holding { contact, channel, says } in holdings {
        let place = (contact.clone(), *channel);
        let then = before.get(&place);
        let kept = match says {
            Says::State { address, answers, unsaid } => {
                Kept { address: address.clone(), answers: with_unsaid(then, answers, unsaid) }
            }
            Says::AsBefore { answers, unsaid } => Kept {
                address: then.and_then(|then| then.address.clone()),
                answers: with_unsaid(then, answers, unsaid),
            },
            Says::Answers(told) => laid_over(then, told),
            Says::Gone => Kept { address: None, answers: Vec::new() },
        };
        for address in kept.concerns(then) {
            concerned.push((contact, *channel, address));
        }
        // A run that has heard a refusal, and did not come to write all whom it concerns, leaves that to the lane.
        if matches!(says, Says::State { .. } | Says::AsBefore { .. })
            && kept.refusals().next().is_some()
            && let Some(address) = &kept.address
            && !concerned.iter().any(|(by, of, known)| *by == contact && of == channel && known == address)
        {
            concerned.push((contact, *channel, address.clone()));
        }
        if then.is_none() && kept.address.is_none() && kept.answers.is_empty() {
            continue;
        }
        if *says == Says::Gone {
            gone.push(params![integration, scope, contact, Stored(*channel)].to_vec());
        } else if then != Some(&kept) {
            let address = kept.address.as_ref().map_or("", |address| address.0.as_str()).to_owned();
            changed.push(
                params![integration, scope, contact, Stored(*channel), address, to_json(&kept.answers)?]
                    .to_vec(),
            );
        }
        now.insert(place, kept);
    }
    sql.execute_each(
        "DELETE FROM addresses WHERE integration = ?1 AND scope = ?2 AND contact = ?3 AND channel = ?4",
        &gone,
    )?;
    sql.execute_each(
        "INSERT INTO addresses (integration, scope, contact, channel, address, answers)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (integration, scope, contact, channel) DO UPDATE SET address = excluded.address,
             answers = excluded.answers",
        &changed,
    )?;
    if echo {
        for (by, channel, address) in concerned {
            look_again(sql, integration, by, channel, &address, &contacts)?;
        }
    }
    let places: Vec<(ContactId, Channel, Kept)> =
        now.into_iter().map(|((contact, channel), kept)| (contact, channel, kept)).collect();
    let voices = voices(sql, integration, scope, &places)?;
    note_strict(sql, integration, scope, &voices)?;
    Ok(voices)
}

/// What counts for contacts that are known.
pub(super) fn of(
    sql: &dyn Sql,
    id: &IntegrationId,
    scope: i64,
    contacts: &[ContactId],
) -> Result<HashMap<ContactId, Voices>, Fault> {
    let integration = integrations::number(sql, id)?;
    let kept = kept(sql, integration, scope, contacts.iter())?;
    let places: Vec<(ContactId, Channel, Kept)> =
        kept.into_iter().map(|((contact, channel), kept)| (contact, channel, kept)).collect();
    voices(sql, integration, scope, &places)
}

fn kept<'a>(
    sql: &dyn Sql,
    integration: i64,
    scope: i64,
    contacts: impl Iterator<Item = &'a ContactId>,
) -> Result<HashMap<(ContactId, Channel), Kept>, Fault> {
    let rows = sql.query(
        &format!("SELECT contact, channel, address, answers FROM addresses a WHERE {VISIBLE} AND contact IN LIST(?3)"),
        &[Param::from(integration), Param::from(scope), list(contacts)],
    )?;
    let read = |mut row: Row| {
        let place = (row.take()?, row.take::<Stored<Channel>>()?.0);
        let address: String = row.take()?;
        let address = Some(address).filter(|address| !address.is_empty()).map(AddressDigest);
        Ok((place, Kept { address, answers: row.json()? }))
    };
    rows.into_iter().map(read).collect()
}

/// A contact's answers, and what it said before of that of which nothing can be said now.
fn with_unsaid(
    then: Option<&Kept>,
    answers: &[WantedConsent],
    unsaid: &BTreeSet<(TopicId, Channel)>,
) -> Vec<WantedConsent> {
    let mut all = answers.to_vec();
    let before = then.into_iter().flat_map(|then| &then.answers);
    let before = before.filter(|one| unsaid.contains(&(one.topic.clone(), one.channel)));
    all.extend(before.filter(|one| !answers.iter().any(|now| now.is_same(one))).cloned());
    all.sort_by(|one, other| (&one.topic, one.channel).cmp(&(&other.topic, other.channel)));
    all
}

fn laid_over(then: Option<&Kept>, told: &[WantedConsent]) -> Kept {
    let mut kept = then.cloned().unwrap_or(Kept { address: None, answers: Vec::new() });
    lay_told_over(&mut kept.answers, told);
    kept.answers.sort_by(|one, other| (&one.topic, one.channel).cmp(&(&other.topic, other.channel)));
    kept
}

/// Own answers, and the refusals of others, and whether there may be more of them.
fn voices(
    sql: &dyn Sql,
    integration: i64,
    scope: i64,
    places: &[(ContactId, Channel, Kept)],
) -> Result<HashMap<ContactId, Voices>, Fault> {
    let mut all: HashMap<ContactId, Voices> = HashMap::new();
    // Who says nothing needs no others.
    let with_address: Vec<&(ContactId, Channel, Kept)> =
        places.iter().filter(|(_, _, kept)| kept.address.is_some() && !kept.answers.is_empty()).collect();
    let each: Vec<_> = with_address
        .iter()
        .map(|(contact, channel, kept)| {
            let address = kept.address.as_ref().map_or("", |address| address.0.as_str());
            params![integration, scope, Stored(*channel), address, contact].to_vec()
        })
        .collect();
    let others = sql.query_each(
        &format!(
            "SELECT contact, answers FROM addresses a
             WHERE {VISIBLE} AND channel = ?3 AND address = ?4 AND contact <> ?5"
        ),
        &each,
    )?;
    for (contact, _, kept) in places {
        all.entry(contact.clone()).or_default().own.extend(kept.answers.iter().cloned());
    }
    for ((contact, channel, own), rows) in with_address.into_iter().zip(others) {
        let voices = all.entry(contact.clone()).or_default();
        for mut row in rows {
            let by: ContactId = row.take()?;
            let answers: Vec<WantedConsent> = row.json()?;
            let is_there = !by.0.starts_with(MARK);
            // Who was never asked has not been heard under these rules yet: nobody knows that he does not refuse.
            let unasked = own.answers.iter().filter(|_| is_there);
            let unasked = unasked.filter(|one| matches!(one.answer, Answer::Given(_)));
            let unasked = unasked.filter(|one| !answers.iter().any(|other| other.is_same(one)));
            let unasked = unasked.map(|one| WantedConsent { answer: Answer::Refused(None), ..one.clone() });
            voices.refused.extend(unasked);
            voices
                .refused
                .extend(answers.iter().filter(|one| matches!(one.answer, Answer::Refused(_))).cloned());
            let address = own.address.clone().filter(|_| is_there);
            voices.others.extend(address.map(|address| Sharer { contact: by, channel: *channel, address }));
        }
    }
    let needs = if all.is_empty() { Vec::new() } else { needs::codes(sql, integration)? };
    let unheard: Vec<Channel> = needs.iter().flat_map(|need| need.unheard()).copied().collect();
    for voices in all.values_mut() {
        voices.unheard.clone_from(&unheard);
    }
    Ok(all)
}

/// Remembers for whom the refusal of another one was taken into account, so that its end is noticed.
fn note_strict(
    sql: &dyn Sql,
    integration: i64,
    scope: i64,
    voices: &HashMap<ContactId, Voices>,
) -> Result<(), Fault> {
    for (strict, statement) in [
        (
            true,
            "UPDATE addresses SET strict = 1 WHERE integration = ?1 AND scope = ?2 AND contact IN LIST(?3)",
        ),
        (
            false,
            "UPDATE addresses SET strict = 0
             WHERE integration = ?1 AND scope = ?2 AND contact IN LIST(?3) AND strict = 1",
        ),
    ] {
        let of = voices
            .iter()
            .filter(|(_, voices)| voices.refused.is_empty() != strict)
            .map(|(contact, _)| contact);
        let mut of = of.peekable();
        if of.peek().is_some() {
            sql.execute(statement, &[Param::from(integration), Param::from(scope), list(of)])?;
        }
    }
    Ok(())
}

/// Has the lane look again at those who share an address: a change of their own, which belongs to the delivery that
/// told of it.
fn look_again(
    sql: &dyn Sql,
    integration: i64,
    by: &ContactId,
    channel: Channel,
    address: &AddressDigest,
    but: &HashSet<&ContactId>,
) -> Result<(), Fault> {
    let delivery = sql.query_one(
        "SELECT since FROM waiting WHERE integration = ?1 AND contact = ?2",
        &params![integration, by],
    )?;
    let Some(mut delivery) = delivery else { return Ok(()) };
    let delivery: i64 = delivery.take()?;
    let others = sql.query(
        "SELECT contact FROM addresses WHERE integration = ?1 AND scope = 0 AND channel = ?2 AND address = ?3
         AND (EXISTS (SELECT 1 FROM ledger l WHERE l.integration = ?1 AND l.contact = addresses.contact
                      AND l.written IS NOT NULL)
              OR EXISTS (SELECT 1 FROM lane_attempts t WHERE t.integration = ?1 AND t.contact = addresses.contact)
              OR EXISTS (SELECT 1 FROM runs JOIN stage s ON s.run = runs.id WHERE runs.integration = ?1
                         AND runs.left_stage = 1 AND s.contact = addresses.contact))",
        &params![integration, Stored(channel), address.0.as_str()],
    )?;
    let (mut changes, mut waiting) = (Vec::new(), Vec::new());
    for mut row in others {
        let contact: ContactId = row.take()?;
        if but.contains(&contact) {
            continue;
        }
        let change = Change::Shared(contact.clone());
        changes
            .push(params![integration, delivery, contact.clone(), change.kind(), to_json(&change)?].to_vec());
        waiting.push(params![integration, contact, delivery].to_vec());
    }
    sql.execute_each(
        "INSERT INTO changes (integration, delivery, contact, kind, change, arrived_at)
         VALUES (?1, ?2, ?3, ?4, ?5, (SELECT arrived_at FROM deliveries WHERE number = ?2))",
        &changes,
    )?;
    sql.execute_each(
        "INSERT INTO waiting (integration, contact, since) VALUES (?1, ?2, ?3)
         ON CONFLICT (integration, contact) DO UPDATE SET due = 0, attempts = 0",
        &waiting,
    )?;
    Ok(())
}

/// The run has read everybody: whom it did not read is not there, and says nothing any more.
pub(super) fn forget_unread(sql: &dyn Sql, fence: &Fence, id: crate::run::RunId) -> Result<(), Fault> {
    let active = runs::active(sql, fence, id)?;
    let unread = "integration = ?1 AND scope = 0 AND contact NOT LIKE 'forgotten:%' AND NOT EXISTS
        (SELECT 1 FROM run_contacts r WHERE r.run = ?2 AND r.contact = addresses.contact)";
    let run = runs::get(sql, id)?;
    match scope_of(&run) {
        0 => {
            sql.execute(&format!("DELETE FROM addresses WHERE {unread}"), &params![active.integration, id])?
        }
        _ => sql.execute(
            &format!(
                "INSERT INTO addresses (integration, scope, contact, channel, address, answers)
                 SELECT integration, ?2, contact, channel, '', '[]' FROM addresses WHERE {unread}
                 ON CONFLICT (integration, scope, contact, channel) DO NOTHING"
            ),
            &params![active.integration, id],
        )?,
    };
    Ok(())
}

/// Contacts that say something of an address that somebody else has too, or of whom that was taken into account, by id.
pub(super) fn concerned(
    sql: &dyn Sql,
    id: &IntegrationId,
    scope: i64,
    after: Option<&ContactId>,
    limit: u32,
) -> Result<Vec<ContactId>, Fault> {
    let integration = integrations::number(sql, id)?;
    let mut params = params![integration, scope, limit].to_vec();
    let mut bound = "";
    if let Some(after) = after {
        params.push(after.into());
        bound = " AND a.contact > ?4";
    }
    let rows = sql.query(
        &format!(
            "SELECT DISTINCT a.contact FROM addresses a WHERE {VISIBLE}{bound} AND (a.strict = 1 OR a.address <> ''
                 AND a.answers <> '[]' AND EXISTS (SELECT 1 FROM addresses b WHERE b.integration = ?1 AND b.channel = a.channel
                     AND b.address = a.address AND b.contact <> a.contact AND b.scope IN (0, ?2)))
             ORDER BY a.contact LIMIT ?3"
        ),
        &params,
    )?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

/// Whether somebody else is known to have an address.
pub(super) fn is_held(
    sql: &dyn Sql,
    id: &IntegrationId,
    channel: Channel,
    address: &AddressDigest,
    but: &ContactId,
) -> Result<bool, Fault> {
    let integration = integrations::number(sql, id)?;
    let row = sql.query_one(
        "SELECT 1 FROM addresses WHERE integration = ?1 AND scope = 0 AND channel = ?2 AND address = ?3
         AND contact <> ?4 LIMIT 1",
        &params![integration, Stored(channel), address.0.as_str(), but],
    )?;
    Ok(row.is_some())
}

/// Addresses that several contacts have, and of which any says something, at most `limit`.
pub(super) fn shared(sql: &dyn Sql, id: &IntegrationId, limit: u32) -> Result<Vec<SharedAddress>, Fault> {
    let integration = integrations::number(sql, id)?;
    let groups = sql.query(
        "SELECT channel, address FROM addresses WHERE integration = ?1 AND scope = 0 AND address <> ''
         GROUP BY channel, address HAVING count(*) > 1 AND sum(CASE WHEN answers <> '[]' THEN 1 ELSE 0 END) > 0
         ORDER BY channel, min(contact) LIMIT ?2",
        &params![integration, limit],
    )?;
    let mut shared = Vec::with_capacity(groups.len());
    for mut row in groups {
        let (Stored(channel), address): (Stored<Channel>, String) = (row.take()?, row.take()?);
        let rows = sql.query(
            "SELECT contact, answers FROM addresses WHERE integration = ?1 AND scope = 0 AND channel = ?2
             AND address = ?3 ORDER BY contact",
            &params![integration, Stored(channel), address],
        )?;
        let contacts =
            rows.into_iter().map(|mut row| Ok((row.take()?, row.json()?))).collect::<Result<_, Fault>>()?;
        shared.push(SharedAddress { channel, contacts });
    }
    Ok(shared)
}

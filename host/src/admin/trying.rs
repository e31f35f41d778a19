//! What rules that somebody is writing would make of contacts, as they looked when they were last read. Nothing is
//! written, here or there.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Admin, failed};
use crate::contact::{Contact, ContactId};
use crate::error::Failure;
use crate::integration::{ConditionRow, Integration, IntegrationId};
use crate::rules::Condition;
use crate::run::Outcome;
use crate::sync::{self, Sides};

/// Contacts that are looked at together.
const AT_ONCE: u32 = 1_000;
/// As long as somebody waits for what their conditions would do; what was looked at by then is shown.
const WITHIN: Duration = Duration::from_millis(1_500);
/// Contacts that are named.
const NAMED: usize = 20;

/// What conditions would make of the contacts as they looked when they were last read.
#[derive(Debug, Default)]
pub struct Matching {
    /// Contacts that were looked at.
    pub looked_at: u64,
    /// Whether these are all.
    pub all: bool,
    /// Those that match.
    pub matching: u64,
    /// Some of them.
    pub who_match: Vec<Contact>,
    /// Some of the others.
    pub who_do_not: Vec<Contact>,
    /// How many have a profile, match the conditions as they are saved, and would match no more.
    pub leaving: u64,
    /// Some of them.
    pub who_leave: Vec<Contact>,
}

impl Admin {
    /// What both sides of an integration have. A side that does not answer is said.
    ///
    /// # Errors
    /// The component cannot be loaded; the store fails.
    pub async fn sides(&self, integration: &Integration) -> Result<Sides, Failure> {
        sync::sides(&self.service, integration).await.map_err(failed)
    }

    /// What conditions would make of the contacts that are known. Those that there is no time for are left out.
    ///
    /// # Errors
    /// A condition cannot be; the store fails.
    pub async fn matching(
        &self,
        integration: &Integration,
        conditions: &[ConditionRow],
    ) -> Result<Matching, Failure> {
        let ready = |rows: &[ConditionRow]| {
            rows.iter().map(Condition::new).collect::<Result<Vec<_>, _>>().map_err(failed)
        };
        let (tried, saved) = (ready(conditions)?, ready(&integration.conditions)?);
        let zone = TimeZone::get(&integration.time_zone).unwrap_or(TimeZone::UTC);
        let today = zone.to_datetime(Timestamp::now()).date();
        let holds = |all: &[Condition], contact: &Contact| {
            all.iter().all(|condition| condition.failure(contact, today).is_none())
        };
        let (start, mut found, mut after) = (Instant::now(), Matching::default(), None::<ContactId>);
        loop {
            let id = &integration.id;
            let some = self.store().known_states(id, after.as_ref(), AT_ONCE).await.map_err(failed)?;
            found.all = some.len() < usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
            after = some.last().map(|(_, contact)| contact.id.clone());
            let mut left = Vec::new();
            for (_, contact) in some {
                found.looked_at += 1;
                let matches = holds(&tried, &contact);
                found.matching += u64::from(matches);
                if !matches && holds(&saved, &contact) {
                    left.push(contact.clone());
                }
                let named = if matches { &mut found.who_match } else { &mut found.who_do_not };
                if named.len() < NAMED {
                    named.push(contact);
                }
            }
            let left = self.with_profile(id, left).await?;
            found.leaving += left.len() as u64;
            let room = NAMED.saturating_sub(found.who_leave.len());
            found.who_leave.extend(left.into_iter().take(room));
            if found.all || start.elapsed() > WITHIN {
                return Ok(found);
            }
        }
    }

    async fn with_profile(
        &self,
        id: &IntegrationId,
        contacts: Vec<Contact>,
    ) -> Result<Vec<Contact>, Failure> {
        if contacts.is_empty() {
            return Ok(contacts);
        }
        let ids: Vec<ContactId> = contacts.iter().map(|contact| contact.id.clone()).collect();
        let known = self.store().ledger(id, &ids).await.map_err(failed)?;
        let has_profile = |contact: &Contact| {
            known.get(&contact.id).is_some_and(|entry| {
                matches!(entry.outcome, Outcome::Created | Outcome::Updated | Outcome::Unchanged)
            })
        };
        Ok(contacts.into_iter().filter(has_profile).collect())
    }

    /// A contact as it looked when it was last read: the one of this id, or any.
    ///
    /// # Errors
    /// The store fails.
    pub async fn sample(
        &self,
        id: &IntegrationId,
        contact: Option<&ContactId>,
    ) -> Result<Option<Contact>, Failure> {
        if let Some(contact) = contact {
            let seen = self.store().last_seen(id, contact).await.map_err(failed)?;
            return Ok(seen.map(|seen| seen.contact));
        }
        let some = self.store().known_states(id, None, 1).await.map_err(failed)?;
        Ok(some.into_iter().next().map(|(_, contact)| contact))
    }
}

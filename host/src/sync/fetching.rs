//! Contacts read from the CRM by id, many in one call; one that cannot be read costs itself and no other.

use std::collections::{HashMap, HashSet, VecDeque};

use super::line::Patience;
use super::patience::patiently;
use crate::connector::{CallError, Connection, NextStep, SaidKind};
use crate::contact::{Contact, ContactId};

/// What the CRM has of a contact.
#[derive(Debug)]
pub enum Fetched {
    /// This.
    Found(Contact),
    /// Nothing: it is not there.
    Absent,
    /// It cannot be read, and trying again will not help.
    Unreadable(CallError),
}

/// Whether the CRM can be asked at all.
#[derive(Debug)]
pub enum Answer {
    /// It was, for each of the contacts.
    Of(HashMap<ContactId, Fetched>),
    /// It cannot: whoever asks has to do with what was pushed.
    NotOffered,
}

/// Calls that fail before any was answered, after which it is the CRM that is away.
const GIVE_UP_AFTER: u32 = 4;

/// Reads contacts by id.
///
/// # Errors
/// When the CRM does not answer for any of them, or refuses all.
pub async fn fetch(
    connection: &Connection,
    patience: Patience,
    ids: &[ContactId],
) -> Result<Answer, CallError> {
    let mut fetched = HashMap::with_capacity(ids.len());
    // A call that fails is divided, until what fails is one contact. What may pass is only known to be a contact's
    // own once the CRM has answered for another one.
    let (mut answered, mut failures, mut unsure) = (false, 0, Vec::new());
    let mut parts: VecDeque<&[ContactId]> = if ids.is_empty() { VecDeque::new() } else { [ids].into() };
    while let Some(part) = parts.pop_front() {
        let error = match patiently(patience, || connection.get(part)).await {
            Ok(contacts) => {
                answered = true;
                let mut absent: HashSet<&ContactId> = part.iter().collect();
                for contact in contacts {
                    absent.remove(&contact.id);
                    fetched.insert(contact.id.clone(), Fetched::Found(contact));
                }
                fetched.extend(absent.into_iter().map(|id| (id.clone(), Fetched::Absent)));
                continue;
            }
            Err(CallError::Said { kind: SaidKind::Unsupported, .. }) => return Ok(Answer::NotOffered),
            Err(error) => error,
        };
        let passing = matches!(error.next_step(), NextStep::Retry { .. });
        failures += u32::from(passing);
        let of_all = !passing && error.next_step() != NextStep::GiveUp;
        if of_all
            || matches!(error, CallError::Said { kind: SaidKind::RateLimited, .. })
            || passing && !answered && failures > GIVE_UP_AFTER
        {
            return Err(error);
        }
        match part {
            [one] if passing => unsure.push((one, error)),
            [one] => drop(fetched.insert(one.clone(), Fetched::Unreadable(error))),
            _ => {
                let (left, right) = part.split_at(part.len() / 2);
                parts.extend([left, right]);
            }
        }
    }
    for (one, error) in unsure {
        if !answered {
            return Err(error);
        }
        fetched.insert(one.clone(), Fetched::Unreadable(error));
    }
    Ok(Answer::Of(fetched))
}

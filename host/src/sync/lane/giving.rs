//! Opting in at an address that several contacts share: who would be given what, by what is known, and what the others
//! refuse by now.
//!
//! Promises that a refusal counts that the CRM has, also where what is known of it was said under other rules. Leaves to
//! `prepare` what becomes of a contact, and to the store what is kept of what contacts say.

use std::collections::{BTreeSet, HashMap};

use crate::address::{AddressDigest, Says, Sharer, Voices};
use crate::change::Waiting;
use crate::contact::{Channel, Contact, ContactId};
use crate::need::{NeedCode, NewNeed};
use crate::profile::{Address, Answer as Said, Intent, WantedConsent};
use crate::sync::failure::SyncError;
use crate::sync::fetching::{Answer, Fetched, fetch};
use crate::sync::line::Patience;
use crate::sync::voices;
use crate::sync::work::Work;

static NOBODY: Voices =
    Voices { own: Vec::new(), refused: Vec::new(), others: Vec::new(), unheard: Vec::new() };

/// What was heard for a contact.
pub fn of<'a>(heard: &'a HashMap<ContactId, Voices>, waiting: &Waiting) -> &'a Voices {
    heard.get(&waiting.contact).unwrap_or(&NOBODY)
}

/// Whether a contact would be opted in by what is known of it: it gives what nobody refuses, and had not given it in this
/// answer at this address before.
pub fn is_given_anew(waiting: &Waiting, voices: &Voices) -> bool {
    given_anew(waiting, voices).next().is_some()
}

fn given_anew<'a>(waiting: &'a Waiting, voices: &'a Voices) -> impl Iterator<Item = &'a WantedConsent> {
    let written = waiting.entry.as_ref().and_then(|entry| entry.written.as_ref());
    let is_refused = |own: &WantedConsent| voices.refused.iter().any(|refused| refused.is_same(own));
    let given = voices.own.iter().filter(|own| matches!(own.answer, Said::Given(_)));
    // A later yes may opt in again who had unsubscribed; an address that is new takes opt-ins along.
    let is_there = |own: &WantedConsent, intent: &Intent| {
        let Address::Is(written) = intent.address(own.channel) else { return false };
        let written = AddressDigest::of(own.channel, &written);
        let mut shared = voices.others.iter().filter(|other| other.channel == own.channel);
        intent.consents.contains(own) && shared.all(|other| other.address == written)
    };
    given.filter(move |own| !is_refused(own) && !written.is_some_and(|intent| is_there(own, intent)))
}

/// Reads those who share an address that something would be given anew to, and adds what they refuse by now: what is
/// known of them may have been said under other rules. Where one of them cannot be read, what was given waits for a full
/// sync, which is asked for. Nothing of what they say is kept; that is for their own changes to do, and for the full sync
/// that changed rules need.
///
/// # Errors
/// When the CRM does not answer.
pub async fn hear_others<'a>(
    work: &Work,
    taken: impl Iterator<Item = &'a Waiting>,
    heard: &mut HashMap<ContactId, Voices>,
) -> Result<(), SyncError> {
    let giving: Vec<&Waiting> = taken.filter(|waiting| is_given_anew(waiting, of(heard, waiting))).collect();
    let concerned = |waiting: &&Waiting| {
        let voices = of(heard, waiting);
        let channels: BTreeSet<Channel> = given_anew(waiting, voices).map(|own| own.channel).collect();
        voices
            .others
            .iter()
            .filter(move |other| channels.contains(&other.channel))
            .map(|other| &other.contact)
    };
    let others: BTreeSet<&ContactId> = giving.iter().flat_map(concerned).collect();
    let others: Vec<ContactId> = others.into_iter().cloned().collect();
    // Of a CRM that cannot be asked there is no more than what is known.
    let Answer::Of(fetched) = fetch(&work.line.connection, Patience::Short, &others).await? else {
        return Ok(());
    };
    let mut someone_waits = false;
    for waiting in giving {
        let voices = of(heard, waiting);
        let refused = voices.others.iter().flat_map(|other| match fetched.get(&other.contact) {
            Some(Fetched::Found(contact)) => refused_by(work, contact, other),
            Some(Fetched::Unreadable(_) | Fetched::Absent) | None => Vec::new(),
        });
        let refused: Vec<WantedConsent> = refused.collect();
        // Nobody knows that they do not refuse.
        let is_unreadable =
            |other: &&Sharer| matches!(fetched.get(&other.contact), Some(Fetched::Unreadable(_)));
        let unheard: Vec<Channel> =
            voices.others.iter().filter(is_unreadable).map(|other| other.channel).collect();
        someone_waits |= !unheard.is_empty();
        if let Some(voices) = heard.get_mut(&waiting.contact) {
            voices.refused.extend(refused);
            voices.unheard.extend(unheard);
        }
    }
    if someone_waits {
        work.store.put_need(&work.fence, &NewNeed::of(NeedCode::MalformedRecord)).await?;
    }
    Ok(())
}

/// What a contact refuses for the address that it shared, if it still has it.
fn refused_by(work: &Work, contact: &Contact, then: &Sharer) -> Vec<WantedConsent> {
    let holdings = voices::holdings(&work.line.rules, contact).into_iter();
    let answers =
        holdings.filter(|holding| holding.channel == then.channel).flat_map(|holding| match holding.says {
            Says::State { address, .. } if address.as_ref() != Some(&then.address) => Vec::new(),
            Says::State { answers, .. } | Says::AsBefore { answers, .. } | Says::Answers(answers) => answers,
            Says::Gone => Vec::new(),
        });
    answers.filter(|one| matches!(one.answer, Said::Refused(_))).collect()
}

/// Whether a contact answers what it is known to answer.
pub fn is_as_heard(work: &Work, contact: &Contact, voices: &Voices) -> bool {
    let holdings = voices::holdings(&work.line.rules, contact);
    let mut answers = holdings.iter().flat_map(|holding| match &holding.says {
        Says::State { answers, .. } | Says::AsBefore { answers, .. } | Says::Answers(answers) => {
            answers.as_slice()
        }
        Says::Gone => &[],
    });
    answers.all(|answer| voices.own.contains(answer))
}

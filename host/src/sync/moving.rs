//! A changed address: the new one is opted in wherever the old one was and the CRM still gives it, and then the old
//! one is opted out of everything.
//!
//! APSIS One's consents are the profile's (Consent 2.0), so that they go with it to its new address; whether they do
//! in every account is inferred (reference of the attributes, "Consent addresses"), so it is looked at afterwards
//! rather than believed. What the recipient said while the profile had the old address is remembered before the new
//! one is written: an opt-out there holds for the new address, too, whatever APSIS One shows then. Pure.

use crate::address::Move;
use crate::apsis::{ConsentStep, is_ours};
use crate::contact::Channel;
use crate::profile::{Address, ConsentType, Intent, KnownConsent};
use crate::run::Staged;

/// The channels that have addresses.
const CHANNELS: [Channel; 2] = [Channel::Email, Channel::Sms];

/// Addresses that a profile has, or may have, and is to have no more.
///
/// `known`: the profile's consents now.
pub fn left_by(staged: &Staged, known: &[KnownConsent]) -> Vec<Move> {
    let mut moves: Vec<Move> = Vec::new();
    for channel in CHANNELS {
        let new = staged.intent.address(channel);
        if new == Address::Untouched {
            continue;
        }
        for before in staged.last_written.iter().chain(&staged.attempted) {
            let Address::Is(old) = before.address(channel) else { continue };
            let is_new = new == Address::Is(old.clone());
            if is_new || moves.iter().any(|other| other.channel == channel && other.old == old) {
                continue;
            }
            let before = known.iter().filter(|consent| consent.channel == channel).cloned().collect();
            moves.push(Move { channel, old, before });
        }
    }
    moves
}

/// Whether an intent changes an address that was written before.
pub fn moves(staged: &Staged) -> bool {
    !left_by(staged, &[]).is_empty()
}

/// Whether a contact that was written gets an address on a channel on which it had none.
pub fn gives_first_address(staged: &Staged) -> bool {
    let Some(before) = &staged.last_written else { return false };
    let is_first = |channel| {
        matches!(staged.intent.address(channel), Address::Is(_))
            && !matches!(before.address(channel), Address::Is(_))
    };
    CHANNELS.into_iter().any(is_first)
}

/// Moves of which the intent still leaves the old address; one that goes back to it has nothing to leave.
pub fn still_left(moves: Vec<Move>, intent: &Intent) -> Vec<Move> {
    moves.into_iter().filter(|one| intent.address(one.channel) != Address::Is(one.old.clone())).collect()
}

/// What counts as known of the profile's consents at its new address: what APSIS One shows, and in its place an opt-out
/// from before that outlives it.
pub fn carried_over(moves: &[Move], known: &[KnownConsent]) -> Vec<KnownConsent> {
    let mut carried = known.to_vec();
    for before in refused_before(moves) {
        carried.retain(|now| !is_same(now, before) || !outlives(before, now));
        if !carried.iter().any(|now| is_same(now, before)) {
            carried.push(before.clone());
        }
    }
    carried
}

/// What was opted out at the old address, and is not shown so by APSIS One at the new one.
pub fn unseen(moves: &[Move], known: &[KnownConsent]) -> Vec<KnownConsent> {
    let is_seen =
        |before: &&KnownConsent| known.iter().any(|now| is_same(now, before) && !outlives(before, now));
    refused_before(moves).filter(|before| !is_seen(before)).cloned().collect()
}

/// Whether an opt-out from before says more than what APSIS One shows now. Of two opt-outs it is the recipient's own, and
/// the later one of two of those: an opt-out of ours is as old as the CRM's answer, which may have changed since.
fn outlives(before: &KnownConsent, now: &KnownConsent) -> bool {
    let is_own = |one: &KnownConsent| !is_ours(one.source.as_deref());
    match (is_own(before), is_own(now)) {
        _ if now.state != ConsentType::OptOut => true,
        (true, true) => before.modified_at > now.modified_at,
        (before_is_own, _) => before_is_own,
    }
}

/// What APSIS One shows as opted in at the new address though it was opted out at the old one.
pub fn revived(moves: &[Move], known: &[KnownConsent]) -> Vec<ConsentStep> {
    let refused: Vec<&KnownConsent> = refused_before(moves).collect();
    let is_revived = |now: &&KnownConsent| {
        now.state != ConsentType::OptOut && refused.iter().any(|before| is_same(now, before))
    };
    let step = |now: &KnownConsent| ConsentStep { topic: now.topic.clone(), channel: now.channel };
    known.iter().filter(is_revived).map(step).collect()
}

fn refused_before(moves: &[Move]) -> impl Iterator<Item = &KnownConsent> {
    moves.iter().flat_map(|one| &one.before).filter(|before| before.state == ConsentType::OptOut)
}

fn is_same(now: &KnownConsent, before: &KnownConsent) -> bool {
    now.topic == before.topic && now.channel == before.channel
}

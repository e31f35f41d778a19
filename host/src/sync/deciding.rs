//! What becomes of a contact, given the rules and what is known of it: the one decision of a full sync, a
//! daily run, a dry run and the lane. Pure.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::contact_steps::{refused_by_another, waits};
use super::explaining::nobody;
use crate::contact::{Channel, Contact, ContactId};
use crate::profile::{Address, Answer, AttributeId, Intent, TopicId, Unwritten, WantedConsent};
use crate::reason::{Reason, ReasonCode};
use crate::rules::{Decision, Rules};
use crate::run::{LedgerEntry, Outcome, Verdict};

/// What is known of a contact from before.
#[derive(Clone, Copy, Default)]
pub struct Known<'a> {
    /// What the ledger has.
    pub entry: Option<&'a LedgerEntry>,
    /// What may have been written since, by runs that ended too early to say, or by the lane.
    pub attempted: &'a [Intent],
    /// What others who have the same address refuse.
    pub refused: &'a [WantedConsent],
    /// Channels on which there may be others who have not been heard.
    pub unheard: &'a [Channel],
}

impl<'a> Known<'a> {
    fn written(self) -> Option<&'a Intent> {
        self.entry?.written.as_ref()
    }

    /// Whether APSIS One is known to have just this. What is paused is not looked at.
    fn is_there(self, intent: &Intent, paused: &BTreeSet<AttributeId>) -> bool {
        let Some(written) = self.written().filter(|_| self.attempted.is_empty()) else { return false };
        if paused.is_empty() {
            return written.sends_same(intent);
        }
        let mut written = written.clone();
        written.attributes.retain(|attribute, _| !paused.contains(attribute));
        written.sends_same(intent)
    }

    fn intents(self) -> impl Iterator<Item = &'a Intent> {
        self.written().into_iter().chain(self.attempted)
    }

    /// Whether we opted in, or may have.
    fn gave(self, wanted: &WantedConsent) -> bool {
        self.intents().any(|intent| intent.gives(wanted))
    }

    /// What waits; or what was withheld or left out when it was written: still so.
    fn reason(self, intent: &Intent) -> Option<Reason> {
        let entry = self.entry.filter(|entry| {
            !matches!(entry.outcome, Outcome::Excluded | Outcome::Rejected | Outcome::Deleted)
        });
        let waits = intent.left_out.iter().find(|reason| reason.code == ReasonCode::ConsentWaits);
        match (waits, entry) {
            (Some(waits), _) => Some(waits.clone()),
            (None, Some(entry)) => entry.reason.clone(),
            (None, None) => intent.left_out.first().cloned(),
        }
    }

    /// The strictest of an answer and what others who have the same address refuse. Their refusal has no time here: when
    /// it ends, the contact's own answer holds again, however old it is.
    fn strictest(self, one: &WantedConsent) -> Answer {
        match one.answer {
            own @ Answer::Refused(_) => own,
            _ if self.refused.iter().any(|refusal| refusal.is_same(one)) => Answer::Refused(None),
            own => own,
        }
    }

    /// What stands in place of a yes until everybody was heard: what was written of it, a yes only at this address. A
    /// yes at another one stands for nothing here: it is taken back, since it would go along with the profile.
    fn meanwhile(self, one: &WantedConsent, address: &Address) -> Answer {
        let last = self.attempted.last().or(self.written());
        let then = last.and_then(|last| Some((last, last.consents.iter().find(|then| then.is_same(one))?)));
        match then {
            Some((_, WantedConsent { answer: refused @ Answer::Refused(_), .. })) => *refused,
            Some((last, WantedConsent { answer: given @ Answer::Given(_), .. }))
                if last.address(one.channel) == *address =>
            {
                *given
            }
            _ => Answer::Unsaid,
        }
    }

    /// Lays the refusals of others over an intent's consents, and says so; and what was before over a yes of which
    /// nobody knows whether others refuse it.
    fn be_strict(self, intent: &mut Intent) {
        intent
            .left_out
            .retain(|reason| !matches!(reason.code, ReasonCode::AddressShared | ReasonCode::ConsentWaits));
        let (email, sms) = (intent.address(Channel::Email), intent.address(Channel::Sms));
        let mut shared = Vec::new();
        for consent in &mut intent.consents {
            let mut answer = self.strictest(consent);
            let address = if consent.channel == Channel::Email { &email } else { &sms };
            if matches!(consent.answer, Answer::Given(_)) && answer != consent.answer {
                shared.push(refused_by_another(&consent.topic, consent.channel));
            } else if matches!(answer, Answer::Given(_)) && self.unheard.contains(&consent.channel) {
                answer = self.meanwhile(consent, address);
                if answer != consent.answer {
                    shared.push(waits(&consent.topic, consent.channel));
                }
            }
            consent.answer = answer;
        }
        intent.left_out.extend(shared);
    }

    /// Lays a contact's own answers, as far as they are known, over an intent's, and then the refusals of others.
    pub fn lay_over(self, intent: &mut Intent, own: &[WantedConsent]) {
        for consent in &mut intent.consents {
            if let Some(said) = own.iter().find(|said| said.is_same(consent)) {
                consent.answer = said.answer;
            }
        }
        self.be_strict(intent);
        in_order(&mut intent.consents);
    }

    /// What was opted in for a mapping that there is no more: with it goes the only word that the CRM has on it.
    /// What was taken back without a date is remembered, too: should the mapping come back, it is known to be ours. What
    /// is paused stands as it was.
    fn take_back_unmapped(self, intent: &mut Intent, left: &Left) {
        let ours = self.intents().flat_map(|intent| &intent.consents);
        let ours = ours.filter(|then| !matches!(then.answer, Answer::Refused(Some(_))));
        let mut unmapped: Vec<WantedConsent> = Vec::new();
        for then in ours.filter(|then| !left.has(then)) {
            if !intent.consents.iter().chain(&unmapped).any(|now| now.is_same(then)) {
                unmapped.push(WantedConsent { answer: Answer::Unsaid, ..then.clone() });
            }
        }
        intent.consents.extend(unmapped);
        in_order(&mut intent.consents);
    }

    /// What was given at an address that the contact has no more. Its profile keeps that address, since it is not
    /// written; whoever has it now did not say yes.
    fn take_back_left(self, intent: &mut Intent, rules: &Rules, contact: &Contact) {
        for (channel, now) in [(Channel::Email, rules.email(contact)), (Channel::Sms, rules.mobile(contact))]
        {
            // Nothing says that it has another number.
            if channel == Channel::Sms && !rules.maps_mobile() {
                continue;
            }
            let is_left = |then: &Intent| match then.address(channel) {
                Address::Is(then) => Some(then) != now,
                Address::None | Address::Untouched => false,
            };
            if !self.intents().any(is_left) {
                continue;
            }
            for consent in intent.consents.iter_mut().filter(|one| one.channel == channel) {
                if matches!(consent.answer, Answer::Given(_)) {
                    consent.answer = Answer::Unsaid;
                }
            }
            // What was given for a mapping that is paused was given at that address, too.
            let given = self.intents().flat_map(|intent| &intent.consents);
            let given =
                given.filter(|then| then.channel == channel && matches!(then.answer, Answer::Given(_)));
            for then in given {
                if !intent.consents.iter().any(|now| now.is_same(then)) {
                    intent.consents.push(WantedConsent { answer: Answer::Unsaid, ..then.clone() });
                }
            }
        }
    }

    /// The answers to paused mappings, as they were last written.
    fn carry_over(self, intent: &mut Intent, left: &Left) {
        let last = self.attempted.last().or(self.written());
        let untold = last.into_iter().flat_map(|last| &last.consents);
        let untold = untold.filter(|then| left.channels.contains(&then.channel));
        let untold = untold.map(|then| (then.topic.clone(), then.channel));
        let all: BTreeSet<(TopicId, Channel)> = left.pairs.iter().cloned().chain(untold).collect();
        for (topic, channel) in all {
            let is_it = |one: &&WantedConsent| one.topic == topic && one.channel == channel;
            if intent.consents.iter().any(|one| is_it(&one)) {
                continue;
            }
            intent.consents.extend(last.and_then(|last| last.consents.iter().find(is_it)).cloned());
            intent.paused.push((topic, channel));
        }
        in_order(&mut intent.consents);
    }
}

/// Consents without a mapping that stand as they were, since their rows are paused.
#[derive(Default)]
struct Left {
    pairs: BTreeSet<(TopicId, Channel)>,
    /// All that have no mapping on these channels: one of them may be of a row whose subscription cannot be told.
    channels: BTreeSet<Channel>,
}

impl Left {
    fn by(rules: &Rules, contact: &Contact) -> Self {
        Self { pairs: rules.paused_consents().clone(), channels: rules.untold_channels(contact) }
    }

    fn has(&self, consent: &WantedConsent) -> bool {
        self.channels.contains(&consent.channel)
            || self.pairs.contains(&(consent.topic.clone(), consent.channel))
    }
}

fn in_order(consents: &mut [WantedConsent]) {
    consents.sort_by(|one, other| (&one.topic, one.channel).cmp(&(&other.topic, other.channel)));
}

/// What a contact comes to, given what is known of it. `today`: of the line.
pub fn decide(rules: &Rules, today: Date, forced: bool, known: Known<'_>, contact: &Contact) -> Verdict {
    let (outcome, reason) = match rules.decide(contact, today) {
        Decision::Write(mut intent) => {
            let left = Left::by(rules, contact);
            known.take_back_unmapped(&mut intent, &left);
            known.carry_over(&mut intent, &left);
            known.be_strict(&mut intent);
            if !forced && known.is_there(&intent, rules.paused_attributes()) {
                return Verdict::Settled(Outcome::Unchanged, known.reason(&intent));
            }
            return Verdict::Write(intent);
        }
        Decision::Excluded(reason) if rules.deletes_unmatched() && known.intents().next().is_some() => {
            let unwritten = Unwritten { outcome: Outcome::Excluded, reason, delete: true };
            let base = known.written().cloned().unwrap_or_else(|| Intent::empty(contact.id.clone()));
            return Verdict::Write(Intent { unwritten: Some(unwritten), ..base });
        }
        Decision::Excluded(reason) => (Outcome::Excluded, reason),
        Decision::Rejected(reason) => (Outcome::Rejected, reason),
    };
    unwritten(rules, &Left::by(rules, contact), known, contact, outcome, reason)
}

/// What a contact comes to of which the CRM says that it changed, and which it does not have: it is not known
/// to be deleted, so its profile stays; but nobody knows of a yes any more.
pub fn decide_absent(rules: &Rules, known: Known<'_>, id: &ContactId) -> Verdict {
    let nobody = nobody(id.clone());
    let reason = Reason::new(
        ReasonCode::NotInCrm,
        "the CRM says that something about this contact changed, and does not have it: it was deleted, or the API \
         user may not read it. Its profile is kept, and opted out of what it was opted in to",
    );
    // Whatever is paused: nobody is left who could have said yes.
    unwritten(rules, &Left::default(), known, &nobody, Outcome::Excluded, reason)
}

fn unwritten(
    rules: &Rules,
    left: &Left,
    known: Known<'_>,
    contact: &Contact,
    outcome: Outcome,
    reason: Reason,
) -> Verdict {
    let mut now = Intent { consents: rules.consents(contact), ..Intent::empty(contact.id.clone()) };
    // Who is not written is opted in to nothing, so that there is nobody to wait for.
    Known { unheard: &[], ..known }.be_strict(&mut now);
    known.take_back_left(&mut now, rules, contact);
    known.take_back_unmapped(&mut now, left);
    match withdrawn(known, &contact.id, now.consents) {
        Some(intent) => {
            Verdict::Write(Intent { unwritten: Some(Unwritten { outcome, reason, delete: false }), ..intent })
        }
        None => Verdict::Settled(outcome, Some(reason)),
    }
}

/// What a contact comes to anew because of what others say of its address, of which nothing else has changed: none if
/// it stays as it is.
///
/// `staged`: what a run was about to write. `unwritten`: set if the contact is excluded or rejected. `own`: its own
/// answers.
pub fn decide_again(
    rules: &Rules,
    forced: bool,
    known: Known<'_>,
    staged: Option<&Intent>,
    unwritten: Option<(Outcome, Reason)>,
    own: &[WantedConsent],
) -> Option<Verdict> {
    let base = staged.or(known.attempted.last()).or(known.written())?;
    if base.unwritten.as_ref().is_some_and(|unwritten| unwritten.delete) {
        return None;
    }
    let unwritten = base.unwritten.clone().or(unwritten.map(|(outcome, reason)| Unwritten {
        outcome,
        reason,
        delete: false,
    }));
    let mut intent = Intent { unwritten: None, ..base.clone() };
    known.lay_over(&mut intent, own);
    let Some(Unwritten { outcome, reason, delete }) = unwritten else {
        return match staged {
            Some(staged) if staged.sends_same(&intent) => None,
            Some(_) if !forced && known.is_there(&intent, rules.paused_attributes()) => {
                Some(Verdict::Settled(Outcome::Unchanged, known.reason(&intent)))
            }
            None if known.is_there(&intent, rules.paused_attributes()) => None,
            _ => Some(Verdict::Write(intent)),
        };
    };
    // What is taken back already stays so: who is not written is not opted in again.
    for consent in staged.iter().flat_map(|staged| &staged.consents) {
        if !matches!(consent.answer, Answer::Given(_)) {
            intent.consents.retain(|one| !one.is_same(consent));
            intent.consents.push(consent.clone());
        }
    }
    match withdrawn(known, &intent.key, intent.consents) {
        Some(intent) if staged.is_some_and(|staged| staged.sends_same(&intent)) => None,
        Some(intent) => {
            Some(Verdict::Write(Intent { unwritten: Some(Unwritten { outcome, reason, delete }), ..intent }))
        }
        None => staged.map(|_| Verdict::Settled(outcome, Some(reason))),
    }
}

/// What was last written, with the consents taken back that the contact no longer gives; none if it
/// still gives them all. A contact that is excluded or rejected is not written; but the profile that it
/// has may be sent to, and a no may not get lost because of something else.
fn withdrawn(known: Known<'_>, contact: &ContactId, wanted: Vec<WantedConsent>) -> Option<Intent> {
    let mut taken_back = wanted;
    taken_back.retain(|now| !matches!(now.answer, Answer::Given(_)) && known.gave(now));
    if taken_back.is_empty() {
        return None;
    }
    let mut intent = known.written().cloned().unwrap_or_else(|| Intent::empty(contact.clone()));
    intent.consents.retain(|then| !taken_back.iter().any(|now| now.is_same(then)));
    // It is taken back, whatever is paused now or was when it was written.
    intent.paused.retain(|(topic, channel)| {
        !taken_back.iter().any(|now| now.topic == *topic && now.channel == *channel)
    });
    intent.consents.extend(taken_back);
    in_order(&mut intent.consents);
    Some(intent)
}

#[cfg(test)]
mod tests;

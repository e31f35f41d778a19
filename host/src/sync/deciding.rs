//! What becomes of a contact, given the rules and what is known of it: the one decision of a full sync, a
//! daily run and the lane. Pure.

use std::collections::BTreeMap;

use crate::contact::{Contact, ContactId};
use crate::profile::{Answer, Intent, Unwritten, WantedConsent};
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
}

impl<'a> Known<'a> {
    fn written(self) -> Option<&'a Intent> {
        self.entry?.written.as_ref()
    }

    /// Whether APSIS One is known to have just this.
    fn is_there(self, intent: &Intent) -> bool {
        self.attempted.is_empty() && self.written().is_some_and(|written| written.sends_same(intent))
    }

    /// Whether we opted in, or may have.
    fn gave(self, wanted: &WantedConsent) -> bool {
        self.written().into_iter().chain(self.attempted).any(|intent| intent.gives(wanted))
    }

    /// What was withheld or left out when it was written: still so.
    fn reason(self, intent: &Intent) -> Option<Reason> {
        let entry = self.entry.filter(|entry| {
            !matches!(entry.outcome, Outcome::Excluded | Outcome::Rejected | Outcome::Deleted)
        });
        entry.map_or_else(|| intent.left_out.first().cloned(), |entry| entry.reason.clone())
    }
}

/// What a contact comes to, given what is known of it.
pub fn decide(rules: &Rules, forced: bool, known: Known<'_>, contact: &Contact) -> Verdict {
    let (outcome, reason) = match rules.decide(contact) {
        Decision::Write(intent) if !forced && known.is_there(&intent) => {
            return Verdict::Settled(Outcome::Unchanged, known.reason(&intent));
        }
        Decision::Write(intent) => return Verdict::Write(intent),
        Decision::Excluded(reason) => (Outcome::Excluded, reason),
        Decision::Rejected(reason) => (Outcome::Rejected, reason),
    };
    match withdrawn(known, contact, rules.consents(contact)) {
        Some(intent) => Verdict::Write(Intent { unwritten: Some(Unwritten { outcome, reason }), ..intent }),
        None => Verdict::Settled(outcome, Some(reason)),
    }
}

/// What a contact comes to of which the CRM says that it changed, and which it does not have: it is not known
/// to be deleted, so its profile stays; but nobody knows of a yes any more.
pub fn decide_absent(rules: &Rules, known: Known<'_>, id: &ContactId) -> Verdict {
    let nobody = Contact { id: id.clone(), modified_at: None, fields: BTreeMap::new(), consents: Vec::new() };
    let reason = Reason::new(
        ReasonCode::NotInCrm,
        "the CRM says that something about this contact changed, and does not have it: it was deleted, or the API \
         user may not read it. Its profile is kept, and opted out of what it was opted in to",
    );
    let outcome = Outcome::Excluded;
    match withdrawn(known, &nobody, rules.consents(&nobody)) {
        Some(intent) => Verdict::Write(Intent { unwritten: Some(Unwritten { outcome, reason }), ..intent }),
        None => Verdict::Settled(outcome, Some(reason)),
    }
}

/// What was last written, with the consents taken back that the contact no longer gives; none if it
/// still gives them all. A contact that is excluded or rejected is not written; but the profile that it
/// has may be sent to, and a no may not get lost because of something else.
fn withdrawn(known: Known<'_>, contact: &Contact, wanted: Vec<WantedConsent>) -> Option<Intent> {
    let mut taken_back = wanted;
    taken_back.retain(|now| !matches!(now.answer, Answer::Given(_)) && known.gave(now));
    if taken_back.is_empty() {
        return None;
    }
    let mut intent = known.written().cloned().unwrap_or_else(|| Intent::empty(contact.id.clone()));
    intent.consents.retain(|then| !taken_back.iter().any(|now| now.is_same(then)));
    intent.consents.extend(taken_back);
    intent.consents.sort_by(|one, other| (&one.topic, one.channel).cmp(&(&other.topic, other.channel)));
    Some(intent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::{Channel, Consent, Value};
    use crate::profile::{AttributeId, TopicId};
    use crate::rules::{ConsentMapping, ConsentSource, RuleSet};
    use crate::run::RunId;

    fn rules() -> Rules {
        Rules::new(RuleSet {
            conditions: Vec::new(),
            fields: Vec::new(),
            consents: vec![ConsentMapping {
                source: ConsentSource::Consent("news".into()),
                topic: TopicId("news".into()),
                channel: Channel::Email,
            }],
            email_field: "email".into(),
            email_attribute: AttributeId("email".into()),
            id_attribute: None,
            default_country: None,
        })
        .unwrap()
    }

    fn contact(email: &str, given: bool) -> Contact {
        Contact {
            id: ContactId("1".into()),
            modified_at: None,
            fields: BTreeMap::from([("email".to_owned(), Value::Text(email.to_owned()))]),
            consents: vec![Consent { name: "news".into(), channel: None, given, changed_at: None }],
        }
    }

    fn written() -> Intent {
        let Verdict::Write(intent) = decide(&rules(), false, Known::default(), &contact("a@b.example", true))
        else {
            panic!("a contact with an address is written")
        };
        intent
    }

    fn entry(written: Option<Intent>) -> LedgerEntry {
        LedgerEntry {
            contact: ContactId("1".into()),
            outcome: Outcome::Created,
            reason: None,
            written,
            modified_at: None,
            run: Some(RunId(1)),
            deleted_at: None,
            at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn opted_out(verdict: Verdict) -> Intent {
        let Verdict::Write(intent) = verdict else { panic!("the opt-out is written: {verdict:?}") };
        assert_eq!(intent.unwritten.as_ref().unwrap().outcome, Outcome::Rejected);
        assert_eq!(intent.consents[0].answer, Answer::Refused(None));
        intent
    }

    #[test]
    fn the_same_again_is_unchanged_unless_forced_or_unsure() {
        let same = contact("a@b.example", true);
        let entry = entry(Some(written()));
        let known = Known { entry: Some(&entry), attempted: &[] };
        assert_eq!(decide(&rules(), false, known, &same), Verdict::Settled(Outcome::Unchanged, None));
        assert_eq!(decide(&rules(), true, known, &same), Verdict::Write(written()));
        let unsure = Known { attempted: &[written()], ..known };
        assert_eq!(decide(&rules(), false, unsure, &same), Verdict::Write(written()));
    }

    #[test]
    fn a_rejected_contact_that_says_no_is_opted_out_and_nothing_else() {
        let entry = entry(Some(written()));
        let known = Known { entry: Some(&entry), attempted: &[] };
        let intent = opted_out(decide(&rules(), false, known, &contact("", false)));
        assert_eq!(intent.attributes, written().attributes, "what is there stays known");
    }

    #[test]
    fn what_a_run_that_ended_early_may_have_opted_in_is_opted_out_too() {
        let attempted = [written()];
        let known = Known { entry: None, attempted: &attempted };
        assert!(opted_out(decide(&rules(), false, known, &contact("", false))).attributes.is_empty());
    }

    #[test]
    fn a_rejected_contact_that_still_says_yes_or_has_no_profile_is_left_alone() {
        let settled = |verdict| matches!(verdict, Verdict::Settled(Outcome::Rejected, Some(_)));
        let entry = entry(Some(written()));
        let known = Known { entry: Some(&entry), attempted: &[] };
        assert!(settled(decide(&rules(), false, known, &contact("", true))));
        assert!(settled(decide(&rules(), false, Known::default(), &contact("", false))));
    }
}

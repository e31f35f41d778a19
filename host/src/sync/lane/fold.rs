//! Several waiting changes of one contact, brought together: what they ask for as one. Pure.
//!
//! Where the CRM can be read, it is: what it has now is newer than all that it sent, so that no order of
//! messages can bring an old state back. Only full states that were pushed by a connector are taken as they
//! are, the newest of them, and only if the ledger knows none that is newer.

use jiff::Timestamp;

use crate::change::{Change, ChangeNumber, OpenChange};
use crate::contact::{Consent, Contact};
use crate::run::LedgerEntry;

/// What a contact's changes ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// The last of them.
    pub up_to: ChangeNumber,
    /// The last one that says that the contact is gone, and when it came in.
    pub deleted: Option<(ChangeNumber, Timestamp)>,
    /// Whether the CRM is to be asked.
    pub must_read: bool,
    /// What they say by themselves, for a CRM that cannot be asked.
    pub pushed: Pushed,
}

/// What changes say by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// The contact looks like this.
    State(ChangeNumber, Box<Contact>),
    /// The newest state among them is older than what is known.
    Old(ChangeNumber),
    /// The contact is gone since then.
    Gone(ChangeNumber, Timestamp),
    /// Of an unknown state, these consents are so.
    Consents(ChangeNumber, Vec<Consent>),
    /// Nothing of its own: what another contact says of its address has changed.
    Shared(ChangeNumber),
    /// Only that something changed.
    Something,
}

/// Brings changes together, the oldest first. None if there are none. `kept`: the state of a contact that waits for
/// the daily run, where it cannot be read again; what is newer is laid over it.
pub fn fold(changes: &[OpenChange], entry: Option<&LedgerEntry>, kept: Option<&Contact>) -> Option<Folded> {
    let up_to = changes.last()?.number;
    let deleted = changes.iter().rev().find_map(|open| match open.change {
        Change::Deleted(_) => Some((open.number, open.arrived_at)),
        _ => None,
    });
    let stands_alone = |open: &OpenChange| matches!(open.change, Change::Upserted(_) | Change::Shared(_));
    // What makes others strict must not get lost because there is nothing else to be done.
    let shared = changes.iter().rev().find(|open| matches!(open.change, Change::Shared(_)));
    let pushed = match (pushed(changes, entry, kept), shared) {
        (Pushed::Something | Pushed::Old(_), Some(open)) => Pushed::Shared(open.number),
        (pushed, _) => pushed,
    };
    // Whether a state without a time is older than what is known, only the CRM can say.
    let unsure = match &pushed {
        Pushed::State(_, contact) => entry.is_some() && contact.modified_at.is_none(),
        _ => false,
    };
    Some(Folded { up_to, deleted, must_read: unsure || !changes.iter().all(stands_alone), pushed })
}

/// The newest state so far.
struct Newest {
    /// The change that made it; none for the one that was kept.
    by: Option<ChangeNumber>,
    contact: Contact,
}

fn pushed(changes: &[OpenChange], entry: Option<&LedgerEntry>, kept: Option<&Contact>) -> Pushed {
    let mut state = kept.map(|contact| Newest { by: None, contact: contact.clone() });
    let mut old: Option<ChangeNumber> = None;
    let mut gone: Option<(ChangeNumber, Timestamp)> = None;
    let mut consents: Option<(ChangeNumber, Vec<Consent>)> = None;
    // All that was told by itself: of a state that is too old to be taken, it stands.
    let mut told: Option<(ChangeNumber, Vec<Consent>)> = None;
    for OpenChange { number, arrived_at, change } in changes {
        match change {
            Change::Upserted(contact) => {
                if gone.is_some_and(|(_, at)| is_from_before(contact, at)) {
                    continue;
                }
                gone = None;
                if state.as_ref().is_none_or(|held| is_as_new(contact, &held.contact)) {
                    state = Some(Newest { by: Some(*number), contact: contact.clone() });
                } else {
                    old = Some(*number);
                }
            }
            Change::Deleted(_) => {
                gone = Some((*number, *arrived_at));
                (state, consents, told) = (None, None, None);
            }
            Change::Consented(_, consent) => {
                let (by, all) = told.get_or_insert_with(|| (*number, Vec::new()));
                *by = *number;
                put(all, consent);
                match &mut state {
                    Some(held) => {
                        held.by = Some(*number);
                        put(&mut held.contact.consents, consent);
                    }
                    None => {
                        let (by, held) = consents.get_or_insert_with(|| (*number, Vec::new()));
                        *by = *number;
                        put(held, consent);
                    }
                }
            }
            Change::Touched(_) | Change::Shared(_) | Change::Discarded(_) => {}
        }
    }
    match (state, gone, consents) {
        (Some(Newest { by: Some(number), contact }), _, consents) => {
            if is_old(&contact, entry) {
                return told.map_or(Pushed::Old(number), |(number, told)| Pushed::Consents(number, told));
            }
            // Consents that came before the state they belong to: the newer answer holds.
            let mut contact = contact;
            for consent in consents.into_iter().flat_map(|(_, held)| held) {
                put(&mut contact.consents, &consent);
            }
            Pushed::State(number, Box::new(contact))
        }
        (Some(Newest { by: None, .. }), ..) => old.map_or(Pushed::Something, Pushed::Old),
        (None, Some((number, at)), _) => Pushed::Gone(number, at),
        (None, None, Some((number, held))) => Pushed::Consents(number, held),
        (None, None, None) => Pushed::Something,
    }
}

/// Puts an answer among others, unless one to the same question is there that is newer or, where that is not
/// known, stricter.
fn put(consents: &mut Vec<Consent>, consent: &Consent) {
    let same = |held: &&mut Consent| held.name == consent.name && held.channel == consent.channel;
    match consents.iter_mut().find(same) {
        None => consents.push(consent.clone()),
        Some(held) => {
            let takes_its_place = match (held.changed_at, consent.changed_at) {
                (Some(held), Some(now)) => now > held || now == held && !consent.given,
                // Of a refusal of unknown age nothing is known to be newer.
                (None, _) if !held.given => false,
                (_, None) => !consent.given || held.given,
                (None, Some(_)) => !consent.given,
            };
            if takes_its_place {
                *held = consent.clone();
            }
        }
    }
}

/// Whether a state that came later is at least as new as the one that is held.
fn is_as_new(contact: &Contact, held: &Contact) -> bool {
    match (contact.modified_at, held.modified_at) {
        (Some(now), Some(held)) => now >= held,
        _ => true,
    }
}

/// Whether a state is known to be from before a deletion.
fn is_from_before(contact: &Contact, deleted_at: Timestamp) -> bool {
    contact.modified_at.is_some_and(|at| at <= deleted_at)
}

/// Whether a newer state than this one is known.
pub fn is_old(contact: &Contact, entry: Option<&LedgerEntry>) -> bool {
    let Some(entry) = entry else { return false };
    let older = match (contact.modified_at, entry.modified_at) {
        (Some(now), Some(known)) => now < known,
        _ => false,
    };
    older || entry.deleted_at.is_some_and(|at| is_from_before(contact, at))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::contact::ContactId;
    use crate::run::Outcome;

    fn id() -> ContactId {
        ContactId("1".into())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn state(modified_at: Option<i64>) -> Change {
        Change::Upserted(Contact {
            id: id(),
            modified_at: modified_at.map(at),
            fields: BTreeMap::new(),
            consents: Vec::new(),
        })
    }

    fn consent(given: bool, changed_at: Option<i64>) -> Consent {
        Consent { name: "news".into(), channel: None, given, changed_at: changed_at.map(at) }
    }

    /// Changes that came in one a second from second 100 on.
    fn open(changes: Vec<Change>) -> Vec<OpenChange> {
        let numbered = changes.into_iter().zip(0..);
        numbered
            .map(|(change, place)| OpenChange {
                number: ChangeNumber(place),
                arrived_at: at(100 + place),
                change,
            })
            .collect()
    }

    fn entry(modified_at: Option<i64>, deleted_at: Option<i64>) -> LedgerEntry {
        LedgerEntry {
            contact: id(),
            outcome: Outcome::Updated,
            reason: None,
            written: None,
            modified_at: modified_at.map(at),
            deleted_at: deleted_at.map(at),
            run: None,
            at: at(0),
        }
    }

    fn folded(changes: Vec<Change>, entry: Option<LedgerEntry>) -> Folded {
        fold(&open(changes), entry.as_ref(), None).unwrap()
    }

    #[test]
    fn whatever_is_no_full_state_is_read_from_the_crm() {
        for change in
            [Change::Touched(id()), Change::Deleted(id()), Change::Consented(id(), consent(true, None))]
        {
            assert!(folded(vec![state(Some(1)), change, state(Some(2))], None).must_read);
        }
        assert!(!folded(vec![state(Some(1)), state(Some(2))], None).must_read);
        assert_eq!(fold(&[], None, None), None);
    }

    #[test]
    fn of_several_states_the_newest_holds_whatever_the_order() {
        let of = |changes, entry| match folded(changes, entry).pushed {
            Pushed::State(number, contact) => (number.0, contact.modified_at.map(Timestamp::as_second)),
            other => panic!("{other:?}"),
        };
        assert_eq!(of(vec![state(Some(1)), state(Some(3)), state(Some(2))], None), (1, Some(3)));
        assert_eq!(of(vec![state(Some(3)), state(None)], None), (1, None), "without a time, as they came");
        assert_eq!(of(vec![state(Some(3)), state(Some(3))], None), (1, Some(3)));
        assert_eq!(of(vec![state(Some(3))], Some(entry(Some(3), None))), (0, Some(3)), "the same age again");
        assert_eq!(
            folded(vec![state(Some(1)), state(Some(2))], Some(entry(Some(3), None))).pushed,
            Pushed::Old(ChangeNumber(1))
        );
    }

    #[test]
    fn a_state_from_before_a_deletion_does_not_bring_the_contact_back() {
        let gone = Pushed::Gone(ChangeNumber(1), at(101));
        assert_eq!(folded(vec![state(Some(50)), Change::Deleted(id())], None).pushed, gone);
        assert_eq!(folded(vec![state(Some(50)), Change::Deleted(id()), state(Some(60))], None).pushed, gone);
        assert!(matches!(
            folded(vec![Change::Deleted(id()), state(Some(500))], None).pushed,
            Pushed::State(ChangeNumber(1), _)
        ));
        let tombstone = || Some(entry(None, Some(70)));
        assert_eq!(folded(vec![state(Some(60))], tombstone()).pushed, Pushed::Old(ChangeNumber(0)));
        assert!(matches!(folded(vec![state(Some(80))], tombstone()).pushed, Pushed::State(..)));
        assert!(folded(vec![state(None)], tombstone()).must_read, "of unknown age: the CRM is asked");
    }

    #[test]
    fn a_consent_is_laid_over_the_state_that_came_before_it() {
        let changes = vec![state(Some(1)), Change::Consented(id(), consent(false, Some(5)))];
        let Pushed::State(number, contact) = folded(changes, None).pushed else { panic!("a state") };
        assert_eq!((number, contact.consents), (ChangeNumber(1), vec![consent(false, Some(5))]));
        let alone =
            vec![Change::Consented(id(), consent(false, None)), Change::Consented(id(), consent(true, None))];
        assert_eq!(
            folded(alone, None).pushed,
            Pushed::Consents(ChangeNumber(1), vec![consent(false, None)]),
            "of two answers without times the refusal holds"
        );
    }

    #[test]
    fn what_came_is_laid_over_the_state_that_was_kept() {
        let kept = |changes| {
            let Change::Upserted(mut kept) = state(Some(5)) else { panic!("a state") };
            kept.consents = vec![consent(true, Some(5))];
            fold(&open(changes), None, Some(&kept)).unwrap().pushed
        };
        assert_eq!(kept(vec![state(Some(4)), state(Some(3))]), Pushed::Old(ChangeNumber(1)));
        assert!(matches!(kept(vec![state(Some(4)), state(Some(6))]), Pushed::State(ChangeNumber(1), _)));
        assert_eq!(kept(vec![Change::Touched(id())]), Pushed::Something);
        assert_eq!(kept(vec![Change::Deleted(id())]), Pushed::Gone(ChangeNumber(0), at(100)));
        let refused = kept(vec![Change::Consented(id(), consent(false, Some(6)))]);
        let Pushed::State(ChangeNumber(0), contact) = refused else { panic!("{refused:?}") };
        assert_eq!(
            contact.consents,
            [consent(false, Some(6))],
            "who withdrew before the daily run is not opted in by it"
        );
    }

    fn any_change() -> impl Strategy<Value = Change> {
        prop_oneof![
            4 => prop::option::of(0i64..200).prop_map(state),
            1 => Just(Change::Touched(id())),
            1 => Just(Change::Deleted(id())),
            1 => (any::<bool>(), prop::option::of(0i64..200))
                .prop_map(|(given, at)| Change::Consented(id(), consent(given, at))),
        ]
    }

    proptest! {
        #[test]
        fn no_state_older_than_another_of_them_or_than_the_ledgers_is_taken(
            changes in prop::collection::vec(any_change(), 1..9), known in prop::option::of(0i64..200)
        ) {
            let entry = entry(known, None);
            let open = open(changes);
            let folded = fold(&open, Some(&entry), None).unwrap();
            prop_assert_eq!(folded.up_to, open.last().unwrap().number);
            let Pushed::State(_, taken) = &folded.pushed else { return Ok(()) };
            let last_deletion = open.iter().rposition(|one| matches!(one.change, Change::Deleted(_)));
            for one in &open[last_deletion.map_or(0, |at| at + 1)..] {
                if let (Change::Upserted(other), Some(at)) = (&one.change, taken.modified_at) {
                    let later_unknown = open.iter().rev().take_while(|it| it.number > one.number)
                        .any(|it| matches!(&it.change, Change::Upserted(state) if state.modified_at.is_none()));
                    prop_assert!(later_unknown || other.modified_at.is_none_or(|other| other <= at));
                }
            }
            if let (Some(at), Some(known)) = (taken.modified_at, entry.modified_at) {
                prop_assert!(at >= known);
            }
        }

        #[test]
        fn a_refusal_is_not_turned_round_by_an_answer_of_unknown_age(
            answers in prop::collection::vec((any::<bool>(), prop::option::of(0i64..9)), 1..8)
        ) {
            let changes = answers.iter().map(|(given, at)| Change::Consented(id(), consent(*given, *at)));
            let Pushed::Consents(_, held) = folded(changes.collect(), None).pushed else {
                return Err(TestCaseError::fail("only consents"));
            };
            prop_assert_eq!(held.len(), 1);
            if held[0].given {
                for (given, at) in &answers {
                    let is_after = |(yes, then): &(bool, Option<i64>)| *yes && *then > *at;
                    let outdone = *given || at.is_some() && answers.iter().any(is_after);
                    prop_assert!(outdone, "{answers:?} {held:?}");
                }
            }
        }
    }

    #[test]
    fn an_answer_beside_a_state_that_is_too_old_is_not_lost() {
        let no = || Change::Consented(id(), consent(false, None));
        let old = || state(Some(9));
        for changes in [vec![old(), no()], vec![no(), old()]] {
            let folded = folded(changes, Some(entry(Some(10), None)));
            assert!(
                matches!(&folded.pushed, Pushed::Consents(_, told) if *told == [consent(false, None)]),
                "{:?}",
                folded.pushed
            );
        }
    }
}

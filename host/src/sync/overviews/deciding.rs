//! What is to be done for a member of an overview, or for somebody who was one. Pure.

use std::collections::BTreeMap;

use crate::apsis::Tags;
use crate::overview::{Member, MemberEnd, MemberSettled};
use crate::profile::TagId;
use crate::reason::{Reason, ReasonCode};
use crate::run::{LedgerEntry, Outcome};
use crate::story::forgotten;

/// What is to be done for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Todo {
    /// Nothing is asked of APSIS One.
    Nothing(MemberSettled),
    /// Tags are set (true) and taken off (false).
    Write {
        /// What is sent.
        tags: BTreeMap<TagId, bool>,
        /// Which of the overview's tags may be on the profile from now on.
        may_have: Vec<TagId>,
        /// What it comes to, if APSIS One takes it.
        then: MemberSettled,
    },
}

/// Decides. `tag`: the one that members get. `there`: those that the section has; one that it has no more is on nobody.
pub fn decide(member: Member, entry: Option<&LedgerEntry>, tag: &TagId, there: &Tags) -> Todo {
    if !member.is_member {
        let end = if member.tags.is_empty() { MemberEnd::Gone } else { MemberEnd::Removed };
        let off = member.tags.iter().filter(|tag| there.has(tag)).map(|tag| (tag.clone(), false)).collect();
        let then = settled(&member, end, Vec::new(), None);
        return write(member, off, then);
    }
    if let Some(reason) = why_not(&member, entry) {
        let tags = member.tags.clone();
        let skipped = settled(&member, MemberEnd::Skipped, tags, Some(reason));
        return Todo::Nothing(MemberSettled { is_settled: member.is_settled, ..skipped });
    }
    let wanted = vec![tag.clone()];
    if member.is_settled && member.tags == wanted {
        return Todo::Nothing(settled(&member, MemberEnd::Unchanged, wanted, None));
    }
    let former = member.tags.iter().filter(|former| *former != tag && there.has(former));
    let mut tags: BTreeMap<TagId, bool> = former.map(|former| (former.clone(), false)).collect();
    tags.insert(tag.clone(), true);
    let then = settled(&member, MemberEnd::Added, wanted, None);
    write(member, tags, then)
}

fn write(member: Member, tags: BTreeMap<TagId, bool>, then: MemberSettled) -> Todo {
    if tags.is_empty() {
        return Todo::Nothing(then);
    }
    let mut may_have = member.tags;
    let new = tags.iter().filter(|(_, is_set)| **is_set).map(|(tag, _)| tag);
    let new: Vec<TagId> = new.filter(|tag| !may_have.contains(tag)).cloned().collect();
    may_have.extend(new);
    Todo::Write { tags, may_have, then }
}

fn settled(member: &Member, end: MemberEnd, tags: Vec<TagId>, reason: Option<Reason>) -> MemberSettled {
    MemberSettled { contact: member.contact.clone(), end, tags, is_settled: true, reason }
}

/// Why a member gets no tag: only whoever this integration has written, and would write, is touched.
fn why_not(member: &Member, entry: Option<&LedgerEntry>) -> Option<Reason> {
    if member.is_forgotten {
        return Some(forgotten());
    }
    let Some(entry) = entry else { return Some(unknown()) };
    let told = || entry.reason.clone();
    match entry.outcome {
        Outcome::Excluded => Some(told().unwrap_or_else(|| {
            Reason::new(ReasonCode::ConditionNotMet, "a sync condition does not hold for the contact")
        })),
        Outcome::Rejected => Some(told().unwrap_or_else(|| {
            Reason::new(ReasonCode::NotWritten, "the contact could not be written; the next full sync tries again")
        })),
        Outcome::Deleted => Some(told().unwrap_or_else(|| {
            Reason::new(
                ReasonCode::NotInCrm,
                "the CRM has deleted the contact, and its profile with it; it is in the overview none the less",
            )
        })),
        Outcome::Created | Outcome::Updated | Outcome::Unchanged => {
            entry.written.is_none().then(unknown)
        }
    }
}

fn unknown() -> Reason {
    Reason::new(
        ReasonCode::MemberUnknown,
        "the contact has no profile in APSIS One that this integration has written; a full sync, the daily run or a change \
         of it makes one, and the import after that sets the tag",
    )
}

/// A member whose profile is not there, though it was written.
pub fn profile_missing() -> Reason {
    Reason::new(
        ReasonCode::ProfileMissing,
        "APSIS One has no profile of the contact any more, though this integration has written one; a forced full sync \
         makes it anew, and the import after that sets the tag",
    )
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::apsis::TagDefinition;
    use crate::contact::ContactId;
    use crate::profile::Intent;

    fn tag(name: &str) -> TagId {
        TagId(name.to_owned())
    }

    fn there() -> Tags {
        Tags(["fair", "old"].map(|name| TagDefinition { id: tag(name), name: name.to_owned() }).to_vec())
    }

    fn member(is_member: bool, tags: &[&str], is_settled: bool) -> Member {
        let tags = tags.iter().copied().map(tag).collect();
        Member { contact: ContactId("1".into()), is_member, is_forgotten: false, tags, is_settled }
    }

    fn entry(outcome: Outcome, is_written: bool) -> LedgerEntry {
        LedgerEntry {
            contact: ContactId("1".into()),
            outcome,
            reason: None,
            written: is_written.then(|| Intent::empty(ContactId("1".into()))),
            modified_at: None,
            deleted_at: None,
            run: None,
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn decided(member: Member, entry: Option<LedgerEntry>) -> Todo {
        decide(member, entry.as_ref(), &tag("fair"), &there())
    }

    #[test]
    fn only_what_differs_is_written() {
        let synced = || Some(entry(Outcome::Unchanged, true));
        let sent = |tags: &[(&str, bool)]| -> BTreeMap<TagId, bool> {
            tags.iter().map(|(name, set)| (tag(name), *set)).collect()
        };
        for (member, wanted, may_have, end) in [
            (member(true, &[], true), sent(&[("fair", true)]), vec!["fair"], MemberEnd::Added),
            // It may have been set before a crash, or not.
            (member(true, &["fair"], false), sent(&[("fair", true)]), vec!["fair"], MemberEnd::Added),
            // The tag of the overview was changed.
            (
                member(true, &["old"], true),
                sent(&[("fair", true), ("old", false)]),
                vec!["old", "fair"],
                MemberEnd::Added,
            ),
            // The former tag was deleted in APSIS One.
            (member(true, &["gone"], true), sent(&[("fair", true)]), vec!["gone", "fair"], MemberEnd::Added),
            (member(false, &["fair"], true), sent(&[("fair", false)]), vec!["fair"], MemberEnd::Removed),
            (
                member(false, &["old", "fair"], false),
                sent(&[("fair", false), ("old", false)]),
                vec!["old", "fair"],
                MemberEnd::Removed,
            ),
        ] {
            let shown = format!("{member:?}");
            let Todo::Write { tags, may_have: noted, then } = decided(member, synced()) else {
                panic!("{shown} is written")
            };
            assert_eq!((tags, then.end), (wanted, end), "{shown}");
            assert_eq!(noted, may_have.into_iter().map(tag).collect::<Vec<_>>(), "{shown}");
        }
        for (member, end) in [
            (member(true, &["fair"], true), MemberEnd::Unchanged),
            (member(false, &[], true), MemberEnd::Gone),
            (member(false, &["gone"], true), MemberEnd::Removed),
        ] {
            let Todo::Nothing(then) = decided(member, synced()) else { panic!("nothing is written") };
            assert_eq!(then.end, end);
        }
    }

    #[test]
    fn who_is_not_synced_is_left_as_he_is_for_a_reason() {
        for (entry, code) in [
            (None, ReasonCode::MemberUnknown),
            (Some(entry(Outcome::Excluded, true)), ReasonCode::ConditionNotMet),
            (Some(entry(Outcome::Excluded, false)), ReasonCode::ConditionNotMet),
            (Some(entry(Outcome::Rejected, true)), ReasonCode::NotWritten),
            (Some(entry(Outcome::Deleted, false)), ReasonCode::NotInCrm),
            (Some(entry(Outcome::Updated, false)), ReasonCode::MemberUnknown),
        ] {
            for (tags, is_settled) in [(vec![], true), (vec!["fair"], true), (vec!["fair"], false)] {
                let Todo::Nothing(then) = decided(member(true, &tags, is_settled), entry.clone()) else {
                    panic!("{entry:?} is not written")
                };
                assert_eq!((then.end, then.is_settled), (MemberEnd::Skipped, is_settled));
                assert_eq!(then.reason.map(|reason| reason.code), Some(code), "{entry:?}");
                assert_eq!(then.tags.len(), tags.len(), "what he has stays known");
            }
            // Whoever is no member any more has it taken off, whatever he is.
            assert!(matches!(decided(member(false, &["fair"], true), entry), Todo::Write { .. }));
        }
        let forgotten = Member { is_forgotten: true, ..member(true, &[], true) };
        let Todo::Nothing(then) = decided(forgotten, None) else { panic!("nothing is written") };
        assert_eq!(then.reason.map(|reason| reason.code), Some(ReasonCode::ContactForgotten));
    }
}

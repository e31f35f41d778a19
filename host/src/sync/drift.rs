//! How a profile differs from what was last written, pure: what an audit reports of one contact, and what of it a
//! repair may mend.
//!
//! An opt-out that the recipient, or somebody else, made after the CRM's answer is legitimate: it is shown, and never
//! made an opt-in. An opt-in where the CRM never answered, and that is not ours, is shown and left alone: who set it
//! has to say.

use std::slice;

use jiff::Timestamp;
use serde::Serialize;

use crate::apsis::compare::value_fits;
use crate::apsis::{ConsentStep, ExportedProfile, FoundValue, consents};
use crate::contact::{Channel, ContactId};
use crate::profile::{Answer, AttributeId, ConsentType, Intent, KnownConsent, TopicId, WantedConsent};
use crate::run::{LedgerEntry, Outcome};
use crate::store::Doubt;

/// How a profile differs; the most dangerous first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftKind {
    /// Opted in, though the CRM refused, or has nothing more to say of what we opted in.
    OptedIn,
    /// Opted in by somebody else, where the CRM never answered.
    OptedInByOthers,
    /// The CRM refused, and APSIS One has nothing that says so.
    NotOptedOut,
    /// There is no profile.
    ProfileMissing,
    /// Attributes have other values.
    AttributesDiffer,
    /// Opted out, though the CRM's answer is newer.
    OptedOut,
    /// The CRM gave it, and APSIS One has nothing that says so.
    NotOptedIn,
    /// Opted out after the CRM's answer: legitimate.
    OptedOutSince,
    /// A profile with a key of the CRM's keyspace, of which nothing is known.
    ProfileUnknown,
}

impl DriftKind {
    /// Each in a few words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::OptedIn => "opted in, and should not be",
            Self::OptedInByOthers => "opted in by somebody else; the CRM has no answer",
            Self::NotOptedOut => "refused in the CRM, and not opted out",
            Self::ProfileMissing => "profile missing",
            Self::AttributesDiffer => "attributes differ",
            Self::OptedOut => "opted out, though the CRM's answer is newer",
            Self::NotOptedIn => "given in the CRM, and not opted in",
            Self::OptedOutSince => "opted out after the CRM's answer (stays so)",
            Self::ProfileUnknown => "profiles of which nothing is known",
        }
    }

    /// Whether a repair mends it.
    pub fn is_repairable(self) -> bool {
        !matches!(self, Self::OptedInByOthers | Self::OptedOutSince | Self::ProfileUnknown)
    }

    /// Whether it is as it should be, and only worth knowing.
    pub fn is_legitimate(self) -> bool {
        self == Self::OptedOutSince
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// Whose.
    pub contact: ContactId,
    /// What.
    #[serde(rename = "difference")]
    pub kind: DriftKind,
    /// The attributes that have other values. No values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<AttributeId>,
    /// The consent that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consent: Option<FoundConsent>,
}

/// A consent as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FoundConsent {
    /// The subscription.
    pub topic: TopicId,
    /// The channel.
    pub channel: Channel,
    /// Its state; none if there is no such consent.
    pub state: Option<ConsentType>,
    /// Who set it, where APSIS One says.
    pub source: Option<String>,
    /// When, where APSIS One says.
    pub modified_at: Option<Timestamp>,
}

impl Difference {
    /// A profile of which nothing is known.
    pub fn unknown(contact: ContactId) -> Self {
        Self::of(contact, DriftKind::ProfileUnknown)
    }

    fn of(contact: ContactId, kind: DriftKind) -> Self {
        Self { contact, kind, attributes: Vec::new(), consent: None }
    }

    fn in_consent(
        contact: &ContactId,
        kind: DriftKind,
        want: &WantedConsent,
        found: Option<&KnownConsent>,
    ) -> Self {
        let consent = FoundConsent {
            topic: want.topic.clone(),
            channel: want.channel,
            state: found.map(|found| found.state),
            source: found.and_then(|found| found.source.clone()),
            modified_at: found.and_then(|found| found.modified_at),
        };
        Self { consent: Some(consent), ..Self::of(contact.clone(), kind) }
    }
}

/// What the rules set, by today's mappings: nothing else was read, and nothing else is compared.
#[derive(Debug, Clone, Copy)]
pub struct Mapped<'a> {
    /// Attributes.
    pub attributes: &'a [AttributeId],
    /// Subscriptions with their channels.
    pub consents: &'a [ConsentStep],
}

/// How a profile differs from what the ledger has. `found`: none if there is no profile.
///
/// Of a contact that is excluded, rejected or deleted nothing is written any more; that it is opted in to nothing
/// that it does not give holds for it, too.
pub fn differences(
    mapped: Mapped<'_>,
    entry: &LedgerEntry,
    found: Option<&ExportedProfile>,
) -> Vec<Difference> {
    let contact = &entry.contact;
    let is_kept = matches!(entry.outcome, Outcome::Created | Outcome::Updated | Outcome::Unchanged);
    let Some(found) = found else {
        return match entry.written {
            Some(_) if is_kept => vec![Difference::of(contact.clone(), DriftKind::ProfileMissing)],
            _ => Vec::new(),
        };
    };
    let mut differences: Vec<Difference> = wanted(mapped, entry.written.as_ref())
        .iter()
        .filter_map(|want| in_consent(contact, want, &found.consents))
        .filter(|it| is_kept || matches!(it.kind, DriftKind::OptedIn | DriftKind::OptedInByOthers))
        .collect();
    if let Some(intent) = entry.written.as_ref().filter(|_| is_kept) {
        let attributes = differing(mapped, intent, found);
        if !attributes.is_empty() {
            let kind = DriftKind::AttributesDiffer;
            differences.push(Difference { attributes, ..Difference::of(contact.clone(), kind) });
        }
    }
    differences
}

/// The CRM's answers as they were last written. Where nothing was written the CRM gave nothing. A mapping that is
/// newer than what was written says nothing: a full sync is needed for it.
fn wanted(mapped: Mapped<'_>, written: Option<&Intent>) -> Vec<WantedConsent> {
    let is_mapped = |want: &&WantedConsent| {
        mapped.consents.iter().any(|step| step.topic == want.topic && step.channel == want.channel)
    };
    match written {
        Some(intent) => intent.consents.iter().filter(is_mapped).cloned().collect(),
        None => {
            let unsaid = |step: &ConsentStep| WantedConsent {
                topic: step.topic.clone(),
                channel: step.channel,
                answer: Answer::Unsaid,
            };
            mapped.consents.iter().map(unsaid).collect()
        }
    }
}

/// How one consent differs: by what would be done about it if the contact were written again.
fn in_consent(contact: &ContactId, want: &WantedConsent, known: &[KnownConsent]) -> Option<Difference> {
    let last = slice::from_ref(want);
    let plan = consents::plan(last, Some(known), Some(last));
    let found = consents::known_state(known, want);
    let kind = if !plan.opt_outs.is_empty() {
        if found.is_some() { DriftKind::OptedIn } else { DriftKind::NotOptedOut }
    } else if !plan.opt_ins.is_empty() {
        if found.is_some() { DriftKind::OptedOut } else { DriftKind::NotOptedIn }
    } else if !plan.withheld.is_empty() {
        DriftKind::OptedOutSince
    } else if want.answer == Answer::Unsaid && found.is_some_and(|found| found.state != ConsentType::OptOut) {
        DriftKind::OptedInByOthers
    } else {
        return None;
    };
    Some(Difference::in_consent(contact, kind, want, found))
}

fn differing(mapped: Mapped<'_>, intent: &Intent, found: &ExportedProfile) -> Vec<AttributeId> {
    let differs = |attribute: &&AttributeId| {
        intent.attributes.get(*attribute).is_some_and(|wanted| {
            !value_fits(wanted, found.attributes.get(*attribute).unwrap_or(&FoundValue::Null))
        })
    };
    mapped.attributes.iter().filter(differs).cloned().collect()
}

/// The doubt that has a contact mended; none where there is nothing to mend.
pub fn doubt(entry: &LedgerEntry, differences: &[Difference]) -> Option<Doubt> {
    if !differences.iter().any(|difference| difference.kind.is_repairable()) {
        return None;
    }
    let opted_in = differences.iter().filter(|difference| difference.kind == DriftKind::OptedIn);
    let opt_outs = opted_in.filter_map(|difference| difference.consent.as_ref()).map(|found| WantedConsent {
        topic: found.topic.clone(),
        channel: found.channel,
        answer: answer(entry, found),
    });
    Some(Doubt { contact: entry.contact.clone(), entry_at: entry.at, opt_outs: opt_outs.collect() })
}

fn answer(entry: &LedgerEntry, found: &FoundConsent) -> Answer {
    let consents = entry.written.as_ref().map_or(&[][..], |intent| &intent.consents);
    let of = consents.iter().find(|want| want.topic == found.topic && want.channel == found.channel);
    of.map_or(Answer::Unsaid, |want| want.answer)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::apsis::SOURCE;
    use crate::profile::AttributeValue;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn steps() -> Vec<ConsentStep> {
        vec![ConsentStep { topic: TopicId("news".into()), channel: Channel::Email }]
    }

    fn attributes() -> Vec<AttributeId> {
        vec![AttributeId("city".into()), AttributeId("score".into())]
    }

    fn entry(outcome: Outcome, answer: Option<Answer>) -> LedgerEntry {
        let intent = |answer| Intent {
            attributes: BTreeMap::from([
                (AttributeId("city".into()), AttributeValue::Text("Malmö".into())),
                (AttributeId("score".into()), AttributeValue::Decimal("12.50".into())),
                (AttributeId("no-longer-mapped".into()), AttributeValue::Text("x".into())),
            ]),
            consents: vec![WantedConsent { topic: TopicId("news".into()), channel: Channel::Email, answer }],
            ..Intent::empty(ContactId("1".into()))
        };
        LedgerEntry {
            contact: ContactId("1".into()),
            outcome,
            reason: None,
            written: answer.map(intent),
            modified_at: None,
            deleted_at: None,
            run: None,
            at: at(50),
        }
    }

    fn profile(there: Option<(ConsentType, &str, i64)>) -> ExportedProfile {
        let consent = |(state, source, modified): (ConsentType, &str, i64)| KnownConsent {
            topic: TopicId("news".into()),
            channel: Channel::Email,
            state,
            modified_at: Some(at(modified)),
            source: Some(source.to_owned()),
        };
        ExportedProfile {
            key: ContactId("1".into()),
            attributes: BTreeMap::from([
                (AttributeId("city".into()), FoundValue::Text("Malmö".into())),
                (AttributeId("score".into()), FoundValue::Number("12.5".into())),
            ]),
            consents: there.map(consent).into_iter().collect(),
        }
    }

    fn found(entry: &LedgerEntry, profile: Option<&ExportedProfile>) -> Vec<Difference> {
        differences(Mapped { attributes: &attributes(), consents: &steps() }, entry, profile)
    }

    #[test]
    fn each_consent_that_differs_is_of_the_kind_of_what_would_be_done_about_it() {
        use ConsentType::{ConfirmedOptIn, OptIn, OptOut, PendingOptIn};
        let given = Answer::Given(Some(at(10)));
        let refused = Answer::Refused(Some(at(10)));
        for (answer, there, expected) in [
            (given, Some((OptIn, SOURCE, 11)), None),
            (given, Some((ConfirmedOptIn, "Form", 11)), None),
            (given, Some((PendingOptIn, "Form", 11)), None),
            (given, None, Some(DriftKind::NotOptedIn)),
            (given, Some((OptOut, "Preference page", 12)), Some(DriftKind::OptedOutSince)),
            (given, Some((OptOut, SOURCE, 12)), Some(DriftKind::OptedOut)),
            (given, Some((OptOut, "Preference page", 9)), Some(DriftKind::OptedOut)),
            (refused, Some((OptOut, SOURCE, 11)), None),
            (refused, None, Some(DriftKind::NotOptedOut)),
            (refused, Some((OptIn, "Form", 12)), Some(DriftKind::OptedIn)),
            (refused, Some((ConfirmedOptIn, "Form", 12)), Some(DriftKind::OptedIn)),
            (Answer::Unsaid, None, None),
            (Answer::Unsaid, Some((OptOut, "Form", 12)), None),
            (Answer::Unsaid, Some((OptIn, SOURCE, 12)), Some(DriftKind::OptedIn)),
            (Answer::Unsaid, Some((OptIn, "Form", 12)), Some(DriftKind::OptedInByOthers)),
        ] {
            let differences = found(&entry(Outcome::Updated, Some(answer)), Some(&profile(there)));
            let kinds: Vec<DriftKind> = differences.iter().map(|difference| difference.kind).collect();
            assert_eq!(kinds, Vec::from_iter(expected), "{answer:?} {there:?}");
        }
    }

    #[test]
    fn who_is_no_longer_written_is_only_asked_for_what_it_is_opted_in_to() {
        let opted_in = profile(Some((ConsentType::OptIn, "Form", 12)));
        let nothing = ExportedProfile { attributes: BTreeMap::new(), ..profile(None) };
        for outcome in [Outcome::Excluded, Outcome::Rejected, Outcome::Deleted] {
            let kept = entry(outcome, Some(Answer::Refused(None)));
            assert_eq!(found(&kept, Some(&opted_in))[0].kind, DriftKind::OptedIn, "{outcome:?}");
            assert_eq!(found(&kept, Some(&nothing)), [], "{outcome:?}");
            assert_eq!(found(&kept, None), [], "{outcome:?}");
            let never = entry(outcome, None);
            assert_eq!(found(&never, Some(&opted_in))[0].kind, DriftKind::OptedInByOthers, "{outcome:?}");
        }
    }

    #[test]
    fn attributes_are_named_and_compared_by_value_and_only_those_that_are_mapped() {
        let known = entry(Outcome::Created, Some(Answer::Unsaid));
        assert_eq!(found(&known, Some(&profile(None))), []);
        let mut other = profile(None);
        other.attributes.insert(AttributeId("city".into()), FoundValue::Text("Lund".into()));
        other.attributes.remove(&AttributeId("score".into()));
        let differences = found(&known, Some(&other));
        assert_eq!((differences.len(), differences[0].kind), (1, DriftKind::AttributesDiffer));
        assert_eq!(differences[0].attributes, attributes());
        let json = serde_json::to_string(&differences).unwrap();
        assert!(!json.contains("Lund") && !json.contains("Malm"), "no values: {json}");
    }

    #[test]
    fn a_profile_that_is_not_there_is_missing() {
        let known = entry(Outcome::Unchanged, Some(Answer::Given(None)));
        let differences = found(&known, None);
        assert_eq!(differences, [Difference::of(ContactId("1".into()), DriftKind::ProfileMissing)]);
        assert_eq!(doubt(&known, &differences).unwrap().opt_outs, []);
    }

    #[test]
    fn only_what_may_be_mended_is_doubted_and_what_is_wrongly_opted_in_is_to_be_opted_out() {
        let refused = entry(Outcome::Updated, Some(Answer::Refused(Some(at(10)))));
        let differences = found(&refused, Some(&profile(Some((ConsentType::OptIn, "Form", 12)))));
        let doubted = doubt(&refused, &differences).unwrap();
        assert_eq!(doubted.opt_outs, refused.written.as_ref().unwrap().consents);
        assert_eq!(doubted.entry_at, at(50));
        for (answer, there) in [
            (Answer::Unsaid, (ConsentType::OptIn, "Form", 12)),
            (Answer::Given(Some(at(10))), (ConsentType::OptOut, "Preference page", 12)),
        ] {
            let known = entry(Outcome::Updated, Some(answer));
            let differences = found(&known, Some(&profile(Some(there))));
            assert_eq!((differences.len(), doubt(&known, &differences)), (1, None), "{answer:?}");
        }
    }
}

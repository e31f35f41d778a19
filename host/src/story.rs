//! The vocabulary of a contact's story: what it looked like when it was last read, what was done for it, whether
//! its person may be mailed, and why; and what stays of a contact that was forgotten.
//!
//! A story holds personal data: it is stored, shown to whoever asks for it, and never logged. It is kept for a set
//! time, and goes when the contact is forgotten.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::change::{Cause, ChangeNumber, ChangeOutcome};
use crate::contact::{Channel, Contact, ContactId};
use crate::explained::Explained;
use crate::lane::ChangeRecord;
use crate::profile::{Answer, ConsentType, KnownConsent, TopicId, WantedConsent};
use crate::reason::{Reason, ReasonCode};
use crate::run::{Decided, LedgerEntry, Outcome, RunId, Verdict};
use crate::step::{Asked, SetEnd, Step};

/// A contact as the connector gave it, on its way into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When it was taken.
    pub at: Timestamp,
    /// The contact.
    pub contact: Contact,
    /// What each rule made of it; none leaves what is known from an earlier time, with that time.
    pub explained: Option<Explained>,
}

/// What a contact looked like when it was last read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LastSeen {
    /// When it was taken.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The contact.
    pub contact: Contact,
    /// What each rule made of it.
    pub explained: Option<Explained>,
    /// When they did: earlier, where nothing has changed since.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub explained_at: Option<Timestamp>,
}

/// What made a contact be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "by", content = "number")]
pub enum By {
    /// A run.
    Run(RunId),
    /// A change in real time.
    Change(ChangeNumber),
}

/// One thing that was done for a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Chapter {
    /// Because of what.
    pub by: By,
    /// When it ended, or was put off.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What the contact came to; none if it is tried again.
    pub outcome: Option<ChangeOutcome>,
    /// Why.
    pub cause: Option<Cause>,
    /// What was asked of APSIS One.
    pub steps: Vec<Asked>,
}

/// A consent of a profile, before and after what was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ConsentTold {
    /// The subscription.
    pub topic: TopicId,
    /// The channel.
    pub channel: Channel,
    /// What APSIS One had; none: nothing.
    pub before: Option<KnownConsent>,
    /// What it has now.
    pub after: Option<ConsentType>,
    /// APSIS One did not allow what was asked for.
    pub refused: bool,
}

/// The consents that steps found and set, in the order of (topic, channel).
pub fn consents(steps: &[Asked]) -> Vec<ConsentTold> {
    let mut told: BTreeMap<(TopicId, Channel), ConsentTold> = BTreeMap::new();
    let mut of = |topic: &TopicId, channel: Channel, change: &mut dyn FnMut(&mut ConsentTold)| {
        let nothing =
            || ConsentTold { topic: topic.clone(), channel, before: None, after: None, refused: false };
        change(told.entry((topic.clone(), channel)).or_insert_with(nothing));
    };
    let mut read = false;
    for step in steps.iter().filter_map(|asked| asked.step.as_ref()) {
        match step {
            Step::ReadConsents { consents, .. } => {
                for known in consents {
                    of(&known.topic, known.channel, &mut |told| {
                        // What is read a second time is what came of it.
                        if !read {
                            told.before = Some(known.clone());
                        }
                        told.after = Some(known.state);
                    });
                }
                read = true;
            }
            Step::SetConsent { topic, channel, opt_in, end } => {
                let now = if *opt_in { ConsentType::OptIn } else { ConsentType::OptOut };
                of(topic, *channel, &mut |told| match end {
                    SetEnd::Changed | SetEnd::AlreadyThere => told.after = Some(now),
                    SetEnd::Refused => told.refused = true,
                });
            }
            _ => {}
        }
    }
    told.into_values().collect()
}

/// Everything that is known of a contact.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// What the ledger has.
    pub entry: Option<&'a LedgerEntry>,
    /// Whether something may have been written that has no outcome yet.
    pub unsettled: bool,
    /// What was done, the newest first.
    pub chapters: &'a [Chapter],
    /// Its newest change.
    pub newest: Option<&'a ChangeRecord>,
    /// It was forgotten.
    pub tombstone: Option<&'a Tombstone>,
}

impl<'a> Known<'a> {
    /// The newest change, where it did not come to anything that the ledger knows.
    fn open(&self) -> Option<&'a ChangeRecord> {
        let later = |change: &&ChangeRecord| match (change.ended_at, self.entry) {
            (Some(ended), Some(entry)) => ended > entry.at,
            _ => true,
        };
        let is_open = |change: &&ChangeRecord| {
            change.dead || matches!(change.outcome, None | Some(ChangeOutcome::Held))
        };
        self.newest.filter(is_open).filter(later)
    }

    /// Whether the last step that tells says that there is a profile.
    fn profile_was_met(&self) -> bool {
        let steps = self.chapters.iter().flat_map(|chapter| chapter.steps.iter().rev());
        let met = steps.filter_map(|asked| match asked.step.as_ref()? {
            // They are about another profile.
            Step::Merge { .. } | Step::LookAtOldAddress { .. } | Step::OptOutOldAddress { .. } => None,
            Step::Create { .. } | Step::SetConsent { .. } | Step::Import { .. } => Some(true),
            Step::ReadConsents { found, .. } => Some(found.is_some()),
            Step::WriteAttributes { there, .. } => Some(*there),
            Step::DeleteProfile { .. } => Some(false),
        });
        met.into_iter().next().unwrap_or(false)
    }
}

/// The answer to: is this person in APSIS One, and may they be mailed?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Standing {
    /// Whether there is a profile, as far as Sluice knows.
    pub profile: Presence,
    /// What may be sent.
    pub may: Vec<Mail>,
    /// What may not be sent.
    pub may_not: Vec<Mail>,
    /// Why it is not there, or is not updated.
    pub because: Option<Cause>,
    /// Set: something is under way that may change the answer.
    pub unsettled: bool,
}

/// Whether a contact has a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// It has one, and it is as the rules want it.
    There,
    /// It has one that is not updated any more, or could not be.
    ThereAsBefore,
    /// Its profile was deleted, or kept and opted out of everything.
    Deleted,
    /// It has none that Sluice wrote.
    NotThere,
    /// It waits for the daily run.
    WaitsForDailyRun,
    /// It was forgotten.
    Forgotten,
    /// Nothing is known of it.
    Unknown,
}

/// One subscription on one channel, and why it may be sent or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Mail {
    /// The subscription.
    pub topic: TopicId,
    /// The channel.
    pub channel: Channel,
    /// In words.
    pub why: &'static str,
}

/// Answers, by what is known.
pub fn standing(known: &Known<'_>) -> Standing {
    let profile = presence(known);
    let because = match (known.tombstone, known.open(), known.entry) {
        (Some(_), ..) => Some(Cause::from(forgotten())),
        (None, Some(change), _) if change.cause.is_some() => change.cause.clone(),
        (None, _, entry) => entry.and_then(|entry| entry.reason.clone()).map(Cause::from),
    };
    let (mut may, mut may_not) = (Vec::new(), Vec::new());
    if matches!(profile, Presence::There | Presence::ThereAsBefore) {
        for (topic, channel, why) in mails(known) {
            match why {
                Ok(why) => may.push(Mail { topic, channel, why }),
                Err(why) => may_not.push(Mail { topic, channel, why }),
            }
        }
    }
    let unsettled = known.tombstone.is_none() && (known.unsettled || known.open().is_some());
    Standing { profile, may, may_not, because, unsettled }
}

fn presence(known: &Known<'_>) -> Presence {
    let held = known.open().is_some_and(|change| change.outcome == Some(ChangeOutcome::Held));
    match (known.tombstone, known.entry) {
        (Some(_), _) => Presence::Forgotten,
        (None, Some(entry)) if entry.outcome == Outcome::Deleted && !held => Presence::Deleted,
        (None, Some(entry)) if entry.written.is_some() => match entry.outcome {
            Outcome::Excluded | Outcome::Rejected => Presence::ThereAsBefore,
            _ => Presence::There,
        },
        _ if held => Presence::WaitsForDailyRun,
        _ if known.profile_was_met() => Presence::ThereAsBefore,
        (None, None) if known.newest.is_none() && known.chapters.is_empty() => Presence::Unknown,
        _ => Presence::NotThere,
    }
}

type Why = Result<&'static str, &'static str>;

/// What may be sent and what not, by what was written and by what APSIS One was found to have.
fn mails(known: &Known<'_>) -> Vec<(TopicId, Channel, Why)> {
    let mut found: BTreeMap<(TopicId, Channel), Option<ConsentType>> = BTreeMap::new();
    for told in known.chapters.iter().flat_map(|chapter| consents(&chapter.steps)) {
        found.entry((told.topic, told.channel)).or_insert(told.after);
    }
    let mut all = Vec::new();
    let intent = known.entry.and_then(|entry| entry.written.as_ref());
    for wanted in intent.iter().flat_map(|intent| &intent.consents) {
        let state = found.remove(&(wanted.topic.clone(), wanted.channel)).flatten();
        all.push((wanted.topic.clone(), wanted.channel, why(wanted, state, known.entry)));
    }
    for ((topic, channel), state) in found {
        let why = match state {
            Some(ConsentType::OptIn | ConsentType::ConfirmedOptIn) => Ok("opted in in APSIS One"),
            _ => Err("not opted in in APSIS One"),
        };
        all.push((topic, channel, why));
    }
    all
}

const OPTED_OUT: &str =
    "given in the CRM, but the person opted out in APSIS One, and the CRM's answer is not known to be newer";

/// Why a consent that was written may be used, or why not. In doubt it may not, unless APSIS One has it.
fn why(wanted: &WantedConsent, state: Option<ConsentType>, entry: Option<&LedgerEntry>) -> Why {
    let reason = entry.and_then(|entry| entry.reason.as_ref());
    let is_about = |code| {
        reason.is_some_and(|reason| reason.code == code && reason.subject.as_deref() == Some(&wanted.topic.0))
    };
    let is_in = matches!(state, Some(ConsentType::OptIn | ConsentType::ConfirmedOptIn));
    match wanted.answer {
        Answer::Refused(_) if is_in => Ok("refused in the CRM, but APSIS One still has an opt-in"),
        Answer::Refused(_) => Err("refused or withdrawn in the CRM"),
        Answer::Unsaid if is_in => Ok("not from the CRM: APSIS One has an opt-in of its own"),
        Answer::Unsaid if is_about(ReasonCode::ConsentWaits) => {
            Err("given in the CRM, and waits for a full sync")
        }
        // Of several that wait, one is told.
        Answer::Unsaid if reason.is_some_and(|reason| reason.code == ReasonCode::ConsentWaits) => {
            Err("the CRM has no answer, or it waits for a full sync")
        }
        Answer::Unsaid => Err("the CRM has no answer"),
        Answer::Given(_) if is_in => Ok("given in the CRM"),
        Answer::Given(_) if state == Some(ConsentType::OptOut) => Err(OPTED_OUT),
        Answer::Given(_) if state == Some(ConsentType::PendingOptIn) => {
            Err("given in the CRM; APSIS One waits for the person to confirm it")
        }
        Answer::Given(_) if is_about(ReasonCode::OptedOutInApsis) => Err(OPTED_OUT),
        Answer::Given(_) if is_about(ReasonCode::ConsentRefused) => {
            Err("given in the CRM, but APSIS One refused it")
        }
        Answer::Given(_) if state.is_none() && reason.is_some_and(|reason| withholds(reason.code)) => Err(
            "given in the CRM; APSIS One withheld another of this contact's, and may have withheld this one",
        ),
        Answer::Given(_) => Ok("given in the CRM"),
    }
}

/// Of several consents that are withheld for one of these reasons, only the first is named.
fn withholds(code: ReasonCode) -> bool {
    matches!(code, ReasonCode::OptedOutInApsis | ReasonCode::ConsentRefused)
}

/// What begins a mark.
pub const MARK: &str = "forgotten:";

/// The name under which stays what a contact that was forgotten refuses for its addresses.
pub fn mark(digest: &str) -> ContactId {
    ContactId(format!("{MARK}{digest}"))
}

/// What stays of a contact that was forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Tombstone {
    /// SHA-256 of the integration's salt and the contact's id, lower-case hex.
    pub digest: String,
    /// When it was last asked for.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What was removed; none while it is still to be.
    pub erased: Option<Erased>,
    /// Whether nothing of it is left in the store's files.
    pub purged: bool,
    /// Why it was not done the last time it was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Cause>,
}

/// What was removed of a contact, by kind of record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Erased {
    /// Whether APSIS One had a profile, which was deleted.
    pub profile: bool,
    /// What was last known of it.
    pub ledger: u64,
    /// What it looked like.
    pub seen: u64,
    /// What was done for it.
    pub stories: u64,
    /// Its addresses, and what it said of them.
    pub addresses: u64,
    /// Results of runs.
    pub results: u64,
    /// What was to be written, or may have been.
    pub writes: u64,
    /// Changes, which were emptied.
    pub changes: u64,
    /// Deliveries, whose content was emptied.
    pub deliveries: u64,
    /// Waiting for the daily run, or to be taken.
    pub waiting: u64,
    /// Memberships of overviews.
    #[serde(default)]
    pub overviews: u64,
    /// Deliveries that are not decoded, so that nobody knows who they are about.
    pub undecoded: u64,
}

impl Tombstone {
    /// The contact as a run decides it: excluded, under a name that tells nobody who it is.
    pub fn decided(&self) -> Decided {
        Decided {
            contact: ContactId(format!("forgotten-{}", self.digest)),
            modified_at: None,
            verdict: Verdict::Settled(Outcome::Excluded, Some(forgotten())),
            seen: None,
        }
    }
}

/// Why nothing is done for a contact that was forgotten.
pub fn forgotten() -> Reason {
    Reason::new(
        ReasonCode::ContactForgotten,
        "the contact was forgotten at somebody's request, and is not created again. If that is wanted, `sluice contact \
         readmit` lets it in",
    )
}

#[cfg(test)]
mod tests;

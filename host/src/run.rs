//! The vocabulary of a run: a full sync or a daily creation, with its state, counters and results.
//!
//! Plain data, stored by `store`, driven by `sync`, shown by `cli`.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::brake::Held;
use crate::contact::{ContactId, Cursor};
use crate::difference::AttributeChange;
use crate::error::Failure;
use crate::integration::{Integration, IntegrationId};
use crate::profile::{Intent, KnownConsent};
use crate::reason::Reason;
use crate::step::Asked;
use crate::story::Seen;

/// A run's number, unique in one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct RunId(pub i64);

impl fmt::Display for RunId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// What a contact came to. Exactly one for each contact that a run reads, and for each whose changes the
/// lane takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The profile was created.
    Created,
    /// The profile was there and was written.
    Updated,
    /// Nothing to write: the profile is as the rules want it.
    Unchanged,
    /// A sync condition does not hold: neither created nor updated.
    Excluded,
    /// It cannot be written; its reason says why.
    Rejected,
    /// It is gone from the CRM, and its profile deleted, or opted out of everything.
    Deleted,
}

impl Outcome {
    /// All of them, in the order in which tables show them.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::Updated, Self::Unchanged, Self::Excluded, Self::Rejected, Self::Deleted];

    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Excluded => "excluded",
            Self::Rejected => "rejected",
            Self::Deleted => "deleted",
        }
    }
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// Every contact of the CRM is read.
    FullSync,
    /// Contacts that are new since the last one get their profiles.
    Daily,
    /// As a full sync, but nothing is written to APSIS One, nor taken for known: what would be done is recorded.
    DryRun,
}

impl RunKind {
    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FullSync => "full-sync",
            Self::Daily => "daily",
            Self::DryRun => "dry-run",
        }
    }

    /// What people call it.
    pub fn words(self) -> &'static str {
        match self {
            Self::FullSync => "full sync",
            Self::Daily => "daily run",
            Self::DryRun => "dry run",
        }
    }
}

/// Where a run reads contacts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// In the CRM.
    #[default]
    Crm,
    /// In the store, as they looked when they were last read: for rules that have changed, where the CRM is known
    /// well enough. Whatever came since has been dealt with by itself.
    Known,
}

impl Source {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Crm, Self::Known];

    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crm => "crm",
            Self::Known => "known",
        }
    }
}

/// What is asked for when a run is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunOrder {
    /// A full sync; `forced` writes every contact, changed or not.
    FullSync {
        #[expect(missing_docs, reason = "said above")]
        forced: bool,
        /// Where from.
        source: Source,
    },
    /// The daily run that was due at this moment.
    Daily {
        #[expect(missing_docs, reason = "said above")]
        due: Timestamp,
    },
    /// A dry run of a full sync, `forced` or not.
    DryRun {
        #[expect(missing_docs, reason = "said above")]
        forced: bool,
        /// Where from.
        source: Source,
        /// The definition to try, in place of the integration's own.
        trial: Option<Box<Integration>>,
    },
}

/// How far a run is. `Accepted` to `Writing` are active; an integration has at most one active run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Stored; nothing done yet.
    Accepted,
    /// Pages are read from the CRM and decided; nothing is written to APSIS One yet.
    Reading,
    /// What APSIS One has is read in bulk, before a bulk import.
    Comparing,
    /// It would do more than it may without being asked, and waits for approval.
    Held,
    /// Bulk imports are under way.
    Importing,
    /// What the imports did is read back.
    Verifying,
    /// Profiles are written one by one: few changes, or what an import left.
    Writing,
    /// Every contact read has its outcome.
    Completed,
    /// It stopped; `Run::failure` says why.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

impl Phase {
    /// The phases in which something may be written to APSIS One.
    pub const WRITING: [Self; 3] = [Self::Importing, Self::Verifying, Self::Writing];

    /// Whether the run has not ended.
    pub fn is_active(self) -> bool {
        !matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Reading => "reading",
            Self::Comparing => "comparing",
            Self::Held => "held",
            Self::Importing => "importing",
            Self::Verifying => "verifying",
            Self::Writing => "writing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How many contacts came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counters {
    /// Contacts read, each counted once.
    pub read: u64,
    #[expect(missing_docs, reason = "the outcome of the same name")]
    pub created: u64,
    #[expect(missing_docs, reason = "the outcome of the same name")]
    pub updated: u64,
    #[expect(missing_docs, reason = "the outcome of the same name")]
    pub unchanged: u64,
    #[expect(missing_docs, reason = "the outcome of the same name")]
    pub excluded: u64,
    #[expect(missing_docs, reason = "the outcome of the same name")]
    pub rejected: u64,
    #[expect(missing_docs, reason = "the outcome of the same name")]
    #[serde(default)]
    pub deleted: u64,
    /// Records that are no contacts and could not be used; not part of `read`.
    pub discarded: u64,
}

impl Counters {
    /// Contacts with an outcome.
    pub fn settled(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.excluded + self.rejected + self.deleted
    }

    /// Contacts read that have no outcome yet.
    pub fn pending(&self) -> u64 {
        self.read.saturating_sub(self.settled())
    }

    /// read = created + updated + unchanged + excluded + rejected + deleted.
    pub fn add_up(&self) -> bool {
        self.read == self.settled()
    }

    /// The counter of an outcome.
    pub fn of(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Created => &mut self.created,
            Outcome::Updated => &mut self.updated,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Excluded => &mut self.excluded,
            Outcome::Rejected => &mut self.rejected,
            Outcome::Deleted => &mut self.deleted,
        }
    }
}

/// One full sync or daily run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// Whose.
    pub integration: IntegrationId,
    /// What it is for.
    pub kind: RunKind,
    /// Write every contact, changed or not.
    pub forced: bool,
    /// Where it reads contacts.
    #[serde(default)]
    pub source: Source,
    /// How far it is.
    pub phase: Phase,
    /// Where reading goes on after a crash; none before the first page.
    pub cursor: Option<Cursor>,
    /// The last page is stored: nothing is left to read. Tells a run without a cursor that has read
    /// all from one that has read nothing.
    #[serde(default)]
    pub read_to_end: bool,
    /// Outcomes so far.
    pub counters: Counters,
    /// How many contacts there are in all, where the CRM says.
    pub total: Option<u64>,
    /// Somebody asked for it to stop.
    pub cancel_requested: bool,
    #[expect(missing_docs, reason = "the name says it")]
    #[schema(value_type = String, format = DateTime)]
    pub accepted_at: Timestamp,
    #[expect(missing_docs, reason = "the name says it")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What somebody is to approve of, or has approved of.
    #[serde(default)]
    pub hold: Option<Held>,
    /// Somebody approved.
    #[serde(default)]
    pub approved: bool,
}

impl Run {
    /// Whether it waits for somebody to approve.
    pub fn waits(&self) -> bool {
        self.phase == Phase::Held && !self.approved && !self.cancel_requested
    }
}

/// A contact that the rules decided, on its way into the store with its page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Which.
    pub contact: ContactId,
    /// How old the state is, where the CRM says.
    pub modified_at: Option<Timestamp>,
    /// What the rules say.
    pub verdict: Verdict,
    /// What it looked like; none where it could not be read, or may not be kept.
    pub seen: Option<Box<Seen>>,
}

/// What the rules, and what is known, make of a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its outcome is known without a write.
    Settled(Outcome, Option<Reason>),
    /// It is to be written.
    Write(Intent),
}

/// A contact that waits to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// What is to be written; its key names the contact.
    pub intent: Intent,
    /// Whether the profile was there before this run, where already known. Stored before the first
    /// write, so that a run that was killed counts the same as one that was not.
    pub existed: Option<bool>,
    /// The profile's consents before this run, where already known.
    pub known_consents: Option<Vec<KnownConsent>>,
    /// The intent that was last written for this contact, if any.
    pub last_written: Option<Intent>,
    /// Intents that earlier runs may have written since, in part or as a whole.
    pub attempted: Vec<Intent>,
    /// In a dry run: how the profile's attributes were found to differ, where they were looked at.
    pub found: Option<Vec<AttributeChange>>,
}

/// A staged contact's outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Which.
    pub contact: ContactId,
    /// What it came to.
    pub outcome: Outcome,
    /// Why, if rejected; or what was withheld, if written in part.
    pub reason: Option<Reason>,
    /// What APSIS One has of it now.
    pub wrote: Wrote,
    /// What was asked of APSIS One.
    pub steps: Vec<Asked>,
}

/// What APSIS One has of a contact after it was dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrote {
    /// What it had before, as far as is known, or a part of what was intended.
    AsBefore,
    /// What was intended.
    Intended,
    /// No profile.
    Nothing,
}

/// A contact of a run with its outcome, as results list it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunContact {
    /// Which.
    pub contact: ContactId,
    /// What it came to; none if the run ended before.
    pub outcome: Option<Outcome>,
    /// Why.
    pub reason: Option<Reason>,
}

/// How far one bulk import of a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchState {
    /// Its contacts are chosen; APSIS One may not know of it.
    Chosen,
    /// APSIS One has begun it; its file is uploaded, or about to be.
    Uploaded,
    /// APSIS One says that it ended, well or not: what it did is to be read back.
    Ended,
}

/// One bulk import: the staged contacts from `first` to `last`, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its number within the run, from 0.
    pub number: u32,
    /// The first contact.
    pub first: ContactId,
    /// The last contact, included.
    pub last: ContactId,
    /// How far it is.
    pub state: BatchState,
    /// APSIS One's id for it, once uploaded.
    pub import_id: Option<String>,
}

/// What is known of a contact from the last time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LedgerEntry {
    /// Which.
    pub contact: ContactId,
    /// What it came to last.
    pub outcome: Outcome,
    /// Why.
    pub reason: Option<Reason>,
    /// What was last written and is believed to be in APSIS One.
    pub written: Option<Intent>,
    /// The state's age, where the CRM says.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub modified_at: Option<Timestamp>,
    /// When the CRM was known to have deleted it. A pushed state that is not newer does not bring it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deleted_at: Option<Timestamp>,
    /// The run that says so; none if it was a change in real time.
    pub run: Option<RunId>,
    #[expect(missing_docs, reason = "the name says it")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

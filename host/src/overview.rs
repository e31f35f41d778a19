//! The vocabulary of overviews: the CRM's own lists of people, each of which becomes a tag on the profiles of its
//! members; and of their imports.
//!
//! Plain data, and the pure rules of it.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::contact::{ContactId, Cursor};
use crate::error::{ErrorCode, Failure};
use crate::integration::{IntegrationId, clock};
use crate::profile::TagId;
use crate::reason::Reason;

/// The local time of recurring imports, where nothing else is asked for.
pub const MORNING: Time = Time::constant(6, 0, 0, 0);

/// An import that takes the tag off fewer than so many goes on, whatever share of the members they are.
const FEW: u64 = 50;

/// The CRM's id of an overview.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct OverviewId(pub String);

impl fmt::Display for OverviewId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// An overview that is imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Overview {
    /// The CRM's id of it.
    pub id: OverviewId,
    /// What the CRM called it when it was set up.
    pub name: String,
    /// The tag that its members get.
    pub tag: TagId,
    /// What APSIS One called the tag then.
    pub tag_name: String,
    /// Whether it is imported every day by itself.
    pub recurring: bool,
    /// When, in the integration's time zone.
    #[serde(with = "clock")]
    #[schema(value_type = String, example = "06:00")]
    pub at: Time,
    /// It is on its way out: its tag is being taken off, and then it is gone.
    pub leaving: bool,
}

/// An import's number, unique in one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct ImportNumber(pub i64);

impl fmt::Display for ImportNumber {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// What an import is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImportKind {
    /// Somebody asked for it.
    ByHand,
    /// Its time had come.
    Recurring,
    /// The overview is removed: the tag is taken off everybody.
    Removal,
}

impl ImportKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ByHand, Self::Recurring, Self::Removal];

    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ByHand => "by-hand",
            Self::Recurring => "recurring",
            Self::Removal => "removal",
        }
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImportState {
    /// It is asked for.
    Accepted,
    /// The members are read, page after page. Nothing is written before the last page.
    Reading,
    /// Tags are set and taken off.
    Writing,
    /// It is done.
    Completed,
    /// It stopped. What it has written is known, and the next one goes on from there.
    Failed,
}

impl ImportState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Accepted, Self::Reading, Self::Writing, Self::Completed, Self::Failed];

    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Reading => "reading",
            Self::Writing => "writing",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// What an import came to: read = added + unchanged + skipped, once it has completed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ImportCounters {
    /// Members that the CRM named.
    pub read: u64,
    /// Those that got the tag.
    pub added: u64,
    /// Those that had it.
    pub unchanged: u64,
    /// Those that were left as they are, for a reason.
    pub skipped: u64,
    /// Who was a member before, and had the tag taken off.
    pub removed: u64,
    /// Who was a member before, and could not have it taken off; the next import tries again.
    pub not_removed: u64,
}

impl ImportCounters {
    /// The counter of an end.
    pub fn of(&mut self, end: MemberEnd) -> Option<&mut u64> {
        match end {
            MemberEnd::Added => Some(&mut self.added),
            MemberEnd::Unchanged => Some(&mut self.unchanged),
            MemberEnd::Skipped => Some(&mut self.skipped),
            MemberEnd::Removed => Some(&mut self.removed),
            MemberEnd::NotRemoved => Some(&mut self.not_removed),
            MemberEnd::Gone => None,
        }
    }
}

/// One import of an overview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OverviewImport {
    /// Its number: later ones have greater ones.
    pub number: ImportNumber,
    /// Of which overview.
    pub overview: OverviewId,
    /// What it is for.
    pub kind: ImportKind,
    /// Whether it takes the tag off however many, without asking.
    pub confirmed: bool,
    /// How far it is.
    pub state: ImportState,
    /// What it came to.
    pub counters: ImportCounters,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub accepted_at: Timestamp,
    /// When the first member was asked for.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// An import that is under way, with what it goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportWork {
    /// The import.
    pub import: OverviewImport,
    /// The tag that members get.
    pub tag: TagId,
    /// Where reading goes on.
    pub cursor: Option<Cursor>,
}

/// What is known of somebody who is a member, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub contact: ContactId,
    /// Whether the CRM named him in this import.
    pub is_member: bool,
    /// Whether he was forgotten: then `contact` tells nobody who it is.
    pub is_forgotten: bool,
    /// The tags of this overview that are on his profile, or may be.
    pub tags: Vec<TagId>,
    /// Whether they are for sure.
    pub is_settled: bool,
}

/// What became of somebody in an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberEnd {
    /// He got the tag.
    Added,
    /// He had it.
    Unchanged,
    /// He was left as he is.
    Skipped,
    /// The tag was taken off.
    Removed,
    /// It could not be.
    NotRemoved,
    /// He is no member, and has no tag: nothing is remembered of him any more.
    Gone,
}

/// Somebody with what became of him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSettled {
    /// Who.
    pub contact: ContactId,
    /// What became of him.
    pub end: MemberEnd,
    /// The tags of the overview that are on his profile now, or may be.
    pub tags: Vec<TagId>,
    /// Whether they are for sure.
    pub is_settled: bool,
    /// Why he was left as he is.
    pub reason: Option<Reason>,
}

/// A member that the last import left as he is, or somebody whose tag it could not take off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SkippedMember {
    /// Who.
    pub contact: ContactId,
    /// Why, and what to do.
    pub reason: Reason,
}

/// Whether an import would take the tag off so many that somebody has to say that this is meant: more than half of
/// those who have it, and not only a few.
pub fn shrinks(had: u64, would_lose: u64) -> bool {
    would_lose >= FEW && would_lose > had / 2
}

/// Why an overview cannot be imported, or set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverviewError {
    /// It is not set up.
    #[error(
        "no overview {overview} of {integration} is set up; `sluice overview list {integration}` names those that the CRM \
         has, `sluice overview add` sets one up"
    )]
    Unknown {
        /// Of which integration.
        integration: IntegrationId,
        /// Which.
        overview: OverviewId,
    },
    /// The CRM has none of this id.
    #[error("the CRM has no overview {0}; `sluice overview list` names those that it has")]
    NotInCrm(OverviewId),
    /// It is on its way out.
    #[error(
        "the overview {0} is being removed, and some may still have its tag; `sluice overview remove` goes on with that, \
         `sluice overview add` keeps it after all"
    )]
    Leaving(OverviewId),
    /// One import of it is under way.
    #[error(
        "import {number} of the overview {overview} has not ended yet; `sluice overview imports` shows how far it is"
    )]
    ImportActive {
        /// Which overview.
        overview: OverviewId,
        /// Which import.
        number: ImportNumber,
    },
    /// Another overview has the tag.
    #[error(
        "the tag {tag} is that of the overview {overview}: one import would take off what the other one sets. Choose \
         another tag, or make one in APSIS One"
    )]
    TagTaken {
        /// Which tag.
        tag: TagId,
        /// Whose it is.
        overview: OverviewId,
    },
    /// It would lose too many members at once.
    #[error(
        "the import would take the tag off {would_lose} of the {had} who have it; nothing was written. Look at the \
         overview in the CRM; if that is meant, start the import by hand with --confirm"
    )]
    Shrank {
        /// How many have the tag.
        had: u64,
        /// How many would lose it.
        would_lose: u64,
    },
}

impl ErrorCode for OverviewError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "overview-unknown",
            Self::NotInCrm(_) => "overview-not-in-crm",
            Self::Leaving(_) => "overview-leaving",
            Self::ImportActive { .. } => "overview-import-active",
            Self::TagTaken { .. } => "overview-tag-taken",
            Self::Shrank { .. } => "overview-shrank",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_half_and_not_a_few_are_asked_about() {
        for (had, would_lose, asks) in [
            (0, 0, false),
            (49, 49, false),
            (50, 50, true),
            (99, 50, true),
            (100, 50, false),
            (101, 50, false),
            (101, 51, true),
            (1_000, 500, false),
            (1_000, 1_000, true),
        ] {
            assert_eq!(shrinks(had, would_lose), asks, "{would_lose} of {had}");
        }
    }
}

//! The words of upgrades: what keeps an integration from using another version of its connector, and what that version
//! would make of its contacts.
//!
//! Plain data. A contact's difference holds personal data: it is for whoever asks, never stored, never logged.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::contact::{Channel, ContactId};
use crate::difference::AttributeChange;
use crate::error::{ErrorCode, Failure};
use crate::integration::IntegrationId;
use crate::profile::{Answer, TopicId};
use crate::reason::Reason;

/// The most contacts that are read with both versions.
const LARGEST_SAMPLE: u32 = 10_000;

/// Contacts that differ, and are shown.
pub const SHOWN: usize = 20;

/// Obstacles that an error's sentence names.
const NAMED: usize = 10;

/// A version of a connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ConnectorVersion)]
#[serde(rename_all = "kebab-case")]
pub struct Version {
    /// Its component's name: `sha256:<digest>`.
    pub connector: String,
    /// The connector's stable id: `lime`.
    pub id: String,
    /// Its own version.
    pub version: String,
}

/// A component in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ConnectorLine {
    /// Its name: `sha256:<digest>`.
    pub connector: String,
    /// What it says of itself; none if this host cannot load it.
    pub describes: Option<ConnectorWords>,
    /// Why this host cannot load it.
    pub failure: Option<Failure>,
    /// When it was added; none: before that was noted down.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub added_at: Option<Timestamp>,
    /// The integrations that use it.
    pub used_by: Vec<IntegrationId>,
    /// The integrations that used it before, and can return to it.
    pub returned_to_by: Vec<IntegrationId>,
}

/// What a connector calls itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ConnectorWords {
    /// Stable: `lime`.
    pub id: String,
    /// For people: `Lime CRM`.
    pub name: String,
    /// Its own version.
    pub version: String,
}

/// Of what kind an obstacle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ObstacleKind {
    /// A field is there no more.
    FieldGone,
    /// A field holds something else.
    FieldTypeChanged,
    /// A field's options do not fit a condition any more.
    ConditionUnfit,
    /// A consent type is there no more.
    ConsentGone,
    /// One of the CRM's lists is there no more.
    OverviewGone,
    /// The connector does not offer something any more.
    InterfaceGone,
}

/// Something that an integration uses and that the new version does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Obstacle {
    /// Of what kind it is.
    pub kind: ObstacleKind,
    /// What is missing: a field, a consent type, an overview, an interface.
    pub subject: String,
    /// What uses it: `field mapping 3 (city to City)`.
    pub used_by: Vec<String>,
    /// What is the matter, in words.
    pub message: String,
}

/// What a contact is to a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Becomes {
    /// Its profile is written.
    Written,
    /// A sync condition does not hold.
    Excluded,
    /// It cannot become a profile.
    Rejected,
    /// The CRM does not have it.
    Absent,
    /// It cannot be read.
    Unreadable,
}

impl Becomes {
    /// The word that is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Excluded => "excluded",
            Self::Rejected => "rejected",
            Self::Absent => "not in the CRM",
            Self::Unreadable => "unreadable",
        }
    }
}

/// An answer, by both versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AnswerChange {
    /// The subscription.
    pub topic: TopicId,
    /// The channel.
    pub channel: Channel,
    /// By the version of now; none: it says nothing of it.
    pub before: Option<Answer>,
    /// By the other one; none: it says nothing of it.
    pub after: Option<Answer>,
}

/// What another version would make of a contact. It holds personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ContactDifference {
    /// Which.
    pub contact: ContactId,
    /// What it is to the version of now.
    pub before: Becomes,
    /// What it would be to the other one.
    pub after: Becomes,
    /// Why it would not be written.
    pub reason: Option<Reason>,
    /// Whether it could be opted in to something.
    pub opts_in: bool,
    /// Whether it would be opted out of something, or lose its profile.
    pub opts_out: bool,
    /// Attributes that would be others.
    pub attributes: Vec<AttributeChange>,
    /// Answers that would be others.
    pub consents: Vec<AnswerChange>,
}

/// What two versions make of the same contacts. It holds personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Comparison {
    /// The version that the integration uses.
    pub from: Version,
    /// The other one.
    pub to: Version,
    /// Contacts that were read with both.
    pub contacts: u64,
    /// Those that differ.
    pub differing: u64,
    /// Those that could be opted in to something.
    pub opting_in: u64,
    /// Those that would be opted out of something, or lose their profile.
    pub opting_out: u64,
    /// Why contacts could not be compared, if they could not: nobody knows what differs then.
    pub unread: Option<Failure>,
    /// Some of those that differ, first those that would be opted in or out.
    pub samples: Vec<ContactDifference>,
}

impl Comparison {
    /// One of which the differences are counted, and some kept.
    pub fn of(from: Version, to: Version, contacts: u64, mut differences: Vec<ContactDifference>) -> Self {
        let count = |wanted: &dyn Fn(&ContactDifference) -> bool| {
            differences.iter().filter(|one| wanted(one)).count() as u64
        };
        let (opting_in, opting_out) = (count(&|one| one.opts_in), count(&|one| one.opts_out));
        let differing = differences.len() as u64;
        differences.sort_by_key(|one| (!one.opts_in, !one.opts_out, one.contact.clone()));
        differences.truncate(SHOWN);
        Self { from, to, contacts, differing, opting_in, opting_out, unread: None, samples: differences }
    }

    /// One of which nothing is known.
    pub fn unread(from: Version, to: Version, why: Failure) -> Self {
        Self { unread: Some(why), ..Self::of(from, to, 0, Vec::new()) }
    }

    /// Whether both make the same of everybody who was read.
    pub fn is_neutral(&self) -> bool {
        self.differing == 0 && self.unread.is_none()
    }

    /// The same without whom it is about, for where it is kept.
    #[must_use]
    pub fn without_samples(self) -> Self {
        Self { samples: Vec::new(), ..self }
    }

    /// What differs, in words without personal data.
    pub fn in_words(&self) -> String {
        if let Some(why) = &self.unread {
            return format!(
                "nobody knows what differs, since contacts could not be compared: {} ({})",
                why.message, why.code
            );
        }
        match self.differing {
            0 => format!("both make the same of the {} contacts that were read", self.contacts),
            differing => format!(
                "{differing} of the {} contacts that were read would differ; {} could be opted in to something, {} opted out",
                self.contacts, self.opting_in, self.opting_out
            ),
        }
    }
}

/// How many contacts are read with both versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct Sample(u32);

impl Sample {
    /// Where nothing else is asked for.
    pub const USUAL: u32 = 50;

    /// How many.
    pub fn contacts(self) -> u32 {
        self.0
    }
}

impl Default for Sample {
    fn default() -> Self {
        Self(Self::USUAL)
    }
}

impl TryFrom<u32> for Sample {
    type Error = UpgradeError;

    fn try_from(contacts: u32) -> Result<Self, UpgradeError> {
        match (1..=LARGEST_SAMPLE).contains(&contacts) {
            true => Ok(Self(contacts)),
            false => Err(UpgradeError::Sample),
        }
    }
}

/// How an upgrade is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UpgradeTerms {
    /// Contacts that are read with both versions.
    pub sample: Sample,
    /// It is done, whatever differs.
    pub accept_differences: bool,
    /// The revision of the integration that whoever asks for it has seen.
    pub revision: Option<i64>,
}

/// What became of an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpgradeEnd {
    /// The integration uses the other version now.
    Switched,
    /// It uses it already.
    Already,
    /// What differs was not accepted.
    Held,
    /// It cannot use it.
    Refused,
}

impl UpgradeEnd {
    /// The word that is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Switched => "switched",
            Self::Already => "already",
            Self::Held => "held",
            Self::Refused => "refused",
        }
    }
}

/// An upgrade that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgraded {
    /// What became of it.
    pub end: UpgradeEnd,
    /// What both versions make of contacts; none where they are the same version.
    pub comparison: Option<Comparison>,
    /// The integration's revision, if it was changed.
    pub revision: Option<i64>,
}

/// What became of one integration in a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RolledOut {
    /// Which.
    pub integration: IntegrationId,
    /// What became of it.
    pub end: UpgradeEnd,
    /// Why it does not use the version.
    pub failure: Option<Failure>,
    /// What differs, without whom it is about.
    pub comparison: Option<Comparison>,
}

/// A version that a share of the integrations uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Rollout {
    /// Which.
    pub to: Version,
    /// The integrations that use some version of this connector.
    pub using: u64,
    /// Those that were to use this one: the share of them.
    pub integrations: Vec<RolledOut>,
}

/// Why an integration cannot use another version of its connector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// It speaks to another CRM.
    #[error(
        "{integration} uses the connector `{from}`, and this one is `{to}`: what is known of its contacts would be wrong. \
         Give a version of `{from}`, or apply another integration"
    )]
    OtherConnector {
        /// Whose.
        integration: IntegrationId,
        /// What it uses.
        from: String,
        /// What was given.
        to: String,
    },
    /// It breaks rules that every connector keeps.
    #[error(
        "{integration} was not switched: this version breaks rules that every connector keeps: {broken}. `sluice connector \
         check` says how to mend each"
    )]
    Rules {
        /// Whose.
        integration: IntegrationId,
        /// The rules, with what was seen.
        broken: String,
    },
    /// What it uses is not there any more.
    #[error("{integration} cannot use this version of its connector: {}. Change the rules first, or take another version",
        named(.obstacles))]
    Obstacles {
        /// Whose.
        integration: IntegrationId,
        /// What is missing.
        obstacles: Vec<Obstacle>,
    },
    /// What differs was not accepted.
    #[error(
        "{integration} was not switched: {words}. Look at the differences; if they are meant, do it again and accept them \
         (`--accept-differences`)"
    )]
    Held {
        /// Whose.
        integration: IntegrationId,
        /// What differs.
        words: String,
    },
    /// There is no version before.
    #[error(
        "{0} has no version of its connector to return to; `sluice connector upgrade {0} --to` takes any that is in the store"
    )]
    NothingBefore(IntegrationId),
    /// A share that is none.
    #[error("a share is 1 to 100 percent of the integrations")]
    Share,
    /// A sample that is none.
    #[error("a sample is 1 to {LARGEST_SAMPLE} contacts")]
    Sample,
}

fn named(obstacles: &[Obstacle]) -> String {
    let words = obstacles.iter().take(NAMED).map(|one| one.message.as_str());
    let more = obstacles.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    format!("{}{more}", words.collect::<Vec<_>>().join("; "))
}

impl ErrorCode for UpgradeError {
    fn code(&self) -> &'static str {
        match self {
            Self::OtherConnector { .. } => "upgrade-other-connector",
            Self::Rules { .. } => "upgrade-rules",
            Self::Obstacles { .. } => "upgrade-obstacles",
            Self::Held { .. } => "upgrade-held",
            Self::NothingBefore(_) => "rollback-nothing",
            Self::Share => "upgrade-share",
            Self::Sample => "upgrade-sample",
        }
    }
}

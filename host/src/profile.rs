//! The vocabulary of the APSIS One side: a profile's attributes and consents, as the rules want them
//! and as APSIS One has them.
//!
//! Plain data that both `rules` and `apsis` speak; neither knows the other.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::contact::{Channel, Consent, ContactId};
use crate::reason::Reason;
use crate::run::Outcome;

macro_rules! discriminator {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
    };
}

discriminator!(
    /// An attribute's discriminator in APSIS One; opaque.
    AttributeId
);
discriminator!(
    /// A topic's discriminator (a subscription, on the page); opaque.
    TopicId
);
discriminator!(
    /// A tag's discriminator; opaque.
    TagId
);
discriminator!(
    /// A section's discriminator; opaque.
    SectionId
);
discriminator!(
    /// A keyspace's discriminator; opaque.
    KeyspaceId
);

/// A value as APSIS One takes it. A map without the attribute means: leave it as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "type", content = "value")]
pub enum AttributeValue {
    /// At most 1,000 characters.
    Text(String),
    /// True or false.
    Boolean(bool),
    /// A whole number; a mobile number is one too (digits with country code).
    Integer(i64),
    /// A number with decimals, exact, as text.
    Decimal(String),
    /// `YYYY-MM-DD`.
    Date(String),
    /// Seconds since 1970.
    Timestamp(i64),
    /// No value: what is there is cleared.
    Clear,
}

/// What the CRM's answer means for one subscription on one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer", content = "at")]
pub enum Answer {
    /// Given; when, where the CRM knows.
    Given(Option<Timestamp>),
    /// Refused or withdrawn; when, where the CRM knows.
    Refused(Option<Timestamp>),
    /// The CRM has no answer. Never a reason to opt in; an opt-in that we once set is withdrawn.
    Unsaid,
}

impl Answer {
    /// Whether this is known to be from before another one; of two of the same moment, a refusal is the later one.
    pub fn is_before(self, other: Self) -> bool {
        match (self, other) {
            (Self::Given(Some(this)), Self::Refused(Some(other))) => this <= other,
            (
                Self::Given(Some(this)) | Self::Refused(Some(this)),
                Self::Given(Some(other)) | Self::Refused(Some(other)),
            ) => this < other,
            _ => false,
        }
    }
}

impl From<&Consent> for Answer {
    fn from(consent: &Consent) -> Self {
        if consent.given { Self::Given(consent.changed_at) } else { Self::Refused(consent.changed_at) }
    }
}

/// What one consent mapping row wants for a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WantedConsent {
    /// The subscription.
    pub topic: TopicId,
    /// The channel.
    pub channel: Channel,
    /// The CRM's answer.
    pub answer: Answer,
}

/// Lays single answers that were told over those that are known. One that is older than what is known, as a message
/// that was overtaken brings, changes nothing.
pub fn lay_told_over(known: &mut Vec<WantedConsent>, told: &[WantedConsent]) {
    for now in told {
        match known.iter_mut().find(|then| then.is_same(now)) {
            Some(then) if now.answer.is_before(then.answer) => {}
            Some(then) => *then = now.clone(),
            None => known.push(now.clone()),
        }
    }
}

/// What a profile and its consents should be: the rules' answer for one contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Intent {
    /// The profile key: the contact's id.
    pub key: ContactId,
    /// Every mapped attribute, the e-mail address among them.
    pub attributes: BTreeMap<AttributeId, AttributeValue>,
    /// One for each consent mapping row, in the order of (topic, channel).
    pub consents: Vec<WantedConsent>,
    /// Values that were left out, with the reason, where a row says to skip rather than reject.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(alias = "left_out")]
    pub left_out: Vec<Reason>,
    /// Consents whose mapping is paused: their answers are those of the last time, and are neither given nor
    /// withdrawn by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paused: Vec<(TopicId, Channel)>,
    /// Set: the contact is not to be written, for this reason. Only the consents that it no longer gives
    /// are; the attributes are those that were last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwritten: Option<Unwritten>,
}

/// What a contact comes to of which nothing but its withdrawn consents is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unwritten {
    /// Excluded or rejected.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// The profile is to be deleted: its contact no longer matches the conditions, and the operator wants that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delete: bool,
}

impl WantedConsent {
    /// Whether it is about the same subscription and channel.
    pub fn is_same(&self, other: &Self) -> bool {
        self.topic == other.topic && self.channel == other.channel
    }
}

/// The attribute of a profile's e-mail address, in every section (APSIS One developer hub, "Update profile
/// attributes").
pub const EMAIL_ATTRIBUTE: &str = "com.apsis1.attributes.email";
/// The attribute of a profile's mobile number, in every section.
pub const MOBILE_ATTRIBUTE: &str = "com.apsis1.attributes.mobile";

/// A profile's address on one channel, as an intent has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// It is left as it is.
    Untouched,
    /// There is to be none.
    None,
    /// This one: an e-mail address, or a number's digits.
    Is(String),
}

impl Intent {
    /// The address on a channel.
    pub fn address(&self, channel: Channel) -> Address {
        let attribute = match channel {
            Channel::Email => EMAIL_ATTRIBUTE,
            Channel::Sms => MOBILE_ATTRIBUTE,
        };
        let value = self.attributes.iter().find(|(known, _)| known.0 == attribute).map(|(_, value)| value);
        match value {
            None => Address::Untouched,
            Some(AttributeValue::Text(text)) if !text.is_empty() => Address::Is(text.clone()),
            Some(AttributeValue::Integer(digits)) => Address::Is(digits.to_string()),
            Some(_) => Address::None,
        }
    }

    /// An intent that wants nothing.
    pub fn empty(key: ContactId) -> Self {
        Self {
            key,
            attributes: BTreeMap::new(),
            consents: Vec::new(),
            left_out: Vec::new(),
            paused: Vec::new(),
            unwritten: None,
        }
    }

    /// What is to be brought about: of paused mappings only what is refused.
    pub fn acted_on(&self) -> Vec<WantedConsent> {
        let is_paused = |one: &WantedConsent| {
            self.paused.iter().any(|(topic, channel)| *topic == one.topic && *channel == one.channel)
        };
        let acted = |one: &&WantedConsent| matches!(one.answer, Answer::Refused(_)) || !is_paused(one);
        self.consents.iter().filter(acted).cloned().collect()
    }

    /// Whether it opts in where `wanted` is about.
    pub fn gives(&self, wanted: &WantedConsent) -> bool {
        self.consents.iter().any(|one| one.is_same(wanted) && matches!(one.answer, Answer::Given(_)))
    }

    /// Whether it would send the same. What was left out, and in which words, is not sent; nor is a consent of which
    /// the CRM says nothing, unless it was given before.
    pub fn sends_same(&self, other: &Self) -> bool {
        let said = |intent: &Self| -> Vec<WantedConsent> {
            intent.consents.iter().filter(|one| one.answer != Answer::Unsaid).cloned().collect()
        };
        self.key == other.key && self.attributes == other.attributes && said(self) == said(other)
    }

    /// A digest of all that would be sent, equal for equal intents: lower-case hex SHA-256 of the
    /// intent's JSON.
    pub fn digest(&self) -> String {
        use sha2::{Digest, Sha256};
        // A struct of strings, numbers and maps with string keys always has a JSON form.
        let json = serde_json::to_vec(self).unwrap_or_default();
        hex::encode(Sha256::digest(json))
    }
}

/// A consent's state in APSIS One, for one topic and channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentType {
    /// May be sent to.
    OptIn,
    /// May not.
    OptOut,
    /// Asked, not yet confirmed; only APSIS One sets it.
    PendingOptIn,
    /// May be sent to, confirmed by the person; only APSIS One sets it.
    ConfirmedOptIn,
}

/// A consent as APSIS One has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct KnownConsent {
    /// The subscription.
    pub topic: TopicId,
    /// The channel.
    pub channel: Channel,
    /// Its state.
    pub state: ConsentType,
    /// When it was last changed, where APSIS One says.
    #[serde(alias = "modified_at")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub modified_at: Option<Timestamp>,
    /// Who set it, where APSIS One says. Ours say `Sluice`.
    pub source: Option<String>,
}

//! What the rules made of one contact, row by row: the value that each saw, the value that it wanted, and what
//! came of it. Shown when somebody asks "why?", and in a preview.
//!
//! It holds personal data: it is stored with the contact's story only, never logged, and goes when the contact
//! is forgotten.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::contact::{Channel, Consent, Value};
use crate::profile::{Answer, AttributeId, AttributeValue, TopicId};
use crate::reason::Reason;

/// What each rule made of a contact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Explained {
    /// Whether the sync conditions hold, all together.
    #[serde(default)]
    pub conditions_hold: bool,
    /// Sync conditions, in the order of their rows; those of a group one by one.
    pub conditions: Vec<ConditionVerdict>,
    /// Field mappings, the id and the e-mail address among them.
    pub fields: Vec<FieldVerdict>,
    /// Consent mappings.
    pub consents: Vec<ConsentVerdict>,
}

/// What a sync condition made of a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ConditionVerdict {
    /// The CRM field.
    pub field: String,
    /// What it must be, in words: `is one of "Sweden", "Norway"`; `is at least "today-30d", which is 2026-03-01`.
    pub wanted: String,
    /// What the contact has.
    pub saw: Value,
    /// Whether the condition holds.
    pub holds: bool,
    /// The groups that it is in, the outermost first: `any of conditions 2 to 4`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<String>,
}

/// What a field mapping made of a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FieldVerdict {
    /// The CRM field.
    pub field: String,
    /// The attribute.
    pub attribute: AttributeId,
    /// What the contact has.
    pub input: Value,
    /// What becomes of it; none if it does not fit.
    pub output: Option<AttributeValue>,
    /// Why it does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// What a consent mapping made of a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ConsentVerdict {
    /// The CRM's consent type, or the yes/no field.
    pub source: String,
    /// The subscription.
    pub topic: TopicId,
    /// The channel.
    pub channel: Channel,
    /// The contact's answers to that consent type, where it is one.
    pub answers: Vec<Consent>,
    /// The yes/no field's value, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saw: Option<Value>,
    /// What they mean together, for this row: of several rows onto one subscription and channel, the strictest holds.
    pub answer: Answer,
}

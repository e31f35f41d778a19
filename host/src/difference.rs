//! What a contact's profile has and what it would have: what a dry run records of it, and a story shows.
//!
//! Holds personal data: kept with the run's details, never logged.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::contact::Channel;
use crate::profile::{AttributeId, AttributeValue, ConsentType, TopicId};

/// What would become of one profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// It would be created.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub creates: bool,
    /// It would be deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deletes: bool,
    /// Attributes that would change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<AttributeChange>,
    /// Consents that would change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<ConsentChange>,
}

/// An attribute's value, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AttributeChange {
    /// Which.
    pub attribute: AttributeId,
    /// As text; none: no value.
    pub before: Option<String>,
    /// As text; none: no value.
    pub after: Option<String>,
}

/// A consent's state, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ConsentChange {
    /// The subscription.
    pub topic: TopicId,
    /// The channel.
    pub channel: Channel,
    /// None: never asked.
    pub before: Option<ConsentType>,
    /// What it would be.
    pub after: ConsentType,
}

/// A value as people read it; none if there is none.
pub fn in_words(value: &AttributeValue) -> Option<String> {
    match value {
        AttributeValue::Clear => None,
        AttributeValue::Text(text) | AttributeValue::Decimal(text) | AttributeValue::Date(text) => {
            Some(text.clone()).filter(|text| !text.is_empty())
        }
        AttributeValue::Boolean(value) => Some(value.to_string()),
        AttributeValue::Integer(value) | AttributeValue::Timestamp(value) => Some(value.to_string()),
    }
}

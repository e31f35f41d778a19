//! The vocabulary of the CRM side: a contact, its values and its consents, as every part of the
//! host speaks of them.
//!
//! Plain data. What a connector hands over is converted into these types by `connector`; no other
//! part knows of the component that it came from.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The CRM's own stable id of a contact. It becomes the profile key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct ContactId(pub String);

impl fmt::Display for ContactId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Where a read of the CRM left off; only the connector can read it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// An option of a choice field: what the CRM stores, and what people see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Choice {
    /// What the CRM stores; stable.
    pub key: String,
    /// What people see; may be edited and translated.
    pub label: String,
}

/// One field's value, with what the CRM knows of its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "type", content = "value")]
pub enum Value {
    /// No value.
    Null,
    /// Yes or no.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Exact, as text: `1234.50`.
    Decimal(String),
    /// Text as the CRM has it, untrimmed.
    Text(String),
    /// `YYYY-MM-DD`.
    Date(String),
    /// RFC 3339, in UTC.
    Timestamp(String),
    /// One option.
    Choice(Choice),
    /// Several options.
    Choices(Vec<Choice>),
    /// What no case above covers, as JSON text.
    Json(String),
}

impl Value {
    /// Whether there is nothing in it: null, blank text, no option, or an option without key and label.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::Choice(choice) => choice.key.is_empty() && choice.label.is_empty(),
            Self::Choices(choices) => choices.is_empty(),
            _ => false,
        }
    }
}

/// How a message reaches a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// E-mail.
    Email,
    /// Text message.
    Sms,
}

impl fmt::Display for Channel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Email => "e-mail",
            Self::Sms => "SMS",
        })
    }
}

/// One person's answer to one consent type of the CRM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Consent {
    /// The consent type, as the connector's `list-consents` names it.
    pub name: String,
    /// None: the CRM does not say for which channel; the mapping row does.
    pub channel: Option<Channel>,
    /// Whether it is given (true) or refused or withdrawn (false).
    pub given: bool,
    /// When the answer was last changed, where the CRM knows.
    #[serde(alias = "changed_at")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub changed_at: Option<Timestamp>,
}

/// A person in the CRM, as the connector hands it over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Contact {
    /// The CRM's id.
    pub id: ContactId,
    /// Orders two states of this contact: of two, the greater is the newer.
    #[serde(alias = "modified_at")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub modified_at: Option<Timestamp>,
    /// Field name to value; a joined company's fields are named `company.<field>`.
    pub fields: BTreeMap<String, Value>,
    /// The answers that the CRM has. No answer for a type means: never asked.
    pub consents: Vec<Consent>,
}

/// A record that was read and cannot be used, kept in a list that the user sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Discard {
    /// The record in the CRM, where known: `consent 90017`.
    pub subject: Option<String>,
    /// Why.
    pub reason: DiscardReason,
    /// Why, in words for the user; no personal data.
    pub message: String,
}

/// Why a record was discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiscardReason {
    /// A consent that belongs to no person.
    MissingPerson,
    /// A consent without a consent type.
    MissingConsentType,
    /// Nothing that concerns the sync.
    NotRelevant,
    /// It could not be read.
    Malformed,
}

/// One page of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The contacts, in the connector's order.
    pub contacts: Vec<Contact>,
    /// Records read but not usable.
    pub discarded: Vec<Discard>,
    /// None: that was the last page.
    pub next: Option<Cursor>,
    /// How many contacts there are in all, where the CRM says.
    pub total: Option<u64>,
}

/// What a field of the CRM holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is the case of `Value` of the same name")]
pub enum FieldType {
    Boolean,
    Integer,
    Decimal,
    Text,
    Date,
    Timestamp,
    Choice,
    Choices,
    Json,
}

/// A field that the CRM has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FieldInfo {
    /// The name that rules use.
    pub name: String,
    /// What people call it.
    pub label: String,
    /// What it holds.
    pub field_type: FieldType,
    /// For a choice: its options.
    pub options: Vec<Choice>,
}

/// A consent type that the CRM has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsentInfo {
    /// The name that consent mappings use.
    pub name: String,
    /// What people call it.
    pub label: String,
}

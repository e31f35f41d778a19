//! Field and consent mappings as an integration's file has them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::contact::Channel;

/// What an attribute takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttributeKind {
    /// Text of at most 1,000 characters.
    Text,
    /// True or false.
    Boolean,
    /// A whole number.
    Number,
    /// A number with decimals.
    Decimal,
    /// A date.
    Date,
    /// A moment.
    Timestamp,
    /// A mobile number: digits with country code.
    Mobile,
}

impl AttributeKind {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::Decimal => "decimal",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Mobile => "mobile",
        }
    }
}

/// What becomes of a contact with a value that the attribute cannot take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnInvalid {
    /// The contact is rejected, with the reason.
    #[default]
    Reject,
    /// The value is left out, with the reason; the rest is written.
    Skip,
}

/// What becomes of a contact with a text that is longer than APSIS One takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnTooLong {
    /// The contact is rejected, with the reason.
    Reject,
    /// The text is left out, with the reason; the rest is written.
    Skip,
    /// What fits of the text is written.
    Cut,
}

/// What of an option becomes text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Show {
    /// What people see.
    #[default]
    Label,
    /// What the CRM stores.
    Key,
}

/// A field mapping: one CRM field to one APSIS One attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FieldRow {
    /// The CRM field.
    pub field: String,
    /// The attribute: its discriminator or its name.
    pub attribute: String,
    /// What the attribute takes; left out: what its discriminator tells, else text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<AttributeKind>,
    /// What becomes of a value that does not fit.
    #[serde(default)]
    pub on_invalid: OnInvalid,
    /// What becomes of a text that is too long; left out: as `on-invalid` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_too_long: Option<OnTooLong>,
    /// Of an option: its label, or its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show: Option<Show>,
    /// What a yes becomes in a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub true_text: Option<String>,
    /// What a no becomes in a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub false_text: Option<String>,
    /// How a date is written in a text, in the letters of strftime: `%d/%m/%Y`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_format: Option<String>,
    /// Whether a text writes decimals after a comma.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub decimal_comma: bool,
}

impl FieldRow {
    /// How its values are turned.
    pub fn conversion(&self) -> Conversion {
        Conversion {
            show: self.show.unwrap_or_default(),
            true_text: self.true_text.clone(),
            false_text: self.false_text.clone(),
            date_format: self.date_format.clone(),
            decimal_comma: self.decimal_comma,
        }
    }
}

/// How values are turned, beyond what their types say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversion {
    /// Of an option: its label, or its key.
    pub show: Show,
    /// What a yes becomes in a text; none: `true`.
    pub true_text: Option<String>,
    /// What a no becomes in a text; none: `false`.
    pub false_text: Option<String>,
    /// How a date is written in a text; none: `YYYY-MM-DD`.
    pub date_format: Option<String>,
    /// Whether a text writes decimals after a comma.
    pub decimal_comma: bool,
}

/// A consent mapping: one CRM consent, or one yes/no field, to one subscription on one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ConsentRow {
    /// The CRM's consent type, as the connector's `list-consents` names it. This or `field`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<String>,
    /// A yes/no field of the person. This or `consent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The subscription: a topic's discriminator, or its name where that is unique.
    pub topic: String,
    /// The channel. Both channels need two rows.
    pub channel: Channel,
}

//! Sync conditions, field mapping and consent mapping: from a contact to what its profile should be.
//!
//! Pure: no CRM, no APSIS One, no store, no clock. The same contact and rules always give the same
//! decision, whatever the order of fields, consents and rows onto one subscription. A decision never
//! panics and never holds a text longer than APSIS One takes; an opt-in is wanted only where every
//! mapped answer is a given one. Reasons name fields, never values.
//!
//! Whether a field or an attribute exists at all is checked by whoever knows the two sides; here, a
//! field that a contact does not have is an empty one.

mod condition;
mod consent;
mod convert;
mod email;
mod moment;
mod phone;
#[cfg(test)]
mod properties;

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::contact::{Channel, Consent, Contact, ContactId, Value};
use crate::error::ErrorCode;
use crate::integration::{AttributeKind, ConditionRow, OnInvalid};
use crate::profile::{AttributeId, AttributeValue, Intent, TopicId, WantedConsent};
use crate::reason::{Reason, ReasonCode};

use condition::Condition;
use convert::Misfit;

/// The longest profile key that is sent, in characters. APSIS One documents no limit; this one keeps
/// a request's path within what servers take.
const LONGEST_KEY: usize = 256;

/// A field mapping with its names resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldMapping {
    /// The CRM field.
    pub field: String,
    /// The attribute.
    pub attribute: AttributeId,
    /// What the attribute takes.
    pub kind: AttributeKind,
    /// What becomes of a value that does not fit.
    pub on_invalid: OnInvalid,
}

/// Where the answer of a consent mapping comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConsentSource {
    /// A consent type of the CRM, as `list-consents` names it.
    Consent(String),
    /// A yes/no field of the person.
    Field(String),
}

/// A consent mapping with its names resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentMapping {
    /// Where the answer comes from.
    pub source: ConsentSource,
    /// The subscription.
    pub topic: TopicId,
    /// The channel.
    pub channel: Channel,
}

/// An integration's rules, with names resolved to what APSIS One calls them.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSet {
    /// Sync conditions; all must hold.
    pub conditions: Vec<ConditionRow>,
    /// Field mappings beside the e-mail address and the id.
    pub fields: Vec<FieldMapping>,
    /// Consent mappings.
    pub consents: Vec<ConsentMapping>,
    /// The CRM field that holds the e-mail address.
    pub email_field: String,
    /// The e-mail attribute.
    pub email_attribute: AttributeId,
    /// The attribute that takes the contact's id, if there is one.
    pub id_attribute: Option<AttributeId>,
    /// For mobile numbers without a country code: ISO 3166-1 alpha-2.
    pub default_country: Option<String>,
}

/// Why rules cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RulesError {
    /// A condition's value cannot be compared.
    #[error(
        "the condition on `{field}` has no value to compare with: give text, a number or true/false \
         (a date is written as text, \"2026-01-31\")"
    )]
    ConditionValue {
        /// The field.
        field: String,
    },
    /// Two rows fill one attribute.
    #[error("the attribute `{attribute}` is mapped twice (field `{field}`): remove one of the rows")]
    AttributeTwice {
        /// The attribute.
        attribute: AttributeId,
        /// The second row's field.
        field: String,
    },
    /// A row fills what is mapped by itself.
    #[error("the attribute `{attribute}` is mapped by itself: remove the row that maps `{field}` to it")]
    AttributeReserved {
        /// The attribute.
        attribute: AttributeId,
        /// The row's field.
        field: String,
    },
    /// Two rows are the same.
    #[error("the consent mapping of `{source_name}` to {topic} on {channel} is there twice: remove one")]
    ConsentTwice {
        /// The consent or field.
        source_name: String,
        /// The subscription.
        topic: TopicId,
        /// The channel.
        channel: Channel,
    },
    /// The country is not one.
    #[error("the default country `{country}` is not known: give two letters of ISO 3166-1, such as SE")]
    Country {
        /// What was given.
        country: String,
    },
}

impl ErrorCode for RulesError {
    fn code(&self) -> &'static str {
        match self {
            Self::ConditionValue { .. } => "rules-condition-value",
            Self::AttributeTwice { .. } => "rules-attribute-twice",
            Self::AttributeReserved { .. } => "rules-attribute-reserved",
            Self::ConsentTwice { .. } => "rules-consent-twice",
            Self::Country { .. } => "rules-country",
        }
    }
}

/// What becomes of a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Its profile should be so.
    Write(Intent),
    /// A condition does not hold: neither created nor updated.
    Excluded(Reason),
    /// It cannot become a profile.
    Rejected(Reason),
}

/// Rules that were checked.
#[derive(Debug, Clone)]
pub struct Rules {
    conditions: Vec<Condition>,
    fields: Vec<FieldMapping>,
    consents: BTreeMap<(TopicId, Channel), BTreeSet<ConsentSource>>,
    email_field: String,
    email_attribute: AttributeId,
    id_attribute: Option<AttributeId>,
    default_country: Option<phone::Country>,
}

impl Rules {
    /// Checks the rows against each other.
    ///
    /// # Errors
    /// The first row that cannot be used.
    pub fn new(set: RuleSet) -> Result<Self, RulesError> {
        let conditions = set
            .conditions
            .iter()
            .map(|row| {
                Condition::new(row).ok_or_else(|| RulesError::ConditionValue { field: row.field.clone() })
            })
            .collect::<Result<_, _>>()?;

        let mut taken = BTreeSet::new();
        for row in &set.fields {
            let (attribute, field) = (row.attribute.clone(), row.field.clone());
            if row.attribute == set.email_attribute || Some(&row.attribute) == set.id_attribute.as_ref() {
                return Err(RulesError::AttributeReserved { attribute, field });
            }
            if !taken.insert(&row.attribute) {
                return Err(RulesError::AttributeTwice { attribute, field });
            }
        }

        let mut consents: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for row in set.consents {
            let sources = consents.entry((row.topic.clone(), row.channel)).or_default();
            if !sources.insert(row.source.clone()) {
                let (ConsentSource::Consent(source_name) | ConsentSource::Field(source_name)) = row.source;
                return Err(RulesError::ConsentTwice { source_name, topic: row.topic, channel: row.channel });
            }
        }

        let default_country = match set.default_country {
            None => None,
            Some(country) => Some(phone::country(&country).ok_or(RulesError::Country { country })?),
        };
        Ok(Self {
            conditions,
            fields: set.fields,
            consents,
            email_field: set.email_field,
            email_attribute: set.email_attribute,
            id_attribute: set.id_attribute,
            default_country,
        })
    }

    /// What becomes of a contact. Conditions come first: a contact that does not match is excluded,
    /// whatever else is wrong with it.
    pub fn decide(&self, contact: &Contact) -> Decision {
        if let Some(failed) = self.conditions.iter().find(|one| !one.holds(field(contact, one.field()))) {
            return Decision::Excluded(Reason::about(
                ReasonCode::ConditionNotMet,
                failed.field(),
                format!(
                    "the field `{}` does not have the value that the sync condition asks for; change it in \
                     the CRM, or the condition, if the contact should be synced",
                    failed.field()
                ),
            ));
        }
        match self.intent(contact) {
            Ok(intent) => Decision::Write(intent),
            Err(reason) => Decision::Rejected(reason),
        }
    }

    /// What the consent mappings make of a contact, written or not.
    pub fn consents(&self, contact: &Contact) -> Vec<WantedConsent> {
        consent::wanted(&self.consents, contact, &mut Vec::new())
    }

    /// What single consents mean, where nothing else is known of the contact.
    pub fn told_consents(&self, consents: &[Consent]) -> Vec<WantedConsent> {
        consent::told(&self.consents, consents)
    }

    fn intent(&self, contact: &Contact) -> Result<Intent, Reason> {
        check_key(&contact.id)?;
        let email = email::address(&self.email_field, field(contact, &self.email_field))?;
        let mut attributes = BTreeMap::from([(self.email_attribute.clone(), AttributeValue::Text(email))]);
        if let Some(attribute) = &self.id_attribute {
            attributes.insert(attribute.clone(), AttributeValue::Text(contact.id.0.clone()));
        }

        let mut left_out = Vec::new();
        for row in &self.fields {
            match convert::convert(field(contact, &row.field), row.kind, self.default_country) {
                Ok(value) => {
                    attributes.insert(row.attribute.clone(), value);
                }
                Err(misfit) => {
                    let reason = reason(&misfit, row);
                    match row.on_invalid {
                        OnInvalid::Reject => return Err(reason),
                        OnInvalid::Skip => left_out.push(reason),
                    }
                }
            }
        }
        let consents = consent::wanted(&self.consents, contact, &mut left_out);
        Ok(Intent { key: contact.id.clone(), attributes, consents, left_out, unwritten: None })
    }
}

fn field<'a>(contact: &'a Contact, name: &str) -> &'a Value {
    contact.fields.get(name).unwrap_or(&Value::Null)
}

/// A key becomes one segment of a request's path, so the two names that a path gives a meaning of
/// its own are none.
fn check_key(id: &ContactId) -> Result<(), Reason> {
    let key = &id.0;
    let usable = !key.trim().is_empty()
        && key.trim() == key
        && key.chars().count() <= LONGEST_KEY
        && !key.chars().any(char::is_control)
        && key != "."
        && key != "..";
    if usable {
        return Ok(());
    }
    Err(Reason::new(
        ReasonCode::IdInvalid,
        "the contact's id cannot be a profile key: it is empty, longer than 256 characters, or has spaces at \
         an end or control characters; the CRM's connector must hand over another",
    ))
}

fn reason(misfit: &Misfit, row: &FieldMapping) -> Reason {
    let field = &row.field;
    let (code, message) = match misfit {
        Misfit::TooLong => (
            ReasonCode::ValueTooLong,
            format!(
                "the field `{field}` is longer than the 1,000 characters that APSIS One takes; shorten it"
            ),
        ),
        Misfit::NotA(wanted) => (
            ReasonCode::ValueInvalid,
            format!("the field `{field}` does not hold {wanted}, which its attribute takes; mend it"),
        ),
        Misfit::Mobile => (
            ReasonCode::MobileInvalid,
            format!(
                "the field `{field}` does not hold a telephone number that exists, with country code (or \
                 without, where the integration has a default country); mend it"
            ),
        ),
    };
    let end = match row.on_invalid {
        OnInvalid::Reject => {
            " in the CRM, or set `on-invalid = \"skip\"` on the mapping to sync the contact without it"
        }
        OnInvalid::Skip => " in the CRM; until then the attribute is left as it is in APSIS One",
    };
    Reason::about(code, field, message + end)
}

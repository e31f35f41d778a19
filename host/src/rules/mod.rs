//! Sync conditions, field mapping and consent mapping: from a contact to what its profile should be.
//!
//! Pure: no CRM, no APSIS One, no store, no clock. The same contact and rules always give the same
//! decision, whatever the order of fields, consents and rows onto one subscription. A decision never
//! panics and never holds a text longer than APSIS One takes; an opt-in is wanted only where every
//! mapped answer is a given one. Reasons name fields, never values.
//!
//! Whether a field or an attribute exists at all is checked by whoever knows the two sides; here, a
//! field that a contact does not have is an empty one.

mod addresses;
mod condition;
mod consent;
mod convert;
mod email;
mod explain;
mod phone;
#[cfg(test)]
mod properties;
mod typed;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use thiserror::Error;

use crate::contact::{Channel, Consent, Contact, ContactId, Value};
use crate::error::ErrorCode;
use crate::integration::{AttributeKind, ConditionRow, Conversion, OnInvalid, OnTooLong};
use crate::profile::{Answer, AttributeId, AttributeValue, Intent, TopicId, WantedConsent};
use crate::reason::{Reason, ReasonCode};

pub use typed::{TypeClash, check_condition, check_consent, check_kind, check_mapping};

pub use condition::Condition;
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
    /// What becomes of a text that is too long; none: as `on_invalid` says.
    pub on_too_long: Option<OnTooLong>,
    /// How values are turned, beyond what their types say.
    pub conversion: Conversion,
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
        "the condition on `{field}` has no value to compare with: give text, a number or true/false (a date is text, \
         \"2026-01-31\"); to ask for more or less, a number or a date"
    )]
    ConditionValue {
        /// The field.
        field: String,
    },
    /// A group of conditions is empty.
    #[error("a group of sync conditions has none in it: add one, or remove the group")]
    ConditionGroup,
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
            Self::ConditionGroup => "rules-condition-group",
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
    paused: BTreeSet<(TopicId, Channel)>,
    paused_attributes: BTreeSet<AttributeId>,
    unresolved: Vec<(ConsentSource, Channel)>,
    /// Every field that a row names, with what kind of row it is.
    named: BTreeMap<String, &'static str>,
    deletes_unmatched: bool,
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
        let conditions = set.conditions.iter().map(Condition::new).collect::<Result<_, _>>()?;
        let named = named(&set);

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
            paused: BTreeSet::new(),
            paused_attributes: BTreeSet::new(),
            unresolved: Vec::new(),
            named,
            deletes_unmatched: false,
            email_field: set.email_field,
            email_attribute: set.email_attribute,
            id_attribute: set.id_attribute,
            default_country,
        })
    }

    /// What becomes of a contact on a day: `today` is the date where the integration's customer is. Conditions
    /// come first: a contact that does not match is excluded, whatever else is wrong with it.
    pub fn decide(&self, contact: &Contact, today: Date) -> Decision {
        let failure = |one: &Condition| one.failure(contact, today);
        if let Some(reason) = self.conditions.iter().find_map(failure) {
            return Decision::Excluded(reason);
        }
        match self.intent(contact) {
            Ok(intent) => Decision::Write(intent),
            Err(reason) => Decision::Rejected(reason),
        }
    }

    /// A field that a row names and of which a contact's state says nothing, not even that it is empty; and what kind
    /// of row that is.
    pub fn untold_field(&self, contact: &Contact) -> Option<(&str, &'static str)> {
        let untold = self.named.iter().find(|(name, _)| !contact.fields.contains_key(*name));
        untold.map(|(name, row)| (name.as_str(), *row))
    }

    /// The same rules without some of the sources of these consents: of each, what is left may refuse, and neither give
    /// nor withdraw. Where nothing is said, what was last written stands.
    /// Attributes of paused rows are left as they are.
    #[must_use]
    pub fn pausing(self, consents: BTreeSet<(TopicId, Channel)>, attributes: BTreeSet<AttributeId>) -> Self {
        Self { paused: consents, paused_attributes: attributes, ..self }
    }

    /// The same rules, of which these rows fill a subscription that cannot be told any more.
    #[must_use]
    pub fn unresolved(self, unresolved: Vec<(ConsentSource, Channel)>) -> Self {
        Self { unresolved, ..self }
    }

    /// Channels on which a row fills a subscription that cannot be told, and the contact says yes to every such row:
    /// what stands there without a row may be what it gave.
    pub fn untold_channels(&self, contact: &Contact) -> BTreeSet<Channel> {
        let says_yes = |(source, channel): &(ConsentSource, Channel)| {
            matches!(consent::answer(source, *channel, contact, &mut Vec::new()), Answer::Given(_))
        };
        let (yes, other): (Vec<_>, Vec<_>) = self.unresolved.iter().partition(|row| says_yes(row));
        let yes: BTreeSet<Channel> = yes.into_iter().map(|(_, channel)| *channel).collect();
        yes.into_iter().filter(|channel| other.iter().all(|(_, on)| on != channel)).collect()
    }

    /// The same rules, by which the profile of a contact that does not match the conditions is deleted.
    #[must_use]
    pub fn deleting_unmatched(self, deletes: bool) -> Self {
        Self { deletes_unmatched: deletes, ..self }
    }

    /// Whether the profile of a contact that does not match the conditions is to be deleted.
    pub fn deletes_unmatched(&self) -> bool {
        self.deletes_unmatched
    }

    /// Consents of which a source is paused.
    pub fn paused_consents(&self) -> &BTreeSet<(TopicId, Channel)> {
        &self.paused
    }

    /// Attributes that are left as they are.
    pub fn paused_attributes(&self) -> &BTreeSet<AttributeId> {
        &self.paused_attributes
    }

    /// What the consent mappings make of a contact, written or not. Of a paused one there is a refusal, or nothing.
    pub fn consents(&self, contact: &Contact) -> Vec<WantedConsent> {
        self.wanted(contact, &mut Vec::new())
    }

    /// What single consents mean, where nothing else is known of the contact.
    pub fn told_consents(&self, consents: &[Consent]) -> Vec<WantedConsent> {
        let mut told = consent::told(&self.consents, consents);
        told.retain(|one| self.is_said(one));
        told
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
            match self.mapped(contact, row) {
                Ok(value) => {
                    attributes.insert(row.attribute.clone(), value);
                }
                Err(Unmapped { reason, rejects: true }) => return Err(reason),
                Err(Unmapped { reason, rejects: false }) => left_out.push(reason),
            }
        }
        let consents = self.wanted(contact, &mut left_out);
        Ok(Intent {
            key: contact.id.clone(),
            attributes,
            consents,
            left_out,
            paused: Vec::new(),
            unwritten: None,
        })
    }

    fn wanted(&self, contact: &Contact, left_out: &mut Vec<Reason>) -> Vec<WantedConsent> {
        let mut wanted = consent::wanted(&self.consents, contact, left_out);
        wanted.retain(|one| self.is_said(one));
        wanted
    }

    fn is_said(&self, wanted: &WantedConsent) -> bool {
        matches!(wanted.answer, Answer::Refused(_))
            || !self.paused.contains(&(wanted.topic.clone(), wanted.channel))
    }

    /// What a mapping row makes of a contact.
    fn mapped(&self, contact: &Contact, row: &FieldMapping) -> Result<AttributeValue, Unmapped> {
        let value = field(contact, &row.field);
        let misfit = match convert::convert(value, row.kind, &row.conversion, self.default_country) {
            Ok(value) => return Ok(value),
            Err(misfit) => misfit,
        };
        let rejects = match (&misfit, row.on_too_long) {
            (Misfit::TooLong(cut), Some(OnTooLong::Cut)) => return Ok(AttributeValue::Text(cut.clone())),
            (Misfit::TooLong(_), Some(on_too_long)) => on_too_long == OnTooLong::Reject,
            _ => row.on_invalid == OnInvalid::Reject,
        };
        Err(Unmapped { reason: reason(&misfit, row, rejects), rejects })
    }
}

fn named(set: &RuleSet) -> BTreeMap<String, &'static str> {
    let conditions = set.conditions.iter().flat_map(ConditionRow::fields);
    let of_conditions = conditions.map(|one| (one.field.clone(), "a sync condition"));
    let of_mappings = set.fields.iter().map(|row| (row.field.clone(), "a field mapping"));
    let of_consents = set.consents.iter().filter_map(|row| match &row.source {
        ConsentSource::Field(name) => Some((name.clone(), "a consent mapping")),
        ConsentSource::Consent(_) => None,
    });
    let email = std::iter::once((set.email_field.clone(), "the e-mail address"));
    email.chain(of_mappings).chain(of_consents).chain(of_conditions).collect()
}

/// Why a row has no value for a contact.
struct Unmapped {
    reason: Reason,
    /// Whether the contact is rejected for it.
    rejects: bool,
}

fn field<'a>(contact: &'a Contact, name: &str) -> &'a Value {
    contact.fields.get(name).unwrap_or(&Value::Null)
}

/// A key becomes one segment of a request's path, so the two names that a path gives a meaning of
/// its own are none.
pub fn check_key(id: &ContactId) -> Result<(), Reason> {
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

fn reason(misfit: &Misfit, row: &FieldMapping, rejects: bool) -> Reason {
    let field = &row.field;
    let (code, message, setting) = match misfit {
        Misfit::TooLong(_) => (
            ReasonCode::ValueTooLong,
            format!(
                "the field `{field}` is longer than the 1,000 characters that APSIS One takes; shorten it"
            ),
            "`on-too-long = \"cut\"` or `\"skip\"`",
        ),
        Misfit::NotA(wanted) => {
            let form =
                row.conversion.date_format.as_ref().map_or_else(String::new, |form| format!(" ({form})"));
            (
                ReasonCode::ValueInvalid,
                format!(
                    "the field `{field}` does not hold {wanted}{form}, which its mapping asks for; mend it"
                ),
                "`on-invalid = \"skip\"`",
            )
        }
        Misfit::Mobile => (
            ReasonCode::MobileInvalid,
            format!(
                "the field `{field}` does not hold a telephone number that exists, with country code (or \
                 without, where the integration has a default country); mend it"
            ),
            "`on-invalid = \"skip\"`",
        ),
    };
    let end = if rejects {
        format!(" in the CRM, or set {setting} on the mapping to sync the contact all the same")
    } else {
        " in the CRM; until then the attribute is left as it is in APSIS One".to_owned()
    };
    Reason::about(code, field, message + &end)
}

//! What a connector answers, turned into the host's vocabulary, with the checks that the contract's types
//! cannot make.
//!
//! Checked is what the host builds on: ids, names, moments that order states, the cursor, sizes. An
//! answer that fails is wrong as a whole, because the connector that wrote it is. The values of fields
//! are not looked into: an odd value is the affair of its one contact, and the rules' to judge.
//! A misfit names the place, never the value.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::bindings::exported::{connector, contacts, deliveries, overviews};
use super::bindings::imported::types;
use super::component::Description;
use super::error::SaidKind;
use super::limits::{Limit, Limits};
use super::pace::RateLimit;
use super::redact::Redactor;
use crate::change::Change;
use crate::contact::{
    Channel, Choice, Consent, ConsentInfo, Contact, ContactId, Cursor, Discard, DiscardReason, FieldInfo,
    FieldType, Page, Value,
};

/// Why an answer cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Misfit {
    /// It breaks the contract: where, and how.
    Wrong(String, &'static str),
    /// It is beyond a limit.
    Limit(Limit),
}

fn wrong<T>(field: impl Into<String>, problem: &'static str) -> Result<T, Misfit> {
    Err(Misfit::Wrong(field.into(), problem))
}

/// One of the CRM's own lists of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The CRM's id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// How many are in it, where the CRM says.
    pub size: Option<u64>,
}

/// One page of an overview's members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// Who.
    pub contacts: Vec<ContactId>,
    /// None: that was the last page.
    pub next: Option<Cursor>,
}

/// What a genuine delivery says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The CRM's id of this delivery: the same on a retry.
    pub id: Option<String>,
    /// When it was first sent.
    pub sent_at: Option<Timestamp>,
}

/// The longest message of a discarded record, in bytes; a longer one is cut.
const DISCARD_MESSAGE: usize = 1_000;

/// What the checks go by.
pub(super) struct Bounds {
    /// Contacts or members.
    records: usize,
    /// Contacts and discarded records.
    together: usize,
    cursor: usize,
}

impl Bounds {
    /// For a page of at most `asked` contacts.
    pub(super) fn page(limits: &Limits, asked: u32) -> Self {
        let asked = usize::try_from(asked).unwrap_or(usize::MAX);
        let together = limits.size(Limit::PageRecords);
        Self { records: asked.min(together), together, cursor: limits.size(Limit::CursorBytes) }
    }
}

/// A description, as far as it can be checked by itself.
pub(super) fn description(told: connector::Description) -> Result<Description, Misfit> {
    let id_ok = !told.id.is_empty()
        && told.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !id_ok {
        return wrong("id", "is not made of lower-case letters, digits and hyphens");
    }
    for (field, value) in [
        ("name", &told.name),
        ("version", &told.version),
        ("id-field", &told.id_field),
        ("email-field", &told.email_field),
    ] {
        if value.trim().is_empty() {
            return wrong(field, "is empty");
        }
    }
    let Ok(settings_schema) = serde_json::from_str::<serde_json::Value>(&told.settings_schema) else {
        return wrong("settings-schema", "is not JSON");
    };
    if !settings_schema.is_object() || jsonschema::validator_for(&settings_schema).is_err() {
        return wrong("settings-schema", "is not a JSON Schema of an object");
    }
    let rate_limit = match told.rate_limit {
        Some((0, _) | (_, 0)) => return wrong("rate-limit", "holds a nought"),
        Some((requests, seconds)) => Some(RateLimit { requests, seconds }),
        None => None,
    };
    Ok(Description {
        id: told.id,
        name: told.name,
        version: told.version,
        settings_schema,
        origins: told.origins,
        id_field: told.id_field,
        email_field: told.email_field,
        mobile_field: told.mobile_field,
        rate_limit,
        features: told.features,
    })
}

pub(super) fn page(told: contacts::Page, bounds: &Bounds, redactor: &Redactor) -> Result<Page, Misfit> {
    let together = told.contacts.len().saturating_add(told.discarded.len());
    if told.contacts.len() > bounds.records || together > bounds.together {
        return Err(Misfit::Limit(Limit::PageRecords));
    }
    Ok(Page {
        contacts: distinct(told.contacts)?,
        discarded: told.discarded.into_iter().map(|told| discard(told, redactor)).collect(),
        next: told.next.map(|next| cursor(next, bounds)).transpose()?,
        total: told.total,
    })
}

/// Contacts, none twice.
pub(super) fn distinct(told: Vec<types::Contact>) -> Result<Vec<Contact>, Misfit> {
    let mut seen = BTreeSet::new();
    let mut contacts = Vec::with_capacity(told.len());
    for (at, told) in told.into_iter().enumerate() {
        let place = format!("contacts[{at}]");
        if !seen.insert(told.id.clone()) {
            return wrong(format!("{place}.id"), "is the id of another contact in the same answer");
        }
        contacts.push(contact(told, &place)?);
    }
    Ok(contacts)
}

fn contact(told: types::Contact, place: &str) -> Result<Contact, Misfit> {
    let mut fields = BTreeMap::new();
    for (at, field) in told.fields.into_iter().enumerate() {
        if field.name.is_empty() {
            return wrong(format!("{place}.fields[{at}].name"), "is empty");
        }
        if fields.insert(field.name, value(field.value)).is_some() {
            return wrong(format!("{place}.fields[{at}].name"), "is there twice");
        }
    }
    let consents = told.consents.into_iter().enumerate();
    Ok(Contact {
        id: id(told.id, place)?,
        modified_at: moment(told.modified_at, || format!("{place}.modified-at"))?,
        fields,
        consents: consents
            .map(|(at, told)| consent(told, &format!("{place}.consents[{at}]")))
            .collect::<Result<_, _>>()?,
    })
}

fn id(told: String, place: &str) -> Result<ContactId, Misfit> {
    if told.trim().is_empty() {
        return wrong(format!("{place}.id"), "is empty");
    }
    if told.len() > 500 || told.chars().any(char::is_control) {
        return wrong(format!("{place}.id"), "is longer than 500 bytes, or holds control characters");
    }
    Ok(ContactId(told))
}

fn moment(told: Option<String>, place: impl Fn() -> String) -> Result<Option<Timestamp>, Misfit> {
    match told.map(|told| told.parse::<Timestamp>()).transpose() {
        Ok(moment) => Ok(moment),
        Err(_) => wrong(place(), "is no RFC 3339 timestamp"),
    }
}

fn consent(told: types::Consent, place: &str) -> Result<Consent, Misfit> {
    if told.name.is_empty() {
        return wrong(format!("{place}.name"), "is empty");
    }
    Ok(Consent {
        name: told.name,
        channel: told.channel.map(|channel| match channel {
            types::Channel::Email => Channel::Email,
            types::Channel::Sms => Channel::Sms,
        }),
        given: told.given,
        changed_at: moment(told.changed_at, || format!("{place}.changed-at"))?,
    })
}

fn value(told: types::Value) -> Value {
    match told {
        types::Value::Null => Value::Null,
        types::Value::Boolean(value) => Value::Boolean(value),
        types::Value::Integer(value) => Value::Integer(value),
        types::Value::Decimal(value) => Value::Decimal(value),
        types::Value::Text(value) => Value::Text(value),
        types::Value::Date(value) => Value::Date(value),
        types::Value::Timestamp(value) => Value::Timestamp(value),
        types::Value::Choice(value) => Value::Choice(choice(value)),
        types::Value::Choices(values) => Value::Choices(values.into_iter().map(choice).collect()),
        types::Value::Json(value) => Value::Json(value),
    }
}

fn choice(told: types::Choice) -> Choice {
    Choice { key: told.key, label: told.label }
}

fn discard(told: types::Discard, redactor: &Redactor) -> Discard {
    Discard {
        subject: told.subject,
        reason: match told.reason {
            types::DiscardReason::MissingPerson => DiscardReason::MissingPerson,
            types::DiscardReason::MissingConsentType => DiscardReason::MissingConsentType,
            types::DiscardReason::NotRelevant => DiscardReason::NotRelevant,
            types::DiscardReason::Malformed => DiscardReason::Malformed,
        },
        message: redactor.clean(&told.message, DISCARD_MESSAGE),
    }
}

fn cursor(told: String, bounds: &Bounds) -> Result<Cursor, Misfit> {
    if told.len() > bounds.cursor {
        return Err(Misfit::Limit(Limit::CursorBytes));
    }
    if told.is_empty() {
        return wrong("next", "is an empty cursor; the last page has none");
    }
    Ok(Cursor(told))
}

pub(super) fn fields(told: Vec<contacts::FieldInfo>) -> Result<Vec<FieldInfo>, Misfit> {
    let mut seen = BTreeSet::new();
    let mut fields = Vec::with_capacity(told.len());
    for (at, told) in told.into_iter().enumerate() {
        if told.name.is_empty() || !seen.insert(told.name.clone()) {
            return wrong(format!("fields[{at}].name"), "is empty or there twice");
        }
        fields.push(FieldInfo {
            name: told.name,
            label: told.label,
            field_type: match told.type_ {
                contacts::FieldType::Boolean => FieldType::Boolean,
                contacts::FieldType::Integer => FieldType::Integer,
                contacts::FieldType::Decimal => FieldType::Decimal,
                contacts::FieldType::Text => FieldType::Text,
                contacts::FieldType::Date => FieldType::Date,
                contacts::FieldType::Timestamp => FieldType::Timestamp,
                contacts::FieldType::Choice => FieldType::Choice,
                contacts::FieldType::Choices => FieldType::Choices,
                contacts::FieldType::Json => FieldType::Json,
            },
            options: told.options.into_iter().map(choice).collect(),
        });
    }
    Ok(fields)
}

pub(super) fn consents(told: Vec<contacts::ConsentInfo>) -> Result<Vec<ConsentInfo>, Misfit> {
    let mut seen = BTreeSet::new();
    let mut consents = Vec::with_capacity(told.len());
    for (at, told) in told.into_iter().enumerate() {
        if told.name.is_empty() || !seen.insert(told.name.clone()) {
            return wrong(format!("consents[{at}].name"), "is empty or there twice");
        }
        consents.push(ConsentInfo { name: told.name, label: told.label });
    }
    Ok(consents)
}

pub(super) fn changes(told: Vec<types::Change>, redactor: &Redactor) -> Result<Vec<Change>, Misfit> {
    let one = |(at, told): (usize, types::Change)| {
        let place = format!("changes[{at}]");
        Ok(match told {
            types::Change::Upserted(told) => Change::Upserted(contact(told, &place)?),
            types::Change::Touched(told) => Change::Touched(id(told, &place)?),
            types::Change::Deleted(told) => Change::Deleted(id(told, &place)?),
            types::Change::Consented((told, answer)) => {
                Change::Consented(id(told, &place)?, consent(answer, &place)?)
            }
            types::Change::Discarded(told) => Change::Discarded(discard(told, redactor)),
        })
    };
    told.into_iter().enumerate().map(one).collect()
}

/// Bytes of a delivery's id: it is a key of the store.
const DELIVERY_ID: usize = 500;

pub(super) fn proof(told: deliveries::Proof) -> Result<Proof, Misfit> {
    let sent_at = match told.sent_at.map(|seconds| i64::try_from(seconds).map(Timestamp::from_second)) {
        None => None,
        Some(Ok(Ok(moment))) => Some(moment),
        Some(_) => return wrong("sent-at", "is beyond every calendar"),
    };
    let id = told.id.filter(|id| !id.is_empty());
    if id.as_ref().is_some_and(|id| id.len() > DELIVERY_ID || id.chars().any(char::is_control)) {
        return wrong("id", "is too long, or holds control characters");
    }
    Ok(Proof { id, sent_at })
}

pub(super) fn overviews(told: Vec<overviews::Overview>) -> Result<Vec<Overview>, Misfit> {
    let mut seen = BTreeSet::new();
    let mut overviews = Vec::with_capacity(told.len());
    for (at, told) in told.into_iter().enumerate() {
        if told.id.is_empty() || !seen.insert(told.id.clone()) {
            return wrong(format!("overviews[{at}].id"), "is empty or there twice");
        }
        overviews.push(Overview { id: told.id, name: told.name, size: told.size });
    }
    Ok(overviews)
}

pub(super) fn members(
    contacts: Vec<String>,
    next: Option<String>,
    bounds: &Bounds,
) -> Result<Members, Misfit> {
    if contacts.len() > bounds.records {
        return Err(Misfit::Limit(Limit::PageRecords));
    }
    let one = |(at, told)| id(told, &format!("contacts[{at}]"));
    Ok(Members {
        contacts: contacts.into_iter().enumerate().map(one).collect::<Result<_, _>>()?,
        next: next.map(|next| cursor(next, bounds)).transpose()?,
    })
}

/// What the connector's own error asks for, and how long to wait first.
pub(super) fn said(told: &types::Error) -> (SaidKind, Option<Duration>) {
    let kind = match told.kind {
        types::ErrorKind::Unauthorized => SaidKind::Unauthorized,
        types::ErrorKind::Misconfigured => SaidKind::Misconfigured,
        types::ErrorKind::RateLimited => SaidKind::RateLimited,
        types::ErrorKind::Unavailable => SaidKind::Unavailable,
        types::ErrorKind::CursorExpired => SaidKind::CursorExpired,
        types::ErrorKind::Malformed => SaidKind::Malformed,
        types::ErrorKind::Unsupported => SaidKind::Unsupported,
        types::ErrorKind::Other => SaidKind::Other,
    };
    (kind, told.retry_after_ms.map(Duration::from_millis))
}

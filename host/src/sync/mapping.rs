//! An integration's rows against what both sides have: names resolved, types checked. Pure.
//!
//! Two callers, two answers to a row that does not fit. Who saves or checks rules gets the first one as an error. Who
//! opens a line for work gets the rules without it: a field that somebody removed in the CRM pauses its mapping and
//! nothing else. Conditions, the e-mail address, and what concerns all of a side are errors to both.

use std::collections::BTreeSet;

use super::failure::SyncError;
use super::lane::trouble::cause;
use crate::apsis::{ApsisError, Definitions};
use crate::change::Cause;
use crate::connector::Connector;
use crate::contact::{Channel, ConsentInfo, FieldInfo};
use crate::integration::{AttributeKind, ConsentRow, FieldRow, Integration};
use crate::profile::{AttributeId, TopicId};
use crate::rules::{
    ConsentMapping, ConsentSource, FieldMapping, RuleSet, Rules, check_condition, check_consent, check_kind,
    check_mapping,
};

/// The attributes that are mapped by themselves; every section has them (APSIS One developer hub,
/// "Update profile attributes").
const EMAIL: &str = "com.apsis1.attributes.email";
const CRM_ID: &str = "com.apsis1.attributes.crmid";

/// A mapping row that is left out for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PausedRow {
    /// Which: `field mapping 3`, `consent mapping 1`.
    pub row: String,
    /// What it maps: `city to City`.
    pub name: String,
    /// Why, and what to do.
    pub why: Cause,
    /// What it fills in APSIS One, as far as that can still be named.
    pub fills: Option<Fills>,
    /// Whether APSIS One still has what it fills, so that it is the CRM's side that is gone.
    pub is_there: bool,
}

/// What a mapping row fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fills {
    /// An attribute.
    Attribute(AttributeId),
    /// A subscription on a channel.
    Consent((TopicId, Channel)),
    /// A subscription on this channel, which APSIS One has no more by the name that the row gives it. Where the answer
    /// comes from.
    Unresolved((ConsentSource, Channel)),
}

impl PausedRow {
    /// The attribute that it fills.
    pub fn attribute(&self) -> Option<&AttributeId> {
        match &self.fills {
            Some(Fills::Attribute(attribute)) => Some(attribute),
            _ => None,
        }
    }

    /// The subscription and channel that it fills.
    pub fn consent(&self) -> Option<&(TopicId, Channel)> {
        match &self.fills {
            Some(Fills::Consent(pair)) => Some(pair),
            _ => None,
        }
    }

    /// Where the answer comes from, and the channel, if its subscription cannot be told.
    pub fn unresolved(&self) -> Option<&(ConsentSource, Channel)> {
        match &self.fills {
            Some(Fills::Unresolved(row)) => Some(row),
            _ => None,
        }
    }
}

/// What the CRM has.
#[derive(Clone, Copy)]
pub struct Crm<'a> {
    /// The field that holds the e-mail address.
    pub email_field: &'a str,
    /// Its fields.
    pub fields: &'a [FieldInfo],
    /// Its consent types.
    pub consents: &'a [ConsentInfo],
}

/// Rules that can be worked with.
pub struct Usable {
    /// Those rows that fit.
    pub set: RuleSet,
    /// Those that do not.
    pub paused: Vec<PausedRow>,
}

/// The rules without the mapping rows that do not fit.
///
/// # Errors
/// When a condition or the e-mail address does not fit, or the keyspace does not do; when rows contradict each other.
pub fn usable(integration: &Integration, crm: &Crm, definitions: &Definitions) -> Result<Usable, SyncError> {
    check_conditions(integration, crm.fields)?;
    in_crm(crm.fields, "the e-mail address", crm.email_field)?;
    let mut paused = Vec::new();
    let mut set = frame(integration, crm.email_field, definitions)?;
    for (at, row) in integration.fields.iter().enumerate() {
        let mapping = field_in_apsis(row, definitions);
        let fitting = match &mapping {
            Ok(mapping) => field_in_crm(row, crm.fields, Some(mapping.kind)),
            Err(_) => Ok(()),
        };
        let is_there = mapping.is_ok();
        let known = definitions.attribute(&row.attribute).ok().map(|attribute| attribute.id.clone());
        match mapping.and_then(|mapping| fitting.map(|()| mapping)) {
            Ok(mapping) => set.fields.push(mapping),
            Err(error) => paused.push(PausedRow {
                row: format!("field mapping {}", at.saturating_add(1)),
                name: format!("{} to {}", row.field, row.attribute),
                why: cause(&error),
                fills: known.or_else(|| discriminator(&row.attribute).map(AttributeId)).map(Fills::Attribute),
                is_there,
            }),
        }
    }
    for (at, row) in integration.consents.iter().enumerate() {
        let mapping = consent_in_apsis(row, definitions);
        let is_there = mapping.is_ok();
        let known = definitions.topic(&row.topic).ok().map(|topic| topic.id.clone());
        let fitting = consent_in_crm(row, crm.fields, crm.consents);
        match mapping.and_then(|mapping| fitting.map(|()| mapping)) {
            Ok(mapping) => set.consents.push(mapping),
            Err(error) => paused.push(PausedRow {
                row: format!("consent mapping {}", at.saturating_add(1)),
                name: format!("{} to {} on {}", source(row), row.topic, row.channel),
                why: cause(&error),
                fills: known.or_else(|| discriminator(&row.topic).map(TopicId)).map_or_else(
                    || Some(Fills::Unresolved((consent_source(row), row.channel))),
                    |topic| Some(Fills::Consent((topic, row.channel))),
                ),
                is_there,
            }),
        }
    }
    Rules::new(set.clone())?;
    Ok(Usable { set, paused })
}

/// Turns an integration's rows into rules, with every APSIS One name resolved.
///
/// # Errors
/// When APSIS One has no such attribute, topic or channel, or would not take it in a run; when rows
/// contradict each other.
pub fn resolve(
    integration: &Integration,
    connector: &Connector,
    definitions: &Definitions,
) -> Result<RuleSet, SyncError> {
    let mut set = frame(integration, &connector.description().email_field, definitions)?;
    for row in &integration.fields {
        set.fields.push(field_in_apsis(row, definitions)?);
    }
    for row in &integration.consents {
        set.consents.push(consent_in_apsis(row, definitions)?);
    }
    Rules::new(set.clone())?;
    Ok(set)
}

/// Refuses rules that name what the CRM does not have, or that do not fit the types of its fields, as far as that
/// can be told without APSIS One.
///
/// # Errors
/// With the first such row.
pub fn check_names(
    integration: &Integration,
    fields: &[FieldInfo],
    consents: &[ConsentInfo],
) -> Result<(), SyncError> {
    check_conditions(integration, fields)?;
    integration.fields.iter().try_for_each(|row| field_in_crm(row, fields, row.kind))?;
    integration.consents.iter().try_for_each(|row| consent_in_crm(row, fields, consents))
}

/// Refuses field mappings that do not fit the types of both sides.
///
/// # Errors
/// With the first such row.
pub fn check_types(
    integration: &Integration,
    fields: &[FieldInfo],
    definitions: &Definitions,
) -> Result<(), SyncError> {
    integration.fields.iter().try_for_each(|row| {
        let mapping = field_in_apsis(row, definitions)?;
        field_in_crm(row, fields, Some(mapping.kind))
    })
}

/// Rules without mapping rows.
fn frame(
    integration: &Integration,
    email_field: &str,
    definitions: &Definitions,
) -> Result<RuleSet, SyncError> {
    let keyspace = definitions.keyspace(&integration.apsis.keyspace)?;
    if !integration.consents.is_empty() && !keyspace.manage_subscriptions {
        return Err(refused("apsis.keyspace", format!("no consent can be set through {}", keyspace.id)));
    }
    Ok(RuleSet {
        conditions: integration.conditions.clone(),
        fields: Vec::with_capacity(integration.fields.len()),
        consents: Vec::with_capacity(integration.consents.len()),
        email_field: email_field.to_owned(),
        email_attribute: definitions.attribute(EMAIL)?.id.clone(),
        id_attribute: definitions.attribute(CRM_ID).ok().map(|attribute| attribute.id.clone()),
        default_country: integration.default_country.clone(),
    })
}

fn field_in_apsis(row: &FieldRow, definitions: &Definitions) -> Result<FieldMapping, SyncError> {
    let attribute = definitions.attribute(&row.attribute)?;
    if attribute.version.is_none() {
        return Err(refused("fields.attribute", format!("{} has no version in use", attribute.id)));
    }
    check_kind(row, attribute.kind)?;
    Ok(FieldMapping {
        field: row.field.clone(),
        attribute: attribute.id.clone(),
        kind: row.kind.or(attribute.kind).unwrap_or(AttributeKind::Text),
        on_invalid: row.on_invalid,
        on_too_long: row.on_too_long,
        conversion: row.conversion(),
    })
}

fn consent_in_apsis(row: &ConsentRow, definitions: &Definitions) -> Result<ConsentMapping, SyncError> {
    let topic = definitions.topic(&row.topic)?;
    definitions.check_consent(topic, row.channel)?;
    Ok(ConsentMapping { source: consent_source(row), topic: topic.id.clone(), channel: row.channel })
}

fn consent_source(row: &ConsentRow) -> ConsentSource {
    match (&row.consent, &row.field) {
        (Some(name), _) => ConsentSource::Consent(name.clone()),
        (None, name) => ConsentSource::Field(name.clone().unwrap_or_default()),
    }
}

fn refused(setting: &'static str, what: String) -> SyncError {
    let message = format!("{what} in APSIS One; name another, or have it changed there");
    ApsisError::Setting { setting, message }.into()
}

fn check_conditions(integration: &Integration, fields: &[FieldInfo]) -> Result<(), SyncError> {
    for one in integration.conditions.iter().flat_map(|row| row.fields()) {
        check_condition(one, in_crm(fields, "a sync condition", &one.field)?)?;
    }
    Ok(())
}

fn field_in_crm(row: &FieldRow, fields: &[FieldInfo], kind: Option<AttributeKind>) -> Result<(), SyncError> {
    let field = in_crm(fields, "a field mapping", &row.field)?;
    match kind {
        Some(kind) => Ok(check_mapping(row, field, kind)?),
        None => Ok(()),
    }
}

fn consent_in_crm(row: &ConsentRow, fields: &[FieldInfo], consents: &[ConsentInfo]) -> Result<(), SyncError> {
    if let Some(name) = &row.field {
        check_consent(in_crm(fields, "a consent mapping", name)?)?;
    }
    match &row.consent {
        Some(name) if !consents.iter().any(|consent| consent.name == *name) => {
            let there = consents.iter().map(|consent| consent.name.as_str());
            Err(not_in_crm("a consent mapping", name, "its consent types", there))
        }
        _ => Ok(()),
    }
}

fn in_crm<'a>(fields: &'a [FieldInfo], row: &str, name: &str) -> Result<&'a FieldInfo, SyncError> {
    fields
        .iter()
        .find(|field| field.name == name)
        .ok_or_else(|| not_in_crm(row, name, "its fields", fields.iter().map(|field| field.name.as_str())))
}

fn not_in_crm<'a>(row: &str, name: &str, what: &str, there: impl Iterator<Item = &'a str>) -> SyncError {
    let there: BTreeSet<&str> = there.collect();
    let there: Vec<&str> = there.into_iter().collect();
    let near =
        if there.is_empty() { format!("{what}: none") } else { format!("{what}: {}", there.join(", ")) };
    SyncError::NotInCrm { row: row.to_owned(), name: name.to_owned(), near }
}

fn source(row: &ConsentRow) -> &str {
    row.consent.as_deref().or(row.field.as_deref()).unwrap_or_default()
}

/// A name that APSIS One does not have may be a discriminator that it had; names for people have no points.
fn discriminator(name: &str) -> Option<String> {
    name.contains('.').then(|| name.trim().to_owned())
}

//! The mapping of a profile import: which column of the file is the key, which are attributes, which give
//! consents.
//!
//! Promises: whatever the developer hub's page lists as an error is refused before an import exists; that
//! unknown members are refused too is inferred.

use serde_json::{Map, Value};

use super::consents;
use super::definitions::{self, Keyspace};
use super::profiles::{ConsentType, Refusal, refuse};
use super::writable;

#[derive(Debug, Clone)]
pub(crate) struct ConsentColumn {
    pub(crate) address: String,
    pub(crate) column: String,
    pub(crate) topic: u8,
    pub(crate) channel: u8,
    pub(crate) state: ConsentType,
    pub(crate) resubscribe: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    pub(crate) keyspace: Keyspace,
    pub(crate) key: String,
    pub(crate) update_existing: bool,
    pub(crate) clear_existing: bool,
    pub(crate) attributes: Vec<(String, u16)>,
    pub(crate) consents: Vec<ConsentColumn>,
}

fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a Value, Refusal> {
    object.get(name).map_or_else(|| refuse(400, format!("{name} is required")), Ok)
}

fn text(object: &Map<String, Value>, name: &str) -> Result<String, Refusal> {
    match member(object, name)? {
        Value::String(text) if !text.is_empty() => Ok(text.clone()),
        _ => refuse(400, format!("{name} must be a string")),
    }
}

fn flag(object: &Map<String, Value>, name: &str) -> Result<bool, Refusal> {
    match member(object, name)? {
        Value::Bool(yes) => Ok(*yes),
        _ => refuse(400, format!("{name} must be true or false")),
    }
}

fn object<'a>(value: &'a Value, name: &str) -> Result<&'a Map<String, Value>, Refusal> {
    value.as_object().map_or_else(|| refuse(400, format!("{name} must be an object")), Ok)
}

/// The members of an optional list, each an object.
fn list<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Vec<&'a Map<String, Value>>, Refusal> {
    match object.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(all)) => all.iter().map(|one| self::object(one, name)).collect(),
        Some(_) => refuse(400, format!("{name} must be a list")),
    }
}

fn known(object: &Map<String, Value>, names: &[&str]) -> Result<(), Refusal> {
    match object.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => refuse(400, format!("{name} is not known")),
        None => Ok(()),
    }
}

/// Reads the body of an import's initialisation.
pub(crate) fn mapping(body: &Map<String, Value>) -> Result<Mapping, Refusal> {
    known(body, &["keyspace_mapping", "options", "attribute_mappings", "consent_mappings"])?;
    let key = object(member(body, "keyspace_mapping")?, "keyspace_mapping")?;
    known(key, &["keyspace_discriminator", "field_selector"])?;
    let keyspace = writable(&text(key, "keyspace_discriminator")?)?;
    let options = object(member(body, "options")?, "options")?;
    known(options, &["update_existing_profiles", "clear_existing_attributes"])?;
    let mut mapping = Mapping {
        keyspace,
        key: text(key, "field_selector")?,
        update_existing: flag(options, "update_existing_profiles")?,
        clear_existing: flag(options, "clear_existing_attributes")?,
        attributes: Vec::new(),
        consents: Vec::new(),
    };
    for one in list(body, "attribute_mappings")? {
        known(one, &["field_selector", "attribute_version_id"])?;
        let version = text(one, "attribute_version_id")?;
        let Some(place) = definitions::attribute_by_version(&version) else {
            return refuse(400, format!("attribute_version_id {version} is not known or deprecated"));
        };
        mapping.attributes.push((text(one, "field_selector")?, place));
    }
    for one in list(body, "consent_mappings")? {
        if !keyspace.manages_subscriptions() {
            return refuse(403, "The keyspace does not manage subscriptions");
        }
        known(one, &["address_field_selector", "consents"])?;
        let address = text(one, "address_field_selector")?;
        for consent in list(one, "consents")? {
            known(
                consent,
                &[
                    "field_selector",
                    "channel_discriminator",
                    "topic_discriminator",
                    "type",
                    "resubscribe_if_opted_out",
                ],
            )?;
            let (topic, channel) = consents::places(
                &text(consent, "topic_discriminator")?,
                &text(consent, "channel_discriminator")?,
            )?;
            let state = match ConsentType::read(&text(consent, "type")?) {
                Some(state @ (ConsentType::OptIn | ConsentType::OptOut)) => state,
                _ => return refuse(400, "type must be opt-in or opt-out"),
            };
            mapping.consents.push(ConsentColumn {
                address: address.clone(),
                column: text(consent, "field_selector")?,
                topic,
                channel,
                state,
                resubscribe: flag(consent, "resubscribe_if_opted_out")?,
            });
        }
    }
    Ok(mapping)
}

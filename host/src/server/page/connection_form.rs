//! The form of an integration's connection, made of the connector's settings schema, and read back. What it does not show
//! of a definition stays as it is; secrets are written only, and go into the store.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;
use serde_json::Value as Json;

use super::form::Sent;
use crate::connector::Connector;
use crate::error::Failure;
use crate::integration::{
    ApsisSettings, Grant, Integration, IntegrationId, NewContacts, OnDelete, RealTime, SameAddress,
    SecretRef, SyncSettings,
};
use crate::secret::SecretName;

/// What the API key's secret is called among an integration's secrets.
const APSIS_SECRET: &str = "apsis-client-secret";
/// The secret that a CRM signs what it sends with, where a connector has one. Nobody has to think of it.
const WEBHOOK_SECRET: &str = "webhook-secret";
/// What stands before a setting's name, and a secret's.
const SETTING: &str = "setting.";
const SECRET: &str = "secret.";

/// How a setting is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Widget {
    /// A line of text.
    Text,
    /// A number.
    Number,
    /// A box.
    Box,
    /// One of several.
    Options,
    /// Texts, one a line.
    Lines,
    /// JSON.
    Json,
    /// A text that is never shown.
    Secret,
}

/// One setting of a connector.
pub struct Setting {
    /// Its name in the form.
    pub name: String,
    /// For people.
    pub title: String,
    /// More words.
    pub words: String,
    /// How it is written.
    pub widget: Widget,
    /// As text.
    pub value: String,
    /// Those that can be chosen.
    pub options: Vec<String>,
    /// Whether it has to be given.
    pub required: bool,
    /// A secret that is there.
    pub is_set: bool,
}

impl Setting {
    /// Whether it need not be thought of: left empty, it is made.
    pub fn is_made_by_itself(&self) -> bool {
        self.name.strip_prefix(SECRET) == Some(WEBHOOK_SECRET)
    }
}

/// The connector's settings, those that have to be given first.
pub fn settings(connector: &Connector, known: Option<&Integration>, sent: Option<&Sent>) -> Vec<Setting> {
    let schema = &connector.description().settings_schema;
    let required: BTreeSet<&str> = schema
        .get("required")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    let properties = schema.get("properties").and_then(Json::as_object);
    let one = |(name, of): (&String, &Json)| {
        let is_secret = of.get("writeOnly") == Some(&Json::Bool(true));
        let widget = widget(of, is_secret);
        let key = if is_secret { format!("{SECRET}{name}") } else { format!("{SETTING}{name}") };
        let stored = known.and_then(|known| known.settings.get(name)).or_else(|| of.get("default"));
        let value = match sent {
            // A secret is not sent back.
            _ if is_secret => String::new(),
            Some(sent) if widget == Widget::Box => sent.is_ticked(&key).to_string(),
            Some(sent) => sent.exact(&key).to_owned(),
            None => stored.map(as_text).unwrap_or_default(),
        };
        let options = of.get("enum").and_then(Json::as_array).into_iter().flatten().map(as_text).collect();
        let text = |key: &str| of.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        Setting {
            title: Some(text("title")).filter(|title| !title.is_empty()).unwrap_or_else(|| name.clone()),
            words: text("description"),
            widget,
            value,
            options,
            required: required.contains(name.as_str()),
            is_set: is_secret && known.is_some_and(|known| known.secrets.contains_key(name)),
            name: key,
        }
    };
    let mut settings: Vec<Setting> = properties.into_iter().flatten().map(one).collect();
    settings.sort_by_key(|setting| (!setting.required, setting.widget != Widget::Secret));
    settings
}

fn widget(of: &Json, is_secret: bool) -> Widget {
    let is_text_list = of.pointer("/items/type").and_then(Json::as_str) == Some("string");
    match of.get("type").and_then(Json::as_str) {
        _ if is_secret => Widget::Secret,
        _ if of.get("enum").is_some() => Widget::Options,
        Some("integer" | "number") => Widget::Number,
        Some("boolean") => Widget::Box,
        Some("string") => Widget::Text,
        Some("array") if is_text_list => Widget::Lines,
        _ => Widget::Json,
    }
}

fn as_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(items) if items.iter().all(Json::is_string) => {
            items.iter().filter_map(Json::as_str).collect::<Vec<_>>().join("\n")
        }
        other => other.to_string(),
    }
}

/// A setting as it was written; none where it is left as the connector has it by itself.
fn value(sent: &Sent, name: &str, of: &Json) -> Result<Option<Json>, Failure> {
    let key = format!("{SETTING}{name}");
    let text = sent.exact(&key).trim();
    let wrong = |what: &str| Failure {
        code: "integration-setting".to_owned(),
        message: format!("the integration's setting `settings.{name}` {what}"),
    };
    let given = match widget(of, false) {
        Widget::Box => Json::Bool(sent.is_ticked(&key)),
        _ if text.is_empty() => return Ok(None),
        Widget::Number => {
            let number =
                text.parse::<serde_json::Number>().map_err(|_| wrong("is no number: write digits"))?;
            Json::Number(number)
        }
        Widget::Lines => {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            Json::Array(lines.map(Json::from).collect())
        }
        Widget::Json => {
            serde_json::from_str(text).map_err(|_| wrong("is no JSON: correct it, or leave it empty"))?
        }
        Widget::Text | Widget::Options | Widget::Secret => Json::from(text),
    };
    Ok(Some(given).filter(|given| of.get("default") != Some(given)))
}

/// An integration as somebody wrote it, with the secrets that came with it.
pub struct Written {
    /// Its definition.
    pub integration: Integration,
    /// Secrets that are new.
    pub secrets: BTreeMap<SecretName, SecretString>,
}

/// Reads the form. `known`: the integration that it is about, if there is one.
///
/// # Errors
/// A setting is not written as it has to be.
pub fn read(connector: &Connector, known: Option<&Integration>, sent: &Sent) -> Result<Written, Failure> {
    let schema = &connector.description().settings_schema;
    let mut secrets = BTreeMap::new();
    let mut integration = known.cloned().unwrap_or_else(|| blank(connector));
    if known.is_none() {
        integration.id = IntegrationId(sent.text("id").unwrap_or_default().to_owned());
    }
    integration.name = sent.text("name").unwrap_or_default().to_owned();
    integration.settings.clear();
    for (name, of) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
        if of.get("writeOnly") == Some(&Json::Bool(true)) {
            let given = sent.exact(&format!("{SECRET}{name}"));
            let is_new = !given.is_empty();
            let made = name == WEBHOOK_SECRET && !integration.secrets.contains_key(name);
            let secret = match (is_new, made) {
                (true, _) => SecretString::from(given),
                (false, true) => SecretString::from(hex::encode(rand::random::<[u8; 32]>())),
                (false, false) => continue,
            };
            secrets.insert(SecretName(name.clone()), secret);
            integration.secrets.insert(name.clone(), SecretRef::Stored(SecretName(name.clone())));
        } else if let Some(value) = value(sent, name, of)? {
            integration.settings.insert(name.clone(), value);
        }
    }
    let wanted = connector.wanted_origins(&integration.settings);
    integration.grant = Grant {
        origins: if sent.is_ticked("grant") { wanted } else { integration.grant.origins },
        private_network: sent.is_ticked("private-network"),
    };
    read_apsis(&mut integration.apsis, &mut secrets, sent);
    integration.default_country = sent.text("default-country").map(str::to_uppercase);
    if let Some(zone) = sent.text("time-zone") {
        zone.clone_into(&mut integration.time_zone);
    }
    integration.real_time.new_contacts = match sent.exact("new-contacts") {
        "immediately" => NewContacts::Immediately,
        _ => NewContacts::Daily,
    };
    integration.real_time.on_delete = match sent.exact("on-delete") {
        "opt-out" => OnDelete::OptOut,
        _ => OnDelete::Delete,
    };
    integration.sync.delete_unmatched = sent.is_ticked("delete-unmatched");
    Ok(Written { integration, secrets })
}

fn read_apsis(apsis: &mut ApsisSettings, secrets: &mut BTreeMap<SecretName, SecretString>, sent: &Sent) {
    let text = |name: &str| sent.text(name).unwrap_or_default().to_owned();
    apsis.url = text("apsis.url");
    apsis.client_id = text("apsis.client-id");
    apsis.section = text("apsis.section");
    if let Some(keyspace) = sent.text("apsis.keyspace") {
        keyspace.clone_into(&mut apsis.keyspace);
    }
    apsis.private_network = sent.is_ticked("apsis.private-network");
    apsis.same_address = match sent.exact("apsis.same-address") {
        "merge" => SameAddress::Merge,
        _ => SameAddress::Leave,
    };
    let secret = sent.exact("apsis.client-secret");
    if !secret.is_empty() {
        let name = SecretName(APSIS_SECRET.to_owned());
        secrets.insert(name.clone(), SecretString::from(secret));
        apsis.client_secret = SecretRef::Stored(name);
    }
}

/// An integration of which nothing is written yet.
pub fn blank(connector: &Connector) -> Integration {
    let description = connector.description();
    Integration {
        id: IntegrationId(description.id.clone()),
        name: description.name.clone(),
        connector: format!("sha256:{}", connector.digest()),
        settings: BTreeMap::new(),
        secrets: BTreeMap::new(),
        grant: Grant::default(),
        apsis: ApsisSettings::new(SecretRef::Stored(SecretName(APSIS_SECRET.to_owned()))),
        default_country: Some("SE".to_owned()),
        conditions: Vec::new(),
        fields: Vec::new(),
        consents: Vec::new(),
        time_zone: "Europe/Stockholm".to_owned(),
        sync: SyncSettings::default(),
        real_time: RealTime::default(),
        brake: crate::brake::Brake::default(),
        story: crate::integration::StorySettings::default(),
        limits: BTreeMap::new(),
    }
}

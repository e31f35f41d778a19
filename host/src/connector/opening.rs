//! Opening a connection: what an operator wrote, checked against what the connector asks for.
//!
//! Settings are checked against the connector's JSON Schema, secrets against its `writeOnly`
//! properties, and the origins it wants, with the settings filled in, against the grant. An error
//! names the setting and what is wanted, never a value.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jsonschema::error::ValidationErrorKind;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

use super::component::Connector;
use super::connection::ConnectionSettings;
use super::egress::Origin;
use super::environment::{Environment, PREVIOUS};
use super::error::OpenError;
use super::redact::Hidden;
use crate::reach::Network;

pub(super) fn environment(
    connector: &Connector,
    given: ConnectionSettings,
) -> Result<Environment, OpenError> {
    let description = connector.description();
    let schema = Schema { integration: &given.integration.0, schema: &description.settings_schema };
    schema.check_secrets(&given)?;
    schema.check_settings(&given, Secrets::Read)?;
    let settings = schema.texts(&given.settings);
    let origins = origins(&description.origins, &settings, &given)?;
    let session = connector.0.shared.sessions.of(&given.integration, &revision(connector, &given, &settings));
    Ok(Environment {
        integration: given.integration,
        settings,
        hidden: Hidden::new(given.secrets.values().map(SecretString::expose_secret)),
        secrets: given.secrets,
        origins,
        network: Network::new(given.grant.private_network),
        limits: Arc::new(given.limits),
        rate_limit: description.rate_limit,
        session,
        shared: Arc::clone(&connector.0.shared),
        stand_in: None,
    })
}

/// Checks what was written where secrets cannot be read: of them, only the names are looked at.
pub(super) fn check_unread(connector: &Connector, given: &ConnectionSettings) -> Result<(), OpenError> {
    let description = connector.description();
    let schema = Schema { integration: &given.integration.0, schema: &description.settings_schema };
    schema.check_secrets(given)?;
    schema.check_settings(given, Secrets::OnlyNamed)?;
    origins(&description.origins, &schema.texts(&given.settings), given)?;
    Ok(())
}

/// Whether the secrets' values are the real ones.
#[derive(PartialEq, Eq)]
enum Secrets {
    Read,
    OnlyNamed,
}

struct Schema<'a> {
    integration: &'a str,
    schema: &'a Json,
}

impl Schema<'_> {
    fn properties(&self) -> impl Iterator<Item = (&String, &Json)> {
        self.schema.get("properties").and_then(Json::as_object).into_iter().flatten()
    }

    fn is_secret(&self, name: &str) -> bool {
        self.properties().any(|(known, of)| known == name && of.get("writeOnly") == Some(&Json::Bool(true)))
    }

    fn secret(&self, secret: &str, problem: String) -> OpenError {
        OpenError::Secret { integration: self.integration.to_owned(), secret: secret.to_owned(), problem }
    }

    fn setting(&self, setting: &str, problem: String) -> OpenError {
        OpenError::Setting { integration: self.integration.to_owned(), setting: setting.to_owned(), problem }
    }

    fn check_secrets(&self, given: &ConnectionSettings) -> Result<(), OpenError> {
        if let Some(name) = given.settings.keys().find(|name| self.is_secret(name)) {
            return Err(
                self.secret(name, "is given as a setting; move it to [secrets], by reference".to_owned())
            );
        }
        let unknown =
            given.secrets.keys().find(|name| !self.is_secret(name.strip_suffix(PREVIOUS).unwrap_or(name)));
        if let Some(name) = unknown {
            let known: Vec<&str> = self
                .properties()
                .map(|(name, _)| name.as_str())
                .filter(|name| self.is_secret(name))
                .collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(
                self.secret(name, format!("is not one that the connector asks for; it asks for: {known}"))
            );
        }
        if let Some((name, _)) = given.secrets.iter().find(|(_, value)| value.expose_secret().is_empty()) {
            return Err(self.secret(name, "is empty; give it a value where its reference points".to_owned()));
        }
        Ok(())
    }

    /// Secrets take part by name, because a schema requires them like any other property.
    fn check_settings(&self, given: &ConnectionSettings, values: Secrets) -> Result<(), OpenError> {
        let secrets = given.secrets.iter().filter(|(name, _)| !name.ends_with(PREVIOUS));
        let secrets =
            secrets.map(|(name, value)| (name.clone(), Json::String(value.expose_secret().to_owned())));
        let settings = given.settings.iter().map(|(name, value)| (name.clone(), value.clone()));
        let all = Json::Object(settings.chain(secrets).collect::<Map<_, _>>());
        // The schema was checked when the connector was loaded.
        let Ok(validator) = jsonschema::validator_for(self.schema) else { return Ok(()) };
        let place = |path: String| path.trim_start_matches('/').to_owned();
        let of_secret = |place: &str| self.is_secret(place.split('/').next().unwrap_or_default());
        let counts = |place: String| values == Secrets::Read || !of_secret(&place);
        let mut errors = validator.iter_errors(&all);
        let Some(wrong) = errors.find(|error| counts(place(error.instance_path().to_string()))) else {
            return Ok(());
        };
        let place = place(wrong.instance_path().to_string());
        let problem = wrong.masked_with("its value").to_string();
        Err(match wrong.kind() {
            ValidationErrorKind::Required { property } => {
                let missing = property.as_str().unwrap_or_default();
                if place.is_empty() && self.is_secret(missing) {
                    self.secret(missing, "is missing; name where its value is under [secrets]".to_owned())
                } else {
                    self.setting(missing, "is missing; the connector needs it".to_owned())
                }
            }
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let known: Vec<&str> = self.properties().map(|(name, _)| name.as_str()).collect();
                self.setting(
                    &unexpected.join(", "),
                    format!("is not one that the connector knows; it knows: {}", known.join(", ")),
                )
            }
            _ if of_secret(&place) => self.secret(&place, format!("does not fit: {problem}")),
            _ => self.setting(&place, format!("does not fit: {problem}")),
        })
    }

    /// The settings as the connector reads them: text as it is, everything else as JSON text; a setting
    /// that is not given, by the schema's default.
    fn texts(&self, given: &BTreeMap<String, Json>) -> BTreeMap<String, String> {
        let defaults = self.properties().filter_map(|(name, of)| Some((name, of.get("default")?)));
        let given = given.iter().filter(|(_, value)| !value.is_null());
        defaults.chain(given).map(|(name, value)| (name.clone(), text(value))).collect()
    }
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The origins the connector wants, all of them granted. What is granted beyond them stays unreachable.
fn origins(
    wanted: &[String],
    settings: &BTreeMap<String, String>,
    given: &ConnectionSettings,
) -> Result<BTreeSet<Origin>, OpenError> {
    let wrong = |origin: &str, problem: &str| OpenError::Origin {
        integration: given.integration.0.clone(),
        origin: origin.to_owned(),
        problem: problem.to_owned(),
    };
    let granted = given.grant.origins.iter();
    let granted = granted.map(|origin| Origin::parse(origin).map_err(|problem| wrong(origin, problem)));
    let granted: BTreeSet<Origin> = granted.collect::<Result<_, _>>()?;
    let mut origins = BTreeSet::new();
    for template in wanted {
        let Some(filled) = fill(template, settings) else { continue };
        // The template and not what it came to: a setting may hold what should not be shown.
        let origin =
            Origin::parse(&filled).map_err(|problem| wrong(&format!("what {template} gives"), problem))?;
        if origin.is_plain() && !given.grant.private_network {
            return Err(wrong(
                &origin.to_string(),
                "secrets would travel in plain text; use https, or set `grant.private-network` for a server inside \
                 this network",
            ));
        }
        origins.insert(origin);
    }
    let missing: Vec<String> = origins.difference(&granted).map(ToString::to_string).collect();
    if missing.is_empty() {
        return Ok(origins);
    }
    Err(OpenError::NotGranted { integration: given.integration.0.clone(), origins: missing.join(", ") })
}

impl Connector {
    /// The origins that it asks for with these settings, for whoever grants them; what cannot be one is left out, and
    /// refused when it is opened.
    pub fn wanted_origins(&self, settings: &BTreeMap<String, Json>) -> Vec<String> {
        let description = self.description();
        let texts = Schema { integration: "", schema: &description.settings_schema }.texts(settings);
        let filled = description.origins.iter().filter_map(|template| fill(template, &texts));
        filled.filter_map(|origin| Origin::parse(&origin).ok()).map(|origin| origin.to_string()).collect()
    }
}

/// The template with its `{settings.name}` filled in; none where a setting is not given.
fn fill(template: &str, settings: &BTreeMap<String, String>) -> Option<String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{settings.") {
        let (name, after) = after.split_once('}')?;
        filled.push_str(before);
        filled.push_str(settings.get(name)?);
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

/// Changes whenever a session of before should not be used any more.
fn revision(
    connector: &Connector,
    given: &ConnectionSettings,
    settings: &BTreeMap<String, String>,
) -> String {
    let mut digest = Sha256::new();
    let secrets = given.secrets.iter().map(|(name, value)| (name.as_str(), value.expose_secret()));
    let settings = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for part in std::iter::once(("connector", connector.digest())).chain(settings).chain(secrets) {
        for text in [part.0, part.1] {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
    }
    hex::encode(digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_or_left_out() {
        let settings = BTreeMap::from([("server".to_owned(), "acme.example".to_owned())]);
        assert_eq!(
            fill("https://{settings.server}:8443", &settings).as_deref(),
            Some("https://acme.example:8443")
        );
        assert_eq!(fill("https://fixed.example", &settings).as_deref(), Some("https://fixed.example"));
        assert_eq!(fill("https://{settings.other}", &settings), None);
    }

    #[test]
    fn settings_are_texts_with_the_schemas_defaults() {
        let schema =
            serde_json::json!({"properties": {"size": {"default": 200}, "server": {"default": "a"}}});
        let schema = Schema { integration: "acme", schema: &schema };
        let given =
            BTreeMap::from([("server".to_owned(), Json::from("b")), ("flag".to_owned(), Json::from(true))]);
        let texts = schema.texts(&given);
        assert_eq!(texts.get("size").map(String::as_str), Some("200"));
        assert_eq!(texts.get("server").map(String::as_str), Some("b"));
        assert_eq!(texts.get("flag").map(String::as_str), Some("true"));
    }
}

//! The settings of the connector: where Lime is, and what limetypes and properties are called there.
//!
//! Every customer may rename limetypes and properties, so each name is a setting; the defaults are
//! those of Lime's base solution and of its consent add-on.

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;
use sluice_sdk::{Error, settings};

/// The secret that holds the API key.
pub const API_KEY: &str = "api-key";

/// The secret that Lime signs deliveries with.
pub const WEBHOOK_SECRET: &str = "webhook-secret";

/// The settings of one integration; see [`SCHEMA`] for what each is.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is described in the schema, where users read it")]
pub struct Settings {
    pub url: String,
    pub time_zone: String,
    pub page_size: u32,
    pub fields: Vec<String>,
    pub person_limetype: String,
    pub email_property: String,
    pub mobile_property: String,
    pub company_property: String,
    pub consents: ConsentSource,
    pub consent_limetype: String,
    pub consent_person_property: String,
    pub consent_type_property: String,
    pub consent_approved_property: String,
    pub consent_date_property: String,
    pub consenttype_limetype: String,
    pub consenttype_title_property: String,
    pub consenttype_active_property: String,
    pub campaign_limetype: String,
    pub campaign_name_property: String,
    pub participant_limetype: String,
    pub participant_campaign_property: String,
    pub participant_person_property: String,
    pub filters: Vec<SavedFilter>,
    pub webhook_signature: SignatureRule,
}

/// Where consents come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentSource {
    /// The consent add-on: a scan that cannot read it fails, since contacts without their consents
    /// would look as if all had been withdrawn.
    AddOn,
    /// Only yesno properties of the person, which are fields like any other.
    Fields,
}

/// Which signatures of deliveries are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureRule {
    /// Version 1 and version 2, as the subscription was made.
    Any,
    /// Only version 2, which cannot be replayed.
    V2,
}

impl SignatureRule {
    /// As the setting says, read by itself.
    ///
    /// # Errors
    /// `misconfigured` where it says something else.
    pub fn read() -> Result<Self, Error> {
        match settings::text("webhook-signature").as_deref() {
            None | Some("any") => Ok(Self::Any),
            Some("v2") => Ok(Self::V2),
            Some(_) => Err(Error::misconfigured(
                "The setting `webhook-signature` is neither any nor v2. Correct it.",
            )),
        }
    }
}

/// A saved filter of Lime, pasted by the user.
#[derive(Debug, Clone, Deserialize)]
pub struct SavedFilter {
    /// The overview's id, once chosen never changed.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The Lime Query expression, as Lime's filter editor shows it.
    pub filter: Value,
}

impl Settings {
    /// The zone of times that Lime gives without an offset.
    ///
    /// # Errors
    /// `misconfigured` for a zone that does not exist.
    pub fn zone(&self) -> Result<TimeZone, Error> {
        TimeZone::get(&self.time_zone).map_err(|_| {
            Error::misconfigured(format!(
                "The setting `time-zone` is `{}`, which is no time zone. Give one such as Europe/Stockholm.",
                self.time_zone
            ))
        })
    }
}

/// The JSON schema of the settings.
pub const SCHEMA: &str = include_str!("../settings.schema.json");

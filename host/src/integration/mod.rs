//! An integration: one customer's connection, as its file (TOML or JSON) says it.
//!
//! Secrets are never in it: a secret is named, with where the host finds its value (`env`, `file`, `stored`).
//! This module checks what can be checked without a CRM and without APSIS One; names that need their
//! definitions (an attribute by its display name) are resolved when a run starts.

mod check;
mod condition;
mod difference;
mod file;
mod mapping;
mod real_time;
mod rows;
mod secret;
mod story;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use thiserror::Error;

use crate::brake::Brake;
use crate::error::ErrorCode;
use crate::secret::SecretName;

pub use condition::{Comparison, ConditionRow, FieldCondition, Test};
pub use difference::needs_full_sync;
pub use mapping::{AttributeKind, ConsentRow, Conversion, FieldRow, OnInvalid, OnTooLong, Show};
pub(crate) use real_time::clock;
pub use real_time::{NewContacts, OnDelete, RealTime};
pub use secret::{secret_in_file, secret_in_variable, without_newline};
pub use story::StorySettings;

/// An integration's id: lower-case letters, digits and hyphens, at most 64.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct IntegrationId(pub String);

impl fmt::Display for IntegrationId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Where the value of a secret is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SecretRef {
    /// In an environment variable of the host.
    Env(String),
    /// In a file, without its trailing newline.
    File(PathBuf),
    /// In the store, sealed, under this name among the integration's own.
    Stored(SecretName),
}

/// What the operator lets the connector reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Grant {
    /// Origins: `https://acme.lime-crm.com`, scheme, host and port.
    pub origins: Vec<String>,
    /// Whether those names may resolve to loopback and private addresses. Link-local and metadata
    /// addresses are never reached.
    #[serde(default)]
    pub private_network: bool,
}

/// The APSIS One side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ApsisSettings {
    /// Base URL: `https://api.apsis.one`, or `https://api-apac.apsis.one`.
    pub url: String,
    /// The API key's id.
    pub client_id: String,
    /// The API key's secret.
    pub client_secret: SecretRef,
    /// The section: its discriminator or its name.
    pub section: String,
    /// The keyspace whose keys are CRM ids.
    #[serde(default = "crm_keyspace")]
    pub keyspace: String,
    /// Whether the host may reach APSIS One (and its upload host) on loopback and private addresses.
    #[serde(default)]
    pub private_network: bool,
    /// Requests a second that the account allows this API key: less than 100 where something else uses the
    /// account, too. Integrations of one key share what they have the same number for.
    #[serde(default = "requests_per_second")]
    pub requests_per_second: u32,
    /// What becomes of a profile that another source has made for the address of a contact.
    #[serde(default)]
    pub same_address: SameAddress,
}

/// What becomes of a profile that another source (a form, a shop) has made for the address of a contact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SameAddress {
    /// It stays as it is, beside the contact's.
    #[default]
    Leave,
    /// The two become one, for good, with the stricter of their consents.
    Merge,
}

impl ApsisSettings {
    /// Of which nothing is known yet but where the API key's secret will be.
    pub fn new(client_secret: SecretRef) -> Self {
        Self {
            url: "https://api.apsis.one".to_owned(),
            client_id: String::new(),
            client_secret,
            section: String::new(),
            keyspace: crm_keyspace(),
            private_network: false,
            requests_per_second: requests_per_second(),
            same_address: SameAddress::default(),
        }
    }

    /// Whether profiles written by one are found by the other. The API key may be another of the same
    /// account.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.url == other.url && self.section == other.section && self.keyspace == other.keyspace
    }
}

/// Where most customers of Lime CRM are.
fn stockholm() -> String {
    "Europe/Stockholm".to_owned()
}

/// APSIS One's own limit.
fn requests_per_second() -> u32 {
    100
}

fn crm_keyspace() -> String {
    "com.apsis1.keyspaces.crm-id".to_owned()
}

/// How full syncs are done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SyncSettings {
    /// Contacts asked for in one page.
    pub page_size: u32,
    /// From how many writes on a run uses bulk imports.
    pub import_threshold: u32,
    /// At most this many contacts in one import file.
    pub import_rows: u32,
    /// Whether the profile of a contact that stops matching the conditions is deleted. Only an operator may say so.
    pub delete_unmatched: bool,
}

impl Default for SyncSettings {
    fn default() -> Self {
        Self { page_size: 200, import_threshold: 500, import_rows: 20_000, delete_unmatched: false }
    }
}

/// One customer's connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Integration {
    /// Its id.
    pub id: IntegrationId,
    /// What people call it.
    pub name: String,
    /// The connector: in a file to be applied, the path of the component, relative to that file; in
    /// the store, `sha256:<digest>`.
    pub connector: String,
    /// The connector's settings, by name. No secrets.
    #[serde(default)]
    pub settings: BTreeMap<String, serde_json::Value>,
    /// The connector's secrets, by the name under which it asks for them.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretRef>,
    /// What the connector may reach.
    #[serde(default)]
    pub grant: Grant,
    /// The APSIS One side.
    pub apsis: ApsisSettings,
    /// For mobile numbers without a country code: ISO 3166-1 alpha-2, `SE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_country: Option<String>,
    /// Sync conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionRow>,
    /// Field mappings; the e-mail address and the id are mapped by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldRow>,
    /// Consent mappings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<ConsentRow>,
    /// The time zone of its customer, for what happens at a local time.
    #[serde(default = "stockholm")]
    pub time_zone: String,
    /// How full syncs are done.
    #[serde(default)]
    pub sync: SyncSettings,
    /// How what the CRM sends is taken.
    #[serde(default)]
    pub real_time: RealTime,
    /// How much may be opted out, deleted or newly opted in without being asked.
    #[serde(default)]
    pub brake: Brake,
    /// How long it is known why.
    #[serde(default)]
    pub story: StorySettings,
    /// Limits of one connector call, where they differ from the program's (`host/limits.default.toml`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, u64>,
}

impl Integration {
    /// Whether another definition speaks with the same CRM and the same place in APSIS One, in the same way.
    pub fn has_same_sides(&self, other: &Self) -> bool {
        self.connector == other.connector
            && self.settings == other.settings
            && self.secrets == other.secrets
            && self.grant == other.grant
            && self.apsis == other.apsis
    }
}

/// Why an integration's file or secret cannot be used. No value is repeated in it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IntegrationError {
    /// The file cannot be read.
    #[error("the integration file {file} cannot be read ({problem}): check the path and the permissions")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        problem: String,
    },
    /// The file is not an integration.
    #[error("{place}: {problem}")]
    Malformed {
        /// File and line.
        place: String,
        /// What is wrong, with the keys that there are.
        problem: String,
    },
    /// A setting cannot be so.
    #[error("the integration's setting `{key}` {problem}")]
    Setting {
        /// The setting.
        key: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// One row names both channels.
    #[error(
        "consents, row {row}: a consent mapping is for one channel, e-mail or SMS; write two rows to map \
         the consent to both"
    )]
    BothChannels {
        /// The row, from 1.
        row: usize,
    },
    /// A secret cannot be had.
    #[error("{place}, which holds a secret of the integration, {problem}: put the secret there")]
    Secret {
        /// The variable or file.
        place: String,
        /// What is wrong.
        problem: String,
    },
}

impl ErrorCode for IntegrationError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "integration-unreadable",
            Self::Malformed { .. } => "integration-malformed",
            Self::Setting { .. } => "integration-setting",
            Self::BothChannels { .. } => "integration-both-channels",
            Self::Secret { .. } => "integration-secret",
        }
    }
}

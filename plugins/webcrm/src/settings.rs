//! The settings of the connector, and the names of its secret and of the setting that guards the door.

use jiff::tz::TimeZone;
use serde::Deserialize;
use sluice_sdk::{Error, settings};

/// The secret that holds the application token.
pub const APPLICATION_TOKEN: &str = "application-token";

/// The setting with the token that hooks carry.
const HOOK_TOKEN: &str = "hook-word";

/// A shorter token could be guessed.
const HOOK_TOKEN_LETTERS: usize = 32;

/// The settings of one integration; see [`SCHEMA`] for what each is.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is described in the schema, where users read it")]
pub struct Settings {
    pub url: String,
    pub fields: Vec<String>,
    pub unblocked_is_consent: bool,
    pub page_size: u32,
    pub time_zone: String,
}

impl Settings {
    /// The zone of times that come without an offset.
    ///
    /// # Errors
    /// `misconfigured` for a zone that does not exist.
    pub fn zone(&self) -> Result<TimeZone, Error> {
        TimeZone::get(&self.time_zone).map_err(|_| {
            Error::misconfigured(
                "The setting `time-zone` is no time zone. Give one such as Europe/Copenhagen, or leave it out.",
            )
        })
    }

    /// Whether a field is to be handed over, by the name that the field list gives it.
    pub fn wants(&self, field: &str) -> bool {
        self.fields.is_empty() || self.fields.iter().any(|wanted| wanted == field)
    }
}

/// The token that hooks carry, read by itself: it is needed at the door, before anything else is read.
#[derive(Clone, PartialEq, Eq)]
pub struct HookToken(String);

impl HookToken {
    /// As the setting says; none where it is not given.
    ///
    /// # Errors
    /// `misconfigured` where it could be guessed, or does not fit into an address.
    pub fn read() -> Result<Option<Self>, Error> {
        let Some(text) = settings::text(HOOK_TOKEN).filter(|text| !text.is_empty()) else { return Ok(None) };
        let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
        if text.len() < HOOK_TOKEN_LETTERS || !text.chars().all(fits) {
            return Err(Error::misconfigured(
                "The setting `hook-word` is not 32 or more letters, digits, hyphens and underscores. Give a random one.",
            ));
        }
        Ok(Some(Self(text)))
    }

    /// For the address of a hook.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text is this token, in a time that does not tell how much of it is right.
    pub fn is(&self, text: &str) -> bool {
        let pairs = self.0.bytes().zip(text.bytes());
        let differing = pairs.fold(0, |differing, (own, other)| differing | (own ^ other));
        self.0.len() == text.len() && differing == 0
    }
}

/// The JSON schema of the settings.
pub const SCHEMA: &str = include_str!("../settings.schema.json");

//! The vocabulary of secrets that are kept in the store: their names, and what is known of them. A value is never among
//! these words: it is sealed before it is stored, and opened (`keys`) for whoever needs it.

use std::fmt;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::ErrorCode;
use crate::integration::IntegrationId;

/// The longest name of a secret.
const LONGEST_NAME: usize = 100;
/// The longest value of a secret, bytes.
pub const LONGEST_VALUE: usize = 16 * 1024;

/// What a secret is called among those of its integration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct SecretName(pub String);

impl SecretName {
    /// Whether a secret can be called so: lower-case letters, digits, `-`, `.` and `_`, at most 100.
    pub fn is_good(&self) -> bool {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
        (1..=LONGEST_NAME).contains(&self.0.len()) && self.0.chars().all(plain)
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Which key a secret is sealed under: sixteen digits of the key's digest, which tell nothing of the key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct KeyId(pub String);

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Whose secret it is, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretPlace {
    /// Whose.
    pub integration: IntegrationId,
    /// Which.
    pub name: SecretName,
}

/// A value that only its key opens, and only in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Under which key.
    pub key: KeyId,
    /// The nonce, and what became of the value.
    pub bytes: Vec<u8>,
}

/// A secret that is kept, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SecretRecord {
    /// What it is called.
    pub name: SecretName,
    /// When it was set.
    #[schema(value_type = String, format = DateTime)]
    pub set_at: Timestamp,
    /// By whom.
    pub set_by: String,
    /// Under which key it is sealed.
    pub key: KeyId,
}

/// A secret to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSecret {
    /// What it is called.
    pub name: SecretName,
    /// By whom it is set.
    pub set_by: String,
    /// Its value.
    pub sealed: Sealed,
}

/// Why something cannot be kept as a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretSettingError {
    /// It cannot be called so. The name is not repeated: it may be the value, in the wrong place.
    #[error(
        "a secret's name is lower-case letters, digits, `-`, `.` and `_`, at most {LONGEST_NAME}; give such a name"
    )]
    Name,
    /// The value is none.
    #[error("the value of the secret {0} is empty; give one, or remove the secret")]
    Empty(SecretName),
    /// The value is too long.
    #[error("the value of the secret {0} is longer than {LONGEST_VALUE} bytes; give a shorter one")]
    TooLong(SecretName),
}

impl ErrorCode for SecretSettingError {
    fn code(&self) -> &'static str {
        "secret-setting"
    }
}

/// Whether a secret can be called so and have this value.
///
/// # Errors
/// What is wrong with it, without the value.
pub fn check_secret(name: &SecretName, value: &SecretString) -> Result<(), SecretSettingError> {
    match value.expose_secret().len() {
        _ if !name.is_good() => Err(SecretSettingError::Name),
        0 => Err(SecretSettingError::Empty(name.clone())),
        length if length > LONGEST_VALUE => Err(SecretSettingError::TooLong(name.clone())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_secret_is_refused_without_being_repeated() {
        let check = |name: &str, value: &str| {
            check_secret(&SecretName(name.to_owned()), &SecretString::from(value))
                .map_err(|error| error.to_string())
        };
        assert_eq!(check("webhook-secret.previous", "s"), Ok(()));
        for name in ["", "Hunter2!", "a/b", "a b", "å", &"a".repeat(101)] {
            let said = check(name, "s").unwrap_err();
            assert!(name.len() < 2 || !said.contains(name), "{said}");
        }
        assert!(check("a", "").unwrap_err().contains("empty"));
        assert!(check("a", &"s".repeat(LONGEST_VALUE)).is_ok());
        assert!(check("a", &"s".repeat(LONGEST_VALUE + 1)).is_err());
    }
}

//! Keys that seal the secrets in the store, and open them again: AES-256-GCM, with a nonce by chance.
//!
//! A sealed value opens under its own key only, and only as the secret of its own integration and name: these are bound
//! to it, so that what was copied to another row stays shut. Keys come from the environment or from a file, never from
//! the store, so that whoever has the store alone has no secret. No key and no value is in an error, and what held one is
//! wiped when it is let go.

use std::fmt;
use std::path::PathBuf;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::ErrorCode;
use crate::secret::{KeyId, Sealed, SecretPlace};

/// How long a key is, bytes.
const KEY_BYTES: usize = 32;
/// What is added to a value to tell whether it was changed, bytes.
const TAG_BYTES: usize = 16;
/// The variable that may hold keys.
const VARIABLE: &str = "SLUICE_KEY";

/// Why a secret cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The file with the keys cannot be read.
    #[error(
        "the keys that secrets are sealed under cannot be read from {place} ({problem}): check the path and the permissions"
    )]
    Unreadable {
        /// The file.
        place: String,
        /// Why.
        problem: String,
    },
    /// What is there are no keys.
    #[error(
        "{place}, which holds the keys that secrets are sealed under, {problem}; `sluice secrets key` makes a key"
    )]
    Malformed {
        /// The file or variable.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// There is nothing to seal with.
    #[error(
        "no secret can be stored, since this program was given no key to seal it under: have `sluice secrets key` make one, \
         keep it apart from the store, and give it in a file (--key-file, SLUICE_KEY_FILE) or in SLUICE_KEY"
    )]
    None,
    /// The key is another one.
    #[error(
        "the secret {name} of {integration} is sealed under the key {key}, and {given}: give the key that it was sealed \
         under too (--key-file, SLUICE_KEY_FILE or SLUICE_KEY), or set the secret anew (`sluice secrets set`)"
    )]
    Missing {
        /// Whose.
        integration: String,
        /// Which.
        name: String,
        /// The key.
        key: KeyId,
        /// Which keys there are.
        given: String,
    },
    /// It is not what was sealed there.
    #[error(
        "the secret {name} of {integration} does not open under its key {key}: it was changed in the store, or brought \
         there from elsewhere. Set it anew (`sluice secrets set`), and look who can write to the store"
    )]
    Damaged {
        /// Whose.
        integration: String,
        /// Which.
        name: String,
        /// The key.
        key: KeyId,
    },
    /// The library failed.
    #[error("the secret {name} of {integration} could not be sealed; nothing was stored. Please report this")]
    Unsealed {
        /// Whose.
        integration: String,
        /// Which.
        name: String,
    },
}

impl ErrorCode for KeyError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "secret-keys-unreadable",
            Self::Malformed { .. } => "secret-keys-malformed",
            Self::None => "secret-keys-none",
            Self::Missing { .. } => "secret-key-missing",
            Self::Damaged { .. } => "secret-damaged",
            Self::Unsealed { .. } => "secret-not-sealed",
        }
    }
}

/// Where the keys are.
#[derive(Debug, Clone, Default)]
pub enum KeySource {
    /// Nowhere: no secret can be stored, and none that is can be read.
    #[default]
    Nowhere,
    /// In the environment of this process.
    Variable(SecretString),
    /// In a file, which is read anew each time, so that a key that was added is taken up.
    File(PathBuf),
}

impl KeySource {
    /// The source that was given, if any was.
    ///
    /// # Errors
    /// Both were.
    pub fn given(variable: Option<SecretString>, file: Option<PathBuf>) -> Result<Self, KeyError> {
        match (variable, file) {
            (None, None) => Ok(Self::Nowhere),
            (Some(keys), None) => Ok(Self::Variable(keys)),
            (None, Some(file)) => Ok(Self::File(file)),
            (Some(_), Some(_)) => Err(KeyError::Malformed {
                place: format!("the variable {VARIABLE}"),
                problem: "is set, and a file with keys is given, too: give one of the two".to_owned(),
            }),
        }
    }

    /// The variable of this process, or the file that was given.
    ///
    /// # Errors
    /// Both are given, or the variable is no text.
    pub fn of_process(file: Option<PathBuf>) -> Result<Self, KeyError> {
        let variable = match std::env::var(VARIABLE) {
            Ok(keys) => Some(SecretString::from(keys)),
            Err(std::env::VarError::NotPresent) => None,
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(KeyError::Malformed {
                    place: format!("the variable {VARIABLE}"),
                    problem: "is no text".to_owned(),
                });
            }
        };
        Self::given(variable, file)
    }

    /// The keys that are there now.
    ///
    /// # Errors
    /// They cannot be read, or are none.
    pub fn keys(&self) -> Result<Keys, KeyError> {
        match self {
            Self::Nowhere => Ok(Keys(Vec::new())),
            Self::Variable(keys) => Keys::parse(keys.expose_secret(), &format!("the variable {VARIABLE}")),
            Self::File(file) => {
                let place = format!("the file {}", file.display());
                let text = std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| {
                    KeyError::Unreadable { place: place.clone(), problem: error.kind().to_string() }
                })?;
                Keys::parse(&text, &place)
            }
        }
    }
}

/// A new key, as it is written down.
pub fn fresh_key() -> (KeyId, SecretString) {
    let bytes = Zeroizing::new(rand::random::<[u8; KEY_BYTES]>());
    (id(&*bytes), SecretString::from(BASE64.encode(*bytes)))
}

fn id(key: &[u8]) -> KeyId {
    let digest = Sha256::new().chain_update(b"sluice key\n").chain_update(key).finalize();
    KeyId(hex::encode(digest.iter().take(8).copied().collect::<Vec<u8>>()))
}

struct Key {
    id: KeyId,
    key: RandomizedNonceKey,
}

/// Keys: the first one seals, all of them open.
pub struct Keys(Vec<Key>);

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

impl Keys {
    /// Keys in base64, separated by white space or commas; what follows a `#` in its line is passed over.
    fn parse(text: &str, place: &str) -> Result<Self, KeyError> {
        let malformed = |problem: String| KeyError::Malformed { place: place.to_owned(), problem };
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
        let words = lines.flat_map(|line| line.split([' ', '\t', ',', '\r'])).filter(|word| !word.is_empty());
        let mut keys = Vec::new();
        for (at, word) in words.enumerate() {
            let bytes = BASE64.decode(word).map(Zeroizing::new).ok().filter(|bytes| bytes.len() == KEY_BYTES);
            let key = bytes.as_ref().and_then(|bytes| RandomizedNonceKey::new(&AES_256_GCM, bytes).ok());
            let (Some(bytes), Some(key)) = (bytes, key) else {
                let words = format!("has as key {} what is not {KEY_BYTES} bytes in base64", at + 1);
                return Err(malformed(words));
            };
            keys.push(Key { id: id(&bytes), key });
        }
        match keys.is_empty() {
            true => Err(malformed("has no key in it".to_owned())),
            false => Ok(Self(keys)),
        }
    }

    /// The one that seals.
    ///
    /// # Errors
    /// There is none.
    pub fn current(&self) -> Result<&KeyId, KeyError> {
        self.0.first().map(|key| &key.id).ok_or(KeyError::None)
    }

    /// Seals a value for its place.
    ///
    /// # Errors
    /// There is no key.
    pub fn seal(&self, place: &SecretPlace, value: &SecretString) -> Result<Sealed, KeyError> {
        let Key { id, key } = self.0.first().ok_or(KeyError::None)?;
        let value = value.expose_secret().as_bytes();
        // With room for the tag, so that no copy of the value is left where it was before it grew.
        let mut sealed = Vec::with_capacity(value.len() + TAG_BYTES);
        sealed.extend_from_slice(value);
        let nonce = key.seal_in_place_append_tag(Aad::from(bound(place, id)), &mut sealed).map_err(|_| {
            KeyError::Unsealed { integration: place.integration.to_string(), name: place.name.to_string() }
        })?;
        let bytes = [nonce.as_ref().as_slice(), &sealed].concat();
        Ok(Sealed { key: id.clone(), bytes })
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// Its key is not among these; or it is something else than what was sealed for this place.
    pub fn open(&self, place: &SecretPlace, sealed: &Sealed) -> Result<SecretString, KeyError> {
        let missing = || KeyError::Missing {
            integration: place.integration.to_string(),
            name: place.name.to_string(),
            key: sealed.key.clone(),
            given: self.in_words(),
        };
        let damaged = || KeyError::Damaged {
            integration: place.integration.to_string(),
            name: place.name.to_string(),
            key: sealed.key.clone(),
        };
        let Key { id, key } = self.0.iter().find(|key| key.id == sealed.key).ok_or_else(missing)?;
        let (nonce, rest) = sealed.bytes.split_at_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let mut rest = Zeroizing::new(rest.to_vec());
        let value =
            key.open_in_place(nonce, Aad::from(bound(place, id)), &mut rest).map_err(|_| damaged())?;
        let value = std::str::from_utf8(value).map_err(|_| damaged())?;
        Ok(SecretString::from(value))
    }

    fn in_words(&self) -> String {
        match self.0.iter().map(|key| key.id.to_string()).collect::<Vec<_>>() {
            ids if ids.is_empty() => "this program was given no key".to_owned(),
            ids => format!("this program was given {}", ids.join(", ")),
        }
    }
}

/// What a sealed value is bound to. Each part has its length before it: no two places look the same.
fn bound(place: &SecretPlace, key: &KeyId) -> Vec<u8> {
    let mut bytes = b"sluice secret 1".to_vec();
    for part in [&place.integration.0, &place.name.0, &key.0] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integration::IntegrationId;
    use crate::secret::SecretName;

    fn place(integration: &str, name: &str) -> SecretPlace {
        SecretPlace { integration: IntegrationId(integration.into()), name: SecretName(name.into()) }
    }

    fn keys(texts: &[&SecretString]) -> Keys {
        let text = texts.iter().map(|key| key.expose_secret()).collect::<Vec<_>>().join("\n");
        Keys::parse(&text, "the file k").unwrap()
    }

    #[test]
    fn a_value_opens_in_its_place_under_its_key_and_nowhere_else() {
        let ((old_id, old), (_, new)) = (fresh_key(), fresh_key());
        let here = place("acme", "api-key");
        let value = SecretString::from("hunter2 å");
        let sealed = keys(&[&old]).seal(&here, &value).unwrap();
        assert_eq!(sealed.key, old_id);
        assert!(!sealed.bytes.windows(7).any(|window| window == b"hunter2"));
        assert_ne!(sealed, keys(&[&old]).seal(&here, &value).unwrap(), "a nonce is used once");
        // Older keys open, too.
        for given in [&[&old][..], &[&new, &old]] {
            assert_eq!(keys(given).open(&here, &sealed).unwrap().expose_secret(), "hunter2 å");
        }
        let missing = keys(&[&new]).open(&here, &sealed).unwrap_err();
        assert_eq!(missing.code(), "secret-key-missing");
        assert!(missing.to_string().contains("api-key of acme") && missing.to_string().contains(&old_id.0));
        for elsewhere in [place("other", "api-key"), place("acme", "api-key2"), place("acmeapi", "-key")] {
            assert_eq!(keys(&[&old]).open(&elsewhere, &sealed).unwrap_err().code(), "secret-damaged");
        }
        for at in 0..sealed.bytes.len() {
            let mut changed = sealed.clone();
            changed.bytes[at] ^= 1;
            assert_eq!(keys(&[&old]).open(&here, &changed).unwrap_err().code(), "secret-damaged");
            changed.bytes.truncate(at);
            assert_eq!(keys(&[&old]).open(&here, &changed).unwrap_err().code(), "secret-damaged");
        }
        let mut renamed = keys(&[&new]).seal(&here, &value).unwrap();
        renamed.key = old_id;
        assert_eq!(keys(&[&new, &old]).open(&here, &renamed).unwrap_err().code(), "secret-damaged");
    }

    #[test]
    fn keys_are_read_current_first_and_never_repeated() {
        let ((first_id, first), (_, second)) = (fresh_key(), fresh_key());
        let text =
            format!("# current\n{} # since May\r\n\n{}\n", first.expose_secret(), second.expose_secret());
        let read = Keys::parse(&text, "x").unwrap();
        assert_eq!((read.0.len(), read.current().unwrap()), (2, &first_id));
        let text = format!("{},{}", first.expose_secret(), second.expose_secret());
        assert_eq!(Keys::parse(&text, "x").unwrap().0.len(), 2);

        for bad in ["", "# none\n", "hunter2", "aHVudGVyMg==", &first.expose_secret()[1..]] {
            let error = Keys::parse(bad, "the file k").unwrap_err();
            assert_eq!(error.code(), "secret-keys-malformed");
            let said = error.to_string();
            assert!(said.contains("the file k") && (bad.len() < 7 || !said.contains(bad)), "{said}");
        }
        let none = Keys(Vec::new()).seal(&place("a", "b"), &SecretString::from("v"));
        assert_eq!(none.unwrap_err().code(), "secret-keys-none");
    }

    #[test]
    fn a_file_is_read_anew_each_time_and_only_one_source_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        let source = KeySource::given(None, Some(file.clone())).unwrap();
        assert_eq!(source.keys().err().map(|error| error.code()), Some("secret-keys-unreadable"));
        let ((first_id, first), (second_id, second)) = (fresh_key(), fresh_key());
        std::fs::write(&file, first.expose_secret()).unwrap();
        assert_eq!(source.keys().unwrap().current().unwrap(), &first_id);
        std::fs::write(&file, format!("{}\n{}", second.expose_secret(), first.expose_secret())).unwrap();
        assert_eq!(source.keys().unwrap().current().unwrap(), &second_id);
        assert!(KeySource::given(Some(first), Some(file)).is_err());
        assert!(KeySource::given(None, None).unwrap().keys().unwrap().0.is_empty());
    }
}

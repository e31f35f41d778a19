//! Signatures of components: whether one comes from somebody whom the operator trusts.
//!
//! They are minisign's, made by `minisign -S`, and lie beside the component as `FILE.minisig`. It promises that what
//! [`TrustedKeys::check`] lets through was signed, byte for byte, with the secret half of one of the keys. It does not say
//! that a component is the newest one of its author, or good: an older one stays signed. Where a component comes from,
//! and when it has to be checked, is for others. All is pure but what reads the signature beside a file:
//! [`Signature::beside`], [`TrustedKeys::check_file`].

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use minisign_verify::{Error, PublicKey};

use crate::error::ErrorCode;

/// What the name of a signature's file ends with, after the component's.
const SUFFIX: &str = ".minisig";

/// Far more than one needs: four short lines.
const LARGEST: usize = 4096;

/// Why a component is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The file cannot be read.
    #[error("the signature {file} cannot be read ({problem}); check its permissions")]
    File {
        /// Which.
        file: String,
        /// What the system said.
        problem: String,
    },
    /// It is none.
    #[error("the signature cannot be used: {0}. Sign the component again with `minisign -S`")]
    Malformed(&'static str),
    /// There is none, and the operator asks for one.
    #[error(
        "the component is not signed, and `trusted-keys` of [connectors] asks for it; get it with its signature, \
         FILE{SUFFIX}, beside it"
    )]
    Missing,
    /// It was made with a key that is not among those trusted.
    #[error(
        "the component is signed with a key that is not trusted; if you trust its author, add the key to `trusted-keys` \
         of [connectors]"
    )]
    Untrusted,
    /// It was made with a trusted key, for other bytes.
    #[error(
        "the signature is that of other bytes: the component was changed after it was signed, or the signature belongs \
         to another one. Do not use it; get both again from its author"
    )]
    Wrong,
}

impl ErrorCode for SignatureError {
    fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "signature-file",
            Self::Malformed(_) => "signature-malformed",
            Self::Missing => "signature-missing",
            Self::Untrusted => "signature-untrusted",
            Self::Wrong => "signature-wrong",
        }
    }
}

/// A signature that can be read. Whose it is, is not said by that.
#[derive(Clone)]
pub struct Signature {
    text: String,
    read: minisign_verify::Signature,
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Signature").field(&self.text).finish()
    }
}

impl PartialEq for Signature {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Signature {}

impl Signature {
    /// Reads the text of a signature's file.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        if text.len() > LARGEST {
            return Err(SignatureError::Malformed("it is too long"));
        }
        let read = minisign_verify::Signature::decode(text)
            .map_err(|_| SignatureError::Malformed("it is no signature of minisign"))?;
        Ok(Self { text: text.to_owned(), read })
    }

    /// The one that lies beside a component's file; none if there is none.
    ///
    /// # Errors
    /// It cannot be read, or is no signature.
    pub fn beside(component: &Path) -> Result<Option<Self>, SignatureError> {
        let file = Self::place_beside(component);
        match std::fs::read(&file) {
            Ok(bytes) => {
                let text =
                    String::from_utf8(bytes).map_err(|_| SignatureError::Malformed("it is no text"))?;
                Self::parse(&text).map(Some)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => {
                let file = file.display().to_string();
                Err(SignatureError::File { file, problem: error.to_string() })
            }
        }
    }

    /// Where the signature of a component's file lies.
    pub fn place_beside(component: &Path) -> PathBuf {
        let mut name = component.as_os_str().to_owned();
        name.push(SUFFIX);
        PathBuf::from(name)
    }

    /// As the file has it.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Somebody's public key, as the second line of `minisign.pub` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey(PublicKey);

impl FromStr for TrustedKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        PublicKey::from_base64(text.trim()).map(Self).map_err(|_| {
            "it has something that is no public key of minisign; give the line of minisign.pub that begins with RW"
        })
    }
}

/// Those whose components are taken. With none of them, nobody's signature is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedKeys(Vec<TrustedKey>);

impl FromIterator<TrustedKey> for TrustedKeys {
    fn from_iter<I: IntoIterator<Item = TrustedKey>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

impl TrustedKeys {
    /// Whether a component has to be signed.
    pub fn ask_for_signature(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether a component may be taken that was read from this file, with the signature that lies beside it.
    ///
    /// # Errors
    /// Why it may not; the signature cannot be read.
    pub fn check_file(&self, file: &Path, component: &[u8]) -> Result<(), SignatureError> {
        if !self.ask_for_signature() {
            return Ok(());
        }
        self.check(component, Signature::beside(file)?.as_ref())
    }

    /// Whether a component may be taken, with the signature that came with it.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(&self, component: &[u8], signature: Option<&Signature>) -> Result<(), SignatureError> {
        if !self.ask_for_signature() {
            return Ok(());
        }
        let signature = signature.ok_or(SignatureError::Missing)?;
        let mut refused = SignatureError::Untrusted;
        for TrustedKey(key) in &self.0 {
            match key.verify(component, &signature.read, false) {
                Ok(()) => return Ok(()),
                Err(Error::UnexpectedKeyId) => {}
                Err(Error::UnexpectedAlgorithm) => {
                    refused = SignatureError::Malformed("it is of the kind that minisign made before 0.10");
                }
                Err(_) => refused = SignatureError::Wrong,
            }
        }
        Err(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by `minisign -G -W` and `minisign -S`; nobody has the secret half any more.
    const KEY: &str = "RWTClGrWQjqK9wmtRO5XL312N4wJCRkEoWrL24hyF941azOPjqWwsBnL";
    const OTHER: &str = "RWT/zYbpQr8cQbwfeg29EKi8FK48dhuEToO/gyC/dSyvRVbSaLFlJ4uw";
    const SIGNED: &[u8] = b"a component\n";
    const SIGNATURE: &str = "untrusted comment: signature from minisign secret key\n\
RUTClGrWQjqK9wWmHChTjxs7VIrfF1RwRvElvM8BKvCy8MLjbwpYbiT34sVv9EK7MyKI6UEVLpGwcQMJDzJHzvLmHMrTL8H+mAw=\n\
trusted comment: timestamp:1795888095\tfile:a.txt\thashed\n\
X1NKsk0Bv0Y1G4PiojGGk7NC9BXLxVrKRaW/zrmFgVzykLGdnEZ+el7zupoAqW7d8Z6QMjjJYM1+8gFVw5vzBg==";

    fn keys(keys: &[&str]) -> TrustedKeys {
        keys.iter().map(|key| key.parse().unwrap()).collect()
    }

    #[test]
    fn a_component_is_taken_from_whoever_is_trusted_and_from_nobody_else() {
        let signature = Signature::parse(SIGNATURE).unwrap();
        assert_eq!(keys(&[KEY]).check(SIGNED, Some(&signature)), Ok(()));
        assert_eq!(keys(&[OTHER, KEY]).check(SIGNED, Some(&signature)), Ok(()));
        assert_eq!(keys(&[OTHER]).check(SIGNED, Some(&signature)), Err(SignatureError::Untrusted));
        assert_eq!(keys(&[KEY]).check(SIGNED, None), Err(SignatureError::Missing));
        assert_eq!(
            keys(&[KEY, OTHER]).check(b"another component\n", Some(&signature)),
            Err(SignatureError::Wrong)
        );
        assert_eq!(TrustedKeys::default().check(SIGNED, None), Ok(()));
    }

    #[test]
    fn a_changed_signature_is_not_that_of_its_component() {
        let retold = SIGNATURE.replace("file:a", "file:b");
        assert_ne!(retold, SIGNATURE);
        let signature = Signature::parse(&retold).unwrap();
        assert_eq!(keys(&[KEY]).check(SIGNED, Some(&signature)), Err(SignatureError::Wrong));
    }

    #[test]
    fn what_is_no_key_or_no_signature_is_refused() {
        for text in ["", "RW", "untrusted comment: minisign public key", SIGNATURE] {
            assert!(text.parse::<TrustedKey>().is_err(), "{text}");
        }
        for text in ["", "a\nb\nc\nd", KEY, &"x".repeat(LARGEST + 1)] {
            assert_eq!(Signature::parse(text).unwrap_err().code(), "signature-malformed", "{text}");
        }
    }

    #[test]
    fn a_signature_lies_beside_its_component() {
        let folder = tempfile::tempdir().unwrap();
        let component = folder.path().join("lime.wasm");
        assert_eq!(Signature::beside(&component), Ok(None));
        assert_eq!(keys(&[KEY]).check_file(&component, SIGNED), Err(SignatureError::Missing));
        std::fs::write(folder.path().join("lime.wasm.minisig"), SIGNATURE).unwrap();
        assert_eq!(Signature::beside(&component).unwrap().unwrap().text(), SIGNATURE);
        assert_eq!(keys(&[KEY]).check_file(&component, SIGNED), Ok(()));
        std::fs::write(folder.path().join("lime.wasm.minisig"), b"\xff").unwrap();
        assert_eq!(TrustedKeys::default().check_file(&component, SIGNED), Ok(()));
        assert_eq!(Signature::beside(&component).unwrap_err().code(), "signature-malformed");
    }
}

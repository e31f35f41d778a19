//! The names of components: each is known by its digest.
//!
//! An integration in the store names `sha256:<digest>`, so that a file that changes where it came from
//! changes nothing here, and what runs is what was applied. Where the components are kept is the store's
//! affair.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::component::Connector;
use crate::error::ErrorCode;
use crate::upgrade::Version;

/// Why a component cannot be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The file cannot be read.
    #[error(
        "the connector file {path} cannot be read: {error}; correct `connector` in the integration's file"
    )]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Not of the form `sha256:<64 hex digits>`.
    #[error(
        "`{0}` names no component; it is written sha256:<64 hex digits>, of which some of the first do, too"
    )]
    Name(String),
    /// Not in the store.
    #[error(
        "the component {0} is not in the store; add it (`sluice connector add`), or apply the integration again with its \
         connector file"
    )]
    Missing(String),
    /// Several begin so.
    #[error("{count} components in the store begin with {given}; give more of the digest's digits")]
    Ambiguous {
        /// As it was given.
        given: String,
        /// How many.
        count: usize,
    },
    /// What is kept is not what its name says.
    #[error("the component {0} is damaged in the store; apply the integration again with its connector file")]
    Damaged(String),
}

impl ErrorCode for CatalogueError {
    fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "catalogue-file",
            Self::Name(_) => "catalogue-name",
            Self::Missing(_) => "catalogue-missing",
            Self::Ambiguous { .. } => "catalogue-ambiguous",
            Self::Damaged(_) => "catalogue-damaged",
        }
    }
}

impl Connector {
    /// Which version of a connector it is.
    pub fn version(&self) -> Version {
        let description = self.description();
        Version {
            connector: format!("{PREFIX}{}", self.digest()),
            id: description.id.clone(),
            version: description.version.clone(),
        }
    }
}

/// Reads a component file; its name, `sha256:<digest>`, and its bytes.
///
/// # Errors
/// [`CatalogueError::File`].
pub fn read_component(path: &Path) -> Result<(String, Vec<u8>), CatalogueError> {
    let wasm = std::fs::read(path).map_err(|error| CatalogueError::File { path: path.to_owned(), error })?;
    Ok((component_name(&wasm), wasm))
}

/// The name of a component: `sha256:<digest>`.
pub fn component_name(wasm: &[u8]) -> String {
    format!("{PREFIX}{}", hex::encode(Sha256::digest(wasm)))
}

/// What the names of components begin with.
const PREFIX: &str = "sha256:";

/// The fewest digits of a digest that name a component.
const FEWEST: usize = 4;

/// Whether a text can name a component, whole or in part, with `sha256:` before it or without.
pub fn names_component(text: &str) -> bool {
    let digits = text.strip_prefix(PREFIX).unwrap_or(text);
    (FEWEST..=64).contains(&digits.len()) && digits.bytes().all(is_digit)
}

/// The one component among `names` whose digest begins as `given` says, with `sha256:` before it or without.
///
/// # Errors
/// None does, or several; or it names none.
pub fn find_component(given: &str, names: &[String]) -> Result<String, CatalogueError> {
    if !names_component(given) {
        return Err(CatalogueError::Name(given.to_owned()));
    }
    let digits = given.strip_prefix(PREFIX).unwrap_or(given);
    let is_it = |name: &&String| name.strip_prefix(PREFIX).is_some_and(|digest| digest.starts_with(digits));
    let mut found = names.iter().filter(is_it);
    match (found.next(), found.count()) {
        (Some(only), 0) => Ok(only.clone()),
        (Some(_), more) => Err(CatalogueError::Ambiguous { given: given.to_owned(), count: more + 1 }),
        (None, _) => Err(CatalogueError::Missing(given.to_owned())),
    }
}

fn is_digit(letter: u8) -> bool {
    matches!(letter, b'0'..=b'9' | b'a'..=b'f')
}

/// Checks what was kept under a name.
///
/// # Errors
/// All but [`CatalogueError::File`].
pub fn check_component(name: &str, kept: Option<Vec<u8>>) -> Result<Vec<u8>, CatalogueError> {
    let digest = name
        .strip_prefix(PREFIX)
        .filter(|digest| digest.len() == 64 && digest.bytes().all(is_digit))
        .ok_or_else(|| CatalogueError::Name(name.to_owned()))?;
    let wasm = kept.ok_or_else(|| CatalogueError::Missing(name.to_owned()))?;
    if hex::encode(Sha256::digest(&wasm)) != digest {
        return Err(CatalogueError::Damaged(name.to_owned()));
    }
    Ok(wasm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_known_by_its_digest_and_no_other_way() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lime.wasm");
        std::fs::write(&path, b"bytes").unwrap();
        let (name, wasm) = read_component(&path).unwrap();
        assert_eq!(check_component(&name, Some(wasm)).unwrap(), b"bytes");

        let digest = name.strip_prefix("sha256:").unwrap();
        for (name, kept, code) in [
            (name.as_str(), None, "catalogue-missing"),
            (name.as_str(), Some(b"others".to_vec()), "catalogue-damaged"),
            (digest, None, "catalogue-name"),
            ("sha256:../../etc/passwd", None, "catalogue-name"),
        ] {
            assert_eq!(check_component(name, kept).unwrap_err().code(), code, "{name}");
        }
        assert_eq!(read_component(&directory.path().join("none")).unwrap_err().code(), "catalogue-file");
    }

    #[test]
    fn some_digits_are_enough_where_only_one_begins_so() {
        let name = |start: &str| format!("sha256:{start}{}", "0".repeat(64 - start.len()));
        let names = [name("abcd1"), name("abcd2"), name("ef01")];
        for given in ["ef01", "sha256:ef01", &name("ef01")] {
            assert_eq!(find_component(given, &names).unwrap(), name("ef01"));
        }
        for (given, code) in [
            ("abcd", "catalogue-ambiguous"),
            ("abcd3", "catalogue-missing"),
            ("ef0", "catalogue-name"),
            ("lime.wasm", "catalogue-name"),
            ("ABCD1", "catalogue-name"),
        ] {
            assert_eq!(find_component(given, &names).unwrap_err().code(), code, "{given}");
        }
    }
}

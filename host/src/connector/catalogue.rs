//! The names of components: each is known by its digest.
//!
//! An integration in the store names `sha256:<digest>`, so that a file that changes where it came from
//! changes nothing here, and what runs is what was applied. Where the components are kept is the store's
//! affair.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::ErrorCode;

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
    #[error("`{0}` names no component; it is written sha256:<64 hex digits>")]
    Name(String),
    /// Not in the store.
    #[error("the component {0} is not in the store; apply the integration again with its connector file")]
    Missing(String),
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
            Self::Damaged(_) => "catalogue-damaged",
        }
    }
}

/// Reads a component file; its name, `sha256:<digest>`, and its bytes.
///
/// # Errors
/// [`CatalogueError::File`].
pub fn read_component(path: &Path) -> Result<(String, Vec<u8>), CatalogueError> {
    let wasm = std::fs::read(path).map_err(|error| CatalogueError::File { path: path.to_owned(), error })?;
    Ok((format!("sha256:{}", hex::encode(Sha256::digest(&wasm))), wasm))
}

/// Checks what was kept under a name.
///
/// # Errors
/// All but [`CatalogueError::File`].
pub fn check_component(name: &str, kept: Option<Vec<u8>>) -> Result<Vec<u8>, CatalogueError> {
    let digest = name
        .strip_prefix("sha256:")
        .filter(|digest| digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
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
}

//! The catalogue: the component files that integrations use, each kept under its digest.
//!
//! An integration in the store names `sha256:<digest>`, so that a file that changes where it came from
//! changes nothing here, and what runs is what was applied.

use std::io::Write as _;
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
    /// Not in the catalogue.
    #[error("the component {0} is not in the catalogue; apply the integration again with its connector file")]
    Missing(String),
    /// The file is not what its name says.
    #[error("the component {0} is damaged on disk; apply the integration again with its connector file")]
    Damaged(String),
    /// The directory cannot be used.
    #[error("the catalogue {path} cannot be used: {error}; check that it may be written and has room")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

impl ErrorCode for CatalogueError {
    fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "catalogue-file",
            Self::Name(_) => "catalogue-name",
            Self::Missing(_) => "catalogue-missing",
            Self::Damaged(_) => "catalogue-damaged",
            Self::Directory { .. } => "catalogue-directory",
        }
    }
}

/// A directory of components.
#[derive(Debug, Clone)]
pub struct Catalogue {
    directory: PathBuf,
}

impl Catalogue {
    /// Opens the directory, making it where it is not there.
    pub fn new(directory: &Path) -> Result<Self, CatalogueError> {
        std::fs::create_dir_all(directory)
            .map_err(|error| CatalogueError::Directory { path: directory.to_owned(), error })?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// Keeps a copy of a component file. Its name from now on: `sha256:<digest>`.
    pub fn put(&self, path: &Path) -> Result<String, CatalogueError> {
        let wasm =
            std::fs::read(path).map_err(|error| CatalogueError::File { path: path.to_owned(), error })?;
        let digest = hex::encode(Sha256::digest(&wasm));
        let kept = tempfile::NamedTempFile::new_in(&self.directory).and_then(|mut file| {
            file.write_all(&wasm)?;
            file.as_file().sync_all()?;
            file.persist(self.file(&digest)).map_err(|error| error.error)?;
            Ok(())
        });
        kept.map_err(|error| CatalogueError::Directory { path: self.directory.clone(), error })?;
        Ok(format!("sha256:{digest}"))
    }

    /// The bytes of a component by its name, `sha256:<digest>`.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, CatalogueError> {
        let digest = name
            .strip_prefix("sha256:")
            .filter(|digest| {
                digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            })
            .ok_or_else(|| CatalogueError::Name(name.to_owned()))?;
        let wasm = std::fs::read(self.file(digest)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => CatalogueError::Missing(name.to_owned()),
            _ => CatalogueError::Directory { path: self.directory.clone(), error },
        })?;
        if hex::encode(Sha256::digest(&wasm)) != digest {
            return Err(CatalogueError::Damaged(name.to_owned()));
        }
        Ok(wasm)
    }

    fn file(&self, digest: &str) -> PathBuf {
        self.directory.join(format!("{digest}.wasm"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_found_by_its_digest_and_no_other_way() {
        let directory = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::new(&directory.path().join("components")).unwrap();
        let path = directory.path().join("lime.wasm");
        std::fs::write(&path, b"bytes").unwrap();
        let name = catalogue.put(&path).unwrap();
        assert_eq!(catalogue.put(&path).unwrap(), name);
        std::fs::write(&path, b"others").unwrap();
        assert_eq!(catalogue.read(&name).unwrap(), b"bytes");

        let digest = name.strip_prefix("sha256:").unwrap();
        let missing = format!("sha256:{}", "0".repeat(64));
        for (name, code) in [
            (missing.as_str(), "catalogue-missing"),
            (digest, "catalogue-name"),
            ("sha256:../../etc/passwd", "catalogue-name"),
        ] {
            assert_eq!(catalogue.read(name).unwrap_err().code(), code, "{name}");
        }
        std::fs::write(catalogue.file(digest), b"damaged").unwrap();
        assert_eq!(catalogue.read(&name).unwrap_err().code(), "catalogue-damaged");
        assert_eq!(catalogue.put(&directory.path().join("none")).unwrap_err().code(), "catalogue-file");
    }
}

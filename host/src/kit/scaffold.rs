//! `sluice connector new`: a connector that builds, passes its tests and keeps the rules from the first moment, to be
//! changed until it speaks to the author's CRM.
//!
//! It is the connector `plugins/quill` of this project under another name, with what it is built on beside it, so that
//! nothing but Rust's registry is needed.

use std::path::{Path, PathBuf};

use crate::error::ErrorCode;

/// Why no connector was begun.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// It cannot be called that.
    #[error(
        "`{0}` is no name for a connector: small letters, digits and hyphens, beginning with a letter, such as `acme-crm`"
    )]
    Name(String),
    /// Something is there already.
    #[error("{0} is there already; give another name, or another folder with --in")]
    Exists(PathBuf),
    /// A file cannot be written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

impl ErrorCode for ScaffoldError {
    fn code(&self) -> &'static str {
        match self {
            Self::Name(_) => "scaffold-name",
            Self::Exists(_) => "scaffold-exists",
            Self::File { .. } => "scaffold-file",
        }
    }
}

macro_rules! files {
    ($($to:literal = $from:literal,)*) => { &[$(($to, include_str!(concat!("../../../", $from))),)*] };
}

/// What is the author's: where it goes, and what is in it.
const OWN: &[(&str, &str)] = files! {
    "Cargo.toml" = "host/src/kit/scaffold/Cargo.toml.txt",
    ".gitignore" = "host/src/kit/scaffold/gitignore.txt",
    "README.md" = "plugins/quill/README.md",
    "integration.toml" = "plugins/quill/integration.toml",
    "settings.schema.json" = "plugins/quill/settings.schema.json",
    "src/lib.rs" = "plugins/quill/src/lib.rs",
    "src/connector.rs" = "plugins/quill/src/connector.rs",
    "src/api.rs" = "plugins/quill/src/api.rs",
    "src/person.rs" = "plugins/quill/src/person.rs",
    "examples/fake-crm/main.rs" = "plugins/quill/examples/fake-crm/main.rs",
    "examples/fake-crm/crm.rs" = "plugins/quill/examples/fake-crm/crm.rs",
    "tests/reading.rs" = "plugins/quill/tests/reading.rs",
    "fixtures/settings.toml" = "plugins/quill/fixtures/settings.toml",
    "fixtures/changed/call.toml" = "plugins/quill/fixtures/changed/call.toml",
    "fixtures/changed/01.http" = "plugins/quill/fixtures/changed/01.http",
    "fixtures/changed/expected.json" = "plugins/quill/fixtures/changed/expected.json",
    "fixtures/check/call.toml" = "plugins/quill/fixtures/check/call.toml",
    "fixtures/check/01.http" = "plugins/quill/fixtures/check/01.http",
    "fixtures/check/expected.json" = "plugins/quill/fixtures/check/expected.json",
    "fixtures/fields/call.toml" = "plugins/quill/fixtures/fields/call.toml",
    "fixtures/fields/expected.json" = "plugins/quill/fixtures/fields/expected.json",
    "fixtures/consents/call.toml" = "plugins/quill/fixtures/consents/call.toml",
    "fixtures/consents/expected.json" = "plugins/quill/fixtures/consents/expected.json",
    "fixtures/scan/call.toml" = "plugins/quill/fixtures/scan/call.toml",
    "fixtures/scan/01.http" = "plugins/quill/fixtures/scan/01.http",
    "fixtures/scan/02.http" = "plugins/quill/fixtures/scan/02.http",
    "fixtures/scan/expected.json" = "plugins/quill/fixtures/scan/expected.json",
    "fixtures/some/call.toml" = "plugins/quill/fixtures/some/call.toml",
    "fixtures/some/01.http" = "plugins/quill/fixtures/some/01.http",
    "fixtures/some/02.http" = "plugins/quill/fixtures/some/02.http",
    "fixtures/some/03.http" = "plugins/quill/fixtures/some/03.http",
    "fixtures/some/04.http" = "plugins/quill/fixtures/some/04.http",
    "fixtures/some/expected.json" = "plugins/quill/fixtures/some/expected.json",
};

/// What it is built on: the contract and the SDK, as this host has them.
const BESIDE: &[(&str, &str)] = files! {
    "wit/crm-connector.wit" = "wit/crm-connector.wit",
    "vendor/sdk/Cargo.toml" = "plugins/sdk/Cargo.toml",
    "vendor/sdk/examples/reader.rs" = "plugins/sdk/examples/reader.rs",
    "vendor/sdk/src/bench.rs" = "plugins/sdk/src/bench.rs",
    "vendor/sdk/src/bindings.rs" = "plugins/sdk/src/bindings.rs",
    "vendor/sdk/src/connector.rs" = "plugins/sdk/src/connector.rs",
    "vendor/sdk/src/error.rs" = "plugins/sdk/src/error.rs",
    "vendor/sdk/src/export.rs" = "plugins/sdk/src/export.rs",
    "vendor/sdk/src/host.rs" = "plugins/sdk/src/host.rs",
    "vendor/sdk/src/lib.rs" = "plugins/sdk/src/lib.rs",
    "vendor/sdk/src/number.rs" = "plugins/sdk/src/number.rs",
    "vendor/sdk/src/paging.rs" = "plugins/sdk/src/paging.rs",
    "vendor/sdk/src/request.rs" = "plugins/sdk/src/request.rs",
    "vendor/sdk/src/retry_after.rs" = "plugins/sdk/src/retry_after.rs",
    "vendor/sdk/src/settings.rs" = "plugins/sdk/src/settings.rs",
    "vendor/sdk/src/time.rs" = "plugins/sdk/src/time.rs",
    "vendor/sdk/reader/Cargo.toml" = "plugins/sdk/reader/Cargo.toml",
    "vendor/sdk/reader/src/bindings.rs" = "plugins/sdk/reader/src/bindings.rs",
    "vendor/sdk/reader/src/lib.rs" = "plugins/sdk/reader/src/lib.rs",
    "vendor/sdk/sender/Cargo.toml" = "plugins/sdk/sender/Cargo.toml",
    "vendor/sdk/sender/src/bindings.rs" = "plugins/sdk/sender/src/bindings.rs",
    "vendor/sdk/sender/src/lib.rs" = "plugins/sdk/sender/src/lib.rs",
};

/// A name for a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorName(String);

impl ConnectorName {
    /// Takes `acme-crm`.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(name: &str) -> Result<Self, ScaffoldError> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(is_plain)
            && !name.ends_with('-')
            && !name.contains("--")
            && name.len() <= 40
            && !RESERVED.contains(&name);
        if is_name { Ok(Self(name.to_owned())) } else { Err(ScaffoldError::Name(name.to_owned())) }
    }

    /// `AcmeCrm`.
    fn of_type(&self) -> String {
        let capital = |word: &str| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
        };
        self.0.split('-').filter_map(capital).collect()
    }

    /// `acme_crm`.
    fn of_code(&self) -> String {
        self.0.replace('-', "_")
    }
}

/// Names that mean something else to Rust or to what is built here.
const RESERVED: &[&str] = &[
    "test",
    "sluice-sdk",
    "sluice-sdk-reader",
    "core",
    "std",
    "alloc",
    "self",
    "super",
    "crate",
    "fn",
    "mod",
    "use",
    "type",
];

/// Begins a connector in a folder of its own below `folder`; that folder. `title` is what people call the CRM.
///
/// # Errors
/// The folder is there, or cannot be written.
pub fn begin(folder: &Path, name: &ConnectorName, title: &str) -> Result<PathBuf, ScaffoldError> {
    let root = folder.join(&name.0);
    if root.exists() {
        return Err(ScaffoldError::Exists(root));
    }
    for (to, text) in OWN {
        write(&root.join(to), &renamed(to, text, name, title))?;
    }
    for (to, text) in BESIDE {
        write(&root.join(to), text)?;
    }
    Ok(root)
}

fn write(path: &Path, text: &str) -> Result<(), ScaffoldError> {
    let failed = |error| ScaffoldError::File { path: path.to_owned(), error };
    path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
    std::fs::write(path, text).map_err(failed)
}

/// The text with the author's names in place of Quill's.
fn renamed(to: &str, text: &str, name: &ConnectorName, title: &str) -> String {
    // The title may hold anything that people call a CRM; in code and data it is within quotes.
    let title = title.replace(['"', '\\', '\n'], "'");
    let text = text.replace("Quill CRM", "\u{0}").replace("Quill", &name.of_type());
    // A component's file is called as its code is.
    let text = text.replace("release/quill.wasm", &format!("release/{}.wasm", name.of_code()));
    // In code, a crate's name has no hyphens; between quotes it is the id.
    let text = if to.ends_with(".rs") {
        text.replace("\"quill\"", &format!("\"{}\"", name.0))
            .replace("quill::", &format!("{}::", name.of_code()))
    } else {
        text
    };
    text.replace("quill", &name.0).replace('\u{0}', &title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names() {
        for good in ["acme", "acme-crm", "a1"] {
            assert!(ConnectorName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "Acme", "1a", "a--b", "a-", "-a", "../a", "a_b", "test", "ä", &"a".repeat(41)] {
            assert!(ConnectorName::parse(bad).is_err(), "{bad}");
        }
        let name = ConnectorName::parse("acme-crm").unwrap();
        assert_eq!((name.of_type().as_str(), name.of_code().as_str()), ("AcmeCrm", "acme_crm"));
    }

    #[test]
    fn everything_that_is_built_on_comes_along() {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (folder, to) in [
            ("plugins/sdk/src", "vendor/sdk/src"),
            ("plugins/sdk/reader/src", "vendor/sdk/reader/src"),
            ("plugins/sdk/sender/src", "vendor/sdk/sender/src"),
            ("plugins/quill/src", "src"),
        ] {
            for entry in std::fs::read_dir(project.join(folder)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let wanted = format!("{to}/{name}");
                assert!(OWN.iter().chain(BESIDE).any(|(file, _)| *file == wanted), "{wanted}");
            }
        }
        let mut cases = Vec::new();
        for case in std::fs::read_dir(project.join("plugins/quill/fixtures")).unwrap() {
            let case = case.unwrap().path();
            if case.is_dir() {
                cases.extend(std::fs::read_dir(case).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
        for path in cases {
            let wanted =
                path.strip_prefix(project.join("plugins/quill")).unwrap().to_str().unwrap().to_owned();
            assert!(OWN.iter().any(|(file, _)| *file == wanted), "{wanted}");
        }
    }

    #[test]
    fn nothing_of_the_first_name_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let name = ConnectorName::parse("acme-crm").unwrap();
        let root = begin(folder.path(), &name, "Acme \"CRM\"").unwrap();
        for (file, _) in OWN {
            let text = std::fs::read_to_string(root.join(file)).unwrap();
            assert!(!text.to_lowercase().contains("quill"), "{file}");
        }
        let library = std::fs::read_to_string(root.join("src/connector.rs")).unwrap();
        assert!(
            library.contains("name: \"Acme 'CRM'\"") && library.contains("id: \"acme-crm\""),
            "{library}"
        );
        assert!(matches!(begin(folder.path(), &name, "Acme"), Err(ScaffoldError::Exists(_))));
    }
}

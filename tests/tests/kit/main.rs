//! What authors of connectors are given: a connector is begun, tested by itself, recorded and checked, by the program as
//! they would run it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod checking;
mod page;
mod recordings;

use std::path::{Path, PathBuf};

use serde_json::Value;
use sluice_tests::processes::{Said, say};
use sluice_tests::rig::program;
use tempfile::TempDir;

/// Where an author works.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs `sluice connector …`.
    async fn connector(&self, arguments: &[&str]) -> Said {
        let mut all = vec!["connector"];
        all.extend_from_slice(arguments);
        // One folder for all, so that each component is compiled once and not once a test.
        say(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("kit"), &all).await
    }

    /// The same with `--json`; what it said last but for the error.
    async fn told(&self, arguments: &[&str]) -> (i32, Value) {
        let mut all = vec!["--json"];
        all.extend_from_slice(arguments);
        let said = self.connector(&all).await;
        let first = said.out.lines().next().unwrap_or_default();
        (said.code, serde_json::from_str(first).unwrap_or_else(|_| panic!("{} {}", said.out, said.err)))
    }
}

/// The command that starts the fake CRM of the connector that authors begin with.
fn quill_crm() -> String {
    program("fake-crm").display().to_string()
}

/// Every file below a folder, as text.
fn all_text(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&all_text(&path));
        } else {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
    text
}

//! Where an author signs and sends, and an operator fetches.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use sluice_tests::rig::sluice;
use tempfile::TempDir;
use tokio::process::Command;

/// A connector's component.
pub const COMPONENT: &str = env!("QUILL_WASM");

pub fn component() -> Vec<u8> {
    std::fs::read(COMPONENT).unwrap()
}

/// A folder, and what the program is given beside its arguments.
pub struct Desk {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// How the program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    /// Its one answer.
    pub answer: Value,
    pub log: String,
}

impl Ended {
    /// That it did what was asked; its answer.
    pub fn done(self) -> Value {
        assert_eq!(self.code, 0, "{} {}", self.answer, self.log);
        self.answer
    }

    /// That it failed; the code of its error.
    pub fn refused(self) -> String {
        assert_eq!(self.code, 1, "{} {}", self.answer, self.log);
        self.answer["error"]["code"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

impl Desk {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as an argument.
    pub fn at(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), bytes).unwrap();
        self.at(name)
    }

    /// What is in a file; none if it is not there.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.path(name)).ok()
    }

    /// From now on the program has this variable.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// From now on the operator trusts these keys.
    pub fn trust(&mut self, keys: &[&Key]) {
        let quoted: Vec<String> = keys.iter().map(|key| format!("{:?}", key.public)).collect();
        let text = format!("[connectors]\ntrusted-keys = [{}]\n", quoted.join(", "));
        let file = self.write("sluice.toml", text);
        self.set("SLUICE_CONFIG", &file);
    }

    /// Runs `sluice --json connector …`.
    pub async fn connector(&self, arguments: &[&str]) -> Ended {
        let output =
            self.command(sluice()).args(["--json", "connector"]).args(arguments).output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            answer: serde_json::from_str(&text).unwrap_or_default(),
            log: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A program that finds nothing of this machine's own registries, and reaches them directly.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        for name in ["SLUICE_REGISTRY_USER", "SLUICE_REGISTRY_PASSWORD", "SLUICE_CONFIG"] {
            command.env_remove(name);
        }
        command
            .current_dir(self.folder.path())
            .env("DOCKER_CONFIG", self.folder.path())
            .env("NO_PROXY", "127.0.0.1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Makes a key, as an author does.
    pub async fn key(&self, name: &str) -> Key {
        let (public, secret) = (self.path(&format!("{name}.pub")), self.path(&format!("{name}.key")));
        self.minisign(&[
            "-G",
            "-W",
            "-p",
            &public.display().to_string(),
            "-s",
            &secret.display().to_string(),
        ])
        .await;
        let text = std::fs::read_to_string(public).unwrap();
        Key { public: text.lines().nth(1).unwrap().to_owned(), secret }
    }

    /// Signs a file, as an author does: FILE.minisig is beside it then.
    pub async fn sign(&self, key: &Key, name: &str) {
        self.minisign(&["-S", "-s", &key.secret.display().to_string(), "-m", &self.at(name)]).await;
    }

    async fn minisign(&self, arguments: &[&str]) {
        let output = self.command("minisign").args(arguments).output().await;
        let output =
            output.unwrap_or_else(|error| panic!("{error}: these tests need minisign (a package of Debian)"));
        assert!(output.status.success(), "{output:?}");
    }
}

/// An author's key.
pub struct Key {
    pub public: String,
    secret: PathBuf,
}

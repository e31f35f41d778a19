//! A customer's installation in a temporary directory: the program as a process of its own, a sandbox
//! as both remotes, and an integration between them.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_sandbox::{Addresses, People, Sandbox, SandboxConfig};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// A program of this package, built with its tests: cargo puts it beside the folder of the tests' own.
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a program knows where it lies");
    let folder = own.parent().and_then(Path::parent).expect("tests lie in a folder of cargo's");
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// The program under test.
pub fn sluice() -> PathBuf {
    program("sluice-under-test")
}

/// The integration that the demo uses.
const INTEGRATION: &str = include_str!("../../host/demo/acme-lime.toml");

/// Its id.
pub const ACME: &str = "acme-lime";

/// An installation whose remotes are a sandbox in this process.
pub struct Rig {
    pub sandbox: Sandbox,
    installation: Installation,
}

/// An installation, wherever its remotes are.
pub struct Installation {
    addresses: Addresses,
    directory: TempDir,
    /// A shared store in place of the embedded one.
    store: Option<String>,
}

/// What the simulated Lime CRM signs its messages with.
pub const WEBHOOK_SECRET: &str = "0123456789abcdef0123456789abcdef";

impl Deref for Rig {
    type Target = Installation;

    fn deref(&self) -> &Installation {
        &self.installation
    }
}

/// How a command ended, and what it said.
pub struct Ended {
    pub status: ExitStatus,
    /// The JSON lines of standard output.
    pub lines: Vec<Value>,
    /// Standard error: the log, and words for people.
    pub log: String,
}

impl Ended {
    /// The exit code.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// The last line: a command's answer.
    pub fn last(&self) -> &Value {
        self.lines.last().unwrap_or_else(|| panic!("no answer; the log says:\n{}", self.log))
    }
}

impl Rig {
    /// An installation with its integration applied.
    pub async fn start(config: SandboxConfig) -> Self {
        Self::start_with(config, |text| text).await
    }

    /// The same, with the integration's file changed before it is applied.
    pub async fn start_with(config: SandboxConfig, change: impl FnOnce(String) -> String) -> Self {
        Self::start_on(None, config, change).await
    }

    /// The same, on a shared store.
    pub async fn start_on(
        store: Option<String>,
        config: SandboxConfig,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let sandbox = Sandbox::start(config).await.expect("the sandbox starts");
        let installation = Installation::on(store, sandbox.addresses().clone(), change).await;
        Self { sandbox, installation }
    }

    /// How often requests to the routes that begin so were answered well.
    pub fn answered(&self, route: &str) -> u64 {
        let counts = self.sandbox.counts();
        let routes = counts.iter().filter(|(name, _)| name.starts_with(route));
        routes
            .flat_map(|(_, statuses)| statuses)
            .filter(|(status, _)| (200..300).contains(*status))
            .map(|(_, n)| n)
            .sum()
    }

    /// How many requests the routes that begin so had.
    pub fn asked(&self, route: &str) -> u64 {
        let counts = self.sandbox.counts();
        counts
            .iter()
            .filter(|(name, _)| name.starts_with(route))
            .flat_map(|(_, statuses)| statuses.values())
            .sum()
    }
}

impl Installation {
    /// An installation between these remotes, with its integration applied after `change`.
    pub async fn new(addresses: Addresses, change: impl FnOnce(String) -> String) -> Self {
        Self::on(None, addresses, change).await
    }

    /// The same, on a shared store.
    pub async fn on(
        store: Option<String>,
        addresses: Addresses,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let installation = Self { addresses, directory, store };
        let addresses = &installation.addresses;
        let origin = addresses.lime_url.rsplit_once('/').expect("the URL has a path").0.to_owned();
        let text = INTEGRATION
            .replace("{lime_url}", &addresses.lime_url)
            .replace("{lime_origin}", &origin)
            .replace("{apsis_url}", &addresses.apsis_url)
            .replace("lime.wasm", env!("LIME_WASM"));
        let file = installation.path("acme.toml");
        let text = change(text).replace("{webcrm_url}", &addresses.webcrm_url);
        std::fs::write(&file, text).expect("the integration's file can be written");
        let applied = installation.run(&["integration", "apply", &file.display().to_string()]).await;
        assert_eq!(applied.code(), 0, "{:?} {}", applied.lines, applied.log);
        installation
    }

    /// A path in the installation's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The shared store's address, if it has one.
    pub fn store(&self) -> Option<&str> {
        self.store.as_deref()
    }

    /// The program's data directory.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Keys to the secrets in the store, which programs are given that are started once this file is there.
    pub fn keys(&self) -> PathBuf {
        self.path("keys")
    }

    /// Gives these keys to the programs, the current one first.
    pub fn give_keys(&self, keys: &[&str]) {
        std::fs::write(self.keys(), keys.join("\n")).expect("a file can be written");
    }

    /// Makes a key: its id, and the key.
    pub async fn new_key(&self) -> (String, String) {
        let made = self.run(&["secrets", "key"]).await;
        let part = |name: &str| made.last()[name].as_str().expect("a text").to_owned();
        (part("id"), part("key"))
    }

    /// Keeps a secret in the store.
    pub async fn set_secret(&self, integration: &str, name: &str, value: &str) -> Ended {
        let mut command = self.command(&["secrets", "set", integration, name]);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("the program can be started");
        let mut input = child.stdin.take().expect("it is piped");
        // A program that has ended already takes nothing.
        let _ = input.write_all(format!("{value}\n").as_bytes()).await;
        drop(input);
        ended(child).await
    }

    /// The program with these arguments, all output piped, dying with the test.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_on(&self.data(), arguments)
    }

    /// The same with another data directory, as another host has.
    pub fn command_on(&self, data: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(sluice());
        if let Some(store) = &self.store {
            command.env("SLUICE_STORE", store);
        }
        if self.keys().is_file() {
            command.env("SLUICE_KEY_FILE", self.keys());
        }
        command
            .args(["--json", "--data"])
            .arg(data)
            .args(arguments)
            .env("SLUICE_DEMO_WEBHOOK_SECRET", WEBHOOK_SECRET)
            .env("SLUICE_DEMO_LIME_KEY", &self.addresses.lime_key)
            .env("SLUICE_DEMO_WEBCRM_TOKEN", &self.addresses.webcrm_token)
            .env("SLUICE_DEMO_APSIS_SECRET", &self.addresses.apsis_client_secret)
            .env("SLUICE_LOG", "info")
            .env("SLUICE_LISTEN", "127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Starts the program and lets it run.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().expect("the program can be started")
    }

    /// Runs the program to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.spawn(arguments)).await
    }

    /// A full sync, from start to end; its answer is the run.
    pub async fn sync(&self) -> Ended {
        self.run(&["sync", "start", ACME]).await
    }
}

/// Waits until something is so; it is polled where nothing tells.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let (start, mut pace) = (Instant::now(), tokio::time::interval(Duration::from_millis(3)));
    while !holds() {
        assert!(start.elapsed() < Duration::from_mins(5), "waited too long until {what}");
        pace.tick().await;
    }
}

/// Waits until a look finds what is wanted; what it found. For what only a command can tell.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let (start, mut pace) = (Instant::now(), tokio::time::interval(Duration::from_millis(20)));
    loop {
        pace.tick().await;
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < Duration::from_mins(2), "waited too long until {what}");
    }
}

/// A sandbox with so many made-up people.
pub fn made_up(persons: u64) -> SandboxConfig {
    SandboxConfig { people: People::Generated { persons, seed: 7 }, ..SandboxConfig::default() }
}

/// Waits for a started program.
pub async fn ended(child: Child) -> Ended {
    let output = child.wait_with_output().await.expect("the program can be waited for");
    let text = String::from_utf8(output.stdout).expect("answers are UTF-8");
    let lines =
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    Ended {
        status: output.status,
        lines: lines.collect(),
        log: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A counter of a run's answer.
pub fn counter(run: &Value, name: &str) -> u64 {
    run["counters"][name].as_u64().unwrap_or_else(|| panic!("no counter {name} in {run}"))
}

/// read = created + updated + unchanged + excluded + rejected.
pub fn assert_adds_up(run: &Value) {
    let outcomes = ["created", "updated", "unchanged", "excluded", "rejected"];
    let sum: u64 = outcomes.iter().map(|name| counter(run, name)).sum();
    assert_eq!(counter(run, "read"), sum, "{run}");
}

/// Whether the tests run at full size (`cargo xtask soak`) or small.
pub fn at_full_size() -> bool {
    std::env::var("SLUICE_TEST_SIZE").is_ok_and(|size| size == "full")
}

/// Whether a file's text is anywhere in a directory's files; for secrets.
pub fn found_below(directory: &Path, text: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return found_below(&path, text);
        }
        std::fs::read(&path)
            .is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    })
}

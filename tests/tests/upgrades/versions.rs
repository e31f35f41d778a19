//! Versions of one connector, made of one component: its words are written over, or its end is another one.

use std::path::PathBuf;

use serde_json::Value;
use sluice_sandbox::{ApsisSwitches, SandboxConfig};
use sluice_tests::rig::{Ended, Rig, made_up};

/// How long the words in the component are.
const WORDS: usize = 96;
const MARK: &str = "versioned:";

/// The id of an integration that uses it.
pub const ONE: &str = "versioned";

/// The people that its CRM has.
pub const PEOPLE: u32 = 40;

const FILE: &str = r#"
id = "{id}"
name = "Versioned"
connector = "{component}"

[settings]
people = 40

[apsis]
url = "{apsis_url}"
client-id = "b2f0c1de-0000-4000-8000-000000000001"
client-secret = { env = "SLUICE_DEMO_APSIS_SECRET" }
section = "Nordics"
private-network = true

[[conditions]]
field = "kind"
not-equals = "vendor"

[[fields]]
field = "city"
attribute = "City"
kind = "text"
"#;

/// The consent mapping that ends an integration's file.
pub const CONSENTS: &str = r#"
[[consents]]
consent = "news"
topic = "usercreated.topics.newsletter-rg4kf3kt24"
channel = "email"
"#;

/// A component whose words are these: its version, and what it does otherwise.
pub fn component(words: &str) -> Vec<u8> {
    let mut component = std::fs::read(env!("VERSIONED_WASM")).unwrap();
    let at = component.windows(MARK.len()).position(|window| window == MARK.as_bytes()).unwrap();
    let text = format!("{MARK}{words}");
    assert!(text.len() <= WORDS, "{words} are too many words");
    component[at..at + WORDS].copy_from_slice(format!("{text:<WORDS$}").as_bytes());
    component
}

/// The same with another digest: a custom section at its end says nothing to anybody.
pub fn with_another_end(component: &[u8], text: &str) -> Vec<u8> {
    let name = b"end";
    let length = u8::try_from(1 + name.len() + text.len()).unwrap();
    assert!(length < 0x80, "its length is one byte");
    let section = [&[0, length, 3][..], name, text.as_bytes()].concat();
    [component, &section].concat()
}

/// A component in a file; its path.
pub fn file(rig: &Rig, name: &str, component: &[u8]) -> String {
    let path: PathBuf = rig.path(&format!("{name}.wasm"));
    std::fs::write(&path, component).unwrap();
    path.display().to_string()
}

/// A version in a file; its path.
pub fn version(rig: &Rig, words: &str) -> String {
    file(rig, &words.replace(' ', "-"), &component(words))
}

/// Applies an integration of this component; `more` ends its file.
pub async fn apply(rig: &Rig, id: &str, component: &str, more: &str) {
    let text = FILE
        .replace("{id}", id)
        .replace("{component}", component)
        .replace("{apsis_url}", &rig.sandbox.addresses().apsis_url);
    let path = rig.path(&format!("{id}.toml"));
    std::fs::write(&path, text + more).unwrap();
    well(rig, &["integration", "apply", &path.display().to_string()]).await;
}

/// A sandbox with a few people of its own. Each comparison asks APSIS One for a token, and many are made here.
pub fn remotes() -> SandboxConfig {
    let apsis = ApsisSwitches { tokens_per_minute: 1_000, ..ApsisSwitches::default() };
    SandboxConfig { apsis, ..made_up(10) }
}

/// An installation with an integration of version 1.0.0, and all people synced.
pub async fn synced(store: Option<String>) -> Rig {
    let rig = Rig::start_on(store, remotes(), |text| text).await;
    apply(&rig, ONE, &version(&rig, "1.0.0"), CONSENTS).await;
    let run = well(&rig, &["sync", "start", ONE]).await;
    assert_eq!(run.last()["counters"]["created"], 32, "every fifth is a vendor: {}", run.last());
    rig
}

/// Runs a command that succeeds.
pub async fn well(rig: &Rig, arguments: &[&str]) -> Ended {
    let ended = rig.run(arguments).await;
    assert_eq!(ended.code(), 0, "{arguments:?}: {:?} {}", ended.lines, ended.log);
    ended
}

/// The component that an integration uses.
pub async fn used_by(rig: &Rig, id: &str) -> String {
    let shown = well(rig, &["integration", "show", id]).await;
    shown.last()["integration"]["connector"].as_str().unwrap().to_owned()
}

/// Adds a component; its name.
pub async fn add(rig: &Rig, file: &str) -> String {
    let added = well(rig, &["connector", "add", file]).await;
    added.last()["added"].as_str().unwrap().to_owned()
}

/// The codes of what a full sync is needed for.
pub async fn needs(rig: &Rig, id: &str) -> Vec<String> {
    let shown = well(rig, &["integration", "show", id]).await;
    let needs = shown.last()["full-sync-needed"].as_array().unwrap().clone();
    needs.iter().map(|need| need["code"].as_str().unwrap().to_owned()).collect()
}

/// The error of a command that failed.
pub fn error(ended: &Ended) -> (i32, &str, &str) {
    let error: &Value = &ended.last()["error"];
    let text = |name: &str| error[name].as_str().unwrap_or_else(|| panic!("no error: {:?}", ended.lines));
    (ended.code(), text("code"), text("message"))
}

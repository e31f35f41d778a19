//! The host and a connector that misbehaves: each kind of it ends in its own clear error, within its
//! limit, and the next call works. Real components, real servers, real disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod answers;
mod boundary;
mod by_hand;
mod crm;
mod hostile_crm;
mod limits;
mod load;
#[cfg(target_os = "linux")]
mod neighbours;
mod opening;
mod requests;
mod table;
mod versions;
mod words;

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::SecretString;
use serde_json::json;
use sluice::connector::{CallError, Connection, ConnectionSettings, Connector, Engine, Limits};
use sluice::contact::{Contact, Page, Value};
use sluice::error::ErrorCode;
use sluice::integration::{Grant, IntegrationId};

const SECRET: &str = "s3cr3t-api-key-0001";

/// An engine with the faulty connector loaded.
struct Stage {
    engine: Engine,
    connector: Connector,
}

impl Stage {
    async fn new() -> Self {
        // One directory for all, so that each component is compiled once and not once a test.
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
        let engine = Engine::new(&cache).unwrap();
        let connector = engine.load(&faulty()).await.unwrap();
        Self { engine, connector }
    }

    /// A connection whose connector has this fault, to a server that need not be there.
    fn with_fault(&self, fault: &str) -> Connection {
        self.open(Wish::new(fault))
    }

    fn open(&self, wish: Wish) -> Connection {
        Connection::open(&self.connector, wish.settings()).unwrap()
    }
}

/// What a test wants of a connection, where it is not the usual.
struct Wish {
    fault: String,
    url: String,
    target: Option<String>,
    times: Option<u32>,
    private_network: bool,
    limits: BTreeMap<String, u64>,
}

impl Wish {
    fn new(fault: &str) -> Self {
        Self {
            fault: fault.to_owned(),
            url: "https://crm.example".to_owned(),
            target: None,
            times: None,
            private_network: false,
            limits: BTreeMap::new(),
        }
    }

    /// To a server on this machine, which the operator allows.
    fn at(mut self, url: &str) -> Self {
        url.clone_into(&mut self.url);
        self.private_network = true;
        self
    }

    fn target(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    fn limit(mut self, name: &str, value: u64) -> Self {
        self.limits.insert(name.to_owned(), value);
        self
    }

    fn settings(self) -> ConnectionSettings {
        let mut settings =
            BTreeMap::from([("url".to_owned(), json!(self.url)), ("fault".to_owned(), json!(self.fault))]);
        settings.extend(self.target.map(|target| ("target".to_owned(), json!(target))));
        settings.extend(self.times.map(|times| ("times".to_owned(), json!(times))));
        ConnectionSettings {
            integration: IntegrationId("acme".to_owned()),
            settings,
            secrets: BTreeMap::from([("api-key".to_owned(), SecretString::from(SECRET))]),
            grant: Grant { origins: vec![self.url], private_network: self.private_network },
            limits: Limits::from(&self.limits).unwrap(),
        }
    }
}

fn faulty() -> Vec<u8> {
    std::fs::read(env!("FAULTY_WASM")).unwrap()
}

/// What the connector put into the one contact of its page.
fn text(page: Page) -> String {
    let contact: Contact = page.contacts.into_iter().next().unwrap();
    match contact.fields.get("text") {
        Some(Value::Text(text)) => text.clone(),
        other => panic!("no text but {other:?}"),
    }
}

/// The error of a scan; and that the same engine serves the next call.
async fn scan_fails(stage: &Stage, connection: &Connection) -> CallError {
    let error = connection.scan(None, 10).await.unwrap_err();
    let next = stage.with_fault("none").scan(None, 10).await.unwrap();
    assert_eq!(next.contacts.len(), 10, "the call after {}", error.code());
    error
}

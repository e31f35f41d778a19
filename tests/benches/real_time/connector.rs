//! What the sandbox of a connector costs: the same code as a component and compiled for this machine, on the same
//! bytes; a call that does nothing; a start with many connectors.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::json;
use sluice::connector::{Connection, ConnectionSettings, Connector, Engine, Limits};
use sluice::integration::{Grant, IntegrationId};

use crate::ROUNDS;
use crate::figures::{head, percentile, row};
use crate::recorded::{Recorded, scan};

/// Pages in a round.
const PAGES: u32 = 30;

/// Calls that do nothing in a round.
const CALLS: u32 = 2_000;

/// Connectors of which each is another component.
const CONNECTORS: u32 = 20;

/// A connection to recorded answers, under a key of its own: the CRM's rate limit is each key's, and is not what is
/// measured.
pub fn reading(lime: &Connector, recorded: &Recorded, integration: &str, key: &str) -> Connection {
    let settings = ConnectionSettings {
        integration: IntegrationId(integration.to_owned()),
        settings: BTreeMap::from([
            ("url".to_owned(), json!(recorded.url())),
            ("page-size".to_owned(), json!(1_000)),
        ]),
        secrets: BTreeMap::from([("api-key".to_owned(), SecretString::from(key))]),
        grant: Grant { origins: vec![recorded.origin().to_owned()], private_network: true },
        limits: Limits::from(&BTreeMap::new()).unwrap(),
    };
    Connection::open(lime, settings).unwrap()
}

pub async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::new(folder.path()).unwrap();
    let lime = engine.load(&lime()).await.unwrap();
    pages(&lime).await;
    nothing(&lime).await;
    start().await;
}

fn lime() -> Vec<u8> {
    std::fs::read(env!("LIME_WASM")).unwrap()
}

/// Decoding: the whole of a page less what the requests alone cost.
async fn pages(lime: &Connector) {
    head(
        "Pages of the Lime connector, median in milliseconds",
        &[
            "contacts",
            "component, in all",
            "its requests alone",
            "the rest",
            "compiled for this machine",
            "ratio",
        ],
    );
    for contacts in [100, 1_000] {
        let recorded = Recorded::page(contacts).await;
        let (asked, client) = (recorded.asked(), reqwest::Client::new());
        let (mut component, mut requests, mut native) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let connection = reading(lime, &recorded, "bench", &format!("key-{round}"));
            connection.scan(None, contacts).await.unwrap();
            let mut bench = recorded.native();
            scan(&mut bench, contacts);
            // One after the other, so that what else the machine does falls on all three.
            for _ in 0..PAGES {
                let began = Instant::now();
                let page = connection.scan(None, contacts).await.unwrap();
                component.push(began.elapsed());
                assert_eq!(page.contacts.len(), contacts as usize);

                let began = Instant::now();
                for url in &asked {
                    client.get(url).send().await.unwrap().bytes().await.unwrap();
                }
                requests.push(began.elapsed());

                let began = Instant::now();
                let page = scan(&mut bench, contacts);
                native.push(began.elapsed());
                assert_eq!(page.contacts.len(), contacts as usize);
            }
        }
        let [all, requests, native] =
            [component, requests, native].map(|mut times| percentile(&mut times, 50));
        let rest = all - requests;
        let figures = [all, requests, rest, native].map(|figure| format!("{figure:.2}"));
        let ratio = format!("{:.2}", rest / native);
        row(&[&contacts.to_string(), &figures[0], &figures[1], &figures[2], &figures[3], &ratio]);
    }
}

/// An instance made, called and dropped, and nothing else.
async fn nothing(lime: &Connector) {
    let recorded = Recorded::page(1).await;
    let mut settings = BTreeMap::from([("consents".to_owned(), json!("fields"))]);
    settings.insert("url".to_owned(), json!(recorded.url()));
    let connection = Connection::open(
        lime,
        ConnectionSettings {
            integration: IntegrationId("bench".to_owned()),
            settings,
            secrets: BTreeMap::from([("api-key".to_owned(), SecretString::from("a-key"))]),
            grant: Grant { origins: vec![recorded.origin().to_owned()], private_network: true },
            limits: Limits::from(&BTreeMap::new()).unwrap(),
        },
    )
    .unwrap();
    let mut times = Vec::new();
    for _ in 0..CALLS {
        let began = Instant::now();
        assert!(connection.list_consents().await.unwrap().is_empty());
        times.push(began.elapsed());
    }
    head("A call that asks nobody, with its instance, in microseconds", &["p50", "p99"]);
    let micros = |percent| format!("{:.0}", percentile(&mut times.clone(), percent) * 1_000.0);
    row(&[&micros(50), &micros(99)]);
}

/// How long a host takes until it has all its connectors, compiled or kept from the last time.
async fn start() {
    let components: Vec<Vec<u8>> = (0..CONNECTORS).map(variant).collect();
    let folder = tempfile::tempdir().unwrap();
    let first = started(folder.path(), &components).await;
    let mut kept = Vec::new();
    for _ in 0..ROUNDS {
        kept.push(started(folder.path(), &components).await);
    }
    head(
        "Until 20 connectors are there, in milliseconds",
        &["compiled for the first time", "kept from the last time", "ratio"],
    );
    let (first, kept) = (first.as_secs_f64() * 1_000.0, percentile(&mut kept, 50));
    row(&[&format!("{first:.0}"), &format!("{kept:.0}"), &format!("{:.3}", kept / first)]);
}

async fn started(cache: &Path, components: &[Vec<u8>]) -> Duration {
    let began = Instant::now();
    let engine = Engine::new(cache).unwrap();
    for component in components {
        engine.load(component).await.unwrap();
    }
    began.elapsed()
}

/// The same component under another digest: a section that nobody reads is added to it.
fn variant(number: u32) -> Vec<u8> {
    let mut wasm = lime();
    let name = format!("variant-{number:02}");
    let length = u8::try_from(name.len()).unwrap();
    wasm.extend([0, length + 1, length]);
    wasm.extend(name.as_bytes());
    wasm
}

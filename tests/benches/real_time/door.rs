//! The connector's part at the door: whether Lime sent a delivery, and what it says; each in a fresh instance.

use std::collections::BTreeMap;
use std::time::Instant;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use sluice::change::Delivery;
use sluice::connector::{Connection, ConnectionSettings, Engine, Limits};
use sluice::integration::{Grant, IntegrationId};
use sluice_tests::rig::WEBHOOK_SECRET;

use crate::figures::{Rounds, head, row};
use crate::{MEASURED, ROUNDS};

pub async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::new(folder.path()).unwrap();
    let connector = engine.load(&std::fs::read(env!("LIME_WASM")).unwrap()).await.unwrap();
    let text = |value: &str| serde_json::Value::String(value.to_owned());
    let settings = ConnectionSettings {
        integration: IntegrationId("bench".to_owned()),
        settings: BTreeMap::from([("url".to_owned(), text("https://lime.example/acme"))]),
        secrets: BTreeMap::from([
            ("api-key".to_owned(), SecretString::from("a-key")),
            ("webhook-secret".to_owned(), SecretString::from(WEBHOOK_SECRET)),
        ]),
        grant: Grant { origins: vec!["https://lime.example".to_owned()], private_network: false },
        limits: Limits::from(&BTreeMap::new()).unwrap(),
    };
    let connection = Connection::open(&connector, settings).unwrap();
    let delivery = delivery();
    head("Calls of the Lime connector a second, one after the other", &["call", "a second"]);
    let (mut verified, mut received) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (began, mut calls) = (Instant::now(), 0_u32);
        while began.elapsed() < MEASURED {
            connection.verify(&delivery).await.unwrap();
            calls += 1;
        }
        verified.push(f64::from(calls) / began.elapsed().as_secs_f64());
        let (began, mut calls) = (Instant::now(), 0_u32);
        while began.elapsed() < MEASURED {
            connection.receive(&delivery).await.unwrap();
            calls += 1;
        }
        received.push(f64::from(calls) / began.elapsed().as_secs_f64());
    }
    row(&["verify", &Rounds::of(verified).whole()]);
    row(&["receive", &Rounds::of(received).whole()]);
}

fn delivery() -> Delivery {
    let body = format!(
        r#"{{"event":"person.update","body":{{"id":5001,"limetype":"person","values":{{"notes":"{}"}}}}}}"#,
        "x".repeat(900)
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap();
    mac.update(format!("v2:one:1700000000:{}", hex::encode(Sha256::digest(&body))).as_bytes());
    let signature = format!("v2={}", hex::encode(mac.finalize().into_bytes()));
    let headers = [
        ("content-type", "application/json"),
        ("x-lime-delivery-id", "one"),
        ("x-lime-delivery-timestamp", "1700000000"),
        ("x-lime-signature", &signature),
    ];
    Delivery {
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        query: String::new(),
        body: body.into_bytes(),
    }
}

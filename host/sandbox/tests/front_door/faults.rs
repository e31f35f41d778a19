//! What can be made to go wrong.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_sandbox::{Fault, FaultRule, SandboxConfig, When};

use crate::support::{Client, FIRST_NAME};

async fn with(route: &str, fault: Fault, when: When) -> Client {
    let client = Client::start(SandboxConfig::default()).await;
    client.create("7").await;
    client.sandbox.add_fault(FaultRule { route: route.to_owned(), fault, when });
    client
}

#[tokio::test]
async fn a_burst_of_refusals_ends_by_itself() {
    let fault = Fault::Status { status: 429, retry_after: Some(2) };
    let client = with("apsis.attributes", fault, When::Next(2)).await;
    let path = Client::of("7", "attributes");
    let answer = client.apsis(reqwest::Method::GET, &path).send().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "2");
    assert_eq!(client.patch("7", json!({FIRST_NAME: "A"})).await.0, 429);
    assert_eq!(client.patch("7", json!({FIRST_NAME: "A"})).await.0, 204);
}

#[tokio::test]
async fn a_proxy_speaks_html() {
    let client = with("lime", Fault::Html { status: 502 }, When::Next(1)).await;
    let (status, body) = client.lime("limetype/").await;
    assert_eq!(status, 502);
    assert!(body.as_str().unwrap().contains("<html>"));
}

#[tokio::test]
async fn a_connection_is_dropped_before_or_after_the_change() {
    let client = with("apsis.attributes.patch", Fault::DropBefore, When::Next(1)).await;
    let patch = |name: &str| {
        client
            .apsis(reqwest::Method::PATCH, &Client::of("7", "attributes"))
            .header("content-type", "application/merge-patch+json")
            .body(json!({FIRST_NAME: name}).to_string())
            .send()
    };
    assert!(patch("A").await.is_err());
    let name = || client.sandbox.profile("7").unwrap().attributes.get(FIRST_NAME).cloned();
    assert_eq!(name(), None);
    client.sandbox.add_fault(FaultRule {
        route: "apsis.attributes.patch".into(),
        fault: Fault::DropAfter,
        when: When::Next(1),
    });
    assert!(patch("B").await.is_err());
    assert_eq!(name(), Some(Value::from("B")));
    assert_eq!(client.sandbox.counts()["apsis.attributes.patch"][&0], 2);
}

#[tokio::test]
async fn answers_can_be_late_and_slow() {
    let fault = Fault::Latency { min_millis: 100, max_millis: 120 };
    let client = with("lime.limetype", fault, When::Next(1)).await;
    let slow = Fault::SlowBody { piece_millis: 20, piece_bytes: 200 };
    let start = Instant::now();
    let (status, whole) = client.lime("limetype/").await;
    assert_eq!(status, 200);
    assert!(start.elapsed() >= Duration::from_millis(100));
    client.sandbox.add_fault(FaultRule { route: "lime".into(), fault: slow, when: When::Next(1) });
    let start = Instant::now();
    assert_eq!(client.lime("limetype/").await.1, whole);
    assert!(start.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn tokens_expire_in_the_middle() {
    let client = with("apsis.consents", Fault::TokensExpire, When::Next(1)).await;
    assert_eq!(client.get(&Client::of("7", "consents")).await.0, 401);
    assert_eq!(client.patch("7", json!({FIRST_NAME: "A"})).await.0, 401);
}

#[tokio::test]
async fn chances_are_the_same_for_the_same_seed() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let fault = Fault::Status { status: 503, retry_after: None };
        let client = with("lime", fault, When::Probability(0.5)).await;
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(client.lime("limetype/").await.0);
        }
        assert!(statuses.contains(&200) && statuses.contains(&503));
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
}

//! The limits of both sides, and the log that shows whether they were kept.

use serde_json::json;
use sluice_sandbox::{ApsisSwitches, LimeSwitches, SECTION, SandboxConfig};

use crate::support::{Client, FIRST_NAME, Patience};

#[tokio::test]
async fn one_profile_takes_ten_a_second() {
    let client = Client::start(SandboxConfig::default()).await;
    let mut statuses = Vec::new();
    for _ in 0..11 {
        statuses.push(client.patch("7", json!({FIRST_NAME: "A"})).await.0);
    }
    assert_eq!(statuses[..10], [404; 10]);
    assert_eq!(statuses[10], 429);
    assert_eq!(client.sandbox.peaks().profile_per_second, 11);
    assert_eq!(client.patch("8", json!({FIRST_NAME: "A"})).await.0, 404);
    let arrivals = client.sandbox.arrivals(None);
    assert_eq!(arrivals.last().unwrap().route, "apsis.attributes.patch");
    assert_ne!(arrivals.last().unwrap().profile, arrivals[arrivals.len() - 2].profile);
}

#[tokio::test]
async fn the_account_takes_a_hundred_a_second() {
    let apsis = ApsisSwitches { retry_after: true, ..ApsisSwitches::default() };
    let client = Client::start(SandboxConfig { apsis, ..SandboxConfig::default() }).await;
    let asked = (0..120).map(|_| client.apsis(reqwest::Method::GET, "/audience/sections").send());
    let answers = futures::future::join_all(asked).await;
    let refused: Vec<_> =
        answers.into_iter().map(Result::unwrap).filter(|answer| answer.status() == 429).collect();
    let peaks = client.sandbox.peaks();
    // A slow machine may spread the requests over more than a second; the sum must hold all the same.
    assert!(peaks.account_per_second > 100 || refused.is_empty());
    assert!(refused.len() <= 20);
    assert!(refused.iter().all(|answer| answer.headers().contains_key("retry-after")));
    assert_eq!(client.sandbox.counts()["apsis.definitions"].values().sum::<u64>(), 120);
}

#[tokio::test]
async fn tokens_are_ten_a_minute() {
    let client = Client::start(SandboxConfig::default()).await;
    for _ in 0..9 {
        assert_eq!(client.ask_token(client.sandbox.apsis_client_secret()).await.0, 200);
    }
    let (status, body) = client.ask_token(client.sandbox.apsis_client_secret()).await;
    assert_eq!((status, &body["title"]), (429, &json!("Too Many Requests")));
    assert_eq!(client.sandbox.peaks().tokens_per_minute, 11);
}

#[tokio::test]
async fn a_body_has_at_most_a_hundred_kilobytes() {
    let client = Client::start(SandboxConfig::default()).await;
    let (status, body) = client.patch("7", json!({FIRST_NAME: "x".repeat(100_000)})).await;
    assert_eq!((status, &body["status"]), (413, &json!(413)));
}

#[tokio::test]
async fn exports_and_downloads_have_limits_of_their_own() {
    let apsis = ApsisSwitches { downloads_per_minute: 2, export_millis: 0, ..ApsisSwitches::default() };
    let client = Client::start(SandboxConfig { apsis, ..SandboxConfig::default() }).await;
    let body = json!({"section_discriminator": SECTION, "attributes": [FIRST_NAME]});
    let (status, answer) = client.post("/audience/profiles/exports", body.clone()).await;
    assert_eq!(status, 202);
    assert_eq!(client.post("/audience/profiles/exports", body).await.0, 429);
    let url = answer["poll_url"].as_str().unwrap().replace(client.sandbox.apsis_url(), "");
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(client.get(&url).await.0);
    }
    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test]
async fn lime_has_one_window_for_all() {
    let lime = LimeSwitches { rate_limit: 3, rate_window_seconds: 1, ..LimeSwitches::default() };
    let client = Client::start(SandboxConfig { lime, ..SandboxConfig::default() }).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.lime("limetype/").await.0);
    }
    assert_eq!(statuses, [200, 200, 200, 429]);
    assert_eq!(client.sandbox.peaks().lime_per_window, 4);
    let patience = Patience::start();
    while client.lime("limetype/").await.0 != 200 {
        patience.before_asking_again("the window has passed").await;
    }
}

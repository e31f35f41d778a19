//! The door: only what the CRM sent comes in, once, and whatever else is sent does no harm.

use std::time::Duration;

use serde_json::json;
use sluice_tests::rig::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::live::On;
use crate::pushy::{PUSHY, Pushy, there};

const IMMEDIATELY: &str = crate::live::IMMEDIATELY;

fn now(minus: u64) -> String {
    (u64::try_from(jiff::Timestamp::now().as_second()).unwrap() - minus).to_string()
}

#[tokio::test]
async fn on_sqlite_only_what_the_crm_sent_comes_in_and_once() {
    only_what_the_crm_sent_comes_in(On::Sqlite).await;
}

#[tokio::test]
async fn on_postgres_only_what_the_crm_sent_comes_in_and_once() {
    only_what_the_crm_sent_comes_in(On::Postgres).await;
}

async fn only_what_the_crm_sent_comes_in(on: On) {
    let pushy = Pushy::start(on, &format!("{IMMEDIATELY}accept-within-hours = 2\n")).await;
    let url = pushy.url().to_owned();
    let said = json!([there("p1", "2026-03-01T12:00:00Z", "Lund")]).to_string().into_bytes();
    let client = reqwest::Client::new();
    let post = |mac: &str| client.post(&url).header("x-mac", mac).body(said.clone()).send();
    for mac in ["", "00", &"ab".repeat(32), "not hex"] {
        assert_eq!(post(mac).await.unwrap().status(), 401);
    }
    // First sent three hours ago, or an hour ahead; and one that was first sent an hour ago.
    assert_eq!(pushy.send(&url, &[("x-id", "old"), ("x-sent", &now(3 * 3600))], said.clone()).await, 401);
    let ahead = (now(0).parse::<u64>().unwrap() + 3600).to_string();
    assert_eq!(pushy.send(&url, &[("x-id", "new"), ("x-sent", &ahead)], said.clone()).await, 401);
    assert_eq!(pushy.count().await, 0, "none of them is stored");
    for _ in 0..3 {
        assert_eq!(pushy.send(&url, &[("x-id", "1"), ("x-sent", &now(3600))], said.clone()).await, 202);
    }
    pushy.until_quiet().await;
    assert_eq!((pushy.count().await, pushy.city("p1").as_deref()), (1, Some("Lund")));
    let story = pushy.live.run(&["contact", "show", PUSHY, "p1"]).await;
    assert_eq!(story.last()["changes"].as_array().unwrap().len(), 1);
    // Counted, a little later.
    eventually("they are counted", async || (pushy.status().await["refused"] == json!([4, 2])).then_some(()))
        .await;

    for wrong in [
        format!("{}x", url),
        url.replace("/pushy/", "/nobody/"),
        url.replace("/deliveries/", "/delivery/"),
        format!("{}/nothing", pushy.live.url()),
    ] {
        assert_eq!(pushy.send(&wrong, &[("x-id", "2")], said.clone()).await, 404, "{wrong}");
    }
    assert_eq!(client.get(&url).send().await.unwrap().status(), 405);
    let health = client.get(format!("{}/health", pushy.live.url())).send().await.unwrap();
    assert_eq!(health.status(), 200);
    let refused = post("").await.unwrap();
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let problem: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "delivery-forged", "{problem}");
}

#[tokio::test]
async fn what_is_too_large_too_long_or_too_slow_is_turned_away() {
    let pushy = Pushy::start(On::Sqlite, IMMEDIATELY).await;
    let url = pushy.url().to_owned();
    assert_eq!(pushy.send_too_much(&[("x-id", "1")], vec![b' '; (1 << 20) + 1]).await, 413);
    let long = "x".repeat(200_000);
    assert_eq!(pushy.send_too_much(&[("x-id", long.as_str())], b"[]".to_vec()).await, 431);
    // An empty list is a message that says nothing.
    assert_eq!(pushy.send(&url, &[("x-id", "2")], b"[]".to_vec()).await, 202);
    pushy.until_quiet().await;
    let delivery = &pushy.deliveries(&[]).await[0];
    assert!(delivery["outcome"].is_string(), "{delivery}");

    // Half a request, and then nothing: it is not waited for, and nobody else waits meanwhile.
    let address = pushy.live.url().trim_start_matches("http://").to_owned();
    let path = url.strip_prefix(&pushy.live.url()).unwrap();
    let mut slow = TcpStream::connect(&address).await.unwrap();
    slow.write_all(format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf").as_bytes())
        .await
        .unwrap();
    let mut silent = TcpStream::connect(&address).await.unwrap();
    silent.write_all(b"POST /deliv").await.unwrap();
    assert_eq!(pushy.push("3", &json!([there("p1", "2026-03-01T12:00:00Z", "Lund")])).await, 202);
    let mut answer = String::new();
    let closed = async {
        slow.read_to_string(&mut answer).await.unwrap();
        // Closed, with an answer or without.
        drop(silent.read_to_end(&mut Vec::new()).await);
    };
    tokio::time::timeout(Duration::from_secs(60), closed).await.expect("both are closed");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_disabled_integration_takes_deliveries_and_holds_them() {
    let pushy = Pushy::start(On::Sqlite, IMMEDIATELY).await;
    pushy.take("1", there("p1", "2026-03-01T12:00:00Z", "Lund")).await;
    let disabled = pushy.live.run(&["integration", "disable", PUSHY]).await;
    assert_eq!(disabled.code(), 0, "{:?} {}", disabled.lines, disabled.log);
    assert_eq!(pushy.status().await["webhook"]["standing"], serde_json::Value::Null);
    assert_eq!(pushy.push("2", &json!([there("p1", "2026-03-01T13:00:00Z", "Visby")])).await, 202);
    let status = pushy.status().await;
    assert_eq!((&status["enabled"], &status["deliveries-waiting"]), (&json!(false), &json!(1)));
    assert_eq!(pushy.city("p1").as_deref(), Some("Lund"));
    assert_eq!(pushy.live.run(&["integration", "enable", PUSHY]).await.code(), 0);
    pushy.until_quiet().await;
    assert_eq!(pushy.city("p1").as_deref(), Some("Visby"));
    assert_eq!(pushy.until_set_up().await, pushy.url());
}

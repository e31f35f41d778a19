//! Alerts: one when an integration needs attention, one when it has recovered, whoever is down or killed meanwhile.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use sluice_sandbox::Fault;
use sluice_tests::live::{Live, On};
use sluice_tests::postgres;
use sluice_tests::rig::{ACME, eventually};

use crate::receiver::Receiver;
use crate::{always, file, live, serve};

fn told(receiver: &Receiver, more: &str) -> String {
    format!("[alerts]\nurl = \"http://{}/alerts\"\nafter = 1\nremote-after = 2\n{more}", receiver.address)
}

/// APSIS One no longer knows the key.
fn break_credentials(live: &Live) {
    live.sandbox.add_fault(always("apsis", Fault::Status { status: 401, retry_after: None }));
}

async fn until_well(live: &Live) {
    eventually("the lane goes on", async || live.status().await["pause"].is_null().then_some(())).await;
}

fn codes(alert: &Value) -> Vec<&str> {
    alert["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn attention_is_told_once_and_so_is_recovery_and_both_are_signed() {
    let (live, receiver) = (live(None).await, Receiver::start().await);
    let secret = live.path("alert-secret");
    std::fs::write(&secret, "between us\n").unwrap();
    let file = file(&live, &told(&receiver, &format!("secret-file = \"{}\"\n", secret.display())));
    break_credentials(&live);
    let (served, _) = serve(&live, "data", &file).await;
    let attention = receiver.taken(1).await.remove(0);
    assert_eq!(attention.alert["event"], "attention");
    assert_eq!(attention.alert["integration"], ACME);
    assert_eq!(attention.alert["health"], "needs-attention");
    assert_eq!(codes(&attention.alert), ["apsis-credentials"]);
    live.sandbox.clear_faults();
    let both = receiver.taken(2).await;
    assert_eq!(both[1].alert["event"], "recovered");
    assert!(codes(&both[1].alert).is_empty());
    assert_ne!(both[0].alert["id"], both[1].alert["id"]);
    until_well(&live).await;
    for posted in &both {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"between us").unwrap();
        mac.update(&posted.body);
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        assert_eq!(posted.signature.as_deref(), Some(signature.as_str()));
        assert!(!String::from_utf8_lossy(&posted.body).contains('@'), "no address is told");
    }
    served.signal("TERM");
    assert_eq!(served.end().await.0, Some(0));
    assert_eq!(receiver.posted().len(), 2, "each once");
}

#[tokio::test]
async fn an_alert_outlives_a_receiver_that_is_down_and_a_host_that_is_killed() {
    let (live, receiver) = (live(None).await, Receiver::start().await);
    let file = file(&live, &told(&receiver, ""));
    receiver.refuse(true);
    break_credentials(&live);
    let (served, _) = serve(&live, "data", &file).await;
    eventually("it is tried again", async || (receiver.posted().len() >= 2).then_some(())).await;
    served.signal("KILL");
    drop(served.end().await);
    let tried = receiver.posted();
    receiver.refuse(false);
    let (served, _) = serve(&live, "data", &file).await;
    let taken = receiver.taken(1).await;
    assert!(tried.iter().all(|posted| posted.body == taken[0].body), "it is the same one each time");
    live.sandbox.clear_faults();
    assert_eq!(receiver.taken(2).await[1].alert["event"], "recovered");
    served.signal("TERM");
    drop(served.end().await);
    assert_eq!(receiver.taken(2).await.len(), 2);
}

#[tokio::test]
async fn of_two_hosts_one_tells() {
    let database = postgres::database();
    let (live, receiver) = (live(Some(database.url)).await, Receiver::start().await);
    let file = file(&live, &told(&receiver, ""));
    live.sandbox.add_fault(always("apsis", Fault::Status { status: 503, retry_after: None }));
    let (first, _) = serve(&live, "host-0", &file).await;
    let (second, _) = serve(&live, "host-1", &file).await;
    let away = receiver.taken(1).await.remove(0);
    assert_eq!(
        (away.alert["event"].as_str(), away.alert["health"].as_str()),
        (Some("attention"), Some("waiting"))
    );
    live.sandbox.clear_faults();
    assert_eq!(receiver.taken(2).await[1].alert["event"], "recovered");
    for host in [first, second] {
        host.signal("TERM");
        assert_eq!(host.end().await.0, Some(0));
    }
    assert_eq!(receiver.posted().len(), 2);
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_said_at_the_start() {
    let (live, receiver) = (live(On::Sqlite.url()).await, Receiver::start().await);
    let file = file(&live, &told(&receiver, "secret-file = \"/nowhere/secret\"\n"));
    let ended = live.run(&["serve", "--config", &file]).await;
    assert_eq!((ended.code(), ended.last()["error"]["code"].as_str()), (1, Some("alert-secret")));
}

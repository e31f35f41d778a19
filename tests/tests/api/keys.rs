//! A request with a key of its own takes effect once.

use hyper::{Method, StatusCode};
use serde_json::json;
use sluice_tests::rig::{ACME, eventually};

use crate::asking::{Asker, host};

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_takes_effect_once_and_has_the_same_answer() {
    let live = host().await;
    let (one, other) = (Asker::with(&live, "editor", &[]).await, Asker::with(&live, "editor", &[]).await);
    let path = format!("/integrations/{ACME}/runs");
    let start = async |asker: &Asker, key: &str, kind: &str| {
        let body = json!({ "kind": kind });
        asker.ask(Method::POST, &path).header("Idempotency-Key", key).body(body).send().await
    };
    let first = start(&one, "monday", "full-sync").await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{}", first.text);
    let again = start(&one, "monday", "full-sync").await;
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.headers["location"], first.headers["location"]);
    let another = start(&one, "monday", "dry-run").await;
    assert_eq!(another.problem(), (422, "idempotency-key-reused".to_owned()));
    // Another one's keys have nothing to do with it.
    assert_eq!(start(&other, "monday", "full-sync").await.problem().1, "run-active");

    let run = first.well()["id"].as_i64().unwrap();
    let ended = format!("{path}/{run}");
    eventually("the run ends", async || one.get(&ended).await.well()["ended-at"].is_string().then_some(()))
        .await;
    assert_eq!(one.get(&path).await.well()["items"].as_array().unwrap().len(), 1);
    // What was refused stays refused under its key; a new one is a new request.
    assert_eq!(start(&other, "monday", "full-sync").await.problem().1, "run-active");
    assert_eq!(start(&other, "tuesday", "full-sync").await.status, StatusCode::ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_holds_a_secret_is_not_kept() {
    let live = host().await;
    let operator = Asker::with(&live, "operator", &[]).await;
    let body = json!({ "name": "page", "role": "viewer" });
    let made = operator.ask(Method::POST, "/tokens").header("Idempotency-Key", "a").body(body).send().await;
    assert_eq!(made.problem(), (422, "idempotency-key-not-taken".to_owned()));
}

//! Lists come page by page; what is wrong with a request is said.

use hyper::Method;
use serde_json::json;
use sluice_tests::rig::ACME;

use crate::asking::{Asker, host};

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_everything_once() {
    let live = host().await;
    assert_eq!(live.run(&["sync", "start", ACME]).await.code(), 0);
    let viewer = Asker::with(&live, "viewer", &[]).await;
    let run = viewer.get(&format!("/integrations/{ACME}/runs")).await.well()["items"][0].clone();
    let path = format!("/integrations/{ACME}/runs/{}/contacts", run["id"]);
    let (mut all, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = viewer.get(&format!("{path}?limit=7{after}")).await.well();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 7);
        all.extend(items.iter().map(|one| one["contact"].as_str().unwrap().to_owned()));
        pages += 1;
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let read = run["counters"]["read"].as_u64().unwrap();
    let mut once = all.clone();
    once.sort();
    once.dedup();
    assert_eq!((all.len() as u64, once.len() as u64), (read, read));
    assert!(pages as u64 >= read / 7);
    let rejected = viewer.get(&format!("{path}?outcome=rejected")).await.well();
    assert_eq!(
        rejected["items"].as_array().unwrap().len() as u64,
        run["counters"]["rejected"].as_u64().unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_said() {
    let live = host().await;
    let operator = Asker::with(&live, "operator", &[]).await;
    let runs = format!("/integrations/{ACME}/runs");
    for (path, status, code) in [
        ("/no-such-thing".to_owned(), 404, "route-unknown"),
        ("/../../etc/passwd".to_owned(), 404, "route-unknown"),
        ("/integrations/%2e%2e%2fetc".to_owned(), 404, "integration-unknown"),
        ("/integrations/nobody".to_owned(), 404, "integration-unknown"),
        (format!("{runs}?limit=0"), 400, "request-malformed"),
        (format!("{runs}?limit=many"), 400, "request-malformed"),
        (format!("{runs}?limits=5"), 400, "request-malformed"),
        (format!("{runs}?after=x"), 400, "request-malformed"),
        (format!("{runs}/1"), 404, "run-unknown"),
        (format!("{runs}/one"), 404, "route-unknown"),
        (format!("/integrations/{ACME}/deliveries?outcome=lost"), 400, "request-malformed"),
    ] {
        assert_eq!(operator.get(&path).await.problem(), (status, code.to_owned()), "{path}");
    }
    let text = operator.ask(Method::POST, &runs).header("content-type", "text/plain").send().await;
    assert_eq!(text.problem(), (415, "request-not-json".to_owned()));
    let unknown = operator.post(&runs, json!({ "kind": "full-sync", "fast": true })).await;
    assert_eq!(unknown.problem(), (400, "request-malformed".to_owned()));
    let secret = operator.post(&runs, json!({ "kind": "hunter2" })).await;
    assert!(!secret.text.contains("hunter2"), "{}", secret.text);
    assert_eq!(operator.ask(Method::PATCH, &runs).send().await.problem(), (405, "method-unknown".to_owned()));
}

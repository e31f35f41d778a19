//! The whole way over the API: a connector, an integration, a check, rules with a preview, a full sync, one contact's
//! story, forgetting it, and taking it all away.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use sluice_tests::rig::{ACME, eventually};

use crate::asking::{Asker, host};

async fn ended(asker: &Asker, run: &Value) -> Value {
    let path = format!("/integrations/{ACME}/runs/{}", run["id"]);
    eventually("the run ends", async || {
        let run = asker.get(&path).await.well();
        run["ended-at"].is_string().then_some(run)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_connector_to_a_contacts_story_and_back() {
    let live = host().await;
    let operator = Asker::with(&live, "operator", &[]).await;
    let acme = format!("/integrations/{ACME}");

    let component = std::fs::read(env!("LIME_WASM")).unwrap();
    let added = reqwest::Client::new()
        .post(format!("{}/api/v1/connectors", live.url()))
        .bearer_auth(operator.token())
        .header("content-type", "application/wasm")
        .body(component)
        .send()
        .await
        .unwrap();
    assert_eq!(added.status(), StatusCode::CREATED);
    let added: Value = added.json().await.unwrap();
    assert_eq!((&added["id"], &added["deliveries"]), (&json!("lime"), &json!(true)));
    let name = added["connector"].as_str().unwrap();
    let listed = operator.get("/connectors").await.well();
    assert_eq!((&listed[0]["connector"], &listed[0]["used-by"]), (&json!(name), &json!([ACME])), "{listed}");
    assert_eq!(operator.get(&format!("/connectors/{name}")).await.well()["name"], added["name"]);

    let findings = operator.ask(Method::POST, &format!("{acme}/check")).send().await.well();
    let findings = findings.as_array().unwrap();
    assert!(findings.len() > 8 && findings.iter().all(|finding| finding["ok"] == true), "{findings:?}");

    let listed = operator.get("/integrations").await.well()["items"][0].clone();
    assert_eq!((&listed["id"], &listed["health"]), (&json!(ACME), &json!("works")));
    assert_eq!(listed["full-sync-needed"][0]["code"], "never-synced");

    let started = operator.post(&format!("{acme}/runs"), json!({ "kind": "full-sync" })).await;
    let run = ended(&operator, &started.well()).await;
    assert_eq!(run["phase"], "completed");
    let needed = operator.get(&format!("{acme}/status")).await.well()["needs"].clone();
    assert_eq!(needed, json!([]));

    // Other rules, tried on what is known: nobody is read or written, and the rules stay.
    let mut rules = operator.get(&format!("{acme}/rules")).await.well();
    rules["conditions"] = json!([{ "field": "city", "equals": "Nowhere" }]);
    let trying = operator.post(&format!("{acme}/rules/preview"), json!({ "rules": rules })).await;
    assert_eq!(trying.status, StatusCode::ACCEPTED);
    let tried = ended(&operator, &trying.well()["run"]).await;
    assert_eq!((&tried["kind"], &tried["source"]), (&json!("dry-run"), &json!("known")));
    assert_eq!(tried["counters"]["excluded"], tried["counters"]["read"]);
    let reasons = operator.get(&format!("{acme}/runs/{}/reasons", tried["id"])).await.well();
    assert_eq!(reasons[0]["code"], "condition-not-met");

    let created = operator.get(&format!("{acme}/runs/{}/contacts?outcome=created", run["id"])).await.well();
    let contact = created["items"][0]["contact"].as_str().unwrap().to_owned();
    let story = operator.get(&format!("{acme}/contacts/{contact}")).await.well();
    assert_eq!(story["standing"]["profile"], "there");
    assert_eq!(story["runs"][0]["run"]["id"], tried["id"]);
    assert!(story["seen"]["explained"]["conditions"][0]["holds"].is_boolean(), "{story}");

    let audit = operator.ask(Method::POST, &format!("{acme}/audit?sample=10")).send().await;
    assert_eq!(audit.headers["content-type"], "application/x-ndjson");
    let last: Value = serde_json::from_str(audit.text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["compared"], &last["differences"]), (&json!(10), &json!({})), "{last}");

    let forgetting = operator.ask(Method::DELETE, &format!("{acme}/contacts/{contact}")).send().await;
    assert_eq!(forgetting.status, StatusCode::ACCEPTED, "{}", forgetting.text);
    let story = eventually("the contact is forgotten", async || {
        let story = operator.get(&format!("{acme}/contacts/{contact}")).await.well();
        (story["forgotten"]["purged"] == true).then_some(story)
    })
    .await;
    assert_eq!(story["standing"]["profile"], "forgotten");
    assert_eq!(story["forgotten"]["erased"]["profile"], true);
    let journal = operator.get("/journal").await.well();
    assert!(journal.to_string().contains("contact.forget"));
    assert!(
        !journal["items"].as_array().unwrap().iter().any(|act| act["about"] == contact.as_str()),
        "{journal}"
    );
    let back = operator.ask(Method::POST, &format!("{acme}/contacts/{contact}/readmit")).send().await;
    assert_eq!(back.well()["was-forgotten"], true);

    assert_eq!(operator.ask(Method::DELETE, &acme).send().await.status, StatusCode::ACCEPTED);
    eventually("the integration is gone", async || {
        (operator.get(&acme).await.status == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    assert!(live.sandbox.lime_subscriptions().is_empty(), "its webhook was taken back");
}

//! Rules are changed as they were seen, and every change is written down.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use sluice_tests::rig::ACME;

use crate::asking::{Answered, Asker, host};

fn rules() -> String {
    format!("/integrations/{ACME}/rules")
}

async fn save(asker: &Asker, part: &str, rows: Value, etag: &str) -> Answered {
    let path = format!("{}/{part}", rules());
    asker.ask(Method::PUT, &path).header("If-Match", etag).body(rows).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_edit_do_not_overwrite_each_other() {
    let live = host().await;
    let (anna, bo) = (Asker::with(&live, "editor", &[]).await, Asker::with(&live, "editor", &[ACME]).await);
    let seen = anna.get(&rules()).await;
    let rows = json!([{ "field": "inactive", "equals": false }, { "field": "city", "equals": "Malmö" }]);

    let saved = save(&anna, "conditions", rows.clone(), &seen.etag()).await;
    assert_eq!(saved.well()["conditions"], rows);
    assert_ne!(saved.etag(), seen.etag());
    // Bo has seen what was there before.
    let late = save(&bo, "conditions", json!([]), &seen.etag()).await;
    assert_eq!(late.problem(), (412, "integration-changed".to_owned()));
    assert_eq!(bo.get(&rules()).await.well()["conditions"], rows);
    // Each part is saved by itself.
    let saved = save(&bo, "conditions", json!([]), &saved.etag()).await.well();
    assert_eq!(saved["fields"], seen.json()["fields"]);

    let unsaid = bo.ask(Method::PUT, &format!("{}/conditions", rules())).body(json!([])).send().await;
    assert_eq!(unsaid.problem(), (428, "precondition-missing".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_row_is_named_and_nothing_is_saved() {
    let live = host().await;
    let editor = Asker::with(&live, "editor", &[]).await;
    let seen = editor.get(&rules()).await;
    for (part, rows, status, code) in [
        ("conditions", json!([{ "field": "no-such-field", "equals": 1 }]), 422, "mapping-not-in-crm"),
        ("conditions", json!([{ "field": "city" }]), 400, "request-malformed"),
        ("conditions", json!({}), 400, "request-malformed"),
        ("fields", json!([{ "field": "city", "attribute": "No such attribute" }]), 422, "apsis-setting"),
        ("fields", json!([{ "field": "city", "attribute": "Email" }]), 422, "integration-setting"),
        ("consents", json!([{ "consent": "1001", "topic": "Newsletter" }]), 400, "request-malformed"),
    ] {
        let answered = save(&editor, part, rows.clone(), &seen.etag()).await;
        let (got, said) = answered.problem();
        assert_eq!((got, said.as_str()), (status, code), "{part} {rows}: {}", answered.text);
    }
    assert_eq!(editor.get(&rules()).await.etag(), seen.etag());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_says_who_changed_what_before_and_after() {
    let live = host().await;
    let (editor, operator) =
        (Asker::with(&live, "editor", &[]).await, Asker::with(&live, "operator", &[]).await);
    let seen = editor.get(&rules()).await;
    save(&editor, "conditions", json!([]), &seen.etag()).await.well();
    save(&editor, "conditions", json!([]), "\"0\"").await;

    let journal = operator.get(&format!("/journal?integration={ACME}")).await.well();
    let acts = journal["items"].as_array().unwrap();
    let of = |place: usize| (acts[place]["what"].as_str().unwrap(), acts[place]["who"].as_str().unwrap());
    assert_eq!(of(0).0, "conditions.save");
    assert_eq!(acts[0]["failure"]["code"], "integration-changed");
    assert!(of(1).1.starts_with("token ") && of(1).1.ends_with("(a editor)"), "{}", acts[1]);
    assert_eq!(acts[1]["before"]["conditions"], seen.json()["conditions"]);
    assert_eq!(acts[1]["after"]["conditions"], json!([]));
    assert!(acts[1]["ended-at"].is_string());
    // What the command line does is there, too.
    assert_eq!(of(2).0, "integration.apply");
    assert!(of(2).1.starts_with("local "), "{}", acts[2]);
    let text = journal.to_string();
    assert!(!text.contains(live.sandbox.lime_key()) && !text.contains(live.sandbox.apsis_client_secret()));
}

/// A definition holds where secrets are; whoever is for some integrations may not point at those of others.
#[tokio::test(flavor = "multi_thread")]
async fn a_definition_is_replaced_as_it_was_seen_and_keeps_to_its_places() {
    let live = host().await;
    let (operator, scoped) =
        (Asker::with(&live, "operator", &[]).await, Asker::with(&live, "operator", &[ACME]).await);
    let place = format!("/integrations/{ACME}");
    let seen = scoped.get(&place).await;
    let mut integration = seen.well();
    let put = async |asker: &Asker, integration: &Value, etag: &str| {
        asker.ask(Method::PUT, &place).header("If-Match", etag).body(integration.clone()).send().await
    };
    integration["name"] = json!("Acme AB");
    let saved = put(&scoped, &integration, &seen.etag()).await;
    assert_eq!(saved.well()["name"], "Acme AB");

    integration["secrets"]["api-key"] = json!({ "file": "/etc/passwd" });
    let refused = put(&scoped, &integration, &saved.etag()).await;
    assert_eq!(refused.problem(), (403, "out-of-scope".to_owned()));
    integration["connector"] = json!("/etc/passwd");
    let refused = put(&operator, &integration, &saved.etag()).await;
    assert_eq!(refused.problem(), (400, "request-malformed".to_owned()));
    assert!(!refused.text.contains("root:"));

    let mut other = seen.well();
    other["id"] = json!("acme-two");
    let other_place = "/integrations/acme-two";
    let add = async || {
        operator.ask(Method::PUT, other_place).header("If-None-Match", "*").body(other.clone()).send().await
    };
    assert_eq!(add().await.status, StatusCode::CREATED);
    assert_eq!(add().await.problem(), (412, "integration-changed".to_owned()));
    let gone = operator.ask(Method::DELETE, &format!("{other_place}?keep-webhook=true")).send().await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(operator.get(other_place).await.problem(), (404, "integration-unknown".to_owned()));
}

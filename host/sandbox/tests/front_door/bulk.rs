//! Imports and exports.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use sluice_sandbox::{ApsisSwitches, Consent, ConsentType, ExportEnd, SECTION, SandboxConfig};

use crate::support::{BY_EMAIL, CRM, Client, EMAIL, FIRST_NAME, NEWSLETTER, Patience, read};

fn mapping() -> Value {
    json!({
        "keyspace_mapping": {"keyspace_discriminator": CRM, "field_selector": "crm_id"},
        "options": {"update_existing_profiles": true, "clear_existing_attributes": true},
        "attribute_mappings": [
            {"field_selector": "email", "attribute_version_id": "312460200"},
            {"field_selector": "first", "attribute_version_id": "312460203"}],
        "consent_mappings": [{"address_field_selector": "email", "consents": [
            {"field_selector": "news", "channel_discriminator": BY_EMAIL, "topic_discriminator": NEWSLETTER,
             "type": "opt-in", "resubscribe_if_opted_out": false}]}],
    })
}

async fn start(client: &Client, mapping: Value) -> (u16, Value) {
    client.post(&format!("/v2/audience/sections/{SECTION}/imports"), mapping).await
}

async fn upload(client: &Client, started: &Value, csv: &str, file_first: bool) -> u16 {
    let file = Part::text(csv.to_owned()).file_name("p.csv").mime_str("text/csv").unwrap();
    let mut form = Form::new();
    let fields = started["file_upload_body"].as_object().unwrap();
    if file_first {
        form = form.part("file", file);
        for (name, value) in fields {
            form = form.text(name.clone(), value.as_str().unwrap().to_owned());
        }
    } else {
        for (name, value) in fields {
            form = form.text(name.clone(), value.as_str().unwrap().to_owned());
        }
        form = form.part("file", file);
    }
    let url = started["file_upload_url"].as_str().unwrap();
    client.http.post(url).multipart(form).send().await.unwrap().status().as_u16()
}

/// Polls to the end; gives every state that was seen, in order.
async fn states(client: &Client, started: &Value) -> Vec<String> {
    let path = format!("/audience/sections/{SECTION}/imports/{}", started["import_id"].as_str().unwrap());
    let mut seen: Vec<String> = Vec::new();
    let patience = Patience::start();
    loop {
        let state = client.get(&path).await.1["result"]["status"].as_str().unwrap().to_owned();
        if seen.last() != Some(&state) {
            seen.push(state.clone());
        }
        if state == "completed" || state == "error" {
            return seen;
        }
        patience.before_asking_again("the import ends").await;
    }
}

#[tokio::test]
async fn an_import_takes_the_good_rows_and_says_nothing_of_the_bad() {
    let client = Client::start(SandboxConfig::default()).await;
    let opted_out = Consent {
        topic: NEWSLETTER.into(),
        channel: BY_EMAIL.into(),
        state: ConsentType::OptOut,
        modified_at: None,
    };
    client.sandbox.put_consent("2", &opted_out).unwrap();
    client.create("3").await;
    client.patch("3", json!({FIRST_NAME: "Old"})).await;
    let (status, started) = start(&client, mapping()).await;
    assert_eq!(status, 202);
    let csv = "crm_id,email,first,news\n1,a@x.example,Anna,1\n2,b@x.example,Bo,1\n3,c@x.example,,0\n\
               4,not an address,D,1\n5,e@x.example,\"E, e\",0\n,f@x.example,F,0\n7,short\n";
    assert_eq!(upload(&client, &started, csv, false).await, 204);
    assert_eq!(states(&client, &started).await, ["queued", "in_progress", "completed"]);
    let first = |id: &str| client.sandbox.profile(id).unwrap().attributes.get(FIRST_NAME).cloned();
    assert_eq!(first("1"), Some(json!("Anna")));
    assert_eq!(client.sandbox.profile("1").unwrap().consents[0]["type"], "opt-in");
    assert_eq!(client.sandbox.profile("2").unwrap().consents[0]["type"], "opt-out");
    assert_eq!(first("3"), None);
    assert_eq!(first("5"), Some(json!("E, e")));
    assert!(client.sandbox.profile("4").is_none());
    let report = &client.sandbox.import_reports()[0];
    assert_eq!((report.new, report.updated, report.failed), (2, 2, 3));
    assert_eq!(report.failures[0].0, 4);
}

#[tokio::test]
async fn a_mapping_is_checked() {
    let client = Client::start(SandboxConfig::default()).await;
    let wrong = |path: &str, value: Value| {
        let mut body = mapping();
        *body.pointer_mut(path).unwrap() = value;
        body
    };
    for (body, status) in [
        (wrong("/attribute_mappings/0/attribute_version_id", json!("312460201")), 400),
        (wrong("/attribute_mappings/0/attribute_version_id", json!(312_460_200)), 400),
        (wrong("/keyspace_mapping/keyspace_discriminator", json!("com.apsis1.keyspaces.export")), 403),
        (wrong("/keyspace_mapping/keyspace_discriminator", json!("nowhere")), 404),
        (wrong("/consent_mappings/0/consents/0/topic_discriminator", json!("gone")), 404),
        (wrong("/consent_mappings/0/consents/0/type", json!("confirmed-opt-in")), 400),
    ] {
        assert_eq!(start(&client, body.clone()).await.0, status, "{body}");
    }
}

#[tokio::test]
async fn an_upload_keeps_to_the_policy() {
    let apsis = ApsisSwitches { file_bytes: 1000, ..ApsisSwitches::default() };
    let client = Client::start(SandboxConfig { apsis, ..SandboxConfig::default() }).await;
    let (_, started) = start(&client, mapping()).await;
    assert_eq!(upload(&client, &started, "crm_id\n1\n", true).await, 400);
    let mut forged = started.clone();
    forged["file_upload_body"]["x-amz-signature"] = json!("0");
    assert_eq!(upload(&client, &forged, "crm_id\n1\n", false).await, 403);
    assert_eq!(upload(&client, &started, &"x".repeat(1001), false).await, 400);
    // A column that the mapping names is missing.
    assert_eq!(upload(&client, &started, "crm_id\n1\n", false).await, 204);
    assert_eq!(states(&client, &started).await.last().unwrap(), "error");
    assert_eq!(client.sandbox.profile_count(), 0);
}

#[tokio::test]
async fn three_imports_run_and_ten_start_in_a_minute() {
    let apsis = ApsisSwitches { import_queued_millis: 60_000, ..ApsisSwitches::default() };
    let client = Client::start(SandboxConfig { apsis, ..SandboxConfig::default() }).await;
    for _ in 0..3 {
        let (_, started) = start(&client, mapping()).await;
        assert_eq!(upload(&client, &started, "crm_id,email,first,news\n", false).await, 204);
    }
    assert_eq!(start(&client, mapping()).await.0, 429);
    assert_eq!(client.sandbox.peaks().imports_running, 3);
    for _ in 0..7 {
        start(&client, mapping()).await;
    }
    assert_eq!(client.sandbox.peaks().imports_per_minute, 11);
}

#[tokio::test]
async fn an_export_gives_every_profile() {
    let client = Client::start(SandboxConfig::default()).await;
    for id in 0..1201 {
        let opted_in = Consent {
            topic: NEWSLETTER.into(),
            channel: BY_EMAIL.into(),
            state: ConsentType::OptIn,
            modified_at: None,
        };
        client.sandbox.put_consent(&id.to_string(), &opted_in).unwrap();
    }
    client.patch("7", json!({EMAIL: "a@x.example"})).await;
    let body = json!({"section_discriminator": SECTION, "attributes": [EMAIL], "include_topics": true});
    assert_eq!(client.post("/audience/profiles/exports", json!({"attributes": []})).await.0, 400);
    // Every request for an export counts, refused ones too.
    let patience = Patience::start();
    let (status, started) = loop {
        let answer = client.post("/audience/profiles/exports", body.clone()).await;
        if answer.0 != 429 {
            break answer;
        }
        patience.before_asking_again("an export may be asked for").await;
    };
    assert_eq!(status, 202);
    let url = started["poll_url"].as_str().unwrap().replace(client.sandbox.apsis_url(), "");
    assert_eq!(client.get(&url).await.0, 404);
    let plain = loop {
        let (status, file) = client.get(&url).await;
        if status == 200 {
            break file;
        }
        patience.before_asking_again("the export is ready").await;
    };
    let profiles = plain["profiles"].as_array().unwrap();
    assert_eq!(profiles.len(), 1201);
    assert_eq!(profiles[7]["profile_keys"][0], json!({"keyspace_discriminator": CRM, "profile_key": "7"}));
    assert_eq!(profiles[7]["attributes"], json!({EMAIL: "a@x.example"}));
    assert_eq!(profiles[7]["consents"][0]["type"], "opt-in");
    // The same without gzip, which the client above accepts by itself.
    let bare = reqwest::Client::builder().no_gzip().build().unwrap();
    let answer = bare.get(started["poll_url"].as_str().unwrap()).bearer_auth(&client.token);
    assert_eq!(read(answer.send().await.unwrap()).await.1, plain);

    for (end, status) in [(ExportEnd::Failed, 503), (ExportEnd::Gone, 410), (ExportEnd::OtherShape, 200)] {
        client.sandbox.set_apsis_switches(ApsisSwitches { export_end: end, ..ApsisSwitches::default() });
        let (got, file) = client.get(&url).await;
        assert_eq!(got, status);
        assert!(file.get("profiles").is_none());
    }
    assert_eq!(client.get("/audience/profiles/exports/none").await.0, 410);
}

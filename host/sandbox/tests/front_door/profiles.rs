//! APSIS One: tokens, definitions, attributes, keys, consents, merging, deleting, locking.

use reqwest::Method;
use serde_json::{Value, json};
use sluice_sandbox::{ApsisSwitches, Consent, ConsentType, SECTION, SandboxConfig, TakenKey};

use crate::support::{
    BY_EMAIL, BY_SMS, CRM, Client, EMAIL, EMAIL_KEYS, FIRST_NAME, NEWSLETTER, OFFERS, read,
};

#[tokio::test]
async fn tokens_are_checked() {
    let client = Client::start(SandboxConfig::default()).await;
    let (status, body) = client.ask_token("wrong").await;
    assert_eq!((status, &body["status"]), (401, &json!(401)));
    client.sandbox.revoke_tokens();
    assert_eq!(client.get("/audience/keyspaces").await.0, 401);
    client.sandbox.set_apsis_switches(ApsisSwitches { dead_token_status: 403, ..ApsisSwitches::default() });
    assert_eq!(client.get("/audience/keyspaces").await.0, 403);
    client.sandbox.set_apsis_switches(ApsisSwitches { token_seconds: 0, ..ApsisSwitches::default() });
    let (_, body) = client.ask_token(client.sandbox.apsis_client_secret()).await;
    let answer = client
        .http
        .get(format!("{}/audience/keyspaces", client.sandbox.apsis_url()))
        .bearer_auth(body["access_token"].as_str().unwrap());
    assert_eq!(answer.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn definitions_are_those_of_the_section() {
    let client = Client::start(SandboxConfig::default()).await;
    let (_, body) = client.get(&format!("/audience/sections/{SECTION}/attributes")).await;
    let items = body["items"].as_array().unwrap();
    let kind = items.iter().find(|it| it["name"] == "Customer type").unwrap();
    assert_eq!(kind["versions"][0]["id"], "312460201");
    assert_eq!(kind["versions"][1], json!({"id": "312460234", "deprecated_at": null}));
    assert!(kind.get("data_type").is_none());
    let (_, body) = client.get(&format!("/v2/audience/sections/{SECTION}/topics")).await;
    assert_eq!(body["items"][2]["channel_discriminator"], BY_EMAIL);
    assert_eq!(client.get("/audience/sections/nowhere/attributes").await.0, 404);
    let (_, body) = client.get("/audience/keyspaces").await;
    assert_eq!(body["items"][2]["manage_subscriptions"], true);
}

#[tokio::test]
async fn a_bad_value_refuses_the_whole_update() {
    let apsis = ApsisSwitches { profile_per_second: 100, ..ApsisSwitches::default() };
    let client = Client::start(SandboxConfig { apsis, ..SandboxConfig::default() }).await;
    assert_eq!(client.patch("7", json!({FIRST_NAME: "A"})).await.0, 404);
    assert_eq!((client.create("7").await, client.create("7").await), (201, 409));
    for wrong in [
        json!({EMAIL: "not an address"}),
        json!({EMAIL: " a@b.example "}),
        json!({"com.apsis1.attributes.mobile": "46701234567"}),
        json!({"com.apsis1.attributes.mobile": 701}),
        json!({"com.apsis1.attributes.birthdate": "1984-13-02"}),
        json!({"com.apsis1.attributes.birthdate": "19840102"}),
        json!({"usercreated.attributes.inactive-t5r4e3w2q1": "true"}),
        json!({"usercreated.attributes.score-l9k8j7h6g5": 1.5}),
        json!({"usercreated.attributes.potential-x6c5v4b3n2": "1.5"}),
        json!({"usercreated.attributes.updated-w1e2r3t4y5": "2024-01-01T00:00:00Z"}),
        json!({"usercreated.attributes.notes-y4u3i2o1p0": "å".repeat(1001)}),
        json!({"usercreated.attributes.notes-y4u3i2o1p0": ""}),
        json!({"usercreated.attributes.unknown": "x"}),
    ] {
        let mut body = wrong.clone();
        body[FIRST_NAME] = json!("Anna");
        let (status, problem) = client.patch("7", body).await;
        assert_eq!((status, &problem["status"]), (400, &json!(400)), "{wrong}");
    }
    let profile = client.sandbox.profile("7").unwrap();
    assert_eq!(profile.attributes.keys().collect::<Vec<_>>(), ["com.apsis1.attributes.crmid"]);

    let good = json!({
        EMAIL: "anna@b.example", FIRST_NAME: "Anna", "com.apsis1.attributes.mobile": 46_701_234_567_u64,
        "usercreated.attributes.notes-y4u3i2o1p0": "å".repeat(1000),
        "usercreated.attributes.score-l9k8j7h6g5": 9_007_199_254_740_993_i64,
    });
    assert_eq!(client.patch("7", good).await.0, 204);
    assert_eq!(client.patch("7", json!({FIRST_NAME: null})).await.0, 204);
    let path = format!("/audience/keyspaces/{CRM}/profiles/7/sections/{SECTION}/attributes");
    let (_, values) = client.get(&path).await;
    assert_eq!(values["312460200"], "anna@b.example");
    assert_eq!(values["312460216"], 9_007_199_254_740_993_i64);
    assert!(values.get("312460203").is_none());
    let plain = client.apsis(Method::PATCH, &Client::of("7", "attributes")).json(&json!({FIRST_NAME: "B"}));
    assert_eq!(plain.send().await.unwrap().status(), 415);
}

#[tokio::test]
async fn keys_follow_their_attribute_by_version_2_only() {
    let client = Client::start(SandboxConfig::default()).await;
    let at = |key: &str, prefix: &str| {
        format!("{prefix}/audience/keyspaces/{EMAIL_KEYS}/profiles/{key}/sections/{SECTION}/attributes")
    };
    // Version 1 makes the profile, and does not move its key.
    assert_eq!(client.patch_at(&at("a%2B1%40x.example", ""), json!({"312460203": "A"})).await.0, 204);
    assert_eq!(client.patch_at(&at("a%2B1%40x.example", ""), json!({"312460201": "A"})).await.0, 400);
    assert_eq!(
        client.patch_at(&at("a%2B1%40x.example", ""), json!({"312460200": "b@x.example"})).await.0,
        204
    );
    assert_eq!(client.get(&at("a%2B1%40x.example", "")).await.0, 200);
    // An unescaped plus is a space, and another key.
    assert_eq!(client.get(&at("a+1%40x.example", "")).await.0, 404);
    // Version 2 moves it, unless another profile has it.
    assert_eq!(client.patch_at(&at("c%40x.example", ""), json!({})).await.0, 204);
    let moved = json!({EMAIL: "c@x.example"});
    assert_eq!(client.patch_at(&at("a%2B1%40x.example", "/v2"), moved.clone()).await.0, 409);
    assert_eq!(client.patch_at(&at("a%2B1%40x.example", "/v2"), json!({EMAIL: "d@x.example"})).await.0, 204);
    assert_eq!(client.get(&at("a%2B1%40x.example", "")).await.0, 404);
    client
        .sandbox
        .set_apsis_switches(ApsisSwitches { taken_key: TakenKey::Merge, ..ApsisSwitches::default() });
    assert_eq!(client.patch_at(&at("d%40x.example", "/v2"), moved).await.0, 204);
    assert_eq!(client.sandbox.profile_count(), 1);
    assert_eq!(client.get(&at("%zz", "")).await.0, 400);
}

#[tokio::test]
async fn consents_go_by_the_table() {
    let apsis = ApsisSwitches { profile_per_second: 100, ..ApsisSwitches::default() };
    let client = Client::start(SandboxConfig { apsis, ..SandboxConfig::default() }).await;
    client.create("7").await;
    let set = |topic, channel, state, reason| client.consent("7", topic, channel, state, reason);
    assert_eq!(set(NEWSLETTER, BY_EMAIL, "opt-in", "").await, 400);
    assert_eq!(set(NEWSLETTER, BY_EMAIL, "confirmed-opt-in", "CRM").await, 400);
    assert_eq!(set(NEWSLETTER, BY_EMAIL, "opt-in", "CRM").await, 201);
    assert_eq!(set(NEWSLETTER, BY_EMAIL, "opt-in", "CRM").await, 409);
    assert_eq!(set(NEWSLETTER, BY_EMAIL, "opt-out", "CRM").await, 204);
    assert_eq!(set(OFFERS, BY_SMS, "opt-in", "CRM").await, 400);
    assert_eq!(set("usercreated.topics.gone", BY_EMAIL, "opt-in", "CRM").await, 404);
    assert_eq!(client.consent("8", NEWSLETTER, BY_EMAIL, "opt-in", "CRM").await, 404);
    client
        .sandbox
        .put_consent(
            "7",
            &Consent {
                topic: OFFERS.into(),
                channel: BY_EMAIL.into(),
                state: ConsentType::ConfirmedOptIn,
                modified_at: None,
            },
        )
        .unwrap();
    assert_eq!(set(OFFERS, BY_EMAIL, "opt-in", "CRM").await, 409);
    let path = Client::of("7", "consents");
    let (_, all) = client.get(&path).await;
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    let (_, some) = client.get(&format!("{path}?consent_types=opt-in&consent_types=confirmed-opt-in")).await;
    assert_eq!(some["items"][0]["type"], "confirmed-opt-in");
    assert_eq!(some["items"].as_array().unwrap().len(), 1);
    let export = path.replace("crm-id", "export");
    assert_eq!(client.get(&export).await.0, 403);
}

#[tokio::test]
async fn merging_deleting_and_locking() {
    let client = Client::start(SandboxConfig::default()).await;
    client.create("7").await;
    client.create("8").await;
    let merge = |body: Value| {
        let request = client.apsis(Method::PUT, "/audience/profiles/merges").json(&body);
        async move { read(request.send().await.unwrap()).await.0 }
    };
    let one = |key: &str| json!({"keyspace_discriminator": CRM, "profile_key": key});
    let email = json!({"keyspace_discriminator": EMAIL_KEYS, "profile_key": "a@x.example"});
    assert_eq!(merge(json!({"profiles": [one("7")]})).await, 400);
    assert_eq!(merge(json!({"profiles": [one("7"), email]})).await, 404);
    // The CRM ids differ.
    assert_eq!(merge(json!({"profiles": [one("7"), one("8")]})).await, 409);
    let path = format!("/audience/keyspaces/{EMAIL_KEYS}/sections/{SECTION}/profiles");
    assert_eq!(client.post(&path, json!({"profile_key": "a@x.example"})).await.0, 201);
    assert_eq!(merge(json!({"profiles": [one("7"), email]})).await, 204);
    assert_eq!(client.sandbox.profile("7").unwrap().attributes[EMAIL], "a@x.example");

    let profile = |key: &str| format!("/audience/keyspaces/{CRM}/profiles/{key}");
    let send = |method: Method, path: String| {
        let request = client.apsis(method, &path);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(send(Method::DELETE, profile("8")).await, 204);
    assert_eq!(send(Method::DELETE, profile("8")).await, 404);
    assert_eq!(client.create("8").await, 201);
    assert_eq!(send(Method::PUT, profile("7") + "/locks").await, 204);
    assert_eq!(client.patch("7", json!({FIRST_NAME: "A"})).await.0, 410);
    assert_eq!(client.create("7").await, 410);

    let tags = Client::of("8", "tags").replace("/v2", "");
    assert_eq!(client.patch_at(&tags, json!({"usercreated.tags.none": true})).await.0, 400);
    client.sandbox.add_tag("usercreated.tags.none", "None");
    assert_eq!(client.patch_at(&tags, json!({"usercreated.tags.none": true})).await.0, 204);
    assert_eq!(client.sandbox.profile("8").unwrap().tags, ["usercreated.tags.none"]);
}

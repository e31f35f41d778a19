//! Lime CRM: who may come in, the model, lists, queries, and changes meanwhile.

use serde_json::{Value, json};
use sluice_sandbox::{LimeSwitches, People, SandboxConfig};

use crate::support::{Client, read};

fn persons(after: u64, limit: u64) -> Value {
    json!({
        "limetype": "person",
        "responseFormat": {"object": {"_id": null, "email": "", "language": null, "company": {"_id": null, "name": null}}},
        "filter": {"key": "_id", "op": ">", "exp": after},
        "orderBy": [{"_id": "ASC"}],
        "limit": limit,
        "offset": 0,
    })
}

#[tokio::test]
async fn a_key_is_needed() {
    let client = Client::start(SandboxConfig::default()).await;
    let url = format!("{}/api/v1/limetype/", client.sandbox.lime_url());
    let (status, body) = read(client.http.get(&url).send().await.unwrap()).await;
    assert_eq!(status, 401);
    assert!(body["message"].is_string());
    let read_only = &client.sandbox.addresses().lime_read_only_key;
    let answer = client.http.get(&url).header("X-API-Key", read_only).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let url = format!("{}/api/v1/limeobject/person/5001/", client.sandbox.lime_url());
    let put = client.http.put(&url).header("x-api-key", read_only).json(&json!({"firstname": "X"}));
    assert_eq!(put.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn the_model_tells_types_options_and_relations() {
    let client = Client::start(SandboxConfig::default()).await;
    let (status, body) = client.lime("limetype/?_embed=limetypes.properties").await;
    assert_eq!(status, 200);
    let limetypes = body["_embedded"]["limetypes"].as_array().unwrap();
    let person = limetypes.iter().find(|it| it["name"] == "person").unwrap();
    let properties = person["_embedded"]["properties"].as_array().unwrap();
    let property = |name: &str| properties.iter().find(|it| it["name"] == name).unwrap();
    assert_eq!(property("email")["type"], "link");
    assert_eq!(property("company")["_links"]["related_type"]["name"], "company");
    assert_eq!(property("language")["options"][1]["key"], "sv");
    assert_eq!(property("consent")["type"], "hasmany");

    client.sandbox.set_lime_switches(LimeSwitches { consent_add_on: false, ..LimeSwitches::default() });
    let (_, body) = client.lime("limetype/?_embed=limetypes.properties").await;
    assert!(!body.to_string().contains("\"consent\""));
    assert_eq!(client.lime("limeobject/consent/").await.0, 404);
}

#[tokio::test]
async fn lists_are_pages_of_ten_and_follow_next() {
    let client = Client::start(SandboxConfig::default()).await;
    let (_, body) = client.lime("limeobject/person/").await;
    assert_eq!(body["_embedded"]["limeobjects"].as_array().unwrap().len(), 10);
    let (_, body) = client.lime("limeobject/person/?_limit=200&_embed=company").await;
    let objects = body["_embedded"]["limeobjects"].as_array().unwrap();
    assert_eq!(objects.len(), 50);
    assert_eq!(objects[0]["_embedded"]["relation_company"]["_id"], objects[0]["company"]);
    assert_eq!(objects[0]["language"]["key"], "sv");
    let next = body["_links"]["next"]["href"].as_str().unwrap();
    assert!(next.contains("_embed=company") && next.contains("_offset=50"), "{next}");
    let answer = client.http.get(next).header("x-api-key", client.sandbox.lime_key()).send().await.unwrap();
    assert_eq!(read(answer).await.1["_embedded"]["limeobjects"][0]["_id"], 5051);

    client.sandbox.set_lime_switches(LimeSwitches { next_by_id: true, ..LimeSwitches::default() });
    let (_, body) = client.lime("limeobject/person/?_limit=2").await;
    assert!(body["_links"]["next"]["href"].as_str().unwrap().contains("_offset_id=5002"));

    let (_, body) = client.lime("limeobject/person/?email=nobody%40x.example").await;
    assert_eq!(body["_embedded"]["limeobjects"], json!([]));
    assert!(body["_links"].get("next").is_none());
    assert_eq!(client.lime("limeobject/person/?shoesize=4").await.0, 400);
    assert_eq!(client.lime("limeobject/person/999/").await.0, 404);
}

#[tokio::test]
async fn a_keyset_reads_everybody_once() {
    let client = Client::start(SandboxConfig::default()).await;
    let (mut after, mut ids) = (0, Vec::new());
    loop {
        let (status, body) = client.query(persons(after, 500)).await;
        assert_eq!(status, 200);
        let objects = body["objects"].as_array().unwrap();
        assert!(objects.len() <= 200);
        ids.extend(objects.iter().map(|it| it["_id"].as_u64().unwrap()));
        let Some(last) = ids.last().filter(|last| **last > after) else { break };
        after = *last;
    }
    assert_eq!(ids, (5001..=8000).collect::<Vec<_>>());
}

#[tokio::test]
async fn queries_join_filter_and_give_keys_of_options() {
    let client = Client::start(SandboxConfig::default()).await;
    let (_, body) = client.query(persons(5000, 1)).await;
    assert_eq!(body["objects"][0]["language"], "sv");
    assert_eq!(body["objects"][0]["company"]["name"], "Lind & Wikström HB");
    let consents = |filter: Value| {
        json!({
            "limetype": "consent", "filter": filter, "limit": 200,
            "responseFormat": {"object": {"_id": null, "person": null, "consenttype": null, "_createdtime": null}},
        })
    };
    let (_, body) = client.query(consents(json!({"key": "person", "op": "IN", "exp": [5002, 5003]}))).await;
    assert_eq!(body["objects"].as_array().unwrap().len(), 5);
    let orphans = json!({"op": "OR", "exp": [
        {"key": "person", "op": "=", "exp": null}, {"key": "consenttype", "op": "=", "exp": null}]});
    let (_, body) = client.query(consents(orphans)).await;
    assert_eq!(body["objects"].as_array().unwrap().len(), 9);
    let by_company = json!({"key": "person.company.country", "op": "=", "exp": "Norway"});
    assert_eq!(client.query(consents(by_company)).await.0, 200);

    for (wrong, status) in [
        (json!({"limetype": "person", "responseFormat": {"object": {"shoesize": null}}}), 400),
        (json!({"limetype": "person", "responseFormat": {"object": {"consent": null}}}), 400),
        (json!({"limetype": "person"}), 400),
        (json!({"limetype": "shoe", "responseFormat": {"object": {"_id": null}}}), 404),
        (consents(json!({"key": "person", "op": "~", "exp": 1})), 400),
        (consents(json!({"key": "person", "op": "=", "exp": "x"})), 400),
    ] {
        let (got, body) = client.query(wrong.clone()).await;
        assert_eq!(got, status, "{wrong}");
        assert!(body["message"].is_string());
    }
    let long = json!({"key": "person", "op": "IN", "exp": (5000..6500).collect::<Vec<_>>()});
    assert_eq!(client.query(consents(long)).await.0, 414);
    client.sandbox.set_lime_switches(LimeSwitches { query_permitted: false, ..LimeSwitches::default() });
    assert_eq!(client.query(persons(0, 1)).await.0, 403);
}

#[tokio::test]
async fn people_come_and_go_and_lose_their_consents() {
    let client = Client::start(SandboxConfig::default()).await;
    let id = client.sandbox.lime_create("person", &json!({"firstname": "Maja", "company": 1001})).unwrap();
    assert_eq!(id, 8001);
    let (_, body) = client.query(persons(8000, 10)).await;
    assert_eq!(body["objects"][0]["company"]["_id"], 1001);
    client.sandbox.lime_delete("person", 5002).unwrap();
    let (_, body) = client.query(persons(5001, 1)).await;
    assert_eq!(body["objects"][0]["_id"], 5003);
    assert_eq!(client.lime("limeobject/consent/1001/").await.1["person"], Value::Null);
    client.sandbox.lime_update("person", 5001, &json!({"email": "new@x.example"})).unwrap();
    assert_eq!(client.lime("limeobject/person/5001/").await.1["email"], "new@x.example");
    for wrong in [json!({"email": null}), json!({"firstname": "x".repeat(33)}), json!({"shoesize": 4})] {
        assert!(client.sandbox.lime_update("person", 5001, &wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn who_was_deleted_can_come_back_alone() {
    let client = Client::start(SandboxConfig::default()).await;
    let before = client.lime("limeobject/person/5002/").await.1;
    client.sandbox.lime_update("person", 5002, &json!({"city": "Oslo"})).unwrap();
    client.sandbox.lime_delete("person", 5002).unwrap();
    assert_eq!(client.lime("limeobject/person/5002/").await.0, 404);
    let url = format!("{}/lime/person/5002/restore", client.sandbox.control_url());
    assert_eq!(client.http.post(&url).send().await.unwrap().status(), 204);
    let (status, after) = client.lime("limeobject/person/5002/").await;
    assert_eq!((status, &after["city"], &after["company"]), (200, &json!("Oslo"), &before["company"]));
    assert!(after["_timestamp"].as_str() > before["_timestamp"].as_str());
    assert_eq!(client.lime("limeobject/consent/1001/").await.1["person"], Value::Null);
    assert!(client.sandbox.lime_restore("person", 5002).is_err(), "who is there cannot come back");
    assert_eq!(client.http.post(&url).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn subscriptions_are_kept_by_version() {
    let client = Client::start(SandboxConfig::default()).await;
    let url = |version: &str| format!("{}/api/{version}/subscription/", client.sandbox.lime_url());
    let key = client.sandbox.lime_key();
    let body = json!({"events": ["person.new"], "target_url": "https://x.example/h", "secret": "s3"});
    let made = client.http.post(url("v2")).header("x-api-key", key).json(&body).send().await.unwrap();
    let (status, made) = read(made).await;
    assert_eq!((status, &made["signature_version"]), (201, &json!("v2")));
    assert!(made.get("secret").is_none());
    let all = client.http.get(url("v1")).header("x-api-key", key).send().await.unwrap();
    assert_eq!(read(all).await.1[0]["id"], made["id"]);
    let one = format!("{}{}/", url("v1"), made["id"]);
    let gone = client.http.delete(&one).header("x-api-key", key).send().await.unwrap();
    assert_eq!(gone.status(), 204);
    assert_eq!(client.http.get(&one).header("x-api-key", key).send().await.unwrap().status(), 404);
    client.sandbox.set_lime_switches(LimeSwitches { subscriptions_v2: false, ..LimeSwitches::default() });
    let gone = client.http.get(url("v2")).header("x-api-key", key).send().await.unwrap();
    assert_eq!(gone.status(), 404);
}

#[tokio::test]
async fn made_up_people_cost_nothing_until_they_are_read() {
    let people = People::Generated { persons: 200_000, seed: 3 };
    let client = Client::start(SandboxConfig { people, ..SandboxConfig::default() }).await;
    let (_, body) = client.query(persons(204_900, 200)).await;
    assert_eq!(body["objects"].as_array().unwrap().len(), 100);
    let (_, body) = client.lime("limeobject/campaign/").await;
    assert_eq!(body["_embedded"]["limeobjects"].as_array().unwrap().len(), 6);
}

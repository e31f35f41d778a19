//! What webhooks say and how they are signed, which writes raise them, and in what order they come.

use std::collections::BTreeSet;

use futures::FutureExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use sluice_sandbox::{ChildrenUpdate, LimeSwitches, SandboxConfig, WebhookState, WebhookSwitches};

use crate::receiver::{Received, Receiver};
use crate::support::{Client, read};

pub(crate) const PERSONS: &[&str] = &["person.new", "person.update", "person.delete", "person.restore"];

async fn with(webhooks: WebhookSwitches) -> (Client, Receiver) {
    let client = Client::start(SandboxConfig { webhooks, ..SandboxConfig::default() }).await;
    (client, Receiver::start([]).await)
}

fn scores(received: &[Received]) -> Vec<u64> {
    received.iter().map(|it| it.values()["score"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn each_version_signs_in_its_own_way() {
    let (client, mut receiver) = with(WebhookSwitches::default()).await;
    let first = client.subscribe("v1", &receiver.url, &["person.update"]).await;
    client.sandbox.lime_update("person", 5001, &json!({"city": "Malmö"})).unwrap();
    let v1 = receiver.next().await;
    assert_eq!(v1.header("content-type"), Some("application/json"));
    assert_eq!(v1.header("x-lime-signature"), Some(v1.signature_1().as_str()));
    assert_eq!((v1.header("x-lime-delivery-id"), v1.header("x-lime-delivery-timestamp")), (None, None));
    client.unsubscribe(first).await;

    let second = client.subscribe("v2", &receiver.url, &["person.update"]).await;
    client.sandbox.lime_update("person", 5001, &json!({"city": "Oslo"})).unwrap();
    let v2 = receiver.next().await;
    assert_eq!(v2.header("content-type"), Some("application/json"));
    assert_eq!(v2.header("x-lime-signature"), Some(v2.signature_2().as_str()));
    let now = jiff::Timestamp::now().as_second();
    assert!((now - 60..=now).contains(&v2.seconds()));
    let parts: Vec<usize> = v2.id().split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12], "{} is a UUID", v2.id());

    client.sandbox.webhooks_idle().await;
    let log = client.sandbox.webhooks();
    assert_eq!((log[0].subscription, log[0].delivery_id.as_deref()), (first, None));
    assert_eq!((log[1].subscription, log[1].delivery_id.as_deref()), (second, Some(v2.id())));
    assert_eq!(
        (log[1].event.as_str(), log[1].limetype.as_str(), log[1].object),
        ("person.update", "person", 5001)
    );
    assert_eq!((log[1].state, &log[1].statuses[..]), (WebhookState::Acknowledged, &[204][..]));
    assert!(log[1].acknowledged_millis.unwrap() >= log[1].raised_millis);
}

#[tokio::test]
async fn without_a_secret_nothing_is_signed() {
    let (client, mut receiver) = with(WebhookSwitches::default()).await;
    let body = json!({"events": ["person.new"], "target_url": receiver.url});
    let url = format!("{}/api/v2/subscription/", client.sandbox.lime_url());
    let made = client.http.post(url).header("x-api-key", client.sandbox.lime_key()).json(&body);
    assert_eq!(made.send().await.unwrap().status(), 201);
    client.sandbox.lime_create("person", &json!({"firstname": "Maja"})).unwrap();
    let received = receiver.next().await;
    assert_eq!(received.header("x-lime-signature"), None);
    assert!(!received.id().is_empty());
}

#[tokio::test]
async fn every_write_raises_its_event_whoever_did_it() {
    let (client, mut receiver) = with(WebhookSwitches::default()).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    let lime = |method: Method, path: &str, body: Value| {
        let url = format!("{}/api/v1/limeobject/{path}", client.sandbox.lime_url());
        client.http.request(method, url).header("x-api-key", client.sandbox.lime_key()).json(&body).send()
    };
    let control = |method: Method, path: &str, body: Value| {
        let url = format!("{}/lime/{path}", client.sandbox.control_url());
        client.http.request(method, url).json(&body).send()
    };
    assert_eq!(lime(Method::POST, "person/", json!({"firstname": "A"})).await.unwrap().status(), 201);
    assert_eq!(lime(Method::PUT, "person/8001/", json!({"firstname": "B"})).await.unwrap().status(), 200);
    assert_eq!(lime(Method::DELETE, "person/8001/", Value::Null).await.unwrap().status(), 204);
    assert_eq!(control(Method::POST, "person/8001/restore", Value::Null).await.unwrap().status(), 204);
    assert_eq!(control(Method::PUT, "person/8001", json!({"firstname": "C"})).await.unwrap().status(), 204);
    assert_eq!(control(Method::DELETE, "person/8001", Value::Null).await.unwrap().status(), 204);
    assert_eq!(control(Method::POST, "person", json!({"firstname": "D"})).await.unwrap().status(), 200);
    client.sandbox.lime_update("person", 8002, &json!({"firstname": "E"})).unwrap();
    client.sandbox.lime_delete("person", 8002).unwrap();
    client.sandbox.lime_restore("person", 8002).unwrap();
    client.sandbox.lime_create("person", &json!({"firstname": "F"})).unwrap();
    // Refused, and so no write.
    assert_eq!(lime(Method::PUT, "person/8001/", json!({"firstname": null})).await.unwrap().status(), 404);
    assert!(client.sandbox.lime_update("person", 8002, &json!({"firstname": null})).is_err());
    // Not asked for.
    client.sandbox.lime_update("company", 1001, &json!({"city": "Lund"})).unwrap();

    let told: Vec<(String, u64, Value)> = receiver
        .take(11)
        .await
        .iter()
        .map(|it| (it.event(), it.object(), it.values()["firstname"].clone()))
        .collect();
    let expected = [
        ("person.new", 8001, json!("A")),
        ("person.update", 8001, json!("B")),
        ("person.delete", 8001, Value::Null),
        ("person.restore", 8001, json!("B")),
        ("person.update", 8001, json!("C")),
        ("person.delete", 8001, Value::Null),
        ("person.new", 8002, json!("D")),
        ("person.update", 8002, json!("E")),
        ("person.delete", 8002, Value::Null),
        ("person.restore", 8002, json!("E")),
        ("person.new", 8003, json!("F")),
    ];
    assert_eq!(told, expected.map(|(event, id, name)| (event.to_owned(), id, name)));
    let counters = client.sandbox.webhooks_idle().await;
    assert_eq!((counters.raised, counters.acknowledged, counters.attempts), (11, 11, 11));
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn nothing_is_raised_for_who_does_not_ask_for_it() {
    // Something waits all the time, so that there is a queue that could take more.
    let (client, receiver) = with(WebhookSwitches { paused: true, ..WebhookSwitches::default() }).await;
    let id = client.subscribe("v2", &receiver.url, &["person.update"]).await;
    let raised = || client.sandbox.webhook_counters().raised;
    let update = || client.sandbox.lime_update("person", 5001, &json!({"city": "Oslo"})).unwrap();
    client.sandbox.lime_create("person", &json!({"firstname": "Maja"})).unwrap();
    assert_eq!(raised(), 0);
    update();
    assert_eq!(raised(), 1);
    client.change_subscription(id, json!({"enabled": false})).await;
    update();
    assert_eq!(raised(), 1);
    client.change_subscription(id, json!({"enabled": true})).await;
    update();
    assert_eq!(raised(), 2);
    client.sandbox.set_lime_switches(LimeSwitches { webhooks: false, ..LimeSwitches::default() });
    update();
    assert_eq!(raised(), 2, "an installation without the add-on sends nothing");
    client.sandbox.set_lime_switches(LimeSwitches::default());
    client.unsubscribe(id).await;
    update();
    assert_eq!(raised(), 2);
}

#[tokio::test]
async fn an_update_tells_the_old_values_and_all_the_new() {
    let (client, mut receiver) = with(WebhookSwitches::default()).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    let before = client.lime("limeobject/person/5001/").await.1;
    client.sandbox.lime_update("person", 5001, &json!({"email": "new@x.example", "company": null})).unwrap();
    let body = receiver.next().await.json()["body"].clone();
    let old = json!({"email": before["email"], "company": before["company"]});
    assert_eq!(body["original_values"], old);
    let after = client.lime("limeobject/person/5001/").await.1;
    let values = body["values"].as_object().unwrap();
    assert_eq!((&values["email"], &values["company"]), (&json!("new@x.example"), &Value::Null));
    assert_eq!((&values["language"], &after["language"]["key"]), (&json!("sv"), &json!("sv")));
    for name in ["timestamp", "createdtime", "id", "updateduser"] {
        assert_eq!(values[name], after[format!("_{name}")], "{name}");
    }
    client.sandbox.lime_update("person", 5001, &json!({"email": "new@x.example"})).unwrap();
    assert_eq!(receiver.next().await.json()["body"]["original_values"], json!({}));
}

#[tokio::test]
async fn an_event_tells_of_its_own_moment_and_not_of_a_later_one() {
    let (client, mut receiver) = with(WebhookSwitches { paused: true, ..WebhookSwitches::default() }).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    let id = client.sandbox.lime_create("person", &json!({"firstname": "Maja", "score": 0})).unwrap();
    for score in 1..4 {
        client.sandbox.lime_update("person", id, &json!({"score": score})).unwrap();
    }
    // By its answers, others had the time to send.
    for _ in 0..5 {
        assert_eq!(client.lime("limetype/").await.0, 200);
    }
    let counters = client.sandbox.webhook_counters();
    assert_eq!((counters.raised, counters.waiting, counters.attempts), (4, 4, 0));
    assert!(client.sandbox.webhooks_idle().now_or_never().is_none(), "what is paused is not idle");
    assert!(receiver.rest().is_empty());
    client.sandbox.set_webhook_switches(WebhookSwitches::default());
    assert_eq!(scores(&receiver.take(4).await), [0, 1, 2, 3]);
    assert!(client.sandbox.webhooks_idle().await.is_idle());
}

#[tokio::test]
async fn one_comes_at_a_time_in_the_order_of_the_writes() {
    let (client, mut receiver) = with(WebhookSwitches::default()).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    for score in 0..300 {
        client.sandbox.lime_update("person", 5001 + score % 7, &json!({"score": score})).unwrap();
    }
    let received = receiver.take(300).await;
    assert_eq!(scores(&received), (0..300).collect::<Vec<_>>());
    assert_eq!(receiver.most_at_once(), 1);
    let ids: BTreeSet<&str> = received.iter().map(Received::id).collect();
    assert_eq!(ids.len(), 300);
    assert!(received.iter().all(|it| it.header("x-lime-signature") == Some(it.signature_2().as_str())));
}

#[tokio::test]
async fn as_many_come_at_once_as_were_asked_for() {
    let (client, mut receiver) = with(WebhookSwitches { parallel: 4, ..WebhookSwitches::default() }).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    receiver.hold(true);
    for score in 0..40 {
        client.sandbox.lime_update("person", 5001, &json!({"score": score})).unwrap();
    }
    let first: BTreeSet<u64> = scores(&receiver.take(4).await).into_iter().collect();
    assert_eq!(first, (0..4).collect());
    let counters = client.sandbox.webhook_counters();
    assert_eq!((counters.in_flight, counters.waiting), (4, 36));
    receiver.hold(false);
    assert_eq!(client.sandbox.webhooks_idle().await.acknowledged, 40);
    assert_eq!((receiver.rest().len(), receiver.most_at_once()), (36, 4));
}

#[tokio::test]
async fn a_deleted_persons_children_tell_of_their_loss() {
    for (switch, expected) in [
        (ChildrenUpdate::Around, ["consent.update", "person.delete", "consent.update"].as_slice()),
        (ChildrenUpdate::Never, &["person.delete"]),
    ] {
        let (client, mut receiver) =
            with(WebhookSwitches { children_update: switch, ..WebhookSwitches::default() }).await;
        client.subscribe("v2", &receiver.url, &["person.delete", "consent.update"]).await;
        let id = client.sandbox.lime_create("person", &json!({"firstname": "Maja"})).unwrap();
        for kind in [1001, 1002] {
            let consent = json!({"person": id, "consenttype": kind, "date": "2026-05-20", "source": "email"});
            client.sandbox.lime_create("consent", &consent).unwrap();
        }
        client.sandbox.lime_delete("person", id).unwrap();
        let received = receiver.take(expected.len()).await;
        assert_eq!(received.iter().map(Received::event).collect::<Vec<_>>(), expected);
        for consent in received.iter().filter(|it| it.event() == "consent.update") {
            assert_eq!(consent.json()["body"]["original_values"], json!({"person": id}));
            assert_eq!(consent.values()["person"], Value::Null);
        }
        client.sandbox.webhooks_idle().await;
        assert!(receiver.rest().is_empty());
    }
}

#[tokio::test]
async fn each_subscription_has_a_queue_of_its_own() {
    let (client, mut receiver) = with(WebhookSwitches::default()).await;
    let mut slow = Receiver::start([]).await;
    slow.hold(true);
    client.subscribe("v2", &slow.url, &["person.update"]).await;
    client.subscribe("v2", &receiver.url, &["person.update", "person.new"]).await;
    for score in 0..20 {
        client.sandbox.lime_update("person", 5001, &json!({"score": score})).unwrap();
    }
    assert_eq!(scores(&receiver.take(20).await), (0..20).collect::<Vec<_>>());
    assert_eq!(scores(&slow.take(1).await), [0]);
    slow.hold(false);
    assert_eq!(scores(&slow.take(19).await), (1..20).collect::<Vec<_>>());
    assert_eq!(client.sandbox.webhooks_idle().await.acknowledged, 40);
}

#[tokio::test]
async fn a_mass_edit_comes_whole() {
    const EDITS: u64 = 10_000;
    let webhooks = WebhookSwitches { parallel: 16, ..WebhookSwitches::default() };
    let client =
        Client::start(SandboxConfig { webhooks, keep_webhooks: 100, ..SandboxConfig::default() }).await;
    let mut receiver = Receiver::start([]).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    for score in 0..EDITS {
        client.sandbox.lime_update("person", 5001 + score % 3000, &json!({"score": score})).unwrap();
    }
    let counters = client.sandbox.webhooks_idle().await;
    assert_eq!((counters.raised, counters.acknowledged, counters.attempts), (EDITS, EDITS, EDITS));
    let mut all = scores(&receiver.rest());
    all.sort_unstable();
    assert_eq!(all, (0..EDITS).collect::<Vec<_>>());
    assert!(receiver.most_at_once() <= 16);
    let log = client.sandbox.webhooks();
    assert_eq!((log.len(), log[99].number), (100, EDITS - 1));
}

#[tokio::test]
async fn the_log_can_be_asked_for_and_waited_for_from_outside() {
    let (client, mut receiver) = with(WebhookSwitches { paused: true, ..WebhookSwitches::default() }).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    let at = |path: &str| format!("{}/{path}", client.sandbox.control_url());
    let get = async |path: &str| read(client.http.get(at(path)).send().await.unwrap()).await.1;
    for score in 0..3 {
        client.sandbox.lime_update("person", 5001, &json!({"score": score})).unwrap();
    }
    assert_eq!(get("webhooks/counters").await["waiting"], 3);
    let idle = client.http.get(at("webhooks/idle")).send();
    let patch = async {
        receiver.hold(true);
        let patch = client.http.patch(at("switches/webhooks")).json(&json!({"paused": false, "parallel": 2}));
        assert_eq!(patch.send().await.unwrap().status(), 204);
        receiver.take(2).await;
        receiver.hold(false);
        receiver.next().await
    };
    let (idle, _) = tokio::join!(idle, patch);
    let counters = read(idle.unwrap()).await.1;
    assert_eq!((&counters["acknowledged"], &counters["waiting"]), (&json!(3), &json!(0)));
    let log = get("webhooks?after=0").await;
    assert_eq!(log.as_array().unwrap().len(), 2);
    assert_eq!((&log[0]["number"], &log[0]["state"]), (&json!(1), &json!("acknowledged")));
    assert_eq!((&log[0]["statuses"], &log[0]["attempts"]), (&json!([204]), &json!(1)));
    assert_eq!(get("switches/webhooks").await["parallel"], 2);
    let unknown =
        client.http.patch(at("switches/webhooks")).json(&json!({"colour": 1})).send().await.unwrap();
    assert_eq!(unknown.status(), 400);
}

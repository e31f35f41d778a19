//! What goes wrong on a webhook's way: retries, and the chances that can be asked for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sluice_sandbox::{SandboxConfig, Webhook, WebhookState, WebhookSwitches};

use crate::receiver::{Answer, Closed, Received, Receiver};
use crate::support::Client;
use crate::webhooks::PERSONS;

const QUICK: WebhookSwitches = WebhookSwitches {
    paused: false,
    parallel: 1,
    retries_hold_back: true,
    timeout_millis: 30_000,
    attempts: 0,
    first_pause_millis: 10,
    longest_pause_millis: 20,
    drop: 0.0,
    duplicates: 0.0,
    duplicate_within_millis: 20,
    delay_min_millis: 0,
    delay_max_millis: 0,
    delays_keep_order: false,
    reorder: 0.0,
    reorder_by: 10,
    reorder_wait_millis: 50,
    send_after_unsubscribe: true,
    children_update: sluice_sandbox::ChildrenUpdate::Around,
    seed: 1,
};

async fn with(webhooks: WebhookSwitches) -> Client {
    Client::start(SandboxConfig { webhooks, ..SandboxConfig::default() }).await
}

fn edit(client: &Client, scores: std::ops::Range<u64>) {
    for score in scores {
        client.sandbox.lime_update("person", 5001, &json!({"score": score})).unwrap();
    }
}

fn score(received: &Received) -> u64 {
    received.values()["score"].as_u64().unwrap()
}

fn scores(received: &[Received]) -> Vec<u64> {
    received.iter().map(score).collect()
}

/// The same delivery, signed for the time of its first attempt.
fn assert_same(first: &Received, again: &Received) {
    assert_eq!((first.id(), first.seconds(), first.json()), (again.id(), again.seconds(), again.json()));
    assert_eq!(again.header("x-lime-signature"), Some(again.signature_2().as_str()));
}

#[tokio::test]
async fn a_refused_delivery_comes_again_as_the_same_and_holds_the_others_back() {
    // The pause is longer than a second, so that another time would show.
    let client =
        with(WebhookSwitches { first_pause_millis: 1100, longest_pause_millis: 1100, ..QUICK }).await;
    let mut receiver = Receiver::start([Answer::Status(500)]).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    edit(&client, 0..3);
    let received = receiver.take(4).await;
    assert_eq!(scores(&received), [0, 0, 1, 2]);
    assert_same(&received[0], &received[1]);
    assert!(received[2].seconds() > received[1].seconds());
    let counters = client.sandbox.webhooks_idle().await;
    assert_eq!((counters.attempts, counters.acknowledged, &counters.refused), (4, 3, &[(500, 1)].into()));
    let log = client.sandbox.webhooks();
    assert_eq!((&log[0].statuses[..], log[0].attempts), (&[500, 204][..], 2));
    assert_eq!(log[0].delivery_id.as_deref(), Some(received[0].id()));
}

#[tokio::test]
async fn only_2xx_is_a_success_and_a_redirect_is_not_followed() {
    let client = with(QUICK).await;
    let statuses = [301, 307, 400, 404, 410, 429, 503, 202];
    let mut receiver = Receiver::start(statuses.map(Answer::Status)).await;
    client.subscribe("v1", &receiver.url, PERSONS).await;
    edit(&client, 0..2);
    assert_eq!(scores(&receiver.take(9).await), [0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let counters = client.sandbox.webhooks_idle().await;
    assert_eq!((counters.attempts, counters.refused.len(), counters.unanswered), (9, 7, 0));
    assert_eq!(client.sandbox.webhooks()[0].statuses, statuses);
}

#[tokio::test]
async fn who_does_not_answer_in_time_is_asked_again() {
    let client = with(WebhookSwitches { timeout_millis: 1000, ..QUICK }).await;
    let mut receiver = Receiver::start([Answer::Never]).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    edit(&client, 0..1);
    let received = receiver.take(2).await;
    assert_same(&received[0], &received[1]);
    let counters = client.sandbox.webhooks_idle().await;
    assert_eq!((counters.attempts, counters.unanswered, counters.acknowledged), (2, 1, 1));
    assert_eq!(client.sandbox.webhooks()[0].statuses, [0, 204]);
    receiver.left_alone().await;
}

#[tokio::test]
async fn who_does_not_listen_is_asked_until_it_does() {
    let client = with(QUICK).await;
    let closed = Closed::new();
    client.subscribe("v2", &closed.url(), PERSONS).await;
    edit(&client, 0..2);
    let counters = client.sandbox.webhooks_until(|counters| counters.unanswered >= 3).await;
    assert_eq!((counters.acknowledged, counters.waiting + counters.in_flight), (0, 2));
    let mut receiver = closed.open();
    let received = receiver.take(2).await;
    assert_eq!(scores(&received), [0, 1]);
    client.sandbox.webhooks_idle().await;
    let log = client.sandbox.webhooks();
    assert!(log[0].attempts >= 4 && log[0].statuses[..3] == [0, 0, 0], "{:?}", log[0]);
    assert_eq!((log[1].attempts, log[1].state), (1, WebhookState::Acknowledged));
    assert_eq!(log[0].delivery_id.as_deref(), Some(received[0].id()));
}

#[tokio::test]
async fn a_delivery_is_given_up_after_so_many_attempts() {
    let client = with(WebhookSwitches { attempts: 3, ..QUICK }).await;
    let mut receiver = Receiver::start([Answer::Status(500); 3]).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    edit(&client, 0..2);
    assert_eq!(scores(&receiver.take(4).await), [0, 0, 0, 1]);
    let counters = client.sandbox.webhooks_idle().await;
    assert_eq!((counters.raised, counters.gave_up, counters.acknowledged), (2, 1, 1));
    assert_eq!(client.sandbox.webhooks()[0].state, WebhookState::GaveUp);
}

#[tokio::test]
async fn a_retry_may_let_the_others_pass() {
    let client = with(WebhookSwitches {
        retries_hold_back: false,
        first_pause_millis: 1500,
        longest_pause_millis: 1500,
        ..QUICK
    })
    .await;
    let mut receiver = Receiver::start([Answer::Status(503)]).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    edit(&client, 0..3);
    assert_eq!(scores(&receiver.take(4).await), [0, 1, 2, 0]);
}

#[tokio::test]
async fn a_duplicate_is_the_same_delivery_once_more() {
    let client = with(WebhookSwitches { duplicates: 1.0, parallel: 3, ..QUICK }).await;
    let mut receiver = Receiver::start([]).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    edit(&client, 0..20);
    let received = receiver.take(40).await;
    let counters = client.sandbox.webhooks_idle().await;
    assert_eq!((counters.raised, counters.acknowledged, counters.acknowledged_duplicates), (20, 20, 20));
    let mut by_score: BTreeMap<u64, Vec<&Received>> = BTreeMap::new();
    for one in &received {
        by_score.entry(score(one)).or_default().push(one);
    }
    assert_eq!(by_score.len(), 20);
    for pair in by_score.values() {
        let [first, again] = pair[..] else { panic!("{} came {} times", pair[0].id(), pair.len()) };
        assert_same(first, again);
    }
    assert!(client.sandbox.webhooks().iter().all(|it| it.duplicate == Some(204) && it.attempts == 1));
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn a_refused_duplicate_is_not_sent_again() {
    let client = with(WebhookSwitches { duplicates: 1.0, ..QUICK }).await;
    let mut receiver = Receiver::start([Answer::Status(200), Answer::Status(401)]).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    edit(&client, 0..1);
    receiver.take(2).await;
    let counters = client.sandbox.webhooks_idle().await;
    assert_eq!((counters.attempts, counters.acknowledged, counters.acknowledged_duplicates), (2, 1, 0));
    let log = client.sandbox.webhooks();
    assert_eq!((log[0].state, log[0].duplicate), (WebhookState::Acknowledged, Some(401)));
}

#[tokio::test]
async fn events_are_put_back_behind_a_few_later_ones() {
    let client = with(WebhookSwitches { reorder: 0.3, reorder_by: 4, paused: true, ..QUICK }).await;
    let mut receiver = Receiver::start([]).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    edit(&client, 0..200);
    client.sandbox.set_webhook_switches(QUICK);
    let came = scores(&receiver.take(200).await);
    let mut sorted = came.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..200).collect::<Vec<_>>());
    let overtaken_by = |at: usize| came[..at].iter().filter(|earlier| **earlier > came[at]).count();
    let most = (0..came.len()).map(overtaken_by).max().unwrap();
    assert!((1..=4).contains(&most), "one was overtaken by {most}");
}

#[tokio::test]
async fn delays_change_the_order() {
    let client = with(WebhookSwitches { delay_max_millis: 200, ..QUICK }).await;
    let mut receiver = Receiver::start([]).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    edit(&client, 0..100);
    let came = scores(&receiver.take(100).await);
    assert!(came.windows(2).any(|two| two[0] > two[1]), "{came:?}");
    assert_eq!(came.iter().collect::<BTreeSet<_>>().len(), 100);

    client.sandbox.set_webhook_switches(WebhookSwitches {
        delay_min_millis: 100,
        delay_max_millis: 200,
        delays_keep_order: true,
        ..QUICK
    });
    edit(&client, 0..100);
    assert_eq!(scores(&receiver.take(100).await), (0..100).collect::<Vec<_>>());
    client.sandbox.webhooks_idle().await;
    let log = client.sandbox.webhooks();
    let late = |it: &Webhook| it.acknowledged_millis.unwrap() - it.raised_millis;
    assert!(log[100..].iter().all(|it| late(it) >= 99), "none came before its delay");
}

#[tokio::test]
async fn what_is_dropped_never_comes_and_is_counted() {
    let client = with(WebhookSwitches { drop: 0.5, ..QUICK }).await;
    let mut receiver = Receiver::start([]).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    edit(&client, 0..100);
    let counters = client.sandbox.webhooks_idle().await;
    let came = scores(&receiver.rest());
    assert!((20..=80).contains(&counters.dropped), "{counters:?}");
    assert_eq!((counters.raised, counters.acknowledged), (100, 100 - counters.dropped));
    let log = client.sandbox.webhooks();
    let kept: Vec<u64> =
        log.iter().filter(|it| it.state != WebhookState::Dropped).map(|it| it.number).collect();
    assert_eq!(came, kept);
    assert!(log.iter().all(|it| it.attempts == u32::from(it.state != WebhookState::Dropped)));
}

#[tokio::test]
async fn chances_are_the_same_for_the_same_seed() {
    let client = with(QUICK).await;
    let receiver = Receiver::start([]).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    let mut runs = Vec::new();
    for seed in [7, 8, 7] {
        client.sandbox.set_webhook_switches(WebhookSwitches { drop: 0.5, seed, ..QUICK });
        let first = client.sandbox.webhook_counters().raised;
        edit(&client, 0..50);
        let log = client.sandbox.webhooks();
        let dropped = log.iter().filter(|it| it.number >= first && it.state == WebhookState::Dropped);
        runs.push(dropped.map(|it| it.number - first).collect::<Vec<_>>());
    }
    assert_eq!(runs[0], runs[2]);
    assert_ne!(runs[0], runs[1]);
}

#[tokio::test]
async fn what_was_raised_before_is_sent_after_all_or_withdrawn() {
    for sends in [true, false] {
        let switches = WebhookSwitches { send_after_unsubscribe: sends, ..QUICK };
        let client = with(WebhookSwitches { paused: true, ..switches.clone() }).await;
        let mut receiver = Receiver::start([]).await;
        let id = client.subscribe("v2", &receiver.url, PERSONS).await;
        edit(&client, 0..5);
        client.unsubscribe(id).await;
        edit(&client, 5..10);
        client.sandbox.set_webhook_switches(switches);
        let counters = client.sandbox.webhooks_idle().await;
        let came = if sends { 5 } else { 0 };
        assert_eq!((counters.raised, counters.acknowledged, counters.withdrawn), (5, came, 5 - came));
        assert_eq!(scores(&receiver.rest()), (0..came).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_subscription_that_moves_takes_what_waits_along() {
    let client = with(QUICK).await;
    let closed = Closed::new();
    let id = client.subscribe("v2", &closed.url(), PERSONS).await;
    edit(&client, 0..3);
    client.sandbox.webhooks_until(|counters| counters.unanswered > 0).await;
    let mut receiver = Receiver::start([]).await;
    client.change_subscription(id, json!({"target_url": receiver.url})).await;
    assert_eq!(scores(&receiver.take(3).await), [0, 1, 2]);
}

#[tokio::test]
async fn sending_ends_with_the_sandbox() {
    // Longer than this test waits: the end of the sandbox must be what ends the request.
    let client = with(WebhookSwitches { timeout_millis: 600_000, ..QUICK }).await;
    let mut receiver = Receiver::start([Answer::Never]).await;
    client.subscribe("v2", &receiver.url, PERSONS).await;
    edit(&client, 0..2);
    receiver.next().await;
    drop(client.sandbox);
    receiver.left_alone().await;
    assert!(receiver.rest().is_empty());
}

//! The brake in real time: what comes in within an hour and would opt out more than may be without being asked waits,
//! in its order, until somebody approves.

use serde_json::json;
use sluice_tests::rig::{ACME, eventually, made_up};
use sluice_tests::sides::{VISITS, profiles};

use crate::live::{IMMEDIATELY, Live, On};

#[tokio::test]
async fn on_sqlite_the_lane_is_held_and_goes_on_when_approved() {
    held(On::Sqlite).await;
}

#[tokio::test]
async fn on_postgres_the_lane_is_held_and_goes_on_when_approved() {
    held(On::Postgres).await;
}

async fn held(on: On) {
    let few = "\n[brake]\nat-least = 5\n";
    let live = Live::start(on, made_up(60), |text| text + IMMEDIATELY + few).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let people = profiles(&live.sandbox);
    let opted_in =
        people.iter().filter(|(_, (_, consents))| consents.values().any(|state| state == "opt-in"));
    let opted_in: Vec<u64> = opted_in.map(|(id, _)| id.parse().unwrap()).collect();
    assert!(opted_in.len() > 20, "{}", opted_in.len());
    for person in &opted_in {
        for kind in [1001, 1002, 1003, 1004, 1005] {
            let date = jiff::Timestamp::now().to_string();
            let no = json!({"person": person, "consenttype": kind, "approved": false, "date": date, "source": "coworker"});
            live.sandbox.lime_create("consent", &no).unwrap();
        }
    }
    let is_held = || async { (live.status().await["pause"]["kind"] == "held").then_some(()) };
    eventually("the lane is held", is_held).await;
    let held = live.run(&["sync", "held", ACME]).await;
    assert_eq!(held.code(), 5, "{}", held.log);
    let would = held.lines[0]["of-lane"]["would"].clone();
    assert!(would["opt-outs"].as_u64().unwrap() > 5, "{would}");
    let outs = |live: &Live| {
        let profiles = profiles(&live.sandbox);
        let is_out = |person: &&u64| profiles[&person.to_string()].1.values().all(|state| state == "opt-out");
        opted_in.iter().filter(is_out).count()
    };
    assert!(outs(&live) <= 5, "no more than may be without being asked: {}", outs(&live));

    // What comes in meanwhile waits behind it.
    let waits = opted_in[opted_in.len() - 1].to_string();
    live.sandbox.lime_update("person", waits.parse().unwrap(), &json!({ "visits": 99 })).unwrap();
    live.sandbox.webhooks_idle().await;
    assert_ne!(profiles(&live.sandbox)[&waits].0.get(VISITS), Some(&json!(99)));
    assert!(outs(&live) <= 5, "{}", outs(&live));
    let status = live.status().await;
    assert!(
        status["contacts-waiting"].as_u64().or(status["contacts-waiting"].as_u64()) > Some(0),
        "{status}"
    );

    // What was approved goes through, however many more of the kind there are.
    let approved = live.run(&["sync", "approve", ACME]).await;
    assert_eq!(approved.code(), 0, "{}", approved.log);
    live.until_quiet().await;
    live.assert_equal();
}

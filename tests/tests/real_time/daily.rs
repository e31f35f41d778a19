//! New contacts once a day: until then they have no profile, and the run finds them all, also those whose message
//! was lost.

use serde_json::json;
use sluice_sandbox::{SandboxConfig, WebhookSwitches};
use sluice_tests::expected::Expected;
use sluice_tests::rig::{ACME, eventually};
use sluice_tests::sides::VISITS;

use crate::live::{Live, On};

#[tokio::test]
async fn on_sqlite_who_is_new_gets_a_profile_with_the_daily_run() {
    who_is_new_gets_a_profile(On::Sqlite).await;
}

#[tokio::test]
async fn on_postgres_who_is_new_gets_a_profile_with_the_daily_run() {
    who_is_new_gets_a_profile(On::Postgres).await;
}

async fn who_is_new_gets_a_profile(on: On) {
    let mut live = Live::start(on, SandboxConfig::default(), |text| text).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let new = |number: u32| json!({ "firstname": "Nya", "lastname": format!("Number {number}"), "email": format!("n{number}@nya.example"), "inactive": false });
    let create = |number: u32| live.sandbox.lime_create("person", &new(number)).unwrap();
    let (first, second, deleted) = (create(1), create(2), create(3));
    live.sandbox.lime_update("person", first, &json!({ "city": "Visby" })).unwrap();
    live.sandbox.lime_delete("person", deleted).unwrap();
    // Its message is lost on the way.
    let switches = live.sandbox.webhook_switches();
    live.sandbox.set_webhook_switches(WebhookSwitches { drop: 1.0, ..switches.clone() });
    let lost = create(4);
    live.sandbox.set_webhook_switches(switches);
    // Whoever has a profile is not waited with.
    let known = live.sandbox.profiles()[0].crm_id.clone().unwrap();
    live.sandbox.lime_update("person", known.parse().unwrap(), &json!({ "visits": 77 })).unwrap();
    live.until_quiet().await;
    let profile = |live: &Live, person: u64| live.sandbox.profile(&person.to_string());
    assert!([first, second, lost].into_iter().all(|person| profile(&live, person).is_none()));
    assert_eq!(live.sandbox.profile(&known).unwrap().attributes[VISITS], 77);
    let status = live.status().await;
    assert_eq!((&status["newcomers"], &status["dead"]), (&json!(2), &json!(0)), "{status}");

    live.stop().await;
    live.put_back_daily(3);
    live.serve().await;
    let runs = eventually("the daily run has ended", async || {
        let runs = live.run(&["sync", "list", ACME]).await.lines;
        (runs[0]["kind"] == "daily" && !runs[0]["ended-at"].is_null()).then_some(runs)
    })
    .await;
    let daily = &runs[0];
    assert_eq!(runs.iter().filter(|run| run["kind"] == "daily").count(), 1, "made up for once");
    assert_eq!((&daily["phase"], &daily["counters"]["created"]), (&json!("completed"), &json!(3)), "{daily}");
    live.until_quiet().await;
    live.assert_equal();
    assert!([first, second, lost].into_iter().all(|person| profile(&live, person).is_some()));
    assert_eq!(live.status().await["newcomers"], 0);
    let people = sluice_tests::expected::people_of(&live.sandbox);
    assert!(matches!(people[&lost.to_string()], Expected::Profile { .. }));
}

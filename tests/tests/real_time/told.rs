//! What is told: to people in words, with everything about one contact; and never anything personal or secret in the
//! log.

use serde_json::json;
use sluice_sandbox::{Fault, FaultRule, SandboxConfig, When};
use sluice_tests::rig::{ACME, WEBHOOK_SECRET, eventually, found_below};
use tokio::process::Command;

use crate::live::{IMMEDIATELY, Live, On};
use crate::pushy::{PUSHY, Pushy, there};

/// The program's words, as a person reads them.
async fn words(live: &Live, arguments: &[&str]) -> String {
    let mut command = Command::new(sluice_tests::rig::sluice());
    command.arg("--data").arg(live.data()).args(arguments);
    let output = command.output().await.unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn a_contacts_whole_story_is_shown() {
    let live = Live::start(On::Sqlite, SandboxConfig::default(), |text| text + IMMEDIATELY).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let person = live.sandbox.profiles()[0].crm_id.clone().unwrap();
    live.sandbox.lime_update("person", person.parse().unwrap(), &json!({ "visits": 77 })).unwrap();
    live.until_quiet().await;
    let story = words(&live, &["contact", "show", ACME, &person]).await;
    for part in ["touched", "updated", "delivery 1", "run 1", "attributes", "APSIS One has"] {
        assert!(story.contains(part), "{part} is missing:\n{story}");
    }
    let shown = words(&live, &["deliveries", "show", ACME, "1"]).await;
    for part in ["person.update", "x-lime-signature", "updated"] {
        assert!(shown.contains(part), "{part} is missing:\n{shown}");
    }
    let listed = words(&live, &["deliveries", "list", ACME]).await;
    assert!(listed.contains("updated"), "{listed}");
    let status = words(&live, &["status"]).await;
    for part in ["acme-lime: works", "gate", "open", "dead letters", "set up in the CRM", "0 forged, 0 stale"]
    {
        assert!(status.contains(part), "{part} is missing:\n{status}");
    }
    let unknown = words(&live, &["deliveries", "show", ACME, "999"]).await;
    assert!(unknown.contains("delivery-unknown") && unknown.contains("999"), "{unknown}");
    let nobody = words(&live, &["contact", "show", ACME, "999"]).await;
    assert!(nobody.contains("nothing is known"), "{nobody}");
}

/// Somebody of whom a change came that APSIS One does not take. `more` ends the integration's file.
async fn with_somebody_who_fails(more: &str) -> (Live, String) {
    let live = Live::start(On::Sqlite, SandboxConfig::default(), |text| text + IMMEDIATELY + more).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let person = live.sandbox.profiles()[0].crm_id.clone().unwrap();
    live.sandbox.add_fault(FaultRule {
        route: "apsis.attributes.patch".to_owned(),
        fault: Fault::Status { status: 500, retry_after: None },
        when: When::Probability(1.0),
    });
    live.sandbox.lime_update("person", person.parse().unwrap(), &json!({ "visits": 77 })).unwrap();
    (live, person)
}

#[tokio::test]
async fn a_change_that_waits_says_for_what() {
    let (live, person) = with_somebody_who_fails("").await;
    let change = eventually("it was tried", async || {
        let story = live.run(&["contact", "show", ACME, &person]).await.last().clone();
        (story["changes"][0]["attempts"].as_u64() > Some(0)).then(|| story["changes"][0].clone())
    })
    .await;
    assert_eq!(
        (&change["outcome"], &change["cause"]["code"]),
        (&json!(null), &json!("apsis-busy")),
        "{change}"
    );
    assert!(change["due"].is_string(), "{change}");
    let story = words(&live, &["contact", "show", ACME, &person]).await;
    assert!(story.contains("waits") && story.contains("again at"), "{story}");
}

#[tokio::test]
async fn a_dead_letter_tells_what_was_asked() {
    let (live, person) = with_somebody_who_fails("attempts = 1\n").await;
    live.until_quiet().await;
    let story = words(&live, &["contact", "show", ACME, &person]).await;
    assert!(story.contains("apsis-busy") && story.contains("consents"), "{story}");
}

#[tokio::test]
async fn the_schema_of_a_shared_store_is_said() {
    let live = Live::still(On::Postgres.url(), SandboxConfig::default(), |text| text).await;
    let migrated = live.run(&["store", "migrate"]).await;
    assert_eq!(migrated.code(), 0, "{}", migrated.log);
    assert_eq!(migrated.last()["before"], migrated.last()["now"], "{}", migrated.last());
    let store = live.store().unwrap();
    sluice_tests::postgres::sql(store, "INSERT INTO sluice_schema (version) VALUES (99)");
    for command in [&["store", "migrate"][..], &["status"], &["serve", "--listen", "127.0.0.1:0"]] {
        let refused = live.run(command).await;
        assert_eq!(refused.last()["error"]["code"], "store-too-new", "{command:?}");
    }
}

#[tokio::test]
async fn dead_letters_are_grouped_by_cause_in_words() {
    let pushy = Pushy::start(On::Sqlite, &format!("{IMMEDIATELY}attempts = 1\n")).await;
    for (id, said) in [
        ("1", json!([{ "is": "what?" }])),
        ("2", json!([{ "is": "what?" }])),
        ("3", json!([{ "is": "crash" }])),
    ] {
        assert_eq!(pushy.push(id, &said).await, 202);
    }
    pushy.until_quiet().await;
    let dead = words(&pushy.live, &["deliveries", "list", PUSHY, "--dead"]).await;
    assert!(
        dead.contains("crm-malformed: 2 deliveries") && dead.contains("connector-crashed: 1 deliveries"),
        "{dead}"
    );
    let status = words(&pushy.live, &["status", PUSHY]).await;
    assert!(status.contains("dead letters need attention"), "{status}");
    let replayed = words(&pushy.live, &["deliveries", "replay", PUSHY, "--cause", "crm-malformed"]).await;
    assert!(replayed.contains("2 deliveries are taken anew"), "{replayed}");
}

#[tokio::test]
async fn nothing_personal_and_nothing_secret_is_in_the_log_or_kept_where_it_should_not_be() {
    let live = Live::start(On::Sqlite, SandboxConfig::default(), |text| text + IMMEDIATELY).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let mut editor = live.editor();
    editor.edit(&live.sandbox, 60).unwrap();
    // A forged one, and one that makes no sense.
    let url = live.sandbox.lime_subscriptions()[0].target_url.clone();
    let forged =
        reqwest::Client::new().post(&url).header("x-lime-signature", "sha256=00").body("tuva@nya.example");
    assert_eq!(forged.send().await.unwrap().status(), 401);
    live.until_quiet().await;
    let log = std::fs::read_to_string(live.path("log")).unwrap();
    assert!(log.contains("integration taken"));
    let key = url.rsplit_once('/').unwrap().1;
    let addresses = live.sandbox.addresses();
    for secret in [WEBHOOK_SECRET, &addresses.lime_key, &addresses.apsis_client_secret] {
        assert!(!log.contains(secret), "a secret is in the log");
        assert!(!found_below(&live.data(), secret), "a secret is in the data folder");
    }
    for part in ["nya.example", "Changed ", "Number ", "Bearer", key] {
        assert!(!log.contains(part), "{part} is in the log");
    }
    let pushy = Pushy::start(On::Sqlite, IMMEDIATELY).await;
    pushy.take("1", there("p1", "2026-03-01T12:00:00Z", "Lund")).await;
    assert_eq!(pushy.push("2", &json!([{ "is": "what?" }, "tuva@nya.example"])).await, 202);
    pushy.until_quiet().await;
    let log = std::fs::read_to_string(pushy.live.path("log")).unwrap();
    assert!(!log.contains("push.example") && !log.contains("nya.example") && !log.contains("Lund"), "{log}");
}

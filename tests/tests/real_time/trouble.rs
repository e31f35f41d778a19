//! Trouble: what passes is waited for without burning attempts, what is one contact's own stays with it, and what
//! somebody must mend is said, and resumed by itself when it is mended.

use serde_json::{Value, json};
use sluice_sandbox::{Fault, FaultRule, SandboxConfig, When};
use sluice_tests::rig::{ACME, eventually, until};
use sluice_tests::sides::VISITS;

use crate::live::{IMMEDIATELY, Live, On};
use crate::pushy::{PUSHY, Pushy, there};

fn always(route: &str, status: u16) -> FaultRule {
    FaultRule {
        route: route.to_owned(),
        fault: Fault::Status { status, retry_after: None },
        when: When::Probability(1.0),
    }
}

async fn until_paused(live: &Live, kind: &str) -> Value {
    eventually("the lane pauses", async || {
        let status = live.status().await;
        (status["pause"]["kind"] == kind).then_some(status)
    })
    .await
}

#[tokio::test]
async fn a_remote_that_is_away_pauses_the_lane_and_costs_nobody_an_attempt() {
    for (route, cause) in [("apsis.", "apsis-busy"), ("lime.", "crm-unavailable")] {
        let live = Live::start(On::Sqlite, SandboxConfig::default(), |text| text + IMMEDIATELY).await;
        assert_eq!(live.sync().await.last()["phase"], "completed");
        live.sandbox.add_fault(always(route, 503));
        let mut editor = live.editor();
        editor.edit(&live.sandbox, 40).unwrap();
        let status = until_paused(&live, "remote").await;
        assert_eq!(status["pause"]["cause"]["code"], cause, "{status}");
        // It is probed, and not hammered.
        let before = live.asked(route);
        eventually("it was probed", async || {
            (live.status().await["pause"]["failures"].as_u64() >= Some(2)).then_some(())
        })
        .await;
        assert!(live.asked(route) < before + 20, "{} requests for one probe", live.asked(route) - before);
        live.sandbox.clear_faults();
        let sent = live.until_quiet().await;
        live.assert_equal();
        let status = live.status().await;
        assert_eq!((&status["pause"], &status["dead"]), (&Value::Null, &json!(0)));
        assert_eq!(live.outcomes().await.values().sum::<u64>(), sent.acknowledged);
    }
}

#[tokio::test]
async fn refused_credentials_need_attention_and_the_lane_resumes_when_they_are_mended() {
    for (route, cause) in [("apsis.token", "apsis-credentials"), ("lime.", "crm-unauthorized")] {
        let live = Live::start(On::Sqlite, SandboxConfig::default(), |text| text + IMMEDIATELY).await;
        assert_eq!(live.sync().await.last()["phase"], "completed");
        live.sandbox.add_fault(always(route, 401));
        live.sandbox.revoke_tokens();
        let mut editor = live.editor();
        editor.edit(&live.sandbox, 40).unwrap();
        let status = until_paused(&live, "needs-attention").await;
        assert_eq!(status["pause"]["cause"]["code"], cause, "{status}");
        live.sandbox.clear_faults();
        live.until_quiet().await;
        live.assert_equal();
        let status = live.status().await;
        assert_eq!((&status["pause"], &status["dead"]), (&Value::Null, &json!(0)));
    }
}

#[tokio::test]
async fn one_contact_that_always_fails_becomes_a_dead_letter_and_is_replayed() {
    let pushy = Pushy::start(On::Sqlite, &format!("{IMMEDIATELY}attempts = 2\n")).await;
    pushy.take("1", there("p1", "2026-03-01T12:00:00Z", "Lund")).await;
    pushy.live.sandbox.add_fault(always("apsis.attributes.patch", 500));
    let dead = pushy.take("2", there("p1", "2026-03-01T13:00:00Z", "Visby")).await;
    assert_eq!((&dead["dead"], &dead["outcome"]), (&json!(true), &json!("rejected")), "{dead}");
    assert_eq!(pushy.status().await["pause"], Value::Null, "it is nobody else's affair");
    let listed = pushy.deliveries(&["--dead"]).await;
    assert_eq!((listed.len(), &listed[0]["cause"]["deliveries"]), (2, &json!(1)), "{listed:?}");
    let code = listed[0]["cause"]["code"].as_str().unwrap().to_owned();
    pushy.live.sandbox.clear_faults();
    let replayed = pushy.live.run(&["deliveries", "replay", PUSHY, "--cause", &code]).await;
    assert_eq!(replayed.last()["replayed"], 1, "{}", replayed.log);
    pushy.until_quiet().await;
    assert_eq!(pushy.city("p1").as_deref(), Some("Visby"));
    assert!(pushy.deliveries(&["--dead"]).await.is_empty());
    assert_eq!(pushy.count().await, 2);
}

#[tokio::test]
async fn a_message_that_makes_the_connector_crash_costs_only_itself() {
    let pushy = Pushy::start(On::Sqlite, &format!("{IMMEDIATELY}attempts = 3\n")).await;
    for (id, said) in [
        ("1", json!([there("p1", "2026-03-01T12:00:00Z", "Lund")])),
        ("2", json!([there("p2", "2026-03-01T12:00:00Z", "Lund"), { "is": "crash" }])),
        ("3", json!([{ "is": "what?" }])),
        ("4", json!([there("p3", "2026-03-01T12:00:00Z", "Ystad")])),
    ] {
        assert_eq!(pushy.push(id, &said).await, 202);
    }
    pushy.until_quiet().await;
    let cities = ["p1", "p2", "p3"].map(|id| pushy.city(id));
    assert_eq!(cities, [Some("Lund".to_owned()), None, Some("Ystad".to_owned())]);
    let dead = pushy.deliveries(&["--dead"]).await;
    let codes: Vec<_> = dead.iter().filter_map(|line| line["cause"]["code"].as_str()).collect();
    assert!(codes.contains(&"connector-crashed") && codes.contains(&"crm-malformed"), "{dead:?}");
    let attempts = |code: &str| {
        let of = |line: &&serde_json::Value| line["number"].is_u64() && line["cause"]["code"] == code;
        dead.iter().find(of).map(|line| line["attempts"].as_u64().unwrap())
    };
    // What is unreadable today is so tomorrow; a crash may have been chance.
    assert_eq!((attempts("connector-crashed"), attempts("crm-malformed")), (Some(3), Some(1)), "{dead:?}");
    // The raw message is there to look at.
    let number = dead.iter().find_map(|line| line["number"].as_u64()).unwrap().to_string();
    let shown = pushy.live.run(&["deliveries", "show", PUSHY, &number]).await;
    assert!(shown.last().to_string().contains("is"), "{}", shown.last());
    // Replayed, it is taken anew, and comes to the same.
    let replayed = pushy.live.run(&["deliveries", "replay", PUSHY, "--all"]).await;
    assert_eq!(replayed.last()["replayed"], 2);
    pushy.until_quiet().await;
    assert_eq!(pushy.status().await["dead"], 2);
}

#[tokio::test]
async fn a_consent_of_nobody_is_discarded_and_asks_for_a_full_sync() {
    let pushy = Pushy::start(On::Sqlite, IMMEDIATELY).await;
    assert_eq!(pushy.live.run(&["sync", "start", PUSHY]).await.last()["phase"], "completed");
    assert_eq!(pushy.status().await["full-sync-needed"], false);
    let discarded = pushy.take("1", json!({ "is": "nobodys-consent" })).await;
    assert_eq!(
        (&discarded["outcome"], &discarded["cause"]["subject"]),
        (&json!("discarded"), &json!("consent 1"))
    );
    assert_eq!(discarded["cause"]["code"], "missing-person");
    assert_eq!(pushy.status().await["full-sync-needed"], true);
    let listed = pushy.deliveries(&["--outcome", "discarded"]).await;
    assert_eq!((listed.len(), &listed[0]["cause"]["code"]), (2, &json!("missing-person")), "{listed:?}");
    assert_eq!(pushy.live.run(&["sync", "start", PUSHY]).await.last()["phase"], "completed");
    assert_eq!(pushy.status().await["full-sync-needed"], false);
}

#[tokio::test]
async fn a_contact_that_apsis_one_refuses_is_rejected_with_its_reason() {
    let live = Live::start(On::Sqlite, SandboxConfig::default(), |text| text + IMMEDIATELY).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let person = live
        .sandbox
        .lime_ids("person")
        .unwrap()
        .into_iter()
        .find(|id| live.sandbox.profile(&id.to_string()).is_some());
    let person = person.unwrap();
    live.sandbox.lime_update("person", person, &json!({ "email": "no address" })).unwrap();
    live.until_quiet().await;
    let story = live.run(&["contact", "show", ACME, &person.to_string()]).await;
    let change = &story.last()["changes"][0];
    assert_eq!(
        (&change["outcome"], &change["cause"]["code"]),
        (&json!("rejected"), &json!("email-invalid")),
        "{change}"
    );
    live.sandbox.lime_update("person", person, &json!({ "email": "mended@nya.example" })).unwrap();
    live.until_quiet().await;
    live.assert_equal();
}

#[tokio::test]
async fn a_lane_that_fails_in_part_goes_on() {
    let live = Live::start(On::Sqlite, SandboxConfig::default(), |text| text + IMMEDIATELY).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    // Chance: some requests fail, some are answered and the answer is lost.
    for fault in [
        Fault::Status { status: 500, retry_after: None },
        Fault::Status { status: 429, retry_after: Some(1) },
        Fault::DropAfter,
        Fault::Html { status: 502 },
    ] {
        let rule = FaultRule { route: String::new(), fault, when: When::Probability(0.05) };
        live.sandbox.add_fault(rule);
    }
    let mut editor = live.editor();
    for _ in 0..10 {
        editor.edit(&live.sandbox, 15).unwrap();
        let made = live.sandbox.webhook_counters().raised;
        until("they came", || live.sandbox.webhook_counters().acknowledged >= made).await;
    }
    live.sandbox.clear_faults();
    let sent = live.until_quiet().await;
    live.assert_equal();
    live.assert_in_order();
    assert_eq!(live.status().await["dead"], 0);
    assert_eq!(live.outcomes().await.values().sum::<u64>(), sent.acknowledged);
}

#[tokio::test]
async fn a_contact_that_fails_alone_keeps_nobody_waiting_and_becomes_a_dead_letter() {
    let live =
        Live::start(On::Sqlite, SandboxConfig::default(), |text| text + IMMEDIATELY + "attempts = 2\n").await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let ids: Vec<String> =
        live.sandbox.profiles().into_iter().filter_map(|profile| profile.crm_id).take(6).collect();
    for (status, cause) in [(503, "apsis-busy"), (403, "apsis-denied")] {
        live.sandbox.add_fault(FaultRule {
            route: "apsis.".to_owned(),
            fault: Fault::Status { status, retry_after: None },
            when: When::Profile(live.sandbox.profile_hash(&ids[0])),
        });
        for id in &ids {
            live.sandbox.lime_update("person", id.parse().unwrap(), &json!({ "visits": status })).unwrap();
        }
        let sent = live.until_quiet().await;
        let story = live.run(&["contact", "show", ACME, &ids[0]]).await.last()["changes"][0].clone();
        assert_eq!(
            (&story["outcome"], &story["cause"]["code"]),
            (&json!("rejected"), &json!(cause)),
            "{story}"
        );
        for id in &ids[1..] {
            assert_eq!(live.sandbox.profile(id).unwrap().attributes[VISITS], status);
        }
        assert_eq!(live.outcomes().await.values().sum::<u64>(), sent.acknowledged);
        live.sandbox.clear_faults();
    }
    assert_eq!(live.status().await["dead"], 2);
}

#[tokio::test]
async fn a_contact_that_the_crm_cannot_read_keeps_nobody_waiting_and_becomes_a_dead_letter() {
    let pushy = Pushy::start(On::Sqlite, &format!("{IMMEDIATELY}attempts = 2\n")).await;
    let changed = |id: &str| json!({ "is": "changed", "id": id });
    for ids in [&["rx1", "r1", "r2", "r3"][..], &["rx2"]] {
        let said: Vec<Value> = ids.iter().map(|id| changed(id)).collect();
        assert_eq!(pushy.push(ids[0], &json!(said)).await, 202);
        pushy.until_quiet().await;
    }
    for id in ["r1", "r2", "r3"] {
        assert!(pushy.live.sandbox.profile(id).is_some(), "{id} has its profile");
    }
    let dead = pushy.deliveries(&["--dead"]).await;
    let causes: Vec<&Value> =
        dead.iter().filter(|line| line["number"].is_number()).map(|line| &line["cause"]["code"]).collect();
    assert_eq!(causes, ["crm-unavailable", "crm-unavailable"], "{dead:?}");
}

#[tokio::test]
async fn an_opt_out_does_not_wait_for_what_failed_before_it() {
    let live = Live::start(On::Sqlite, SandboxConfig::default(), |text| text + IMMEDIATELY).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let person = live.sandbox.profiles()[0].crm_id.clone().unwrap();
    let update = |visits: u32| {
        live.sandbox.lime_update("person", person.parse().unwrap(), &json!({ "visits": visits })).unwrap();
    };
    live.sandbox.add_fault(FaultRule {
        route: "apsis.attributes.patch".to_owned(),
        fault: Fault::Status { status: 500, retry_after: Some(3600) },
        when: When::Profile(live.sandbox.profile_hash(&person)),
    });
    update(71);
    let change = async || live.run(&["contact", "show", ACME, &person]).await.last()["changes"][0].clone();
    eventually("it waits for another attempt", async || change().await["due"].is_string().then_some(()))
        .await;
    live.sandbox.clear_faults();
    update(72);
    eventually("it is taken at once", async || (change().await["outcome"] == "updated").then_some(())).await;
}

//! The gate: while a run is active nothing is written that a delivery asks for; afterwards everything is, in the
//! order in which it came. However the run ends, and whatever is killed meanwhile.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sluice_sandbox::{Arrival, Fault, FaultRule, People, SandboxConfig, WebhookSwitches, When};
use sluice_tests::processes::{Followed, slow_down};
use sluice_tests::rig::{ACME, ended, eventually, until};

use crate::live::{IMMEDIATELY, Live, On};

/// How the run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Completed,
    Cancelled,
    Failed,
}

/// How far contacts may be from their place: so many are written at the same time, and whoever is slow is overtaken.
const OUT_OF_PLACE: usize = 32;

#[tokio::test]
async fn on_sqlite_the_gate_holds_until_the_run_has_completed() {
    hold_until(On::Sqlite, End::Completed, None).await;
}

#[tokio::test]
async fn on_postgres_the_gate_holds_until_the_run_has_completed() {
    hold_until(On::Postgres, End::Completed, None).await;
}

#[tokio::test]
async fn on_sqlite_the_gate_holds_until_a_run_that_was_killed_while_reading_has_completed() {
    hold_until(On::Sqlite, End::Completed, Some("reading")).await;
}

#[tokio::test]
async fn on_postgres_the_gate_holds_until_a_run_that_was_killed_while_reading_has_completed() {
    hold_until(On::Postgres, End::Completed, Some("reading")).await;
}

#[tokio::test]
async fn on_sqlite_the_gate_holds_until_a_run_that_was_killed_while_importing_has_completed() {
    hold_until(On::Sqlite, End::Completed, Some("importing")).await;
}

#[tokio::test]
async fn on_postgres_the_gate_holds_until_a_run_that_was_killed_while_writing_has_completed() {
    hold_until(On::Postgres, End::Completed, Some("writing")).await;
}

#[tokio::test]
async fn on_sqlite_the_gate_holds_until_the_run_was_cancelled() {
    hold_until(On::Sqlite, End::Cancelled, None).await;
}

#[tokio::test]
async fn on_sqlite_the_gate_holds_until_a_run_that_was_killed_while_it_was_cancelled_has_ended() {
    hold_until(On::Sqlite, End::Cancelled, Some("reading")).await;
}

#[tokio::test]
async fn on_postgres_the_gate_holds_until_a_run_that_was_killed_while_it_was_cancelled_has_ended() {
    hold_until(On::Postgres, End::Cancelled, Some("reading")).await;
}

#[tokio::test]
async fn on_sqlite_the_gate_holds_until_the_run_has_failed() {
    hold_until(On::Sqlite, End::Failed, None).await;
}

#[tokio::test]
async fn on_sqlite_the_gate_holds_until_a_run_that_was_killed_has_failed() {
    hold_until(On::Sqlite, End::Failed, Some("reading")).await;
}

#[tokio::test]
async fn on_postgres_the_gate_holds_until_a_run_that_was_killed_has_failed() {
    hold_until(On::Postgres, End::Failed, Some("reading")).await;
}

/// `killed`: the phase of the run in which the host is.
async fn hold_until(on: On, end: End, killed: Option<&str>) {
    let config = SandboxConfig {
        people: People::Generated { persons: 600, seed: 3 },
        keep_arrivals: 1_000_000,
        ..SandboxConfig::default()
    };
    let threshold = if killed == Some("writing") { 1_000_000 } else { 20 };
    let change = |text: String| {
        format!("{text}\n[sync]\npage-size = 100\nimport-threshold = {threshold}\n{IMMEDIATELY}")
    };
    let mut live = Live::start(on, config, change).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    live.until_quiet().await;
    if end == End::Completed {
        change_unseen(&live);
    }

    slow_down(&live);
    let mut started = Followed::start(&live, &["sync", "start", ACME]);
    started.until_reading().await;
    // Who is on a page that the run has read; it does not come to them again.
    let edited = edit_those_that_were_read(&live);
    live.sandbox.webhooks_idle().await;
    let status = live.status().await;
    assert_eq!(status["gate-closed-by"], run(&live).await["id"], "{status}");
    assert_eq!(status["deliveries-waiting"].as_u64(), Some(edited.len() as u64), "{status}");

    // Who asked for the run only watches, and would go on with it.
    started.signal("KILL");
    drop(started.end().await);
    if let Some(phase @ ("importing" | "writing")) = killed {
        live.sandbox.add_fault(FaultRule {
            route: "apsis.".to_owned(),
            fault: Fault::Latency { min_millis: 100, max_millis: 200 },
            when: When::Probability(1.0),
        });
        eventually("the run is so far", async || (run(&live).await["phase"] == phase).then_some(())).await;
    }
    let mut cancel = None;
    match end {
        End::Completed => {}
        End::Cancelled => {
            cancel = Some(live.spawn(&["sync", "cancel", ACME]));
            eventually("it is to be cancelled", async || {
                (run(&live).await["cancel-requested"] == true).then_some(())
            })
            .await;
        }
        End::Failed => live.sandbox.add_fault(FaultRule {
            route: "lime.query".to_owned(),
            fault: Fault::Status { status: 401, retry_after: None },
            when: When::Probability(1.0),
        }),
    }
    if killed.is_some() {
        live.kill().await;
        live.serve().await;
    }
    let run = eventually("the run has ended", async || {
        let run = run(&live).await;
        (!run["ended-at"].is_null()).then_some(run)
    })
    .await;
    if let Some(cancel) = cancel {
        drop(ended(cancel).await);
    }
    live.sandbox.clear_faults();
    let wanted = match end {
        End::Completed => "completed",
        End::Cancelled => "cancelled",
        End::Failed => "failed",
    };
    assert_eq!(run["phase"], wanted, "{run}");
    let written = run["counters"]["updated"].as_u64();
    assert_eq!(written > Some(20), end == End::Completed, "the run had writes of its own: {run}");

    // Whoever comes afterwards comes last.
    let last = live.sandbox.lime_ids("person").unwrap().into_iter().rev().find(|id| has_profile(&live, *id));
    let last = last.unwrap();
    live.sandbox.lime_update("person", last, &json!({ "visits": 2_000_000 })).unwrap();
    live.until_quiet().await;
    live.assert_equal();
    assert_held(&live, &run, &edited, last);
}

/// Edits people of the last pages, of which no message comes: the run has to write them.
fn change_unseen(live: &Live) {
    let switches = live.sandbox.webhook_switches();
    live.sandbox.set_webhook_switches(WebhookSwitches { drop: 1.0, ..switches.clone() });
    let persons = live.sandbox.lime_ids("person").unwrap();
    for person in persons.into_iter().skip(500).filter(|id| has_profile(live, *id)).take(60) {
        live.sandbox.lime_update("person", person, &json!({ "visits": 500_000 })).unwrap();
    }
    live.sandbox.set_webhook_switches(switches);
}

async fn run(live: &Live) -> Value {
    live.run(&["sync", "show", ACME, "--limit", "1"]).await.lines.first().cloned().unwrap()
}

fn has_profile(live: &Live, person: u64) -> bool {
    live.sandbox.profile(&person.to_string()).is_some()
}

/// Edits people of the first page, once each, in an order of their own.
fn edit_those_that_were_read(live: &Live) -> Vec<u64> {
    let persons = live.sandbox.lime_ids("person").unwrap();
    let mut edited: Vec<u64> = persons[..100].iter().copied().filter(|id| has_profile(live, *id)).collect();
    edited.sort_by_key(|id| (id * 7) % 101);
    for (number, person) in edited.iter().enumerate() {
        let values = json!({ "visits": 1_000_000 + number });
        live.sandbox.lime_update("person", *person, &values).unwrap();
    }
    assert!(edited.len() > 50, "there are people with profiles on the first page");
    edited
}

/// No write for any of them while the run was active, and all of them in order afterwards.
fn assert_held(live: &Live, run: &Value, edited: &[u64], last: u64) {
    let moment = |name: &str| run[name].as_str().unwrap().parse::<Timestamp>().unwrap();
    let (accepted, over) = (moment("accepted-at"), moment("ended-at"));
    let persons: HashMap<u64, u64> = edited
        .iter()
        .chain([&last])
        .map(|person| (live.sandbox.profile_hash(&person.to_string()), *person))
        .collect();
    let at = |arrival: &Arrival| {
        live.sandbox.began_at() + SignedDuration::from_millis(i64::try_from(arrival.at_millis).unwrap())
    };
    let is_write = |arrival: &&Arrival| {
        matches!(
            arrival.route,
            "apsis.attributes.patch" | "apsis.consents.post" | "apsis.create" | "apsis.delete"
        )
    };
    let arrivals = live.sandbox.arrivals(None);
    let mut order = Vec::new();
    for arrival in arrivals.iter().filter(is_write).filter(|arrival| at(arrival) >= accepted) {
        let Some(person) = arrival.profile.and_then(|profile| persons.get(&profile)) else { continue };
        assert!(at(arrival) >= over, "{person} was written while the run was active: {arrival:?}");
        if !order.contains(person) {
            order.push(*person);
        }
    }
    let wanted: Vec<u64> = edited.iter().copied().chain([last]).collect();
    assert_eq!(order.len(), wanted.len());
    for (place, person) in order.iter().enumerate() {
        let came = wanted.iter().position(|one| one == person).unwrap();
        assert!(came.abs_diff(place) <= OUT_OF_PLACE, "{person} came {came}. and was written {place}.");
    }
}

#[tokio::test]
async fn what_was_begun_is_finished_before_a_run_reads() {
    let config = SandboxConfig {
        people: People::Generated { persons: 60, seed: 3 },
        keep_arrivals: 1_000_000,
        ..SandboxConfig::default()
    };
    let change = |text: String| text + "\n[sync]\npage-size = 10\nimport-threshold = 1000000\n" + IMMEDIATELY;
    let live = Live::start(On::Sqlite, config, change).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    live.sandbox.add_fault(FaultRule {
        route: "apsis.attributes.patch".to_owned(),
        fault: Fault::Latency { min_millis: 500, max_millis: 900 },
        when: When::Probability(1.0),
    });
    let before = live.asked("apsis.attributes.patch");
    for (number, person) in live.sandbox.lime_ids("person").unwrap().into_iter().enumerate() {
        live.sandbox.lime_update("person", person, &json!({ "visits": 1_000_000 + number })).unwrap();
    }
    until("something is being written", || live.asked("apsis.attributes.patch") > before).await;
    slow_down(&live);
    let mut started = Followed::start(&live, &["sync", "start", ACME]);
    let reading = |line: &Value| line["phase"] == "reading";
    started.until(reading).await;
    let write = |arrival: &Arrival| arrival.route == "apsis.attributes.patch";
    let then = live.sandbox.arrivals(None);
    assert!(
        then.iter().all(|arrival| !write(arrival) || arrival.status > 0),
        "something is still being written"
    );
    // Two more pages at least.
    started.until(|line| reading(line) && line["counters"]["read"].as_u64() > Some(20)).await;
    let reads_from = then.last().unwrap().number;
    let meanwhile = live.sandbox.arrivals(Some(reads_from));
    assert!(!meanwhile.iter().any(write), "something was begun while the run reads");
    started.until(|line| line["phase"] == "completed").await;
    drop(started.end().await);
    live.sandbox.clear_faults();
    live.until_quiet().await;
    live.assert_equal();
    live.assert_in_order();
    // Each of them is written once: by the lane before the run, by the run, or by the lane after it.
    let hash = |person: &u64| live.sandbox.profile_hash(&person.to_string());
    for person in live.sandbox.lime_ids("person").unwrap().iter().filter(|id| has_profile(&live, **id)) {
        let writes = live.sandbox.arrivals(None).into_iter().filter(|arrival| {
            arrival.route == "apsis.attributes.patch"
                && arrival.profile == Some(hash(person))
                && arrival.number > reads_from
        });
        assert!(writes.count() <= 1, "{person} was written twice");
    }
}

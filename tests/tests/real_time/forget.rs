//! Forgetting a person: gone from APSIS One, from the store and from the store's files, and not let in again.

use std::path::Path;

use serde_json::{Value, json};
use sluice_sandbox::{ApsisSwitches, Fault, FaultRule, SandboxConfig, When};
use sluice_tests::expected::{Expected, people_of};
use sluice_tests::processes::say;
use sluice_tests::rig::{ACME, ended, eventually, found_below, made_up, until};
use sluice_tests::sides::profiles;

use crate::live::{IMMEDIATELY, Live, On};

/// What tells who it is.
const PERSONAL: [&str; 5] =
    ["Quirinius", "Zetterholmqvist", "quirinius.zq@glomska.example", "46701740635", "a note on Quirinius"];

fn create(live: &Live) -> u64 {
    let person = json!({
        "firstname": PERSONAL[0], "lastname": PERSONAL[1], "email": PERSONAL[2], "mobilephone": "+46701740635",
        "notes": PERSONAL[4], "city": "Glömskeby", "inactive": false,
    });
    live.sandbox.lime_create("person", &person).unwrap()
}

/// Somebody who was written by a full sync and in real time, and of whom deliveries came.
async fn somebody(live: &Live) -> String {
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let id = create(live);
    live.until_quiet().await;
    let notes = format!("{}, changed", PERSONAL[4]);
    live.sandbox.lime_update("person", id, &json!({ "notes": notes })).unwrap();
    live.until_quiet().await;
    assert_eq!(live.run(&["sync", "start", ACME, "--forced"]).await.last()["phase"], "completed");
    assert!(live.sandbox.profile(&id.to_string()).is_some());
    id.to_string()
}

/// The store's files, but for the compiled connectors.
fn is_in_files(data: &Path, text: &str) -> bool {
    let files = std::fs::read_dir(data).unwrap().flatten();
    files.map(|entry| entry.path()).any(|path| match path.file_name().and_then(|name| name.to_str()) {
        Some("cache") => false,
        _ if path.is_dir() => found_below(&path, text),
        _ => std::fs::read(&path).unwrap().windows(text.len()).any(|part| part == text.as_bytes()),
    })
}

/// What the store has packed of a contact, as its file holds it.
fn packed(live: &Live, contact: &str) -> Vec<Vec<u8>> {
    let store = rusqlite::Connection::open(live.data().join("sluice.db")).unwrap();
    let mut all = Vec::new();
    for (table, column) in [("seen", "state"), ("stories", "told")] {
        let mut rows = store.prepare(&format!("SELECT {column} FROM {table} WHERE contact = ?1")).unwrap();
        let rows = rows.query_map([contact], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        all.extend(rows.map(Result::unwrap));
    }
    all
}

/// Whether a part of it is in a file. The store divides what is long over its pages, and what is packed begins alike for
/// everybody: so it is looked for in parts of the second half.
fn holds(data: &Path, bytes: &[u8]) -> bool {
    let parts: Vec<&[u8]> = bytes[bytes.len() / 2..].chunks_exact(32).collect();
    let files = std::fs::read_dir(data).unwrap().flatten().map(|entry| entry.path());
    files.filter(|path| path.is_file()).any(|path| {
        let file = std::fs::read(&path).unwrap();
        file.windows(32).any(|window| parts.contains(&window))
    })
}

fn assert_forgotten(live: &Live, answer: &Value) {
    let erased = &answer["erased"];
    assert_eq!((&answer["forgotten"], &erased["profile"]), (&json!(true), &json!(true)), "{answer}");
    for (kind, least) in
        [("ledger", 1), ("seen", 1), ("stories", 3), ("results", 1), ("changes", 2), ("deliveries", 2)]
    {
        assert!(erased[kind].as_u64() >= Some(least), "{kind}: {answer}");
    }
    assert_eq!(erased["undecoded"], 0, "{answer}");
    assert!(
        live.sandbox
            .profiles()
            .iter()
            .all(|profile| profile.attributes.values().all(|value| value != PERSONAL[0]))
    );
}

#[tokio::test]
async fn no_trace_is_left_in_the_files_while_it_serves_and_while_it_does_not() {
    for serves in [true, false] {
        let mut live = Live::start(On::Sqlite, made_up(40), |text| text + IMMEDIATELY).await;
        let id = somebody(&live).await;
        let packed = packed(&live, &id);
        assert!(packed.len() >= 4, "what it looked like, and what was done");
        for text in PERSONAL {
            assert!(is_in_files(&live.data(), text), "{text} is in the store before");
        }
        assert!(packed.iter().all(|bytes| holds(&live.data(), bytes)), "so is what is packed");
        if !serves {
            live.stop().await;
        }
        let forgotten = live.run(&["contact", "forget", ACME, &id]).await;
        assert_eq!(forgotten.code(), 0, "{}", forgotten.log);
        assert_forgotten(&live, forgotten.last());
        for text in PERSONAL {
            assert!(!is_in_files(&live.data(), text), "{text} is in the store's files (serves: {serves})");
            assert!(!forgotten.log.contains(text));
        }
        assert!(!packed.iter().any(|bytes| holds(&live.data(), bytes)), "something packed is in the files");
        // Others are still known.
        let other = live.sandbox.profiles()[0].crm_id.clone().unwrap();
        let story = live.run(&["contact", "show", ACME, &other]).await.last().clone();
        assert!(story["ledger"].is_object() && story["seen"].is_object(), "{story}");
        let said = say(&live.data(), &["contact", "show", ACME, &id]).await;
        assert!(said.out.contains("forgotten: not in APSIS One, and not let in again"), "{}", said.out);
    }
}

#[tokio::test]
async fn whoever_was_forgotten_is_not_created_again_until_let_in_and_nothing_of_it_is_kept() {
    let live = Live::start(On::Sqlite, made_up(40), |text| text + IMMEDIATELY).await;
    let id = somebody(&live).await;
    let person: u64 = id.parse().unwrap();
    assert_eq!(live.run(&["contact", "forget", ACME, &id]).await.code(), 0);
    let before = live.asked("apsis.");
    live.sandbox.lime_update("person", person, &json!({ "notes": "Quirinius again" })).unwrap();
    live.until_quiet().await;
    assert_eq!(live.asked("apsis."), before, "nothing was asked for it");
    let newest = live.run(&["deliveries", "list", ACME, "--limit", "1"]).await.last().clone();
    assert_eq!(
        (&newest["outcome"], &newest["cause"]["code"]),
        (&json!("excluded"), &json!("contact-forgotten"))
    );
    let run = live.sync().await;
    assert_eq!(run.last()["phase"], "completed", "{}", run.log);
    let excluded = live.run(&["sync", "show", ACME, "--outcome", "excluded"]).await;
    let forgotten: Vec<_> =
        excluded.lines.iter().filter(|line| line["reason"]["code"] == "contact-forgotten").collect();
    assert_eq!(forgotten.len(), 1, "{:?}", excluded.lines);
    assert!(forgotten[0]["contact"].as_str().unwrap().starts_with("forgotten-"), "{forgotten:?}");
    assert!(live.sandbox.profile(&id).is_none());
    let story = live.run(&["contact", "show", ACME, &id]).await.last().clone();
    assert_eq!((&story["ledger"], &story["seen"]), (&Value::Null, &Value::Null), "{story}");
    assert_eq!((&story["changes"], &story["runs"]), (&json!([]), &json!([])), "{story}");

    let readmitted = live.run(&["contact", "readmit", ACME, &id]).await;
    assert_eq!(readmitted.last()["was-forgotten"], true);
    live.sandbox.lime_update("person", person, &json!({ "notes": "back" })).unwrap();
    live.until_quiet().await;
    assert!(live.sandbox.profile(&id).is_some(), "it is created again");
    live.assert_equal();
}

#[tokio::test]
async fn what_apsis_one_did_not_do_is_said_and_done_when_it_is_back() {
    let live = Live::start(On::Sqlite, made_up(40), |text| text + IMMEDIATELY).await;
    let id = somebody(&live).await;
    live.sandbox.add_fault(FaultRule {
        route: "apsis.delete".to_owned(),
        fault: Fault::Status { status: 503, retry_after: None },
        when: When::Probability(1.0),
    });
    let failed = live.run(&["contact", "forget", ACME, &id]).await;
    assert_eq!((failed.code(), &failed.last()["error"]["code"]), (1, &json!("apsis-busy")), "{}", failed.log);
    assert!(live.sandbox.profile(&id).is_some(), "the route is the right one");
    live.sandbox.clear_faults();
    let mark = async || live.run(&["contact", "show", ACME, &id]).await.last()["forgotten"].clone();
    eventually("it is done by itself", async || (mark().await["purged"] == true).then_some(())).await;
    assert!(live.sandbox.profile(&id).is_none());
    for text in PERSONAL {
        assert!(!is_in_files(&live.data(), text), "{text} is in the store's files");
    }
    // A run that is active is not disturbed.
    sluice_tests::processes::slow_down(&live);
    let running = live.spawn(&["sync", "start", ACME]);
    live.until_gate_closed().await;
    let refused = live.run(&["contact", "forget", ACME, &id]).await;
    assert_eq!(refused.last()["error"]["code"], "run-active", "{}", refused.last());
    live.run(&["sync", "cancel", ACME]).await;
    sluice_tests::rig::ended(running).await;
}

#[tokio::test]
async fn on_a_shared_store_the_rows_are_gone() {
    let live = Live::start(On::Postgres, made_up(40), |text| text + IMMEDIATELY).await;
    let id = somebody(&live).await;
    let url = live.store().unwrap().to_owned();
    let dump = || sluice_tests::postgres::dump(&url);
    let before = dump();
    for text in PERSONAL {
        assert!(before.contains(text), "{text} is in the database before");
    }
    let forgotten = live.run(&["contact", "forget", ACME, &id]).await;
    assert_eq!(forgotten.code(), 0, "{}", forgotten.log);
    assert_forgotten(&live, forgotten.last());
    let after = dump();
    assert!(after.len() > 10_000, "the dump has the others");
    for text in PERSONAL {
        assert!(!after.contains(text), "{text} is in the database");
    }
    let story = live.run(&["contact", "show", ACME, &id]).await.last().clone();
    assert_eq!(story["forgotten"]["purged"], true, "{story}");
}

#[tokio::test]
async fn an_import_that_a_cancelled_sync_left_neither_brings_back_nor_comes_over_what_is_newer() {
    let apsis = ApsisSwitches { import_running_millis: 5_000, ..ApsisSwitches::default() };
    let config = SandboxConfig { apsis, ..made_up(60) };
    let imports = "\n[sync]\nimport-threshold = 10\n";
    let live = Live::start(On::Sqlite, config, |text| text + IMMEDIATELY + imports).await;
    let started = live.spawn(&["sync", "start", ACME]);
    until("an import is under way", || live.asked("apsis.import.state") > 0).await;
    assert_eq!(live.run(&["sync", "cancel", ACME]).await.code(), 0);
    assert_eq!(ended(started).await.code(), 4);
    let people = people_of(&live.sandbox);
    let says_yes = |expected: &Expected| match expected {
        Expected::Profile { consents, .. } => consents.values().any(|state| state == "opt-in"),
        _ => false,
    };
    let mut them = people.iter().filter(|(_, expected)| says_yes(expected)).map(|(id, _)| id.clone());
    let (forgotten, refuser) = (them.next().unwrap(), them.next().unwrap());

    let forget = live.run(&["contact", "forget", ACME, &forgotten]).await;
    assert_eq!(forget.last()["error"]["code"], "import-under-way", "{:?}", forget.lines);
    let mut editor = live.editor();
    for kind in 1001..=1005 {
        editor.say(&live.sandbox, refuser.parse().unwrap(), kind, Some(false)).unwrap();
    }
    live.until_quiet().await;
    eventually("it is forgotten", async || {
        let told = live.run(&["contact", "show", ACME, &forgotten]).await.last().clone();
        (told["forgotten"]["purged"] == true).then_some(())
    })
    .await;
    let profiles = profiles(&live.sandbox);
    assert!(profiles.len() > 10, "the import was done: {}", profiles.len());
    assert!(!profiles.contains_key(&forgotten), "it is not brought back");
    assert!(profiles[&refuser].1.values().all(|state| state == "opt-out"), "{:?}", profiles[&refuser].1);
}

//! The brake: a run that would opt out an unusual share of the profiles stops before the first write, says what it
//! would do, and goes on only when somebody approves.

use serde_json::{Value, json};
use sluice_sandbox::Sandbox;
use sluice_tests::expected::consents_of;
use sluice_tests::processes::Followed;
use sluice_tests::rig::{ACME, Rig, made_up};
use sluice_tests::sides::profiles;

const PERSONS: u64 = 300;
const TYPES: [u64; 5] = [1001, 1002, 1003, 1004, 1005];

#[tokio::test]
async fn a_run_that_would_opt_out_a_third_is_held_and_goes_on_when_approved() {
    for sync in ["\n[sync]\nimport-threshold = 1\n", "\n[sync]\nimport-threshold = 1000000\n"] {
        let rig = Rig::start_with(made_up(PERSONS), |text| text + sync).await;
        let first = rig.run(&["sync", "start", ACME]).await;
        assert_eq!(first.last()["phase"], "completed", "the first sync asks nobody: {}", first.log);
        let before = profiles(&rig.sandbox);
        let opted_in =
            before.iter().filter(|(_, (_, consents))| consents.values().any(|one| one == "opt-in"));
        let opted_in: Vec<u64> = opted_in.map(|(id, _)| id.parse().unwrap()).collect();
        let third = opted_in.iter().take(before.len() * 3 / 10).copied().collect::<Vec<_>>();
        third.iter().for_each(|person| refuse_all(&rig.sandbox, *person));

        rig.sandbox.reset_log();
        let held = rig.run(&["sync", "start", ACME]).await;
        assert_eq!(held.code(), 5, "{}", held.log);
        let told = held.lines.iter().find(|line| !line["of-run"].is_null()).unwrap();
        assert_eq!(told["of-run"]["would"]["opt-outs"], third.len(), "{told}");
        assert_eq!(told["of-run"]["profiles"], before.len(), "{told}");
        assert_eq!(told["of-run"]["would"]["samples"].as_array().unwrap().len(), 20, "{told}");
        assert_eq!(profiles(&rig.sandbox), before, "nothing is written before somebody approves");
        assert_eq!((rig.asked("apsis.consents.post"), rig.asked("apsis.import")), (0, 0));

        // Asked again, it says the same; a second sync is not accepted beside it.
        assert_eq!(rig.run(&["sync", "held", ACME]).await.lines[0]["of-run"], told["of-run"]);
        assert_eq!(rig.run(&["sync", "watch", ACME]).await.code(), 5);
        assert_eq!(rig.run(&["sync", "start", ACME]).await.last()["error"]["code"], "run-active");

        let approved = rig.run(&["sync", "approve", ACME]).await;
        assert_eq!(approved.last()["phase"], "completed", "{}", approved.log);
        for (id, (_, consents)) in &profiles(&rig.sandbox) {
            assert_eq!(*consents, consents_of(&rig.sandbox, id.parse().unwrap()), "{id}");
        }
        // That it was approved is written down, with how many, and not with whom.
        let journal = rig.run(&["journal", ACME]).await;
        let act =
            journal.lines.iter().find(|act| act["what"] == "brake.approve").expect("it is in the journal");
        assert_eq!(act["after"][0]["would"]["opt-outs"], third.len(), "{act}");
        assert_eq!(act["after"][0]["would"]["samples"], json!([]), "{act}");
        assert_eq!(rig.run(&["sync", "approve", ACME]).await.last()["error"]["code"], "nothing-held");
    }
}

#[tokio::test]
async fn a_held_run_can_be_cancelled_with_nothing_written() {
    let rig = Rig::start(made_up(PERSONS)).await;
    rig.run(&["sync", "start", ACME]).await;
    let before = profiles(&rig.sandbox);
    before.keys().for_each(|id| refuse_all(&rig.sandbox, id.parse().unwrap()));
    assert_eq!(rig.run(&["sync", "start", ACME]).await.code(), 5);
    let cancelled = rig.run(&["sync", "cancel", ACME]).await;
    assert_eq!(cancelled.last()["phase"], "cancelled", "{}", cancelled.log);
    assert_eq!(profiles(&rig.sandbox), before);
    // It is met again by the next one.
    assert_eq!(rig.run(&["sync", "start", ACME]).await.code(), 5);
}

#[tokio::test]
async fn whoever_started_a_run_that_another_process_holds_is_told_and_not_kept() {
    let rig = Rig::start(made_up(PERSONS)).await;
    let mut serve = Followed::start(&rig, &["serve"]);
    serve.until(|line| line["serving"].is_string()).await;
    assert_eq!(rig.sync().await.last()["phase"], "completed");
    let before = profiles(&rig.sandbox);
    before.keys().for_each(|id| refuse_all(&rig.sandbox, id.parse().unwrap()));
    let mut start = Followed::start(&rig, &["sync", "start", ACME]);
    start.until(|line| !line["of-run"].is_null()).await;
    assert_eq!(start.end().await.0, Some(5));
    assert_eq!(rig.run(&["sync", "watch", ACME]).await.code(), 5);
    let cancelled = rig.run(&["sync", "cancel", ACME]).await;
    assert_eq!((cancelled.code(), cancelled.last()["phase"].as_str()), (0, Some("cancelled")));
    assert_eq!(profiles(&rig.sandbox), before);
    serve.signal("TERM");
    assert_eq!(serve.end().await.0, Some(0));
}

#[tokio::test]
async fn a_mapping_that_would_newly_opt_in_everybody_is_held() {
    let rig = Rig::start_with(made_up(PERSONS), |text| {
        let from = text.find("# Nyhetsbrev via e-post").unwrap();
        text[..from].to_owned()
    })
    .await;
    rig.run(&["sync", "start", ACME]).await;
    assert!(profiles(&rig.sandbox).values().all(|(_, consents)| consents.is_empty()));
    let text = std::fs::read_to_string(rig.path("acme.toml")).unwrap();
    let row = "\n[[consents]]\nfield = \"inactive\"\ntopic = \"Newsletter\"\nchannel = \"email\"\n";
    // Nobody that is synced is inactive: a yes/no field that is the wrong way round.
    let text = text.replace("[[conditions]]\nfield = \"inactive\"\nequals = false\n", "") + row;
    std::fs::write(rig.path("changed.toml"), text).unwrap();
    let applied = rig.run(&["integration", "apply", &rig.path("changed.toml").display().to_string()]).await;
    assert_eq!(applied.code(), 0, "{}", applied.log);
    for person in profiles(&rig.sandbox).keys() {
        rig.sandbox.lime_update("person", person.parse().unwrap(), &json!({ "inactive": true })).unwrap();
    }
    let held = rig.run(&["sync", "start", ACME]).await;
    assert_eq!(held.code(), 5, "{}", held.log);
    let told = held.lines.iter().find(|line| !line["of-run"].is_null()).unwrap();
    assert!(told["of-run"]["would"]["opt-ins"].as_u64() > Some(200), "{told}");
    assert!(profiles(&rig.sandbox).values().all(|(_, consents)| consents.is_empty()));
}

/// A person withdraws every consent, now.
fn refuse_all(sandbox: &Sandbox, person: u64) {
    let date = jiff::Timestamp::now().to_string();
    for kind in TYPES {
        let consent: Value = json!({"person": person, "consenttype": kind, "approved": false, "date": date, "source": "coworker"});
        sandbox.lime_create("consent", &consent).unwrap();
    }
}

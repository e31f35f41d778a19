//! Profiles of contacts that no longer match: kept, or deleted where an operator wants that, and then only when
//! somebody has approved; and what the people themselves had said in APSIS One holds when they come back.

use serde_json::json;
use sluice_sandbox::{Consent, ConsentType};
use sluice_tests::rig::{ACME, Rig, made_up};
use sluice_tests::sides::profiles;

const ONLY_NORWAY: &str = "\n[[conditions]]\nfield = \"country\"\nequals = \"Norway\"\n";
const DELETE: &str = "\n[sync]\ndelete-unmatched = true\n";

async fn apply(rig: &Rig, text: &str, more: &[&str]) {
    let file = rig.path("changed.toml");
    std::fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let applied = rig.run(&[&["integration", "apply", file.as_str()], more].concat()).await;
    assert_eq!(applied.code(), 0, "{:?} {}", applied.lines, applied.log);
}

fn is_norwegian(rig: &Rig, id: &str) -> bool {
    rig.sandbox.lime_object("person", id.parse().unwrap()).unwrap()["country"] == "Norway"
}

#[tokio::test]
async fn b05_they_are_deleted_when_somebody_approves_and_what_the_person_said_holds_ever_after() {
    let rig = Rig::start(made_up(300)).await;
    let text = std::fs::read_to_string(rig.path("acme.toml")).unwrap();
    assert_eq!(rig.sync().await.last()["phase"], "completed");
    let first = profiles(&rig.sandbox);
    // Somebody who will not match any more unsubscribes in APSIS One, later than he said yes in the CRM.
    let (person, (topic, channel)) = first
        .iter()
        .filter(|(id, _)| !is_norwegian(&rig, id))
        .find_map(|(id, (_, consents))| {
            let yes = consents.iter().find(|(_, state)| *state == "opt-in")?;
            Some((id.clone(), yes.0.clone()))
        })
        .unwrap();
    let state = ConsentType::OptOut;
    let no = Consent { topic: topic.clone(), channel: channel.clone(), state, modified_at: None };
    rig.sandbox.put_consent(&person, &no).unwrap();

    // Without the setting, a condition deletes nobody.
    apply(&rig, &(text.clone() + ONLY_NORWAY), &[]).await;
    assert_eq!(rig.sync().await.last()["phase"], "completed");
    assert_eq!(profiles(&rig.sandbox).len(), first.len(), "B4: nobody is deleted");

    apply(&rig, &(text.clone() + ONLY_NORWAY + DELETE), &["--allow-delete-unmatched"]).await;
    let dry = rig.run(&["sync", "start", ACME, "--dry-run"]).await;
    let foretold = dry.lines.iter().filter(|line| line["difference"]["deletes"] == json!(true)).count();
    let held = rig.sync().await;
    assert_eq!(held.code(), 5, "{}", held.log);
    let told = held.lines.iter().find(|line| !line["of-run"].is_null()).unwrap();
    let gone = first.keys().filter(|id| !is_norwegian(&rig, id)).count();
    assert_eq!(told["of-run"]["would"]["deletes"], gone, "{told}");
    assert_eq!(foretold, gone, "the dry run said so");
    assert_eq!(profiles(&rig.sandbox).len(), first.len(), "nothing before somebody approves");

    let approved = rig.run(&["sync", "approve", ACME]).await;
    assert_eq!(approved.last()["phase"], "completed", "{}", approved.log);
    assert_eq!(approved.last()["counters"]["deleted"], gone);
    let left = profiles(&rig.sandbox);
    assert!(left.keys().all(|id| is_norwegian(&rig, id)));
    assert_eq!(left.len() + gone, first.len());

    // All come back, one by one or by an import; who had unsubscribed is not opted in by his older yes.
    for sync in ["", "\n[sync]\nimport-threshold = 10\n"] {
        apply(&rig, &(text.clone() + sync), &[]).await;
        let again = rig.run(&["sync", "start", ACME, "--forced"]).await;
        assert_eq!(again.last()["phase"], "completed", "{}", again.log);
        let back = profiles(&rig.sandbox);
        assert_eq!(back.len(), first.len());
        let of_person = &back[&person].1;
        assert_ne!(of_person.get(&(topic.clone(), channel.clone())).map(String::as_str), Some("opt-in"));
        for (id, (_, consents)) in back.iter().filter(|(id, _)| **id != person) {
            assert_eq!(consents, &first[id].1, "{id}");
        }
    }
}

#[tokio::test]
async fn what_was_approved_long_after_it_was_decided_is_decided_anew() {
    let rig = Rig::start(made_up(300)).await;
    let text = std::fs::read_to_string(rig.path("acme.toml")).unwrap();
    assert_eq!(rig.sync().await.last()["phase"], "completed");
    apply(&rig, &(text + ONLY_NORWAY + DELETE), &["--allow-delete-unmatched"]).await;
    assert_eq!(rig.sync().await.code(), 5);
    // While it waits, somebody moves to Norway: he is not to be deleted.
    let moved = profiles(&rig.sandbox).into_keys().find(|id| !is_norwegian(&rig, id)).unwrap();
    rig.sandbox.lime_update("person", moved.parse().unwrap(), &json!({ "country": "Norway" })).unwrap();
    let store = rusqlite::Connection::open(rig.data().join("sluice.db")).unwrap();
    let earlier = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(11);
    let changed = store.execute(
        "UPDATE runs SET hold = json_set(hold, '$.since', ?1) WHERE phase = 'held'",
        [earlier.to_string()],
    );
    assert_eq!(changed.unwrap(), 1);
    drop(store);
    let approved = rig.run(&["sync", "approve", ACME]).await;
    assert_eq!(approved.last()["phase"], "completed", "{}", approved.log);
    let left = profiles(&rig.sandbox);
    assert!(left.contains_key(&moved) && left.keys().all(|id| is_norwegian(&rig, id)));
    let counters = &approved.last()["counters"];
    assert_eq!(counters["read"], 300, "{counters}");
}

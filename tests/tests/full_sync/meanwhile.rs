//! People who are added, deleted and changed in the CRM while a run reads it.

use std::collections::BTreeSet;

use serde_json::json;
use sluice_sandbox::{Fault, FaultRule, LimeSwitches, People, SandboxConfig, When};

use sluice_tests::rig::{ACME, Rig, assert_adds_up, at_full_size, counter, ended, made_up, until};
use sluice_tests::sides::{Profile, profiles};

const CITY: &str = "usercreated.attributes.city-p0o9i8u7y6";

#[tokio::test]
async fn by_queries_nobody_is_missed_and_nobody_comes_twice() {
    read_while_people_change(LimeSwitches::default(), "lime.query").await;
}

#[tokio::test]
async fn by_lists_nobody_is_missed_and_nobody_comes_twice() {
    let lime = LimeSwitches { query_permitted: false, ..LimeSwitches::default() };
    read_while_people_change(lime, "lime.list").await;
}

async fn read_while_people_change(lime: LimeSwitches, route: &str) {
    let persons = if at_full_size() { 3000 } else { 300 };
    let change = |text: String| text + "\n[sync]\npage-size = 20\nimport-threshold = 50\n";
    let calm = Rig::start_with(made_up(persons), change).await;
    let fault = Fault::Latency { min_millis: 20, max_millis: 60 };
    let slow = FaultRule { route: "lime".to_owned(), fault, when: When::Probability(1.0) };
    let people = People::Generated { persons, seed: 7 };
    let config = SandboxConfig { people, lime, faults: vec![slow], ..SandboxConfig::default() };
    let rig = Rig::start_with(config, change).await;
    let before: Vec<u64> = rig.sandbox.lime_ids("person").unwrap();

    let (mut added, mut deleted, mut changed) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let disturbed = async {
        let child = rig.spawn(&["sync", "start", ACME]);
        // Before each of some pages: somebody at the beginning, around the place that is read, and at the
        // end goes, others change, and somebody new comes.
        for step in 1..=8_usize {
            until("the next pages are read", || rig.answered(route) >= step as u64 * 3).await;
            let place = before.len() * step / 10;
            for at in [step, place - 1, place, place + 1, place + 20, before.len() - step] {
                if deleted.insert(before[at]) && rig.sandbox.lime_delete("person", before[at]).is_err() {
                    deleted.remove(&before[at]);
                }
            }
            for at in [step + 10, place + 5, before.len() - 10 - step] {
                let values = json!({"city": format!("City {step}")});
                if rig.sandbox.lime_update("person", before[at], &values).is_ok() {
                    changed.insert(before[at]);
                }
            }
            let email = format!("new{step}@firma.example");
            let person = json!({"firstname": "New", "lastname": format!("Person {step}"), "email": email});
            added.push(rig.sandbox.lime_create("person", &person).unwrap());
        }
        let reads = rig.run(&["sync", "list", ACME]).await.last().clone();
        assert_eq!(reads["phase"], "reading", "the people changed while the run read: {reads}");
        ended(child).await
    };
    let (run, undisturbed) = tokio::join!(disturbed, calm.sync());
    let expected = undisturbed.last();
    let run = run.last();
    assert_eq!(run["phase"], "completed", "{run}");
    assert_adds_up(run);
    let gone = deleted.len() as u64;
    let read = counter(run, "read");
    assert!(read <= persons + 8 && read + gone >= persons + 8, "{read} of {persons} + 8 - {gone}");

    let rejected = counter(expected, "rejected");
    assert!(counter(run, "rejected") <= rejected, "nobody is rejected who was not before");

    let (found, calm_ones) = (profiles(&rig.sandbox), profiles(&calm.sandbox));
    let same = |left: &Profile, right: &Profile| left == right;
    for (id, profile) in &calm_ones {
        let number: u64 = id.parse().unwrap();
        if deleted.contains(&number) {
            continue;
        }
        let there = found.get(id).unwrap_or_else(|| panic!("{id} was missed"));
        if changed.contains(&number) {
            let mut old = there.clone();
            old.0.remove(CITY);
            let mut expected = profile.clone();
            expected.0.remove(CITY);
            assert!(same(&old, &expected), "{id} is as it was or as it became");
        } else {
            assert!(same(there, profile), "{id} is as it should be");
        }
    }
    for id in &added {
        assert!(found.contains_key(&id.to_string()), "{id}, who came while the run read, was missed");
    }

    // The next run has those who changed behind the reader's back.
    rig.sandbox.clear_faults();
    let next = rig.sync().await;
    assert_adds_up(next.last());
    let found = profiles(&rig.sandbox);
    for id in changed.iter().filter(|id| !deleted.contains(*id)) {
        let city = &rig.sandbox.lime_object("person", *id).unwrap()["city"];
        let Some(profile) = found.get(&id.to_string()) else { continue };
        assert_eq!(profile.0.get(CITY), Some(city), "{id} has its new city");
    }
}

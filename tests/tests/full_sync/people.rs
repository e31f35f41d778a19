//! The full sync of the 3,000 people, compared contact by contact with a second opinion.

use std::collections::BTreeMap;

use serde_json::Value;
use sluice_sandbox::{People, SandboxConfig};

use sluice_tests::expected::{self, Expected};
use sluice_tests::rig::{ACME, Rig, assert_adds_up, counter};
use sluice_tests::sides::{profiles, text};

#[tokio::test]
async fn every_contact_ends_as_the_data_file_says_and_a_second_run_writes_nothing() {
    let rig = Rig::start(SandboxConfig::default()).await;
    let first = rig.sync().await;
    assert_eq!(first.code(), 3, "some contacts are rejected: {}", first.log);
    let run = first.last();
    assert_eq!(run["phase"], "completed");
    assert_adds_up(run);

    let people = expected::people();
    assert_eq!(counter(run, "read"), people.len() as u64);
    assert_eq!(
        counter(run, "excluded"),
        people.values().filter(|one| **one == Expected::Excluded).count() as u64
    );
    compare(&rig, &people);

    let shown = rig.run(&["sync", "show", ACME]).await;
    let rejected: BTreeMap<String, String> = shown
        .lines
        .iter()
        .filter(|line| line["outcome"] == "rejected")
        .map(|line| (text(&line["contact"]), text(&line["reason"]["code"])))
        .collect();
    let refused = people.iter().filter_map(|(id, one)| match one {
        Expected::Rejected(code) => Some((id.clone(), (*code).to_owned())),
        _ => None,
    });
    assert_eq!(rejected, refused.collect(), "each rejected contact is listed with its reason");

    let writes = rig.asked("apsis.") - rig.asked("apsis.definitions") - rig.asked("apsis.token");
    let second = rig.sync().await;
    let run = second.last();
    assert_adds_up(run);
    assert_eq!(counter(run, "unchanged"), rig.sandbox.profile_count() as u64);
    assert_eq!(counter(run, "created") + counter(run, "updated"), 0);
    let after = rig.asked("apsis.") - rig.asked("apsis.definitions") - rig.asked("apsis.token");
    assert_eq!(writes, after, "a second run asks APSIS One for its definitions and nothing else");
}

/// Compares what APSIS One has with what the data file says, contact by contact.
pub fn compare(rig: &Rig, people: &BTreeMap<String, Expected>) {
    let profiles = profiles(&rig.sandbox);
    for (id, expected) in people {
        match (expected, profiles.get(id)) {
            (Expected::Profile { attributes, consents }, Some(profile)) => {
                assert_eq!(&profile.0, attributes, "attributes of {id}");
                assert_eq!(&profile.1, consents, "consents of {id}");
            }
            (Expected::Profile { .. }, None) => panic!("{id} has no profile"),
            (_, None) => {}
            (other, Some(_)) => panic!("{id} has a profile, and is {other:?}"),
        }
    }
    assert!(profiles.keys().all(|id| people.contains_key(id)), "no profile is of nobody");
}

/// Compares APSIS One with what an undisturbed full sync of the same people by the same file makes of it;
/// gives that run.
pub async fn compare_with_undisturbed(
    rig: &Rig,
    people: People,
    change: impl FnOnce(String) -> String,
) -> Value {
    let calm = Rig::start_with(SandboxConfig { people, ..SandboxConfig::default() }, change).await;
    let undisturbed = calm.sync().await;
    let run = undisturbed.last();
    assert_eq!(run["phase"], "completed", "{run}");
    let (found, expected) = (profiles(&rig.sandbox), profiles(&calm.sandbox));
    for (id, profile) in &expected {
        assert_eq!(found.get(id), Some(profile), "{id} is the same");
    }
    assert_eq!(found.len(), expected.len(), "there is no other profile");
    run.clone()
}

//! Deleted in the CRM: the profile goes, or is opted out of everything; who is restored is there again.

use serde_json::json;
use sluice_sandbox::SandboxConfig;
use sluice_tests::rig::ACME;
use sluice_tests::sides::profiles;

use crate::live::{IMMEDIATELY, Live, On};

/// Somebody with a profile that is opted in to something.
fn somebody(live: &Live) -> u64 {
    let all = profiles(&live.sandbox);
    let found = all.iter().find(|(_, profile)| profile.1.values().any(|state| state == "opt-in"));
    found.map(|(id, _)| id.parse().unwrap()).unwrap()
}

#[tokio::test]
async fn the_profile_goes_and_comes_back_with_a_restore() {
    let live = Live::start(On::Sqlite, SandboxConfig::default(), |text| text + IMMEDIATELY).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let person = somebody(&live);
    live.sandbox.lime_delete("person", person).unwrap();
    live.until_quiet().await;
    assert_eq!(live.sandbox.profile(&person.to_string()), None);
    live.assert_equal();
    let story = live.run(&["contact", "show", ACME, &person.to_string()]).await;
    assert!(story.last()["ledger"]["deleted-at"].is_string(), "{}", story.last());
    // A full sync does not bring it back.
    assert_eq!(live.sync().await.last()["phase"], "completed");
    assert_eq!(live.sandbox.profile(&person.to_string()), None);
    live.sandbox.lime_restore("person", person).unwrap();
    live.until_quiet().await;
    assert!(live.sandbox.profile(&person.to_string()).is_some());
    live.assert_equal();
}

#[tokio::test]
async fn the_profile_is_kept_and_opted_out_where_that_is_asked_for() {
    let more = format!("{IMMEDIATELY}on-delete = \"opt-out\"\n");
    let live = Live::start(On::Sqlite, SandboxConfig::default(), |text| text + &more).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let person = somebody(&live);
    live.sandbox.lime_delete("person", person).unwrap();
    live.until_quiet().await;
    let kept = profiles(&live.sandbox).remove(&person.to_string()).expect("the profile is kept");
    assert!(kept.1.values().all(|state| state == "opt-out"), "{:?}", kept.1);
    let story = live.run(&["contact", "show", ACME, &person.to_string()]).await;
    let outcomes: Vec<_> = story.last()["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["cause"]["code"].clone())
        .collect();
    assert!(outcomes.contains(&json!("kept-opted-out")), "{outcomes:?}");
    // Restored, it comes without its answers, and nothing is given again.
    live.sandbox.lime_restore("person", person).unwrap();
    live.until_quiet().await;
    let restored = profiles(&live.sandbox).remove(&person.to_string()).unwrap();
    live.assert_no_more_than_given(&person.to_string(), &restored.1);
}

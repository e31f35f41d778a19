//! Components: added, listed with who uses them, found by a part of their digest, and taken away.

use serde_json::json;
use sluice_tests::live::On;
use sluice_tests::rig::ACME;

use crate::versions::{ONE, PEOPLE, add, error, synced, used_by, version, well};

#[tokio::test]
async fn on_sqlite_components_come_are_found_and_go() {
    components_come_are_found_and_go(On::Sqlite).await;
}

#[tokio::test]
async fn on_postgres_components_come_are_found_and_go() {
    components_come_are_found_and_go(On::Postgres).await;
}

async fn components_come_are_found_and_go(on: On) {
    let rig = synced(on.url()).await;
    let (first, second) = (used_by(&rig, ONE).await, add(&rig, &version(&rig, "1.1.0")).await);
    let third = add(&rig, &version(&rig, "1.2.0")).await;

    let listed = well(&rig, &["connector", "list"]).await;
    let of = |name: &str| listed.lines.iter().find(|line| line["connector"] == name).unwrap().clone();
    assert_eq!(listed.lines.len(), 4, "Lime's, too: {:?}", listed.lines);
    assert_eq!(of(&first)["used-by"], json!([ONE]));
    let line = of(&second);
    assert_eq!(
        (&line["describes"]["id"], &line["describes"]["version"]),
        (&json!("versioned"), &json!("1.1.0"))
    );
    assert!(line["added-at"].is_string() && line["used-by"] == json!([]), "{line}");
    let lime = used_by(&rig, ACME).await;
    assert_eq!(of(&lime)["describes"]["id"], "lime");

    for given in [second.as_str(), &second["sha256:".len()..][..12]] {
        let shown = well(&rig, &["connector", "inspect", given]).await;
        assert_eq!((&shown.last()["digest"], &shown.last()["version"]), (&json!(second), &json!("1.1.0")));
    }
    let unknown = rig.run(&["connector", "inspect", "sha256:00000000"]).await;
    assert_eq!(error(&unknown).1, "catalogue-missing");
    let nothing = rig.run(&["connector", "inspect", "nothing.wasm"]).await;
    assert_eq!(error(&nothing).1, "component-unreadable");

    // What is used, or returned to, stays.
    let refused = rig.run(&["connector", "remove", &first]).await;
    assert!(
        matches!(error(&refused), (1, "component-in-use", words) if words.contains(ONE)),
        "{:?}",
        refused.lines
    );
    well(&rig, &["connector", "upgrade", ONE, "--to", &second]).await;
    let refused = rig.run(&["connector", "remove", &first]).await;
    assert_eq!(error(&refused).1, "component-in-use");
    well(&rig, &["connector", "upgrade", ONE, "--to", &third]).await;
    assert_eq!(well(&rig, &["connector", "remove", &first]).await.last()["removed"], first);
    assert_eq!(error(&rig.run(&["connector", "remove", &first]).await).1, "catalogue-missing");
    let back = well(&rig, &["connector", "rollback", ONE]).await;
    assert_eq!(back.last()["comparison"]["to"]["version"], "1.1.0");
    assert_eq!(back.last()["comparison"]["contacts"], PEOPLE);
    // Nobody returns to it after a rollback.
    well(&rig, &["connector", "remove", &third]).await;
}

//! What a version would make of contacts is compared with what the other one makes of them: what differs is shown, and
//! waits until it is accepted.

use serde_json::{Value, json};

use crate::versions::{ONE, PEOPLE, needs, synced, used_by, version, well};

/// One person is opted in, one is opted out, and one lives somewhere else.
const OTHER: &str = "2.0.0 shouts invents-yes forgets-yes";

#[tokio::test]
async fn a_version_that_makes_the_same_of_everybody_needs_no_full_sync() {
    let rig = synced(None).await;
    let upgraded = well(&rig, &["connector", "upgrade", ONE, "--to", &version(&rig, "1.1.0")]).await;
    let told = upgraded.last();
    assert_eq!((&told["end"], &told["comparison"]["differing"]), (&json!("switched"), &json!(0)), "{told}");
    assert_eq!(told["comparison"]["contacts"], PEOPLE);
    assert!(needs(&rig, ONE).await.is_empty());
    let run = well(&rig, &["sync", "start", ONE]).await;
    assert_eq!(run.last()["counters"]["unchanged"], 32, "{}", run.last());
}

#[tokio::test]
async fn what_differs_is_shown_and_held_until_it_is_accepted() {
    let rig = synced(None).await;
    let (before, file) = (used_by(&rig, ONE).await, version(&rig, OTHER));
    let tried = well(&rig, &["connector", "upgrade", ONE, "--to", &file, "--dry-run"]).await;
    let comparison = &tried.last()["comparison"];
    let count = |name: &str| comparison[name].as_u64().unwrap();
    assert_eq!(
        (count("contacts"), count("differing"), count("opting-in"), count("opting-out")),
        (u64::from(PEOPLE), 3, 1, 1),
        "{comparison}"
    );
    // Who would be opted in or out comes first.
    let samples: Vec<(&Value, &Value, &Value)> = comparison["samples"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["contact"], &one["opts-in"], &one["opts-out"]))
        .collect();
    let (yes, no) = (&json!(true), &json!(false));
    assert_eq!(samples, [(&json!("p3"), yes, no), (&json!("p4"), no, yes), (&json!("p1"), no, no)]);
    let moved = &comparison["samples"][2]["attributes"][0];
    assert_eq!((&moved["before"], &moved["after"]), (&json!("City 1"), &json!("CITY 1")), "{moved}");
    let asked = &comparison["samples"][1]["consents"][0];
    assert_eq!(
        (&asked["before"]["answer"], &asked["after"]["answer"]),
        (&json!("given"), &json!("unsaid")),
        "{asked}"
    );

    let held = rig.run(&["connector", "upgrade", ONE, "--to", &file]).await;
    assert_eq!((held.code(), &held.last()["end"]), (5, &json!("held")), "{:?}", held.lines);
    assert_eq!(held.last()["comparison"], *comparison);
    assert_eq!(used_by(&rig, ONE).await, before);

    let done = well(&rig, &["connector", "upgrade", ONE, "--to", &file, "--accept-differences"]).await;
    assert_eq!(done.last()["end"], "switched");
    assert_eq!(needs(&rig, ONE).await, ["connector-changed"]);
    let run = well(&rig, &["sync", "start", ONE]).await;
    assert_eq!(run.last()["counters"]["updated"], 3, "{}", run.last());
    assert!(needs(&rig, ONE).await.is_empty());

    // The way back would differ, too.
    let back = rig.run(&["connector", "rollback", ONE]).await;
    assert_eq!((back.code(), back.last()["comparison"]["differing"].as_u64()), (5, Some(3)));
    let tried = well(&rig, &["connector", "rollback", ONE, "--dry-run"]).await;
    assert_eq!(tried.last()["comparison"], back.last()["comparison"]);
    well(&rig, &["connector", "rollback", ONE, "--accept-differences"]).await;
    assert_eq!(used_by(&rig, ONE).await, before);
    assert_eq!(needs(&rig, ONE).await, ["connector-changed"]);

    // Who did what, and nothing of whom it was about.
    let journal = well(&rig, &["journal", ONE]).await;
    let acts: Vec<&str> = journal.lines.iter().map(|line| line["what"].as_str().unwrap()).collect();
    let rolled = journal.lines.iter().find(|line| line["what"] == "connector.rollback").unwrap();
    assert_eq!(
        (&rolled["before"]["version"], &rolled["after"]["version"]),
        (&json!("2.0.0"), &json!("1.0.0"))
    );
    assert_eq!(acts.iter().filter(|act| **act == "connector.upgrade").count(), 2, "{acts:?}");
    let held = journal.lines.iter().filter(|line| line["failure"]["code"] == "upgrade-held").count();
    assert_eq!(held, 2);
    let text = format!("{:?}", journal.lines);
    assert!(!text.contains("CITY 1") && !text.contains("\"p3\""), "{text}");
}

#[tokio::test]
async fn the_sample_is_as_large_as_is_asked_for_and_even_over_all() {
    let rig = synced(None).await;
    let file = version(&rig, "1.1.0");
    for (sample, contacts) in [("7", 7), ("1000", PEOPLE)] {
        let tried =
            well(&rig, &["connector", "upgrade", ONE, "--to", &file, "--dry-run", "--sample", sample]).await;
        assert_eq!(tried.last()["comparison"]["contacts"], contacts);
    }
    for sample in ["0", "10001"] {
        let refused = rig.run(&["connector", "upgrade", ONE, "--to", &file, "--sample", sample]).await;
        assert_eq!(refused.last()["error"]["code"], "upgrade-sample");
    }
}

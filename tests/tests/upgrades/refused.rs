//! A version that an integration cannot use is refused with what is missing and what uses it; nothing is changed.

use crate::versions::{ONE, error, synced, used_by, version, well};

#[tokio::test]
async fn what_an_integration_cannot_use_is_refused_with_what_uses_it() {
    let rig = synced(None).await;
    let before = used_by(&rig, ONE).await;
    let refused: [(&str, &str, &[&str]); 8] = [
        ("2", "upgrade-rules", &["describe-whole", "its version is `2`", "connector check"]),
        ("1.1.0 drops-city", "upgrade-obstacles", &["`city` is gone", "field mapping 1 (city to City)"]),
        (
            "1.1.0 counts-city",
            "upgrade-obstacles",
            &["`city` is integer now, and was text", "field mapping 1"],
        ),
        ("1.1.0 drops-news", "upgrade-obstacles", &["`news` is gone", "consent mapping 1"]),
        ("1.1.0 is-another", "upgrade-other-connector", &["`versioned`", "`another`"]),
        ("1.1.0 asks-more", "connection-setting", &["more"]),
        ("1.1.0 reaches-out", "connection-not-granted", &["https://elsewhere.example"]),
        ("1.1.0 cannot-get", "connector-not-offered", &["`get`"]),
    ];
    for (words, code, names) in refused {
        let file = version(&rig, words);
        for more in [&["--dry-run"][..], &[], &["--accept-differences"]] {
            let arguments = [&["connector", "upgrade", ONE, "--to", &file][..], more].concat();
            let ended = rig.run(&arguments).await;
            let (exit, said, message) = error(&ended);
            assert_eq!((exit, said), (1, code), "{words}: {message}");
            assert!(names.iter().all(|name| message.contains(name)), "{words}: {message}");
        }
    }
    // Both at once are both named.
    let ended =
        rig.run(&["connector", "upgrade", ONE, "--to", &version(&rig, "1.1.0 drops-city drops-news")]).await;
    let (_, _, message) = error(&ended);
    assert!(message.contains("`city`") && message.contains("`news`"), "{message}");
    assert_eq!(used_by(&rig, ONE).await, before);
    let journal = well(&rig, &["journal", ONE]).await;
    let refused = |line: &&serde_json::Value| line["failure"]["code"] == "upgrade-obstacles";
    assert_eq!(journal.lines.iter().filter(refused).count(), 7, "{:?}", journal.lines);
}

#[tokio::test]
async fn there_is_nothing_to_return_to_before_an_upgrade_and_after_a_rollback() {
    let rig = synced(None).await;
    let rollback = ["connector", "rollback", ONE];
    assert_eq!(error(&rig.run(&rollback).await).1, "rollback-nothing");
    let before = used_by(&rig, ONE).await;
    well(&rig, &["connector", "upgrade", ONE, "--to", &version(&rig, "1.1.0")]).await;
    assert_ne!(used_by(&rig, ONE).await, before);
    well(&rig, &rollback).await;
    assert_eq!(used_by(&rig, ONE).await, before);
    assert_eq!(error(&rig.run(&rollback).await).1, "rollback-nothing");
    let already = well(&rig, &["connector", "upgrade", ONE, "--to", &before]).await;
    assert_eq!(already.last()["end"], "already");
}

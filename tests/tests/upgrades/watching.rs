//! A folder of components that is watched: whoever writes a connector sees it at work as soon as it is built.

use sluice_tests::processes::Followed;
use sluice_tests::rig::{Rig, eventually};

use crate::versions::{ONE, add, apply, component, error, synced, used_by, version};

/// Waits until the log has these words.
async fn until_logged(rig: &Rig, words: &str) {
    eventually(words, async || {
        let log = std::fs::read_to_string(rig.path("log")).unwrap_or_default();
        log.lines().any(|line| line.contains(words)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_component_that_changes_is_used_at_once() {
    let rig = synced(None).await;
    // It maps nothing that the third version lacks.
    apply(&rig, "plain", &version(&rig, "1.0.0"), "").await;
    let folder = rig.path("components");
    std::fs::create_dir(&folder).unwrap();
    let place = folder.join("versioned.wasm");
    std::fs::write(&place, component("0.9.0")).unwrap();
    let mut serve = Followed::start(&rig, &["serve", "--watch-connectors", &folder.display().to_string()]);
    serve.until(|line| line["listening"].is_string()).await;

    // Half of it is no component; whole, it is.
    let next = component("1.1.0 shouts");
    std::fs::write(&place, &next[..next.len() / 2]).unwrap();
    until_logged(&rig, "a component of the watched folder is not used").await;
    std::fs::write(&place, &next).unwrap();
    let name = add(&rig, &version(&rig, "1.1.0 shouts")).await;
    for id in [ONE, "plain"] {
        eventually("the changed component is used", async || (used_by(&rig, id).await == name).then_some(()))
            .await;
    }
    until_logged(&rig, "1 of the 40 contacts that were read would differ").await;

    // One that an integration cannot use is used by the others.
    std::fs::write(&place, component("1.2.0 drops-news")).unwrap();
    until_logged(&rig, "upgrade-obstacles").await;
    let third = add(&rig, &version(&rig, "1.2.0 drops-news")).await;
    eventually("the others use it", async || (used_by(&rig, "plain").await == third).then_some(())).await;
    assert_eq!(used_by(&rig, ONE).await, name);
    serve.signal("TERM");
    assert_eq!(serve.end().await.0, Some(0));
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_said() {
    let rig = synced(None).await;
    let refused = rig.run(&["serve", "--watch-connectors", "/nowhere"]).await;
    assert!(
        matches!(error(&refused), (1, "watch-folder", words) if words.contains("/nowhere")),
        "{:?}",
        refused.lines
    );
}

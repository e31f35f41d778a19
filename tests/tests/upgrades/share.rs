//! A version for a share of the integrations, and then for more of them.

use std::collections::BTreeMap;

use serde_json::Value;
use sluice_tests::rig::{Ended, Rig};

use crate::versions::{CONSENTS, add, apply, error, remotes, version};

/// What became of each integration.
fn ends(ended: &Ended) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let each = ended.last()["integrations"].as_array().unwrap_or_else(|| panic!("{:?}", ended.lines)).iter();
    each.map(|one| (text(&one["integration"]), text(&one["end"]))).collect()
}

#[tokio::test]
async fn a_share_is_always_the_same_and_a_greater_one_goes_on_from_there() {
    let rig = Rig::start(remotes()).await;
    let first = version(&rig, "1.0.0");
    for id in ["one", "two", "three"] {
        apply(&rig, id, &first, "").await;
    }
    // It maps what the other version does not have.
    apply(&rig, "four", &first, CONSENTS).await;
    let to = add(&rig, &version(&rig, "1.1.0 drops-news")).await;
    let share = async |percent: &str| {
        rig.run(&["connector", "upgrade", "--all", "versioned", "--to", &to, "--canary", percent]).await
    };
    let of_all = share("1").await;
    let canary = ends(&of_all);
    assert_eq!((canary.len(), of_all.last()["using"].as_u64()), (1, Some(4)), "{canary:?}");
    let again = ends(&share("25").await);
    assert_eq!(again.keys().collect::<Vec<_>>(), canary.keys().collect::<Vec<_>>());
    let half = ends(&share("50").await);
    assert!(half.len() == 2 && half.contains_key(canary.keys().next().unwrap()), "{half:?}");

    let all = share("100").await;
    assert_eq!(all.code(), 3, "one was refused, and the others went on: {:?}", all.lines);
    let ends = ends(&all);
    assert_eq!((ends.len(), ends["four"].as_str()), (4, "refused"));
    assert!(
        ["one", "two", "three"].iter().all(|id| matches!(ends[*id].as_str(), "switched" | "already")),
        "{ends:?}"
    );
    let refused =
        all.last()["integrations"].as_array().unwrap().iter().find(|one| one["integration"] == "four");
    assert_eq!(refused.unwrap()["failure"]["code"], "upgrade-obstacles");

    // Back again, by the same way.
    let older =
        rig.run(&["connector", "upgrade", "--all", "versioned", "--to", &first, "--canary", "100"]).await;
    assert_eq!(older.code(), 0, "{:?}", older.lines);
    for (percent, code) in [("0", "upgrade-share"), ("101", "upgrade-share")] {
        assert_eq!(error(&share(percent).await).1, code);
    }
    let other = rig.run(&["connector", "upgrade", "--all", "lime", "--to", &to, "--canary", "10"]).await;
    assert_eq!(error(&other).1, "upgrade-other-connector");
}

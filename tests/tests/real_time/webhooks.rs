//! The webhook in the CRM: one, however often it is asked for; replaced without a gap; gone when it is not
//! wanted.

use serde_json::json;
use sluice_sandbox::{Sandbox, SandboxConfig};
use sluice_tests::rig::{ACME, eventually, until};

use crate::live::{IMMEDIATELY, Live, On};

fn addresses(sandbox: &Sandbox) -> Vec<String> {
    sandbox.lime_subscriptions().into_iter().map(|subscription| subscription.target_url).collect()
}

/// Whether a full sync is needed because the webhook was gone.
async fn is_a_gap_known(live: &Live) -> bool {
    let status = live.status().await;
    let needs = status["needs"].as_array().unwrap_or_else(|| panic!("{status}"));
    needs.iter().any(|need| need["code"] == "webhook-renewed")
}

#[tokio::test]
async fn it_is_set_up_once_and_goes_with_disable_and_delete() {
    let mut live = Live::start(On::Sqlite, SandboxConfig::default(), |text| text + IMMEDIATELY).await;
    let first = addresses(&live.sandbox);
    assert_eq!(first.len(), 1);
    // Applied again, enabled again, restarted: the same one.
    let file = live.path("acme.toml").display().to_string();
    assert_eq!(live.run(&["integration", "apply", &file]).await.code(), 0);
    assert_eq!(live.run(&["integration", "enable", ACME]).await.code(), 0);
    live.stop().await;
    live.serve().await;
    let before = live.asked("lime.subscription");
    until("it is looked at", || live.asked("lime.subscription") > before).await;
    assert_eq!(addresses(&live.sandbox), first);
    assert!(!is_a_gap_known(&live).await, "nothing was missed");

    assert_eq!(live.run(&["integration", "disable", ACME]).await.code(), 0);
    assert!(addresses(&live.sandbox).is_empty());
    assert_eq!(live.run(&["integration", "enable", ACME]).await.code(), 0);
    live.until_subscribed().await;
    eventually("the gap is known", async || is_a_gap_known(&live).await.then_some(())).await;
    let deleted = live.run(&["integration", "delete", ACME]).await;
    assert_eq!(deleted.code(), 0, "{:?} {}", deleted.lines, deleted.log);
    assert!(addresses(&live.sandbox).is_empty());
    assert!(live.run(&["integration", "list"]).await.lines.is_empty());
}

#[tokio::test]
async fn one_that_somebody_deleted_in_the_crm_comes_back_with_the_next_start() {
    let config = SandboxConfig::default();
    let mut live = Live::start(On::Sqlite, config, |text| text + IMMEDIATELY).await;
    live.stop().await;
    for subscription in live.sandbox.lime_subscriptions() {
        let url = format!("{}/api/v1/subscription/{}/", live.sandbox.lime_url(), subscription.id);
        let deleting = reqwest::Client::new().delete(url).header("x-api-key", live.sandbox.lime_key());
        assert!(deleting.send().await.unwrap().status().is_success());
    }
    assert!(addresses(&live.sandbox).is_empty());
    assert!(!is_a_gap_known(&live).await);
    live.serve().await;
    live.until_subscribed().await;
    // What the CRM would have sent meanwhile was not sent.
    eventually("the gap is known", async || is_a_gap_known(&live).await.then_some(())).await;
}

#[tokio::test]
async fn on_sqlite_its_address_and_secret_are_rotated_without_losing_a_delivery() {
    its_address_and_secret_are_rotated(On::Sqlite).await;
}

#[tokio::test]
async fn on_postgres_its_address_and_secret_are_rotated_without_losing_a_delivery() {
    its_address_and_secret_are_rotated(On::Postgres).await;
}

async fn its_address_and_secret_are_rotated(on: On) {
    let live = Live::start(on, SandboxConfig::default(), |text| text + IMMEDIATELY).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let before = addresses(&live.sandbox);
    let mut editor = live.editor();
    editor.edit(&live.sandbox, 40).unwrap();
    // What is on its way is signed with the old secret.
    let (text, secret) = (std::fs::read_to_string(live.path("acme.toml")).unwrap(), live.path("new-secret"));
    std::fs::write(&secret, "fedcba9876543210fedcba9876543210").unwrap();
    let old = r#"{ env = "SLUICE_DEMO_WEBHOOK_SECRET" }"#;
    let text = text.replace(
        &format!("webhook-secret = {old}"),
        &format!("webhook-secret = {{ file = '{}' }}\n\"webhook-secret.previous\" = {old}", secret.display()),
    );
    let file = live.path("rotated.toml");
    std::fs::write(&file, text).unwrap();
    let applied = live.run(&["integration", "apply", &file.display().to_string()]).await;
    assert_eq!(applied.code(), 0, "{:?} {}", applied.lines, applied.log);
    assert_eq!(live.run(&["integration", "rotate", ACME]).await.code(), 0);
    let is_rotated = || {
        editor.edit(&live.sandbox, 1).unwrap();
        let now = addresses(&live.sandbox);
        now.len() == 1 && now != before
    };
    until("the new address is in place", is_rotated).await;
    editor.edit(&live.sandbox, 40).unwrap();
    let sent = live.until_quiet().await;
    assert_eq!((sent.gave_up, sent.refused.values().sum::<u64>()), (0, 0), "{sent:?}");
    live.assert_equal();
    assert_eq!(live.outcomes().await.values().sum::<u64>(), sent.acknowledged);
}

#[tokio::test]
async fn a_crm_that_refuses_it_is_shown_and_tried_again() {
    let config = SandboxConfig::default();
    let mut live = Live::still(None, config, |text| text + IMMEDIATELY).await;
    live.sandbox.add_fault(sluice_sandbox::FaultRule {
        route: "lime.subscription".to_owned(),
        fault: sluice_sandbox::Fault::Status { status: 403, retry_after: None },
        when: sluice_sandbox::When::Probability(1.0),
    });
    live.serve().await;
    eventually("it is shown", async || {
        let status = live.status().await;
        assert_eq!(status["webhook"]["standing"], json!(null));
        status["webhook"]["failure"]["code"].is_string().then_some(())
    })
    .await;
    live.sandbox.clear_faults();
    live.until_subscribed().await;
}

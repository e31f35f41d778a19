//! An upgrade while people in the CRM go on working and a full sync is under way loses nothing, and so does a rollback.

use sluice_sandbox::{Editor, People, SandboxConfig, WebhookSwitches};
use sluice_tests::live::{IMMEDIATELY, Live, On};
use sluice_tests::processes::{Followed, slow_down};
use sluice_tests::rig::{ACME, assert_adds_up, at_full_size, found_below};

use crate::versions::{file, used_by, well, with_another_end};

#[tokio::test]
async fn on_sqlite_an_upgrade_under_load_loses_nothing() {
    an_upgrade_under_load_loses_nothing(On::Sqlite).await;
}

#[tokio::test]
async fn on_postgres_an_upgrade_under_load_loses_nothing() {
    an_upgrade_under_load_loses_nothing(On::Postgres).await;
}

async fn an_upgrade_under_load_loses_nothing(on: On) {
    let persons = if at_full_size() { 10_000 } else { 300 };
    let webhooks = WebhookSwitches {
        parallel: 8,
        duplicates: 0.1,
        delay_max_millis: 200,
        reorder: 0.1,
        ..WebhookSwitches::default()
    };
    let people = People::Generated { persons, seed: 11 };
    let config = SandboxConfig { people, webhooks, ..SandboxConfig::default() };
    let live = Live::start(on, config, |text| text + "\n[sync]\npage-size = 10\n" + IMMEDIATELY).await;
    let mut editor = live.editor();
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let before = used_by(&live, ACME).await;
    let lime = std::fs::read(env!("LIME_WASM")).unwrap();
    let other = file(&live, "other", &with_another_end(&lime, "another version"));

    // What is edited while both versions read may look like a difference.
    let upgrade = ["connector", "upgrade", ACME, "--to", &other, "--accept-differences"];
    switch_in_a_run(&live, &mut editor, &upgrade).await;
    let after = used_by(&live, ACME).await;
    assert_ne!(after, before);
    let told = "the run goes on with another version of the connector";
    assert!(found_below(live.path("log").parent().unwrap(), told), "it was switched while the run read");
    editor.edit(&live.sandbox, 100).unwrap();
    live.until_quiet().await;
    live.assert_equal();
    live.assert_in_order();

    switch_in_a_run(&live, &mut editor, &["connector", "rollback", ACME, "--accept-differences"]).await;
    assert_eq!(used_by(&live, ACME).await, before);
    editor.edit(&live.sandbox, 100).unwrap();
    let sent = live.until_quiet().await;
    live.assert_equal();
    live.assert_in_order();
    let outcomes = live.outcomes().await;
    assert_eq!(outcomes.values().sum::<u64>(), sent.acknowledged, "each has its outcome, and exactly one");
}

/// Switches while a full sync reads, and people work before, during and after it.
async fn switch_in_a_run(live: &Live, editor: &mut Editor, command: &[&str]) {
    editor.edit(&live.sandbox, 50).unwrap();
    slow_down(live);
    let mut run = Followed::start(live, &["sync", "start", ACME]);
    let reading = run.until_reading().await;
    editor.edit(&live.sandbox, 50).unwrap();
    let switched = well(live, command).await;
    assert_eq!(switched.last()["end"], "switched");
    live.sandbox.clear_faults();
    editor.edit(&live.sandbox, 50).unwrap();
    let (_, ended) = run.end().await;
    assert_eq!(
        (&ended["phase"], &ended["id"]),
        (&"completed".into(), &reading["run"]),
        "the same run: {ended}"
    );
    assert_adds_up(&ended);
}

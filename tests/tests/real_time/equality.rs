//! Whatever happens in the CRM before, during and after a full sync, and however its messages come: when all is
//! quiet, both sides are equal.

use sluice_sandbox::{People, SandboxConfig, WebhookSwitches};
use sluice_tests::rig::{ACME, assert_adds_up, at_full_size, ended};

use crate::live::{IMMEDIATELY, Live, On};

/// Duplicated, late, and one overtaking the other.
fn untidy() -> WebhookSwitches {
    WebhookSwitches {
        parallel: 8,
        duplicates: 0.1,
        delay_max_millis: 300,
        reorder: 0.1,
        ..WebhookSwitches::default()
    }
}

#[tokio::test]
async fn on_sqlite_both_sides_end_equal() {
    both_sides_end_equal(On::Sqlite).await;
}

#[tokio::test]
async fn on_postgres_both_sides_end_equal() {
    both_sides_end_equal(On::Postgres).await;
}

async fn both_sides_end_equal(on: On) {
    let (persons, edits) = if at_full_size() { (20_000, 50_000) } else { (300, 600) };
    let config = SandboxConfig {
        people: People::Generated { persons, seed: 7 },
        webhooks: untidy(),
        ..SandboxConfig::default()
    };
    let live =
        Live::start(on, config, |text| text + "\n[sync]\nimport-threshold = 200\n" + IMMEDIATELY).await;
    let mut editor = live.editor();
    editor.edit(&live.sandbox, edits / 4).unwrap();
    let run = live.spawn(&["sync", "start", ACME]);
    let mut pace = tokio::time::interval(std::time::Duration::from_millis(5));
    let mut during = 0;
    live.until_gate_closed().await;
    while during < edits / 2 {
        pace.tick().await;
        editor.edit(&live.sandbox, 20).unwrap();
        during += 20;
    }
    let gate = live.status().await["gate-closed-by"].clone();
    assert!(gate.is_number(), "all of them were made while the run was active");
    let run = ended(run).await;
    assert_eq!(run.last()["phase"], "completed", "{}", run.log);
    assert_adds_up(run.last());
    editor.edit(&live.sandbox, edits / 4).unwrap();

    let sent = live.until_quiet().await;
    println!("{} edits, {sent:?}", editor.made());
    assert!(sent.acknowledged_duplicates > 0, "{sent:?}");
    live.assert_equal();
    live.assert_in_order();
    let outcomes = live.outcomes().await;
    println!("{outcomes:?}");
    assert_eq!(outcomes.values().sum::<u64>(), sent.acknowledged, "each has its outcome, and exactly one");
}

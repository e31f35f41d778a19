//! Killed at any moment, again and again: whatever was answered 202 has exactly one outcome in the end, and no
//! older state was written over a newer one.

use std::time::{Duration, Instant};

use sluice_sandbox::{People, SandboxConfig, WebhookSwitches};
use sluice_tests::dice::Dice;
use sluice_tests::rig::{ACME, at_full_size, ended};

use crate::live::{IMMEDIATELY, Live, On};

#[tokio::test]
async fn on_sqlite_nothing_is_lost_when_it_is_killed() {
    nothing_is_lost(On::Sqlite).await;
}

#[tokio::test]
async fn on_postgres_nothing_is_lost_when_it_is_killed() {
    nothing_is_lost(On::Postgres).await;
}

async fn nothing_is_lost(on: On) {
    let kills = if at_full_size() { 200 } else { 8 };
    let webhooks = WebhookSwitches {
        parallel: 8,
        duplicates: 0.1,
        delay_max_millis: 50,
        reorder: 0.1,
        first_pause_millis: 20,
        longest_pause_millis: 200,
        ..WebhookSwitches::default()
    };
    let people = People::Generated { persons: 200, seed: 5 };
    let config = SandboxConfig { people, webhooks, ..SandboxConfig::default() };
    let change = |text: String| text + "\n[sync]\npage-size = 50\nimport-threshold = 100\n" + IMMEDIATELY;
    let mut live = Live::start(on, config, change).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");

    let mut editor = live.editor();
    let mut dice = Dice::seeded();
    let mut runs = Vec::new();
    for kill in 0..kills {
        if kill % 16 == 1 {
            runs.push(live.spawn(&["sync", "start", ACME]));
        }
        // As chance has it: at the first contact, in the middle of many, or when nearly all is done.
        let alive = Duration::from_millis(dice.below(600));
        let started = Instant::now();
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        while started.elapsed() < alive {
            pace.tick().await;
            editor.edit(&live.sandbox, 2).unwrap();
        }
        live.kill().await;
        // Sent while nobody is there.
        editor.edit(&live.sandbox, 2).unwrap();
        live.serve().await;
    }
    for run in runs {
        let run = ended(run).await;
        // One is refused while another one is active.
        assert!(
            run.last()["phase"] == "completed" || run.last()["error"]["code"] == "run-active",
            "{}",
            run.log
        );
    }
    let sent = live.until_quiet().await;
    println!("{kills} kills, {} edits, {sent:?}", editor.made());
    assert!(sent.unanswered + sent.refused.values().sum::<u64>() > 0, "some came while nobody was there");
    live.assert_equal();
    live.assert_in_order();
    let outcomes = live.outcomes().await;
    println!("{outcomes:?}");
    assert_eq!(outcomes.values().sum::<u64>(), sent.acknowledged, "each has its outcome, and exactly one");
}

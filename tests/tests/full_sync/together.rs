//! Several processes on one data folder, and processes that die: each run is done once, and to its end.

use sluice_sandbox::SandboxConfig;

use crate::people::compare;
use sluice_tests::expected;
use sluice_tests::postgres;
use sluice_tests::processes::{Followed, slow_down};
use sluice_tests::rig::{ACME, Rig, assert_adds_up, counter, eventually, made_up, until};

#[tokio::test]
async fn while_a_run_is_active_another_and_a_delete_are_refused() {
    let rig = Rig::start(SandboxConfig::default()).await;
    slow_down(&rig);
    let mut run = Followed::start(&rig, &["sync", "start", ACME]);
    run.until_reading().await;
    for command in [&["sync", "start", ACME][..], &["integration", "delete", ACME]] {
        let refused = rig.run(command).await;
        let error = &refused.last()["error"];
        assert_eq!((refused.code(), error["code"].as_str()), (1, Some("run-active")), "{command:?}");
        assert!(error["message"].as_str().unwrap().contains("sluice sync cancel acme-lime"), "{error}");
    }
    // From another process, through the store.
    let cancelled = rig.run(&["sync", "cancel", ACME]).await;
    assert_eq!(
        (cancelled.code(), cancelled.last()["phase"].as_str()),
        (0, Some("cancelled")),
        "{}",
        cancelled.log
    );
    assert_eq!(run.end().await.0, Some(4));
    let nothing = rig.run(&["sync", "cancel", ACME]).await;
    assert_eq!(nothing.last()["error"]["code"], "run-not-active");
    assert_eq!(rig.run(&["integration", "delete", ACME]).await.code(), 0);
}

#[tokio::test]
async fn of_two_starts_at_once_one_does_the_run() {
    let rig = Rig::start(SandboxConfig::default()).await;
    slow_down(&rig);
    let (one, two) = tokio::join!(rig.sync(), rig.sync());
    let codes = [one.code(), two.code()];
    assert!(codes.contains(&3) && codes.contains(&1), "{codes:?}");
    let refused = if one.code() == 1 { &one } else { &two };
    assert_eq!(refused.last()["error"]["code"], "run-active");
    assert_eq!(rig.run(&["sync", "list", ACME]).await.lines.len(), 1);
}

#[tokio::test]
async fn serve_does_what_start_asks_for_and_ends_when_told_to() {
    let rig = Rig::start(SandboxConfig::default()).await;
    let mut serve = Followed::start(&rig, &["serve"]);
    serve.until(|line| line["serving"].is_string()).await;
    // A second one stands by.
    let mut second = Followed::start(&rig, &["serve"]);
    second.until(|line| line["serving"].is_string()).await;

    slow_down(&rig);
    let mut start = Followed::start(&rig, &["sync", "start", ACME]);
    start.until_reading().await;
    // It only watches: killed, it takes nothing with it.
    start.signal("KILL");
    assert_eq!(start.end().await.0, None);
    rig.sandbox.clear_faults();
    let watched = rig.run(&["sync", "watch", ACME]).await;
    assert_eq!((watched.code(), watched.last()["phase"].as_str()), (3, Some("completed")), "{}", watched.log);
    compare(&rig, &expected::people());

    serve.signal("TERM");
    assert_eq!(serve.end().await.0, Some(0));
    let by_second = rig.run(&["sync", "start", ACME]).await;
    assert_eq!(by_second.last()["phase"], "completed", "{}", by_second.log);
    second.signal("TERM");
    assert_eq!(second.end().await.0, Some(0));
}

#[tokio::test]
async fn a_watcher_goes_on_with_the_run_when_serve_dies() {
    let rig = Rig::start(SandboxConfig::default()).await;
    let mut serve = Followed::start(&rig, &["serve"]);
    serve.until(|line| line["serving"].is_string()).await;
    slow_down(&rig);
    let mut start = Followed::start(&rig, &["sync", "start", ACME]);
    start.until_reading().await;
    serve.signal("KILL");
    assert_eq!(serve.end().await.0, None);
    rig.sandbox.clear_faults();
    let (code, run) = start.end().await;
    assert_eq!((code, run["phase"].as_str()), (Some(3), Some("completed")), "{run}");
    compare(&rig, &expected::people());
}

#[tokio::test]
async fn a_start_that_lost_its_lease_goes_on_with_the_same_run() {
    let store = postgres::database();
    let rig = Rig::start_on(Some(store.url.clone()), SandboxConfig::default(), |text| text).await;
    slow_down(&rig);
    let mut start = Followed::start(&rig, &["sync", "start", ACME]);
    start.until_reading().await;
    // As if the machine had slept for longer than the lease, and another host had been there meanwhile.
    store.sql("UPDATE leases SET number = number + 1, host = NULL, until = 0");
    rig.sandbox.clear_faults();
    let (code, run) = start.end().await;
    let log = std::fs::read_to_string(rig.path("log")).unwrap();
    assert_eq!((code, run["phase"].as_str()), (Some(3), Some("completed")), "{run}: {log}");
    assert_eq!(log.matches("integration taken").count(), 2, "{log}");
    assert_adds_up(&run);
    compare(&rig, &expected::people());
    assert_eq!(rig.run(&["sync", "list", ACME]).await.lines.len(), 1);
}

#[tokio::test]
async fn a_start_that_stood_still_for_longer_than_its_lease_goes_on_with_the_same_run() {
    let rig = Rig::start_on(Some(postgres::database().url), made_up(300), |text| text).await;
    let start = Followed::start(&rig, &["sync", "start", ACME]);
    until("it writes", || rig.answered("apsis.attributes") > 20).await;
    start.signal("STOP");
    eventually("its lease has ended", async || {
        rig.run(&["status", ACME]).await.last()["host"].is_null().then_some(())
    })
    .await;
    start.signal("CONT");
    let (code, run) = start.end().await;
    let log = std::fs::read_to_string(rig.path("log")).unwrap();
    assert_eq!((code, run["phase"].as_str()), (Some(3), Some("completed")), "{run}: {log}");
    assert_eq!(log.matches("integration taken").count(), 2, "{log}");
    assert_adds_up(&run);
    compare(&rig, &expected::people_of(&rig.sandbox));
}

#[tokio::test]
async fn a_start_waits_its_turn_behind_another_integrations_run() {
    let rig = Rig::start(SandboxConfig::default()).await;
    let other = std::fs::read_to_string(rig.path("acme.toml")).unwrap().replace("\"acme-lime\"", "\"other\"");
    std::fs::write(rig.path("other.toml"), other).unwrap();
    assert_eq!(
        rig.run(&["integration", "apply", &rig.path("other.toml").display().to_string()]).await.code(),
        0
    );
    slow_down(&rig);
    let mut first = Followed::start(&rig, &["sync", "start", ACME]);
    first.until_reading().await;
    let second = Followed::start(&rig, &["sync", "start", "other"]);
    rig.sandbox.clear_faults();
    assert_eq!(first.end().await.0, Some(3));
    let (code, run) = second.end().await;
    assert_eq!((code, run["phase"].as_str()), (Some(3), Some("completed")), "{run}");
    let foreign = rig.run(&["sync", "show", ACME, "--run", &run["id"].to_string()]).await;
    assert_eq!(
        foreign.last()["error"]["code"],
        "run-unknown",
        "a run is shown under its own integration only"
    );
}

#[tokio::test]
async fn a_killed_run_is_gone_on_with_by_watch_and_by_serve() {
    for with_serve in [false, true] {
        let rig = Rig::start(SandboxConfig::default()).await;
        slow_down(&rig);
        let mut start = Followed::start(&rig, &["sync", "start", ACME]);
        let before = start.until_reading().await;
        start.signal("KILL");
        assert_eq!(start.end().await.0, None);
        let shown = rig.run(&["sync", "show", ACME]).await;
        let run = shown.lines.first().unwrap();
        assert_eq!(run["phase"], "reading", "it waits to be gone on with");
        assert!(counter(run, "read") >= counter(&before, "read"));

        rig.sandbox.clear_faults();
        let serve = with_serve.then(|| Followed::start(&rig, &["serve"]));
        if let Some(mut serve) = serve {
            serve.until(|line| line["serving"].is_string()).await;
            let watched = rig.run(&["sync", "watch", ACME]).await;
            assert!([1, 3].contains(&watched.code()), "watched to its end, or it had ended: {}", watched.log);
            serve.signal("TERM");
            assert_eq!(serve.end().await.0, Some(0));
        } else {
            assert_eq!(rig.run(&["sync", "watch", ACME]).await.code(), 3);
        }
        let shown = rig.run(&["sync", "show", ACME]).await;
        let run = shown.lines.first().unwrap();
        assert_eq!((run["id"].as_i64(), run["phase"].as_str()), (Some(1), Some("completed")), "the same run");
        assert_adds_up(run);
        compare(&rig, &expected::people());
        let spool = std::fs::read_dir(rig.path("data/spool")).unwrap().count();
        assert_eq!(spool, 0, "files on their way have no name, and are gone with their process");
    }
}

//! A full sync is cancelled within a second, from another process, in whichever phase; what it says of
//! itself is true; and the next one works at once.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sluice_sandbox::{ApsisSwitches, Fault, FaultRule, SandboxConfig, When};

use sluice_tests::rig::{ACME, Rig, assert_adds_up, at_full_size, counter, ended, made_up, until};
use sluice_tests::sides::profiles;

/// The promise is a second. Where many tests share the machine it is only told from the minutes that what is cancelled
/// would have gone on for.
fn within() -> SignedDuration {
    SignedDuration::from_secs(if at_full_size() { 1 } else { 30 })
}

const OUTCOMES: [&str; 5] = ["created", "updated", "unchanged", "excluded", "rejected"];

#[tokio::test]
async fn cancelled_while_reading_nothing_is_written() {
    let rig = rig(slow("lime.query", 250), "page-size = 50").await;
    let run = cancel(&rig, "reading", |rig| rig.asked("lime.query") > 9).await;
    assert!(counter(&run, "read") > 0 && counter(&run, "read") < persons(), "{run}");
    assert_eq!(rig.sandbox.profile_count(), 0, "nothing is written while the CRM is read");
    next_run_is_right(&rig, "page-size = 50").await;
}

#[tokio::test]
async fn cancelled_while_importing() {
    let import = ApsisSwitches { import_running_millis: 120_000, ..ApsisSwitches::default() };
    let config = SandboxConfig { apsis: import, ..made_up(persons()) };
    let rig = rig(config, "import-threshold = 100").await;
    let run = cancel(&rig, "importing", |rig| rig.asked("apsis.import.state") > 1).await;
    assert_eq!(counter(&run, "read"), persons());
    assert_eq!(counter(&run, "created") + counter(&run, "updated"), 0, "the import had not ended: {run}");
    rig.sandbox.set_apsis_switches(ApsisSwitches::default());
    next_run_is_right(&rig, "import-threshold = 100").await;
}

#[tokio::test]
async fn cancelled_while_writing() {
    let rig = rig(slow("apsis.attributes.patch", 60), "import-threshold = 1000000").await;
    let run = cancel(&rig, "writing", |rig| rig.asked("apsis.attributes.patch") > 60).await;
    let created = counter(&run, "created");
    assert!(created > 0, "{run}");
    assert_eq!(created, rig.sandbox.profile_count() as u64, "each profile is counted: {run}");
    next_run_is_right(&rig, "import-threshold = 1000000").await;
}

fn persons() -> u64 {
    if at_full_size() { 2000 } else { 250 }
}

fn slow(route: &str, millis: u64) -> SandboxConfig {
    let fault = Fault::Latency { min_millis: millis / 2, max_millis: millis };
    let rule = FaultRule { route: route.to_owned(), fault, when: When::Probability(1.0) };
    SandboxConfig { faults: vec![rule], ..made_up(persons()) }
}

async fn rig(config: SandboxConfig, sync: &str) -> Rig {
    Rig::start_with(config, |text| format!("{text}\n[sync]\n{sync}\n")).await
}

/// Starts a full sync, cancels it from another process when it is time, and gives the run as it ended.
async fn cancel(rig: &Rig, phase: &str, is_time: impl Fn(&Rig) -> bool) -> Value {
    let mut child = rig.spawn(&["sync", "start", ACME]);
    until("it is time to cancel", || {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be cancelled");
        is_time(rig)
    })
    .await;
    let listed = rig.run(&["sync", "list", ACME]).await;
    assert_eq!(listed.last()["phase"], phase);

    let asked = Timestamp::now();
    let cancelled = rig.run(&["sync", "cancel", ACME]).await;
    assert_eq!(cancelled.code(), 0, "{}", cancelled.log);
    let run = cancelled.last();
    assert_eq!(run["phase"], "cancelled", "{run}");
    let at: Timestamp = run["ended-at"].as_str().expect("it has ended").parse().expect("a timestamp");
    let took = at.duration_since(asked);
    println!("cancelled while {phase}: {} ms, {}", took.as_millis(), run["counters"]);
    assert!(took < within(), "it took {took:?}");
    let started = ended(child).await;
    assert_eq!(started.code(), 4, "the one who started it is told: {}", started.log);
    assert_eq!(started.last(), run);

    for outcome in OUTCOMES {
        let shown = rig.run(&["sync", "show", ACME, "--outcome", outcome]).await;
        let listed = shown.lines.iter().filter(|line| line["outcome"] == outcome).count() as u64;
        assert_eq!(listed, counter(run, outcome), "as many {outcome} are listed as counted");
    }
    let settled: u64 = OUTCOMES.iter().map(|outcome| counter(run, outcome)).sum();
    assert!(settled < counter(run, "read"), "it was cancelled with work left: {run}");
    run.clone()
}

/// The next full sync ends as one on an installation of its own, save for who was created before.
async fn next_run_is_right(rig: &Rig, sync: &str) {
    rig.sandbox.clear_faults();
    let calm = self::rig(made_up(persons()), sync).await;
    let (next, undisturbed) = tokio::join!(rig.sync(), calm.sync());
    let (run, expected) = (next.last(), undisturbed.last());
    assert_eq!(run["phase"], "completed", "{run}");
    assert_adds_up(run);
    let sums: [BTreeMap<&str, u64>; 2] = [run, expected].map(|run| {
        let written = counter(run, "created") + counter(run, "updated") + counter(run, "unchanged");
        [("written", written), ("excluded", counter(run, "excluded")), ("rejected", counter(run, "rejected"))]
            .into()
    });
    assert_eq!(sums[0], sums[1]);
    assert_eq!(profiles(&rig.sandbox), profiles(&calm.sandbox));
}

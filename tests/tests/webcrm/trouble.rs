//! What webCRM does to its clients: tokens end, requests are refused, and nobody is lost by it.

use std::time::Duration;

use sluice_sandbox::{Fault, FaultRule, WebcrmSwitches, When};
use sluice_tests::rig::{Rig, counter, ended, until};

use crate::world::{WEBCRM, assert_equal, failure, people, start, sync};

const SMALL_PAGES: &str = "\n[sync]\npage-size = 40\n";

fn rule(route: &str, fault: Fault, when: When) -> FaultRule {
    FaultRule { route: route.to_owned(), fault, when }
}

#[tokio::test]
async fn a_token_that_ends_while_a_run_reads_is_bought_anew() {
    let rig = start(people(300, WebcrmSwitches::default()), SMALL_PAGES).await;
    let latency = Fault::Latency { min_millis: 100, max_millis: 100 };
    rig.sandbox.add_fault(rule("webcrm.query", latency, When::Probability(1.0)));
    let child = rig.spawn(&["sync", "start", WEBCRM]);
    let logins = rig.answered("webcrm.login");
    for step in 1..=3 {
        until("the next pages are read", || rig.answered("webcrm.query") >= step * 4).await;
        rig.sandbox.revoke_webcrm_tokens();
    }
    let run = ended(child).await;
    assert_eq!(run.last()["phase"], "completed", "{} {}", run.last(), run.log);
    assert_eq!(counter(run.last(), "read"), 300);
    assert!(rig.answered("webcrm.login") > logins + 2, "{:?}", rig.sandbox.counts());
    assert_equal(&rig.sandbox);
}

#[tokio::test]
async fn false_refusals_are_survived_and_true_ones_are_not() {
    let rig = start(people(120, WebcrmSwitches::default()), SMALL_PAGES).await;
    let refused = || Fault::Status { status: 401, retry_after: None };
    rig.sandbox.add_fault(rule("webcrm.query", refused(), When::After { skip: 2, next: 1 }));
    let run = sync(&rig).await;
    assert_eq!(run.last()["phase"], "completed", "{} {}", run.last(), run.log);
    assert_equal(&rig.sandbox);

    rig.sandbox.add_fault(rule("webcrm.query", refused(), When::Probability(1.0)));
    let run = failure(&rig).await;
    assert!(run["failure"]["code"].as_str().unwrap().contains("unauthorized"), "{run}");
    assert_equal(&rig.sandbox);
}

#[tokio::test]
async fn over_the_limit_it_waits_as_long_as_it_is_told() {
    let rig = start(people(120, WebcrmSwitches::default()), SMALL_PAGES).await;
    let tight = WebcrmSwitches { rate_limit: 6, rate_window_seconds: 1, ..WebcrmSwitches::default() };
    rig.sandbox.set_webcrm_switches(tight);
    let run = tokio::time::timeout(Duration::from_secs(300), sync(&rig)).await.expect("it ends");
    assert_eq!(run.last()["phase"], "completed", "{} {}", run.last(), run.log);
    let limited = refused(&rig);
    assert!(limited > 0, "the limit was met: {:?}", rig.sandbox.counts());
    assert_eq!(counter(run.last(), "read"), 120);
    assert_equal(&rig.sandbox);
}

fn refused(rig: &Rig) -> u64 {
    let counts = rig.sandbox.counts();
    let webcrm = counts.iter().filter(|(route, _)| route.starts_with("webcrm"));
    webcrm.filter_map(|(_, statuses)| statuses.get(&429)).sum()
}

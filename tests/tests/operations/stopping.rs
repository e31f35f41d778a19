//! Stopping: whatever a remote does, a host ends in time, and another one goes on at once.

use sluice_sandbox::Fault;
use sluice_tests::postgres;
use sluice_tests::processes::Followed;
use sluice_tests::rig::{eventually, until};

use crate::{always, file, live};

/// Seconds; longer than anything here is waited for.
const LEASE: u64 = 300;
const STOP_WITHIN: u64 = 5;
/// What gets no answer.
const STUCK: &str = "apsis.attributes.patch";

#[tokio::test]
async fn a_host_with_a_stuck_remote_ends_in_time_and_another_one_takes_over_at_once() {
    let live = live(Some(postgres::database().url)).await;
    let text =
        format!("[server]\nlease = {LEASE}\nstop-within = {STOP_WITHIN}\npublic-url = \"{}\"\n", live.url());
    let file = file(&live, &text);
    let url = live.url();
    let arguments = ["serve", "--config", &file, "--listen", url.trim_start_matches("http://")];
    let mut first = Followed::start_on(&live, "host-0", &arguments);
    first.until(|line| line["listening"].is_string()).await;
    live.until_subscribed().await;
    assert_eq!(live.sync().await.last()["phase"], "completed");

    // Longer than it is waited for that a program ends.
    let forever = Fault::Latency { min_millis: 600_000, max_millis: 600_000 };
    live.sandbox.add_fault(always(STUCK, forever));
    live.editor().edit(&live.sandbox, 30).unwrap();
    until("a contact is being written", || {
        live.sandbox.arrivals(None).iter().any(|it| it.route == STUCK && it.status == 0)
    })
    .await;
    first.signal("TERM");
    assert_eq!(first.end().await.0, Some(0));

    let log = std::fs::read_to_string(live.path("host-0.log")).unwrap();
    assert!(log.contains("broken off") && log.contains("handed back"), "{log}");

    live.sandbox.clear_faults();
    let mut second = Followed::start_on(&live, "host-1", &arguments);
    let answer = second.until(|line| line["listening"].is_string()).await;
    eventually("another host has it", async || (live.status().await["host"] == answer["host"]).then_some(()))
        .await;
    live.until_quiet().await;
    live.assert_equal();
    live.assert_in_order();
    second.signal("TERM");
    assert_eq!(second.end().await.0, Some(0));
}

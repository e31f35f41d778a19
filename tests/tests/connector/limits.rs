//! Beyond a limit: one error that names it, in time, and a host that goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice::connector::{CallError, Connection, Limit, NextStep};
use sluice::error::ErrorCode;
use sluice::integration::IntegrationId;
use sluice_tests::rig::until;
use tokio::task::JoinSet;

use super::crm::Crm;
use super::{Stage, Wish, scan_fails, text};

/// A breach of `limit`, with what its value was.
fn breach(error: &CallError) -> (Limit, u64) {
    match error {
        CallError::Limit { limit, allowed, .. } => (*limit, *allowed),
        other => panic!("not a limit: {other:?}"),
    }
}

#[tokio::test]
async fn a_loop_ends_at_the_cpu_budget() {
    let stage = Stage::new().await;
    let connection = stage.open(Wish::new("loops").limit("cpu-ms", 200));
    let error = scan_fails(&stage, &connection).await;
    assert_eq!(breach(&error), (Limit::CpuMs, 200));
    assert_eq!(error.code(), "connector-limit-cpu-ms");
    assert_eq!(error.next_step(), NextStep::GiveUp);
    assert!(error.to_string().contains("`cpu-ms`: 200 ms"), "{error}");
}

#[tokio::test]
async fn a_loop_ends_at_the_wall_deadline_where_that_comes_first() {
    let stage = Stage::new().await;
    let connection = stage.open(Wish::new("loops").limit("wall-ms", 200));
    assert_eq!(breach(&scan_fails(&stage, &connection).await), (Limit::WallMs, 200));
}

#[tokio::test]
async fn a_sleep_uses_no_cpu_and_ends_at_the_wall_deadline() {
    let stage = Stage::new().await;
    let connection = stage.open(Wish::new("sleeps").limit("wall-ms", 500).limit("cpu-ms", 100));
    let error = scan_fails(&stage, &connection).await;
    assert_eq!(breach(&error), (Limit::WallMs, 500));
    assert_eq!(error.next_step(), NextStep::Retry { after: None });
}

#[tokio::test]
async fn calls_beside_a_loop_are_served() {
    let stage = Stage::new().await;
    let loops = stage.open(Wish::new("loops").limit("cpu-ms", 1_000));
    let well = stage.with_fault("none");
    // One thread serves both: the loop gives way once a tick.
    let beside = async {
        for _ in 0..5 {
            well.scan(None, 10).await.unwrap();
        }
        Instant::now()
    };
    let endless = async {
        let error = loops.scan(None, 10).await.unwrap_err();
        (Instant::now(), error)
    };
    let (served, (ended, error)) = tokio::join!(beside, endless);
    assert!(served < ended);
    assert_eq!(breach(&error).0, Limit::CpuMs);
}

#[tokio::test]
async fn a_hundred_loops_leave_others_their_share() {
    let stage = Stage::new().await;
    let mut other = Wish { times: Some(20_000), ..Wish::new("computes") }.settings();
    other.integration = IntegrationId("other".to_owned());
    let other = Connection::open(&stage.connector, other).unwrap();
    // The best of some: what else the machine does makes one slower, and none faster.
    let computes = async || {
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let began = Instant::now();
            other.scan(None, 10).await.unwrap();
            best = best.min(began.elapsed());
        }
        best
    };
    let alone = computes().await;

    let loops = Arc::new(stage.open(Wish::new("loops").limit("cpu-ms", 100_000)));
    let mut endless = JoinSet::new();
    for _ in 0..100 {
        let loops = Arc::clone(&loops);
        endless.spawn(async move { loops.scan(None, 10).await });
    }
    // Until all of them have been found to be long.
    let well = stage.with_fault("none");
    for _ in 0..5 {
        well.scan(None, 10).await.unwrap();
    }
    // Two integrations compute: each has half, and not one of them a hundred parts of a hundred and one.
    let beside = computes().await;
    assert!(endless.try_join_next().is_none(), "they compute on");
    assert!(beside < alone * 20, "alone {alone:?}, beside {beside:?}");
}

/// More than the engine has room for at a time: 512.
const MANY: usize = 600;

#[tokio::test]
async fn calls_beyond_the_room_wait_for_it() {
    let stage = Stage::new().await;
    let sleeps = Arc::new(stage.open(Wish::new("sleeps").limit("wall-ms", 500)));
    let mut calls = JoinSet::new();
    for _ in 0..MANY {
        let sleeps = Arc::clone(&sleeps);
        calls.spawn(async move { sleeps.scan(None, 10).await.unwrap_err() });
    }
    let ended = calls.join_all().await;
    assert!(ended.iter().all(|error| breach(error).0 == Limit::WallMs), "{:?}", ended.last());
}

#[tokio::test]
async fn hoarding_ends_at_the_memory_limit() {
    let stage = Stage::new().await;
    let connection = stage.open(Wish::new("hoards").limit("memory-bytes", 32 << 20));
    assert_eq!(breach(&scan_fails(&stage, &connection).await), (Limit::MemoryBytes, 32 << 20));
}

#[tokio::test]
async fn a_flood_of_words_ends_however_it_comes() {
    let stage = Stage::new().await;
    for (fault, limit) in [
        ("floods-log", Limit::LogLines),
        ("floods-stdout", Limit::LogLines),
        ("floods-without-newline", Limit::LogBytes),
    ] {
        assert_eq!(breach(&scan_fails(&stage, &stage.with_fault(fault)).await).0, limit, "{fault}");
    }
    let connection = stage.open(Wish::new("floods-log").limit("log-bytes", 1_000));
    assert_eq!(breach(&scan_fails(&stage, &connection).await), (Limit::LogBytes, 1_000));
}

#[tokio::test]
async fn a_page_beyond_what_was_asked_or_what_may_be_handed_over_is_refused() {
    let stage = Stage::new().await;
    assert_eq!(breach(&scan_fails(&stage, &stage.with_fault("too-many")).await).0, Limit::PageRecords);
    assert_eq!(breach(&scan_fails(&stage, &stage.with_fault("giant")).await).0, Limit::ResultBytes);
    assert_eq!(
        breach(&scan_fails(&stage, &stage.with_fault("long-cursor")).await),
        (Limit::CursorBytes, 4_096)
    );
    let members = stage.with_fault("too-many").read_members("1", None, 10).await.unwrap_err();
    assert_eq!(breach(&members).0, Limit::PageRecords);
}

#[tokio::test]
async fn contacts_and_discarded_records_count_together() {
    let stage = Stage::new().await;
    let fault = || Wish::new("discards-too-many");
    let page = stage.open(fault().limit("page-records", 21)).scan(None, 10).await.unwrap();
    assert_eq!((page.contacts.len(), page.discarded.len()), (10, 11));
    let error = scan_fails(&stage, &stage.open(fault().limit("page-records", 20))).await;
    assert_eq!(breach(&error), (Limit::PageRecords, 20));
}

#[tokio::test]
async fn a_session_takes_only_so_many_values_and_none_that_it_cannot_keep() {
    let stage = Stage::new().await;
    let error = scan_fails(&stage, &stage.with_fault("puts-without-end")).await;
    assert_eq!(breach(&error), (Limit::SessionPuts, 100));
    assert_eq!(text(stage.with_fault("puts-giants").scan(None, 10).await.unwrap()), "false");
}

#[tokio::test]
async fn requests_that_never_leave_are_counted_too() {
    let stage = Stage::new().await;
    let error = scan_fails(&stage, &stage.with_fault("fails-without-end")).await;
    assert_eq!(breach(&error), (Limit::Requests, 200));
}

#[tokio::test]
async fn a_request_of_many_headers_or_of_large_parts_never_leaves() {
    let (stage, crm) = (Stage::new().await, Crm::start().await);
    let connection = |fault: &str| stage.open(Wish::new(fault).at(&crm.url).target(crm.at("/echo")));
    for fault in ["sends-many-headers", "sends-long-address"] {
        assert_eq!(scan_fails(&stage, &connection(fault)).await.code(), "connector-denied", "{fault}");
    }
    assert_eq!(breach(&scan_fails(&stage, &connection("sends-large-header")).await).0, Limit::RequestBytes);
    assert_eq!(crm.requests(), 0);
}

#[tokio::test]
async fn a_page_of_200_mb_is_read_no_further_than_the_limit() {
    let (stage, crm) = (Stage::new().await, Crm::start().await);
    let connection =
        stage.open(Wish::new("fetches").at(&crm.url).target(crm.at("/big")).limit("response-bytes", 4 << 20));
    let error = scan_fails(&stage, &connection).await;
    assert_eq!(breach(&error), (Limit::ResponseBytes, 4 << 20));
    // What was sent and not read is in the buffers of the two sockets.
    assert!(crm.sent() < 40 << 20, "{} bytes sent", crm.sent());
}

#[tokio::test]
async fn a_connector_is_told_of_a_page_too_large_and_may_go_on() {
    let (stage, crm) = (Stage::new().await, Crm::start().await);
    let connection =
        stage.open(Wish::new("copes").at(&crm.url).target(crm.at("/big")).limit("response-bytes", 1 << 20));
    assert!(text(connection.scan(None, 10).await.unwrap()).to_lowercase().contains("large"));
}

#[tokio::test]
async fn answers_and_requests_are_counted_over_a_call() {
    let (stage, crm) = (Stage::new().await, Crm::start().await);
    let wish =
        |path: &str| Wish { times: Some(50), ..Wish::new("fetches-often").at(&crm.url).target(crm.at(path)) };
    let error = scan_fails(&stage, &stage.open(wish("/megabyte").limit("responses-bytes", 5_500_000))).await;
    assert_eq!(breach(&error), (Limit::ResponsesBytes, 5_500_000));
    assert_eq!(crm.requests(), 6);

    let error = scan_fails(&stage, &stage.open(wish("/hello").limit("requests", 20))).await;
    assert_eq!(breach(&error), (Limit::Requests, 20));
    assert_eq!(crm.requests(), 26);
}

#[tokio::test]
async fn a_body_too_large_never_leaves() {
    let (stage, crm) = (Stage::new().await, Crm::start().await);
    let connection = stage.open(Wish::new("sends-much").at(&crm.url).target(crm.at("/echo")));
    assert_eq!(breach(&scan_fails(&stage, &connection).await).0, Limit::RequestBytes);
    assert_eq!(crm.requests(), 0);
}

#[tokio::test]
async fn a_crm_that_never_answers_is_unavailable_in_time() {
    let (stage, crm) = (Stage::new().await, Crm::start().await);
    // The request ends first, or the error would be another one.
    let wish = Wish::new("fetches").at(&crm.url).target(crm.at("/hangs")).limit("request-ms", 200);
    let error = scan_fails(&stage, &stage.open(wish.limit("wall-ms", 25_000))).await;
    assert_eq!((error.code(), error.next_step()), ("crm-unavailable", NextStep::Retry { after: None }));
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_nothing_behind() {
    let (stage, crm) = (Stage::new().await, Crm::start().await);
    let connection = stage.open(Wish::new("fetches").at(&crm.url).target(crm.at("/hangs")));
    tokio::select! {
        answer = connection.scan(None, 10) => panic!("{answer:?}"),
        () = until("the CRM is asked", || crm.requests() == 1) => {}
    }
    stage.with_fault("none").scan(None, 10).await.unwrap();
}

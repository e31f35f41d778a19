//! A healthy integration in the same host as hostile ones: its calls are answered while each of them does its worst, the
//! memory comes back, and its secret is in nothing that they receive, send or log.
//!
//! In a process of its own, since what other tests use of memory would be counted too; how much that is, Linux says.

use std::process::Command;
use std::time::Duration;

use futures::future::join_all;
use secrecy::SecretString;
use sluice::connector::{CallError, Connection};
use sluice::contact::Page;
use sluice::error::ErrorCode;
use sluice::integration::IntegrationId;

use super::crm::Crm;
use super::words::Log;
use super::{SECRET, Stage, Wish, text};

/// Set in the process that does the test.
const ALONE: &str = "SLUICE_TEST_ALONE";

/// What the unit sets for the program, so that the C library keeps no large pieces.
const UNIT: &str = include_str!("../../../docs/operations/sluice.service");

/// The healthy one's, which has the name that the hostile ones' own has.
const HEALTHY_SECRET: &str = "h34lthy-api-key-0002";

/// Calls of one hostile integration at a time.
const AT_ONCE: usize = 4;

/// So long a call of the healthy one may take, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// What may be kept of all that was used: the instances' first pages, and what the allocator holds.
const KEPT: u64 = 96 << 20;

/// Each fault, the path at its own server that it asks for, and the code that its call ends with.
const HOSTILE: &[(&str, &str, &str)] = &[
    ("loops", "/hello", "connector-limit-cpu-ms"),
    ("recurses", "/hello", "connector-crashed"),
    ("hoards", "/hello", "connector-limit-memory-bytes"),
    ("panics", "/hello", "connector-crashed"),
    ("floods-log", "/hello", "connector-limit-log-lines"),
    ("floods-without-newline", "/hello", "connector-limit-log-bytes"),
    ("puts-without-end", "/hello", "connector-limit-session-puts"),
    ("fails-without-end", "/hello", "connector-limit-requests"),
    ("too-many", "/hello", "connector-limit-page-records"),
    ("giant", "/hello", "connector-limit-result-bytes"),
    ("long-cursor", "/hello", "connector-limit-cursor-bytes"),
    ("sends-many-headers", "/hello", "connector-denied"),
    ("sends-much", "/hello", "connector-limit-request-bytes"),
    ("fetches", "/big", "connector-limit-response-bytes"),
    ("fetches", "/drips", "crm-unavailable"),
    ("fetches", "/round", "connector-limit-redirects"),
];

#[test]
fn a_healthy_integration_works_on_beside_each_hostile_one_and_memory_comes_back() {
    if std::env::var_os(ALONE).is_none() {
        let name = "neighbours::a_healthy_integration_works_on_beside_each_hostile_one_and_memory_comes_back";
        let mut process = Command::new(std::env::current_exe().unwrap());
        let tunables =
            UNIT.lines().find_map(|line| line.strip_prefix("Environment=GLIBC_TUNABLES=")).unwrap();
        let process = process.args(["--exact", name, "--nocapture"]).env("GLIBC_TUNABLES", tunables);
        let done = process.env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
        assert!(said.contains("1 passed"), "{said}");
        return;
    }
    // One thread serves all of them: whoever does not give way is noticed.
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(all());
}

async fn all() {
    let (stage, own, theirs) = (Stage::new().await, Crm::start().await, Crm::start().await);
    let healthy = healthy(&stage, &own);
    served(&healthy).await;
    let start = resident();

    let (log, logging) = Log::start();
    for hostile in HOSTILE {
        beside(&stage, &healthy, &theirs, *hostile).await;
    }
    let stolen = text(stage.open(aimed("steals", &theirs, "/echo")).scan(None, 10).await.unwrap());
    drop(logging);
    for told in [&stolen, &theirs.heard(), &log.text()] {
        assert!(!told.contains(HEALTHY_SECRET), "the healthy one's secret got to a hostile one");
    }
    assert!(stolen.contains(SECRET) && theirs.heard().contains(SECRET), "its own it may use: {stolen}");
    assert!(log.text().contains("no secret `healthy`"), "it did try");
    assert!(own.heard().contains(HEALTHY_SECRET));
    drop(log);

    for hostile in HOSTILE {
        beside(&stage, &healthy, &theirs, *hostile).await;
    }
    let most = most_resident();
    assert!(most > start + (AT_ONCE as u64) * (64 << 20), "they used memory: {start} bytes, at most {most}");
    // It goes back while the host works on.
    let given_back = async {
        while resident() >= start + KEPT {
            served(&healthy).await;
        }
    };
    let given_back = tokio::time::timeout(PATIENCE, given_back).await;
    assert!(given_back.is_ok(), "from {start} bytes to {}, at most {most}", resident());
}

fn healthy(stage: &Stage, own: &Crm) -> Connection {
    let mut settings = Wish::new("bearer").at(&own.url).target(own.at("/echo")).settings();
    settings.integration = IntegrationId("healthy".to_owned());
    settings.secrets = [("api-key".to_owned(), SecretString::from(HEALTHY_SECRET))].into();
    Connection::open(&stage.connector, settings).unwrap()
}

fn aimed(fault: &str, at: &Crm, path: &str) -> Wish {
    let wish = Wish::new(fault).at(&at.url).target(at.at(path));
    // Only what would take its full time is given less of it: everything else ends by itself, however slow the machine.
    match (fault, path) {
        ("loops", _) => wish.limit("cpu-ms", 300),
        (_, "/drips") => wish.limit("request-ms", 300),
        _ => wish,
    }
}

/// One call of the healthy one, with its answer looked at.
async fn served(healthy: &Connection) {
    let page: Result<Page, CallError> =
        tokio::time::timeout(PATIENCE, healthy.scan(None, 10)).await.expect("the healthy one is served");
    assert!(text(page.unwrap()).contains(HEALTHY_SECRET), "its CRM saw who asks");
}

/// Calls a hostile one several times at once, and the healthy one until they have ended.
async fn beside(stage: &Stage, healthy: &Connection, theirs: &Crm, hostile: (&str, &str, &str)) {
    let (fault, path, code) = hostile;
    let connection = stage.open(aimed(fault, theirs, path));
    let mut ended = std::pin::pin!(join_all((0..AT_ONCE).map(|_| connection.scan(None, 10))));
    let errors = loop {
        tokio::select! {
            errors = &mut ended => break errors,
            () = served(healthy) => {}
        }
    };
    for error in errors {
        let error = error.expect_err(fault);
        assert_eq!(error.code(), code, "{fault} {path}: {error}");
        assert!(!error.to_string().contains(HEALTHY_SECRET));
    }
    served(healthy).await;
}

/// Bytes of memory that the process has, and the most it ever had.
fn of_status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

fn resident() -> u64 {
    of_status("VmRSS:")
}

fn most_resident() -> u64 {
    of_status("VmHWM:")
}

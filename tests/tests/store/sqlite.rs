//! What only the embedded store can show: its file.

use rusqlite::Connection;
use sluice::error::ErrorCode;
use sluice::need::NeedCode;
use sluice::run::{Counters, Outcome, Phase};
use sluice::store::{HostStore, IntegrationStore, QueueStore, RunEnd, RunStore, SqliteStore, StoreError};

use crate::sample::*;

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.db");
    let store = SqliteStore::open(&path).unwrap();
    let run = new_run(&store, "a").await;
    store.commit_page(&run.fence, run.id, page(vec![write("1"), rejected("2")], Some("c"))).await.unwrap();
    let before = store.run(run.id).await.unwrap();
    drop(store);

    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.active_run(&before.integration).await.unwrap(), Some(before.clone()));
    assert_eq!(staged(&store, run.id).await, ["1"]);
    assert_eq!(store.integrations().await.unwrap(), [integration("a")]);
}

#[tokio::test]
async fn two_processes_may_share_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.db");
    let (one, other) = (SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap());
    let run = new_run(&one, "a").await;
    assert_eq!(other.accept_run(&run.integration, FULL_SYNC).await.unwrap_err().code(), "run-active");
    for number in 0..20 {
        let contact = number.to_string();
        let (page, cancelled) = tokio::join!(
            one.commit_page(&run.fence, run.id, page(vec![write(&contact)], Some("c"))),
            other.request_cancel(run.id),
        );
        page.unwrap();
        cancelled.unwrap();
    }
    assert!(one.run(run.id).await.unwrap().cancel_requested);
    assert_eq!(other.staged_count(run.id).await.unwrap(), 20);
}

#[test]
fn many_may_open_a_new_database_at_once() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sluice.db");
        std::thread::scope(|scope| {
            let open = || scope.spawn(|| SqliteStore::open(&path).map(drop));
            let opened = [open(), open(), open(), open()];
            for one in opened {
                one.join().unwrap().unwrap();
            }
        });
    }
}

#[test]
fn a_new_database_gets_the_schema_and_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.db");
    drop(SqliteStore::open(&path).unwrap());
    let sql = Connection::open(&path).unwrap();
    let version: i64 = sql.query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap();
    assert!(version >= 2, "{version}");
    let mode: String = sql.query_row("PRAGMA journal_mode", (), |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.db");
    drop(SqliteStore::open(&path).unwrap());
    let sql = Connection::open(&path).unwrap();
    sql.pragma_update(None, "user_version", 99).unwrap();
    let refused = SqliteStore::open(&path).err().unwrap();
    assert!(matches!(refused, StoreError::TooNew { .. }));
    assert_eq!(refused.code(), "store-too-new");
    let sentence = refused.to_string();
    assert!(sentence.contains("schema is 99") && sentence.contains("up to "), "{sentence}");
    let version: i64 = sql.query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.db");
    std::fs::write(&path, "this is a text, and a rather long one, that is no database at all".repeat(99))
        .unwrap();
    let broken = SqliteStore::open(&path).err().unwrap();
    assert_eq!(broken.code(), "store-broken");
    assert!(broken.to_string().contains("not an SQLite database"), "{broken}");

    let nowhere = SqliteStore::open(&folder.path().join("none/sluice.db")).err().unwrap();
    assert!(nowhere.to_string().contains("none/sluice.db"), "{nowhere}");
}

/// The outcomes are counted anew from the rows: counters that only agree with themselves do not pass.
#[tokio::test]
async fn a_run_whose_rows_are_not_its_counters_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.db");
    let store = SqliteStore::open(&path).unwrap();
    let sql = Connection::open(&path).unwrap();
    let spoilt = [
        "DELETE FROM run_contacts WHERE contact = '1'",
        "UPDATE run_contacts SET outcome = 'created' WHERE contact = '1'",
        "UPDATE run_contacts SET outcome = NULL WHERE contact = '1'",
        "DELETE FROM discards",
    ];
    for (number, spoil) in spoilt.into_iter().enumerate() {
        let run = new_run(&store, &format!("integration-{number}")).await;
        let mut only = page(vec![rejected("1"), rejected("2")], None);
        only.discarded = vec![discard(1)];
        let counters = store.commit_page(&run.fence, run.id, only).await.unwrap();
        assert!(counters.add_up());
        assert!(sql.execute(spoil, ()).unwrap() > 0);
        let end = store.end_run(&run.fence, run.id, RunEnd::Completed).await.unwrap();
        assert_eq!(end.phase, Phase::Failed, "{spoil}");
        assert_eq!(end.failure.unwrap().code, "run-does-not-add-up");
    }
}

/// Rows that nothing shows are deleted in time, so that the file does not grow from run to run.
#[tokio::test]
async fn dropped_rows_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.db");
    let store = SqliteStore::open(&path).unwrap();
    let run = new_run(&store, "a").await;
    let many = (0..3_000).map(|number| write(&number.to_string())).collect();
    store.commit_page(&run.fence, run.id, page(many, Some("c"))).await.unwrap();
    store.end_run(&run.fence, run.id, RunEnd::Cancelled).await.unwrap();
    let sql = Connection::open(&path).unwrap();
    let count = |table: &str| -> i64 {
        sql.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get(0)).unwrap()
    };
    let mut sweeps = 0;
    while store.sweep(jiff::Timestamp::now()).await.unwrap() {
        sweeps += 1;
    }
    assert!(sweeps > 3, "a few at a time");
    assert_eq!((count("leftovers"), count("stage"), count("run_contacts")), (0, 0, 3_000));
    store.delete_integration(&run.integration).await.unwrap();
    while store.sweep(jiff::Timestamp::now()).await.unwrap() {}
    assert_eq!(count("leftovers"), 0);
    assert_eq!((count("run_contacts"), count("ledger"), count("runs")), (0, 0, 0));
}

/// The write-ahead log is written back as it grows, also under steady reading.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_does_not_grow_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.db");
    let log = folder.path().join("sluice.db-wal");
    let store = SqliteStore::open(&path).unwrap();
    let run = new_run(&store, "a").await;
    let text = "x".repeat(900);
    let mut largest = 0;
    for number in 0..120 {
        let many = (0..200).map(|place| write_as(&format!("{number}-{place}"), &text)).collect();
        let (stored, read) = tokio::join!(
            store.commit_page(&run.fence, run.id, page(many, Some("c"))),
            store.staged_count(run.id)
        );
        stored.unwrap();
        read.unwrap();
        largest = largest.max(log.metadata().unwrap().len());
    }
    let database = path.metadata().unwrap().len();
    assert!(database > 24 << 20, "too little was written to tell: {database}");
    assert!(largest < 20 << 20, "the log grew to {largest} bytes");
    assert_eq!(store.run(run.id).await.unwrap().counters, Counters { read: 24_000, ..Counters::default() });
}

/// The schema of the first version that was released.
const FIRST: &str = include_str!("../../../host/src/store/sqlite/migrations/0001_runs_and_ledger.sql");

#[tokio::test]
async fn a_file_of_the_first_version_is_moved_forward_with_all_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.db");
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch(FIRST).unwrap();
    let definition = serde_json::to_string(&integration("a")).unwrap();
    let written = serde_json::to_string(&intent("1", "as first read")).unwrap();
    raw.execute("INSERT INTO integrations (number, id, definition) VALUES (1, 'a', ?1)", [definition])
        .unwrap();
    raw.execute(
        "INSERT INTO ledger (integration, contact, outcome, written, run, at) VALUES (1, '1', 'created', ?1, 7, 0)",
        [written],
    )
    .unwrap();
    raw.execute_batch("PRAGMA user_version = 1").unwrap();
    drop(raw);

    let store = SqliteStore::open(&path).unwrap();
    let a = integration("a").id;
    assert_eq!(store.integrations().await.unwrap(), [integration("a")]);
    let entry = store.ledger(&a, &ids(&["1"])).await.unwrap().remove(&id("1")).unwrap();
    assert_eq!((entry.outcome, entry.written), (Outcome::Created, Some(intent("1", "as first read"))));
    let standing = store.standing(&a).await.unwrap().unwrap();
    assert!(standing.enabled && !standing.key.is_empty(), "it has an address of its own");
    // The daily runs of the time before are not made up for.
    let done = store.lane(&a).await.unwrap().daily_done.unwrap();
    assert!(jiff::Timestamp::now().duration_since(done) < jiff::SignedDuration::from_mins(5));
    let needs = store.needs(&a).await.unwrap();
    let codes: Vec<NeedCode> = needs.iter().map(|need| need.code).collect();
    assert_eq!(
        codes,
        [NeedCode::AddressesUnread, NeedCode::NeverSynced],
        "none has completed, and none has compared"
    );
    let run = store.accept_run(&a, FULL_SYNC).await.unwrap();
    assert!(run.phase.is_active() && needs.iter().all(|need| need.is_cleared_by(&run)));
}

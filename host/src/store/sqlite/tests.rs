//! What only this engine can show: a full disk, commands that share a transaction.

use super::*;
use crate::contact::{ContactId, Cursor};
use crate::error::ErrorCode;
use crate::hosting::{Fence, HostId, Term};
use crate::integration::Integration;
use crate::run::{Decided, Outcome, Phase, RunId, RunOrder, Source, Verdict};
use crate::store::{HostStore, IntegrationStore, PageCommit, RunEnd, RunStore};

const INTEGRATION: &str = r#"{"id": "a", "name": "A", "connector": "sha256:00",
    "apsis": {"url": "https://api.apsis.one", "client-id": "b", "client-secret": {"env": "SECRET"}, "section": "s"}}"#;

fn page(first: u32, contacts: u32) -> PageCommit {
    let excluded = |number: u32| Decided {
        contact: ContactId(format!("contact {number}")),
        modified_at: None,
        verdict: Verdict::Settled(Outcome::Excluded, None),
        seen: None,
    };
    PageCommit {
        decided: (first..first + contacts).map(excluded).collect(),
        discarded: Vec::new(),
        next: Some(Cursor((first + contacts).to_string())),
        total: None,
    }
}

async fn new_run(store: &SqliteStore) -> (Fence, RunId) {
    let integration: Integration = serde_json::from_str(INTEGRATION).unwrap();
    store.put_integration(&integration).await.unwrap();
    let run = store
        .accept_run(&integration.id, RunOrder::FullSync { forced: false, source: Source::Crm })
        .await
        .unwrap();
    let host = HostId("host".to_owned());
    (store.acquire(&integration.id, &host, Term::Alone).await.unwrap().unwrap(), run.id)
}

/// Says how large the file may become: a few pages more than it is, or as good as without an end.
async fn limit_pages(store: &SqliteStore, few: bool) {
    let limit = move |sql: &dyn Sql| {
        let mut pages = sql.query("PRAGMA page_count", &[])?.remove(0);
        let limit = if few { pages.take::<i64>()? + 8 } else { 1 << 30 };
        sql.query(&format!("PRAGMA max_page_count = {limit}"), &[])?;
        Ok(())
    };
    store.engine.writer.run(limit).await.unwrap();
}

/// SQLite is told that the disk ends a few pages on: it then fails as it does on a full disk.
#[tokio::test]
async fn a_full_disk_is_one_clear_error_and_leaves_nothing_by_half() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("sluice.db")).unwrap();
    let (fence, run) = new_run(&store).await;
    limit_pages(&store, true).await;

    let mut stored = 0;
    let full = loop {
        match store.commit_page(&fence, run, page(stored, 100)).await {
            Ok(counters) => {
                stored += 100;
                assert_eq!(counters.read, u64::from(stored));
            }
            Err(error) => break error,
        }
    };
    assert_eq!(full.code(), "store-broken");
    assert!(full.to_string().contains("no space left"), "{full}");
    let after = store.run(run).await.unwrap();
    assert_eq!(after.counters.read, u64::from(stored));
    let contacts = store.run_contacts(run, None, None, 100_000).await.unwrap();
    assert_eq!(contacts.len(), stored as usize);

    // What needs no further page still works; and everything does once there is space again.
    store.request_cancel(run).await.unwrap();
    limit_pages(&store, false).await;
    let counters = store.commit_page(&fence, run, page(stored, 100)).await.unwrap();
    assert_eq!(counters.read, u64::from(stored) + 100);
    let end = store.end_run(&fence, run, RunEnd::Completed).await.unwrap();
    assert_eq!(end.phase, Phase::Completed, "{:?}", end.failure);
}

/// Holds the writer until what is to share a transaction waits for it, then lets it go on.
async fn in_one_transaction<T>(store: &SqliteStore, commands: impl Future<Output = T>) -> T {
    let (holds, begun) = tokio::sync::oneshot::channel();
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let holding = store.engine.writer.run(move |_| {
        holds.send(()).unwrap();
        Ok(held.recv().is_ok())
    });
    let meanwhile = async {
        begun.await.unwrap();
        // Each is sent when it is first polled, and that is before the last one here.
        futures::join!(commands, async { let_go.send(()).unwrap() }).0
    };
    let (held, answers) = futures::join!(holding, meanwhile);
    assert!(held.unwrap());
    answers
}

fn integration_named(id: &str) -> Integration {
    let mut integration: Integration = serde_json::from_str(INTEGRATION).unwrap();
    integration.id = IntegrationId(id.to_owned());
    integration
}

const INSERT: &str = "INSERT INTO integrations (id, definition) VALUES ('b', '{}')";

#[tokio::test]
async fn a_refused_command_undoes_itself_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("sluice.db")).unwrap();
    let (a, c) = (integration_named("a"), integration_named("c"));
    let put_and_refuse = store.engine.writer.run(|sql| {
        sql.execute(INSERT, &[])?;
        Err::<(), _>(StoreError::NoRun(RunId(4711)).into())
    });
    let commands =
        async { futures::join!(store.put_integration(&a), put_and_refuse, store.put_integration(&c)) };
    let (first, refused, last) = in_one_transaction(&store, commands).await;
    first.unwrap();
    last.unwrap();
    assert_eq!(refused.unwrap_err().code(), "run-unknown");
    assert_eq!(store.integrations().await.unwrap(), [a, c]);
}

/// SQLite undoes a whole transaction by itself where it cannot undo one statement.
#[tokio::test]
async fn a_lost_transaction_is_an_error_for_all_that_shared_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("sluice.db")).unwrap();
    let (a, b, c) = (integration_named("a"), integration_named("b"), integration_named("c"));
    let lose = store.engine.writer.run(|sql| {
        sql.execute("ROLLBACK", &[])?;
        Err::<(), _>(Fault::Content("all is lost".to_owned()))
    });
    let commands = async { futures::join!(store.put_integration(&a), lose, store.put_integration(&b)) };
    let (first, lost, last) = in_one_transaction(&store, commands).await;
    for error in [first.unwrap_err(), lost.unwrap_err(), last.unwrap_err()] {
        assert!(error.to_string().contains("all is lost"), "{error}");
    }
    store.put_integration(&c).await.unwrap();
    assert_eq!(store.integrations().await.unwrap(), [c]);
}

/// A sentence about the store never quotes what is in it.
#[tokio::test]
async fn a_row_that_cannot_be_read_is_not_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("sluice.db")).unwrap();
    let spoil = |sql: &dyn Sql| {
        sql.execute("INSERT INTO integrations (id, definition) VALUES ('a', '\"ann@example.com\"')", &[])
    };
    store.engine.writer.run(spoil).await.unwrap();
    let error = store.integrations().await.unwrap_err();
    assert_eq!(error.code(), "store-broken");
    let sentence = error.to_string();
    assert!(sentence.contains("column definition") && !sentence.contains("ann@"), "{sentence}");
}

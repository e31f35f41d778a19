//! SQLite behind the store's trait: one file, one writer with group commit, a few readers.
//!
//! Promises what the trait promises. A commit survives a power cut (write-ahead log, synchronous
//! FULL). Memory does not grow with the number of contacts: page caches are bounded, and the log is
//! written back as it grows. Several processes may open one file; that only one of them works on runs is for
//! [`crate::data_dir`] to see to.

mod batches;
mod fault;
mod integrations;
mod ledger;
mod leftovers;
mod migrations;
mod pages;
mod readers;
mod results;
mod runs;
mod stage;
mod values;
mod writer;

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;

use self::fault::Fault;
use self::readers::Readers;
use self::writer::Writer;
use super::{Found, PageCommit, RunEnd, Store, StoreError};
use crate::contact::{ContactId, Discard};
use crate::integration::{Integration, IntegrationId};
use crate::profile::Intent;
use crate::run::{Batch, Counters, LedgerEntry, Outcome, Phase, Run, RunContact, RunId, Settled, Staged};

/// How long a connection waits for another process's lock.
const BUSY: Duration = Duration::from_secs(10);
/// Page cache of the write connection, KiB.
const WRITER_CACHE_KIB: i32 = 8 * 1024;
/// Page cache of each read connection, KiB.
const READER_CACHE_KIB: i32 = 2 * 1024;
/// The size to which the write-ahead log is cut back once it has been written back, bytes.
const LOG_KEPT: i32 = 16 << 20;

/// The embedded store.
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
}

impl SqliteStore {
    /// Opens the database, makes it if there is none, and brings its schema up to date. Blocks for
    /// as long as that takes. Dropping the store waits for what it has begun to write.
    ///
    /// # Errors
    /// [`StoreError::TooNew`] if a newer program wrote it; [`StoreError::Broken`] if it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let name: Arc<str> = path.to_string_lossy().into();
        let _alone = open_alone(path).map_err(|fault| fault.at(&name))?;
        let mut sql = connect(path).map_err(|fault| fault.at(&name))?;
        migrations::apply(&mut sql, &name)?;
        Ok(Self { writer: Writer::start(sql, Arc::clone(&name))?, readers: Readers::new(name) })
    }
}

fn connect(path: &Path) -> Result<Connection, Fault> {
    make_private(path)?;
    let sql = Connection::open(path)?;
    sql.busy_timeout(BUSY)?;
    sql.pragma_update(None, "journal_mode", "WAL")?;
    sql.pragma_update(None, "synchronous", "FULL")?;
    sql.pragma_update(None, "journal_size_limit", LOG_KEPT)?;
    sql.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    // Temporary files rather than memory, however large a sort gets.
    sql.pragma_update(None, "temp_store", "FILE")?;
    sql.set_prepared_statement_cache_capacity(64);
    Ok(sql)
}

/// Lets one process after the other open the database, until the file is dropped: SQLite does not wait
/// for others while it goes over to a write-ahead log, nor do two migrations at once go well.
fn open_alone(path: &Path) -> Result<File, Fault> {
    let mut name = path.as_os_str().to_owned();
    name.push("-opening");
    let file = private().create(true).truncate(false).open(name).and_then(|file| file.lock().map(|()| file));
    file.map_err(|error| Fault::Content(format!("it cannot be opened: {error}")))
}

/// Makes the database, if there is none, readable by its owner only: it holds personal data. SQLite
/// gives the log the same mode. A file that is there is not touched: closing it would undo the locks
/// that this process holds on it.
fn make_private(path: &Path) -> Result<(), Fault> {
    match private().create_new(true).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(Fault::Content(format!("it cannot be made: {error}")))
        }
        _ => Ok(()),
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[async_trait]
impl Store for SqliteStore {
    async fn put_integration(&self, integration: &Integration) -> Result<(), StoreError> {
        let integration = integration.clone();
        self.writer.run(move |sql| integrations::put(sql, &integration)).await
    }

    async fn integration(&self, id: &IntegrationId) -> Result<Option<Integration>, StoreError> {
        let id = id.clone();
        self.readers.run(move |sql| integrations::get(sql, &id)).await
    }

    async fn integrations(&self) -> Result<Vec<Integration>, StoreError> {
        self.readers.run(integrations::all).await
    }

    async fn delete_integration(&self, id: &IntegrationId) -> Result<(), StoreError> {
        let id = id.clone();
        self.writer.run(move |sql| integrations::delete(sql, &id)).await
    }

    async fn accept_run(&self, integration: &IntegrationId, forced: bool) -> Result<Run, StoreError> {
        let integration = integration.clone();
        self.writer.run(move |sql| runs::accept(sql, &integration, forced)).await
    }

    async fn run(&self, id: RunId) -> Result<Run, StoreError> {
        self.readers.run(move |sql| runs::get(sql, id)).await
    }

    async fn runs(&self, integration: &IntegrationId, limit: u32) -> Result<Vec<Run>, StoreError> {
        let integration = integration.clone();
        self.readers.run(move |sql| runs::newest(sql, &integration, limit)).await
    }

    async fn active_runs(&self) -> Result<Vec<Run>, StoreError> {
        self.readers.run(runs::all_active).await
    }

    async fn request_cancel(&self, id: RunId) -> Result<(), StoreError> {
        self.writer.run(move |sql| runs::request_cancel(sql, id)).await
    }

    async fn enter_phase(&self, id: RunId, phase: Phase) -> Result<(), StoreError> {
        self.writer.run(move |sql| runs::enter_phase(sql, id, phase)).await
    }

    async fn restart_reading(&self, id: RunId) -> Result<(), StoreError> {
        self.writer.run(move |sql| runs::restart_reading(sql, id)).await
    }

    async fn commit_page(&self, id: RunId, page: PageCommit) -> Result<Counters, StoreError> {
        self.writer.run(move |sql| pages::commit(sql, id, &page)).await
    }

    async fn ledger(
        &self,
        integration: &IntegrationId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, LedgerEntry>, StoreError> {
        let (integration, contacts) = (integration.clone(), contacts.to_vec());
        self.readers.run(move |sql| ledger::get(sql, &integration, &contacts)).await
    }

    async fn attempted(
        &self,
        integration: &IntegrationId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, Vec<Intent>>, StoreError> {
        let (integration, contacts) = (integration.clone(), contacts.to_vec());
        self.readers.run(move |sql| stage::attempted_of(sql, &integration, &contacts)).await
    }

    async fn staged_count(&self, id: RunId) -> Result<u64, StoreError> {
        self.readers.run(move |sql| stage::count(sql, id)).await
    }

    async fn staged(
        &self,
        id: RunId,
        after: Option<&ContactId>,
        last: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<Staged>, StoreError> {
        let (after, last) = (after.cloned(), last.cloned());
        self.readers.run(move |sql| stage::between(sql, id, after.as_ref(), last.as_ref(), limit)).await
    }

    async fn staged_of(&self, id: RunId, contacts: &[ContactId]) -> Result<Vec<Staged>, StoreError> {
        let contacts = contacts.to_vec();
        self.readers.run(move |sql| stage::of(sql, id, &contacts)).await
    }

    async fn note_found(&self, id: RunId, found: Vec<Found>) -> Result<(), StoreError> {
        self.writer.run(move |sql| stage::note_found(sql, id, &found)).await
    }

    async fn note_rest_absent(&self, id: RunId) -> Result<(), StoreError> {
        self.writer.run(move |sql| stage::note_rest_absent(sql, id)).await
    }

    async fn settle(&self, id: RunId, settled: Vec<Settled>) -> Result<Counters, StoreError> {
        self.writer.run(move |sql| stage::settle(sql, id, &settled)).await
    }

    async fn put_batch(&self, id: RunId, batch: &Batch) -> Result<(), StoreError> {
        let batch = batch.clone();
        self.writer.run(move |sql| batches::put(sql, id, &batch)).await
    }

    async fn batches(&self, id: RunId) -> Result<Vec<Batch>, StoreError> {
        self.readers.run(move |sql| batches::all(sql, id)).await
    }

    async fn imports_left(&self, integration: &IntegrationId) -> Result<Vec<(RunId, Batch)>, StoreError> {
        let integration = integration.clone();
        self.readers.run(move |sql| batches::left(sql, &integration)).await
    }

    async fn end_import_left(&self, id: RunId, number: u32) -> Result<(), StoreError> {
        self.writer.run(move |sql| batches::end_left(sql, id, number)).await
    }

    async fn end_run(&self, id: RunId, end: RunEnd) -> Result<Run, StoreError> {
        self.writer.run(move |sql| runs::end(sql, id, &end)).await
    }

    async fn run_contacts(
        &self,
        id: RunId,
        outcome: Option<Outcome>,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<RunContact>, StoreError> {
        let after = after.cloned();
        self.readers.run(move |sql| results::contacts(sql, id, outcome, after.as_ref(), limit)).await
    }

    async fn reasons(&self, id: RunId) -> Result<Vec<(Outcome, String, u64)>, StoreError> {
        self.readers.run(move |sql| results::reasons(sql, id)).await
    }

    async fn discards(&self, id: RunId, limit: u32) -> Result<Vec<Discard>, StoreError> {
        self.readers.run(move |sql| results::discards(sql, id, limit)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::Cursor;
    use crate::error::ErrorCode;
    use crate::run::{Decided, Verdict};

    const INTEGRATION: &str = r#"{"id": "a", "name": "A", "connector": "sha256:00",
        "apsis": {"url": "https://api.apsis.one", "client-id": "b", "client-secret": {"env": "SECRET"}, "section": "s"}}"#;

    fn page(first: u32, contacts: u32) -> PageCommit {
        let excluded = |number: u32| Decided {
            contact: ContactId(format!("contact {number}")),
            modified_at: None,
            verdict: Verdict::Settled(Outcome::Excluded, None),
        };
        PageCommit {
            decided: (first..first + contacts).map(excluded).collect(),
            discarded: Vec::new(),
            next: Some(Cursor((first + contacts).to_string())),
            total: None,
        }
    }

    /// SQLite is told that the disk ends a few pages on: it then fails as it does on a full disk.
    #[tokio::test]
    async fn a_full_disk_is_one_clear_error_and_leaves_nothing_by_half() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("sluice.db")).unwrap();
        let integration: Integration = serde_json::from_str(INTEGRATION).unwrap();
        store.put_integration(&integration).await.unwrap();
        let run = store.accept_run(&integration.id, false).await.unwrap().id;
        let pages = |limit: &'static str| {
            move |sql: &Connection| {
                let now: i64 = sql.query_row("PRAGMA page_count", (), |row| row.get(0))?;
                let limit = if limit == "a few more" { now + 8 } else { 1 << 30 };
                sql.query_row(&format!("PRAGMA max_page_count = {limit}"), (), |_| Ok(()))?;
                Ok(())
            }
        };
        store.writer.run(pages("a few more")).await.unwrap();

        let mut stored = 0;
        let full = loop {
            match store.commit_page(run, page(stored, 100)).await {
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
        store.writer.run(pages("many")).await.unwrap();
        let counters = store.commit_page(run, page(stored, 100)).await.unwrap();
        assert_eq!(counters.read, u64::from(stored) + 100);
        let end = store.end_run(run, RunEnd::Completed).await.unwrap();
        assert_eq!(end.phase, Phase::Completed, "{:?}", end.failure);
    }

    /// Holds the writer until what is to share a transaction waits for it, then lets it go on.
    async fn in_one_transaction<T>(store: &SqliteStore, commands: impl Future<Output = T>) -> T {
        let (holds, begun) = tokio::sync::oneshot::channel();
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let holding = store.writer.run(move |_| {
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

    #[tokio::test]
    async fn a_refused_command_undoes_itself_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("sluice.db")).unwrap();
        let (a, b, c) = (integration_named("a"), integration_named("b"), integration_named("c"));
        let put_and_refuse = store.writer.run({
            let b = b.clone();
            move |sql| {
                integrations::put(sql, &b)?;
                runs::get(sql, RunId(4711))
            }
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
        let lose = store.writer.run(|sql| {
            sql.execute_batch("ROLLBACK")?;
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
        let spoil = |sql: &Connection| {
            sql.execute("INSERT INTO integrations (id, definition) VALUES ('a', '\"ann@example.com\"')", ())?;
            Ok(())
        };
        store.writer.run(spoil).await.unwrap();
        let error = store.integrations().await.unwrap_err();
        assert_eq!(error.code(), "store-broken");
        let sentence = error.to_string();
        assert!(sentence.contains("column definition") && !sentence.contains("ann@"), "{sentence}");
    }
}

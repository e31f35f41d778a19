//! SQLite behind the store's trait: one file, one writer with group commit, a few readers.
//!
//! Promises what the trait promises. A commit survives a power cut (write-ahead log, synchronous
//! FULL). Memory does not grow with the number of contacts: page caches are bounded, and the log is
//! written back as it grows. Several processes may open one file; that only one of them works on runs is for
//! [`crate::data_dir`] to see to.

mod checkpoint;
mod connection;
mod migrations;
mod readers;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::broadcast;

use self::readers::Readers;
use self::writer::Writer;
use super::StoreError;
use super::fault::Fault;
use super::sql::{Engine, HINTS, Sql, SqlStore};
use crate::integration::IntegrationId;
use crate::metrics;

/// How long a connection waits for another process's lock.
const BUSY: Duration = Duration::from_secs(10);
/// Page cache of the write connection, KiB.
const WRITER_CACHE_KIB: i32 = 8 * 1024;
/// Page cache of each read connection, KiB.
const READER_CACHE_KIB: i32 = 2 * 1024;
/// The size to which the write-ahead log is cut back once it has been written back, bytes.
const LOG_KEPT: i32 = 16 << 20;

/// The embedded store.
pub type SqliteStore = SqlStore<Sqlite>;

/// One database file.
pub struct Sqlite {
    writer: Writer,
    readers: Readers,
    hints: broadcast::Sender<IntegrationId>,
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
        let hints = broadcast::Sender::new(HINTS);
        let of_log = connect(path).map_err(|fault| fault.at(&name))?;
        let writer = Writer::start(sql, of_log, Arc::clone(&name), hints.clone())?;
        Ok(Self::on(Sqlite { writer, readers: Readers::new(name), hints }))
    }
}

impl Engine for Sqlite {
    async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(&dyn Sql) -> Result<T, Fault> + Send + 'static,
    {
        metrics::store_write(self.writer.run(work)).await
    }

    async fn read<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(&dyn Sql) -> Result<T, Fault> + Send + 'static,
    {
        self.readers.run(work).await
    }

    /// The whole file is written anew, whatever the tables.
    async fn clean(&self, _tables: &'static [&'static str]) -> Result<(), StoreError> {
        self.writer.rewrite().await
    }

    fn hints(&self) -> &broadcast::Sender<IntegrationId> {
        &self.hints
    }
}

fn connect(path: &Path) -> Result<Connection, Fault> {
    make_private(path)?;
    let sql = Connection::open(path)?;
    sql.busy_timeout(BUSY)?;
    sql.pragma_update(None, "journal_mode", "WAL")?;
    sql.pragma_update(None, "synchronous", "FULL")?;
    sql.pragma_update(None, "journal_size_limit", LOG_KEPT)?;
    // Not within a commit, whose caller would wait for it.
    sql.pragma_update(None, "wal_autocheckpoint", 0)?;
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

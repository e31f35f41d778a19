//! The one writer: a thread that owns the write connection and runs all commands that wait in one
//! transaction, so that they share one sync of the disk.
//!
//! A command is answered after the commit, never before. Each has its savepoint: one that is refused
//! undoes itself and nothing else. If the transaction itself is lost (disk full, at worst), every
//! command in it is answered with that error and none took effect. A command that was sent is carried
//! out even if nobody waits for its answer any more.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::fault::Fault;
use super::leftovers;
use crate::store::StoreError;

/// Commands that may wait; a further one waits for its place.
const QUEUE: usize = 256;
/// A write-ahead log larger than this (bytes) is written back with readers held off, which a
/// checkpoint in passing never does.
const LOG_LIMIT: u64 = 64 << 20;
/// How often (in transactions) the log's size is looked at.
const LOG_CHECK: u32 = 64;

trait Command: Send {
    fn run(&mut self, sql: &Connection) -> Result<(), StoreError>;
    /// `lost`: why the transaction was, if it was.
    fn answer(self: Box<Self>, lost: Option<&StoreError>);
}

struct Asked<F, T> {
    path: Arc<str>,
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Command for Asked<F, T>
where
    F: FnOnce(&Connection) -> Result<T, Fault> + Send,
    T: Send,
{
    fn run(&mut self, sql: &Connection) -> Result<(), StoreError> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let result = work(sql).map_err(|fault| fault.at(&self.path));
        let told = result.as_ref().map(|_| ()).map_err(StoreError::clone);
        self.result = Some(result);
        told
    }

    fn answer(self: Box<Self>, lost: Option<&StoreError>) {
        let answer = match (self.result, lost) {
            (Some(Err(error)), _) => Err(error),
            (_, Some(error)) => Err(error.clone()),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(stopped(&self.path)),
        };
        // Whoever asked may have stopped waiting, as a cancelled task does.
        drop(self.reply.send(answer));
    }
}

fn stopped(path: &str) -> StoreError {
    StoreError::Broken { path: path.to_owned(), message: "its writer has stopped".to_owned() }
}

/// The way to the writer. Dropping it ends the thread once what was sent is done.
pub(super) struct Writer {
    path: Arc<str>,
    commands: Option<mpsc::Sender<Box<dyn Command>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on the connection to the database at `path`.
    pub(super) fn start(sql: Connection, path: Arc<str>) -> Result<Self, StoreError> {
        let (commands, waiting) = mpsc::channel(QUEUE);
        let of_thread = Arc::clone(&path);
        let thread = std::thread::Builder::new()
            .name("sluice-store".to_owned())
            .spawn(move || Work { sql, path: of_thread, waiting, commits: 0 }.go_on())
            .map_err(|error| StoreError::Broken { path: path.to_string(), message: error.to_string() })?;
        Ok(Self { path, commands: Some(commands), thread: Some(thread) })
    }

    /// Does `work` in a transaction; it is on disk when this returns.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let asked = Asked { path: Arc::clone(&self.path), work: Some(work), result: None, reply };
        let commands = self.commands.as_ref().ok_or_else(|| stopped(&self.path))?;
        commands.send(Box::new(asked)).await.map_err(|_| stopped(&self.path))?;
        answer.await.map_err(|_| stopped(&self.path))?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // An error here is a panic of that thread, which has been printed.
            drop(thread.join());
        }
    }
}

struct Work {
    sql: Connection,
    path: Arc<str>,
    waiting: mpsc::Receiver<Box<dyn Command>>,
    commits: u32,
}

impl Work {
    fn go_on(mut self) {
        let mut tidy = false;
        loop {
            let first = if tidy { self.waiting.blocking_recv() } else { self.waiting.try_recv().ok() };
            match first {
                Some(first) => {
                    self.commit_all_that_wait(first);
                    tidy = false;
                }
                None if self.waiting.is_closed() && self.waiting.is_empty() => return,
                None => tidy = !self.sweep(),
            }
        }
    }

    fn commit_all_that_wait(&mut self, first: Box<dyn Command>) {
        let mut group = vec![first];
        while group.len() < QUEUE
            && let Ok(next) = self.waiting.try_recv()
        {
            group.push(next);
        }
        let lost = self.transaction(&mut group).err();
        if lost.is_some() && !self.sql.is_autocommit() {
            // Fails only if SQLite has undone the transaction by itself.
            drop(self.sql.execute_batch("ROLLBACK"));
        }
        for command in group {
            command.answer(lost.as_ref());
        }
        self.keep_log_short();
    }

    fn transaction(&self, group: &mut [Box<dyn Command>]) -> Result<(), StoreError> {
        let sql = &self.sql;
        let step =
            |statement| sql.execute_batch(statement).map_err(|error| Fault::from(error).at(&self.path));
        step("BEGIN IMMEDIATE")?;
        for command in group {
            step("SAVEPOINT command")?;
            match command.run(sql) {
                Ok(()) => step("RELEASE command")?,
                // SQLite undoes a whole transaction by itself where it cannot undo a statement.
                Err(error) if sql.is_autocommit() => return Err(error),
                Err(_) => step("ROLLBACK TO command; RELEASE command")?,
            }
        }
        step("COMMIT")
    }

    /// Deletes some rows that nothing shows any more; whether there may be more.
    fn sweep(&self) -> bool {
        let swept = (|| {
            let Some(next) = leftovers::next(&self.sql)? else { return Ok(false) };
            let transaction = Transaction::new_unchecked(&self.sql, TransactionBehavior::Immediate)?;
            leftovers::sweep(&transaction, next)?;
            transaction.commit()?;
            Ok(true)
        })();
        swept.unwrap_or_else(|fault: Fault| {
            // What is left is swept after the next command.
            let error = fault.at(&self.path);
            tracing::warn!(%error, "dropped rows could not be deleted yet");
            false
        })
    }

    fn keep_log_short(&mut self) {
        self.commits = self.commits.wrapping_add(1);
        if !self.commits.is_multiple_of(LOG_CHECK) {
            return;
        }
        let log = PathBuf::from(format!("{}-wal", self.path));
        if std::fs::metadata(log).is_ok_and(|log| log.len() > LOG_LIMIT) {
            // A reader that outlasts the busy time-out leaves it for the next time.
            drop(self.sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())));
        }
    }
}

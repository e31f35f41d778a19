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

use rusqlite::Connection;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::checkpoint::Checkpoints;
use super::connection::{Session, TODO};
use crate::integration::IntegrationId;
use crate::store::StoreError;
use crate::store::fault::Fault;
use crate::store::sql::Sql;

/// Commands that may wait; a further one waits for its place.
const QUEUE: usize = 256;
/// How often (in transactions) the log is written back beside the writer.
const LOG_EVERY: u32 = 32;
/// A log larger than this (bytes) is not kept up with: the writer does it.
const LOG_BEHIND: u64 = 16 << 20;
/// A log larger than this (bytes) is written back with readers held off, which a checkpoint in passing never
/// does.
const LOG_LIMIT: u64 = 64 << 20;

/// How often it is tried to empty the log; each waits for readers as long as a connection does.
const EMPTY_ATTEMPTS: u32 = 3;

trait Command: Send {
    fn run(&mut self, sql: &Connection) -> Result<(), StoreError>;
    /// `lost`: why the transaction was, if it was.
    fn answer(self: Box<Self>, lost: Option<&StoreError>);
}

struct Asked<F, T> {
    path: Arc<str>,
    hints: broadcast::Sender<IntegrationId>,
    told: Vec<IntegrationId>,
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Command for Asked<F, T>
where
    F: FnOnce(&dyn Sql) -> Result<T, Fault> + Send,
    T: Send,
{
    fn run(&mut self, sql: &Connection) -> Result<(), StoreError> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let session = Session::on(sql);
        let result = work(&session).map_err(|fault| fault.at(&self.path));
        self.told = session.told();
        let told = result.as_ref().map(|_| ()).map_err(StoreError::clone);
        self.result = Some(result);
        told
    }

    fn answer(self: Box<Self>, lost: Option<&StoreError>) {
        let answer = match (self.result, lost) {
            (Some(Err(error)), _) => Err(error),
            (_, Some(error)) => Err(error.clone()),
            (Some(Ok(value)), None) => {
                for id in self.told {
                    // Nobody may be listening.
                    let _ = self.hints.send(id);
                }
                Ok(value)
            }
            (None, None) => Err(stopped(&self.path)),
        };
        // Whoever asked may have stopped waiting, as a cancelled task does.
        drop(self.reply.send(answer));
    }
}

fn stopped(path: &str) -> StoreError {
    StoreError::Broken { place: path.to_owned(), message: "its writer has stopped".to_owned(), todo: TODO }
}

/// What the writer is asked for.
enum Order {
    /// To do this in a transaction.
    Do(Box<dyn Command>),
    /// To write the whole file anew, with nothing in it of what was deleted.
    Rewrite(oneshot::Sender<Result<(), StoreError>>),
}

/// The way to the writer. Dropping it ends the thread once what was sent is done.
pub(super) struct Writer {
    path: Arc<str>,
    hints: broadcast::Sender<IntegrationId>,
    commands: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on the connection to the database at `path`; `of_log` is another one.
    pub(super) fn start(
        sql: Connection,
        of_log: Connection,
        path: Arc<str>,
        hints: broadcast::Sender<IntegrationId>,
    ) -> Result<Self, StoreError> {
        let no_threads = |error: std::io::Error| StoreError::Broken {
            place: path.to_string(),
            message: error.to_string(),
            todo: "End other programs, or raise the system's limit of threads",
        };
        let (commands, waiting) = mpsc::channel(QUEUE);
        let checkpoints = Checkpoints::start(of_log).map_err(no_threads)?;
        let work = Work { sql, path: Arc::clone(&path), waiting, checkpoints, commits: 0 };
        let thread = std::thread::Builder::new().name("sluice-store".to_owned());
        let thread = thread.spawn(move || work.go_on()).map_err(no_threads)?;
        Ok(Self { path, hints, commands: Some(commands), thread: Some(thread) })
    }

    /// Does `work` in a transaction; it is on disk when this returns.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&dyn Sql) -> Result<T, Fault> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let asked = Asked {
            path: Arc::clone(&self.path),
            hints: self.hints.clone(),
            told: Vec::new(),
            work: Some(work),
            result: None,
            reply,
        };
        let commands = self.commands.as_ref().ok_or_else(|| stopped(&self.path))?;
        commands.send(Order::Do(Box::new(asked))).await.map_err(|_| stopped(&self.path))?;
        answer.await.map_err(|_| stopped(&self.path))?
    }

    /// Writes the whole file anew, with nothing in it of what was deleted, and empties the log.
    pub(super) async fn rewrite(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        let commands = self.commands.as_ref().ok_or_else(|| stopped(&self.path))?;
        commands.send(Order::Rewrite(reply)).await.map_err(|_| stopped(&self.path))?;
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
    waiting: mpsc::Receiver<Order>,
    checkpoints: Checkpoints,
    commits: u32,
}

impl Work {
    fn go_on(mut self) {
        while let Some(first) = self.waiting.blocking_recv() {
            let rewrite = match first {
                Order::Do(first) => self.commit_all_that_wait(first),
                Order::Rewrite(reply) => Some(reply),
            };
            if let Some(reply) = rewrite {
                // Whoever asked may have stopped waiting.
                drop(reply.send(self.rewrite().map_err(|fault| fault.at(&self.path))));
            }
        }
    }

    /// Commits what waits, up to an order to rewrite the file, which it gives back.
    fn commit_all_that_wait(
        &mut self,
        first: Box<dyn Command>,
    ) -> Option<oneshot::Sender<Result<(), StoreError>>> {
        let (mut group, mut rewrite) = (vec![first], None);
        while group.len() < QUEUE
            && let Ok(next) = self.waiting.try_recv()
        {
            match next {
                Order::Do(command) => group.push(command),
                Order::Rewrite(reply) => {
                    rewrite = Some(reply);
                    break;
                }
            }
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
        rewrite
    }

    /// Pages that are not used any more, and what is between the rows of those that are, keep what was deleted: so
    /// each page is written anew. The log has it too.
    fn rewrite(&self) -> Result<(), Fault> {
        // Also what is left over in memory, of which new pages are made.
        self.sql.execute_batch("PRAGMA secure_delete = ON; VACUUM; PRAGMA secure_delete = OFF")?;
        for _ in 0..EMPTY_ATTEMPTS {
            let busy: bool = self.sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0))?;
            if !busy {
                return Ok(());
            }
        }
        Err(Fault::Content("somebody reads it all the time, so that its log cannot be emptied".to_owned()))
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

    fn keep_log_short(&mut self) {
        self.commits = self.commits.wrapping_add(1);
        if self.commits.is_multiple_of(LOG_EVERY) {
            self.checkpoints.ask();
        }
        let log = PathBuf::from(format!("{}-wal", self.path));
        let length = std::fs::metadata(log).map_or(0, |log| log.len());
        if length <= LOG_BEHIND {
            return;
        }
        let how = if length > LOG_LIMIT { "TRUNCATE" } else { "PASSIVE" };
        // A reader that outlasts the busy time-out leaves it for the next time.
        drop(self.sql.query_row(&format!("PRAGMA wal_checkpoint({how})"), (), |_| Ok(())));
    }
}

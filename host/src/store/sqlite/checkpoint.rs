//! Writes the log back into the database, beside the writer, so that no command waits for it.
//!
//! A checkpoint in passing keeps nobody out. Where it does not keep up, the writer does it (see `writer`).

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

/// The way to the thread. Dropping it ends it once what it does is done.
pub(super) struct Checkpoints {
    due: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Starts the thread on a connection of its own.
    pub(super) fn start(sql: Connection) -> std::io::Result<Self> {
        // One that is due while another one is under way is enough.
        let (due, told) = sync_channel(1);
        let thread =
            std::thread::Builder::new().name("sluice-log".to_owned()).spawn(move || go_on(&sql, &told))?;
        Ok(Self { due: Some(due), thread: Some(thread) })
    }

    /// Has one done soon.
    pub(super) fn ask(&self) {
        if let Some(due) = &self.due {
            // Full: one is due already.
            let _ = due.try_send(());
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.due = None;
        if let Some(thread) = self.thread.take() {
            // An error here is a panic of that thread, which has been printed.
            drop(thread.join());
        }
    }
}

fn go_on(sql: &Connection, told: &Receiver<()>) {
    while told.recv().is_ok() {
        // What it cannot do, such as on a full disk, is left for the next time.
        drop(sql.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(())));
    }
}

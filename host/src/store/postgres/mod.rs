//! PostgreSQL behind the store's trait: a few connections, each with a thread of its own that runs the shared
//! SQL on it; and one that listens for hints.
//!
//! Promises what the trait promises, to several hosts at once. A transaction that met another one is done
//! again. A database that does not answer costs its caller an error and its connection; the next caller gets a
//! new one, so that service goes on by itself when the database is back. A host that stops in the middle of
//! a transaction keeps nobody waiting for long: the database ends it.

mod connection;
mod listener;
mod migrations;
mod session;
mod tls;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio_postgres::Config;

use self::connection::Place;
use self::session::Session;
use super::StoreError;
use super::fault::Fault;
use super::sql::{Engine, HINTS, Sql, SqlStore};
use crate::integration::IntegrationId;
use crate::metrics;

/// Connections that each host keeps.
const CONNECTIONS: usize = 8;
/// Jobs that may wait for a connection; a further one waits for its place.
const QUEUE: usize = 1024;

type Job = Box<dyn FnOnce(&mut Session) + Send>;

/// The store that several hosts may share.
pub type PostgresStore = SqlStore<Postgres>;

/// One database.
pub struct Postgres {
    place: Arc<str>,
    jobs: mpsc::Sender<Job>,
    hints: broadcast::Sender<IntegrationId>,
    listener: AbortHandle,
}

/// Whether an address is one of PostgreSQL's.
pub fn is_postgres_url(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

impl PostgresStore {
    /// Connects to the database, and gives it its tables if it has none.
    ///
    /// # Errors
    /// [`StoreError::TooNew`] and [`StoreError::TooOld`] if another program's schema is there;
    /// [`StoreError::Broken`] if it cannot be reached.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let place = Place::parse(url)?;
        migrations::check(&place).await?;
        let (jobs, waiting) = mpsc::channel::<Job>(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..CONNECTIONS {
            let (place, waiting) = (place.clone(), Arc::clone(&waiting));
            std::thread::Builder::new()
                .name(format!("sluice-store-{number}"))
                .spawn(move || serve(place, &waiting))
                .map_err(|error| place_broken("no thread could be started", &error.to_string()))?;
        }
        let hints = broadcast::Sender::new(HINTS);
        let listener = tokio::spawn(listener::listen(place.clone(), hints.clone())).abort_handle();
        Ok(Self::on(Postgres { place: place.name, jobs, hints, listener }))
    }

    /// Moves the schema forward to this program's; the version before and after.
    ///
    /// # Errors
    /// [`StoreError::TooNew`]; [`StoreError::Broken`] if it cannot be reached or does not allow it.
    pub async fn migrate(url: &str) -> Result<(i64, i64), StoreError> {
        migrations::migrate(&Place::parse(url)?).await
    }
}

fn place_broken(what: &str, message: &str) -> StoreError {
    StoreError::Broken {
        place: what.to_owned(),
        message: message.to_owned(),
        todo: "End other programs, or raise the system's limit of threads",
    }
}

/// Does jobs until there can be no more.
fn serve(place: Place, waiting: &Mutex<mpsc::Receiver<Job>>) {
    let Ok(mut session) = Session::new(place) else { return };
    loop {
        // One thread at a time waits for a job, with the lock; the others wait for the lock.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(job) = next else { return };
        job(&mut session);
    }
}

impl Postgres {
    async fn job<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let stopped = || Fault::Content("its connections have stopped".to_owned()).at(&self.place);
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |session| {
            // Whoever asked may have stopped waiting, as a cancelled task does.
            drop(reply.send(work(session)));
        });
        self.jobs.send(job).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?.map_err(|fault| fault.at(&self.place))
    }
}

impl Engine for Postgres {
    async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(&dyn Sql) -> Result<T, Fault> + Send + 'static,
    {
        metrics::store_write(self.job(move |session| session.transaction(&work))).await
    }

    async fn read<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(&dyn Sql) -> Result<T, Fault> + Send + 'static,
    {
        self.job(move |session| session.reading(&work)).await
    }

    async fn clean(&self, tables: &'static [&'static str]) -> Result<(), StoreError> {
        self.job(move |session| session.vacuum(tables)).await
    }

    fn hints(&self) -> &broadcast::Sender<IntegrationId> {
        &self.hints
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Asked of each connection when it is made. A transaction whose host stands still is ended by the database, so
/// that what it has locked is free for others; so is one that waits for another for too long.
fn settings(config: &mut Config) {
    config.options(
        "-c idle_in_transaction_session_timeout=5s -c lock_timeout=10s -c statement_timeout=60s \
         -c default_transaction_isolation=read\\ committed -c client_min_messages=warning",
    );
    config.application_name("sluice");
    config.connect_timeout(session::CONNECT_WITHIN);
}

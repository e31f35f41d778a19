//! Reads: a few read-only connections, each read on a thread where it may block, in a transaction of
//! its own, so that it sees one state of the database.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::connection::{Session, TODO};
use super::{BUSY, READER_CACHE_KIB};
use crate::store::StoreError;
use crate::store::fault::Fault;
use crate::store::sql::Sql;

const READERS: usize = 4;

/// The connections that are free.
pub(super) struct Readers {
    path: Arc<str>,
    places: Arc<Semaphore>,
    free: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: Arc<str>) -> Self {
        Self { path, places: Arc::new(Semaphore::new(READERS)), free: Arc::default() }
    }

    /// Does `work` on a connection that cannot write.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&dyn Sql) -> Result<T, Fault> + Send + 'static,
        T: Send + 'static,
    {
        let broken = |message: &str| StoreError::Broken {
            place: self.path.to_string(),
            message: message.to_owned(),
            todo: TODO,
        };
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| broken("its readers have stopped"))?;
        let (path, free) = (Arc::clone(&self.path), Arc::clone(&self.free));
        let task = tokio::task::spawn_blocking(move || {
            let result = read(&path, &free, work).map_err(|fault| fault.at(&path));
            drop(place);
            result
        });
        task.await.map_err(|_| broken("a read was broken off"))?
    }
}

fn read<T>(
    path: &str,
    free: &Mutex<Vec<Connection>>,
    work: impl FnOnce(&dyn Sql) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let idle = free.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let sql = match idle {
        Some(sql) => sql,
        None => connect(Path::new(path))?,
    };
    let transaction = sql.unchecked_transaction()?;
    let result = work(&Session::on(&transaction));
    transaction.finish()?;
    free.lock().unwrap_or_else(PoisonError::into_inner).push(sql);
    result
}

fn connect(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let sql = Connection::open_with_flags(path, flags)?;
    sql.busy_timeout(BUSY)?;
    sql.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(sql)
}

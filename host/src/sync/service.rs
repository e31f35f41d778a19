//! What a process needs to do runs: the store, the engine and the data directory, opened once.
//!
//! One process at a time does a data directory's runs; it holds the directory's lock. Any other may
//! ask for runs, watch and cancel them, through the store.

use std::sync::Arc;
use std::time::Duration;

use tracing::error;

use super::failure::SyncError;
use super::full_sync;
use super::line::Line;
use crate::connector::Engine;
use crate::data_dir::DataDir;
use crate::error::{ErrorCode, Failure};
use crate::run::{Run, RunId};
use crate::store::{RunEnd, Store, StoreError};

/// How often the store is asked for runs that another process accepted.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Does runs.
#[derive(Clone)]
pub struct Service {
    data: DataDir,
    store: Arc<dyn Store>,
    engine: Engine,
}

impl Service {
    /// A service on an opened data directory.
    ///
    /// # Errors
    /// When the engine cannot be started.
    pub fn new(data: DataDir, store: Arc<dyn Store>) -> Result<Self, SyncError> {
        let engine = Engine::new(&data.cache())?;
        Ok(Self { data, store, engine })
    }

    /// Where runs, integrations and the ledger are.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Loads connectors.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The data directory.
    pub fn data(&self) -> &DataDir {
        &self.data
    }

    /// Does one active run to its end.
    ///
    /// # Errors
    /// When the store fails; the run stays active then.
    pub async fn execute(&self, run: RunId) -> Result<Run, StoreError> {
        let run = self.store.run(run).await?;
        if !run.phase.is_active() {
            return Ok(run);
        }
        let Some(integration) = self.store.integration(&run.integration).await? else {
            let gone = StoreError::NoIntegration(run.integration.clone());
            return self.store.end_run(run.id, RunEnd::Failed(Failure::from(&gone))).await;
        };
        // The opened line is large, and so are the futures that use it.
        let line = Box::pin(Line::open(&self.data, &self.engine, &integration));
        Box::pin(full_sync::execute(self.store.as_ref(), line, run)).await
    }

    /// Does runs as they are accepted, until dropped. Interrupted ones are gone on with.
    pub async fn serve(&self) {
        let mut doing = std::collections::BTreeMap::new();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            doing.retain(|_, task: &mut tokio::task::JoinHandle<()>| !task.is_finished());
            let active = match self.store.active_runs().await {
                Ok(active) => active,
                Err(error) => {
                    error!(code = error.code(), %error, "the store does not say which runs are active");
                    continue;
                }
            };
            for run in active {
                doing.entry(run.id).or_insert_with(|| {
                    let service = self.clone();
                    tokio::spawn(async move {
                        if let Err(error) = service.execute(run.id).await {
                            error!(run = %run.id, code = error.code(), %error, "the run is interrupted, and will be gone on with");
                        }
                    })
                });
            }
        }
    }
}

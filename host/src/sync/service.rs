//! A host at work: it takes its share of the integrations, has a worker for each, and wakes those that have
//! something to do.
//!
//! Hosts that share a store need nobody to divide the work: each takes what is free, up to its share, and gives
//! back what is beyond it. What one that died held is free when its lease has ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rand::seq::SliceRandom;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Span, error, info, instrument, warn};

use super::auditing::{self, AuditOrder, Audited};
use super::drift::Difference;
use super::failure::SyncError;
use super::foretelling::{Foretold, foretell};
use super::holding::{Hold, Holdings, Validity};
use super::line::{Line, Patience, connect};
use super::overviews::{Turn, Turns};
use super::secrets::{AtHand, Secrets};
use super::worker::{Handle, Worker};
use super::{running, webhook};
use crate::connector::Engine;
use crate::contact::ContactId;
use crate::data_dir::DataDir;
use crate::error::{ErrorCode, Failure};
use crate::hosting::{BEAT, Holding};
use crate::integration::{Integration, IntegrationId};
use crate::keys::KeySource;
use crate::lane::Webhook;
use crate::run::{Run, RunId};
use crate::signature::TrustedKeys;
use crate::store::{RunEnd, Store, StoreError};

/// How often the store is asked what there is to do, whatever hints say.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long the store may take to be told what is handed back.
const HAND_BACK_WITHIN: Duration = Duration::from_secs(1);

/// What a process needs to work on integrations. Clones share everything.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    data: DataDir,
    store: Arc<dyn Store>,
    engine: Engine,
    secrets: Secrets,
    public_url: Option<String>,
    trusted: TrustedKeys,
}

impl Service {
    /// A service on an opened data directory. `public_url`: where CRMs reach this host, or the hosts together.
    ///
    /// # Errors
    /// When the engine cannot be started.
    pub fn new(data: DataDir, store: Arc<dyn Store>, public_url: Option<String>) -> Result<Self, SyncError> {
        let engine = Engine::new(&data.cache())?;
        Ok(Self::with_engine(data, store, engine, public_url))
    }

    /// The same with an engine that is there, and may serve others, too. It has no keys to secrets in the store.
    pub fn with_engine(
        data: DataDir,
        store: Arc<dyn Store>,
        engine: Engine,
        public_url: Option<String>,
    ) -> Self {
        let secrets = Secrets::new(Arc::clone(&store), KeySource::Nowhere);
        let trusted = TrustedKeys::default();
        Self(Arc::new(Inner { data, store, engine, secrets, public_url, trusted }))
    }

    /// The same with keys to the secrets in the store.
    pub fn with_keys(&self, keys: KeySource) -> Self {
        self.with_secrets(Secrets::new(Arc::clone(self.store()), keys))
    }

    /// The same with secrets that are tried before they are stored.
    pub fn having(&self, secrets: AtHand) -> Self {
        self.with_secrets(self.secrets().before_stored(secrets))
    }

    /// The same, taking connectors that these have signed.
    pub fn trusting(&self, trusted: TrustedKeys) -> Self {
        self.with(self.secrets().clone(), trusted)
    }

    fn with_secrets(&self, secrets: Secrets) -> Self {
        self.with(secrets, self.trusted().clone())
    }

    fn with(&self, secrets: Secrets, trusted: TrustedKeys) -> Self {
        let Inner { data, store, engine, public_url, .. } = &*self.0;
        Self(Arc::new(Inner {
            data: data.clone(),
            store: Arc::clone(store),
            engine: engine.clone(),
            secrets,
            public_url: public_url.clone(),
            trusted,
        }))
    }

    /// Whose connectors are taken.
    pub fn trusted(&self) -> &TrustedKeys {
        &self.0.trusted
    }

    /// Where everything is remembered.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// Loads connectors.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Reads secrets.
    pub fn secrets(&self) -> &Secrets {
        &self.0.secrets
    }

    /// The data directory.
    pub fn data(&self) -> &DataDir {
        &self.0.data
    }

    /// Where CRMs reach this host.
    pub fn public_url(&self) -> Option<&str> {
        self.0.public_url.as_deref()
    }

    /// Does one active run to its end.
    ///
    /// # Errors
    /// When the store fails, or another host takes over; the run stays active then.
    pub async fn execute(&self, run: RunId, hold: &Hold) -> Result<Run, StoreError> {
        loop {
            let run = self.store().run(run).await?;
            if !run.phase.is_active() {
                return Ok(run);
            }
            let trial = self.store().trial(run.id).await?;
            let own = self.store().integration(&run.integration).await?;
            let Some(integration) = own.map(|own| trial.unwrap_or(own)) else {
                let gone = StoreError::NoIntegration(run.integration.clone());
                return self.store().end_run(&hold.fence, run.id, RunEnd::Failed(Failure::from(&gone))).await;
            };
            // The opened line is large, and so are the futures that use it.
            let line = Box::pin(Line::open(self, &integration, hold.valid.clone(), Patience::Long));
            let ended = Box::pin(running::execute(Arc::clone(self.store()), hold, line, run)).await?;
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
    }

    /// Compares what APSIS One has with what was last written; each difference is handed over as it is found.
    ///
    /// # Errors
    /// When a run is active, or begins meanwhile; when the line cannot be opened, or the store or the disk fails.
    #[instrument(name = "audit", skip_all, fields(integration = %id, compared = Empty, differences = Empty))]
    pub async fn audit(
        &self,
        id: &IntegrationId,
        order: AuditOrder,
        each: &mut (dyn FnMut(Difference) + Send + Sync),
    ) -> Result<Audited, SyncError> {
        let integration = self.store().integration(id).await?;
        let integration = integration.ok_or_else(|| StoreError::NoIntegration(id.clone()))?;
        // It sends nothing that would change anything.
        let valid = Validity::unlimited();
        let line = Box::pin(Line::open(self, &integration, valid, Patience::Long)).await?;
        let audited = Box::pin(auditing::audit(Arc::clone(self.store()), &line, id, order, each)).await?;
        let differences: u64 = audited.differences.values().sum();
        Span::current().record("compared", audited.compared).record("differences", differences);
        Ok(audited)
    }

    /// Does the imports of overviews that are under way, to their end.
    ///
    /// # Errors
    /// When the store fails, or another host takes over; they stay under way then.
    pub async fn import_overviews(&self, hold: &Hold) -> Result<(), StoreError> {
        let id = &hold.fence.integration;
        let mut turns = Turns::default();
        loop {
            let integration = self.store().integration(id).await?;
            let integration = integration.ok_or_else(|| StoreError::NoIntegration(id.clone()))?;
            match Box::pin(turns.next(self, hold, &integration, false)).await? {
                Turn { more: true, .. } => {}
                Turn { due: Some(due), .. } => {
                    let left = Duration::try_from(due.duration_since(Timestamp::now())).unwrap_or_default();
                    tokio::select! {
                        () = tokio::time::sleep(left) => {}
                        () = hold.lost.cancelled() => return Err(StoreError::LeaseLost(id.clone())),
                    }
                }
                Turn { due: None, .. } => return Ok(()),
            }
        }
    }

    /// What a change of one contact would do now.
    ///
    /// # Errors
    /// When the line cannot be opened; when the CRM cannot be asked for it; when the store fails.
    pub async fn foretell(
        &self,
        integration: &Integration,
        contact: &ContactId,
    ) -> Result<Foretold, SyncError> {
        let line = Box::pin(Line::open(self, integration, Validity::unlimited(), Patience::Short)).await?;
        Box::pin(foretell(&**self.store(), &line, &integration.id, contact)).await
    }

    /// Brings an integration's webhook to what is wanted, once; how it stands then.
    ///
    /// # Errors
    /// When the store fails, or the connector cannot be used.
    pub async fn tend_webhook(&self, hold: &Hold) -> Result<Webhook, SyncError> {
        let id = &hold.fence.integration;
        let standing = self.store().standing(id).await?;
        let standing = standing.ok_or_else(|| StoreError::NoIntegration(id.clone()))?;
        let connection = connect(self, &standing.integration).await?;
        let wanted = webhook::wanted(&standing, self.public_url());
        Ok(webhook::tend(&**self.store(), &hold.fence, &connection, &wanted, 0).await?)
    }

    /// Works on this host's share of the integrations until it is stopped; then lets each worker finish
    /// what it has begun. What is not finished in time is broken off, and handed back.
    pub async fn serve(&self, holdings: Arc<Holdings>, stop: CancellationToken, stop_within: Duration) {
        let mut workers = Workers { service: self.clone(), holdings, at_work: HashMap::new() };
        let mut hints = self.store().hints();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let sweeping = tokio::spawn(sweep(Arc::clone(self.store()), stop.clone()));
        while !stop.is_cancelled() {
            tokio::select! {
                _ = ticks.tick() => {
                    if let Some(Err(error)) = stop.run_until_cancelled(workers.look()).await {
                        error!(code = error.code(), %error, "the store does not say what there is to do");
                    }
                }
                hint = hints.recv() => match hint {
                    Ok(id) => workers.wake(&id),
                    Err(RecvError::Lagged(_)) => workers.wake_all(),
                    Err(RecvError::Closed) => {}
                },
                () = stop.cancelled() => {}
            }
        }
        workers.stop(stop_within).await;
        // What it was doing is a transaction, whole or not at all.
        sweeping.abort();
    }
}

/// Deletes what nothing shows any more, a little at a time.
async fn sweep(store: Arc<dyn Store>, stop: CancellationToken) {
    let mut pause = Duration::from_secs(1);
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        pause = match store.sweep(Timestamp::now()).await {
            Ok(true) => Duration::from_millis(20),
            Ok(false) | Err(_) => Duration::from_secs(5),
        };
    }
}

struct AtWork {
    handle: Handle,
    task: JoinHandle<()>,
    revision: i64,
}

/// The workers of this host.
struct Workers {
    service: Service,
    holdings: Arc<Holdings>,
    at_work: HashMap<IntegrationId, AtWork>,
}

impl Workers {
    /// Takes and gives back integrations, and wakes whoever has something to do.
    async fn look(&mut self) -> Result<(), StoreError> {
        let store = Arc::clone(self.service.store());
        self.at_work.retain(|_, worker| !worker.task.is_finished());
        let hosts = match self.holdings.lease() {
            Some(_) => store.beat(self.holdings.host(), BEAT).await?.max(1),
            None => 1,
        };
        let all = store.holdings().await?;
        let share = all.len().div_ceil(usize::try_from(hosts).unwrap_or(1));
        self.take_free(&all, share).await?;
        self.give_back(share);
        for holding in &all {
            if let Some(worker) = self.at_work.get_mut(&holding.integration)
                && worker.revision != holding.revision
            {
                worker.revision = holding.revision;
                worker.handle.wake.notify_one();
            }
        }
        for id in store.to_do(self.holdings.host(), Timestamp::now()).await? {
            self.wake(&id);
        }
        Ok(())
    }

    async fn take_free(&mut self, all: &[Holding], share: usize) -> Result<(), StoreError> {
        let is_free = |holding: &&Holding| match self.holdings.lease() {
            Some(_) => holding.host.is_none(),
            // Nobody else can be there, whatever the store says.
            None => true,
        };
        let mut free: Vec<&Holding> = all
            .iter()
            .filter(is_free)
            .filter(|holding| !self.at_work.contains_key(&holding.integration))
            .collect();
        // So that hosts that look at the same moment do not all ask for the same one.
        free.shuffle(&mut rand::rng());
        for holding in free.into_iter().take(share.saturating_sub(self.at_work.len())) {
            let Some(hold) = self.holdings.acquire(&holding.integration).await? else { continue };
            let (worker, handle) = Worker::new(self.service.clone(), hold);
            let task = tokio::spawn(worker.run());
            let at_work = AtWork { handle, task, revision: holding.revision };
            self.at_work.insert(holding.integration.clone(), at_work);
        }
        Ok(())
    }

    /// Whoever is given back finishes first what he has begun.
    fn give_back(&self, share: usize) {
        let stopping = self.at_work.values().filter(|worker| worker.handle.stop.is_cancelled()).count();
        let beyond = (self.at_work.len() - stopping).saturating_sub(share);
        let staying = self.at_work.iter().filter(|(_, worker)| !worker.handle.stop.is_cancelled());
        for (id, worker) in staying.take(beyond) {
            info!(integration = %id, "given to another host");
            worker.handle.stop.cancel();
        }
    }

    fn wake(&self, id: &IntegrationId) {
        if let Some(worker) = self.at_work.get(id) {
            worker.handle.wake.notify_one();
        }
    }

    fn wake_all(&self) {
        for worker in self.at_work.values() {
            worker.handle.wake.notify_one();
        }
    }

    async fn stop(&mut self, within: Duration) {
        let ends = Instant::now() + within;
        for worker in self.at_work.values() {
            worker.handle.stop.cancel();
        }
        let afterglow = self.holdings.afterglow();
        let patience = within.saturating_sub(afterglow + HAND_BACK_WITHIN).max(within / 2);
        let all = self.at_work.values_mut().map(|worker| &mut worker.task);
        // An error here is a panic of that task, which has been printed.
        if tokio::time::timeout(patience, futures::future::join_all(all)).await.is_ok() {
            return;
        }
        let left = self.holdings.fences();
        for fence in &left {
            warn!(integration = %fence.integration, "not finished in time: broken off, to be gone on with");
        }
        for (_, worker) in self.at_work.drain() {
            worker.task.abort();
        }
        let handing_back = async {
            tokio::time::sleep(afterglow).await;
            self.holdings.give_back(&left).await;
        };
        // What is not handed back by then runs out.
        drop(tokio::time::timeout(ends.saturating_duration_since(Instant::now()), handing_back).await);
    }
}

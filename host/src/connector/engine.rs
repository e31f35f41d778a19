//! The engine: one for a process. It turns a file into a connector.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Enabled, PoolingAllocationConfig};

use super::aside::Aside;
use super::bindings::Complete;
use super::call::Call;
use super::component::{Bound, Connector, Loaded, check_kind, check_world, mismatch};
use super::convert::{self, Misfit};
use super::environment::Shared;
use super::error::{CallError, LoadError};
use super::limits::Limits;
use super::outbound::Clients;
use super::pace::Pace;
use super::precompiled::Precompiled;
use super::session::Sessions;
use super::state::{CallState, INSTANCES, MEMORIES, Purpose, TABLE_ENTRIES, TABLES, TICK};

/// Loads connectors. Clones share everything: compiled code, connections to CRMs, rate limits, sessions.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    engine: wasmtime::Engine,
    linker: Linker<CallState>,
    precompiled: Precompiled,
    room: Arc<Semaphore>,
    aside: Arc<Aside>,
    limits: Arc<Limits>,
    shared: Arc<Shared>,
    /// By digest.
    loaded: Mutex<HashMap<String, Connector>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Engine")
    }
}

fn host(error: impl std::fmt::Display) -> LoadError {
    LoadError::Host(error.to_string())
}

/// Calls that may run at the same time, of all integrations together. One more waits.
const CALLS: usize = 512;

/// Bytes of an instance's memory, and of its tables, that stay in place for the next one, cleaned: to give them
/// back and take them again costs more than most calls do.
const KEPT: usize = 2 << 20;

/// Room for all calls is set aside at the start, so that none has to ask the system for it.
fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    pool.total_component_instances(count(CALLS))
        .total_stacks(count(CALLS))
        .total_core_instances(count(CALLS * INSTANCES))
        .total_memories(count(CALLS * MEMORIES))
        .total_tables(count(CALLS * TABLES))
        .max_core_instances_per_component(count(INSTANCES))
        .max_memories_per_component(count(MEMORIES))
        .max_tables_per_component(count(TABLES))
        .max_memories_per_module(count(MEMORIES))
        .max_tables_per_module(count(TABLES))
        .table_elements(TABLE_ENTRIES)
        .linear_memory_keep_resident(KEPT)
        .table_keep_resident(KEPT)
        .async_stack_keep_resident(KEPT)
        .pagemap_scan(Enabled::Auto);
    pool
}

fn config() -> Config {
    let mut config = Config::new();
    config.allocation_strategy(pool());
    config.wasm_component_model(true);
    config.epoch_interruption(true);
    // The contract is synchronous: without concurrency, instantiation and calls take half the time.
    config.concurrency_support(false);
    config
}

impl Engine {
    /// Starts the engine. Compiled components are kept in `cache_dir`, which must be writable by the user
    /// of this program alone.
    pub fn new(cache_dir: &Path) -> Result<Self, LoadError> {
        let engine = wasmtime::Engine::new(&config()).map_err(host)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(host)?;
        Complete::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state).map_err(host)?;
        tick(&engine).map_err(host)?;
        let precompiled = Precompiled::new(cache_dir).map_err(|error| {
            host(format!("the directory {} cannot be used: {error}", cache_dir.display()))
        })?;
        let shared = Shared {
            clients: Clients::new().map_err(host)?,
            pace: Pace::default(),
            sessions: Sessions::default(),
        };
        let limits = Limits::from(&BTreeMap::new()).map_err(host)?;
        Ok(Self(Arc::new(Inner {
            engine,
            linker,
            precompiled,
            room: Arc::new(Semaphore::new(CALLS)),
            aside: Arc::new(Aside::new().map_err(host)?),
            limits: Arc::new(limits),
            shared: Arc::new(shared),
            loaded: Mutex::default(),
        })))
    }

    /// A connector that was loaded before, by the digest of its file.
    pub fn loaded(&self, digest: &str) -> Option<Connector> {
        self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    /// Loads a connector from the bytes of its file: checks that it is one and of which version, compiles
    /// it or finds it compiled, links it, and asks it to describe itself.
    pub async fn load(&self, wasm: &[u8]) -> Result<Connector, LoadError> {
        check_kind(wasm)?;
        let digest = hex::encode(Sha256::digest(wasm));
        let component = self.component(wasm.to_vec(), digest.clone()).await?;
        let names = check_world(&component)?;
        let pre =
            self.0.linker.instantiate_pre(&component).map_err(|error| mismatch("the imports", &error))?;
        let bound = Bound::new(pre, &names, Arc::clone(&self.0.room), Arc::clone(&self.0.aside))?;
        let described = Call::new("describe", &bound, Purpose::Describe, &self.0.limits)
            .describe()
            .await
            .map_err(LoadError::Describe)?;
        let description = convert::description(described).map_err(|misfit| match misfit {
            Misfit::Wrong(field, problem) => LoadError::Description { field, problem: problem.to_owned() },
            Misfit::Limit(limit) => LoadError::Describe(CallError::Limit {
                call: "describe",
                limit,
                allowed: self.0.limits.get(limit),
            }),
        })?;
        tracing::debug!(
            connector = description.id,
            version = description.version,
            digest,
            "connector loaded"
        );
        let shared = Arc::clone(&self.0.shared);
        let limits = Arc::clone(&self.0.limits);
        let loaded = Loaded { digest: digest.clone(), description, bound, shared, limits };
        let connector = Connector(Arc::new(loaded));
        self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, connector.clone());
        Ok(connector)
    }

    /// Compiling takes all of a processor for a while, so it does not take one of the runtime's threads.
    async fn component(&self, wasm: Vec<u8>, digest: String) -> Result<Component, LoadError> {
        let (engine, precompiled) = (self.0.engine.clone(), self.0.precompiled.clone());
        let work = move || match precompiled.load(&engine, &digest) {
            Some(component) => Ok(component),
            None => {
                let component = Component::from_binary(&engine, &wasm)
                    .map_err(|error| LoadError::Invalid(error.root_cause().to_string()))?;
                precompiled.keep(&engine, &digest, &component);
                Ok(component)
            }
        };
        tokio::task::spawn_blocking(work).await.map_err(host)?
    }
}

/// Lets a running component be looked at once a tick, for as long as the engine is there.
fn tick(engine: &wasmtime::Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    let ticker = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    std::thread::Builder::new().name("sluice-ticker".to_owned()).spawn(ticker).map(drop)
}

//! One call's store data: what the component's imports do, and what the call has used so far.
//!
//! A fresh one for each call. WASI is linked with nothing in it: no environment, no arguments, no
//! files, no network; clocks and random numbers are the system's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tracing::Level;
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::aside::Place;
use super::bindings::imported::{http, log, secrets, session, settings, types};
use super::environment::Environment;
use super::limits::{Limit, Limits};
use super::outbound::{self, Used};
use super::redact::Redactor;
use super::stand_in::StandIn;
use super::stop::Stop;
use super::words::{Output, Stream, Words};

/// How often a running component is looked at, and the grain of its CPU time.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// Instances, tables and memories that one call may have: many times what toolchains make of a
/// connector, and few enough that what the host keeps for each does not matter.
pub(super) const INSTANCES: usize = 30;
pub(super) const TABLES: usize = 30;
pub(super) const MEMORIES: usize = 4;

/// Entries of one table. The limit `table-entries` holds for all of a call's together.
pub(super) const TABLE_ENTRIES: usize = 100_000;

/// WASI's resources, such as clocks waited for, that the host may hold for a call at once.
const RESOURCES: usize = 10_000;

/// Random bytes that are made at once.
const RANDOM_BYTES: u64 = 1 << 20;

/// What the component is called for.
#[derive(Clone)]
pub(super) enum Purpose {
    /// `describe`, which is pure.
    Describe,
    /// A call of a connection.
    Call(Arc<Environment>),
}

/// The store's data.
pub(super) struct CallState {
    purpose: Purpose,
    limits: Arc<Limits>,
    pub(super) words: Words,
    pub(super) used: Used,
    ticks: u64,
    /// Whether it computes for long.
    place: Arc<Place>,
    memory: usize,
    table_entries: usize,
    puts: u64,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl CallState {
    pub(super) fn new(purpose: Purpose, limits: Arc<Limits>) -> Self {
        let (redactor, stand_in) = match &purpose {
            Purpose::Describe => (Redactor::default(), None),
            Purpose::Call(environment) => (environment.redactor(), environment.stand_in.clone()),
        };
        let words = Words::new(Arc::new(redactor), Arc::clone(&limits), stand_in);
        let wasi = WasiCtxBuilder::new()
            .stdout(Output { words: words.clone(), stream: Stream::Stdout })
            .stderr(Output { words: words.clone(), stream: Stream::Stderr })
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(RANDOM_BYTES)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        Self {
            purpose,
            limits,
            words,
            used: Used::default(),
            ticks: 0,
            place: Arc::default(),
            memory: 0,
            table_entries: 0,
            puts: 0,
            wasi,
            table,
        }
    }

    /// The most memory it had, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// Who stands between the connector and its CRM.
    pub(super) fn stand_in(&self) -> Option<&Arc<dyn StandIn>> {
        match &self.purpose {
            Purpose::Describe => None,
            Purpose::Call(environment) => environment.stand_in.as_ref(),
        }
    }

    /// Where it runs, for who drives the call.
    pub(super) fn place(&self) -> Arc<Place> {
        Arc::clone(&self.place)
    }

    fn environment(&self, import: &'static str) -> Result<&Arc<Environment>, Stop> {
        match &self.purpose {
            Purpose::Describe => Err(Stop::ImportInDescribe(import)),
            Purpose::Call(environment) => Ok(environment),
        }
    }

    /// Called once a tick while the component's own code runs, and only then: waiting is free.
    pub(super) fn on_tick(mut store: StoreContextMut<'_, Self>) -> wasmtime::Result<UpdateDeadline> {
        let state = store.data_mut();
        state.ticks += 1;
        let used = TICK.saturating_mul(u32::try_from(state.ticks).unwrap_or(u32::MAX));
        if used > state.limits.time(Limit::CpuMs) {
            return Err(Stop::Limit(Limit::CpuMs).into());
        }
        Ok(state.place.gives_way())
    }
}

impl ResourceLimiter for CallState {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        if total > self.limits.size(Limit::MemoryBytes) {
            // An error rather than `false`: a component that is told "no" ends in a bare `unreachable`.
            return Err(Stop::Limit(Limit::MemoryBytes).into());
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_entries.saturating_add(desired.saturating_sub(current));
        if total > self.limits.size(Limit::TableEntries) {
            return Err(Stop::Limit(Limit::TableEntries).into());
        }
        self.table_entries = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl types::Host for CallState {}

impl log::Host for CallState {
    async fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.environment("log")?;
        let level = match level {
            log::Level::Trace => Level::TRACE,
            log::Level::Debug => Level::DEBUG,
            log::Level::Info => Level::INFO,
            log::Level::Warn => Level::WARN,
            log::Level::Error => Level::ERROR,
        };
        Ok(self.words.log(level, &message)?)
    }
}

impl settings::Host for CallState {
    async fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.environment("settings")?.settings.get(&name).cloned())
    }
}

impl session::Host for CallState {
    async fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        Ok(self.environment("session")?.session.get(&key, Instant::now()))
    }

    async fn put(&mut self, key: String, value: String, ttl_seconds: u32) -> wasmtime::Result<()> {
        let session = Arc::clone(&self.environment("session")?.session);
        self.puts = self.puts.saturating_add(1);
        if self.puts > self.limits.get(Limit::SessionPuts) {
            return Err(Stop::Limit(Limit::SessionPuts).into());
        }
        if session.put(key, &value, Duration::from_secs(u64::from(ttl_seconds)), Instant::now()) {
            self.words.redactor().add(&value);
        }
        Ok(())
    }
}

impl secrets::Host for CallState {
    async fn verify_hmac_sha256(
        &mut self,
        name: String,
        data: Vec<u8>,
        mac: Vec<u8>,
    ) -> wasmtime::Result<bool> {
        let environment = self.environment("secrets")?;
        Ok(environment.secrets_of(&name).any(|secret| is_mac(secret.as_bytes(), &data, &mac)))
    }
}

/// In constant time.
fn is_mac(secret: &[u8], data: &[u8], mac: &[u8]) -> bool {
    Hmac::<Sha256>::new_from_slice(secret).is_ok_and(|hmac| hmac.chain_update(data).verify_slice(mac).is_ok())
}

impl http::Host for CallState {
    async fn fetch(
        &mut self,
        request: http::Request,
    ) -> wasmtime::Result<Result<http::Response, http::Error>> {
        let environment = Arc::clone(self.environment("http")?);
        Ok(outbound::fetch(&environment, &mut self.used, request).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn memories_and_tables_count_together() {
        let limits = BTreeMap::from([("table-entries".into(), 100), ("memory-bytes".into(), 1_000)]);
        let mut state = CallState::new(Purpose::Describe, Arc::new(Limits::from(&limits).unwrap()));
        assert!(state.table_growing(0, 60, None).unwrap());
        assert!(state.table_growing(0, 30, None).unwrap());
        assert!(state.table_growing(60, 70, None).unwrap());
        let stop = state.table_growing(30, 31, None).unwrap_err();
        assert_eq!(stop.downcast_ref(), Some(&Stop::Limit(Limit::TableEntries)));
        assert!(state.memory_growing(0, 600, None).unwrap());
        let stop = state.memory_growing(0, 600, None).unwrap_err();
        assert_eq!(stop.downcast_ref(), Some(&Stop::Limit(Limit::MemoryBytes)));
        assert_eq!((state.instances(), state.tables(), state.memories()), (INSTANCES, TABLES, MEMORIES));
    }

    #[test]
    fn a_mac_is_checked() {
        // RFC 4231, test case 2.
        let mac = hex::decode("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843").unwrap();
        assert!(is_mac(b"Jefe", b"what do ya want for nothing?", &mac));
        assert!(!is_mac(b"jefe", b"what do ya want for nothing?", &mac));
        assert!(!is_mac(b"Jefe", b"what do ya want for nothing?", &mac[..31]));
    }
}

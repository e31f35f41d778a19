//! The metrics, their labels and their names.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use super::standing::{Standing, Standings, every_health};

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($label:ident: $kind:ty),* })*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub(super) struct $name { $(pub(super) $label: $kind),* })*
    };
}

labels! {
    /// Of an integration.
    Of { integration: String }
    /// Answered at the door.
    Named { integration: String, answer: &'static str }
    /// What something came to.
    Outcome { integration: String, outcome: &'static str }
    /// What something of a run came to.
    Kind { integration: String, kind: &'static str, outcome: &'static str }
    /// A request to APSIS One.
    Asked { integration: String, operation: &'static str, status: &'static str }
    /// A request to a CRM.
    Answered { integration: String, status: &'static str }
    /// A connector's call.
    Call { integration: String, function: &'static str, result: &'static str }
    /// A request that is being answered.
    Route { method: &'static str, route: String }
    /// One that was.
    Served { method: &'static str, route: String, status: &'static str }
    /// In which of its states something is.
    State { integration: String, state: &'static str }
    /// Which kind of run.
    OfKind { kind: &'static str }
    /// Which operation of APSIS One.
    OfOperation { operation: &'static str }
    /// Which function of the contract.
    OfFunction { function: &'static str }
    /// The program.
    Build { version: &'static str }
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// All of them.
pub(super) struct Families {
    registry: Registry,
    pub(super) deliveries: Family<Named, Counter>,
    pub(super) decoded: Family<Outcome, Counter>,
    pub(super) discarded: Family<Of, Counter>,
    pub(super) lane_contacts: Family<Outcome, Counter>,
    pub(super) runs: Family<Kind, Counter>,
    pub(super) run_contacts: Family<Kind, Counter>,
    pub(super) run_seconds: Histograms<OfKind>,
    pub(super) apsis_requests: Family<Asked, Counter>,
    pub(super) apsis_throttled: Family<Of, Counter>,
    pub(super) apsis_seconds: Histograms<OfOperation>,
    pub(super) crm_requests: Family<Answered, Counter>,
    pub(super) crm_throttled: Family<Of, Counter>,
    pub(super) connector_calls: Family<Call, Counter>,
    pub(super) connector_seconds: Histograms<OfFunction>,
    pub(super) store_write_seconds: Histogram,
    pub(super) http_requests: Family<Served, Counter>,
    pub(super) http_open: Family<Route, Gauge>,
    pub(super) http_seconds: Histograms<Route>,
    standing: Mutex<Gauges>,
}

/// What is set anew for each scrape.
struct Gauges {
    store_up: Gauge,
    health: Family<State, Gauge>,
    webhook: Family<State, Gauge>,
    deliveries: Family<Of, Gauge>,
    contacts: Family<Of, Gauge>,
    retrying: Family<Of, Gauge>,
    oldest: Family<Of, Gauge<f64, std::sync::atomic::AtomicU64>>,
    gate_closed: Family<Of, Gauge>,
    dead: Family<Of, Gauge>,
    newcomers: Family<Of, Gauge>,
    needed: Family<Of, Gauge>,
}

/// From a millisecond to half a minute.
fn short() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 15))
}

/// From a second to nine hours.
fn long() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 16))
}

/// Registers what its name and words are given for.
struct Names<'a>(&'a mut Registry);

impl Names<'_> {
    fn of<M: Metric + Clone>(&mut self, name: &str, words: &str, metric: M) -> M {
        self.0.register(name, words, metric.clone());
        metric
    }

    fn family<L, M>(&mut self, name: &str, words: &str) -> Family<L, M>
    where
        L: Clone + Hash + Eq + Debug + EncodeLabelSet + Send + Sync + 'static,
        M: Default + EncodeMetric + TypedMetric + Debug + Send + Sync + 'static,
    {
        self.of(name, words, Family::default())
    }

    fn histograms<L>(&mut self, name: &str, words: &str, of: fn() -> Histogram) -> Histograms<L>
    where
        L: Clone + Hash + Eq + Debug + EncodeLabelSet + Send + Sync + 'static,
    {
        self.of(name, words, Family::new_with_constructor(of))
    }
}

impl Families {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("sluice");
        let mut names = Names(&mut registry);
        names.0.register("build", "The program", Info::new(Build { version: env!("CARGO_PKG_VERSION") }));
        let standing = Gauges::new(&mut names);
        Self {
            deliveries: names.family("deliveries_received", "Requests to deliver, by how they were answered"),
            decoded: names
                .family("deliveries_decoded", "Attempts of the lane to decode a delivery, by how they ended"),
            discarded: names
                .family("discarded", "Records in deliveries that are no contacts, or could not be used"),
            lane_contacts: names
                .family("lane_contacts", "Contacts that the lane was done with, by what they came to"),
            runs: names.family("runs", "Runs that ended, by how"),
            run_contacts: names.family("run_contacts", "Contacts of runs that ended, by what they came to"),
            run_seconds: names.histograms("run_seconds", "How long runs took, by kind", long),
            apsis_requests: names.family("apsis_requests", "Requests to APSIS One, by class of status"),
            apsis_throttled: names.family("apsis_throttled", "Requests that APSIS One answered with 429"),
            apsis_seconds: names.histograms(
                "apsis_request_seconds",
                "How long APSIS One took to answer",
                short,
            ),
            crm_requests: names
                .family("crm_requests", "Requests of connectors to their CRM, by class of status"),
            crm_throttled: names.family("crm_throttled", "Requests that a CRM answered with 429"),
            connector_calls: names.family("connector_calls", "Calls of connectors, by function and result"),
            connector_seconds: names.histograms(
                "connector_call_seconds",
                "How long calls of connectors took",
                short,
            ),
            store_write_seconds: names.of(
                "store_write_seconds",
                "How long the store took for a write",
                short(),
            ),
            http_requests: names
                .family("http_requests", "Requests that were answered, by address and class of status"),
            http_open: names.family("http_requests_open", "Requests that are being answered"),
            http_seconds: names.histograms("http_request_seconds", "How long answers took", short),
            standing: Mutex::new(standing),
            registry,
        }
    }

    pub(super) fn render(&self, standings: &Standings) -> String {
        let gauges = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        gauges.set(standings);
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Gauges {
    fn new(names: &mut Names<'_>) -> Self {
        Self {
            store_up: names.of(
                "store_up",
                "Whether the store said how the integrations are",
                Gauge::default(),
            ),
            health: names.family("integration_health", "1 for the state that an integration is in"),
            webhook: names.family("webhook_state", "1 for the state that an integration's webhook is in"),
            deliveries: names.family("deliveries_waiting", "Deliveries that are not decoded yet"),
            contacts: names.family("contacts_waiting", "Contacts with changes that wait"),
            retrying: names.family("retrying", "Of both, those that wait for another attempt"),
            oldest: names.family(
                "oldest_waiting_seconds",
                "How long the oldest delivery without an outcome has waited",
            ),
            gate_closed: names.family("gate_closed", "1 while a run keeps the gate closed"),
            dead: names.family("dead_letters", "Deliveries that were given up"),
            newcomers: names.family("newcomers", "New contacts that wait for the daily run"),
            needed: names.family("full_sync_needed", "1 if a full sync is needed"),
        }
    }

    /// All anew: an integration that is gone, or that another host has, is in no answer.
    fn set(&self, standings: &Standings) {
        self.health.clear();
        self.webhook.clear();
        self.oldest.clear();
        for each in [
            &self.deliveries,
            &self.contacts,
            &self.retrying,
            &self.gate_closed,
            &self.dead,
            &self.newcomers,
            &self.needed,
        ] {
            each.clear();
        }
        self.store_up.set(i64::from(standings.store_answers()));
        for Standing { status, oldest } in standings.all() {
            let integration = || status.integration.0.clone();
            for (health, state) in every_health() {
                let is_so = i64::from(status.health() == health);
                self.health.get_or_create(&State { integration: integration(), state }).set(is_so);
            }
            let is = match (&status.webhook.failure, &status.webhook.standing) {
                (Some(_), _) => "failing",
                (None, Some(_)) => "standing",
                (None, None) => "absent",
            };
            for state in ["absent", "failing", "standing"] {
                let state = State { integration: integration(), state };
                self.webhook.get_or_create(&state).set(i64::from(state.state == is));
            }
            let of = Of { integration: integration() };
            self.oldest.get_or_create(&of).set(oldest.as_secs_f64());
            let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            for (gauge, value) in [
                (&self.deliveries, whole(status.deliveries_waiting)),
                (&self.contacts, whole(status.contacts_waiting)),
                (&self.retrying, whole(status.retrying)),
                (&self.gate_closed, i64::from(status.gate_closed_by.is_some())),
                (&self.dead, whole(status.dead)),
                (&self.newcomers, whole(status.newcomers)),
                (&self.needed, i64::from(!status.needs.is_empty())),
            ] {
                gauge.get_or_create(&of).set(value);
            }
        }
    }
}

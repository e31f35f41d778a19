//! What a hostile connector costs the healthy integration beside it: the time of its calls alone and beside, and the
//! memory, while the hostile one is called again and again, far more often than a host would after such an end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::json;
use sluice::connector::{Connection, ConnectionSettings, Connector, Engine, Limits};
use sluice::integration::{Grant, IntegrationId};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::ROUNDS;
use crate::connector::reading;
use crate::figures::{head, percentile, row};
use crate::recorded::Recorded;

/// Contacts in a page of the healthy one.
const CONTACTS: u32 = 100;

/// Its calls in a round: enough that a hostile call's first ticks, which come once, do not make the p99.
const CALLS: u32 = 500;

/// Its calls under one key: the CRM's rate limit is each key's, and is not what is measured.
const CALLS_OF_A_KEY: u32 = 100;

/// Between the beginnings of two.
const PACE: Duration = Duration::from_millis(10);

/// Between the beginnings of two calls of a hostile one, where the first has ended by then.
const AGAIN: Duration = Duration::from_millis(100);

/// Each hostile connector, and how many of its calls go on at a time.
const HOSTILE: &[(&str, usize)] = &[
    ("none", 1),
    ("loops", 1),
    ("loops", 8),
    ("recurses", 1),
    ("hoards", 1),
    ("hoards", 4),
    ("giant", 1),
    ("floods-log", 1),
    ("fails-without-end", 1),
    ("sends-many-headers", 1),
    ("sleeps", 64),
];

pub async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::new(folder.path()).unwrap();
    let lime = engine.load(&std::fs::read(env!("LIME_WASM")).unwrap()).await.unwrap();
    let faulty = engine.load(&std::fs::read(env!("FAULTY_WASM")).unwrap()).await.unwrap();
    let recorded = Recorded::page(CONTACTS).await;
    let mut healthy = Healthy { lime, recorded, keys: 0 };
    healthy.times().await;
    // One reference for all: a p99 of the few calls of one row would be mostly chance.
    let (mut alone, mut rows) = (Vec::new(), Vec::new());
    for (fault, at_a_time) in HOSTILE {
        let mut row = Row { fault, at_a_time: *at_a_time, ended: 0, beside: Vec::new(), most: 0, after: 0 };
        for _ in 0..ROUNDS {
            alone.extend(healthy.times().await);
            let hostile = Hostile::start(&faulty, fault, *at_a_time);
            row.beside.extend(healthy.times().await);
            row.most = row.most.max(resident());
            row.ended += hostile.end().await;
        }
        row.after = settled().await;
        rows.push(row);
    }
    head(
        "Pages of a healthy integration beside a hostile one, in milliseconds",
        &["hostile", "at a time", "its calls", "p50 beside", "%", "p99 beside", "%", "MiB", "after"],
    );
    let [p50, p99] = [50, 99].map(|percent| percentile(&mut alone, percent));
    row(&["alone", "", "", &format!("{p50:.1}"), "", &format!("{p99:.1}"), "", "", ""]);
    for mut one in rows {
        let [p50_beside, p99_beside] = [50, 99].map(|percent| percentile(&mut one.beside, percent));
        let growth = |alone: f64, beside: f64| format!("{:+.0}", (beside / alone - 1.0) * 100.0);
        row(&[
            one.fault,
            &one.at_a_time.to_string(),
            &one.ended.to_string(),
            &format!("{p50_beside:.1}"),
            &growth(p50, p50_beside),
            &format!("{p99_beside:.1}"),
            &growth(p99, p99_beside),
            &one.most.to_string(),
            &one.after.to_string(),
        ]);
    }
}

/// What was measured beside one hostile connector.
struct Row {
    fault: &'static str,
    at_a_time: usize,
    /// Its calls that ended by themselves.
    ended: u64,
    /// Times of the healthy one's calls.
    beside: Vec<Duration>,
    /// MiB of memory while it was there, and once it was gone.
    most: u64,
    after: u64,
}

/// An integration that reads pages.
struct Healthy {
    lime: Connector,
    recorded: Recorded,
    keys: u32,
}

impl Healthy {
    /// A connection that has asked for what it asks once.
    async fn opened(&mut self) -> Connection {
        self.keys += 1;
        let connection = reading(&self.lime, &self.recorded, "healthy", &format!("key-{}", self.keys));
        connection.scan(None, CONTACTS).await.unwrap();
        connection
    }

    /// The times of its calls, one after the other.
    async fn times(&mut self) -> Vec<Duration> {
        let mut connection = self.opened().await;
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut times = Vec::new();
        for call in 1..=CALLS {
            if call % CALLS_OF_A_KEY == 0 {
                connection = self.opened().await;
            }
            pace.tick().await;
            let began = Instant::now();
            let page = connection.scan(None, self.recorded.limit()).await.unwrap();
            times.push(began.elapsed());
            assert_eq!(page.contacts.len(), CONTACTS as usize);
        }
        times
    }
}

/// An integration whose connector does its worst, again and again.
struct Hostile {
    calls: JoinSet<()>,
    ended: Arc<AtomicU64>,
    enough: Arc<AtomicBool>,
}

impl Hostile {
    fn start(faulty: &Connector, fault: &str, at_a_time: usize) -> Self {
        let url = "https://crm.example";
        let settings = ConnectionSettings {
            integration: IntegrationId("hostile".to_owned()),
            settings: BTreeMap::from([
                ("url".to_owned(), json!(url)),
                ("fault".to_owned(), json!(fault)),
                ("target".to_owned(), json!(format!("{url}/echo"))),
            ]),
            secrets: BTreeMap::from([("api-key".to_owned(), SecretString::from("hostile-key"))]),
            grant: Grant { origins: vec![url.to_owned()], private_network: false },
            limits: Limits::from(&BTreeMap::new()).unwrap(),
        };
        let connection = Connection::open(faulty, settings).unwrap();
        let (ended, enough) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut calls = JoinSet::new();
        for _ in 0..at_a_time {
            let (connection, ended, enough) = (connection.clone(), Arc::clone(&ended), Arc::clone(&enough));
            calls.spawn(async move {
                let mut again = tokio::time::interval(AGAIN);
                again.set_missed_tick_behavior(MissedTickBehavior::Delay);
                while !enough.load(Ordering::Relaxed) {
                    again.tick().await;
                    // How it ends is not measured; "none" ends well.
                    let _ended = connection.scan(None, 10).await;
                    ended.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { calls, ended, enough }
    }

    /// Breaks its calls off; how many had ended by themselves.
    async fn end(mut self) -> u64 {
        self.enough.store(true, Ordering::Relaxed);
        self.calls.shutdown().await;
        self.ended.load(Ordering::Relaxed)
    }
}

/// The same, once it no longer falls: calls that were broken off give their memory back a moment later.
async fn settled() -> u64 {
    let (mut before, mut pace) = (u64::MAX, tokio::time::interval(AGAIN));
    loop {
        pace.tick().await;
        let now = resident();
        if now >= before {
            return now;
        }
        before = now;
    }
}

/// MiB of memory that this process has, where the system says.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or_default() >> 10
}

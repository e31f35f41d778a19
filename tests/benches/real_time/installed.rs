//! An installation to measure: the program as it is released, serving, between the simulators.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sluice::integration::IntegrationId;
use sluice::store::{PostgresStore, SqliteStore, Store};
use sluice_sandbox::{ApsisSwitches, LimeSwitches, People, SandboxConfig};
use sluice_tests::ports::free_port;
use sluice_tests::processes::Followed;
use sluice_tests::rig::{ACME, Rig, until};

use crate::On;

/// Seldom enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub struct Installed {
    pub rig: Rig,
    _served: Followed,
    /// What it remembers, opened beside it.
    store: Arc<dyn Store>,
    pub address: SocketAddr,
    /// Where the simulated Lime delivers to.
    pub path: String,
}

/// An APSIS One and a Lime that limit nobody.
pub fn without_limits(persons: u64) -> SandboxConfig {
    SandboxConfig {
        people: People::Generated { persons, seed: 7 },
        apsis: ApsisSwitches {
            account_per_second: 1_000_000,
            profile_per_second: 1_000_000,
            ..ApsisSwitches::default()
        },
        lime: LimeSwitches { rate_limit: 1_000_000_000, ..LimeSwitches::default() },
        ..SandboxConfig::default()
    }
}

/// A client that keeps to no limit but its own.
pub fn unlimited(text: String) -> String {
    text.replace("[apsis]", "[apsis]\nrequests-per-second = 100000")
        + "\n[sync]\nimport-threshold = 100\n[real-time]\nnew-contacts = \"immediately\"\n"
}

impl Installed {
    pub async fn start(on: On, config: SandboxConfig) -> Self {
        let rig = Rig::start_on(on.url(), config, unlimited).await;
        let address: SocketAddr = ([127, 0, 0, 1], free_port()).into();
        let (listen, url) = (address.to_string(), format!("http://{address}"));
        let mut served = Followed::start(&rig, &["serve", "--listen", &listen, "--public-url", &url]);
        served.until(|line| line["listening"].is_string()).await;
        until("the webhook is set up", || !rig.sandbox.lime_subscriptions().is_empty()).await;
        let target = rig.sandbox.lime_subscriptions()[0].target_url.clone();
        let path = target.strip_prefix(&url).unwrap().to_owned();
        let store: Arc<dyn Store> = match rig.store() {
            Some(url) => Arc::new(PostgresStore::open(url).await.unwrap()),
            None => Arc::new(SqliteStore::open(&rig.data().join("sluice.db")).unwrap()),
        };
        Self { rig, _served: served, store, address, path }
    }

    /// Has the integration take deliveries and hold them, or work.
    pub async fn enable(&self, enabled: bool) {
        let verb = if enabled { "enable" } else { "disable" };
        assert_eq!(self.rig.run(&["integration", verb, ACME]).await.code(), 0);
    }

    /// Waits until everything has its outcome.
    pub async fn until_empty(&self) {
        let (id, mut pace) = (IntegrationId(ACME.to_owned()), tokio::time::interval(LOOK_EVERY));
        loop {
            pace.tick().await;
            let status = self.store.lane_status(&id).await.unwrap();
            if status.deliveries_waiting + status.contacts_waiting == 0 {
                return;
            }
        }
    }
}

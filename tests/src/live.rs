//! An installation that serves: the program takes what the simulated Lime CRM sends.

use std::ops::Deref;
use std::time::{Duration, Instant};

use crate::dice;
use crate::expected::{Expected, people_of, sharing};
use crate::ports::free_port;
use crate::postgres;
use crate::processes::Followed;
use crate::rig::{ACME, Rig, eventually};
use crate::sides::{VISITS, profiles};
use serde_json::Value;
use sluice_sandbox::{Editor, SandboxConfig, WebhookCounters};

/// How long a test waits for the two sides to become quiet.
const PATIENCE: Duration = Duration::from_secs(1200);

/// The two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Sqlite,
    Postgres,
}

impl On {
    pub fn url(self) -> Option<String> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some(postgres::database().url),
        }
    }
}

/// New contacts get their profiles at once.
pub const IMMEDIATELY: &str = "\n[real-time]\nnew-contacts = \"immediately\"\n";

pub struct Live {
    rig: Rig,
    port: u16,
    served: Option<Followed>,
}

impl Deref for Live {
    type Target = Rig;

    fn deref(&self) -> &Rig {
        &self.rig
    }
}

impl Live {
    /// An installation that serves, with its webhook set up.
    pub async fn start(on: On, config: SandboxConfig, change: impl FnOnce(String) -> String) -> Self {
        Self::start_at(on.url(), config, change).await
    }

    /// The same on this store.
    pub async fn start_at(
        store: Option<String>,
        config: SandboxConfig,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let mut live = Self::still(store, config, change).await;
        live.serve().await;
        live.until_subscribed().await;
        live
    }

    /// An installation that does not serve yet.
    pub async fn still(
        store: Option<String>,
        config: SandboxConfig,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let rig = Rig::start_on(store, config, change).await;
        Self { rig, port: free_port(), served: None }
    }

    /// The address that the CRM reaches it under.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts serving.
    pub async fn serve(&mut self) {
        let address = format!("127.0.0.1:{}", self.port);
        let mut served =
            Followed::start(&self.rig, &["serve", "--listen", &address, "--public-url", &self.url()]);
        served.until(|line| line["listening"].is_string()).await;
        self.served = Some(served);
    }

    /// Kills it, as a power cut would.
    pub async fn kill(&mut self) {
        let served = self.served.take().expect("it serves");
        served.signal("KILL");
        served.end().await;
    }

    /// Tells it to stop, and waits until it has.
    pub async fn stop(&mut self) {
        let served = self.served.take().expect("it serves");
        served.signal("TERM");
        assert_eq!(served.end().await.0, Some(0));
    }

    /// Has the store believe that the last daily runs were so many days ago; nobody serves.
    pub fn put_back_daily(&self, days: i64) {
        let statement = format!("UPDATE lanes SET daily_done = daily_done - {}", days * 86_400_000_000);
        match self.store() {
            Some(url) => postgres::sql(url, &statement),
            None => drop(
                rusqlite::Connection::open(self.data().join("sluice.db"))
                    .unwrap()
                    .execute(&statement, [])
                    .unwrap(),
            ),
        }
    }

    /// Somebody who works in the CRM.
    pub fn editor(&self) -> Editor {
        Editor::new(&self.sandbox, dice::seed()).unwrap()
    }

    /// Waits until the CRM knows where to send.
    pub async fn until_subscribed(&self) {
        self.until_subscribed_at(&self.url()).await;
    }

    /// The same for what is reached under another address.
    pub async fn until_subscribed_at(&self, url: &str) {
        crate::rig::until("the webhook is set up", || {
            self.sandbox.lime_subscriptions().iter().any(|it| it.target_url.starts_with(url))
        })
        .await;
    }

    pub async fn status(&self) -> Value {
        self.run(&["status", ACME]).await.last().clone()
    }

    /// Waits until a run is active.
    pub async fn until_gate_closed(&self) {
        eventually("the gate is closed", async || {
            self.status().await["gate-closed-by"].is_number().then_some(())
        })
        .await;
    }

    /// Waits until everything that was sent has its outcome; gives what the sender counted.
    pub async fn until_quiet(&self) -> WebhookCounters {
        let (start, mut pace) = (Instant::now(), tokio::time::interval(Duration::from_millis(100)));
        loop {
            pace.tick().await;
            let sent = self.sandbox.webhooks_idle().await;
            let status = self.status().await;
            let waiting = |name: &str| status[name].as_u64().unwrap_or_else(|| panic!("{status}"));
            if waiting("deliveries-waiting") + waiting("contacts-waiting") == 0 {
                return sent;
            }
            assert!(start.elapsed() < PATIENCE, "it does not become quiet: {status}");
        }
    }

    /// The two sides are equal under the rules, contact by contact, as the simulators themselves know them.
    pub fn assert_equal(&self) {
        let (people, profiles, once_sharing) = (people_of(&self.sandbox), profiles(&self.sandbox), sharing());
        for (id, expected) in &people {
            match (expected, profiles.get(id)) {
                (Expected::Profile { attributes, consents }, Some(profile)) => {
                    assert_eq!(&profile.0, attributes, "attributes of {id}");
                    let mut states = profile.1.clone();
                    if once_sharing.contains(id) {
                        states.retain(|of, state| consents.contains_key(of) || state != "opt-out");
                    }
                    assert_eq!(&states, consents, "consents of {id}");
                }
                (Expected::Profile { .. }, None) => panic!("{id} has no profile"),
                (_, None) => {}
                // It had one before; what it says no to, it is not opted in to.
                (_, Some(profile)) => self.assert_no_more_than_given(id, &profile.1),
            }
        }
        for id in profiles.keys() {
            assert!(people.contains_key(id), "{id} is gone from the CRM, and has a profile");
        }
    }

    /// No older state was ever written over a newer one.
    pub fn assert_in_order(&self) {
        for profile in self.sandbox.profiles() {
            assert!(!profile.lowered.contains_key(VISITS), "{:?} went back in time", profile.crm_id);
        }
    }

    /// Nobody is opted in to what the CRM does not say yes to.
    pub fn assert_no_more_than_given(
        &self,
        id: &str,
        consents: &std::collections::BTreeMap<(String, String), String>,
    ) {
        let given = crate::expected::consents_of(&self.sandbox, id.parse().unwrap());
        for (of, state) in consents {
            let says = given.get(of).map(String::as_str);
            assert!(
                state == "opt-out" || says == Some("opt-in"),
                "{id} is opted in to {of:?}, and says {says:?}"
            );
        }
    }

    /// How many deliveries came to each outcome; none may be without one.
    pub async fn outcomes(&self) -> std::collections::BTreeMap<String, u64> {
        let listed = self.run(&["deliveries", "list", ACME, "--limit", "10000000"]).await;
        assert_eq!(listed.code(), 0, "{}", listed.log);
        let mut outcomes = std::collections::BTreeMap::new();
        for line in &listed.lines {
            let outcome = line["outcome"].as_str().unwrap_or_else(|| panic!("no outcome: {line}"));
            *outcomes.entry(outcome.to_owned()).or_default() += 1;
        }
        outcomes
    }
}

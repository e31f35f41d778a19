//! An installation with a campaign in the CRM that nobody takes part in as yet, and a tag for it in APSIS One.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};
use sluice_sandbox::SandboxConfig;
use sluice_tests::rig::{ACME, Ended, eventually};

use crate::live::{Live, On};

/// Tags that the simulated section has.
pub const FAIR: (&str, &str) = ("usercreated.tags.spring_fair-t7y3u9i2o5", "Spring fair");
pub const CUSTOMERS: (&str, &str) = ("usercreated.tags.customers-b2v5n8m1k4", "Customers");

pub struct World {
    live: Live,
    campaign: u64,
    /// Who takes part, with the record that says so.
    participants: BTreeMap<String, u64>,
}

impl Deref for World {
    type Target = Live;

    fn deref(&self) -> &Live {
        &self.live
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Live {
        &mut self.live
    }
}

impl World {
    /// All are synced; nobody serves.
    pub async fn synced(on: On, config: SandboxConfig) -> Self {
        let pages = "\n[sync]\npage-size = 10\n";
        let live = Live::still(on.url(), config, |text| text + pages).await;
        let synced = live.sync().await;
        assert_eq!(synced.last()["phase"], "completed", "{}: {}", synced.last(), synced.log);
        let campaign = json!({ "name": "Höstmässan", "budget": 0, "outcome": 0 });
        let campaign = live.sandbox.lime_create("campaign", &campaign).unwrap();
        Self { live, campaign, participants: BTreeMap::new() }
    }

    /// The overview's id.
    pub fn overview(&self) -> String {
        format!("campaign:{}", self.campaign)
    }

    /// People who have a profile.
    pub fn people(&self, count: usize) -> Vec<String> {
        let profiles = self.sandbox.profiles();
        let people: Vec<String> =
            profiles.into_iter().filter_map(|profile| profile.crm_id).take(count).collect();
        assert_eq!(people.len(), count, "so many have a profile");
        people
    }

    /// Somebody takes part in the CRM.
    pub fn join(&mut self, person: &str) {
        let id: u64 = person.parse().unwrap();
        let record = json!({ "person": id, "campaign": self.campaign });
        let record = self.live.sandbox.lime_create("participant", &record).unwrap();
        self.participants.insert(person.to_owned(), record);
    }

    /// Somebody takes part no more.
    pub fn leave(&mut self, person: &str) {
        let record = self.participants.remove(person).unwrap();
        self.live.sandbox.lime_delete("participant", record).unwrap();
    }

    /// Who takes part in the CRM.
    pub fn members(&self) -> BTreeSet<String> {
        self.participants.keys().cloned().collect()
    }

    /// Who has a tag in APSIS One.
    pub fn tagged(&self, (tag, _): (&str, &str)) -> BTreeSet<String> {
        let profiles = self.sandbox.profiles().into_iter();
        let tagged = profiles.filter(|profile| profile.tags.iter().any(|known| known == tag));
        tagged.filter_map(|profile| profile.crm_id).collect()
    }

    /// A command on the overview.
    pub async fn on(&self, command: &str, more: &[&str]) -> Ended {
        let overview = self.overview();
        let mut arguments = vec!["overview", command, ACME, &overview];
        arguments.extend(more);
        self.run(&arguments).await
    }

    /// It is imported as this tag, by hand.
    pub async fn add(&self) {
        let added = self.on("add", &["--tag", FAIR.1]).await;
        assert_eq!(added.code(), 0, "{:?} {}", added.lines, added.log);
    }

    /// Imports by hand, and it goes well; the import.
    pub async fn import(&self) -> Value {
        let import = self.on("import", &[]).await;
        assert_eq!(import.code(), 0, "{:?} {}", import.lines, import.log);
        assert_adds_up(import.last());
        import.last().clone()
    }

    /// The overview's imports, the newest first.
    pub async fn imports(&self) -> Vec<Value> {
        self.on("imports", &[]).await.lines
    }

    /// Waits until the newest import has ended; the import.
    pub async fn until_imported(&self) -> Value {
        eventually("the import has ended", async || {
            self.imports().await.first().filter(|import| !import["ended-at"].is_null()).cloned()
        })
        .await
    }

    /// Has the store believe that recurring imports were last done so many days ago.
    pub fn put_back(&self, days: i64) {
        let statement = format!("UPDATE overviews SET done = done - {}", days * 86_400_000_000);
        self.sql(&statement);
    }

    /// Runs a statement on the store, beside the program.
    pub fn sql(&self, statement: &str) {
        match self.store() {
            Some(url) => sluice_tests::postgres::sql(url, statement),
            None => drop(
                rusqlite::Connection::open(self.data().join("sluice.db"))
                    .unwrap()
                    .execute(statement, [])
                    .unwrap(),
            ),
        }
    }
}

/// read = added + unchanged + skipped.
pub fn assert_adds_up(import: &Value) {
    let of = |name: &str| count(import, name);
    assert_eq!(of("read"), of("added") + of("unchanged") + of("skipped"), "{import}");
}

pub fn count(import: &Value, name: &str) -> u64 {
    import["counters"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {import}"))
}

//! A small CRM in memory: what it has, and what it answers. Made-up people only.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

/// The key that it takes.
pub const KEY: &str = "fake-key";

/// The CRM.
pub struct FakeCrm {
    people: BTreeMap<u64, Json>,
    next: u64,
    now: String,
}

/// An answer: a status and JSON.
pub type Answer = (u16, Json);

impl FakeCrm {
    /// One with so many people.
    pub fn new(people: u64) -> Self {
        let mut crm = Self { people: BTreeMap::new(), next: 101, now: "2026-01-01T00:00:00Z".to_owned() };
        for _ in 0..people {
            crm.add();
        }
        crm
    }

    /// What time it is from now on, RFC 3339 in UTC.
    pub fn set_time(&mut self, now: &str) {
        self.now = now.to_owned();
    }

    /// The ids of all.
    pub fn ids(&self) -> Vec<String> {
        self.people.keys().map(u64::to_string).collect()
    }

    /// Adds somebody.
    pub fn add(&mut self) -> String {
        let id = self.next;
        self.next += 1;
        let first = ["Astrid", "Björn", "Chloé", "Þóra", "", "Nils"][(id % 6) as usize];
        let kind = ["customer", "partner", "prospect"][(id % 3) as usize];
        let mut person = json!({
            "id": id, "changed": self.now, "first": first, "last": format!("Sample{id}"),
            "email": format!("person{id}@example.com"), "mobile": format!("+4670{:07}", id),
            "kind": kind, "newsletter": id.is_multiple_of(2),
        });
        // Some things are missing, as they are in every CRM.
        for (every, field) in [(7, "email"), (5, "mobile"), (11, "newsletter"), (13, "kind")] {
            if id.is_multiple_of(every) {
                person[field] = Json::Null;
            }
        }
        self.people.insert(id, person);
        id.to_string()
    }

    /// Changes somebody.
    pub fn change(&mut self, id: &str) -> bool {
        let now = self.now.clone();
        let person = id.parse().ok().and_then(|id: u64| self.people.get_mut(&id));
        person
            .map(|person| {
                person["last"] = json!(format!("{}a", person["last"].as_str().unwrap_or_default()));
                person["changed"] = json!(now);
            })
            .is_some()
    }

    /// Removes somebody.
    pub fn delete(&mut self, id: &str) -> bool {
        id.parse().is_ok_and(|id: u64| self.people.remove(&id).is_some())
    }

    /// What it answers to `GET path?query`.
    pub fn get(&self, path: &str, query: &str, key: Option<&str>) -> Answer {
        if key != Some(KEY) {
            return (401, json!({ "error": "the key is not known" }));
        }
        let of_query = |name: &str| {
            query.split('&').filter_map(|pair| pair.split_once('=')).find(|(other, _)| *other == name)
        };
        let number = |name: &str, otherwise: u64| {
            of_query(name).and_then(|(_, value)| value.parse().ok()).unwrap_or(otherwise)
        };
        if path == "/people" {
            let since = of_query("since").map_or_else(String::new, |(_, value)| {
                value.replace("%3A", ":").replace("%2D", "-").replace("%2E", ".")
            });
            let people = self.people.range(number("behind", 0) + 1..).map(|(_, person)| person);
            let people = people.filter(|person| person["changed"].as_str() >= Some(since.as_str()));
            return (200, people.take(number("limit", 100) as usize).cloned().collect());
        }
        let person = path.strip_prefix("/people/").and_then(|id| self.people.get(&id.parse().ok()?));
        person.map_or_else(
            || (404, json!({ "error": "there is no such person" })),
            |person| (200, person.clone()),
        )
    }
}

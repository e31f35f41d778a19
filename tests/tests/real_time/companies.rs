//! A company that changes: its people show its values, so they are looked at again.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluice_sandbox::{Fault, FaultRule, Sandbox, SandboxConfig, When};
use sluice_tests::rig::{ACME, eventually};

use crate::live::{IMMEDIATELY, Live, On};

const COMPANY: &str = "usercreated.attributes.company-h7g6f5d4s3";

/// Only the people of companies of two kinds.
const CONDITION: &str = "\n[[conditions]]\nfield = \"company.customertype\"\none-of = [\"A\", \"B\"]\n";

/// The company of most people who have profiles, and they.
fn largest(sandbox: &Sandbox) -> (u64, Vec<String>) {
    let mut people: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for profile in sandbox.profiles() {
        let id = profile.crm_id.unwrap();
        let person = sandbox.lime_object("person", id.parse().unwrap()).unwrap();
        if let Some(company) = person["company"].as_u64() {
            people.entry(company).or_default().push(id);
        }
    }
    people.into_iter().max_by_key(|(_, people)| people.len()).unwrap()
}

/// What the profiles of these people have in an attribute.
fn values(sandbox: &Sandbox, people: &[String], attribute: &str) -> Vec<Value> {
    let profiles = sandbox.profiles();
    let of = |id: &String| profiles.iter().find(|profile| profile.crm_id.as_ref() == Some(id)).unwrap();
    people.iter().map(|id| of(id).attributes[attribute].clone()).collect()
}

/// What became of the last message about the company, with the number of changes that came of it.
async fn told(live: &Live, company: u64) -> Value {
    let listed = live.run(&["deliveries", "list", ACME, "--limit", "1"]).await;
    let number = listed.last()["number"].to_string();
    let shown = live.run(&["deliveries", "show", ACME, &number]).await;
    assert!(shown.last().to_string().contains(&company.to_string()), "{:?}", shown.lines);
    shown.last().clone()
}

async fn its_people_are_looked_at_again(on: On, config: SandboxConfig) {
    let live = Live::start(on, config, |text| text + IMMEDIATELY + CONDITION).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let (company, people) = largest(&live.sandbox);
    assert!(people.len() >= 3, "{people:?}");

    live.sandbox.lime_update("company", company, &json!({ "name": "Ny Firma AB" })).unwrap();
    live.until_quiet().await;
    assert!(values(&live.sandbox, &people, COMPANY).iter().all(|name| name == "Ny Firma AB"));
    assert_eq!(told(&live, company).await["delivery"]["outcome"], "updated");

    // Now the condition does not hold for them any more.
    live.sandbox.lime_update("company", company, &json!({ "customertype": "c", "name": "Namnlös" })).unwrap();
    live.until_quiet().await;
    assert!(values(&live.sandbox, &people, COMPANY).iter().all(|name| name == "Ny Firma AB"), "not updated");
    for person in &people {
        let story = live.run(&["contact", "show", ACME, person]).await.last().clone();
        assert_eq!(story["ledger"]["outcome"], "excluded", "{story}");
    }
    live.sandbox.lime_update("company", company, &json!({ "customertype": "b" })).unwrap();
    live.until_quiet().await;
    assert!(values(&live.sandbox, &people, COMPANY).iter().all(|name| name == "Namnlös"));
}

#[tokio::test]
async fn on_sqlite_its_people_are_looked_at_again() {
    its_people_are_looked_at_again(On::Sqlite, SandboxConfig::default()).await;
}

#[tokio::test]
async fn on_postgres_its_people_are_looked_at_again() {
    its_people_are_looked_at_again(On::Postgres, SandboxConfig::default()).await;
}

#[tokio::test]
async fn a_crm_that_is_away_when_its_people_are_asked_for_costs_nothing() {
    let config = SandboxConfig::default();
    let live = Live::start(On::Sqlite, config, |text| text + IMMEDIATELY + CONDITION).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let (company, people) = largest(&live.sandbox);
    live.sandbox.add_fault(FaultRule {
        route: "lime".to_owned(),
        fault: Fault::Status { status: 503, retry_after: None },
        when: When::Probability(1.0),
    });
    live.sandbox.lime_update("company", company, &json!({ "name": "Ny Firma AB" })).unwrap();
    let paused = eventually("the lane pauses", async || {
        let status = live.status().await;
        status["pause"]["kind"].is_string().then_some(status)
    })
    .await;
    assert_eq!(paused["pause"]["kind"], "remote", "{paused}");
    live.sandbox.clear_faults();
    live.until_quiet().await;
    assert!(values(&live.sandbox, &people, COMPANY).iter().all(|name| name == "Ny Firma AB"));
    assert_eq!(told(&live, company).await["delivery"]["outcome"], "updated");
}

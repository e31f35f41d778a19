//! An installation between the two, and what each person of webCRM must come to: worked out from the simulator itself,
//! with no code of the host or of the connector.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sluice_sandbox::{Sandbox, SandboxConfig, WebcrmConfig, WebcrmSwitches};
use sluice_tests::rig::{Ended, Rig};
use sluice_tests::sides::{Profile, profiles};

/// The integration's id.
pub const WEBCRM: &str = "acme-webcrm";

const INTEGRATION: &str = include_str!("acme-webcrm.toml");

const FIRST_NAME: &str = "com.apsis1.attributes.firstname";
const LAST_NAME: &str = "com.apsis1.attributes.lastname";
const EMAIL: &str = "com.apsis1.attributes.email";
pub const COMPANY: &str = "usercreated.attributes.company-h7g6f5d4s3";

const BY_EMAIL: &str = "com.apsis1.channels.email";

/// The field of the person, and the topic that it is mapped to.
const CONSENTS: [(&str, &str); 3] = [
    ("PersonCheckMark1", "usercreated.topics.newsletter-rg4kf3kt24"),
    ("PersonCheckMark2", "usercreated.topics.invitations-c8v7b6n5m4"),
    ("PersonCustom3", "usercreated.topics.offers-d1f2g3h4j5"),
];

/// So many made-up people in webCRM.
pub fn people(persons: u64, switches: WebcrmSwitches) -> SandboxConfig {
    let webcrm = WebcrmConfig { persons, seed: 7, switches, ..WebcrmConfig::default() };
    SandboxConfig { webcrm, ..SandboxConfig::default() }
}

/// The integration's file in place of Lime's, of which it takes the addresses.
pub fn integration(lime: &str) -> String {
    let apsis = lime.split_once("[apsis]\nurl = \"").unwrap().1.split_once('"').unwrap().0;
    INTEGRATION.replace("{apsis_url}", apsis).replace("webcrm.wasm", env!("WEBCRM_WASM"))
}

pub async fn start(config: SandboxConfig, more: &str) -> Rig {
    Rig::start_with(config, |lime| integration(&lime) + more).await
}

pub async fn sync(rig: &Rig) -> Ended {
    rig.run(&["sync", "start", WEBCRM]).await
}

/// Does a full sync that fails; gives the run.
pub async fn failure(rig: &Rig) -> Value {
    let ended = sync(rig).await;
    assert_eq!(ended.code(), 1, "{:?} {}", ended.lines, ended.log);
    let run = rig.run(&["sync", "list", WEBCRM]).await.lines.first().expect("the run is listed").clone();
    assert_eq!(run["phase"], "failed", "{run}");
    run
}

/// Who is in webCRM now, by id.
pub fn persons(sandbox: &Sandbox) -> BTreeMap<u64, Value> {
    let ids = sandbox.webcrm_ids("Person").unwrap();
    ids.into_iter().map(|id| (id, sandbox.webcrm_record("Person", id).unwrap())).collect()
}

/// Whether a person can have a profile: it has an address that is one.
pub fn has_address(person: &Value) -> bool {
    person["PersonEmail"].as_str().unwrap().contains('@')
}

/// What a person says yes to by e-mail.
pub fn given(person: &Value) -> BTreeSet<&'static str> {
    let is_ticked = |field: &str| person[field] == true || person[field] == "Yes";
    let blocks = person["PersonBlockMassEmail"] == true;
    CONSENTS.iter().filter(|(field, _)| !blocks && is_ticked(field)).map(|(_, topic)| *topic).collect()
}

/// A profile is as its person wants it.
fn assert_is(sandbox: &Sandbox, person: &Value, profile: &Profile) {
    let id = &person["PersonId"];
    for (field, attribute) in
        [("PersonFirstName", FIRST_NAME), ("PersonLastName", LAST_NAME), ("PersonEmail", EMAIL)]
    {
        let has = profile.0.get(attribute).and_then(Value::as_str).unwrap_or_default();
        assert_eq!(has, person[field].as_str().unwrap(), "{field} of {id}");
    }
    let company = person["PersonOrganisationId"].as_u64().filter(|id| *id > 0);
    let company = company.and_then(|id| sandbox.webcrm_record("Organisation", id).ok());
    let name = company.map_or(Value::Null, |company| company["OrganisationName"].clone());
    assert_eq!(profile.0.get(COMPANY).cloned().unwrap_or_default(), name, "the company of {id}");
    let given = given(person);
    for (_, topic) in CONSENTS {
        let state = profile.1.get(&(topic.to_owned(), BY_EMAIL.to_owned())).map(String::as_str);
        assert_eq!(state == Some("opt-in"), given.contains(topic), "{topic} of {id} is {state:?}");
    }
    assert!(profile.1.keys().all(|(_, channel)| channel == BY_EMAIL), "nothing but e-mail was mapped");
}

/// Everybody who can have a profile has one that is right, and nobody else has one.
pub fn assert_equal(sandbox: &Sandbox) {
    let (persons, profiles) = (persons(sandbox), profiles(sandbox));
    let expected: BTreeSet<String> =
        persons.iter().filter(|(_, person)| has_address(person)).map(|(id, _)| id.to_string()).collect();
    assert_eq!(profiles.keys().cloned().collect::<BTreeSet<_>>(), expected);
    for (id, profile) in &profiles {
        assert_is(sandbox, &persons[&id.parse::<u64>().unwrap()], profile);
    }
}

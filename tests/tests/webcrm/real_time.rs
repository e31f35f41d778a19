//! webCRM's hooks, which say no more than that a record changed, bring APSIS One to what webCRM has.

use std::time::{Duration, Instant};

use serde_json::json;
use sluice_sandbox::{HookBody, WebcrmSwitches};
use sluice_tests::live::{IMMEDIATELY, Live};
use sluice_tests::rig::until;

use crate::world::{COMPANY, WEBCRM, assert_equal, has_address, integration, people, persons, sync};

/// An installation whose people are synced, which serves and has its hooks set up.
async fn live() -> Live {
    let config = people(60, WebcrmSwitches::default());
    let mut live = Live::still(None, config, |lime| integration(&lime) + IMMEDIATELY).await;
    assert_eq!(sync(&live).await.last()["phase"], "completed");
    live.serve().await;
    until("the hooks are set up", || live.sandbox.webcrm_hooks().len() == 5).await;
    live
}

/// Waits until all that was sent has its outcome.
async fn until_quiet(live: &Live) {
    let (start, mut pace) = (Instant::now(), tokio::time::interval(Duration::from_millis(100)));
    loop {
        pace.tick().await;
        live.sandbox.webcrm_hooks_idle().await;
        let status = live.run(&["status", WEBCRM]).await.last().clone();
        let waiting = |name: &str| status[name].as_u64().unwrap_or_else(|| panic!("{status}"));
        if waiting("deliveries-waiting") + waiting("contacts-waiting") == 0 {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(300), "it does not become quiet: {status}");
    }
}

#[tokio::test]
async fn whatever_changes_follows_whatever_a_hook_looks_like() {
    let live = live().await;
    let sandbox = &live.sandbox;
    let mut fit = persons(sandbox).into_iter().filter(|(_, person)| has_address(person)).map(|(id, _)| id);
    for shape in [HookBody::Address, HookBody::AddressInObject, HookBody::Record, HookBody::Number] {
        sandbox.set_webcrm_switches(WebcrmSwitches { hook_body: shape, ..WebcrmSwitches::default() });
        let (changed, ticked, blocked, gone) =
            (fit.next().unwrap(), fit.next().unwrap(), fit.next().unwrap(), fit.next().unwrap());
        sandbox.webcrm_update("Person", changed, &json!({"PersonFirstName": "Nova"})).unwrap();
        let boxes = json!({"PersonCheckMark1": true, "PersonCustom3": "Yes", "PersonBlockMassEmail": false});
        sandbox.webcrm_update("Person", ticked, &boxes).unwrap();
        sandbox.webcrm_update("Person", blocked, &json!({"PersonBlockMassEmail": true})).unwrap();
        sandbox.webcrm_delete("Person", gone).unwrap();
        let new = json!({"PersonLastName": "Ny", "PersonEmail": format!("ny{gone}@ny.example"),
            "PersonOrganisationId": 11, "PersonCheckMark2": true});
        let new = sandbox.webcrm_create("Person", &new).unwrap();
        until_quiet(&live).await;
        assert!(sandbox.profile(&gone.to_string()).is_none(), "{shape:?}");
        assert!(sandbox.profile(&new.to_string()).is_some(), "{shape:?}");
        assert_equal(sandbox);
    }
}

#[tokio::test]
async fn the_people_of_an_organisation_that_changes_follow_it() {
    let live = live().await;
    let sandbox = &live.sandbox;
    let of = |organisation: u64| {
        persons(sandbox)
            .values()
            .filter(|person| has_address(person) && person["PersonOrganisationId"] == organisation)
            .count()
    };
    let organisations = sandbox.webcrm_ids("Organisation").unwrap();
    let organisation = organisations.into_iter().max_by_key(|id| of(*id)).unwrap();
    sandbox
        .webcrm_update("Organisation", organisation, &json!({"OrganisationName": "Ny Firma ApS"}))
        .unwrap();
    until_quiet(&live).await;
    assert_equal(sandbox);
    let profiles = sandbox.profiles();
    let named = profiles
        .iter()
        .filter(|profile| profile.attributes.get(COMPANY) == Some(&json!("Ny Firma ApS")))
        .count();
    assert!(named >= 3 && named == of(organisation), "{named}");
}

#[tokio::test]
async fn what_does_not_carry_the_token_is_refused_at_the_door() {
    let live = live().await;
    let genuine = live.sandbox.webcrm_hooks().first().unwrap().target_url.clone();
    let http = reqwest::Client::new();
    let body = "https://api.webcrm.com/Persons/101";
    assert_eq!(http.post(&genuine).body(body).send().await.unwrap().status(), 202);
    let (address, _) = genuine.split_once('?').unwrap();
    let forged = genuine.replace("a-token", "b-token");
    for url in [address, &forged, &format!("{address}?token=")] {
        assert_eq!(http.post(url).body(body).send().await.unwrap().status(), 401, "{url}");
    }
}

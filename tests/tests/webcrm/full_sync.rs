//! A full sync of webCRM: everybody, once, whatever people there do meanwhile.

use serde_json::json;
use sluice_sandbox::{Fault, FaultRule, WebcrmSwitches, When};
use sluice_tests::rig::{Rig, assert_adds_up, counter, ended, until};
use sluice_tests::sides::profiles;

use crate::world::{WEBCRM, assert_equal, failure, has_address, people, persons, start, sync};

#[tokio::test]
async fn everybody_comes_over_with_company_and_consents() {
    let rig = start(people(600, WebcrmSwitches::default()), "").await;
    let checked = rig.run(&["doctor", WEBCRM]).await;
    assert_eq!(checked.code(), 0, "{:?} {}", checked.lines, checked.log);
    let run = sync(&rig).await;
    assert_eq!(run.last()["phase"], "completed", "{} {}", run.last(), run.log);
    assert_adds_up(run.last());
    let fit = persons(&rig.sandbox).values().filter(|person| has_address(person)).count() as u64;
    assert_eq!(counter(run.last(), "read"), 600);
    assert_eq!(counter(run.last(), "created"), fit);
    assert_eq!(counter(run.last(), "rejected"), 600 - fit);
    assert_equal(&rig.sandbox);

    let again = sync(&rig).await;
    assert_eq!(counter(again.last(), "unchanged"), fit, "{}", again.last());
}

#[tokio::test]
async fn a_condition_on_the_organisation_holds() {
    let more =
        "\n[[conditions]]\nfield = \"company.OrganisationType\"\none-of = [\"A Kunde\", \"B Kunde\"]\n";
    let rig = start(people(200, WebcrmSwitches::default()), more).await;
    let run = sync(&rig).await;
    assert_eq!(run.last()["phase"], "completed", "{} {}", run.last(), run.log);
    let kind = |organisation: u64| {
        let record = rig.sandbox.webcrm_record("Organisation", organisation).unwrap();
        record["OrganisationType"].as_str().unwrap().to_owned()
    };
    let matches = |person: &serde_json::Value| {
        let organisation = person["PersonOrganisationId"].as_u64().unwrap();
        organisation > 0 && ["A Kunde", "B Kunde"].contains(&kind(organisation).as_str())
    };
    let expected: Vec<String> = persons(&rig.sandbox)
        .iter()
        .filter(|(_, person)| has_address(person) && matches(person))
        .map(|(id, _)| id.to_string())
        .collect();
    let found: Vec<String> = profiles(&rig.sandbox).into_keys().collect();
    assert!(expected.len() > 20, "{}", expected.len());
    assert_eq!(found, expected);
}

#[tokio::test]
async fn by_queries_nobody_is_missed_and_nobody_comes_twice_while_people_move() {
    // Lists come with those first that changed last, so that every write moves somebody.
    let rig = start(people(300, WebcrmSwitches::default()), "\n[sync]\npage-size = 40\n").await;
    read_while_people_move(&rig, "webcrm.query").await;
}

/// Without organisations, so that it is the persons alone that take the time.
const ALONE: (&str, &str) =
    ("[[fields]]\nfield = \"company.OrganisationName\"\nattribute = \"Company\"\nkind = \"text\"\n", "");
const FIELDS: (&str, &str) = ("[secrets]", "fields = [\"PersonFirstName\", \"PersonLastName\"]\n\n[secrets]");

async fn without_queries(lists_by_change: bool) -> Rig {
    let switches = WebcrmSwitches { queries: false, lists_by_change, ..WebcrmSwitches::default() };
    Rig::start_with(people(300, switches), |lime| {
        let text = crate::world::integration(&lime);
        assert!(text.contains(ALONE.0));
        let text = text.replace(ALONE.0, ALONE.1).replace(FIELDS.0, FIELDS.1);
        text + "\n[sync]\npage-size = 40\n"
    })
    .await
}

#[tokio::test]
async fn nor_by_lists_that_are_in_the_order_of_ids() {
    let rig = without_queries(false).await;
    read_while_people_move(&rig, "webcrm.persons").await;
}

#[tokio::test]
async fn lists_in_another_order_are_refused_and_nobody_is_written() {
    let rig = without_queries(true).await;
    let run = failure(&rig).await;
    let message = run["failure"]["message"].as_str().unwrap();
    assert!(message.contains("in the order of their ids"), "{run}");
    assert_eq!(rig.sandbox.profile_count(), 0);
}

async fn read_while_people_move(rig: &Rig, route: &str) {
    let fault = Fault::Latency { min_millis: 200, max_millis: 300 };
    rig.sandbox.add_fault(FaultRule { route: route.to_owned(), fault, when: When::Probability(1.0) });
    let before = rig.sandbox.webcrm_ids("Person").unwrap();
    let child = rig.spawn(&["sync", "start", WEBCRM]);
    let mut deleted = Vec::new();
    for step in 1..=4_usize {
        until("the next pages are read", || rig.answered(route) >= step as u64 * 2).await;
        let place = before.len() * step / 8;
        // At the beginning, around the place that is read, and at the end.
        for at in [step, place, place + 1, place + 60, before.len() - step] {
            if rig.sandbox.webcrm_delete("Person", before[at]).is_ok() {
                deleted.push(before[at]);
            }
        }
        for at in [step + 10, place + 5, before.len() - 10 - step] {
            let title = json!({"PersonTitle": format!("Title {step}")});
            rig.sandbox.webcrm_update("Person", before[at], &title).unwrap();
        }
        let person = json!({"PersonLastName": "Ny", "PersonEmail": format!("ny{step}@ny.example")});
        rig.sandbox.webcrm_create("Person", &person).unwrap();
    }
    let reads = rig.run(&["sync", "list", WEBCRM]).await.last().clone();
    assert_eq!(reads["phase"], "reading", "people moved while the run read: {reads}");
    let run = ended(child).await;
    assert_eq!(run.last()["phase"], "completed", "{} {}", run.last(), run.log);
    assert_adds_up(run.last());
    let (read, there) = (counter(run.last(), "read"), before.len() as u64);
    assert!(read <= there + 4 && read + deleted.len() as u64 >= there, "{read} of {there}");
    let profiles = profiles(&rig.sandbox);
    for (id, person) in persons(&rig.sandbox) {
        if before.contains(&id) && has_address(&person) {
            assert!(profiles.contains_key(&id.to_string()), "{id} was there throughout, and is lost");
        }
    }
}

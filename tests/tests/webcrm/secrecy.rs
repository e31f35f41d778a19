//! Passwords and log-ins are in every person that the simulated webCRM serves. They get no further than the component.

use serde_json::json;
use sluice_sandbox::{SENSITIVE, WebcrmSwitches};
use sluice_tests::rig::{ended, found_below};

use crate::world::{WEBCRM, assert_equal, people, persons, start};

#[tokio::test]
async fn sensitive_fields_are_nowhere_on_this_side() {
    let rig = start(people(120, WebcrmSwitches::default()), "").await;
    for person in persons(&rig.sandbox).values() {
        for field in ["PersonPassword", "PersonCampaignPassword", "PersonMemberPassword", "PersonLoginLog"] {
            assert!(person[field].as_str().unwrap().contains(SENSITIVE), "{field} is served");
        }
    }
    let person = persons(&rig.sandbox).into_keys().next().unwrap().to_string();
    let mut said = String::new();
    for command in [
        vec!["doctor", WEBCRM],
        vec!["sync", "start", WEBCRM],
        vec!["sync", "show", WEBCRM],
        vec!["contact", "show", WEBCRM, &person],
    ] {
        let child = rig.command(&command).env("SLUICE_LOG", "trace").spawn().unwrap();
        let ended = ended(child).await;
        said.push_str(&ended.log);
        said.push_str(&json!(ended.lines).to_string());
    }
    assert_equal(&rig.sandbox);
    assert!(said.contains(WEBCRM) && !said.contains(SENSITIVE), "they are told");
    assert!(!said.contains("PersonPassword") && !said.contains("PersonLoginLog"), "nor are they named");
    assert!(found_below(&rig.data(), WEBCRM), "what is stored is looked through");
    assert!(!found_below(&rig.data(), SENSITIVE), "they are stored");
    let profiles = json!(rig.sandbox.profiles()).to_string();
    assert!(!profiles.contains(SENSITIVE), "they are in APSIS One");
    assert!(!said.contains(rig.sandbox.webcrm_token()), "the application token is told");
    assert!(!found_below(&rig.data(), rig.sandbox.webcrm_token()), "the application token is stored");
}

//! A profile that another source has made of the same address (B16): left alone, or made one with the contact's own, as
//! the integration says; and the stricter of their consents holds.

use serde_json::json;
use sluice_sandbox::{Consent, ConsentType, People, SandboxConfig};
use sluice_tests::rig::{ACME, Rig};
use sluice_tests::sides::text;

const NEWSLETTER: &str = "usercreated.topics.newsletter-rg4kf3kt24";
const BY_EMAIL: &str = "com.apsis1.channels.email";
const ADDRESSES: &str = "com.apsis1.keyspaces.email";
const ADA: &str = "ada@firma.example";

#[tokio::test]
async fn b16_another_profile_of_the_address_is_merged_and_its_opt_out_holds() {
    let rig = rig("merge").await;
    let ada = ada(&rig, true);
    signed_up(&rig, ConsentType::OptOut);
    let run = rig.run(&["sync", "start", ACME]).await;
    assert_eq!(run.last()["phase"], "completed", "{}", run.log);
    let all = rig.sandbox.profiles();
    let [profile] = all.as_slice() else { panic!("they are one: {all:?}") };
    assert_eq!(profile.crm_id.as_deref(), Some(ada.as_str()));
    assert!(profile.keys.contains(&(ADDRESSES.to_owned(), ADA.to_owned())), "{:?}", profile.keys);
    let newsletter: Vec<&serde_json::Value> =
        profile.consents.iter().filter(|one| text(&one["topic_discriminator"]) == NEWSLETTER).collect();
    assert_eq!(newsletter.len(), 1, "{newsletter:?}");
    assert_eq!(
        newsletter[0]["type"], "opt-out",
        "who opted out there is not opted in by the CRM's older yes"
    );
    let shown = rig.run(&["contact", "show", ACME, &ada]).await;
    assert!(shown.last().to_string().contains("opted-out-in-apsis"), "{}", shown.last());
}

#[tokio::test]
async fn b16_another_profile_of_the_address_is_left_alone_unless_asked_for() {
    let rig = rig("leave").await;
    signed_up(&rig, ConsentType::OptIn);
    let ada = ada(&rig, true);
    let run = rig.run(&["sync", "start", ACME]).await;
    assert_eq!(run.last()["phase"], "completed", "{}", run.log);
    assert_eq!(rig.sandbox.profiles().len(), 2);
    assert!(rig.sandbox.profile(&ada).is_some());
    assert_eq!(rig.asked("apsis.merge"), 0);
}

async fn rig(same_address: &str) -> Rig {
    let people = People::Generated { persons: 0, seed: 1 };
    let config = SandboxConfig { people, ..SandboxConfig::default() };
    Rig::start_with(config, |text| {
        text.replace("[apsis]\n", &format!("[apsis]\nsame-address = \"{same_address}\"\n"))
    })
    .await
}

/// Somebody signs up by a form, and says this.
fn signed_up(rig: &Rig, state: ConsentType) {
    let topic = NEWSLETTER.to_owned();
    let consent = Consent { topic, channel: BY_EMAIL.to_owned(), state, modified_at: None };
    rig.sandbox.put_consent_at(ADDRESSES, ADA, &consent).unwrap();
}

/// The same person in the CRM, with an answer given now.
fn ada(rig: &Rig, approved: bool) -> String {
    let person = json!({"firstname": "Ada", "lastname": "Lund", "email": ADA});
    let id = rig.sandbox.lime_create("person", &person).unwrap();
    let consent = json!({"person": id, "consenttype": 1001, "approved": approved,
        "date": "2020-01-01T00:00:00+00:00", "source": "coworker"});
    rig.sandbox.lime_create("consent", &consent).unwrap();
    id.to_string()
}

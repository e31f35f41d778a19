//! Who can be sent to, told with each write.

use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::json;
use sluice_sandbox::{ApsisSwitches, Consent, ConsentType, SandboxConfig};

use crate::support::{BY_EMAIL, BY_SMS, CRM, Client, EMAIL, EMAIL_KEYS, NEWSLETTER, OFFERS};

/// What was told: `+` or `-`, the address, and the end of the topic's name.
type Told = Arc<Mutex<Vec<String>>>;

async fn watched(apsis: ApsisSwitches) -> (Client, Told) {
    let apsis = ApsisSwitches { profile_per_second: 1000, ..apsis };
    let client = Client::start(SandboxConfig { apsis, ..SandboxConfig::default() }).await;
    let told = Told::default();
    let telling = Arc::clone(&told);
    client.sandbox.watch_mailable(move |change| {
        let sign = if change.mailable { '+' } else { '-' };
        let topic = change.of.topic.split(['.', '-']).nth(2).unwrap_or_default();
        telling.lock().unwrap().push(format!("{sign}{} {topic}", change.of.address));
    });
    (client, told)
}

fn taken(told: &Told) -> Vec<String> {
    std::mem::take(&mut told.lock().unwrap())
}

#[tokio::test]
async fn each_write_that_changes_who_can_be_sent_to_is_told() {
    let (client, told) = watched(ApsisSwitches::default()).await;
    client.create("7").await;
    assert_eq!(client.consent("7", NEWSLETTER, BY_EMAIL, "opt-in", "x").await, 201);
    assert_eq!(client.consent("7", NEWSLETTER, BY_SMS, "opt-in", "x").await, 201);
    assert_eq!(taken(&told), [""; 0], "without an address nobody can be sent to");
    client
        .patch("7", json!({ EMAIL: "Anna@b.example", "com.apsis1.attributes.mobile": 46_701_740_605_u64 }))
        .await;
    assert_eq!(taken(&told), ["+anna@b.example newsletter", "+46701740605 newsletter"]);
    assert_eq!(client.consent("7", OFFERS, BY_EMAIL, "opt-in", "x").await, 201);
    assert_eq!(client.consent("7", OFFERS, BY_EMAIL, "opt-in", "x").await, 409);
    assert_eq!(taken(&told), ["+anna@b.example offers"]);
    client.patch("7", json!({ EMAIL: "new@b.example" })).await;
    assert_eq!(
        taken(&told),
        [
            "-anna@b.example newsletter",
            "-anna@b.example offers",
            "+new@b.example newsletter",
            "+new@b.example offers"
        ]
    );
    assert_eq!(client.consent("7", NEWSLETTER, BY_EMAIL, "opt-out", "x").await, 204);
    assert_eq!(taken(&told), ["-new@b.example newsletter"]);
    let path = format!("/audience/keyspaces/{CRM}/profiles/7");
    client.apsis(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(taken(&told), ["-new@b.example offers", "-46701740605 newsletter"]);
    assert!(client.sandbox.mailable().is_empty());
}

#[tokio::test]
async fn an_address_of_two_profiles_can_be_sent_to_until_both_say_no() {
    let (client, told) = watched(ApsisSwitches::default()).await;
    let consent = |state| Consent {
        topic: NEWSLETTER.to_owned(),
        channel: BY_EMAIL.to_owned(),
        state,
        modified_at: None,
    };
    // One of them is no contact's.
    client.sandbox.put_consent_at(EMAIL_KEYS, "a@b.example", &consent(ConsentType::ConfirmedOptIn)).unwrap();
    client.create("7").await;
    client.patch("7", json!({ EMAIL: "a@b.example" })).await;
    client.sandbox.put_consent("7", &consent(ConsentType::OptIn)).unwrap();
    assert_eq!(taken(&told), ["+a@b.example newsletter"]);
    client.sandbox.put_consent("7", &consent(ConsentType::OptOut)).unwrap();
    client.sandbox.put_consent("7", &consent(ConsentType::PendingOptIn)).unwrap();
    assert_eq!(taken(&told), [""; 0]);
    // Merged, the newer answer holds.
    let of = |keyspace: &str, key: &str| json!({ "keyspace_discriminator": keyspace, "profile_key": key });
    let pair = json!({ "profiles": [of(CRM, "7"), of(EMAIL_KEYS, "a@b.example")] });
    let merged = client.apsis(Method::PUT, "/audience/profiles/merges").json(&pair).send().await.unwrap();
    assert_eq!(merged.status(), 204);
    assert_eq!(taken(&told), ["-a@b.example newsletter"]);
}

#[tokio::test]
async fn consents_may_stay_with_the_address_that_they_were_set_for() {
    let apsis = ApsisSwitches { consents_stay_with_address: true, ..ApsisSwitches::default() };
    let (client, told) = watched(apsis).await;
    client.create("7").await;
    client.patch("7", json!({ EMAIL: "old@b.example" })).await;
    assert_eq!(client.consent("7", NEWSLETTER, BY_EMAIL, "opt-in", "x").await, 201);
    let consents =
        async || client.get(&Client::of("7", "consents")).await.1["items"].as_array().unwrap().len();
    assert_eq!((taken(&told), consents().await), (vec!["+old@b.example newsletter".to_owned()], 1));
    client.patch("7", json!({ EMAIL: "new@b.example" })).await;
    assert_eq!((taken(&told), consents().await), (vec!["-old@b.example newsletter".to_owned()], 0));
    assert_eq!(client.consent("7", NEWSLETTER, BY_EMAIL, "opt-out", "x").await, 201, "there was none");
    client.patch("7", json!({ EMAIL: "old@b.example" })).await;
    assert_eq!(taken(&told), ["+old@b.example newsletter"]);
    assert_eq!(client.consent("7", NEWSLETTER, BY_EMAIL, "opt-in", "x").await, 409, "it is there again");
}

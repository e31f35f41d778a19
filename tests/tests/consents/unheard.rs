//! Who shares an address with somebody that has not been read, or was not asked, is not opted in there in real time: the
//! other one may refuse. The full sync that is asked for then reads everybody. Through the program, with both sides
//! simulated.

use std::collections::BTreeSet;

use serde_json::json;
use sluice_sandbox::{Editor, People, Sandbox, SandboxConfig};
use sluice_tests::live::{IMMEDIATELY, Live, On};
use sluice_tests::rig::ACME;

/// The newsletter's consent types.
const NEWS: u64 = 1001;
const NEWS_BY_SMS: u64 = 1002;

fn nobody() -> SandboxConfig {
    SandboxConfig { people: People::Generated { persons: 0, seed: 1 }, ..SandboxConfig::default() }
}

fn person(sandbox: &Sandbox, name: &str, email: &str, mobile: &str) -> u64 {
    let person = json!({ "firstname": name, "email": email, "mobilephone": mobile, "city": "Lund" });
    sandbox.lime_create("person", &person).unwrap()
}

fn mailable(live: &Live) -> BTreeSet<String> {
    live.sandbox.mailable().into_iter().map(|it| it.address).collect()
}

fn only(address: &str) -> BTreeSet<String> {
    BTreeSet::from([address.to_owned()])
}

/// Why it was not done for a person what the CRM says, if it was not.
async fn told(live: &Live, person: u64) -> Option<String> {
    let story = live.run(&["contact", "show", ACME, &person.to_string()]).await;
    story.last()["ledger"]["reason"]["code"].as_str().map(str::to_owned)
}

async fn full_sync(live: &Live) {
    let run = live.sync().await;
    assert_eq!(run.last()["phase"], "completed", "{}", run.log);
}

#[tokio::test]
async fn before_the_first_full_sync_nobody_is_opted_in() {
    for on in [On::Sqlite, On::Postgres] {
        let mut live = Live::still(on.url(), nobody(), |text| text + IMMEDIATELY).await;
        live.sandbox.watch_mailable(|_| {});
        let mut editor = Editor::new(&live.sandbox, 1).unwrap();
        // Nobody tells of her: she was there before.
        let before = person(&live.sandbox, "Bea", "home@lund.example", "");
        editor.say(&live.sandbox, before, NEWS, Some(false)).unwrap();
        live.serve().await;
        live.until_subscribed().await;

        let shares = person(&live.sandbox, "Ada", "home@lund.example", "");
        let alone = person(&live.sandbox, "Cy", "cy@lund.example", "");
        for person in [shares, alone] {
            editor.say(&live.sandbox, person, NEWS, Some(true)).unwrap();
        }
        live.until_quiet().await;
        assert!(live.sandbox.profile(&shares.to_string()).is_some(), "the profile is made");
        assert_eq!(mailable(&live), BTreeSet::new(), "{on:?}");
        for person in [shares, alone] {
            assert_eq!(told(&live, person).await.as_deref(), Some("consent-waits"), "{on:?}: {person}");
        }

        full_sync(&live).await;
        assert_eq!(mailable(&live), only("cy@lund.example"), "{on:?}");
        assert_eq!(told(&live, shares).await.as_deref(), Some("address-shared"));
        assert_eq!(told(&live, alone).await, None);

        // From then on at once.
        let later = person(&live.sandbox, "Di", "di@lund.example", "");
        editor.say(&live.sandbox, later, NEWS, Some(true)).unwrap();
        live.until_quiet().await;
        assert!(mailable(&live).contains("di@lund.example"), "{on:?}");
        live.stop().await;
    }
}

#[tokio::test]
async fn who_was_not_asked_before_the_first_mapping_of_a_channel_counts_as_a_no() {
    let mut whole = String::new();
    let mut live = Live::still(On::Sqlite.url(), nobody(), |text| {
        whole = text + IMMEDIATELY;
        let rows = whole.split("[[consents]]").filter(|row| !row.contains("channel = \"sms\""));
        rows.collect::<Vec<_>>().join("[[consents]]")
    })
    .await;
    live.sandbox.watch_mailable(|_| {});
    let mut editor = Editor::new(&live.sandbox, 1).unwrap();
    let refuses = person(&live.sandbox, "Bea", "bea@lund.example", "070-1740605");
    let gives = person(&live.sandbox, "Ada", "ada@lund.example", "070-1740605");
    editor.say(&live.sandbox, refuses, NEWS_BY_SMS, Some(false)).unwrap();
    live.serve().await;
    live.until_subscribed().await;
    full_sync(&live).await;

    let file = live.path("whole.toml").display().to_string();
    std::fs::write(&file, whole.replace("{webcrm_url}", &live.sandbox.addresses().webcrm_url)).unwrap();
    let applied = live.run(&["integration", "apply", &file]).await;
    assert_eq!(applied.code(), 0, "{:?}", applied.lines);
    editor.say(&live.sandbox, gives, NEWS_BY_SMS, Some(true)).unwrap();
    live.until_quiet().await;
    assert_eq!(mailable(&live), BTreeSet::new());
    assert_eq!(told(&live, gives).await.as_deref(), Some("address-shared"));
    full_sync(&live).await;
    assert_eq!(mailable(&live), BTreeSet::new());

    editor.say(&live.sandbox, refuses, NEWS_BY_SMS, Some(true)).unwrap();
    live.until_quiet().await;
    assert_eq!(mailable(&live), only("46701740605"));
    live.stop().await;
}

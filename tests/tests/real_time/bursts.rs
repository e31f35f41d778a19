//! Many changes of one contact that wait together: one write, opt-outs before anything else.

use jiff::Timestamp;
use serde_json::{Value, json};
use sluice_sandbox::{People, SandboxConfig};
use sluice_tests::processes::{Followed, slow_down};
use sluice_tests::rig::ACME;

use crate::live::{IMMEDIATELY, Live, On};

/// The consent type that the demo maps to the newsletter by e-mail, and what it is mapped to.
const NEWSLETTER: (u64, &str, &str) =
    (1001, "usercreated.topics.newsletter-rg4kf3kt24", "com.apsis1.channels.email");

#[tokio::test]
async fn on_sqlite_a_burst_is_one_write_and_an_opt_out_goes_first() {
    a_burst_is_one_write(On::Sqlite).await;
}

#[tokio::test]
async fn on_postgres_a_burst_is_one_write_and_an_opt_out_goes_first() {
    a_burst_is_one_write(On::Postgres).await;
}

async fn a_burst_is_one_write(on: On) {
    let config = SandboxConfig {
        people: People::Generated { persons: 300, seed: 3 },
        keep_arrivals: 1_000_000,
        ..SandboxConfig::default()
    };
    let live = Live::start(on, config, |text| text + "\n[sync]\npage-size = 100\n" + IMMEDIATELY).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let (person, consent) = somebody_who_said_yes(&live);

    // The run holds them together, and has read the contact before they come.
    slow_down(&live);
    let mut run = Followed::start(&live, &["sync", "start", ACME]);
    run.until_reading().await;
    for visits in 1_000_001..=1_000_010 {
        live.sandbox.lime_update("person", person, &json!({ "visits": visits })).unwrap();
    }
    let no = json!({ "approved": false, "date": Timestamp::now().to_string() });
    live.sandbox.lime_update("consent", consent, &no).unwrap();
    live.sandbox.webhooks_idle().await;
    run.until(|line| line["phase"] == "completed").await;
    drop(run.end().await);
    let before = live.sandbox.arrivals(None).last().unwrap().number;
    live.until_quiet().await;

    let hash = live.sandbox.profile_hash(&person.to_string());
    let arrivals = live.sandbox.arrivals(None).into_iter();
    let writes: Vec<&str> = arrivals
        .filter(|arrival| arrival.profile == Some(hash) && arrival.number > before)
        .map(|arrival| arrival.route)
        .filter(|route| *route != "apsis.consents.get")
        .collect();
    assert_eq!(writes, ["apsis.consents.post", "apsis.attributes.patch"]);
    live.assert_equal();
    let story = live.run(&["contact", "show", ACME, &person.to_string()]).await.last().clone();
    let changes = story["changes"].as_array().unwrap();
    let count = |outcome: &str| changes.iter().filter(|change| change["outcome"] == outcome).count();
    assert_eq!((changes.len(), count("updated"), count("superseded")), (11, 1, 10), "{story}");
    let held = |change: &Value| change["held-by"].as_array().is_some_and(|runs| !runs.is_empty());
    assert!(changes.iter().all(held), "each of them was held by the gate: {story}");
}

/// Somebody on the first page who is opted in to the newsletter, and the consent's record in the CRM.
fn somebody_who_said_yes(live: &Live) -> (u64, u64) {
    let (kind, topic, channel) = NEWSLETTER;
    let persons = live.sandbox.lime_ids("person").unwrap();
    let found = persons.into_iter().take(100).find_map(|person| {
        let profile = live.sandbox.profile(&person.to_string())?;
        let opted_in = profile.consents.iter().any(|consent| {
            consent["topic_discriminator"] == topic
                && consent["channel_discriminator"] == channel
                && consent["type"] == "opt-in"
        });
        let records = live.sandbox.lime_related("consent", "person", person).unwrap();
        let mut of_kind = records
            .into_iter()
            .filter(|id| live.sandbox.lime_object("consent", *id).unwrap()["consenttype"] == kind);
        let only = of_kind.next().filter(|_| of_kind.next().is_none())?;
        opted_in.then_some((person, only))
    });
    found.expect("there is somebody who said yes")
}

//! Ten people with ten fates: what `sluice contact show` says of each, in words that need no manual.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluice_sandbox::{Consent, ConsentType, Fault, FaultRule, Sandbox, When};
use sluice_tests::processes::say;
use sluice_tests::rig::{ACME, made_up};

use crate::live::{Live, On};

const NEWSLETTER: &str = "usercreated.topics.newsletter-rg4kf3kt24";
const EMAIL: &str = "com.apsis1.channels.email";

/// Somebody with an address, who says yes to the newsletter by e-mail.
fn create(sandbox: &Sandbox, name: &str, more: &Value) -> u64 {
    let mut person = json!({
        "firstname": name, "lastname": "Fate", "email": format!("{}@fates.example", name.to_lowercase()),
        "city": "Lund", "inactive": false,
    });
    for (field, value) in more.as_object().unwrap() {
        person[field] = value.clone();
    }
    let id = sandbox.lime_create("person", &person).unwrap();
    answer(sandbox, id, true);
    id
}

fn answer(sandbox: &Sandbox, person: u64, approved: bool) {
    let date = jiff::Timestamp::now().to_string();
    let consent = json!({ "person": person, "consenttype": 1001, "approved": approved, "date": date,
        "source": "coworker" });
    sandbox.lime_create("consent", &consent).unwrap();
}

/// What happens to each before the full sync is in `more`; what happens after it, here.
async fn ten_fates(live: &Live) -> BTreeMap<&'static str, u64> {
    let sandbox = &live.sandbox;
    let fates: BTreeMap<&str, u64> = [
        ("Created", json!({})),
        ("Updated", json!({})),
        ("Unchanged", json!({})),
        ("Excluded", json!({ "inactive": true })),
        ("Rejected", json!({ "email": "no address" })),
        ("Withheld", json!({})),
        ("Refused", json!({})),
        ("Deleted", json!({})),
        ("Dead", json!({})),
    ]
    .into_iter()
    .map(|(name, more)| (name, create(sandbox, name, &more)))
    .collect();
    live.until_quiet().await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    assert_eq!(live.sync().await.last()["phase"], "completed");

    let city = |name: &str, city: &str| {
        sandbox.lime_update("person", fates[name], &json!({ "city": city })).unwrap()
    };
    let opted_out = Consent {
        topic: NEWSLETTER.to_owned(),
        channel: EMAIL.to_owned(),
        state: ConsentType::OptOut,
        modified_at: None,
    };
    sandbox.put_consent(&fates["Withheld"].to_string(), &opted_out).unwrap();
    sandbox.add_fault(FaultRule {
        route: "apsis.attributes.patch".to_owned(),
        fault: Fault::Status { status: 500, retry_after: None },
        when: When::Profile(sandbox.profile_hash(&fates["Dead"].to_string())),
    });
    city("Updated", "Visby");
    city("Withheld", "Visby");
    city("Dead", "Visby");
    answer(sandbox, fates["Refused"], false);
    sandbox.lime_delete("person", fates["Deleted"]).unwrap();
    let mut fates = fates;
    fates.insert("Held", create(sandbox, "Held", &json!({})));
    live.until_quiet().await;
    fates
}

#[tokio::test]
async fn each_of_ten_fates_is_explained() {
    let live = Live::start(On::Sqlite, made_up(5), |text| text + "\n[real-time]\nattempts = 1\n").await;
    let fates = ten_fates(&live).await;
    let shown = async |name: &str| {
        let said = say(&live.data(), &["contact", "show", ACME, &fates[name].to_string()]).await;
        assert_eq!(said.code, 0, "{}", said.err);
        said.out
    };
    let newsletter = "newsletter-rg4kf3kt24";
    let may = "May be mailed: newsletter-rg4kf3kt24 by e-mail";
    let rows: [(&str, &str, &[&str]); 10] = [
        (
            "Created",
            &format!("in APSIS One. {may}"),
            &[
                "run 1, full sync",
                ": created",
                "created the profile",
                "POST /audience/keyspaces/",
                ": 201,",
                " ms",
                "city-p0o9i8u7y6: nothing -> \"Lund\"",
                "consent newsletter-rg4kf3kt24, e-mail: nothing -> opted in",
                "What the CRM had, taken",
                "firstname: \"Created\"",
                "consent 1001: given",
                "may be mailed: newsletter-rg4kf3kt24, e-mail: given in the CRM",
                "may not be mailed: newsletter-rg4kf3kt24, SMS: the CRM has no answer",
            ],
        ),
        (
            "Updated",
            &format!("in APSIS One. {may}"),
            &[
                "touched",
                ": updated",
                "city-p0o9i8u7y6: \"Lund\" -> \"Visby\"",
                "PATCH /v2/audience/keyspaces/com.apsis1.keyspaces.crm-id/profiles/",
                "the gate was open",
                "consent newsletter-rg4kf3kt24, e-mail: opted in by Sluice",
                "-> opted in",
            ],
        ),
        (
            "Unchanged",
            &format!("in APSIS One. {may}"),
            &["What is known of it: unchanged", "run 2, full sync", ": unchanged", "run 1, full sync"],
        ),
        (
            "Excluded",
            "not in APSIS One\n",
            &["condition-not-met", "why: ", "`inactive`", "inactive: yes", "What is known of it: excluded"],
        ),
        (
            "Rejected",
            "not in APSIS One\n",
            &["email-invalid", "email: \"no address\"", "What is known of it: rejected"],
        ),
        (
            "Withheld",
            "in APSIS One. May not be mailed",
            &[
                "opted-out-in-apsis",
                "but the person opted out in APSIS One",
                "consent newsletter-rg4kf3kt24, e-mail: opted out",
                "-> opted out",
                "\"Lund\" -> \"Visby\"",
            ],
        ),
        (
            "Refused",
            "in APSIS One. May not be mailed",
            &[
                "e-mail: refused or withdrawn in the CRM",
                "opted out of usercreated.topics.newsletter-rg4kf3kt24, e-mail",
                "e-mail: opted in by Sluice",
                "-> opted out",
            ],
        ),
        (
            "Held",
            "not in APSIS One yet: it gets its profile with the daily run",
            &["waits-for-daily-run", ": held", "firstname: \"Held\"", ": 404,"],
        ),
        (
            "Deleted",
            "taken out of APSIS One: the CRM deleted it",
            &["deleted the profile", "DELETE /audience/keyspaces/", "the CRM deleted it; that came in"],
        ),
        (
            "Dead",
            "in APSIS One",
            &[
                "apsis-busy",
                ": rejected",
                "PATCH /v2/audience/",
                ": 500,",
                "asked, and did not come to an end",
                "something is under way or failed",
            ],
        ),
    ];
    for (name, first, parts) in rows {
        let story = shown(name).await;
        let begins = format!("Contact {}: {first}", fates[name]);
        assert!(story.starts_with(&begins), "{name} does not begin with {begins}:\n{story}");
        for part in parts {
            assert!(story.contains(part), "{name}: {part} is missing:\n{story}");
        }
        assert!(!story.contains('{'), "{name}: words, no JSON:\n{story}");
        for secret in [live.sandbox.lime_key(), live.sandbox.apsis_client_secret()] {
            assert!(!story.contains(secret));
        }
        assert!(!story.contains("127.0.0.1"), "{name}: no host:\n{story}");
    }
    let dead = shown("Dead").await;
    assert!(dead.matches(": 500,").count() >= 3, "each attempt is told:\n{dead}");
    let all = live.run(&["contact", "show", ACME, &fates["Refused"].to_string()]).await.last().clone();
    assert_eq!(all["standing"]["profile"], "there", "{all}");
    let consent = &all["changes"][0]["consents"];
    let newsletter_by_email =
        consent.as_array().unwrap().iter().find(|told| told["channel"] == "email").unwrap();
    assert!(newsletter_by_email["topic"].as_str().unwrap().ends_with(newsletter));
    assert_eq!(newsletter_by_email["before"]["state"], "opt-in", "{all}");
    assert_eq!(newsletter_by_email["after"], "opt-out", "{all}");
    assert_eq!(all["seen"]["contact"]["fields"]["firstname"]["value"], "Refused", "{all}");
    assert!(all["changes"][0]["steps"][0]["requests"][0]["millis"].is_u64(), "{all}");
}

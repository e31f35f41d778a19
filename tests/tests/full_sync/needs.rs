//! When a full sync is needed and when it is not, as somebody meets it who changes an integration's file.

use std::process::Stdio;

use serde_json::{Value, json};

use sluice_tests::processes::say;
use sluice_tests::rig::{ACME, Rig, ended, made_up};
use sluice_tests::sides::profiles;

/// The codes of what a full sync is needed for.
async fn needed(rig: &Rig) -> Vec<String> {
    let status = rig.run(&["status", ACME]).await.last().clone();
    let needs = status["needs"].as_array().unwrap().clone();
    assert_eq!(status["full-sync-needed"], json!(!needs.is_empty()), "{status}");
    needs.iter().map(|need| need["code"].as_str().unwrap().to_owned()).collect()
}

async fn apply(rig: &Rig, text: &str) {
    let file = rig.path("changed.toml");
    std::fs::write(&file, text).unwrap();
    let applied = rig.run(&["integration", "apply", &file.display().to_string()]).await;
    assert_eq!(applied.code(), 0, "{:?} {}", applied.lines, applied.log);
}

async fn completed(rig: &Rig) -> Vec<Value> {
    let run = rig.sync().await;
    assert_eq!(run.last()["phase"], "completed", "{}", run.log);
    run.lines
}

/// The file without the row that says this.
fn without(text: &str, row: &str) -> String {
    let start = text.find(row).unwrap_or_else(|| panic!("no {row} in {text}"));
    let head = text[..start].rfind("[[").unwrap();
    let end = text[start..].find("\n\n").map_or(text.len(), |end| start + end);
    format!("{}{}", &text[..head], &text[end..])
}

#[tokio::test]
async fn b01_b15_a_new_integration_needs_a_full_sync_until_one_has_completed() {
    let rig = Rig::start(made_up(5)).await;
    assert_eq!(needed(&rig).await, ["never-synced"]);
    let shown = rig.run(&["integration", "show", ACME]).await.last().clone();
    let listed = rig.run(&["integration", "list"]).await.last().clone();
    for needs in [&shown["full-sync-needed"], &listed["full-sync-needed"]] {
        let need = &needs[0];
        assert_eq!((&need["code"], &need["times"]), (&json!("never-synced"), &json!(1)), "{needs}");
        assert_eq!(need["message"], "no full sync has completed yet");
        assert!(need["since"].is_string() && need["last"].is_string(), "{need}");
    }
    let data = rig.data();
    for command in [&["status", ACME][..], &["integration", "show", ACME]] {
        let said = say(&data, command).await;
        assert!(said.out.contains("needed: no full sync has completed yet (since 20"), "{}", said.out);
    }

    let lines = completed(&rig).await;
    let told = lines.iter().find(|line| line["clears"].is_array()).unwrap();
    assert_eq!((&told["clears"][0]["code"], &told["leaves"]), (&json!("never-synced"), &json!([])), "{told}");
    assert_eq!(needed(&rig).await, [""; 0]);
    let said = say(&data, &["integration", "list"]).await;
    assert!(said.out.contains("full sync needed") && said.out.trim_end().ends_with("no"), "{}", said.out);
}

#[tokio::test]
async fn b06_b09_b15_b25_each_change_of_the_file_asks_for_a_full_sync_or_does_not() {
    const NOTHING: &[&str] = &[];
    const FIELDS: &[&str] = &["field-mappings-changed"];
    const CONSENTS: &[&str] = &["consent-mappings-changed"];
    type Change = fn(&str) -> String;
    let changes: [(&str, Change, &[&str]); 14] = [
        (
            "B9: a field mapping is added",
            |text| {
                format!("{text}\n[[fields]]\nfield = \"phone\"\nattribute = \"Updated\"\nkind = \"text\"\n")
            },
            FIELDS,
        ),
        ("B9: a field mapping is removed", |text| without(text, "field = \"city\""), FIELDS),
        (
            "B9: another field is mapped",
            |text| text.replace("field = \"city\"", "field = \"language\""),
            FIELDS,
        ),
        (
            "B9: the attribute takes something else",
            |text| text.replace("\"Visits\"\nkind = \"number\"", "\"Visits\"\nkind = \"decimal\""),
            FIELDS,
        ),
        (
            "B9: what becomes of values that do not fit",
            |text| text.replace("on-invalid = \"skip\"\n", ""),
            FIELDS,
        ),
        (
            "B9: the country of numbers without one",
            |text| text.replace("country = \"SE\"", "country = \"NO\""),
            &["default-country-changed"],
        ),
        ("B15: a consent mapping is removed", |text| without(text, "consent = \"1003\""), CONSENTS),
        (
            "B15: another consent is mapped",
            |text| text.replace("consent = \"1005\"", "consent = \"1003\""),
            CONSENTS,
        ),
        (
            "B6: a condition is added",
            |text| format!("{text}\n[[conditions]]\nfield = \"city\"\nequals = \"Lund\"\n"),
            NOTHING,
        ),
        ("B6: a condition is removed", |text| without(text, "equals = false"), NOTHING),
        (
            "B25: how it is called",
            |text| text.replace("name = \"Acme (Lime CRM)\"", "name = \"Acme\""),
            NOTHING,
        ),
        (
            "B25: how what the CRM sends is taken",
            |text| format!("{text}\n[real-time]\nnew-contacts = \"immediately\"\n"),
            NOTHING,
        ),
        (
            "the same attribute by its discriminator",
            |text| {
                text.replace("attribute = \"City\"", "attribute = \"usercreated.attributes.city-p0o9i8u7y6\"")
            },
            NOTHING,
        ),
        (
            "the same rows in another order",
            |text| {
                format!(
                    "{}\n[[fields]]\nfield = \"city\"\nattribute = \"City\"\nkind = \"text\"\n",
                    without(text, "field = \"city\"")
                )
            },
            NOTHING,
        ),
    ];
    let rig = Rig::start(made_up(3)).await;
    let text = std::fs::read_to_string(rig.path("acme.toml")).unwrap();
    completed(&rig).await;
    for (what, change, expected) in changes {
        let changed = change(&text);
        assert_ne!(changed, text, "{what}");
        apply(&rig, &changed).await;
        assert_eq!(needed(&rig).await, expected, "{what}");
        // Back again is a change, too: it was another one meanwhile.
        apply(&rig, &text).await;
        assert_eq!(needed(&rig).await, expected, "{what}, and back");
        if !expected.is_empty() {
            completed(&rig).await;
            assert_eq!(needed(&rig).await, NOTHING, "{what}, after a full sync");
        }
    }
}

#[tokio::test]
async fn b09_the_rows_that_changed_are_named() {
    let rig = Rig::start(made_up(3)).await;
    let text = std::fs::read_to_string(rig.path("acme.toml")).unwrap();
    completed(&rig).await;
    apply(&rig, &without(&text, "field = \"city\"")).await;
    let status = rig.run(&["status", ACME]).await.last().clone();
    let need = &status["needs"][0];
    assert_eq!(need["subjects"], json!(["city to City (removed)"]), "{need}");
    assert_eq!(need["message"], "field mappings were changed: city to City (removed)");
}

#[tokio::test]
async fn a_full_sync_that_failed_needs_another() {
    let rig = Rig::start(made_up(3)).await;
    completed(&rig).await;
    let mut refused = rig.command(&["sync", "start", ACME]);
    let refused = refused.env("SLUICE_DEMO_APSIS_SECRET", "another").stdin(Stdio::null()).spawn().unwrap();
    assert_eq!(ended(refused).await.code(), 1);
    let status = rig.run(&["status", ACME]).await.last().clone();
    let need = &status["needs"][0];
    assert_eq!(need["message"], "a full sync failed: apsis-credentials", "{need}");
    completed(&rig).await;
    assert_eq!(needed(&rig).await, [""; 0]);
}

#[tokio::test]
async fn b09_a_changed_mapping_can_be_made_good_from_what_is_known_without_reading_the_crm() {
    let rig = Rig::start(made_up(60)).await;
    let known = async || rig.run(&["sync", "start", ACME, "--known"]).await;
    let refused = known().await;
    assert_eq!(refused.last()["error"]["code"], "known-not-enough", "{:?}", refused.lines);
    completed(&rig).await;

    let text = std::fs::read_to_string(rig.path("acme.toml")).unwrap();
    let other =
        text.replace("field = \"city\"\nattribute = \"City\"", "field = \"country\"\nattribute = \"City\"");
    assert_ne!(text, other);
    apply(&rig, &other).await;
    assert_eq!(needed(&rig).await, ["field-mappings-changed"]);
    let (asked, before) = (rig.asked("lime.query"), profiles(&rig.sandbox));
    let run = known().await;
    assert_eq!(run.last()["phase"], "completed", "{}", run.log);
    assert_eq!(run.last()["source"], "known");
    let of_known = rig.asked("lime.query") - asked;
    assert_eq!(needed(&rig).await, [""; 0]);

    // The same as if the CRM had been read; and nothing but what the row touches was written.
    let after = profiles(&rig.sandbox);
    assert_ne!(before, after);
    for (id, (attributes, consents)) in &after {
        let (then, consented) = &before[id];
        assert_eq!(consents, consented);
        let all = attributes.keys().chain(then.keys());
        let changed = all.filter(|name| attributes.get(*name) != then.get(*name));
        assert!(changed.into_iter().all(|name| name == "usercreated.attributes.city-p0o9i8u7y6"), "{id}");
    }
    let again = completed(&rig).await;
    // Opening the line asks the CRM what it has; reading it, a page of people and their consents more.
    assert!(rig.asked("lime.query") - asked - of_known > of_known, "the CRM was not read");
    let counters = &again.last().unwrap()["counters"];
    assert_eq!((&counters["created"], &counters["updated"]), (&json!(0), &json!(0)), "{counters}");

    // Another need is not cleared by it, so that it is refused.
    rig.sandbox.add_fault(sluice_sandbox::FaultRule {
        route: "lime.query".to_owned(),
        fault: sluice_sandbox::Fault::Status { status: 403, retry_after: None },
        when: sluice_sandbox::When::Probability(1.0),
    });
    rig.sandbox.add_fault(sluice_sandbox::FaultRule {
        route: "lime.list".to_owned(),
        fault: sluice_sandbox::Fault::Status { status: 403, retry_after: None },
        when: sluice_sandbox::When::Probability(1.0),
    });
    assert_ne!(rig.sync().await.code(), 0);
    let refused = known().await;
    assert_eq!(refused.last()["error"]["code"], "known-not-enough");
    assert!(
        refused.last()["error"]["message"].as_str().unwrap().contains("full-sync-failed"),
        "{:?}",
        refused.lines
    );
}

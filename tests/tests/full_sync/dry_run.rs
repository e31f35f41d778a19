//! A dry run says exactly what the real one then does, and does nothing.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluice_sandbox::{Editor, SandboxConfig};
use sluice_tests::rig::{ACME, Ended, Rig, at_full_size, made_up};
use sluice_tests::sides::{Profile, profiles};

/// Nothing is stopped, and nothing keeps the gate.
const FREE: &str = "\n[brake]\nshare = 100\n";

#[tokio::test]
async fn the_dry_run_of_the_3000_people_says_what_the_full_sync_does() {
    let rig = rig(SandboxConfig::default()).await;
    as_foretold(&rig, &[]).await;
    // Few changes go one by one, many by an import.
    let mut editor = Editor::new(&rig.sandbox, 3).unwrap();
    editor.edit(&rig.sandbox, 150).unwrap();
    as_foretold(&rig, &[]).await;
    editor.edit(&rig.sandbox, 3_000).unwrap();
    as_foretold(&rig, &[]).await;
}

#[tokio::test]
async fn the_dry_run_of_many_made_up_people_says_what_the_full_sync_does() {
    let persons = if at_full_size() { 50_000 } else { 1_000 };
    let rig = rig(made_up(persons)).await;
    as_foretold(&rig, &[]).await;
    as_foretold(&rig, &["--forced"]).await;
}

#[tokio::test]
async fn a_preview_of_changed_rules_says_what_they_would_do_and_applies_nothing() {
    let rig = rig(made_up(200)).await;
    let first = rig.run(&["sync", "start", ACME]).await;
    assert_eq!(first.last()["phase"], "completed", "{}", first.log);
    let before = profiles(&rig.sandbox);

    let text = std::fs::read_to_string(rig.path("acme.toml")).unwrap();
    let changed = rig.path("changed.toml");
    let other =
        text.replace("field = \"city\"\nattribute = \"City\"", "field = \"country\"\nattribute = \"City\"");
    assert_ne!(text, other);
    std::fs::write(&changed, &other).unwrap();
    let asked = rig.asked("lime.query");
    let preview = rig.run(&["rules", "preview", &changed.display().to_string()]).await;
    let foretold = differences(&preview);
    let known = rig.asked("lime.query");
    let read = rig.run(&["rules", "preview", &changed.display().to_string(), "--read"]).await;
    // Opening the line asks the CRM what it has; reading it, a page of people and their consents more.
    assert!(rig.asked("lime.query") - known > known - asked, "the CRM is read only when that is asked for");
    assert_eq!(differences(&read), foretold);
    assert!(foretold.len() > 100, "{}", foretold.len());
    for difference in foretold.values() {
        let attributes = difference["difference"]["attributes"].as_array().unwrap();
        let names: Vec<&str> = attributes.iter().map(|one| one["attribute"].as_str().unwrap()).collect();
        assert_eq!(names, ["usercreated.attributes.city-p0o9i8u7y6"], "only what the rule touches");
    }
    assert_eq!(profiles(&rig.sandbox), before, "nothing is written");
    let shown = rig.run(&["integration", "export", ACME]).await;
    assert!(
        !shown.last().to_string().contains("\"field\":\"country\",\"attribute\":\"City\""),
        "nor applied"
    );

    let applied = rig.run(&["integration", "apply", &changed.display().to_string()]).await;
    assert_eq!(applied.code(), 0, "{}", applied.log);
    let real = rig.run(&["sync", "start", ACME]).await;
    assert_eq!(real.last()["counters"]["updated"], foretold.len(), "{}", real.log);
    are_the_difference(&foretold, &before, &profiles(&rig.sandbox));
}

async fn rig(config: SandboxConfig) -> Rig {
    Rig::start_with(config, |text| text + FREE).await
}

/// Does a dry run and then the real one, and compares them.
async fn as_foretold(rig: &Rig, more: &[&str]) {
    let before = profiles(&rig.sandbox);
    let dry = rig.run(&[&["sync", "start", ACME, "--dry-run"], more].concat()).await;
    assert_eq!(dry.last()["phase"], "completed", "{}", dry.log);
    assert_eq!(profiles(&rig.sandbox), before, "a dry run writes nothing");
    let foretold = differences(&dry);
    let outcomes_foretold = outcomes(rig).await;

    let real = rig.run(&[&["sync", "start", ACME], more].concat()).await;
    assert_eq!(real.last()["phase"], "completed", "{}", real.log);
    assert_eq!(dry.last()["counters"], real.last()["counters"]);
    assert_eq!(outcomes_foretold, outcomes(rig).await, "each contact, with its reason");
    are_the_difference(&foretold, &before, &profiles(&rig.sandbox));
}

/// What the last run came to, contact by contact.
async fn outcomes(rig: &Rig) -> BTreeMap<String, (String, Value)> {
    let mut all = BTreeMap::new();
    let newest = rig.run(&["sync", "list", ACME]).await.lines[0]["id"].to_string();
    for outcome in ["created", "updated", "unchanged", "excluded", "rejected", "deleted"] {
        let shown = rig.run(&["sync", "show", ACME, "--run", &newest, "--outcome", outcome]).await;
        for line in shown.lines.iter().filter(|line| line["contact"].is_string()) {
            let contact = line["contact"].as_str().unwrap().to_owned();
            all.insert(contact, (outcome.to_owned(), line["reason"]["code"].clone()));
        }
    }
    all
}

fn differences(ended: &Ended) -> BTreeMap<String, Value> {
    let lines = ended.lines.iter().filter(|line| !line["difference"].is_null());
    lines.map(|line| (line["contact"].as_str().unwrap().to_owned(), line.clone())).collect()
}

/// What was foretold is what changed, no more and no less.
fn are_the_difference(
    foretold: &BTreeMap<String, Value>,
    before: &BTreeMap<String, Profile>,
    after: &BTreeMap<String, Profile>,
) {
    let nothing = Profile::default();
    for (id, profile) in after {
        let then = before.get(id).unwrap_or(&nothing);
        let mut attributes = Vec::new();
        for name in then.0.keys().chain(profile.0.keys()).collect::<std::collections::BTreeSet<_>>() {
            let (was, is) = (words(then.0.get(name)), words(profile.0.get(name)));
            if was != is {
                attributes.push(json!({ "attribute": name, "before": was, "after": is }));
            }
        }
        let mut consents = Vec::new();
        for (place, is) in &profile.1 {
            let was = then.1.get(place);
            if was != Some(is) {
                consents.push((place.clone(), was.cloned(), is.clone()));
            }
        }
        let none = json!({});
        let said = foretold.get(id).map_or(&none, |line| &line["difference"]);
        let said_attributes: Vec<Value> = said["attributes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| {
                let (was, is) = (words(Some(&one["before"])), words(Some(&one["after"])));
                json!({ "attribute": one["attribute"], "before": was, "after": is })
            })
            .collect();
        assert_eq!(said_attributes, attributes, "attributes of {id}");
        let mut said_consents: Vec<_> = said["consents"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| {
                let channel = format!("com.apsis1.channels.{}", one["channel"].as_str().unwrap());
                let place = (one["topic"].as_str().unwrap().to_owned(), channel);
                let was = one["before"].as_str().map(str::to_owned);
                (place, was, one["after"].as_str().unwrap().to_owned())
            })
            .collect();
        said_consents.sort();
        assert_eq!(said_consents, consents, "consents of {id}");
        assert_eq!(said["creates"] == json!(true), !before.contains_key(id), "whether {id} is new");
    }
}

/// A value as text; a number without regard to how it is written.
fn words(value: Option<&Value>) -> Value {
    let text = match value {
        None | Some(Value::Null) => return Value::Null,
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    json!(text.parse::<f64>().map_or(text, |number| number.to_string()))
}

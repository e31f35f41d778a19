//! `sluice doctor`, and a run that finds the same trouble: each failed check names what to do, and
//! nothing is written to either side.

use serde_json::Value;
use sluice_sandbox::SandboxConfig;

use sluice_tests::rig::{ACME, Ended, Rig};

const LIME_KEY: &str = "SLUICE_DEMO_LIME_KEY";
const APSIS_SECRET: &str = "SLUICE_DEMO_APSIS_SECRET";

#[tokio::test]
async fn an_integration_that_can_work_has_all_checks_well() {
    let rig = Rig::start(SandboxConfig::default()).await;
    let ended = rig.run(&["doctor", ACME]).await;
    assert_eq!(ended.code(), 0, "{:?}", ended.lines);
    assert!(ended.lines.len() >= 8, "both sides, credentials and mappings: {:?}", ended.lines);
    assert!(ended.lines.iter().all(|line| line["ok"] == true));
    assert_eq!(rig.sandbox.profile_count(), 0);
}

#[tokio::test]
async fn wrong_credentials_are_told_apart_by_side() {
    let rig = Rig::start(SandboxConfig::default()).await;
    let wrong = |name: &'static str, value: &'static str| {
        let mut command = rig.command(&["doctor", ACME]);
        command.env(name, value);
        async move { sluice_tests::rig::ended(command.spawn().unwrap()).await }
    };
    let lime = wrong(LIME_KEY, "not-the-key").await;
    assert_failed(&lime, "CRM", "crm-unauthorized", "key");
    assert!(well(&lime, "APSIS One"), "the other side is checked all the same: {:?}", lime.lines);
    let apsis = wrong(APSIS_SECRET, "not-the-secret").await;
    assert_failed(&apsis, "APSIS One", "apsis-credentials", "client-id");
    assert!(well(&apsis, "mapping, CRM side"), "{:?}", apsis.lines);
    let none = wrong(LIME_KEY, "").await;
    assert_failed(&none, "connector", "integration-secret", LIME_KEY);
    assert!(well(&none, "APSIS One"), "{:?}", none.lines);
}

#[tokio::test]
async fn a_mapped_field_that_the_crm_does_not_have_is_refused_when_saved_and_paused_in_a_run() {
    let rig = Rig::start(SandboxConfig::default()).await;
    let changed = |text: &str| text.replace("\"city\"", "\"town\"");
    let message = refused(&rig, changed, "mapping-not-in-crm").await;
    assert!(message.contains("town") && message.contains("city"), "it names those there are: {message}");

    save_unasked(&rig, changed).await;
    let doctor = rig.run(&["doctor", ACME]).await;
    assert_failed(&doctor, "mapping, CRM side", "mapping-not-in-crm", "town");
    let run = rig.sync().await;
    assert_eq!(run.last()["phase"], "completed", "{}", run.last());
    assert!(run.log.contains("a mapping is paused") && run.log.contains("town to City"), "{}", run.log);
    let profiles = rig.sandbox.profiles();
    assert!(profiles.len() > 20, "the rest goes on");
    let has = |attribute: &str| {
        profiles.iter().any(|profile| profile.attributes.keys().any(|name| name.contains(attribute)))
    };
    assert!(has("country") && !has("city"), "and nothing fills the attribute");
}

#[tokio::test]
async fn a_condition_on_a_field_that_the_crm_does_not_have_stops_the_run() {
    let rig = Rig::start(SandboxConfig::default()).await;
    let changed = |text: &str| text.replacen("\"inactive\"", "\"retired\"", 1);
    refused(&rig, changed, "mapping-not-in-crm").await;
    save_unasked(&rig, changed).await;
    let run = rig.sync().await;
    let error = &run.last()["error"];
    assert_eq!((run.code(), error["code"].as_str()), (1, Some("mapping-not-in-crm")), "{error}");
    assert!(error["message"].as_str().unwrap().contains("a sync condition names retired"), "{error}");
    assert_eq!(rig.sandbox.profile_count(), 0, "nobody is synced who was to be excluded");
    let shown = rig.run(&["sync", "show", ACME]).await;
    assert_eq!(shown.last()["failure"]["code"], "mapping-not-in-crm", "the run keeps its failure");
}

#[tokio::test]
async fn names_that_apsis_one_does_not_have_are_named_with_those_that_it_has() {
    for (from, to, known) in [
        ("\"City\"", "\"Town\"", "City"),
        ("usercreated.topics.offers-d1f2g3h4j5", "usercreated.topics.bargains-d1f2g3h4j5", "Offers"),
    ] {
        let rig = Rig::start(SandboxConfig::default()).await;
        let changed = |text: &str| text.replace(from, to);
        let message = refused(&rig, changed, "apsis-setting").await;
        assert!(message.contains(to.trim_matches('"')) && message.contains(known), "{message}");

        save_unasked(&rig, changed).await;
        let doctor = rig.run(&["doctor", ACME]).await;
        assert_failed(&doctor, "mapping, APSIS One side", "apsis-setting", known);
        let run = rig.sync().await;
        assert_eq!(run.last()["phase"], "completed", "{}", run.last());
        assert!(
            run.log.contains("a mapping is paused") && run.log.contains(to.trim_matches('"')),
            "{}",
            run.log
        );
        assert!(rig.sandbox.profile_count() > 20, "the rest goes on");
    }
}

#[tokio::test]
async fn a_section_that_apsis_one_does_not_have_stops_everything() {
    let rig =
        Rig::start_with(SandboxConfig::default(), |text| text.replace("\"Nordics\"", "\"Baltics\"")).await;
    let doctor = rig.run(&["doctor", ACME]).await;
    assert_eq!(doctor.code(), 1);
    let message = failures(&doctor)[0]["error"]["message"].to_string();
    assert!(message.contains("Baltics") && message.contains("Nordics"), "{message}");
    let run = rig.sync().await;
    assert_eq!(run.last()["error"]["code"], "apsis-setting", "{}", run.last());
    assert_eq!(rig.sandbox.profile_count(), 0);
}

#[tokio::test]
async fn rules_that_cannot_be_used_are_found_before_a_run() {
    let rig = Rig::start(SandboxConfig::default()).await;
    let changed = |text: &str| text.replace("\"Country\"", "\"usercreated.attributes.city-p0o9i8u7y6\"");
    refused(&rig, changed, "rules-attribute-twice").await;
    save_unasked(&rig, changed).await;
    let doctor = rig.run(&["doctor", ACME]).await;
    assert_failed(&doctor, "mapping, APSIS One side", "rules-attribute-twice", "city");
    assert_eq!(rig.sync().await.last()["error"]["code"], "rules-attribute-twice");
}

#[tokio::test]
async fn a_lime_without_the_consent_add_on_is_told_what_to_do() {
    let mut config = SandboxConfig::default();
    config.lime.consent_add_on = false;
    let rig = Rig::start(config).await;
    let doctor = rig.run(&["doctor", ACME]).await;
    assert_eq!(doctor.code(), 1);
    let failed = failures(&doctor);
    assert!(!failed.is_empty());
    for line in &failed {
        assert_eq!(line["error"]["code"], "crm-misconfigured", "{line}");
        let message = line["error"]["message"].as_str().unwrap();
        assert!(
            message.contains("consents") && message.contains("fields"),
            "it names the way out: {message}"
        );
    }
    let run = rig.sync().await;
    assert_eq!((run.code(), run.last()["error"]["code"].as_str()), (1, Some("crm-misconfigured")));
    assert_eq!(rig.sandbox.profile_count(), 0, "nobody is synced without the consents that were asked for");
}

/// The changed file is refused; with which words.
async fn refused(rig: &Rig, change: impl Fn(&str) -> String, code: &str) -> String {
    let ended = sluice_tests::rig::ended(apply(rig, change).spawn().unwrap()).await;
    let error = &ended.last()["error"];
    assert_eq!((ended.code(), error["code"].as_str()), (1, Some(code)), "{error}");
    error["message"].as_str().unwrap().to_owned()
}

/// Saves the changed file while neither side lets itself be asked, which is said.
async fn save_unasked(rig: &Rig, change: impl Fn(&str) -> String) {
    let mut command = apply(rig, change);
    command.env(LIME_KEY, "not-the-key").env(APSIS_SECRET, "not-the-secret");
    let ended = sluice_tests::rig::ended(command.spawn().unwrap()).await;
    assert_eq!(ended.code(), 0, "{:?}", ended.lines);
    for side in ["the CRM", "APSIS One"] {
        let words = format!("the rules could not be checked against {side}");
        assert!(ended.log.contains(&words), "{}", ended.log);
    }
}

fn apply(rig: &Rig, change: impl Fn(&str) -> String) -> tokio::process::Command {
    let good = std::fs::read_to_string(rig.path("acme.toml")).unwrap();
    let (text, file) = (change(&good), rig.path("changed.toml"));
    assert_ne!(text, good, "the file was changed");
    std::fs::write(&file, text).unwrap();
    rig.command(&["integration", "apply", &file.display().to_string()])
}

fn failures(ended: &Ended) -> Vec<&Value> {
    ended.lines.iter().filter(|line| line["ok"] == false).collect()
}

fn well(ended: &Ended, check: &str) -> bool {
    ended.lines.iter().any(|line| line["check"] == check && line["ok"] == true)
}

/// One check, and no other, failed; its sentence has the word, and the command fails.
fn assert_failed(ended: &Ended, check: &str, code: &str, word: &str) {
    assert_eq!(ended.code(), 1);
    assert_eq!(ended.last()["error"]["code"], "doctor-found-trouble");
    let failed = failures(ended);
    assert!(!failed.is_empty(), "{:?}", ended.lines);
    assert!(failed.iter().any(|line| line["check"] == check), "{failed:?}");
    for line in failed {
        assert_eq!(line["error"]["code"], code, "{line}");
        assert!(line["error"]["message"].as_str().unwrap().contains(word), "{line}");
    }
}

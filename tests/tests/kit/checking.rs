//! `sluice connector check`: good connectors pass, wrong ones fail at the rule that they break.

use serde_json::Value;

use sluice_tests::rig::{eventually, program};

use crate::{Desk, quill_crm};

fn rules<'a>(report: &'a Value, verdict: &str) -> Vec<&'a str> {
    let rules = report["rules"].as_array().unwrap().iter();
    rules.filter(|rule| rule["verdict"] == verdict).map(|rule| rule["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_connector_that_authors_begin_with_keeps_every_rule() {
    let desk = Desk::new();
    let (page, junit) = (desk.path("report.html"), desk.path("report.xml"));
    let (page, junit) = (page.display().to_string(), junit.display().to_string());
    let (code, report) = desk
        .told(&["check", env!("QUILL_WASM"), "--crm", &quill_crm(), "--report", &page, "--junit", &junit])
        .await;
    assert_eq!(rules(&report, "broken"), [""; 0], "{report:#}");
    assert_eq!(code, 0);
    // It takes no deliveries, and its CRM has no lists.
    assert_eq!(
        rules(&report, "open"),
        ["receive-any", "receive-alone", "verify-refuses", "subscribe-twice", "members-paged"]
    );
    assert_eq!(report["contacts"], 250);
    assert!(desk.text("report.html").contains("No rule is broken."));
    assert!(
        desk.text("report.xml").contains("tests=\"31\"") || desk.text("report.xml").contains("<testsuite ")
    );
}

#[tokio::test]
async fn wrong_connectors_fail_at_the_rule_that_they_break_and_are_told_how_to_mend_it() {
    let desk = Desk::new();
    for (fault, rule) in [
        ("places", "steady-crowd"),
        ("tries-on", "unauthorized-said"),
        ("impatient", "rate-limit-said"),
        ("swallows", "broken-answers"),
        ("talks", "quiet"),
        ("generous", "pages-limited"),
        ("untyped", "values-typed"),
        ("circles", "pages-end"),
        ("two-faced", "get-the-same"),
        ("timeless", "times-utc"),
    ] {
        let crm = format!("{} | sed -u 's/\"settings\":{{/&\"fault\":\"{fault}\",/'", quill_crm());
        let (code, report) = desk.told(&["check", env!("WRONG_WASM"), "--crm", &crm]).await;
        assert_eq!(code, 1, "{fault}");
        let broken = rules(&report, "broken");
        assert!(broken.contains(&rule), "{fault}: {broken:?}");
        let said = desk.connector(&["check", env!("WRONG_WASM"), "--crm", &crm]).await;
        let mend = report["rules"].as_array().unwrap().iter().find(|one| one["id"] == rule).unwrap();
        assert!(said.out.contains(&format!("BROKEN  {rule}")), "{}", said.out);
        assert!(said.out.contains(mend["mend"].as_str().unwrap()), "{}", said.out);
        assert!(said.err.contains("kit-rules-broken"), "{}", said.err);
        // Nobody's address is shown, not even by the rule that found it.
        assert!(!said.out.contains("@example.com"), "{}", said.out);
    }
}

#[tokio::test]
async fn what_cannot_be_tried_is_left_open_and_said_so() {
    let desk = Desk::new();
    let (code, report) = desk.told(&["check", env!("QUILL_WASM")]).await;
    assert_eq!(code, 0);
    assert_eq!(rules(&report, "kept"), ["describe-pure", "describe-whole", "settings-form", "origins-named"]);
    assert!(report.to_string().contains("--fixtures"));
}

#[tokio::test]
async fn a_crm_that_does_not_play_its_part_is_named() {
    let desk = Desk::new();
    for (crm, word) in [
        ("exit 3", "ended before it was ready"),
        ("echo hello; exec sleep 100", "something else"),
        ("echo '{\"settings\":{},\"origins\":[],\"control\":\"http://127.0.0.1:9\"}'; exec sleep 100", "url"),
    ] {
        let said = desk.connector(&["check", env!("QUILL_WASM"), "--crm", crm]).await;
        assert_eq!(said.code, 1, "{}", said.out);
        assert!(said.err.contains(word), "{crm}: {}", said.err);
    }
}

#[tokio::test]
async fn a_crm_that_starts_programs_of_its_own_leaves_none_behind() {
    let desk = Desk::new();
    let told = desk.path("started");
    let crm = format!("sleep 1000 & echo $! > {}; echo hello; exec sleep 1000", told.display());
    let said = desk.connector(&["check", env!("QUILL_WASM"), "--crm", &crm]).await;
    assert_eq!(said.code, 1, "{}", said.out);
    let started = std::fs::read_to_string(told).unwrap();
    eventually("it has ended", async || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", started.trim())).unwrap_or_default();
        // One that nobody has asked after yet is listed, and runs no more.
        (status.is_empty() || status.contains("State:\tZ")).then_some(())
    })
    .await;
}

/// What our own connectors may leave open, and why.
async fn keeps_every_rule(component: &str, crm: &str, open: &[&str]) {
    let desk = Desk::new();
    let (code, report) = desk.told(&["check", component, "--crm", crm]).await;
    assert_eq!(rules(&report, "broken"), [""; 0], "{report:#}");
    assert_eq!(code, 0);
    assert_eq!(rules(&report, "open"), open, "{report:#}");
}

#[tokio::test]
async fn the_connector_of_lime_crm_keeps_every_rule() {
    let crm = format!("{} --trial lime", program("sandbox-under-test").display());
    keeps_every_rule(env!("LIME_WASM"), &crm, &[]).await;
}

#[tokio::test]
async fn the_connector_of_webcrm_keeps_every_rule() {
    let crm = format!("{} --trial webcrm", program("sandbox-under-test").display());
    keeps_every_rule(env!("WEBCRM_WASM"), &crm, &["members-paged"]).await;
}

#[tokio::test]
async fn a_connector_in_python_keeps_every_rule() {
    let component = std::env::var("PYTHON_WASM").unwrap_or_else(|_| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../target/components/python/csv_people.wasm").to_owned()
    });
    let crm = concat!("python3 ", env!("CARGO_MANIFEST_DIR"), "/../plugins/examples/python/serve.py");
    let no_deliveries =
        ["receive-any", "receive-alone", "verify-refuses", "subscribe-twice", "members-paged"];
    keeps_every_rule(&component, crm, &no_deliveries).await;
}

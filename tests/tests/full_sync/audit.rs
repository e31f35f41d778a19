//! What somebody else did in APSIS One is found by an audit, all of it and nothing else, and mended on request.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluice_sandbox::{ApsisSwitches, Consent, ConsentType, ExportEnd, SandboxConfig};

use sluice_tests::postgres;
use sluice_tests::processes::{Followed, say, slow_down};
use sluice_tests::rig::{ACME, Ended, Rig, counter, made_up};
use sluice_tests::sides::profiles;

const NEWSLETTER: &str = "usercreated.topics.newsletter-rg4kf3kt24";
const EMAIL: &str = "com.apsis1.channels.email";
const CITY: &str = "usercreated.attributes.city-p0o9i8u7y6";
const CRM: &str = "com.apsis1.keyspaces.crm-id";
const SECTION: &str = "usercreated.sections.nordics-a1b2c3d4e5";

async fn synced(store: Option<String>, config: SandboxConfig) -> Rig {
    let rig = Rig::start_on(store, config, |text| text).await;
    completed(&rig).await;
    rig
}

async fn completed(rig: &Rig) {
    let run = rig.sync().await;
    assert_eq!(run.last()["phase"], "completed", "{}", run.log);
}

async fn audit(rig: &Rig, more: &[&str]) -> Ended {
    rig.run(&[&["integration", "audit", ACME], more].concat()).await
}

/// What an audit found: contacts by kind; and that it counts just those that it lists.
fn found(audit: &Ended) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
    let differences = audit.lines.iter().filter(|line| line["difference"].is_string());
    let listed: Vec<(String, String)> =
        differences.map(|line| (text(&line["difference"]), text(&line["contact"]))).collect();
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for (kind, _) in &listed {
        *counted.entry(kind.clone()).or_default() += 1;
    }
    let summary = audit.lines.iter().find(|line| line["compared"].is_u64());
    let summary = summary.unwrap_or_else(|| panic!("no summary: {:?} {}", audit.lines, audit.log));
    assert_eq!(summary["differences"], json!(counted), "{summary}");
    listed
}

fn drift(kind: &str, contact: &str) -> (String, String) {
    (kind.to_owned(), contact.to_owned())
}

/// What APSIS One has for the newsletter by e-mail.
fn state(rig: &Rig, id: &str) -> Option<String> {
    profiles(&rig.sandbox).get(id)?.1.get(&(NEWSLETTER.to_owned(), EMAIL.to_owned())).cloned()
}

/// Everybody who has this for the newsletter by e-mail.
fn who(rig: &Rig, wanted: Option<&str>) -> Vec<String> {
    profiles(&rig.sandbox).into_keys().filter(|id| state(rig, id).as_deref() == wanted).collect()
}

/// A consent, set now by somebody else in APSIS One.
fn set(rig: &Rig, id: &str, state: ConsentType) {
    let consent =
        Consent { topic: NEWSLETTER.to_owned(), channel: EMAIL.to_owned(), state, modified_at: None };
    rig.sandbox.put_consent(id, &consent).unwrap();
}

/// A request of somebody else to APSIS One.
async fn ask(rig: &Rig, method: reqwest::Method, path: &str, content_type: &str, body: Value) {
    let client = reqwest::Client::new();
    let key = json!({"grant_type": "client_credentials", "client_id": rig.sandbox.apsis_client_id(),
        "client_secret": rig.sandbox.apsis_client_secret()});
    let token =
        client.post(format!("{}/oauth/token", rig.sandbox.apsis_url())).json(&key).send().await.unwrap();
    let token: Value = token.json().await.unwrap();
    let request = client.request(method, format!("{}{path}", rig.sandbox.apsis_url()));
    let request = request.bearer_auth(token["access_token"].as_str().unwrap());
    let answer = request.header("content-type", content_type).body(body.to_string()).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
}

async fn set_city(rig: &Rig, id: &str, city: &str) {
    let path = format!("/v2/audience/keyspaces/{CRM}/profiles/{id}/sections/{SECTION}/attributes");
    ask(rig, reqwest::Method::PATCH, &path, "application/merge-patch+json", json!({ CITY: city })).await;
}

async fn create(rig: &Rig, key: &str) {
    let path = format!("/audience/keyspaces/{CRM}/sections/{SECTION}/profiles");
    ask(rig, reqwest::Method::POST, &path, "application/json", json!({"profile_key": key})).await;
}

#[tokio::test]
async fn on_sqlite_an_audit_finds_just_what_somebody_else_did_and_mends_it() {
    an_audit_finds_just_what_somebody_else_did_and_mends_it(None).await;
}

#[tokio::test]
async fn on_postgres_an_audit_finds_just_what_somebody_else_did_and_mends_it() {
    an_audit_finds_just_what_somebody_else_did_and_mends_it(Some(postgres::database().url)).await;
}

async fn an_audit_finds_just_what_somebody_else_did_and_mends_it(store: Option<String>) {
    let rig = synced(store, made_up(60)).await;
    let clean = audit(&rig, &[]).await;
    assert_eq!((clean.code(), found(&clean)), (0, vec![]), "{}", clean.log);
    assert_eq!(clean.last()["compared"], json!(rig.sandbox.profile_count()), "{}", clean.last());
    assert_eq!(clean.last()["read-by"], "export");

    let (given, refused, unsaid) = (who(&rig, Some("opt-in")), who(&rig, Some("opt-out")), who(&rig, None));
    assert!(given.len() > 3 && !refused.is_empty() && !unsaid.is_empty(), "{given:?} {refused:?} {unsaid:?}");
    let (opted_in, by_others, opted_out) = (&refused[0], &unsaid[0], &given[0]);
    let (missing, differing) = (&given[1], &given[2]);
    let before = profiles(&rig.sandbox);
    set(&rig, opted_in, ConsentType::OptIn);
    set(&rig, by_others, ConsentType::OptIn);
    set(&rig, opted_out, ConsentType::OptOut);
    rig.sandbox.delete_profile(missing).unwrap();
    set_city(&rig, differing, "Elsewhere").await;
    create(&rig, "X-1").await;

    let seen = audit(&rig, &[]).await;
    let expected = [
        drift("opted-in", opted_in),
        drift("opted-in-by-others", by_others),
        drift("profile-missing", missing),
        drift("attributes-differ", differing),
        drift("opted-out-since", opted_out),
        drift("profile-unknown", "X-1"),
    ];
    assert_eq!((seen.code(), found(&seen)), (3, expected.to_vec()), "the most dangerous first: {}", seen.log);
    let line = |kind: &str| seen.lines.iter().find(|line| line["difference"] == kind).unwrap();
    assert_eq!(line("attributes-differ")["attributes"], json!([CITY]));
    for kind in ["opted-in", "opted-in-by-others", "opted-out-since"] {
        let consent = &line(kind)["consent"];
        assert_eq!((&consent["topic"], &consent["source"]), (&json!(NEWSLETTER), &json!("Preference page")));
        assert!(consent["modified-at"].is_string(), "{consent}");
    }
    let shown = format!("{:?} {}", seen.lines, seen.log);
    assert!(!shown.contains("Elsewhere") && !shown.contains('@'), "no values: {shown}");
    assert_eq!(state(&rig, opted_in).as_deref(), Some("opt-in"), "an audit changes nothing");

    rig.sandbox.reset_log();
    let mended = audit(&rig, &["--repair"]).await;
    let run = mended.last();
    assert_eq!((run["phase"].as_str(), mended.code()), (Some("completed"), 3), "{}", mended.log);
    assert_eq!((counter(run, "created"), counter(run, "updated")), (1, 2), "just those: {run}");
    let arrivals = rig.sandbox.arrivals(None);
    let first_of = |routes: &[&str]| arrivals.iter().find(|arrival| routes.contains(&arrival.route)).unwrap();
    let first = first_of(&["apsis.consents.post", "apsis.attributes.patch", "apsis.create"]);
    assert_eq!(
        first.profile,
        Some(rig.sandbox.profile_hash(opted_in)),
        "what is wrongly opted in comes first"
    );
    let after = profiles(&rig.sandbox);
    for id in [opted_in, missing, differing] {
        assert_eq!(after[id], before[id], "{id} is as it was");
    }
    assert_eq!(state(&rig, opted_out).as_deref(), Some("opt-out"), "a recipient's word stays");
    assert_eq!(state(&rig, by_others).as_deref(), Some("opt-in"), "who set it has to say");

    let again = audit(&rig, &[]).await;
    let left = [
        drift("opted-in-by-others", by_others),
        drift("opted-out-since", opted_out),
        drift("profile-unknown", "X-1"),
    ];
    assert_eq!((again.code(), found(&again)), (3, left.to_vec()), "{}", again.log);
    set(&rig, by_others, ConsentType::OptOut);
    rig.sandbox.delete_profile("X-1").unwrap();
    let clean = audit(&rig, &["--repair"]).await;
    assert_eq!(
        (clean.code(), found(&clean)),
        (0, vec![drift("opted-out-since", opted_out)]),
        "{}",
        clean.log
    );
    assert_eq!(rig.run(&["sync", "list", ACME]).await.lines.len(), 2, "there was nothing more to mend");
}

#[tokio::test]
async fn who_is_no_longer_synced_is_opted_out_all_the_same() {
    let rig = synced(None, made_up(60)).await;
    let refused = who(&rig, Some("opt-out")).swap_remove(0);
    rig.sandbox.lime_update("person", refused.parse().unwrap(), &json!({"inactive": true})).unwrap();
    completed(&rig).await;
    set(&rig, &refused, ConsentType::OptIn);
    set_city(&rig, &refused, "Elsewhere").await;
    assert_eq!(found(&audit(&rig, &[]).await), [drift("opted-in", &refused)], "its attributes are not ours");
    let mended = audit(&rig, &["--repair"]).await;
    assert_eq!(mended.last()["phase"], "completed", "{}", mended.log);
    assert_eq!(state(&rig, &refused).as_deref(), Some("opt-out"));
    assert_eq!(profiles(&rig.sandbox)[&refused].0[CITY], "Elsewhere");
    let clean = audit(&rig, &[]).await;
    assert_eq!((clean.code(), found(&clean)), (0, vec![]), "{}", clean.log);
}

#[tokio::test]
async fn a_sample_is_read_one_by_one() {
    let rig = synced(None, made_up(60)).await;
    let ids: Vec<String> = profiles(&rig.sandbox).into_keys().collect();
    set_city(&rig, &ids[7], "Elsewhere").await;
    rig.sandbox.reset_log();
    let few = audit(&rig, &["--sample", "5"]).await;
    assert_eq!(
        (&few.last()["compared"], &few.last()["read-by"]),
        (&json!(5), &json!("sample")),
        "{}",
        few.log
    );
    assert_eq!((rig.answered("apsis.attributes.get"), rig.asked("apsis.export")), (5, 0));
    let all = audit(&rig, &["--sample", "100000"]).await;
    assert_eq!((all.code(), found(&all)), (3, vec![drift("attributes-differ", &ids[7])]), "{}", all.log);
    let said = say(&rig.data(), &["integration", "audit", ACME, "--sample", "0"]).await;
    assert_eq!(said.code, 2, "{}", said.err);
}

#[tokio::test]
async fn without_exports_everybody_known_is_read_one_by_one_and_that_is_said() {
    let apsis = ApsisSwitches { export_end: ExportEnd::Forbidden, ..ApsisSwitches::default() };
    let rig = synced(None, SandboxConfig { apsis, ..made_up(30) }).await;
    let ids: Vec<String> = profiles(&rig.sandbox).into_keys().collect();
    rig.sandbox.delete_profile(&ids[3]).unwrap();
    create(&rig, "X-1").await;
    let seen = audit(&rig, &[]).await;
    assert_eq!((seen.code(), found(&seen)), (3, vec![drift("profile-missing", &ids[3])]), "{}", seen.log);
    assert_eq!(seen.last()["compared"], json!(ids.len()), "{}", seen.last());
    assert!(seen.last()["read-by"]["single-calls"].as_str().unwrap().contains("export"), "{}", seen.last());
}

#[tokio::test]
async fn while_a_run_is_active_nothing_is_compared() {
    let rig = synced(None, SandboxConfig::default()).await;
    slow_down(&rig);
    let mut run = Followed::start(&rig, &["sync", "start", ACME]);
    run.until_reading().await;
    run.signal("KILL");
    run.end().await;
    let refused = audit(&rig, &[]).await;
    assert_eq!(
        (refused.code(), &refused.last()["error"]["code"]),
        (1, &json!("run-active")),
        "{}",
        refused.log
    );
}

#[tokio::test]
async fn who_waits_to_be_written_is_left_out() {
    let rig = synced(None, made_up(30)).await;
    let ids: Vec<String> = profiles(&rig.sandbox).into_keys().collect();
    for id in &ids[..2] {
        set_city(&rig, id, "Elsewhere").await;
    }
    // As a message about the first one would have it that the lane has not taken yet.
    let waits = "INSERT INTO waiting (integration, contact, since) SELECT number, ?1, 1 FROM integrations";
    let store = rusqlite::Connection::open(rig.data().join("sluice.db")).unwrap();
    assert_eq!(store.execute(waits, [&ids[0]]).unwrap(), 1);
    for more in [&["--repair"][..], &["--sample", "1000"]] {
        let seen = audit(&rig, more).await;
        let summary = seen.lines.iter().find(|line| line["compared"].is_u64()).unwrap();
        assert_eq!(summary["left-out"], 1, "{summary}");
        let others =
            if more.contains(&"--repair") { vec![drift("attributes-differ", &ids[1])] } else { vec![] };
        assert_eq!(found(&seen), others, "{more:?}");
    }
    store.execute("DELETE FROM waiting", []).unwrap();
    assert_eq!(found(&audit(&rig, &[]).await), [drift("attributes-differ", &ids[0])]);
}

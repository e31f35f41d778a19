//! Consents fail closed: nobody is opted in against an opt-out, or before the rest is right.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluice_sandbox::{ApsisSwitches, Arrival, Consent, ConsentType, ImportEnd, SandboxConfig};

use sluice_tests::rig::{ACME, Rig, ended, made_up, until};
use sluice_tests::sides::profiles;

const NEWSLETTER: &str = "usercreated.topics.newsletter-rg4kf3kt24";
const EMAIL: &str = "com.apsis1.channels.email";
/// The consent type that the demo maps to the newsletter by e-mail.
const NEWSLETTER_BY_EMAIL: u64 = 1001;

const BY_IMPORT: &str = "\n[sync]\nimport-threshold = 1\n";
const BY_SINGLE_CALLS: &str = "\n[sync]\nimport-threshold = 1000000\n";

const PERSONS: u64 = 60;

#[tokio::test]
async fn who_opted_out_in_apsis_one_is_not_opted_in_again_by_imports() {
    opted_out_stays_opted_out(BY_IMPORT).await;
}

#[tokio::test]
async fn who_opted_out_in_apsis_one_is_not_opted_in_again_by_single_calls() {
    opted_out_stays_opted_out(BY_SINGLE_CALLS).await;
}

async fn opted_out_stays_opted_out(sync: &str) {
    let calm = rig(made_up(PERSONS), sync).await;
    completed(&calm, &[]).await;
    let subscribers = subscribers(&calm);
    let (before, after) = subscribers.split_at(subscribers.len() / 2);
    assert!(before.len() > 2 && after.len() > 2, "there are subscribers: {subscribers:?}");

    // Some opted out before they were ever synced, some after.
    let rig = rig(made_up(PERSONS), sync).await;
    before.iter().for_each(|id| opt_out(&rig, id));
    completed(&rig, &[]).await;
    are_opted_out(&rig, before).await;
    after.iter().for_each(|id| opt_out(&rig, id));

    // Their contacts change, and everybody is written whether changed or not.
    for id in &subscribers {
        rig.sandbox.lime_update("person", id.parse().unwrap(), &json!({"city": "Visby"})).unwrap();
    }
    completed(&rig, &[]).await;
    are_opted_out(&rig, &subscribers).await;
    completed(&rig, &["--forced"]).await;
    are_opted_out(&rig, &subscribers).await;
    let profiles = profiles(&rig.sandbox);
    for id in &subscribers {
        assert_eq!(profiles[id].0["usercreated.attributes.city-p0o9i8u7y6"], "Visby", "the rest is written");
    }
    assert_eq!(profiles.len(), calm.sandbox.profile_count());

    // The CRM's answer is newer again: now it holds.
    let anew = &subscribers[0];
    answer(&rig, anew, true);
    completed(&rig, &[]).await;
    assert_eq!(state(&rig, anew).as_deref(), Some("opt-in"), "a newer answer is followed");
}

#[tokio::test]
async fn an_opt_out_during_an_import_holds() {
    let calm = rig(made_up(PERSONS), BY_IMPORT).await;
    completed(&calm, &[]).await;
    let subscribers = subscribers(&calm);

    let apsis = ApsisSwitches { import_queued_millis: 2000, ..ApsisSwitches::default() };
    let rig = rig(SandboxConfig { apsis, ..made_up(PERSONS) }, BY_IMPORT).await;
    let child = rig.spawn(&["sync", "start", ACME]);
    until("an import waits", || rig.asked("apsis.import.upload") > 0).await;
    subscribers.iter().for_each(|id| opt_out(&rig, id));
    let run = ended(child).await.last().clone();
    assert_eq!(run["phase"], "completed", "{run}");
    are_opted_out(&rig, &subscribers).await;
}

#[tokio::test]
async fn a_refusal_in_the_crm_opts_out_before_anything_else_is_written() {
    for sync in [BY_SINGLE_CALLS, BY_IMPORT] {
        let rig = rig(made_up(PERSONS), sync).await;
        completed(&rig, &[]).await;
        let subscribers = subscribers(&rig);
        for id in &subscribers {
            answer(&rig, id, false);
            rig.sandbox.lime_update("person", id.parse().unwrap(), &json!({"city": "Visby"})).unwrap();
        }
        rig.sandbox.reset_log();
        completed(&rig, &[]).await;
        for id in &subscribers {
            assert_eq!(state(&rig, id).as_deref(), Some("opt-out"), "{id}");
        }
        let arrivals = rig.sandbox.arrivals(None);
        let written = by_profile(&arrivals);
        let first_import = arrivals.iter().find(|arrival| arrival.route == "apsis.import.start");
        assert_eq!(first_import.is_some(), sync == BY_IMPORT);
        assert_eq!(written.len(), subscribers.len(), "only who changed is written");
        for writes in written.values() {
            assert_eq!(writes[0].route, "apsis.consents.post", "{writes:?}");
            assert!(first_import.is_none_or(|import| writes[0].number < import.number), "{writes:?}");
        }
    }
}

#[tokio::test]
async fn opt_ins_are_the_last_writes_of_a_profile() {
    let rig = rig(made_up(PERSONS), BY_SINGLE_CALLS).await;
    completed(&rig, &[]).await;
    let arrivals = rig.sandbox.arrivals(None);
    // The log does not say which way a consent goes, but all of them together do.
    let (mut before, mut after) = (0, 0);
    for writes in by_profile(&arrivals).values() {
        let content = writes.iter().position(|write| write.route == "apsis.attributes.patch").unwrap();
        let consents =
            |writes: &[&Arrival]| writes.iter().filter(|write| write.route == "apsis.consents.post").count();
        before += consents(&writes[..content]);
        after += consents(&writes[content..]);
    }
    let profiles = rig.sandbox.profiles();
    let states = |state: &str| {
        let consents = profiles.iter().flat_map(|profile| &profile.consents);
        consents.filter(|consent| consent["type"] == state).count()
    };
    assert!(states("opt-in") > PERSONS as usize / 3, "{} opted in", states("opt-in"));
    assert_eq!(
        (before, after),
        (states("opt-out"), states("opt-in")),
        "opt-outs before the content, opt-ins after"
    );
}

#[tokio::test]
async fn who_has_content_that_is_refused_is_never_opted_in() {
    for sync in [BY_SINGLE_CALLS, BY_IMPORT] {
        // Two people with one address, where APSIS One takes an address but once. An import leaves them.
        let import_end = ImportEnd::Error;
        let apsis =
            ApsisSwitches { mapped_attribute_gives_key: true, import_end, ..ApsisSwitches::default() };
        let rig = rig(SandboxConfig { apsis, ..made_up(PERSONS) }, sync).await;
        let twins: Vec<String> = ["Ada", "Bo"]
            .map(|name| {
                let person = json!({"firstname": name, "lastname": "Twin", "email": "twin@firma.example"});
                let id = rig.sandbox.lime_create("person", &person).unwrap().to_string();
                answer(&rig, &id, true);
                id
            })
            .into();
        completed(&rig, &[]).await;
        let rejected: Vec<&String> = twins.iter().filter(|id| state(&rig, id).is_none()).collect();
        assert_eq!(rejected.len(), 1, "one of them is opted in, the other is not: {sync}");
        let shown = rig.run(&["sync", "show", ACME, "--outcome", "rejected"]).await;
        let line = shown.lines.iter().find(|line| line["contact"] == **rejected[0]);
        let line = line.unwrap_or_else(|| panic!("{} is not listed: {sync}", rejected[0]));
        assert_eq!(line["reason"]["code"], "profile-conflict", "{line}");
    }
}

async fn rig(config: SandboxConfig, sync: &str) -> Rig {
    Rig::start_with(config, |text| text + sync).await
}

async fn completed(rig: &Rig, more: &[&str]) {
    let ended = rig.run(&[&["sync", "start", ACME], more].concat()).await;
    assert_eq!(ended.last()["phase"], "completed", "{}", ended.log);
}

/// A person's answer, given now in the CRM.
fn answer(rig: &Rig, person: &str, approved: bool) {
    let person: u64 = person.parse().unwrap();
    let date = jiff::Timestamp::now().to_string();
    let consent = json!({"person": person, "consenttype": NEWSLETTER_BY_EMAIL, "approved": approved, "date": date, "source": "coworker"});
    rig.sandbox.lime_create("consent", &consent).unwrap();
}

/// A person's opt-out, made now in APSIS One.
fn opt_out(rig: &Rig, id: &str) {
    let consent = Consent {
        topic: NEWSLETTER.to_owned(),
        channel: EMAIL.to_owned(),
        state: ConsentType::OptOut,
        modified_at: None,
    };
    rig.sandbox.put_consent(id, &consent).unwrap();
}

/// What APSIS One has for the newsletter by e-mail.
fn state(rig: &Rig, id: &str) -> Option<String> {
    let key = (NEWSLETTER.to_owned(), EMAIL.to_owned());
    profiles(&rig.sandbox).get(id)?.1.get(&key).cloned()
}

/// Who has the newsletter by e-mail.
fn subscribers(rig: &Rig) -> Vec<String> {
    let ids = profiles(&rig.sandbox).into_keys();
    ids.filter(|id| state(rig, id).as_deref() == Some("opt-in")).collect()
}

/// They are opted out in APSIS One, and the last run says why they were not opted in again.
async fn are_opted_out(rig: &Rig, ids: &[String]) {
    let mut reasons: BTreeMap<String, Value> = BTreeMap::new();
    for outcome in ["created", "updated"] {
        for line in rig.run(&["sync", "show", ACME, "--outcome", outcome]).await.lines {
            if let Some(id) = line["contact"].as_str() {
                reasons.insert(id.to_owned(), line["reason"]["code"].clone());
            }
        }
    }
    for id in ids {
        assert_eq!(state(rig, id).as_deref(), Some("opt-out"), "{id} stays opted out");
        assert_eq!(reasons.get(id), Some(&json!("opted-out-in-apsis")), "{id} has the reason listed");
    }
}

/// The requests that write, by the profile that they are about, in order.
fn by_profile(arrivals: &[Arrival]) -> BTreeMap<u64, Vec<&Arrival>> {
    let mut profiles: BTreeMap<u64, Vec<&Arrival>> = BTreeMap::new();
    for arrival in arrivals {
        let writes = ["apsis.consents.post", "apsis.attributes.patch"].contains(&arrival.route);
        if let (true, Some(profile)) = (writes, arrival.profile) {
            profiles.entry(profile).or_default().push(arrival);
        }
    }
    profiles
}

//! Whatever goes wrong on either side, the run ends right or says why not, and no limit is exceeded.

use sluice_sandbox::{
    ApsisSwitches, ExportEnd, Fault, FaultRule, ImportEnd, LimeSwitches, Peaks, People, SandboxConfig, When,
};

use crate::people::{compare, compare_with_undisturbed};
use sluice_tests::expected;
use sluice_tests::rig::{ACME, Rig, assert_adds_up, at_full_size, counter, ended, until};

const BY_IMPORT: &str = "\n[sync]\npage-size = 50\nimport-threshold = 20\nimport-rows = 100\n";
const BY_SINGLE_CALLS: &str = "\n[sync]\npage-size = 50\nimport-threshold = 1000000\n";

#[tokio::test]
async fn with_every_fault_at_once_a_run_with_imports_ends_right() {
    let apsis = ApsisSwitches { dead_token_status: 401, retry_after: true, ..ApsisSwitches::default() };
    let people = if at_full_size() { People::Files } else { People::Generated { persons: 200, seed: 7 } };
    let rig = storm(people, apsis, BY_IMPORT).await;
    if people == People::Files {
        compare(&rig, &expected::people());
    }
}

#[tokio::test]
async fn with_every_fault_at_once_a_run_of_single_calls_ends_right() {
    let apsis = ApsisSwitches { dead_token_status: 403, ..ApsisSwitches::default() };
    let persons = if at_full_size() { 1000 } else { 120 };
    storm(People::Generated { persons, seed: 7 }, apsis, BY_SINGLE_CALLS).await;
}

/// An integration whose connector answers each cursor with itself.
const ROUND: &str = r#"
id = "round"
name = "Round"
connector = "{component}"

[settings]
url = "https://crm.example"
fault = "same-cursor"

[secrets]
api-key = { env = "SLUICE_DEMO_LIME_KEY" }

[grant]
origins = ["https://crm.example"]

[apsis]
url = "{apsis_url}"
client-id = "b2f0c1de-0000-4000-8000-000000000001"
client-secret = { env = "SLUICE_DEMO_APSIS_SECRET" }
section = "Nordics"
private-network = true
"#;

#[tokio::test]
async fn a_cursor_that_leads_back_ends_the_run() {
    let config =
        SandboxConfig { people: People::Generated { persons: 1, seed: 7 }, ..SandboxConfig::default() };
    let rig = Rig::start(config).await;
    let text = ROUND
        .replace("{component}", env!("FAULTY_WASM"))
        .replace("{apsis_url}", &rig.sandbox.addresses().apsis_url);
    let file = rig.path("round.toml");
    std::fs::write(&file, text).unwrap();
    let applied = rig.run(&["integration", "apply", &file.display().to_string()]).await;
    assert_eq!(applied.code(), 0, "{:?} {}", applied.lines, applied.log);
    let run = rig.run(&["sync", "start", "round"]).await;
    assert_eq!(run.code(), 1, "{:?} {}", run.lines, run.log);
    let told = format!("{:?}", run.lines);
    assert!(told.contains("cursor-repeated"), "{told}");
}

/// A full sync with everything going wrong now and then.
async fn storm(people: People, apsis: ApsisSwitches, sync: &str) -> Rig {
    let config = SandboxConfig { people, apsis, ..SandboxConfig::default() };
    let rig = Rig::start_with(config, |text| text + sync).await;
    // Not before: the first requests of each side are to be the run's, and not those of saving its rules.
    for rule in every_fault() {
        rig.sandbox.add_fault(rule);
    }
    let (ended, undisturbed) = tokio::join!(rig.sync(), async {
        let config = SandboxConfig { people, ..SandboxConfig::default() };
        let calm = Rig::start_with(config, |text| text + sync).await;
        let run = calm.sync().await.last().clone();
        (calm, run)
    });
    let (calm, expected) = undisturbed;
    let run = ended.last();
    assert_eq!(run["phase"], "completed", "{run}\n{}", ended.log);
    assert_adds_up(run);
    assert_eq!(run["counters"], expected["counters"], "the same counters as undisturbed");
    assert_eq!(sluice_tests::sides::profiles(&rig.sandbox), sluice_tests::sides::profiles(&calm.sandbox));
    println!("in the storm: {:?}\n{:?}", rig.sandbox.counts(), rig.sandbox.peaks());
    assert_within_limits(rig.sandbox.peaks());
    let faults = rig.asked("") - rig.answered("");
    assert!(faults > 20, "the storm was felt: {faults}");
    rig
}

fn every_fault() -> Vec<FaultRule> {
    let rule = |route: &str, fault: Fault, when: When| FaultRule { route: route.to_owned(), fault, when };
    let status = |status, retry_after| Fault::Status { status, retry_after };
    let mut rules = Vec::new();
    for (side, share) in [("apsis", 0.01), ("lime", 0.03)] {
        for fault in [
            status(429, None),
            status(429, Some(1)),
            status(500, None),
            status(503, Some(1)),
            Fault::Html { status: 502 },
            Fault::DropBefore,
            Fault::DropAfter,
            Fault::SlowBody { piece_millis: 10, piece_bytes: 500 },
            Fault::Latency { min_millis: 100, max_millis: 500 },
        ] {
            rules.push(rule(side, fault, When::Probability(share)));
        }
        // The first request of each side, and the first of each kind that comes but once.
        rules.push(rule(side, status(503, None), When::Next(1)));
    }
    for route in ["apsis.token", "apsis.export.start", "apsis.import.start", "apsis.import.upload"] {
        rules.push(rule(route, Fault::Html { status: 502 }, When::Next(1)));
        rules.push(rule(route, Fault::DropAfter, When::After { skip: 1, next: 1 }));
    }
    for skip in [10, 60] {
        rules.push(rule("apsis.attributes.patch", Fault::TokensExpire, When::After { skip, next: 1 }));
    }
    rules
}

/// The limits of the APSIS One developer hub, and Lime's.
fn assert_within_limits(peaks: Peaks) {
    assert!(peaks.account_per_second <= 100, "{peaks:?}");
    assert!(peaks.profile_per_second <= 10, "{peaks:?}");
    assert!(peaks.tokens_per_minute <= 10, "{peaks:?}");
    assert!(peaks.imports_per_minute <= 10, "{peaks:?}");
    assert!(peaks.imports_running <= 3, "{peaks:?}");
    assert!(peaks.exports_per_second <= 1, "{peaks:?}");
    assert!(peaks.downloads_per_minute <= 60, "{peaks:?}");
    assert!(peaks.lime_per_window <= 3000, "{peaks:?}");
}

const FEW: People = People::Generated { persons: 60, seed: 7 };

#[tokio::test]
async fn without_exports_everything_goes_by_single_calls() {
    for export_end in [ExportEnd::Forbidden, ExportEnd::Failed, ExportEnd::Gone, ExportEnd::OtherShape] {
        let apsis = ApsisSwitches { export_end, export_millis: 50, ..ApsisSwitches::default() };
        let rig = ends_right(SandboxConfig { people: FEW, apsis, ..SandboxConfig::default() }).await;
        assert!(rig.asked("apsis.export.start") > 0, "{export_end:?}");
        assert_eq!(rig.asked("apsis.import"), 0, "{export_end:?}");
    }
}

#[tokio::test]
async fn an_import_that_ends_in_error_is_made_up_for() {
    for import_end in [ImportEnd::Error, ImportEnd::ErrorHalfway] {
        let apsis = ApsisSwitches { import_end, ..ApsisSwitches::default() };
        let rig = ends_right(SandboxConfig { people: FEW, apsis, ..SandboxConfig::default() }).await;
        assert!(rig.asked("apsis.import.upload") > 0, "{import_end:?}");
    }
}

#[tokio::test]
async fn rows_that_an_import_skips_in_silence_are_written_one_by_one() {
    let apsis = ApsisSwitches { export_millis: 2000, ..ApsisSwitches::default() };
    let config = SandboxConfig { people: FEW, apsis, ..SandboxConfig::default() };
    let rig = Rig::start_with(config, |text| text + BY_IMPORT).await;
    let child = rig.spawn(&["sync", "start", ACME]);
    until("the imports are read back", || rig.asked("apsis.export.start") == 2).await;
    let there = rig.sandbox.profiles();
    for profile in there.iter().step_by(4) {
        rig.sandbox.delete_profile(profile.crm_id.as_deref().unwrap()).unwrap();
    }
    let skipped = there.len().div_ceil(4) as u64;
    let run = ended(child).await.last().clone();
    assert_eq!(run["phase"], "completed", "{run}");
    assert!(rig.answered("apsis.create") >= skipped, "who was not there is created");
    let expected = compare_with_undisturbed(&rig, FEW, |text| text + BY_IMPORT).await;
    assert_eq!(run["counters"], expected["counters"]);
}

#[tokio::test]
async fn without_lime_query_people_are_read_from_the_list() {
    let lime = LimeSwitches { query_permitted: false, ..LimeSwitches::default() };
    let rig = ends_right(SandboxConfig { people: FEW, lime, ..SandboxConfig::default() }).await;
    assert_eq!(rig.answered("lime.query"), 0);
    assert!(rig.answered("lime.list") > 0);
}

/// A full sync that ends as an undisturbed one.
async fn ends_right(config: SandboxConfig) -> Rig {
    let people = config.people;
    let rig = Rig::start_with(config, |text| text + BY_IMPORT).await;
    let ended = rig.sync().await;
    let run = ended.last();
    assert_eq!(run["phase"], "completed", "{run}\n{}", ended.log);
    assert_adds_up(run);
    let expected = compare_with_undisturbed(&rig, people, |text| text + BY_IMPORT).await;
    assert_eq!(run["counters"], expected["counters"]);
    rig
}

#[tokio::test]
async fn a_crm_that_answers_nonsense_fails_the_run_and_nothing_is_written() {
    let nonsense = Fault::Html { status: 200 };
    let rule = FaultRule { route: "lime".to_owned(), fault: nonsense, when: When::Probability(1.0) };
    let rig = Rig::start_with(SandboxConfig { people: FEW, ..SandboxConfig::default() }, |text| text).await;
    rig.sandbox.add_fault(rule);
    assert_eq!(failure(&rig).await, "crm-misconfigured");
    assert_eq!(rig.sandbox.profile_count(), 0);
    rig.sandbox.clear_faults();
    let run = rig.sync().await.last().clone();
    assert_eq!(run["phase"], "completed", "a later run completes: {run}");
}

#[tokio::test]
async fn wrong_credentials_fail_the_run_with_a_code_that_says_so() {
    let config = SandboxConfig { people: FEW, ..SandboxConfig::default() };
    let rig =
        Rig::start_with(config.clone(), |text| text.replace("client-id = \"b2f0", "client-id = \"ffff"))
            .await;
    assert_eq!(failure(&rig).await, "apsis-credentials");
    assert!(rig.asked("apsis.token") <= 2, "a wrong key is not tried again and again");

    let text = |text: String| text.replace("SLUICE_DEMO_LIME_KEY", "SLUICE_DEMO_APSIS_SECRET");
    let rig = Rig::start_with(config, text).await;
    assert_eq!(failure(&rig).await, "crm-unauthorized");
    assert_eq!(rig.sandbox.profile_count(), 0);
}

#[tokio::test]
async fn an_apsis_one_that_goes_down_fails_the_run_and_a_later_one_completes() {
    let config = SandboxConfig { people: FEW, ..SandboxConfig::default() };
    let rig = Rig::start_with(config, |text| text + BY_SINGLE_CALLS).await;
    let child = rig.spawn(&["sync", "start", ACME]);
    until("some are written", || rig.asked("apsis.attributes.patch") > 40).await;
    // Small: it says that it is away for long, so that nobody waits for it. Full: it does not answer at all,
    // and the client tries for a minute.
    let (fault, code) = match at_full_size() {
        true => (Fault::DropBefore, "apsis-unreachable"),
        false => (Fault::Status { status: 503, retry_after: Some(3600) }, "apsis-busy"),
    };
    rig.sandbox.add_fault(FaultRule { route: "apsis".to_owned(), fault, when: When::Probability(1.0) });
    let run = ended(child).await;
    assert_eq!(run.code(), 1);
    let run = rig.run(&["sync", "list", ACME]).await.last().clone();
    assert_eq!(run["phase"], "failed", "{run}");
    assert_eq!(run["failure"]["code"], code, "{run}");
    assert!(counter(&run, "created") > 0 && counter(&run, "created") < 50, "{run}");

    // And from the beginning.
    assert_eq!(failure(&rig).await, code);
    rig.sandbox.clear_faults();
    let later = rig.sync().await.last().clone();
    assert_eq!(later["phase"], "completed", "{later}");
    assert_adds_up(&later);
    compare_with_undisturbed(&rig, FEW, |text| text + BY_SINGLE_CALLS).await;
}

/// Does a full sync that fails; gives its code.
async fn failure(rig: &Rig) -> String {
    let ended = rig.sync().await;
    assert_eq!(ended.code(), 1, "{}", ended.log);
    let run = rig.run(&["sync", "list", ACME]).await.lines.first().expect("the run is listed").clone();
    assert_eq!(run["phase"], "failed", "{run}");
    assert!(
        run["failure"]["message"].as_str().is_some_and(|message| message.len() > 30),
        "it says what to do: {run}"
    );
    run["failure"]["code"].as_str().expect("it has a code").to_owned()
}

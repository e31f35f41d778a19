//! A whole run at the highest log level: no secret, no e-mail address and no telephone number of anybody
//! in its log, its answers or its reasons.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use sluice_sandbox::{Fault, FaultRule, SandboxConfig, When};

use sluice_tests::rig::{ACME, Rig, ended};

/// Few enough for single calls, whose number in a second APSIS One limits.
const SOME: &str = "\n[[conditions]]\nfield = \"country\"\nequals = \"Norway\"\n";

#[tokio::test]
async fn a_run_by_imports_tells_nothing_of_anybody() {
    let rig = Rig::start(SandboxConfig { faults: faults(), ..SandboxConfig::default() }).await;
    let said = everything_said(&rig).await;
    assert!(rig.answered("apsis.import") > 0, "imports were used");
    assert!(said.contains("\"DEBUG\"") && said.contains("page stored"), "the log is at a low level");
    assert_tells_nothing(&rig, &said);
}

#[tokio::test]
async fn a_run_by_single_calls_tells_nothing_of_anybody() {
    let config = SandboxConfig { faults: faults(), ..SandboxConfig::default() };
    let rig =
        Rig::start_with(config, |text| format!("{text}{SOME}\n[sync]\nimport-threshold = 1000000\n")).await;
    let said = everything_said(&rig).await;
    assert_eq!(rig.asked("apsis.import"), 0, "no imports were used");
    assert_tells_nothing(&rig, &said);
}

#[tokio::test]
async fn a_run_that_fails_tells_nothing_of_anybody() {
    let rig = Rig::start(SandboxConfig::default()).await;
    let mut said = String::new();
    for (route, status) in
        [("lime.query", 400), ("lime.query", 401), ("apsis.token", 401), ("apsis.attributes", 400)]
    {
        rig.sandbox.clear_faults();
        let fault = Fault::Status { status, retry_after: None };
        rig.sandbox.add_fault(FaultRule { route: route.to_owned(), fault, when: When::Probability(1.0) });
        said.push_str(&everything_said(&rig).await);
    }
    assert!(said.contains("\"failed\""), "some of them failed");
    assert_tells_nothing(&rig, &said);
}

#[tokio::test]
async fn whatever_is_told_is_found() {
    let rig = Rig::start(SandboxConfig::default()).await;
    assert_tells_nothing(&rig, "contact 5001: email-invalid at 2026-11-24T04:00:00.123456Z\n");
    for told in [
        rig.sandbox.lime_key(),
        rig.sandbox.apsis_client_secret(),
        "Emelie.Akesson@LindwikstromHB.se.example",
        "somebody-else@elsewhere.example",
        "+46736451974",
        "46736451974",
        "eyJhbGciOiJIUzI1NiJ9",
    ] {
        let said = format!("a line\nof a log with {told} in it\n");
        let search = std::panic::AssertUnwindSafe(|| assert_tells_nothing(&rig, &said));
        assert!(std::panic::catch_unwind(search).is_err(), "{told} is found");
    }
}

fn faults() -> Vec<FaultRule> {
    let rule = |route: &str, fault, chance| FaultRule {
        route: route.to_owned(),
        fault,
        when: When::Probability(chance),
    };
    let status = |status| Fault::Status { status, retry_after: None };
    vec![
        rule("lime.query", status(503), 0.05),
        rule("lime.query", Fault::DropAfter, 0.03),
        rule("apsis.attributes", status(400), 0.01),
        rule("apsis.attributes", status(429), 0.02),
        rule("apsis.attributes", Fault::DropAfter, 0.02),
        rule("apsis.consents", Fault::Html { status: 502 }, 0.02),
        rule("apsis", Fault::TokensExpire, 0.002),
    ]
}

/// All that a run and the commands around it print, on both outputs, at the highest log level.
async fn everything_said(rig: &Rig) -> String {
    let mut said = String::new();
    let all = ["created", "updated", "unchanged", "excluded", "rejected"];
    let mut commands = vec![vec!["doctor", ACME], vec!["sync", "start", ACME], vec!["sync", "list", ACME]];
    commands.extend(all.map(|outcome| vec!["sync", "show", ACME, "--outcome", outcome]));
    commands.push(vec!["integration", "show", ACME]);
    for command in commands {
        let child = rig.command(&command).env("SLUICE_LOG", "trace").spawn().unwrap();
        let ended = ended(child).await;
        said.push_str(&ended.log);
        for line in &ended.lines {
            said.push_str(&line.to_string());
            said.push('\n');
        }
        if command.contains(&"start") {
            assert!(ended.log.contains("run ended"), "the log is on: {}", ended.log);
        }
    }
    said
}

fn assert_tells_nothing(rig: &Rig, said: &str) {
    // What a reason says an address is to look like.
    let lower = said.to_lowercase().replace("name@domain.tld", "");
    let told = |text: &str, what: &str| {
        if let Some(at) = lower.find(&text.to_lowercase()) {
            let from = (at.saturating_sub(200)..=at).find(|at| lower.is_char_boundary(*at)).unwrap();
            let around: String = lower[from..].chars().take(400).collect();
            panic!("{what} is told: {around}");
        }
    };
    told(rig.sandbox.lime_key(), "Lime's key");
    told(rig.sandbox.apsis_client_secret(), "APSIS One's secret");
    // The simulated APSIS One's access tokens are JSON web tokens, as the real ones are.
    told("eyj", "an access token");
    told("bearer ", "an authorization header");

    let people = people();
    assert!(people.len() > 2900, "the data files were read: {}", people.len());
    let (mut addresses, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for person in &people {
        let email = person["email"].as_str().unwrap_or_default().trim();
        if email.len() > 5 {
            addresses.insert(email.to_lowercase());
        }
        for number in ["mobilephone", "phone"] {
            let number = digits(person[number].as_str().unwrap_or_default());
            if number.len() >= 8 {
                numbers.insert(number.trim_start_matches('0').to_owned());
                numbers.insert(number);
            }
        }
    }
    assert!(addresses.len() > 2500 && numbers.len() > 2500, "{} {}", addresses.len(), numbers.len());
    for address in &addresses {
        told(address, "an e-mail address");
    }
    // Digits that belong together, spaces and hyphens between them or not; those in decimals and times are
    // longer or shorter.
    let runs: BTreeSet<String> = runs_of_digits(&lower);
    for number in &numbers {
        assert!(!runs.contains(number), "the number {number} is told");
    }
    let at = lower.match_indices('@').find(|(at, _)| {
        let before = lower[..*at].chars().next_back().is_some_and(|letter| letter.is_alphanumeric());
        let after: String = lower[at + 1..]
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || ".-".contains(*letter))
            .collect();
        before && after.contains('.')
    });
    if let Some((at, _)) = at {
        let around: String =
            lower[..at].chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect();
        panic!("what looks like an e-mail address is told, after: {around}");
    }
}

fn runs_of_digits(text: &str) -> BTreeSet<String> {
    text.split(|letter: char| !letter.is_ascii_digit())
        .filter(|run| run.len() >= 8)
        .map(str::to_owned)
        .collect()
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn people() -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../host/sandbox/data/persons.ndjson");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

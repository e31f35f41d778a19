//! A run that is killed again and again ends as one that was left alone.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use sluice_sandbox::SandboxConfig;
use tokio::process::Child;

use sluice_tests::dice::Dice;
use sluice_tests::rig::{ACME, Rig, assert_adds_up, at_full_size, counter, found_below, made_up, until};
use sluice_tests::sides::profiles;

/// Contacts of a page: few enough that their consents fit into one answer.
const PAGE_SIZE: u64 = 50;

/// Queries for one page of persons: the persons, their consents, and that there are no more of these.
const QUERIES_OF_A_PAGE: u64 = 3;

/// Queries when a run's line is opened: the consent types, and that there are no more.
const QUERIES_OF_OPENING: u64 = 2;

/// When to kill: some moments after a request, counted from the process's start.
#[derive(Debug)]
struct Moment {
    route: &'static str,
    number: u64,
    later: Duration,
}

#[tokio::test]
async fn a_run_with_imports_that_is_killed_again_and_again_ends_as_an_undisturbed_one() {
    let mut dice = Dice::seeded();
    let (config, times) = match at_full_size() {
        true => (SandboxConfig::default(), [8, 2, 4, 2, 4]),
        false => (made_up(800), [1; 5]),
    };
    let pages = if at_full_size() { 3000 } else { 800 } / PAGE_SIZE;
    let routes: [(&[&str], u64); 5] = [
        (&["lime.query"], (pages - 1) * QUERIES_OF_A_PAGE / times[0]),
        (&["apsis.export.start", "apsis.export.download"], 1),
        (&["apsis.import.start", "apsis.import.upload", "apsis.import.state"], 1),
        (&["apsis.export.start", "apsis.export.download"], 1),
        (&["apsis.attributes.patch"], if at_full_size() { 40 } else { 15 }),
    ];
    let moments = routes.into_iter().zip(times).flat_map(|((routes, most), times)| {
        (0..times).map(|_| moment(&mut dice, routes, most)).collect::<Vec<_>>()
    });
    let moments: Vec<Moment> = moments.collect();
    // Several files, so that there are some left to import after each kill.
    let sync = "import-threshold = 100\nimport-rows = 200";
    let phases = killed_and_left_alone(config, sync, moments).await;
    let all = ["reading", "comparing", "importing", "verifying", "writing"];
    assert_eq!(phases, all.map(str::to_owned).into(), "each phase met its end");
}

#[tokio::test]
async fn a_run_of_single_calls_that_is_killed_again_and_again_ends_as_an_undisturbed_one() {
    let mut dice = Dice::seeded();
    let (persons, kills) = if at_full_size() { (1000, 18) } else { (150, 3) };
    let routes = ["apsis.attributes.patch", "apsis.create", "apsis.consents.get", "apsis.consents.post"];
    let most = persons / kills / 2;
    let mut moments = vec![moment(&mut dice, &["lime.query"], (persons / PAGE_SIZE - 1) * QUERIES_OF_A_PAGE)];
    moments.extend((0..kills).map(|_| moment(&mut dice, &routes, most)));
    let phases = killed_and_left_alone(made_up(persons), "import-threshold = 1000000", moments).await;
    assert_eq!(phases, ["reading", "writing"].map(str::to_owned).into(), "each phase met its end");
}

/// Does the same full sync twice, killing one of them at these moments; gives the phases in which.
async fn killed_and_left_alone(config: SandboxConfig, sync: &str, moments: Vec<Moment>) -> BTreeSet<String> {
    let change = |text: String| format!("{text}\n[sync]\npage-size = {PAGE_SIZE}\n{sync}\n");
    let calm = Rig::start_with(config.clone(), change).await;
    let rig = Rig::start_with(config, change).await;
    let (undisturbed, (ended, phases)) = tokio::join!(calm.sync(), killed(&rig, &moments));

    let expected = undisturbed.last();
    assert_eq!(expected["phase"], "completed", "{expected}");
    assert_adds_up(expected);
    assert_eq!(counter(expected, "created"), calm.sandbox.profile_count() as u64);
    assert_eq!(ended["phase"], "completed", "{ended}");
    assert_eq!(ended["counters"], expected["counters"], "the same counters");
    let (profiles, expected) = (profiles(&rig.sandbox), profiles(&calm.sandbox));
    assert_eq!(profiles.len(), expected.len(), "the same number of profiles");
    for (id, profile) in expected {
        assert_eq!(profiles.get(&id), Some(&profile), "{id} is the same");
    }

    let reading = moments.iter().filter(|moment| moment.route.starts_with("lime.")).count() as u64;
    let queries = calm.asked("lime.query");
    let most = queries + moments.len() as u64 * QUERIES_OF_OPENING + reading * QUERIES_OF_A_PAGE;
    let asked = rig.asked("lime.query");
    println!("{} kills; Lime Query: {queries} undisturbed, {asked} killed, at most {most}", moments.len());
    assert!(asked <= most, "nothing is read twice but the page in flight: {asked} queries, and not {most}");
    assert!(asked > queries, "the kills cost something, or they were none");
    phases.into_iter().collect()
}

/// A full sync that is killed at these moments; gives the run as it ended, and the phase of each kill.
async fn killed(rig: &Rig, moments: &[Moment]) -> (Value, Vec<String>) {
    let mut phases = Vec::new();
    for (number, moment) in moments.iter().enumerate() {
        let before = rig.asked(moment.route);
        let arguments: &[&str] = match number {
            0 => &["sync", "start", ACME],
            _ if number % 2 == 0 => &["serve"],
            _ => &["sync", "watch", ACME],
        };
        // Nobody reads what it says; a full pipe would stop it.
        let mut command = rig.command(arguments);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
        until(&format!("it is {moment:?}"), || {
            assert!(still_runs(&mut child), "the run ended before {moment:?}");
            rig.asked(moment.route) >= before + moment.number
        })
        .await;
        tokio::time::sleep(moment.later).await;
        assert!(still_runs(&mut child), "the run ended before {moment:?}");
        child.kill().await.expect("the program can be killed");
        let run = rig.run(&["sync", "list", ACME]).await.last().clone();
        println!("killed at {moment:?}: {} {}", run["phase"], run["counters"]);
        phases.push(run["phase"].as_str().expect("a run has a phase").to_owned());
        for secret in [rig.sandbox.lime_key(), rig.sandbox.apsis_client_secret()] {
            assert!(!found_below(&rig.data(), secret), "no secret is left behind");
        }
    }
    let ended = rig.run(&["sync", "watch", ACME]).await;
    assert_eq!(ended.code(), 3, "some contacts are rejected: {}", ended.log);
    let runs = rig.run(&["sync", "list", ACME]).await;
    assert_eq!(runs.lines.len(), 1, "it is one run, however often it was killed");
    (ended.last().clone(), phases)
}

fn still_runs(child: &mut Child) -> bool {
    child.try_wait().expect("the program can be asked for").is_none()
}

/// A moment up to so many requests after the start, on one of these routes.
fn moment(dice: &mut Dice, routes: &[&'static str], most: u64) -> Moment {
    let route = routes[usize::try_from(dice.below(routes.len() as u64)).unwrap()];
    // The first query of a process opens the line, and belongs to no phase.
    let first = if route == "lime.query" { QUERIES_OF_OPENING + 1 } else { 1 };
    Moment { route, number: first + dice.below(most), later: Duration::from_millis(dice.below(20)) }
}

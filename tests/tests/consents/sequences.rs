//! Random sequences against the model.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures::{StreamExt, stream};
use sluice_tests::dice;
use sluice_tests::rig::at_full_size;

use crate::model::{Channel, Rules, Third};
use crate::shrinking::shrunk;
use crate::steps::{Sequence, Setting, Step, Wrong};
use crate::world::{Found, World};

/// Sequences at the same time: they wait more than they work.
const AT_ONCE: usize = 24;

/// Goes through a sequence; what was found wrong, with what became mailable meanwhile.
pub async fn go_through(sequence: &Sequence) -> (Found, Vec<String>) {
    let mut world = World::new(sequence.setting).await;
    for (number, step) in sequence.steps.iter().enumerate() {
        world.at_step(number + 1);
        world.step(*step).await;
        if !world.found().is_empty() {
            break;
        }
    }
    if world.found().is_empty() {
        world.at_step(sequence.steps.len() + 1);
        world.end().await;
    }
    let mut found = world.found();
    if found.is_empty() {
        found = world.compare();
    }
    let told = world.told();
    world.close().await;
    (found, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_becomes_mailable_whom_the_crm_does_not_let_be_mailed() {
    let count: u64 = match std::env::var("SLUICE_TEST_SEQUENCES").ok().and_then(|count| count.parse().ok()) {
        Some(count) => count,
        None if at_full_size() => 10_000,
        None => 150,
    };
    // The small run is the same each time, so that it tells what a change breaks; the soak looks for what is new.
    let is_asked_for = std::env::var_os("SLUICE_TEST_SEED").is_some();
    let first = if at_full_size() || is_asked_for { dice::seed() } else { 1 };
    let (start, done, became) = (Instant::now(), AtomicUsize::new(0), AtomicUsize::new(0));
    let one = async |seed: u64| {
        let sequence = Sequence::of(seed);
        let (found, told) = go_through(&sequence).await;
        became.fetch_add(told.len(), Ordering::Relaxed);
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(500) {
            println!("{done} sequences, {} s", start.elapsed().as_secs());
        }
        (!found.is_empty()).then_some((seed, sequence, found, told))
    };
    let seeds = stream::iter((0..count).map(|number| first.wrapping_add(number)));
    let mut failed =
        std::pin::pin!(seeds.map(one).buffer_unordered(AT_ONCE).filter_map(async |failed| failed));
    if let Some((seed, sequence, found, told)) = failed.next().await {
        println!("seed {seed} fails:\n{sequence}{}\n{}\nmade smaller:", found.join("\n"), told.join("\n"));
        let (sequence, found, told) = shrunk(sequence, found, told).await;
        panic!(
            "SLUICE_TEST_SEED={seed} SLUICE_TEST_SEQUENCES=1 fails; the least that does:\n{sequence}{}\n{}",
            found.join("\n"),
            told.join("\n")
        );
    }
    let became = became.load(Ordering::Relaxed);
    println!("{count} sequences in {} s, {became} changes of what is mailable", start.elapsed().as_secs());
    assert!(became as u64 > count, "something became mailable: {became}");
}

/// Sequences that once failed, made small.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_once_holds() {
    let plain =
        Setting { daily: false, imports: false, stay_with_address: false, untidy: false, fresh: false };
    let by_address = Setting { stay_with_address: true, ..plain };
    let once = [
        // An opt-out goes along with a changed address, for good: a forced sync afterwards knows of it, too.
        (
            by_address,
            vec![
                Step::Say { person: 2, kind: 2, says: Some(true) },
                Step::Unsubscribe { person: 2, pair: 2 },
                Step::Address { person: 2, channel: Channel::Email, address: Some(1) },
                Step::Fault { skip: 1, next: 2, wrong: Wrong::Refused },
            ],
        ),
        // A profile that gets its first number is opted in there though it was opted in without one.
        (
            by_address,
            vec![
                Step::Say { person: 1, kind: 2, says: Some(true) },
                Step::Address { person: 1, channel: Channel::Sms, address: None },
                Step::Quiet,
                Step::Address { person: 1, channel: Channel::Sms, address: Some(2) },
            ],
        ),
        // An opt-out of ours from before the profile had a number does not hide the recipient's own at the number that goes.
        (
            by_address,
            vec![
                Step::Say { person: 3, kind: 1, says: Some(false) },
                Step::Unsubscribe { person: 1, pair: 1 },
                Step::Say { person: 3, kind: 1, says: Some(true) },
                Step::Unsubscribe { person: 3, pair: 1 },
                Step::Address { person: 3, channel: Channel::Sms, address: None },
            ],
        ),
        // Who refused leaves the address; the other one's yes was deleted, of which the CRM does not say whose it was.
        (
            plain,
            vec![
                Step::Say { person: 1, kind: 0, says: Some(false) },
                Step::Say { person: 2, kind: 0, says: Some(true) },
                Step::FullSync { forced: false },
                Step::Address { person: 1, channel: Channel::Email, address: Some(2) },
                Step::Quiet,
                Step::Say { person: 2, kind: 0, says: None },
                Step::Quiet,
                Step::Address { person: 1, channel: Channel::Email, address: Some(0) },
            ],
        ),
        // A mapping goes while another contact with the address was never asked for it, and comes back.
        (
            plain,
            vec![
                Step::Say { person: 0, kind: 2, says: Some(true) },
                Step::Say { person: 3, kind: 0, says: Some(false) },
                Step::Quiet,
                Step::Say { person: 3, kind: 1, says: Some(true) },
                Step::Rules(Rules { third: Third::Newsletter, only_malmo: false }),
                Step::Quiet,
                Step::FullSync { forced: false },
                Step::Quiet,
                Step::Rules(Rules { third: Third::Invitations, only_malmo: true }),
            ],
        ),
        // What another contact with the address had refused comes to stand for a subscription that others give.
        (
            plain,
            vec![
                Step::Say { person: 3, kind: 2, says: Some(false) },
                Step::Quiet,
                Step::Rules(Rules { third: Third::Newsletter, only_malmo: false }),
                Step::Say { person: 0, kind: 0, says: Some(true) },
                Step::Quiet,
                Step::Say { person: 0, kind: 2, says: Some(true) },
            ],
        ),
        // A mapping goes and comes back, and in between who refused it leaves the address. (By an import: see `gaps`.)
        (
            Setting { daily: true, ..plain },
            vec![
                Step::Say { person: 0, kind: 2, says: Some(true) },
                Step::Say { person: 3, kind: 2, says: Some(false) },
                Step::FullSync { forced: false },
                Step::Quiet,
                Step::Rules(Rules { third: Third::Offers, only_malmo: true }),
                Step::Address { person: 3, channel: Channel::Email, address: None },
                Step::Quiet,
                Step::Rules(Rules { third: Third::Invitations, only_malmo: false }),
            ],
        ),
        // The same as two before, with a yes that comes before the rules do, and goes to the address of who refuses.
        (
            plain,
            vec![
                Step::Say { person: 1, kind: 0, says: Some(true) },
                Step::Say { person: 1, kind: 2, says: Some(true) },
                Step::Say { person: 0, kind: 2, says: Some(false) },
                Step::Quiet,
                Step::Rules(Rules { third: Third::Newsletter, only_malmo: false }),
                Step::Quiet,
                Step::Address { person: 1, channel: Channel::Email, address: Some(0) },
            ],
        ),
        // Or one that is said anew after its recipient had unsubscribed.
        (
            plain,
            vec![
                Step::Say { person: 0, kind: 0, says: Some(true) },
                Step::Say { person: 0, kind: 2, says: Some(true) },
                Step::Say { person: 3, kind: 2, says: Some(false) },
                Step::Quiet,
                Step::Unsubscribe { person: 0, pair: 0 },
                Step::Rules(Rules { third: Third::Newsletter, only_malmo: false }),
                Step::Say { person: 0, kind: 0, says: Some(true) },
                Step::Say { person: 0, kind: 2, says: Some(true) },
            ],
        ),
    ];
    for (setting, steps) in once {
        let sequence = Sequence { setting, steps };
        let (found, told) = go_through(&sequence).await;
        assert!(found.is_empty(), "{sequence}{}\n{}", found.join("\n"), told.join("\n"));
    }
}

/// Should an account keep consents by address, an opt-in comes to light with an address that comes back, and is taken back
/// at once (`docs/architecture.md`); a forced full sync afterwards knows that the person had unsubscribed.
#[tokio::test(flavor = "multi_thread")]
async fn who_unsubscribed_stays_so_at_an_address_that_comes_back() {
    let setting =
        Setting { daily: false, imports: false, stay_with_address: true, untidy: false, fresh: false };
    let mut world = World::new(setting).await;
    for step in [
        Step::Say { person: 2, kind: 0, says: Some(true) },
        Step::Quiet,
        Step::Address { person: 2, channel: Channel::Email, address: Some(1) },
        Step::Unsubscribe { person: 2, pair: 0 },
        Step::Address { person: 2, channel: Channel::Email, address: Some(2) },
        Step::Quiet,
        Step::FullSync { forced: true },
        Step::Quiet,
        Step::FullSync { forced: true },
        Step::Quiet,
    ] {
        world.step(step).await;
    }
    let mailable = world.sandbox.mailable();
    assert!(mailable.is_empty(), "{mailable:?}");
    assert!(world.told().iter().any(|told| told.contains("a2@nya.example is no more")), "{:?}", world.told());
    world.close().await;
}

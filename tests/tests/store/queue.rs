//! Deliveries on their way: taken in, decoded, taken by the lane, ended. Each test takes an empty store.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sluice::change::{
    Arrival, Cause, Change, ChangeOutcome, ContactEnd, Decoded, Delivery, DeliveryNumber, Ended, LaneEnd,
    Learnt, NewDelivery, Refused, Taken, Waiting, Written,
};
use sluice::error::ErrorCode;
use sluice::hosting::{Fence, HostId, Term};
use sluice::integration::IntegrationId;
use sluice::lane::{DeliveryFilter, DeliveryLine, Pause, PauseKind, Replay};
use sluice::need::NeedCode;
use sluice::run::{Outcome, Phase};
use sluice::store::{RunEnd, Store, StoreError};

use crate::sample::*;

fn new(integration: &IntegrationId, delivery: &str) -> NewDelivery {
    NewDelivery {
        integration: integration.clone(),
        id: Some(delivery.to_owned()),
        arrived_at: Timestamp::now(),
        delivery: Delivery {
            headers: vec![("x-a".to_owned(), "b".to_owned())],
            query: "q=1".to_owned(),
            body: delivery.as_bytes().to_vec(),
        },
    }
}

fn cause(code: &str) -> Cause {
    Cause { code: code.to_owned(), subject: None, message: "why".to_owned() }
}

fn soon(seconds: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(seconds)
}

async fn held(store: &dyn Store, name: &str) -> Fence {
    let integration = integration(name);
    store.put_integration(&integration).await.unwrap();
    hold(store, &integration.id).await
}

/// Stores deliveries, the n-th named by n, and has each say that a contact changed.
async fn touched(store: &dyn Store, fence: &Fence, contacts: &[&str]) -> Vec<DeliveryNumber> {
    let stored = deliver(store, &fence.integration, contacts.len()).await;
    let decoded = stored.iter().zip(contacts);
    let decoded =
        decoded.map(|(number, contact)| (*number, Decoded::Says(vec![Change::Touched(id(contact))])));
    store.commit_decoded(fence, decoded.collect()).await.unwrap();
    stored
}

async fn deliver(store: &dyn Store, integration: &IntegrationId, count: usize) -> Vec<DeliveryNumber> {
    let stamp = Timestamp::now().as_nanosecond();
    let all = (0..count).map(|number| new(integration, &format!("{stamp}-{number}"))).collect();
    let stored = store.put_deliveries(all).await.unwrap();
    stored
        .into_iter()
        .map(|arrival| match arrival {
            Arrival::Stored(number) => number,
            other => panic!("{other:?}"),
        })
        .collect()
}

async fn take(store: &dyn Store, fence: &Fence, busy: &[&str]) -> Vec<Waiting> {
    take_at(store, fence, busy, Timestamp::now()).await
}

async fn take_at(store: &dyn Store, fence: &Fence, busy: &[&str], now: Timestamp) -> Vec<Waiting> {
    match store.take(&fence.integration, now, &ids(busy), 10).await.unwrap() {
        Taken::Contacts(taken) => taken,
        Taken::Closed(run) => panic!("closed by {run}"),
    }
}

fn names(taken: &[Waiting]) -> Vec<&str> {
    taken.iter().map(|waiting| waiting.contact.0.as_str()).collect()
}

fn end_as(waiting: &Waiting, outcome: Outcome) -> LaneEnd {
    let last = waiting.changes.last().unwrap().number;
    let learnt =
        Learnt { outcome, reason: None, written: Written::AsBefore, modified_at: None, deleted_at: None };
    let ended = Ended {
        by: last,
        outcome: ChangeOutcome::Contact(outcome),
        cause: None,
        steps: Vec::new(),
        learnt: Some(learnt),
        newcomer: None,
    };
    LaneEnd {
        contact: waiting.contact.clone(),
        up_to: last,
        end: ContactEnd::Ended(Box::new(ended)),
        seen: None,
    }
}

fn with(waiting: &Waiting, end: ContactEnd) -> LaneEnd {
    LaneEnd {
        contact: waiting.contact.clone(),
        up_to: waiting.changes.last().unwrap().number,
        end,
        seen: None,
    }
}

async fn lines(store: &dyn Store, fence: &Fence) -> Vec<DeliveryLine> {
    store.deliveries(&fence.integration, &DeliveryFilter::default(), None, 1000).await.unwrap()
}

pub async fn deliveries_are_numbered_as_they_come_and_known_by_their_ids(store: &dyn Store) {
    let fence = held(store, "a").await;
    let (a, nobody) = (fence.integration.clone(), IntegrationId("nobody".to_owned()));
    let arrivals = store
        .put_deliveries(vec![new(&a, "1"), new(&nobody, "1"), new(&a, "2"), new(&a, "1")])
        .await
        .unwrap();
    let [Arrival::Stored(one), Arrival::NoIntegration, Arrival::Stored(two), Arrival::Known] = arrivals[..]
    else {
        panic!("{arrivals:?}")
    };
    assert!(one < two);
    assert_eq!(store.put_deliveries(vec![new(&a, "2")]).await.unwrap(), [Arrival::Known]);
    // One without an id is never known.
    let unnamed = || NewDelivery { id: None, ..new(&a, "x") };
    let arrivals = store.put_deliveries(vec![unnamed(), unnamed()]).await.unwrap();
    assert!(arrivals.iter().all(|arrival| matches!(arrival, Arrival::Stored(_))), "{arrivals:?}");

    let undecoded = store.undecoded(&a, Timestamp::now(), 3).await.unwrap();
    assert_eq!(undecoded.len(), 3);
    assert_eq!((undecoded[0].number, undecoded[1].number), (one, two));
    assert_eq!(undecoded[0].delivery, new(&a, "1").delivery);
    let record = store.delivery(&a, one).await.unwrap();
    assert_eq!((record.delivery.body, record.line.decoded), (b"1".to_vec(), false));
    assert_eq!(store.delivery(&a, DeliveryNumber(9999)).await.unwrap_err().code(), "delivery-unknown");
    assert_eq!(store.delivery(&nobody, one).await.unwrap_err().code(), "integration-unknown");
}

pub async fn contacts_are_taken_in_the_order_of_their_oldest_change(store: &dyn Store) {
    let fence = held(store, "a").await;
    touched(store, &fence, &["c", "a", "b", "c", "a"]).await;
    let taken = take(store, &fence, &[]).await;
    assert_eq!(names(&taken), ["c", "a", "b"]);
    assert_eq!(taken.iter().map(|waiting| waiting.changes.len()).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(names(&take(store, &fence, &["c", "b"]).await), ["a"], "but for those that are busy");
    // Ended up to what was taken: what came meanwhile stays.
    touched(store, &fence, &["c"]).await;
    store.settle_changes(&fence, vec![end_as(&taken[0], Outcome::Updated)]).await.unwrap();
    let again = take(store, &fence, &[]).await;
    assert_eq!(names(&again), ["a", "b", "c"], "a later change comes later");
    assert_eq!(again[2].changes.len(), 1);
    assert_eq!(again[2].entry.as_ref().unwrap().outcome, Outcome::Updated);
}

pub async fn each_delivery_ends_once_with_its_changes(store: &dyn Store) {
    let fence = held(store, "a").await;
    let stored = deliver(store, &fence.integration, 3).await;
    let both = vec![Change::Touched(id("a")), Change::Deleted(id("b"))];
    let decoded = [
        (stored[0], Decoded::Says(both)),
        (stored[1], Decoded::Says(vec![Change::Touched(id("a"))])),
        (stored[2], Decoded::Says(vec![Change::Discarded(discard(1))])),
    ];
    store.commit_decoded(&fence, decoded.to_vec()).await.unwrap();
    let taken = take(store, &fence, &[]).await;
    assert_eq!(names(&taken), ["a", "b"]);
    store.settle_changes(&fence, vec![end_as(&taken[0], Outcome::Updated)]).await.unwrap();
    let outcome =
        |lines: &[DeliveryLine], number| lines.iter().find(|line| line.number == number).unwrap().outcome;
    let listed = lines(store, &fence).await;
    assert_eq!(outcome(&listed, stored[0]), None, "one of its changes is open");
    assert_eq!(outcome(&listed, stored[1]), Some(ChangeOutcome::Contact(Outcome::Updated)));
    assert_eq!(outcome(&listed, stored[2]), Some(ChangeOutcome::Discarded));
    store.settle_changes(&fence, vec![end_as(&taken[1], Outcome::Deleted)]).await.unwrap();
    let listed = lines(store, &fence).await;
    assert_eq!(outcome(&listed, stored[0]), Some(ChangeOutcome::Contact(Outcome::Deleted)));
    // Once more changes nothing.
    store.settle_changes(&fence, vec![end_as(&taken[1], Outcome::Unchanged)]).await.unwrap();
    assert_eq!(lines(store, &fence).await, listed);
    let changes = store.changes_of(&fence.integration, &id("a"), 10).await.unwrap();
    assert_eq!(changes.iter().map(|change| change.delivery).collect::<Vec<_>>(), [stored[1], stored[0]]);
    assert_eq!(changes[1].superseded_by, Some(changes[0].number));
    let status = store.lane_status(&fence.integration).await.unwrap();
    assert_eq!((status.deliveries_waiting, status.contacts_waiting, status.oldest), (0, 0, None));
    let causes = store.causes(&fence.integration, false).await.unwrap();
    assert_eq!((causes.len(), causes[0].code.as_str(), causes[0].deliveries), (1, "missing-person", 1));
    assert!(status.needs.iter().any(|need| need.code == NeedCode::MissingPerson), "{:?}", status.needs);
}

pub async fn what_failed_comes_again_later_and_is_given_up_in_the_end(store: &dyn Store) {
    let fence = held(store, "a").await;
    touched(store, &fence, &["a", "b"]).await;
    let taken = take(store, &fence, &[]).await;
    let again =
        |counts| ContactEnd::Again { due: soon(60), cause: cause("x-failed"), counts, steps: Vec::new() };
    let ends = vec![with(&taken[0], again(true)), with(&taken[1], again(false))];
    store.settle_changes(&fence, ends).await.unwrap();
    assert!(take(store, &fence, &[]).await.is_empty());
    let taken = take_at(store, &fence, &[], soon(61)).await;
    assert_eq!(names(&taken), ["a", "b"]);
    assert_eq!((taken[0].attempts, taken[1].attempts), (1, 0), "not every failure is its own");
    assert_eq!(store.lane_status(&fence.integration).await.unwrap().retrying, 2);
    let ends = vec![
        with(&taken[0], ContactEnd::Dead(cause("x-failed"), Vec::new())),
        end_as(&taken[1], Outcome::Updated),
    ];
    store.settle_changes(&fence, ends).await.unwrap();
    let status = store.lane_status(&fence.integration).await.unwrap();
    assert_eq!((status.dead, status.contacts_waiting), (1, 0));

    // The same for what cannot be decoded.
    let stored = deliver(store, &fence.integration, 2).await;
    let decoded = vec![
        (stored[0], Decoded::Again(soon(60), cause("y-failed"))),
        (stored[1], Decoded::Dead(cause("y-failed"))),
    ];
    store.commit_decoded(&fence, decoded).await.unwrap();
    assert!(store.undecoded(&fence.integration, Timestamp::now(), 10).await.unwrap().is_empty());
    assert_eq!(store.undecoded(&fence.integration, soon(61), 10).await.unwrap()[0].attempts, 1);
    let causes = store.causes(&fence.integration, true).await.unwrap();
    assert_eq!(
        causes.iter().map(|cause| (cause.code.as_str(), cause.deliveries)).collect::<Vec<_>>(),
        [("x-failed", 1), ("y-failed", 1)]
    );
}

pub async fn what_failed_keeps_nobody_waiting(store: &dyn Store) {
    let fence = held(store, "a").await;
    touched(store, &fence, &["a", "b", "c", "d"]).await;
    let taken = take(store, &fence, &[]).await;
    let again = |due| ContactEnd::Again { due, cause: cause("x-failed"), counts: true, steps: Vec::new() };
    let ends = taken[..2].iter().map(|waiting| with(waiting, again(soon(60)))).collect();
    store.settle_changes(&fence, ends).await.unwrap();
    let names_of = async |limit| match store.take(&fence.integration, soon(61), &[], limit).await.unwrap() {
        Taken::Contacts(taken) => names(&taken).into_iter().map(str::to_owned).collect::<Vec<_>>(),
        Taken::Closed(run) => panic!("closed by {run}"),
    };
    assert_eq!(names_of(1).await, ["c"], "what fails by itself is not tried before the others");
    assert_eq!(names_of(2).await, ["a", "c"], "half of the places, so that it is tried, too");
    assert_eq!(names_of(3).await, ["a", "c", "d"]);
    assert_eq!(names_of(10).await, ["a", "b", "c", "d"]);
    // What is new of one that failed is tried at once, and with all its attempts.
    touched(store, &fence, &["b"]).await;
    let taken = take(store, &fence, &["c", "d"]).await;
    assert_eq!((names(&taken), taken[0].attempts, taken[0].changes.len()), (vec!["b"], 0, 2));
    // A dead letter is all that waited.
    let dead = with(&taken[0], ContactEnd::Dead(cause("x-failed"), Vec::new()));
    store.settle_changes(&fence, vec![dead]).await.unwrap();
    assert_eq!(store.lane_status(&fence.integration).await.unwrap().dead, 2);
}

pub async fn an_integration_goes_only_while_it_is_to_go(store: &dyn Store) {
    let fence = held(store, "a").await;
    let a = fence.integration.clone();
    assert!(!store.delete_retiring(&fence).await.unwrap());
    store.retire_integration(&a).await.unwrap();
    let refused = store.accept_run(&a, FULL_SYNC).await.unwrap_err();
    assert_eq!(refused.code(), "integration-unknown", "nobody begins what nobody would do");
    // Applied again, it stays.
    store.put_integration(&integration("a")).await.unwrap();
    assert!(!store.delete_retiring(&fence).await.unwrap());
    store.retire_integration(&a).await.unwrap();
    assert!(store.delete_retiring(&fence).await.unwrap());
    assert_eq!(store.integration(&a).await.unwrap(), None);
}

pub async fn dead_letters_are_replayed_by_one_by_cause_and_all(store: &dyn Store) {
    let fence = held(store, "a").await;
    let a = fence.integration.clone();
    let stored = deliver(store, &a, 4).await;
    let dead = |number: usize, code: &str| (stored[number], Decoded::Dead(cause(code)));
    store
        .commit_decoded(&fence, vec![dead(0, "x-failed"), dead(1, "y-failed"), dead(2, "y-failed")])
        .await
        .unwrap();
    let open = store.replay(&a, &Replay::One(stored[3]), soon(1)).await.unwrap_err();
    assert_eq!(open.code(), "delivery-open");
    assert_eq!(
        store.replay(&a, &Replay::Cause("y-failed".into()), soon(-60)).await.unwrap(),
        0,
        "dead since later"
    );
    assert_eq!(store.replay(&a, &Replay::Cause("y-failed".into()), soon(1)).await.unwrap(), 2);
    assert_eq!(store.replay(&a, &Replay::All, soon(1)).await.unwrap(), 1);
    assert_eq!(store.replay(&a, &Replay::All, soon(1)).await.unwrap(), 0);
    let undecoded = store.undecoded(&a, Timestamp::now(), 10).await.unwrap();
    assert_eq!(undecoded.iter().map(|delivery| delivery.number).collect::<Vec<_>>(), stored);
    // One that has ended well can be replayed, too, by its number.
    store
        .commit_decoded(&fence, vec![(stored[0], Decoded::Says(vec![Change::Touched(id("a"))]))])
        .await
        .unwrap();
    let taken = take(store, &fence, &[]).await;
    store.settle_changes(&fence, vec![end_as(&taken[0], Outcome::Unchanged)]).await.unwrap();
    assert_eq!(store.replay(&a, &Replay::One(stored[0]), soon(1)).await.unwrap(), 1);
    assert!(store.changes_of(&a, &id("a"), 10).await.unwrap().is_empty(), "decoded anew, not twice");
}

pub async fn the_gate_is_closed_by_a_run(store: &dyn Store) {
    let fence = held(store, "a").await;
    touched(store, &fence, &["a"]).await;
    deliver(store, &fence.integration, 1).await;
    let run = store.accept_run(&fence.integration, FULL_SYNC).await.unwrap();
    for phase in [None, Some(Phase::Reading), Some(Phase::Writing)] {
        if let Some(phase) = phase {
            store.enter_phase(&fence, run.id, phase).await.unwrap();
        }
        assert!(store.undecoded(&fence.integration, Timestamp::now(), 10).await.unwrap().is_empty());
        let taken = store.take(&fence.integration, Timestamp::now(), &[], 10).await.unwrap();
        assert!(matches!(taken, Taken::Closed(by) if by == run.id), "{taken:?}");
        let refused = store.begin_writes(&fence, vec![intent("a", "x")], Vec::new()).await.unwrap_err();
        assert!(matches!(refused, StoreError::GateClosed { run: by, .. } if by == run.id), "{refused}");
        // Whatever comes in meanwhile is stored.
        deliver(store, &fence.integration, 1).await;
    }
    store.end_run(&fence, run.id, RunEnd::Cancelled).await.unwrap();
    assert_eq!(store.undecoded(&fence.integration, Timestamp::now(), 10).await.unwrap().len(), 4);
    assert_eq!(names(&take(store, &fence, &[]).await), ["a"]);
    store.begin_writes(&fence, vec![intent("a", "x")], Vec::new()).await.unwrap();
    assert_eq!(take(store, &fence, &[]).await[0].attempted, [intent("a", "x")], "remembered until it ends");
}

pub async fn whoever_was_replaced_writes_nothing_more(store: &dyn Store) {
    let old = held(store, "a").await;
    touched(store, &old, &["a"]).await;
    let taken = take(store, &old, &[]).await;
    let stored = deliver(store, &old.integration, 1).await;
    let run = store.accept_run(&old.integration, FULL_SYNC).await.unwrap();
    let new = hold(store, &old.integration).await;
    assert!(new.number > old.number);

    let pause = Pause {
        kind: PauseKind::Remote,
        cause: cause("x-failed"),
        failures: 1,
        since: soon(0),
        until: soon(9),
    };
    let refused = [
        store.commit_decoded(&old, vec![(stored[0], Decoded::Dead(cause("x-failed")))]).await.err(),
        store.begin_writes(&old, vec![intent("a", "x")], Vec::new()).await.err(),
        store.note_absent(&old, &id("a")).await.err(),
        store.settle_changes(&old, vec![end_as(&taken[0], Outcome::Updated)]).await.err(),
        store.put_pause(&old, Some(&pause)).await.err(),
        store.drop_newcomers(&old, &ids(&["a"])).await.err(),
        store.enter_phase(&old, run.id, Phase::Reading).await.err(),
        store.commit_page(&old, run.id, page(vec![write("1")], None)).await.err(),
        store.settle(&old, run.id, vec![ended("1", Outcome::Created)]).await.err(),
        store.end_run(&old, run.id, RunEnd::Cancelled).await.err(),
    ];
    for (step, refused) in refused.into_iter().enumerate() {
        let refused = refused.unwrap_or_else(|| panic!("step {step} was taken"));
        assert!(matches!(refused, StoreError::LeaseLost(_)), "step {step}: {refused}");
    }
    assert_eq!(store.renew(std::slice::from_ref(&old), Duration::from_secs(9)).await.unwrap(), []);
    store.end_run(&new, run.id, RunEnd::Cancelled).await.unwrap();
    store.settle_changes(&new, vec![end_as(&taken[0], Outcome::Updated)]).await.unwrap();
    // Giving back what one has no more takes nothing from whoever has it.
    store.release(&old).await.unwrap();
    let renewed = store.renew(std::slice::from_ref(&new), Duration::from_secs(9)).await.unwrap();
    assert_eq!(renewed, std::slice::from_ref(&new));
    store.release(&new).await.unwrap();
    assert!(
        matches!(store.put_pause(&new, None).await, Err(StoreError::LeaseLost(_))),
        "given back is given back"
    );
}

pub async fn a_lease_is_one_hosts_until_it_ends(store: &dyn Store) {
    let integration = integration("a");
    store.put_integration(&integration).await.unwrap();
    let host = |name: &str| HostId(name.to_owned());
    let long = Term::For(Duration::from_secs(60));
    let first = store.acquire(&integration.id, &host("one"), long).await.unwrap().unwrap();
    assert_eq!(store.acquire(&integration.id, &host("two"), long).await.unwrap(), None);
    assert_eq!(store.holdings().await.unwrap()[0].host, Some(host("one")));
    store.release(&first).await.unwrap();
    assert_eq!(store.holdings().await.unwrap()[0].host, None);
    // One that has run out is free.
    let short = Term::For(Duration::from_millis(1));
    let second = store.acquire(&integration.id, &host("one"), short).await.unwrap().unwrap();
    let third = loop {
        if let Some(third) = store.acquire(&integration.id, &host("two"), long).await.unwrap() {
            break third;
        }
    };
    assert!(third.number > second.number && second.number > first.number);
    assert_eq!(store.beat(&host("one"), Duration::from_secs(60)).await.unwrap(), 1);
    assert_eq!(store.beat(&host("two"), Duration::from_secs(60)).await.unwrap(), 2);
    assert!(store.to_do(&host("two"), Timestamp::now()).await.unwrap().is_empty());
    deliver(store, &integration.id, 1).await;
    let to_do = store.to_do(&host("two"), Timestamp::now()).await.unwrap();
    assert_eq!(to_do, std::slice::from_ref(&integration.id));
    assert!(store.to_do(&host("one"), Timestamp::now()).await.unwrap().is_empty());
    store.set_enabled(&integration.id, false).await.unwrap();
    assert!(store.to_do(&host("two"), Timestamp::now()).await.unwrap().is_empty(), "disabled: it holds");
}

pub async fn what_has_ended_is_forgotten_in_its_time(store: &dyn Store) {
    let fence = held(store, "a").await;
    let stored = touched(store, &fence, &["a"]).await;
    let taken = take(store, &fence, &[]).await;
    store.settle_changes(&fence, vec![end_as(&taken[0], Outcome::Updated)]).await.unwrap();
    let later = deliver(store, &fence.integration, 2).await;
    store.commit_decoded(&fence, vec![(later[0], Decoded::Dead(cause("x-failed")))]).await.unwrap();
    let swept_after = async |days: i64| {
        while store.sweep(soon(days * 86_400)).await.unwrap() {}
        lines(store, &fence).await.into_iter().map(|line| line.number).collect::<Vec<_>>()
    };
    assert_eq!(swept_after(13).await, [later[1], later[0], stored[0]]);
    assert_eq!(swept_after(15).await, [later[1], later[0]], "keep-days is 14");
    assert!(store.changes_of(&fence.integration, &id("a"), 10).await.unwrap().is_empty());
    assert_eq!(swept_after(91).await, [later[1]], "a dead letter stays longer, and what is open for ever");
}

pub async fn requests_that_were_turned_away_are_counted(store: &dyn Store) {
    let fence = held(store, "a").await;
    let a = fence.integration.clone();
    let counts = vec![
        (a.clone(), Refused::Forged, 3),
        (a.clone(), Refused::Stale, 1),
        (a.clone(), Refused::Forged, 2),
    ];
    store.count_refused(counts).await.unwrap();
    store.count_refused(vec![(IntegrationId("nobody".into()), Refused::Forged, 3)]).await.unwrap();
    assert_eq!(store.lane_status(&a).await.unwrap().refused, (5, 1));
}

pub async fn a_full_sync_makes_good_what_was_missed(store: &dyn Store) {
    let fence = held(store, "a").await;
    let stored = deliver(store, &fence.integration, 1).await;
    let discarded = Decoded::Says(vec![Change::Discarded(discard(1)), Change::Discarded(discard(2))]);
    store.commit_decoded(&fence, vec![(stored[0], discarded)]).await.unwrap();
    let needs = store.lane_status(&fence.integration).await.unwrap().needs;
    assert_eq!((needs.len(), needs[1].code, needs[1].times), (2, NeedCode::MissingPerson, 2));
    for end in [RunEnd::Cancelled, RunEnd::Completed] {
        let run = store.accept_run(&fence.integration, FULL_SYNC).await.unwrap();
        store.commit_page(&fence, run.id, page(Vec::new(), None)).await.unwrap();
        let good = matches!(end, RunEnd::Completed);
        store.end_run(&fence, run.id, end).await.unwrap();
        let needs = store.lane_status(&fence.integration).await.unwrap().needs;
        assert_eq!(needs.is_empty(), good, "{needs:?}");
    }
}

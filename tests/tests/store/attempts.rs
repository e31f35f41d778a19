//! What may have been written by a run that cannot say: kept until its contact is written for sure.

use sluice::contact::ContactId;
use sluice::error::{ErrorCode, Failure};
use sluice::run::{Batch, BatchState, Outcome, Phase, Run};
use sluice::store::{RunEnd, Store};

use crate::sample::*;

/// What may have been written for contact 1.
async fn attempted(store: &dyn Store, run: &Run) -> Vec<String> {
    let mut found = store.attempted(&run.integration, &ids(&["1", "none"])).await.unwrap();
    assert!(!found.contains_key(&id("none")));
    let intents = found.remove(&id("1")).unwrap_or_default();
    intents.iter().map(|intent| format!("{:?}", intent.attributes.values().next().unwrap())).collect()
}

fn text(text: &str) -> String {
    format!("{:?}", intent("1", text).attributes.values().next().unwrap())
}

async fn staged_run(store: &dyn Store, of: &Run, as_what: &str, phase: Phase) -> HeldRun {
    let run = next_run(store, &of.integration).await;
    store.commit_page(&run.fence, run.id, page(vec![write_as("1", as_what)], None)).await.unwrap();
    store.enter_phase(&run.fence, run.id, phase).await.unwrap();
    run
}

pub async fn an_interrupted_write_is_remembered_until_the_next_one(store: &dyn Store) {
    let first = new_run(store, "a").await;
    store.commit_page(&first.fence, first.id, page(vec![write_as("1", "one")], None)).await.unwrap();
    store.enter_phase(&first.fence, first.id, Phase::Reading).await.unwrap();
    store.end_run(&first.fence, first.id, RunEnd::Cancelled).await.unwrap();
    assert!(attempted(store, &first).await.is_empty(), "nothing is written while reading");

    let second = staged_run(store, &first, "two", Phase::Writing).await;
    assert!(attempted(store, &first).await.is_empty(), "an active run knows what it does");
    store.end_run(&second.fence, second.id, RunEnd::Cancelled).await.unwrap();
    let third = staged_run(store, &first, "three", Phase::Importing).await;
    let failure = Failure { code: "apsis-busy".to_owned(), message: "busy".to_owned() };
    store.end_run(&third.fence, third.id, RunEnd::Failed(failure)).await.unwrap();
    assert_eq!(attempted(store, &first).await, [text("two"), text("three")]);

    let fourth = staged_run(store, &first, "four", Phase::Writing).await;
    let staged = store.staged(fourth.id, None, None, 10).await.unwrap();
    assert_eq!(staged[0].attempted, [intent("1", "two"), intent("1", "three")]);
    store.settle(&fourth.fence, fourth.id, vec![ended("1", Outcome::Updated)]).await.unwrap();
    assert!(attempted(store, &first).await.is_empty());
    assert_eq!(
        store.end_run(&fourth.fence, fourth.id, RunEnd::Completed).await.unwrap().phase,
        Phase::Completed
    );
}

pub async fn what_was_refused_may_have_been_written_in_part(store: &dyn Store) {
    let first = new_run(store, "a").await;
    store.commit_page(&first.fence, first.id, page(vec![write_as("1", "one")], None)).await.unwrap();
    store.settle(&first.fence, first.id, vec![ended("1", Outcome::Rejected)]).await.unwrap();
    assert_eq!(store.staged_count(first.id).await.unwrap(), 0);
    assert_eq!(
        store.end_run(&first.fence, first.id, RunEnd::Completed).await.unwrap().phase,
        Phase::Completed
    );
    assert_eq!(attempted(store, &first).await, [text("one")]);

    let again = staged_run(store, &first, "one", Phase::Writing).await;
    store.settle(&again.fence, again.id, vec![ended("1", Outcome::Rejected)]).await.unwrap();
    store.end_run(&again.fence, again.id, RunEnd::Completed).await.unwrap();
    assert_eq!(attempted(store, &first).await, [text("one")], "the same refusal again is kept once");

    store.delete_integration(&first.integration).await.unwrap();
    let anew = new_run(store, "a").await;
    assert!(attempted(store, &anew).await.is_empty(), "an integration applied again inherits nothing");
}

pub async fn attempts_outlive_the_details_of_their_run(store: &dyn Store) {
    let first = new_run(store, "a").await;
    store.commit_page(&first.fence, first.id, page(vec![write_as("1", "one")], None)).await.unwrap();
    store.enter_phase(&first.fence, first.id, Phase::Writing).await.unwrap();
    store.end_run(&first.fence, first.id, RunEnd::Cancelled).await.unwrap();
    for _ in 0..12 {
        let run = next_run(store, &first.integration).await;
        store.end_run(&run.fence, run.id, RunEnd::Cancelled).await.unwrap();
    }
    assert_eq!(attempted(store, &first).await, [text("one")]);
}

pub async fn imports_that_a_run_left_are_found(store: &dyn Store) {
    let first = new_run(store, "a").await;
    let batch = |number: u32, state| {
        let contact = ContactId(number.to_string());
        Batch {
            number,
            first: contact.clone(),
            last: contact,
            state,
            import_id: Some(format!("import {number}")),
        }
    };
    for (number, state) in [(0, BatchState::Ended), (1, BatchState::Uploaded), (2, BatchState::Chosen)] {
        store.put_batch(&first.fence, first.id, &batch(number, state)).await.unwrap();
    }
    assert!(store.imports_left(&first.integration).await.unwrap().is_empty(), "its run will see to it");
    store.end_run(&first.fence, first.id, RunEnd::Cancelled).await.unwrap();
    let left = store.imports_left(&first.integration).await.unwrap();
    assert_eq!(left, [(first.id, batch(1, BatchState::Uploaded))]);
    store.end_import_left(&first.fence, first.id, 1).await.unwrap();
    assert!(store.imports_left(&first.integration).await.unwrap().is_empty());
}

pub async fn an_integration_stays_as_it_is_while_a_run_is_active(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let error = store.put_integration(&integration("a")).await.unwrap_err();
    assert_eq!(error.code(), "run-active");
    store.end_run(&run.fence, run.id, RunEnd::Cancelled).await.unwrap();
    store.put_integration(&integration("a")).await.unwrap();
}

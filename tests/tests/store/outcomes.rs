//! What a run settles, how it ends, and what is shown of it. Each test takes an empty store and knows
//! nothing of what is behind the trait.

use sluice::error::{ErrorCode, Failure};
use sluice::integration::IntegrationId;
use sluice::reason::ReasonCode;
use sluice::run::{Batch, BatchState, Counters, Outcome, Phase, RunId, Settled, Wrote};
use sluice::store::{RunEnd, Store, StoreError};

use crate::sample::*;
use crate::suite::found;

pub async fn settling_moves_from_stage_to_ledger(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store.commit_page(&run.fence, run.id, page(["1", "2", "3", "4"].map(write).into(), None)).await.unwrap();
    let refused = Settled {
        contact: id("3"),
        outcome: Outcome::Rejected,
        reason: Some(reason(ReasonCode::RefusedByApsis)),
        wrote: Wrote::AsBefore,
        steps: Vec::new(),
    };
    let settled = vec![ended("1", Outcome::Created), ended("2", Outcome::Unchanged), refused];
    let counters = store.settle(&run.fence, run.id, settled).await.unwrap();
    let expected = Counters { read: 4, created: 1, unchanged: 1, rejected: 1, ..Counters::default() };
    assert_eq!(counters, expected);

    // Told again, told of one that the run does not have, and told twice in one go.
    let again = vec![
        ended("1", Outcome::Updated),
        ended("none", Outcome::Created),
        ended("4", Outcome::Updated),
        ended("4", Outcome::Created),
    ];
    let counters = store.settle(&run.fence, run.id, again).await.unwrap();
    assert_eq!(counters, Counters { updated: 1, ..expected });
    assert_eq!(store.run(run.id).await.unwrap().counters, counters);
    assert_eq!(store.staged_count(run.id).await.unwrap(), 0);

    let ledger = store.ledger(&run.integration, &ids(&["1", "2", "3", "4", "none"])).await.unwrap();
    assert_eq!(ledger.len(), 4);
    let created = &ledger[&id("1")];
    assert_eq!(created.outcome, Outcome::Created);
    assert_eq!(created.written, Some(intent("1", "as first read")));
    assert_eq!(created.modified_at, Some(at(1_700_000_100)));
    assert_eq!(ledger[&id("2")].written, Some(intent("2", "as first read")));
    assert_eq!(ledger[&id("3")].written, None);
    assert_eq!(ledger[&id("3")].reason, Some(reason(ReasonCode::RefusedByApsis)));
    assert_eq!(ledger[&id("4")].outcome, Outcome::Updated);
}

pub async fn the_ledger_keeps_what_was_written(store: &dyn Store) {
    let first = new_run(store, "a").await;
    store.commit_page(&first.fence, first.id, page(["1", "2", "3"].map(write).into(), None)).await.unwrap();
    let settled = ["1", "2", "3"].map(|contact| ended(contact, Outcome::Created));
    store.settle(&first.fence, first.id, settled.into()).await.unwrap();
    store.end_run(&first.fence, first.id, RunEnd::Completed).await.unwrap();

    let second = next_run(store, &first.integration).await;
    let decided = vec![
        settled_at_once("1", Outcome::Excluded, Some(ReasonCode::ConditionNotMet)),
        settled_at_once("2", Outcome::Unchanged, None),
        write_as("3", "newer"),
    ];
    store.commit_page(&second.fence, second.id, page(decided, None)).await.unwrap();
    let staged = store.staged(second.id, None, None, 10).await.unwrap();
    assert_eq!(staged[0].last_written, Some(intent("3", "as first read")));
    store.settle(&second.fence, second.id, vec![ended("3", Outcome::Rejected)]).await.unwrap();

    let ledger = store.ledger(&first.integration, &ids(&["1", "2", "3"])).await.unwrap();
    for contact in ["1", "2", "3"] {
        let entry = &ledger[&id(contact)];
        assert_eq!(entry.written, Some(intent(contact, "as first read")));
        assert_eq!(entry.run, Some(second.id));
    }
    assert_eq!(ledger[&id("1")].outcome, Outcome::Excluded);
    assert_eq!(ledger[&id("3")].outcome, Outcome::Rejected);

    let other = new_run(store, "b").await;
    assert!(store.ledger(&other.integration, &ids(&["1"])).await.unwrap().is_empty());
}

pub async fn a_run_that_does_not_add_up_fails(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store.commit_page(&run.fence, run.id, page(vec![write("1"), write("2")], None)).await.unwrap();
    store.settle(&run.fence, run.id, vec![ended("1", Outcome::Created)]).await.unwrap();
    let ended = store.end_run(&run.fence, run.id, RunEnd::Completed).await.unwrap();
    assert_eq!(ended.phase, Phase::Failed);
    let failure = ended.failure.clone().unwrap();
    assert_eq!(failure.code, "run-does-not-add-up");
    assert!(failure.message.contains("read 2") && failure.message.contains("created 1"), "{failure:?}");
    assert_eq!(store.run(run.id).await.unwrap(), ended);
}

pub async fn a_completed_run_is_as_it_ended(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store.commit_page(&run.fence, run.id, page(vec![write("1")], None)).await.unwrap();
    store.enter_phase(&run.fence, run.id, Phase::Writing).await.unwrap();
    store.settle(&run.fence, run.id, vec![ended("1", Outcome::Created)]).await.unwrap();
    let end = store.end_run(&run.fence, run.id, RunEnd::Completed).await.unwrap();
    assert_eq!((end.phase, end.failure.clone()), (Phase::Completed, None));
    assert!(end.ended_at.unwrap() >= end.accepted_at);
    // Ended once: asked again, as after a crash, it stays as it was.
    assert_eq!(store.end_run(&run.fence, run.id, RunEnd::Cancelled).await.unwrap(), end);
    assert_eq!(store.run(run.id).await.unwrap(), end);
}

pub async fn a_cancelled_run_shows_who_has_no_outcome(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store
        .commit_page(&run.fence, run.id, page(vec![write("1"), write("2"), rejected("3")], Some("c")))
        .await
        .unwrap();
    store.settle(&run.fence, run.id, vec![ended("1", Outcome::Created)]).await.unwrap();
    let end = store.end_run(&run.fence, run.id, RunEnd::Cancelled).await.unwrap();
    assert_eq!(end.phase, Phase::Cancelled);
    assert_eq!(end.counters, Counters { read: 3, created: 1, rejected: 1, ..Counters::default() });
    assert_eq!(store.staged_count(run.id).await.unwrap(), 0);
    assert!(staged(store, run.id).await.is_empty());
    assert!(store.staged_of(run.id, &ids(&["2"])).await.unwrap().is_empty());
    let outcomes: Vec<_> = contacts(store, run.id).await.into_iter().map(|c| c.outcome).collect();
    assert_eq!(outcomes, [Some(Outcome::Created), None, Some(Outcome::Rejected)]);
    // What was not written is not believed to be.
    assert!(store.ledger(&run.integration, &ids(&["2"])).await.unwrap().is_empty());
    // A new run works at once, and sees nothing of the old one's stage.
    let next = next_run(store, &run.integration).await;
    assert!(staged(store, next.id).await.is_empty());
}

pub async fn a_failed_run_says_why(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let failure = Failure { code: "apsis-credentials".to_owned(), message: "what to do".to_owned() };
    let end = store.end_run(&run.fence, run.id, RunEnd::Failed(failure.clone())).await.unwrap();
    assert_eq!((end.phase, end.failure), (Phase::Failed, Some(failure)));
}

pub async fn an_ended_run_takes_no_more_steps(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store.commit_page(&run.fence, run.id, page(vec![write("1")], Some("c"))).await.unwrap();
    let refused = store.enter_phase(&run.fence, run.id, Phase::Completed).await.unwrap_err();
    assert_eq!(refused.code(), "run-phase-ends");
    let end = store.end_run(&run.fence, run.id, RunEnd::Cancelled).await.unwrap();
    let batch =
        Batch { number: 0, first: id("1"), last: id("1"), state: BatchState::Chosen, import_id: None };
    let refusals = [
        store.commit_page(&run.fence, run.id, page(vec![write("2")], None)).await.unwrap_err(),
        store.settle(&run.fence, run.id, vec![ended("1", Outcome::Created)]).await.unwrap_err(),
        store.enter_phase(&run.fence, run.id, Phase::Writing).await.unwrap_err(),
        store.restart_reading(&run.fence, run.id).await.unwrap_err(),
        store.note_found(&run.fence, run.id, vec![found("1", true, Vec::new())]).await.unwrap_err(),
        store.note_rest_absent(&run.fence, run.id).await.unwrap_err(),
        store.put_batch(&run.fence, run.id, &batch).await.unwrap_err(),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, StoreError::RunEnded(ended) if ended == run.id), "{refusal}");
    }
    assert_eq!(store.run(run.id).await.unwrap(), end);
}

pub async fn cancelling_is_asked_for(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store.request_cancel(run.id).await.unwrap();
    let asked = store.run(run.id).await.unwrap();
    assert!(asked.cancel_requested && asked.phase.is_active());
    let end = store.end_run(&run.fence, run.id, RunEnd::Cancelled).await.unwrap();

    let next = next_run(store, &run.integration).await;
    assert!(!next.cancel_requested);
    let next = store.end_run(&next.fence, next.id, RunEnd::Completed).await.unwrap();
    store.request_cancel(next.id).await.unwrap();
    assert_eq!(store.run(next.id).await.unwrap(), next);
    assert_eq!(store.run(run.id).await.unwrap(), end);
}

pub async fn batches_are_kept_by_number(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let batch = |number, state, import_id: Option<&str>| Batch {
        number,
        first: id("1"),
        last: id("2"),
        state,
        import_id: import_id.map(str::to_owned),
    };
    let (chosen, uploaded) =
        (batch(1, BatchState::Chosen, None), batch(1, BatchState::Uploaded, Some("import 7")));
    store.put_batch(&run.fence, run.id, &chosen).await.unwrap();
    store.put_batch(&run.fence, run.id, &batch(0, BatchState::Ended, Some("import 6"))).await.unwrap();
    assert_eq!(store.batches(run.id).await.unwrap()[1], chosen);
    store.put_batch(&run.fence, run.id, &uploaded).await.unwrap();
    let batches = store.batches(run.id).await.unwrap();
    assert_eq!(batches, [batch(0, BatchState::Ended, Some("import 6")), uploaded]);
}

pub async fn results_are_paged_and_filtered(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let decided = vec![rejected("3"), write("2"), rejected("1"), rejected("4")];
    store.commit_page(&run.fence, run.id, page(decided, None)).await.unwrap();
    let list = async |outcome, after: Option<&'static str>, limit| {
        let found = store.run_contacts(run.id, outcome, after.map(id).as_ref(), limit).await.unwrap();
        found.into_iter().map(|contact| contact.contact.0).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, 3).await, ["1", "2", "3"]);
    assert_eq!(list(None, Some("3"), 3).await, ["4"]);
    assert_eq!(list(Some(Outcome::Rejected), None, 2).await, ["1", "3"]);
    assert_eq!(list(Some(Outcome::Rejected), Some("3"), 2).await, ["4"]);
    assert!(list(Some(Outcome::Created), None, 2).await.is_empty());
}

pub async fn reasons_are_counted(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let excluded = |id| settled_at_once(id, Outcome::Excluded, Some(ReasonCode::ConditionNotMet));
    let decided = vec![
        excluded("1"),
        excluded("2"),
        excluded("3"),
        rejected("4"),
        rejected("5"),
        settled_at_once("6", Outcome::Rejected, Some(ReasonCode::ValueTooLong)),
        settled_at_once("7", Outcome::Unchanged, None),
        write("8"),
    ];
    store.commit_page(&run.fence, run.id, page(decided, None)).await.unwrap();
    let reasons = store.reasons(run.id).await.unwrap();
    assert_eq!(
        reasons,
        [
            (Outcome::Excluded, "condition-not-met".to_owned(), 3),
            (Outcome::Rejected, "email-missing".to_owned(), 2),
            (Outcome::Rejected, "value-too-long".to_owned(), 1),
        ]
    );
}

pub async fn discards_come_in_order(store: &dyn Store) {
    let run = new_run(store, "a").await;
    for numbers in [[9, 1], [5, 7]] {
        let mut discards = page(Vec::new(), Some("c"));
        discards.discarded = numbers.map(discard).into();
        store.commit_page(&run.fence, run.id, discards).await.unwrap();
    }
    assert_eq!(store.run(run.id).await.unwrap().counters.discarded, 4);
    assert_eq!(store.discards(run.id, 3).await.unwrap(), [discard(9), discard(1), discard(5)]);
}

pub async fn only_ten_runs_keep_their_details(store: &dyn Store) {
    let mut runs = Vec::new();
    let other = new_run(store, "b").await;
    store.commit_page(&other.fence, other.id, page(vec![rejected("1")], None)).await.unwrap();
    store.put_integration(&integration("a")).await.unwrap();
    for _ in 0..12 {
        let run = next_run(store, &IntegrationId("a".to_owned())).await;
        let mut only = page(vec![rejected("1")], None);
        only.discarded = vec![discard(1)];
        store.commit_page(&run.fence, run.id, only).await.unwrap();
        runs.push(store.end_run(&run.fence, run.id, RunEnd::Completed).await.unwrap());
    }
    for (position, run) in runs.iter().enumerate() {
        let kept = usize::from(position >= 2);
        assert_eq!(contacts(store, run.id).await.len(), kept, "run {position}");
        assert_eq!(store.discards(run.id, 9).await.unwrap().len(), kept);
        assert_eq!(store.reasons(run.id).await.unwrap().len(), kept);
        // Its numbers stay.
        assert_eq!(store.run(run.id).await.unwrap(), *run);
    }
    assert_eq!(contacts(store, other.id).await.len(), 1);
    assert_eq!(store.runs(&IntegrationId("a".to_owned()), 100).await.unwrap().len(), 12);
}

pub async fn unknown_runs_are_errors(store: &dyn Store) {
    let fence = new_run(store, "a").await.fence;
    let run = RunId(4711);
    let errors = [
        store.run(run).await.unwrap_err(),
        store.request_cancel(run).await.unwrap_err(),
        store.enter_phase(&fence, run, Phase::Reading).await.unwrap_err(),
        store.commit_page(&fence, run, page(Vec::new(), None)).await.unwrap_err(),
        store.settle(&fence, run, Vec::new()).await.unwrap_err(),
        store.end_run(&fence, run, RunEnd::Cancelled).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, StoreError::NoRun(none) if none == run), "{error}");
    }
}

/// Refused commands among others in the same transaction undo themselves and nothing else.
pub async fn many_writers_at_once(store: &dyn Store) {
    const WRITERS: usize = 16;
    const PAGES: usize = 20;
    let run = new_run(store, "a").await;
    let ended_run = new_run(store, "b").await;
    store.end_run(&ended_run.fence, ended_run.id, RunEnd::Cancelled).await.unwrap();
    let (run, ended_run) = (&run, &ended_run);
    let writer = |writer: usize| async move {
        for number in 0..PAGES {
            let decided =
                vec![write(&format!("{writer}-{number}")), rejected(&format!("{writer}-{number}-r"))];
            let refused = page(decided.clone(), None);
            let (committed, refused) = futures::join!(
                store.commit_page(&run.fence, run.id, page(decided, Some("c"))),
                store.commit_page(&ended_run.fence, ended_run.id, refused),
            );
            committed.unwrap();
            assert_eq!(refused.unwrap_err().code(), "run-ended");
            // What was answered is there for every reader.
            let contact = format!("{writer}-{number}");
            assert_eq!(store.staged_of(run.id, &ids(&[&contact])).await.unwrap().len(), 1);
            store.settle(&run.fence, run.id, vec![ended(&contact, Outcome::Created)]).await.unwrap();
        }
    };
    futures::future::join_all((0..WRITERS).map(writer)).await;
    let end = store.end_run(&run.fence, run.id, RunEnd::Completed).await.unwrap();
    let each = (WRITERS * PAGES) as u64;
    assert_eq!(end.phase, Phase::Completed, "{:?}", end.failure);
    assert_eq!(
        end.counters,
        Counters { read: 2 * each, created: each, rejected: each, ..Counters::default() }
    );
    assert!(contacts(store, ended_run.id).await.is_empty());
}

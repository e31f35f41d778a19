//! The suite: each test takes an empty store and knows nothing of what is behind the trait.

use sluice::contact::Channel;
use sluice::error::{ErrorCode, Failure};
use sluice::integration::IntegrationId;
use sluice::profile::{ConsentType, KnownConsent, TopicId};
use sluice::reason::ReasonCode;
use sluice::run::{Batch, BatchState, Counters, Outcome, Phase, RunId, Settled};
use sluice::store::{Found, RunEnd, Store, StoreError};

use crate::sample::*;

pub async fn integrations_are_put_replaced_listed_and_deleted(store: &dyn Store) {
    let (a, b) = (integration("a"), integration("b"));
    store.put_integration(&b).await.unwrap();
    store.put_integration(&a).await.unwrap();
    assert_eq!(store.integrations().await.unwrap(), [a.clone(), b.clone()]);

    let mut renamed = a.clone();
    renamed.name = "Another name".to_owned();
    store.put_integration(&renamed).await.unwrap();
    assert_eq!(store.integration(&a.id).await.unwrap(), Some(renamed));

    let run = store.accept_run(&a.id, false).await.unwrap();
    let refused = store.delete_integration(&a.id).await.unwrap_err();
    assert!(matches!(refused, StoreError::RunActive { run: active, .. } if active == run.id), "{refused}");
    store.end_run(run.id, RunEnd::Cancelled).await.unwrap();
    store.delete_integration(&a.id).await.unwrap();
    assert_eq!(store.integration(&a.id).await.unwrap(), None);
    assert_eq!(store.integrations().await.unwrap(), [b]);
    assert_eq!(store.delete_integration(&a.id).await.unwrap_err().code(), "integration-unknown");
    assert_eq!(store.accept_run(&a.id, false).await.unwrap_err().code(), "integration-unknown");
}

pub async fn an_integration_applied_again_inherits_nothing(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store.commit_page(run.id, page(vec![write("1"), rejected("2")], None)).await.unwrap();
    store.settle(run.id, vec![ended("1", Outcome::Created)]).await.unwrap();
    store.end_run(run.id, RunEnd::Completed).await.unwrap();
    assert_eq!(store.ledger(&run.integration, &ids(&["1", "2"])).await.unwrap().len(), 2);

    store.delete_integration(&run.integration).await.unwrap();
    store.put_integration(&integration("a")).await.unwrap();
    assert!(store.ledger(&run.integration, &ids(&["1", "2"])).await.unwrap().is_empty());
    assert!(store.runs(&run.integration, 10).await.unwrap().is_empty());
    assert_eq!(store.run(run.id).await.unwrap_err().code(), "run-unknown");
    assert!(contacts(store, run.id).await.is_empty());
    let again = store.accept_run(&run.integration, false).await.unwrap();
    assert_ne!(again.id, run.id);
    assert!(contacts(store, again.id).await.is_empty());
}

pub async fn one_run_at_a_time(store: &dyn Store) {
    let first = new_run(store, "a").await;
    assert_eq!((first.phase, first.forced, first.cancel_requested), (Phase::Accepted, false, false));
    assert_eq!((first.counters, first.cursor.clone(), first.ended_at), (Counters::default(), None, None));
    let refused = store.accept_run(&first.integration, false).await.unwrap_err();
    assert!(matches!(refused, StoreError::RunActive { run, .. } if run == first.id), "{refused}");

    let other = new_run(store, "b").await;
    assert_eq!(store.active_runs().await.unwrap(), [first.clone(), other.clone()]);
    store.end_run(first.id, RunEnd::Cancelled).await.unwrap();
    assert_eq!(store.active_runs().await.unwrap(), [other]);

    let second = store.accept_run(&first.integration, true).await.unwrap();
    assert!(second.forced);
    let runs: Vec<RunId> =
        store.runs(&first.integration, 10).await.unwrap().iter().map(|run| run.id).collect();
    assert_eq!(runs, [second.id, first.id]);
    assert_eq!(store.runs(&first.integration, 1).await.unwrap(), [second]);
}

pub async fn a_page_is_outcomes_stage_cursor_and_counters(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store.enter_phase(run.id, Phase::Reading).await.unwrap();
    let mut first = page(
        vec![
            write("1"),
            settled_at_once("2", Outcome::Excluded, Some(ReasonCode::ConditionNotMet)),
            rejected("3"),
            settled_at_once("4", Outcome::Unchanged, None),
        ],
        Some("after 4"),
    );
    first.total = Some(5);
    first.discarded = vec![discard(1)];
    let counters = store.commit_page(run.id, first).await.unwrap();
    let expected =
        Counters { read: 4, unchanged: 1, excluded: 1, rejected: 1, discarded: 1, ..Counters::default() };
    assert_eq!(counters, expected);

    let now = store.run(run.id).await.unwrap();
    assert_eq!((now.phase, now.counters, now.total), (Phase::Reading, expected, Some(5)));
    assert_eq!(now.cursor.unwrap().0, "after 4");
    assert_eq!(staged(store, run.id).await, ["1"]);
    let outcomes: Vec<_> =
        contacts(store, run.id).await.into_iter().map(|c| (c.contact.0, c.outcome)).collect();
    let of = |id: &str, outcome| (id.to_owned(), outcome);
    assert_eq!(
        outcomes,
        [
            of("1", None),
            of("2", Some(Outcome::Excluded)),
            of("3", Some(Outcome::Rejected)),
            of("4", Some(Outcome::Unchanged)),
        ]
    );
    let ledger = store.ledger(&run.integration, &ids(&["1", "2", "3", "4", "5"])).await.unwrap();
    assert_eq!(ledger.len(), 3);
    let entry = &ledger[&id("3")];
    assert_eq!((entry.outcome, entry.run, entry.written.clone()), (Outcome::Rejected, run.id, None));
    assert_eq!(entry.reason, Some(reason(ReasonCode::EmailMissing)));

    // A page that says no total leaves what an earlier one said.
    store.commit_page(run.id, page(vec![write("5")], Some("after 5"))).await.unwrap();
    assert_eq!(store.run(run.id).await.unwrap().total, Some(5));
}

pub async fn a_contact_read_twice_counts_once(store: &dyn Store) {
    let run = new_run(store, "a").await;
    // Within a page: the later one holds.
    let twice = vec![rejected("1"), write_as("1", "a"), write("2"), write("3"), write_as("3", "b")];
    let counters = store.commit_page(run.id, page(twice, Some("c"))).await.unwrap();
    assert_eq!(counters, Counters { read: 3, ..Counters::default() });
    let of = store.staged_of(run.id, &ids(&["1", "3"])).await.unwrap();
    assert_eq!(of[0].intent, intent("1", "a"));
    assert_eq!(of[1].intent, intent("3", "b"));

    // Across pages, each way.
    let again = vec![settled_at_once("1", Outcome::Unchanged, None), rejected("2")];
    let counters = store.commit_page(run.id, page(again, Some("d"))).await.unwrap();
    assert_eq!(counters, Counters { read: 3, unchanged: 1, rejected: 1, ..Counters::default() });
    assert_eq!(staged(store, run.id).await, ["3"]);
    let counters = store.commit_page(run.id, page(vec![write_as("2", "c")], None)).await.unwrap();
    assert_eq!(counters, Counters { read: 3, unchanged: 1, ..Counters::default() });
    assert_eq!(staged(store, run.id).await, ["2", "3"]);
    assert_eq!(contacts(store, run.id).await[1].reason, None);

    let settled = vec![ended("2", Outcome::Created), ended("3", Outcome::Updated)];
    store.settle(run.id, settled).await.unwrap();
    // Read once more after it was written.
    let counters = store.commit_page(run.id, page(vec![rejected("3")], None)).await.unwrap();
    assert_eq!(counters, Counters { read: 3, unchanged: 1, created: 1, rejected: 1, ..Counters::default() });
    assert_eq!(store.end_run(run.id, RunEnd::Completed).await.unwrap().phase, Phase::Completed);
}

pub async fn reading_starts_anew(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let mut first = page(vec![write("1"), rejected("2")], Some("c"));
    first.discarded = vec![discard(1)];
    store.commit_page(run.id, first).await.unwrap();
    store.restart_reading(run.id).await.unwrap();
    let now = store.run(run.id).await.unwrap();
    assert_eq!((now.cursor, now.counters), (None, Counters { read: 2, rejected: 1, ..Counters::default() }));
    assert_eq!(staged(store, run.id).await, ["1"]);
    assert!(store.discards(run.id, 10).await.unwrap().is_empty());

    // The record comes again with its page, and is counted once.
    let mut again = page(vec![write("1"), write("2")], None);
    again.discarded = vec![discard(1)];
    let counters = store.commit_page(run.id, again).await.unwrap();
    assert_eq!(counters, Counters { read: 2, discarded: 1, ..Counters::default() });
}

pub async fn reading_to_the_end_is_remembered(store: &dyn Store) {
    let run = new_run(store, "a").await;
    assert!(!run.read_to_end);
    store.commit_page(run.id, page(vec![write("1")], Some("c"))).await.unwrap();
    assert!(!store.run(run.id).await.unwrap().read_to_end);
    store.commit_page(run.id, page(Vec::new(), None)).await.unwrap();
    let now = store.run(run.id).await.unwrap();
    assert!(now.read_to_end);
    assert_eq!(now.cursor, None);
    store.restart_reading(run.id).await.unwrap();
    assert!(!store.run(run.id).await.unwrap().read_to_end);
}

pub async fn staged_contacts_come_in_order_and_bounds(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let other = new_run(store, "b").await;
    // By id as text, byte by byte, whatever the order in which they were read.
    let read = ["9", "10", "b", "2", "B", "é", "z"];
    store.commit_page(run.id, page(read.into_iter().map(write).collect(), None)).await.unwrap();
    store.commit_page(other.id, page(vec![write("5")], None)).await.unwrap();
    assert_eq!(store.staged_count(run.id).await.unwrap(), 7);
    assert_eq!(staged(store, run.id).await, ["10", "2", "9", "B", "b", "z", "é"]);

    let part = |after: Option<&'static str>, last: Option<&'static str>, limit| async move {
        let staged =
            store.staged(run.id, after.map(id).as_ref(), last.map(id).as_ref(), limit).await.unwrap();
        staged.into_iter().map(|staged| staged.intent.key.0).collect::<Vec<_>>()
    };
    assert_eq!(part(None, None, 2).await, ["10", "2"]);
    assert_eq!(part(Some("2"), None, 2).await, ["9", "B"]);
    assert_eq!(part(Some("2"), Some("b"), 10).await, ["9", "B", "b"]);
    assert_eq!(part(None, Some("2"), 10).await, ["10", "2"]);
    assert_eq!(part(Some("é"), None, 10).await, Vec::<String>::new());

    let of = store.staged_of(run.id, &ids(&["z", "none", "2"])).await.unwrap();
    let keys: Vec<_> = of.iter().map(|staged| staged.intent.key.0.as_str()).collect();
    assert_eq!(keys, ["z", "2"]);
}

fn known(state: ConsentType) -> KnownConsent {
    KnownConsent {
        topic: TopicId("usercreated.topics.offers-d1f2g3h4j5".to_owned()),
        channel: Channel::Email,
        state,
        modified_at: Some(at(1_600_000_000)),
        source: Some("Sluice".to_owned()),
    }
}

fn found(contact: &str, existed: bool, consents: Vec<KnownConsent>) -> Found {
    Found { contact: id(contact), existed, consents }
}

pub async fn what_was_found_is_remembered_once(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store.commit_page(run.id, page(vec![write("1"), write("2"), write("3")], None)).await.unwrap();
    let first = vec![
        found("1", true, vec![known(ConsentType::OptOut)]),
        found("2", false, Vec::new()),
        found("not staged", true, Vec::new()),
    ];
    store.note_found(run.id, first).await.unwrap();
    // What a later look says is what this run itself did.
    let later = vec![found("1", false, Vec::new()), found("2", true, vec![known(ConsentType::OptIn)])];
    store.note_found(run.id, later).await.unwrap();

    // Read again: the intent is the new one, what was found stays.
    store.commit_page(run.id, page(vec![write_as("1", "again")], None)).await.unwrap();
    let staged = store.staged(run.id, None, None, 10).await.unwrap();
    assert_eq!(staged[0].intent, intent("1", "again"));
    assert_eq!(staged[0].existed, Some(true));
    assert_eq!(staged[0].known_consents, Some(vec![known(ConsentType::OptOut)]));
    assert_eq!((staged[1].existed, staged[1].known_consents.clone()), (Some(false), Some(Vec::new())));
    assert_eq!((staged[2].existed, staged[2].known_consents.clone()), (None, None));
    assert_eq!(store.staged_count(run.id).await.unwrap(), 3);
}

pub async fn the_rest_is_absent_but_not_what_is_staged_later(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let other = new_run(store, "b").await;
    store.commit_page(run.id, page(vec![write("1"), write("2")], None)).await.unwrap();
    store.commit_page(other.id, page(vec![write("1")], None)).await.unwrap();
    store.note_found(run.id, vec![found("1", true, Vec::new())]).await.unwrap();
    store.note_rest_absent(run.id).await.unwrap();
    store.commit_page(run.id, page(vec![write("3")], None)).await.unwrap();
    store.note_found(run.id, vec![found("2", true, Vec::new())]).await.unwrap();

    let staged = store.staged(run.id, None, None, 10).await.unwrap();
    assert_eq!(staged[0].existed, Some(true));
    assert_eq!((staged[1].existed, staged[1].known_consents.clone()), (Some(false), Some(Vec::new())));
    assert_eq!((staged[2].existed, staged[2].known_consents.clone()), (None, None));
    assert_eq!(store.staged(other.id, None, None, 10).await.unwrap()[0].existed, None);
}

pub async fn settling_moves_from_stage_to_ledger(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store.commit_page(run.id, page(["1", "2", "3", "4"].map(write).into(), None)).await.unwrap();
    let refused = Settled {
        contact: id("3"),
        outcome: Outcome::Rejected,
        reason: Some(reason(ReasonCode::RefusedByApsis)),
        written: false,
    };
    let settled = vec![ended("1", Outcome::Created), ended("2", Outcome::Unchanged), refused];
    let counters = store.settle(run.id, settled).await.unwrap();
    let expected = Counters { read: 4, created: 1, unchanged: 1, rejected: 1, ..Counters::default() };
    assert_eq!(counters, expected);

    // Told again, told of one that the run does not have, and told twice in one go.
    let again = vec![
        ended("1", Outcome::Updated),
        ended("none", Outcome::Created),
        ended("4", Outcome::Updated),
        ended("4", Outcome::Created),
    ];
    let counters = store.settle(run.id, again).await.unwrap();
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
    store.commit_page(first.id, page(["1", "2", "3"].map(write).into(), None)).await.unwrap();
    let settled = ["1", "2", "3"].map(|contact| ended(contact, Outcome::Created));
    store.settle(first.id, settled.into()).await.unwrap();
    store.end_run(first.id, RunEnd::Completed).await.unwrap();

    let second = store.accept_run(&first.integration, false).await.unwrap();
    let decided = vec![
        settled_at_once("1", Outcome::Excluded, Some(ReasonCode::ConditionNotMet)),
        settled_at_once("2", Outcome::Unchanged, None),
        write_as("3", "newer"),
    ];
    store.commit_page(second.id, page(decided, None)).await.unwrap();
    let staged = store.staged(second.id, None, None, 10).await.unwrap();
    assert_eq!(staged[0].last_written, Some(intent("3", "as first read")));
    store.settle(second.id, vec![ended("3", Outcome::Rejected)]).await.unwrap();

    let ledger = store.ledger(&first.integration, &ids(&["1", "2", "3"])).await.unwrap();
    for contact in ["1", "2", "3"] {
        let entry = &ledger[&id(contact)];
        assert_eq!(entry.written, Some(intent(contact, "as first read")));
        assert_eq!(entry.run, second.id);
    }
    assert_eq!(ledger[&id("1")].outcome, Outcome::Excluded);
    assert_eq!(ledger[&id("3")].outcome, Outcome::Rejected);

    let other = new_run(store, "b").await;
    assert!(store.ledger(&other.integration, &ids(&["1"])).await.unwrap().is_empty());
}

pub async fn a_run_that_does_not_add_up_fails(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store.commit_page(run.id, page(vec![write("1"), write("2")], None)).await.unwrap();
    store.settle(run.id, vec![ended("1", Outcome::Created)]).await.unwrap();
    let ended = store.end_run(run.id, RunEnd::Completed).await.unwrap();
    assert_eq!(ended.phase, Phase::Failed);
    let failure = ended.failure.clone().unwrap();
    assert_eq!(failure.code, "run-does-not-add-up");
    assert!(failure.message.contains("read 2") && failure.message.contains("created 1"), "{failure:?}");
    assert_eq!(store.run(run.id).await.unwrap(), ended);
}

pub async fn a_completed_run_is_as_it_ended(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store.commit_page(run.id, page(vec![write("1")], None)).await.unwrap();
    store.enter_phase(run.id, Phase::Writing).await.unwrap();
    store.settle(run.id, vec![ended("1", Outcome::Created)]).await.unwrap();
    let end = store.end_run(run.id, RunEnd::Completed).await.unwrap();
    assert_eq!((end.phase, end.failure.clone()), (Phase::Completed, None));
    assert!(end.ended_at.unwrap() >= end.accepted_at);
    // Ended once: asked again, as after a crash, it stays as it was.
    assert_eq!(store.end_run(run.id, RunEnd::Cancelled).await.unwrap(), end);
    assert_eq!(store.run(run.id).await.unwrap(), end);
}

pub async fn a_cancelled_run_shows_who_has_no_outcome(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store.commit_page(run.id, page(vec![write("1"), write("2"), rejected("3")], Some("c"))).await.unwrap();
    store.settle(run.id, vec![ended("1", Outcome::Created)]).await.unwrap();
    let end = store.end_run(run.id, RunEnd::Cancelled).await.unwrap();
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
    let next = store.accept_run(&run.integration, false).await.unwrap();
    assert!(staged(store, next.id).await.is_empty());
}

pub async fn a_failed_run_says_why(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let failure = Failure { code: "apsis-credentials".to_owned(), message: "what to do".to_owned() };
    let end = store.end_run(run.id, RunEnd::Failed(failure.clone())).await.unwrap();
    assert_eq!((end.phase, end.failure), (Phase::Failed, Some(failure)));
}

pub async fn an_ended_run_takes_no_more_steps(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store.commit_page(run.id, page(vec![write("1")], Some("c"))).await.unwrap();
    let refused = store.enter_phase(run.id, Phase::Completed).await.unwrap_err();
    assert_eq!(refused.code(), "run-phase-ends");
    let end = store.end_run(run.id, RunEnd::Cancelled).await.unwrap();
    let batch =
        Batch { number: 0, first: id("1"), last: id("1"), state: BatchState::Chosen, import_id: None };
    let refusals = [
        store.commit_page(run.id, page(vec![write("2")], None)).await.unwrap_err(),
        store.settle(run.id, vec![ended("1", Outcome::Created)]).await.unwrap_err(),
        store.enter_phase(run.id, Phase::Writing).await.unwrap_err(),
        store.restart_reading(run.id).await.unwrap_err(),
        store.note_found(run.id, vec![found("1", true, Vec::new())]).await.unwrap_err(),
        store.note_rest_absent(run.id).await.unwrap_err(),
        store.put_batch(run.id, &batch).await.unwrap_err(),
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
    let end = store.end_run(run.id, RunEnd::Cancelled).await.unwrap();

    let next = store.accept_run(&run.integration, false).await.unwrap();
    assert!(!next.cancel_requested);
    let next = store.end_run(next.id, RunEnd::Completed).await.unwrap();
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
    store.put_batch(run.id, &chosen).await.unwrap();
    store.put_batch(run.id, &batch(0, BatchState::Ended, Some("import 6"))).await.unwrap();
    assert_eq!(store.batches(run.id).await.unwrap()[1], chosen);
    store.put_batch(run.id, &uploaded).await.unwrap();
    let batches = store.batches(run.id).await.unwrap();
    assert_eq!(batches, [batch(0, BatchState::Ended, Some("import 6")), uploaded]);
}

pub async fn results_are_paged_and_filtered(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let decided = vec![rejected("3"), write("2"), rejected("1"), rejected("4")];
    store.commit_page(run.id, page(decided, None)).await.unwrap();
    let list = |outcome, after: Option<&'static str>, limit| async move {
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
    store.commit_page(run.id, page(decided, None)).await.unwrap();
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
        store.commit_page(run.id, discards).await.unwrap();
    }
    assert_eq!(store.run(run.id).await.unwrap().counters.discarded, 4);
    assert_eq!(store.discards(run.id, 3).await.unwrap(), [discard(9), discard(1), discard(5)]);
}

pub async fn only_ten_runs_keep_their_details(store: &dyn Store) {
    let mut runs = Vec::new();
    let other = new_run(store, "b").await;
    store.commit_page(other.id, page(vec![rejected("1")], None)).await.unwrap();
    store.put_integration(&integration("a")).await.unwrap();
    for _ in 0..12 {
        let run = store.accept_run(&IntegrationId("a".to_owned()), false).await.unwrap();
        let mut only = page(vec![rejected("1")], None);
        only.discarded = vec![discard(1)];
        store.commit_page(run.id, only).await.unwrap();
        runs.push(store.end_run(run.id, RunEnd::Completed).await.unwrap());
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
    let run = RunId(4711);
    let errors = [
        store.run(run).await.unwrap_err(),
        store.request_cancel(run).await.unwrap_err(),
        store.enter_phase(run, Phase::Reading).await.unwrap_err(),
        store.commit_page(run, page(Vec::new(), None)).await.unwrap_err(),
        store.settle(run, Vec::new()).await.unwrap_err(),
        store.end_run(run, RunEnd::Cancelled).await.unwrap_err(),
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
    store.end_run(ended_run.id, RunEnd::Cancelled).await.unwrap();
    let writer = |writer: usize| async move {
        for number in 0..PAGES {
            let decided =
                vec![write(&format!("{writer}-{number}")), rejected(&format!("{writer}-{number}-r"))];
            let refused = page(decided.clone(), None);
            let (committed, refused) = futures::join!(
                store.commit_page(run.id, page(decided, Some("c"))),
                store.commit_page(ended_run.id, refused),
            );
            committed.unwrap();
            assert_eq!(refused.unwrap_err().code(), "run-ended");
            // What was answered is there for every reader.
            let contact = format!("{writer}-{number}");
            assert_eq!(store.staged_of(run.id, &ids(&[&contact])).await.unwrap().len(), 1);
            store.settle(run.id, vec![ended(&contact, Outcome::Created)]).await.unwrap();
        }
    };
    futures::future::join_all((0..WRITERS).map(writer)).await;
    let end = store.end_run(run.id, RunEnd::Completed).await.unwrap();
    let each = (WRITERS * PAGES) as u64;
    assert_eq!(end.phase, Phase::Completed, "{:?}", end.failure);
    assert_eq!(
        end.counters,
        Counters { read: 2 * each, created: each, rejected: each, ..Counters::default() }
    );
    assert!(contacts(store, ended_run.id).await.is_empty());
}

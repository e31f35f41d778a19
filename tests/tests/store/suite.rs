//! Integrations, and what a run reads and stages. Each test takes an empty store and knows nothing of what
//! is behind the trait.

use sluice::contact::Channel;
use sluice::error::ErrorCode;
use sluice::profile::{ConsentType, KnownConsent, TopicId};
use sluice::reason::ReasonCode;
use sluice::run::{Counters, Outcome, Phase, RunId, RunOrder, Source};
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

    let run = next_run(store, &a.id).await;
    let refused = store.delete_integration(&a.id).await.unwrap_err();
    assert!(matches!(refused, StoreError::RunActive { run: active, .. } if active == run.id), "{refused}");
    store.end_run(&run.fence, run.id, RunEnd::Cancelled).await.unwrap();
    store.delete_integration(&a.id).await.unwrap();
    assert_eq!(store.integration(&a.id).await.unwrap(), None);
    assert_eq!(store.integrations().await.unwrap(), [b]);
    assert_eq!(store.delete_integration(&a.id).await.unwrap_err().code(), "integration-unknown");
    assert_eq!(store.accept_run(&a.id, FULL_SYNC).await.unwrap_err().code(), "integration-unknown");
}

pub async fn an_integration_applied_again_inherits_nothing(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store.commit_page(&run.fence, run.id, page(vec![write("1"), rejected("2")], None)).await.unwrap();
    store.settle(&run.fence, run.id, vec![ended("1", Outcome::Created)]).await.unwrap();
    store.end_run(&run.fence, run.id, RunEnd::Completed).await.unwrap();
    assert_eq!(store.ledger(&run.integration, &ids(&["1", "2"])).await.unwrap().len(), 2);

    store.delete_integration(&run.integration).await.unwrap();
    store.put_integration(&integration("a")).await.unwrap();
    assert!(store.ledger(&run.integration, &ids(&["1", "2"])).await.unwrap().is_empty());
    assert!(store.runs(&run.integration, 10).await.unwrap().is_empty());
    assert_eq!(store.run(run.id).await.unwrap_err().code(), "run-unknown");
    assert!(contacts(store, run.id).await.is_empty());
    let again = store.accept_run(&run.integration, FULL_SYNC).await.unwrap();
    assert_ne!(again.id, run.id);
    assert!(contacts(store, again.id).await.is_empty());
}

pub async fn one_run_at_a_time(store: &dyn Store) {
    let first = new_run(store, "a").await;
    assert_eq!((first.phase, first.forced, first.cancel_requested), (Phase::Accepted, false, false));
    assert_eq!((first.counters, first.cursor.clone(), first.ended_at), (Counters::default(), None, None));
    let refused = store.accept_run(&first.integration, FULL_SYNC).await.unwrap_err();
    assert!(matches!(refused, StoreError::RunActive { run, .. } if run == first.id), "{refused}");

    let other = new_run(store, "b").await;
    assert_eq!(store.active_run(&first.integration).await.unwrap(), Some(first.run.clone()));
    store.end_run(&first.fence, first.id, RunEnd::Cancelled).await.unwrap();
    assert_eq!(store.active_run(&first.integration).await.unwrap(), None);
    assert_eq!(store.active_run(&other.integration).await.unwrap(), Some(other.run));

    let second = store
        .accept_run(&first.integration, RunOrder::FullSync { forced: true, source: Source::Crm })
        .await
        .unwrap();
    assert!(second.forced);
    let runs: Vec<RunId> =
        store.runs(&first.integration, 10).await.unwrap().iter().map(|run| run.id).collect();
    assert_eq!(runs, [second.id, first.id]);
    assert_eq!(store.runs(&first.integration, 1).await.unwrap(), [second]);
}

pub async fn a_page_is_outcomes_stage_cursor_and_counters(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store.enter_phase(&run.fence, run.id, Phase::Reading).await.unwrap();
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
    let counters = store.commit_page(&run.fence, run.id, first).await.unwrap();
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
    assert_eq!((entry.outcome, entry.run, entry.written.clone()), (Outcome::Rejected, Some(run.id), None));
    assert_eq!(entry.reason, Some(reason(ReasonCode::EmailMissing)));

    // A page that says no total leaves what an earlier one said.
    store.commit_page(&run.fence, run.id, page(vec![write("5")], Some("after 5"))).await.unwrap();
    assert_eq!(store.run(run.id).await.unwrap().total, Some(5));
}

pub async fn a_contact_read_twice_counts_once(store: &dyn Store) {
    let run = new_run(store, "a").await;
    // Within a page: the later one holds.
    let twice = vec![rejected("1"), write_as("1", "a"), write("2"), write("3"), write_as("3", "b")];
    let counters = store.commit_page(&run.fence, run.id, page(twice, Some("c"))).await.unwrap();
    assert_eq!(counters, Counters { read: 3, ..Counters::default() });
    let of = store.staged_of(run.id, &ids(&["1", "3"])).await.unwrap();
    assert_eq!(of[0].intent, intent("1", "a"));
    assert_eq!(of[1].intent, intent("3", "b"));

    // Across pages, each way.
    let again = vec![settled_at_once("1", Outcome::Unchanged, None), rejected("2")];
    let counters = store.commit_page(&run.fence, run.id, page(again, Some("d"))).await.unwrap();
    assert_eq!(counters, Counters { read: 3, unchanged: 1, rejected: 1, ..Counters::default() });
    assert_eq!(staged(store, run.id).await, ["3"]);
    let counters = store.commit_page(&run.fence, run.id, page(vec![write_as("2", "c")], None)).await.unwrap();
    assert_eq!(counters, Counters { read: 3, unchanged: 1, ..Counters::default() });
    assert_eq!(staged(store, run.id).await, ["2", "3"]);
    assert_eq!(contacts(store, run.id).await[1].reason, None);

    let settled = vec![ended("2", Outcome::Created), ended("3", Outcome::Updated)];
    store.settle(&run.fence, run.id, settled).await.unwrap();
    // Read once more after it was written.
    let counters = store.commit_page(&run.fence, run.id, page(vec![rejected("3")], None)).await.unwrap();
    assert_eq!(counters, Counters { read: 3, unchanged: 1, created: 1, rejected: 1, ..Counters::default() });
    assert_eq!(store.end_run(&run.fence, run.id, RunEnd::Completed).await.unwrap().phase, Phase::Completed);
}

pub async fn reading_starts_anew(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let mut first = page(vec![write("1"), rejected("2")], Some("c"));
    first.discarded = vec![discard(1)];
    store.commit_page(&run.fence, run.id, first).await.unwrap();
    store.restart_reading(&run.fence, run.id).await.unwrap();
    let now = store.run(run.id).await.unwrap();
    assert_eq!((now.cursor, now.counters), (None, Counters { read: 2, rejected: 1, ..Counters::default() }));
    assert_eq!(staged(store, run.id).await, ["1"]);
    assert!(store.discards(run.id, 10).await.unwrap().is_empty());

    // The record comes again with its page, and is counted once.
    let mut again = page(vec![write("1"), write("2")], None);
    again.discarded = vec![discard(1)];
    let counters = store.commit_page(&run.fence, run.id, again).await.unwrap();
    assert_eq!(counters, Counters { read: 2, discarded: 1, ..Counters::default() });
}

pub async fn reading_to_the_end_is_remembered(store: &dyn Store) {
    let run = new_run(store, "a").await;
    assert!(!run.read_to_end);
    store.commit_page(&run.fence, run.id, page(vec![write("1")], Some("c"))).await.unwrap();
    assert!(!store.run(run.id).await.unwrap().read_to_end);
    store.commit_page(&run.fence, run.id, page(Vec::new(), None)).await.unwrap();
    let now = store.run(run.id).await.unwrap();
    assert!(now.read_to_end);
    assert_eq!(now.cursor, None);
    store.restart_reading(&run.fence, run.id).await.unwrap();
    assert!(!store.run(run.id).await.unwrap().read_to_end);
}

pub async fn staged_contacts_come_in_order_and_bounds(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let other = new_run(store, "b").await;
    // By id as text, byte by byte, whatever the order in which they were read.
    let read = ["9", "10", "b", "2", "B", "é", "z"];
    store.commit_page(&run.fence, run.id, page(read.into_iter().map(write).collect(), None)).await.unwrap();
    store.commit_page(&other.fence, other.id, page(vec![write("5")], None)).await.unwrap();
    assert_eq!(store.staged_count(run.id).await.unwrap(), 7);
    assert_eq!(staged(store, run.id).await, ["10", "2", "9", "B", "b", "z", "é"]);

    let part = async |after: Option<&'static str>, last: Option<&'static str>, limit| {
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
    assert_eq!(keys, ["2", "z"]);
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

pub fn found(contact: &str, existed: bool, consents: Vec<KnownConsent>) -> Found {
    Found { contact: id(contact), existed, consents, attributes: None }
}

pub async fn what_was_found_is_remembered_once(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store
        .commit_page(&run.fence, run.id, page(vec![write("1"), write("2"), write("3")], None))
        .await
        .unwrap();
    let first = vec![
        found("1", true, vec![known(ConsentType::OptOut)]),
        found("2", false, Vec::new()),
        found("not staged", true, Vec::new()),
    ];
    store.note_found(&run.fence, run.id, first).await.unwrap();
    // What a later look says is what this run itself did.
    let later = vec![found("1", false, Vec::new()), found("2", true, vec![known(ConsentType::OptIn)])];
    store.note_found(&run.fence, run.id, later).await.unwrap();

    // Read again: the intent is the new one, what was found stays.
    store.commit_page(&run.fence, run.id, page(vec![write_as("1", "again")], None)).await.unwrap();
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
    store.commit_page(&run.fence, run.id, page(vec![write("1"), write("2")], None)).await.unwrap();
    store.commit_page(&other.fence, other.id, page(vec![write("1")], None)).await.unwrap();
    store.note_found(&run.fence, run.id, vec![found("1", true, Vec::new())]).await.unwrap();
    store.note_rest_absent(&run.fence, run.id).await.unwrap();
    store.commit_page(&run.fence, run.id, page(vec![write("3")], None)).await.unwrap();
    store.note_found(&run.fence, run.id, vec![found("2", true, Vec::new())]).await.unwrap();

    let staged = store.staged(run.id, None, None, 10).await.unwrap();
    assert_eq!(staged[0].existed, Some(true));
    assert_eq!((staged[1].existed, staged[1].known_consents.clone()), (Some(false), Some(Vec::new())));
    assert_eq!((staged[2].existed, staged[2].known_consents.clone()), (None, None));
    assert_eq!(store.staged(other.id, None, None, 10).await.unwrap()[0].existed, None);
}

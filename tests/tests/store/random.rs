//! Whatever the order of pages, re-reads and outcomes: the counters are the outcomes counted anew.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sluice::reason::ReasonCode;
use sluice::run::{Counters, Decided, Outcome, Phase};
use sluice::store::{RunEnd, SqliteStore, Store};

use crate::sample::*;

/// Contacts are few, so that they meet again and again.
const CONTACTS: u8 = 12;

#[derive(Debug, Clone)]
enum Step {
    Page(Vec<(u8, Option<Outcome>)>),
    Settle(Vec<(u8, Outcome)>),
    Restart,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop::sample::select(Outcome::ALL.to_vec())
}

fn step() -> impl Strategy<Value = Step> {
    let decided = prop_oneof![2 => Just(None), 1 => outcome().prop_map(Some)];
    prop_oneof![
        4 => prop::collection::vec((0..CONTACTS, decided), 0..8).prop_map(Step::Page),
        4 => prop::collection::vec((0..CONTACTS, outcome()), 0..8).prop_map(Step::Settle),
        1 => Just(Step::Restart),
    ]
}

fn decided(contact: &str, verdict: Option<Outcome>) -> Decided {
    match verdict {
        None => write(contact),
        Some(Outcome::Rejected) => rejected(contact),
        Some(outcome) => settled_at_once(contact, outcome, Some(ReasonCode::ConditionNotMet)),
    }
}

/// What the store should hold: contact to outcome; none is staged.
type Model = BTreeMap<String, Option<Outcome>>;

fn count(model: &Model) -> Counters {
    let mut counters = Counters { read: model.len() as u64, ..Counters::default() };
    for outcome in model.values().flatten() {
        *counters.of(*outcome) += 1;
    }
    counters
}

async fn take(store: &dyn Store, run: &HeldRun, model: &mut Model, step: Step) {
    match step {
        Step::Page(contacts) => {
            let mut all = Vec::new();
            for (contact, verdict) in contacts {
                all.push(decided(&contact.to_string(), verdict));
                model.insert(contact.to_string(), verdict);
            }
            let counters = store.commit_page(&run.fence, run.id, page(all, Some("c"))).await.unwrap();
            assert_eq!(counters, count(model));
        }
        Step::Settle(contacts) => {
            let mut all = Vec::new();
            for (contact, outcome) in contacts {
                all.push(ended(&contact.to_string(), outcome));
                if let Some(staged @ None) = model.get_mut(&contact.to_string()) {
                    *staged = Some(outcome);
                }
            }
            let counters = store.settle(&run.fence, run.id, all).await.unwrap();
            assert_eq!(counters, count(model));
        }
        Step::Restart => store.restart_reading(&run.fence, run.id).await.unwrap(),
    }
}

async fn check(store: &dyn Store, run: &HeldRun, model: &Model) {
    let found: Model = contacts(store, run.id)
        .await
        .into_iter()
        .map(|contact| (contact.contact.0, contact.outcome))
        .collect();
    assert_eq!(&found, model);
    let waiting: Vec<String> =
        model.iter().filter(|(_, outcome)| outcome.is_none()).map(|(contact, _)| contact.clone()).collect();
    assert_eq!(staged(store, run.id).await, waiting);
    assert_eq!(store.staged_count(run.id).await.unwrap(), waiting.len() as u64);
    assert_eq!(store.run(run.id).await.unwrap().counters, count(model));
    let end = store.end_run(&run.fence, run.id, RunEnd::Completed).await.unwrap();
    assert_eq!(end.phase, if waiting.is_empty() { Phase::Completed } else { Phase::Failed });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn counters_are_the_outcomes_counted_anew(steps in prop::collection::vec(step(), 0..16)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(&folder.path().join("sluice.db")).unwrap();
            let run = new_run(&store, "a").await;
            let mut model = Model::new();
            for step in steps {
                take(&store, &run, &mut model, step).await;
            }
            check(&store, &run, &model).await;
        });
    }
}

//! Components, which integrations use which, and switching between them. Each test takes an empty store.

use sluice::error::ErrorCode;
use sluice::integration::{Integration, IntegrationId};
use sluice::need::{NeedCode, NewNeed};
use sluice::run::{Outcome, RunOrder, Source};
use sluice::store::{RunEnd, Store, StoreError, Switch};

use crate::sample::*;

fn name(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

async fn put(store: &dyn Store, id: &str, component: char) -> IntegrationId {
    let integration = Integration { connector: name(component), ..integration(id) };
    store.put_integration(&integration).await.unwrap();
    integration.id
}

async fn components(store: &dyn Store, digits: &str) {
    for digit in digits.chars() {
        store.put_component(&name(digit), vec![1, 2, 3]).await.unwrap();
    }
}

fn to(component: char, revision: i64) -> Switch {
    Switch { revision, to: name(component), may_return: true, need: None }
}

/// What it uses, and what it can return to.
async fn uses(store: &dyn Store, id: &IntegrationId) -> (String, Option<String>) {
    let standing = store.standing(id).await.unwrap().unwrap();
    (standing.integration.connector, standing.connector_before)
}

async fn revision(store: &dyn Store, id: &IntegrationId) -> i64 {
    store.standing(id).await.unwrap().unwrap().revision
}

pub async fn a_component_says_who_uses_it_and_goes_when_nobody_does(store: &dyn Store) {
    components(store, "ab").await;
    let id = put(store, "a", 'a').await;
    let listed = store.components().await.unwrap();
    assert_eq!(listed.iter().map(|one| one.name.clone()).collect::<Vec<_>>(), [name('a'), name('b')]);
    assert!(listed.iter().all(|one| one.added_at.is_some()));
    assert_eq!((&listed[0].used_by, &listed[1].used_by), (&vec![id.clone()], &vec![]));
    // Added again, it stays as it was added.
    components(store, "a").await;
    assert_eq!(store.components().await.unwrap(), listed);

    let refused = store.remove_component(&name('a')).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::ComponentInUse { integrations, .. } if integrations == "a"),
        "{refused}"
    );
    assert!(store.component(&name('a')).await.unwrap().is_some());
    store.remove_component(&name('b')).await.unwrap();
    assert_eq!(store.component(&name('b')).await.unwrap(), None);
    assert_eq!(store.remove_component(&name('b')).await.unwrap_err().code(), "catalogue-missing");
    store.delete_integration(&id).await.unwrap();
    store.remove_component(&name('a')).await.unwrap();
}

pub async fn a_component_that_an_active_run_tries_stays(store: &dyn Store) {
    components(store, "ab").await;
    let id = put(store, "a", 'a').await;
    let trial = Box::new(Integration { connector: name('b'), ..integration("a") });
    let order = RunOrder::DryRun { forced: false, source: Source::Crm, trial: Some(trial) };
    let run = store.accept_run(&id, order).await.unwrap();
    assert_eq!(store.remove_component(&name('b')).await.unwrap_err().code(), "component-in-use");
    let fence = hold(store, &id).await;
    store.end_run(&fence, run.id, RunEnd::Cancelled).await.unwrap();
    store.remove_component(&name('b')).await.unwrap();
}

pub async fn a_switch_is_made_as_the_integration_was_seen_and_remembers_the_way_back(store: &dyn Store) {
    components(store, "abc").await;
    let id = put(store, "a", 'a').await;
    let seen = revision(store, &id).await;
    let now = store.switch_connector(&id, &to('b', seen)).await.unwrap();
    assert_eq!((now, revision(store, &id).await), (seen + 1, seen + 1));
    assert_eq!(uses(store, &id).await, (name('b'), Some(name('a'))));
    assert_eq!(store.components().await.unwrap()[0].returned_to_by, std::slice::from_ref(&id));

    // Somebody else has seen what was there before.
    let late = store.switch_connector(&id, &to('c', seen)).await.unwrap_err();
    assert!(matches!(late, StoreError::Changed { revision, .. } if revision == now), "{late}");
    let unknown = store.switch_connector(&id, &to('d', now)).await.unwrap_err();
    assert_eq!(unknown.code(), "catalogue-missing");
    let nobody = store.switch_connector(&IntegrationId("b".to_owned()), &to('c', 1)).await.unwrap_err();
    assert_eq!(nobody.code(), "integration-unknown");
    assert_eq!(uses(store, &id).await, (name('b'), Some(name('a'))));

    let back = Switch { may_return: false, ..to('a', now) };
    store.switch_connector(&id, &back).await.unwrap();
    assert_eq!(uses(store, &id).await, (name('a'), None));
    // What is applied with another component can be returned from, too; the rest is as it was.
    put(store, "a", 'c').await;
    assert_eq!(uses(store, &id).await, (name('c'), Some(name('a'))));
    put(store, "a", 'c').await;
    assert_eq!(uses(store, &id).await, (name('c'), Some(name('a'))));
}

pub async fn a_switch_during_a_run_leaves_a_need_that_the_run_does_not_clear(store: &dyn Store) {
    components(store, "ab").await;
    let id = put(store, "a", 'a').await;
    let fence = hold(store, &id).await;
    let run = store.accept_run(&id, FULL_SYNC).await.unwrap();
    let need = NewNeed::about(NeedCode::ConnectorChanged, vec!["1.0.0 to 2.0.0".to_owned()]);
    let switch = Switch { need: Some(need), ..to('b', revision(store, &id).await) };
    store.switch_connector(&id, &switch).await.unwrap();
    store.commit_page(&fence, run.id, page(Vec::new(), None)).await.unwrap();
    store.end_run(&fence, run.id, RunEnd::Completed).await.unwrap();
    let codes = async || {
        let needs = store.needs(&id).await.unwrap();
        needs.into_iter().map(|need| need.code).collect::<Vec<_>>()
    };
    assert_eq!(codes().await, [NeedCode::ConnectorChanged]);
    let run = store.accept_run(&id, FULL_SYNC).await.unwrap();
    store.commit_page(&fence, run.id, page(Vec::new(), None)).await.unwrap();
    store.end_run(&fence, run.id, RunEnd::Completed).await.unwrap();
    assert_eq!(codes().await, []);
}

pub async fn a_sample_is_even_over_all_that_are_known(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let read = ["1", "2", "3", "4", "5", "6"].map(|id| settled_at_once(id, Outcome::Excluded, None));
    store.commit_page(&run.fence, run.id, page(read.to_vec(), None)).await.unwrap();
    let sample = async |size| store.known_sample(&run.integration, size).await.unwrap();
    assert_eq!(sample(3).await, ids(&["2", "4", "6"]));
    assert_eq!(sample(100).await, ids(&["1", "2", "3", "4", "5", "6"]));
}

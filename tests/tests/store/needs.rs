//! What a full sync is needed for, and what clears it. Each test takes an empty store.

use serde_json::json;
use sluice::change::{Arrival, Cause, Change, Decoded, Delivery, NewDelivery, Refused};
use sluice::error::Failure;
use sluice::hosting::Fence;
use sluice::integration::{FieldRow, Integration, IntegrationId};
use sluice::need::{Need, NeedCode, NewNeed};
use sluice::run::{Phase, RunOrder, Source};
use sluice::store::{RunEnd, Store};

use crate::sample::*;

async fn needs(store: &dyn Store, id: &IntegrationId) -> Vec<Need> {
    let needs = store.needs(id).await.unwrap();
    assert_eq!(store.lane_status(id).await.unwrap().needs, needs, "the status shows the same");
    needs
}

async fn codes(store: &dyn Store, id: &IntegrationId) -> Vec<NeedCode> {
    needs(store, id).await.into_iter().map(|need| need.code).collect()
}

/// Takes a run of this kind to this end, in this phase.
async fn run(store: &dyn Store, fence: &Fence, order: RunOrder, phase: Phase, end: RunEnd) {
    let run = store.accept_run(&fence.integration, order).await.unwrap();
    store.commit_page(fence, run.id, page(Vec::new(), None)).await.unwrap();
    store.enter_phase(fence, run.id, phase).await.unwrap();
    store.end_run(fence, run.id, end).await.unwrap();
}

async fn full_sync(store: &dyn Store, fence: &Fence) {
    run(store, fence, FULL_SYNC, Phase::Writing, RunEnd::Completed).await;
}

/// An integration that needs nothing.
async fn synced(store: &dyn Store) -> Fence {
    let run = new_run(store, "a").await;
    store.commit_page(&run.fence, run.id, page(Vec::new(), None)).await.unwrap();
    store.end_run(&run.fence, run.id, RunEnd::Completed).await.unwrap();
    assert_eq!(codes(store, &run.integration).await, []);
    run.fence
}

async fn put(store: &dyn Store, change: impl FnOnce(&mut Integration)) {
    let mut changed = integration("a");
    change(&mut changed);
    store.put_integration(&changed).await.unwrap();
}

/// A field mapping, as a file has it.
fn row(field: &str, attribute: &str) -> FieldRow {
    serde_json::from_value(json!({"field": field, "attribute": attribute, "kind": "text"})).unwrap()
}

fn failed(code: &str) -> RunEnd {
    RunEnd::Failed(Failure { code: code.to_owned(), message: "what to do".to_owned() })
}

fn due(second: i64) -> RunOrder {
    RunOrder::Daily { due: at(second) }
}

pub async fn b01_b15_a_new_integration_needs_a_full_sync_until_one_has_completed(store: &dyn Store) {
    let a = integration("a");
    store.put_integration(&a).await.unwrap();
    let fence = hold(store, &a.id).await;
    let needed = needs(store, &a.id).await;
    assert_eq!((needed.len(), needed[0].code, needed[0].times), (1, NeedCode::NeverSynced, 1));
    assert_eq!(needed[0].message, "no full sync has completed yet");
    // Neither a daily run nor one that was cancelled or failed will do.
    run(store, &fence, due(1), Phase::Writing, RunEnd::Completed).await;
    run(store, &fence, FULL_SYNC, Phase::Reading, RunEnd::Cancelled).await;
    assert_eq!(codes(store, &a.id).await, [NeedCode::NeverSynced]);
    run(store, &fence, FULL_SYNC, Phase::Reading, failed("crm-unavailable")).await;
    assert_eq!(codes(store, &a.id).await, [NeedCode::NeverSynced, NeedCode::FullSyncFailed]);
    full_sync(store, &fence).await;
    assert_eq!(codes(store, &a.id).await, []);
    // Applied once more it is no new one; deleted and applied again it is.
    store.put_integration(&a).await.unwrap();
    assert_eq!(codes(store, &a.id).await, []);
    store.delete_integration(&a.id).await.unwrap();
    store.put_integration(&a).await.unwrap();
    assert_eq!(codes(store, &a.id).await, [NeedCode::NeverSynced]);
}

pub async fn b09_changed_mappings_are_remembered_with_the_rows_until_a_full_sync(store: &dyn Store) {
    let fence = synced(store).await;
    let a = fence.integration.clone();
    put(store, |it| it.fields.push(row("city", "City"))).await;
    put(store, |it| it.fields.push(row("fax", "Fax"))).await;
    let needed = needs(store, &a).await;
    assert_eq!((needed.len(), needed[0].code, needed[0].times), (1, NeedCode::FieldMappingsChanged, 2));
    let rows = ["city to City (new)", "fax to Fax (new)", "city to City (removed)"];
    assert_eq!(needed[0].subjects, rows, "each row that changed since the last full sync");
    assert_eq!(needed[0].message, format!("field mappings were changed: {}", rows.join(", ")));
    assert!(needed[0].since < needed[0].last);
    // Conditions beside it ask for nothing more (B6).
    put(store, |it| {
        it.fields.push(row("fax", "Fax"));
        it.conditions.push(serde_json::from_value(json!({"field": "city", "equals": "Lund"})).unwrap());
    })
    .await;
    assert_eq!(needs(store, &a).await, needed);
    full_sync(store, &fence).await;
    assert_eq!(codes(store, &a).await, []);
}

pub async fn another_account_needs_a_forced_full_sync(store: &dyn Store) {
    let fence = synced(store).await;
    let a = fence.integration.clone();
    put(store, |it| it.apsis.client_id = "another".to_owned()).await;
    assert_eq!(codes(store, &a).await, [NeedCode::ApsisAccountChanged]);
    full_sync(store, &fence).await;
    assert_eq!(codes(store, &a).await, [NeedCode::ApsisAccountChanged], "it wrote nothing to the other one");
    run(
        store,
        &fence,
        RunOrder::FullSync { forced: true, source: Source::Crm },
        Phase::Writing,
        RunEnd::Completed,
    )
    .await;
    assert_eq!(codes(store, &a).await, []);
}

pub async fn a_full_sync_that_ends_half_way_needs_another(store: &dyn Store) {
    let fence = synced(store).await;
    let a = fence.integration.clone();
    for (phase, end, expected) in [
        (Phase::Reading, RunEnd::Cancelled, vec![]),
        (Phase::Comparing, RunEnd::Cancelled, vec![]),
        (Phase::Writing, RunEnd::Cancelled, vec![(NeedCode::FullSyncCancelled, "")]),
        (Phase::Importing, RunEnd::Cancelled, vec![(NeedCode::FullSyncCancelled, "")]),
        (Phase::Reading, failed("crm-unavailable"), vec![(NeedCode::FullSyncFailed, "crm-unavailable")]),
        (Phase::Writing, failed("apsis-busy"), vec![(NeedCode::FullSyncFailed, "apsis-busy")]),
    ] {
        run(store, &fence, FULL_SYNC, phase, end.clone()).await;
        let found = needs(store, &a).await;
        let found: Vec<_> = found.iter().map(|need| (need.code, need.subjects.concat())).collect();
        let expected: Vec<_> = expected.into_iter().map(|(code, of)| (code, of.to_owned())).collect();
        assert_eq!(found, expected, "{phase:?} {end:?}");
        full_sync(store, &fence).await;
        assert_eq!(codes(store, &a).await, []);
    }
    // A daily run that fails is made up for by the next one.
    run(store, &fence, due(1), Phase::Writing, failed("apsis-busy")).await;
    assert_eq!(codes(store, &a).await, []);
}

pub async fn b14_what_comes_up_during_a_full_sync_is_not_cleared_by_it(store: &dyn Store) {
    let fence = synced(store).await;
    let a = fence.integration.clone();
    let during = store.accept_run(&a, FULL_SYNC).await.unwrap();
    let new = NewDelivery {
        integration: a.clone(),
        id: Some("1".to_owned()),
        arrived_at: at(1),
        delivery: Delivery { headers: Vec::new(), query: String::new(), body: Vec::new() },
    };
    let [Arrival::Stored(number)] = store.put_deliveries(vec![new]).await.unwrap()[..] else { panic!() };
    let discarded = Decoded::Says(vec![Change::Discarded(discard(1)), Change::Discarded(discard(2))]);
    store.commit_decoded(&fence, vec![(number, discarded)]).await.unwrap();
    let needed = needs(store, &a).await;
    assert_eq!(
        (needed[0].code, needed[0].times, needed[0].after_run),
        (NeedCode::MissingPerson, 2, during.id)
    );
    store.commit_page(&fence, during.id, page(Vec::new(), None)).await.unwrap();
    store.end_run(&fence, during.id, RunEnd::Completed).await.unwrap();
    assert_eq!(codes(store, &a).await, [NeedCode::MissingPerson], "it may have read before");
    run(store, &fence, due(1), Phase::Writing, RunEnd::Completed).await;
    assert_eq!(codes(store, &a).await, [NeedCode::MissingPerson], "a daily run reads only what is new");
    full_sync(store, &fence).await;
    assert_eq!(codes(store, &a).await, []);
}

pub async fn a_gap_in_what_the_crm_sends_needs_a_full_sync(store: &dyn Store) {
    let fence = synced(store).await;
    let a = fence.integration.clone();
    store.count_refused(vec![(a.clone(), Refused::Forged, 7), (a.clone(), Refused::Stale, 2)]).await.unwrap();
    store.count_refused(vec![(a.clone(), Refused::Stale, 1)]).await.unwrap();
    store.put_need(&fence, &NewNeed::of(NeedCode::WebhookRenewed)).await.unwrap();
    let new = |number: u32| NewDelivery {
        integration: a.clone(),
        id: Some(number.to_string()),
        arrived_at: at(1),
        delivery: Delivery { headers: Vec::new(), query: String::new(), body: Vec::new() },
    };
    let arrivals = store.put_deliveries(vec![new(1), new(2)]).await.unwrap();
    let dead = arrivals.iter().zip(["crm-malformed", "connector-crashed"]).map(|(arrival, code)| {
        let Arrival::Stored(number) = arrival else { panic!("{arrival:?}") };
        let cause = Cause { code: code.to_owned(), subject: None, message: "why".to_owned() };
        (*number, Decoded::Dead(cause))
    });
    store.commit_decoded(&fence, dead.collect()).await.unwrap();
    let mut found: Vec<_> = needs(store, &a)
        .await
        .into_iter()
        .map(|need| (need.code, need.times, need.subjects.join(" ")))
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            (NeedCode::WebhookRenewed, 1, String::new()),
            (NeedCode::DeliveriesTooOld, 3, String::new()),
            (NeedCode::DeliveriesGivenUp, 2, "crm-malformed connector-crashed".to_owned()),
        ]
    );
    full_sync(store, &fence).await;
    assert_eq!(codes(store, &a).await, []);
}

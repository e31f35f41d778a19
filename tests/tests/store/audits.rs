//! What an audit is told, and what becomes of the contacts that it doubts. Each test takes an empty store.

use sluice::change::{Arrival, Change, Decoded, Delivery, NewDelivery};
use sluice::contact::{Channel, ContactId};
use sluice::profile::{Answer, TopicId, WantedConsent};
use sluice::run::{Outcome, Phase};
use sluice::store::{Doubt, RunEnd, Store};

use crate::sample::*;

/// A completed run that has written these contacts; one more was rejected.
async fn written(store: &dyn Store, contacts: &[&str]) -> HeldRun {
    let run = new_run(store, "a").await;
    let decided = contacts.iter().map(|contact| write(contact)).chain([rejected("nobody")]);
    store.commit_page(&run.fence, run.id, page(decided.collect(), None)).await.unwrap();
    store.enter_phase(&run.fence, run.id, Phase::Writing).await.unwrap();
    let settled = contacts.iter().map(|contact| ended(contact, Outcome::Created));
    store.settle(&run.fence, run.id, settled.collect()).await.unwrap();
    store.end_run(&run.fence, run.id, RunEnd::Completed).await.unwrap();
    run
}

/// A doubt about what the ledger has of a contact now.
async fn doubt(store: &dyn Store, run: &HeldRun, contact: &str, opt_outs: Vec<WantedConsent>) -> Doubt {
    let judged = store.judged(&run.integration, &ids(&[contact])).await.unwrap();
    let entry_at = judged[&id(contact)].entry.as_ref().unwrap().at;
    Doubt { contact: id(contact), entry_at, opt_outs }
}

async fn doubted(store: &dyn Store, run: &HeldRun, contacts: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = store
        .attempted(&run.integration, &ids(contacts))
        .await
        .unwrap()
        .into_keys()
        .map(|contact: ContactId| contact.0)
        .collect();
    found.sort();
    found
}

fn refused() -> Vec<WantedConsent> {
    vec![WantedConsent {
        topic: TopicId("news".into()),
        channel: Channel::Email,
        answer: Answer::Refused(None),
    }]
}

pub async fn a_sample_is_taken_evenly_of_what_was_written(store: &dyn Store) {
    let all: Vec<String> = (0..10).map(|number| format!("c{number}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let run = written(store, &all).await;
    let sample = |size| store.written_sample(&run.integration, size);
    assert_eq!(sample(3).await.unwrap(), ids(&["c3", "c6", "c9"]));
    assert_eq!(sample(1).await.unwrap(), ids(&["c9"]));
    assert_eq!(sample(10).await.unwrap(), ids(&all));
    assert_eq!(sample(1000).await.unwrap(), ids(&all));
    let page = |after: Option<&'static str>, limit| {
        let (store, integration) = (store, run.integration.clone());
        async move { store.written_contacts(&integration, after.map(id).as_ref(), limit).await.unwrap() }
    };
    assert_eq!(page(None, 2).await, ids(&["c0", "c1"]));
    assert_eq!(page(Some("c7"), 5).await, ids(&["c8", "c9"]));
}

pub async fn who_is_being_written_or_waits_is_open(store: &dyn Store) {
    let run = written(store, &["1", "2", "3", "4"]).await;
    store.begin_writes(&run.fence, vec![intent("1", "newer")], Vec::new()).await.unwrap();
    let new = NewDelivery {
        integration: run.integration.clone(),
        id: Some("d".to_owned()),
        arrived_at: at(1),
        delivery: Delivery { headers: Vec::new(), query: String::new(), body: Vec::new() },
    };
    let [Arrival::Stored(number)] = store.put_deliveries(vec![new]).await.unwrap()[..] else { panic!() };
    let touched = Decoded::Says(vec![Change::Touched(id("2"))]);
    store.commit_decoded(&run.fence, vec![(number, touched)]).await.unwrap();
    let half = next_run(store, &run.integration).await;
    store.commit_page(&half.fence, half.id, page(vec![write_as("3", "newer")], None)).await.unwrap();
    store.enter_phase(&half.fence, half.id, Phase::Writing).await.unwrap();
    store.end_run(&half.fence, half.id, RunEnd::Cancelled).await.unwrap();
    let judged = store.judged(&run.integration, &ids(&["1", "2", "3", "4", "none"])).await.unwrap();
    let open: Vec<bool> = ["1", "2", "3", "4", "none"].map(|contact| judged[&id(contact)].is_open).into();
    assert_eq!(open, [true, true, true, false, false]);
    assert!(judged[&id("none")].entry.is_none());
    assert_eq!(judged[&id("4")].entry.as_ref().unwrap().written, Some(intent("4", "as first read")));
    // One that waits is not doubted: what it should be is about to change.
    let doubts = vec![doubt(store, &half, "2", Vec::new()).await, doubt(store, &half, "4", Vec::new()).await];
    assert_eq!(store.doubt(&run.integration, doubts).await.unwrap(), 1);
}

pub async fn a_doubted_contact_is_not_taken_for_done_until_it_is_written(store: &dyn Store) {
    let run = written(store, &["1", "2", "3"]).await;
    let stale = Doubt { entry_at: at(1), ..doubt(store, &run, "3", Vec::new()).await };
    let doubts =
        vec![doubt(store, &run, "1", refused()).await, doubt(store, &run, "2", Vec::new()).await, stale];
    assert_eq!(
        store.doubt(&run.integration, doubts).await.unwrap(),
        2,
        "something else is known of the third"
    );
    assert_eq!(doubted(store, &run, &["1", "2", "3"]).await, ["1", "2"]);
    let judged = store.judged(&run.integration, &ids(&["1"])).await.unwrap();
    assert!(!judged[&id("1")].is_open, "an audit may look again");

    let due = store.opt_outs_due(&run.integration, None, 10).await.unwrap();
    assert_eq!(due, [(id("1"), refused())]);
    assert!(store.opt_outs_due(&run.integration, Some(&id("1")), 10).await.unwrap().is_empty());
    store.opted_out(&run.fence, &ids(&["1"])).await.unwrap();
    assert!(store.opt_outs_due(&run.integration, None, 10).await.unwrap().is_empty());
    assert_eq!(doubted(store, &run, &["1", "2", "3"]).await, ["1", "2"], "it is still to be written");

    // One is written by a run, the other one is found to be as it should be.
    let mend = next_run(store, &run.integration).await;
    store.commit_page(&mend.fence, mend.id, page(vec![write("1"), write("2")], None)).await.unwrap();
    let staged = store.staged(mend.id, None, None, 10).await.unwrap();
    assert_eq!(staged[0].attempted, [intent("1", "as first read")]);
    let settled = vec![ended("1", Outcome::Updated), ended("2", Outcome::Unchanged)];
    store.settle(&mend.fence, mend.id, settled).await.unwrap();
    assert!(doubted(store, &run, &["1", "2", "3"]).await.is_empty());

    store.end_run(&mend.fence, mend.id, RunEnd::Completed).await.unwrap();
    let again = vec![doubt(store, &mend, "1", refused()).await];
    store.doubt(&run.integration, again).await.unwrap();
    store.delete_integration(&run.integration).await.unwrap();
    let anew = new_run(store, "a").await;
    assert!(doubted(store, &anew, &["1"]).await.is_empty(), "an integration applied again inherits nothing");
}

//! What contacts looked like and what was done for them; and that nothing stays of one that was forgotten. Each
//! test takes an empty store.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use sluice::change::{
    Arrival, Cause, Change, ChangeOutcome, ContactEnd, Decoded, Delivery, DeliveryNumber, Ended, LaneEnd,
    Learnt, NewDelivery, Taken, Waiting, Written,
};
use sluice::contact::{Contact, Value};
use sluice::error::ErrorCode;
use sluice::explained::{ConditionVerdict, Explained};
use sluice::hosting::Fence;
use sluice::lane::Replay;
use sluice::profile::{AttributeId, AttributeValue};
use sluice::run::{Batch, BatchState, Decided, Outcome, Phase};
use sluice::step::{Asked, Difference, Request, Step};
use sluice::store::{RunEnd, Store};
use sluice::story::{By, Seen};

use crate::sample::*;

fn contact(name: &str, city: &str) -> Contact {
    Contact {
        id: id(name),
        modified_at: None,
        fields: BTreeMap::from([("city".to_owned(), Value::Text(city.to_owned()))]),
        consents: Vec::new(),
    }
}

fn explained(field: &str) -> Explained {
    let condition = ConditionVerdict {
        field: field.to_owned(),
        wanted: "is yes".to_owned(),
        saw: Value::Boolean(true),
        holds: true,
        within: Vec::new(),
    };
    Explained { conditions: vec![condition], ..Explained::default() }
}

/// When contacts were taken: it is kept from then on.
fn taken_at() -> Timestamp {
    static TAKEN: LazyLock<i64> = LazyLock::new(|| Timestamp::now().as_second());
    at(*TAKEN)
}

fn seen(name: &str, city: &str, explained: Option<Explained>) -> Option<Box<Seen>> {
    Some(Box::new(Seen { at: taken_at(), contact: contact(name, city), explained }))
}

fn asked(city: &str) -> Vec<Asked> {
    let changed = Difference {
        attribute: AttributeId("city".to_owned()),
        before: None,
        after: Some(AttributeValue::Text(city.to_owned())),
    };
    let request = Request {
        method: "PATCH".to_owned(),
        path: "/v2/audience".to_owned(),
        status: Some(204),
        at: taken_at(),
        millis: 12,
    };
    let step = Step::WriteAttributes { attributes: 1, there: true, changed: vec![changed] };
    vec![Asked { step: Some(step), requests: vec![request] }]
}

async fn held(store: &dyn Store) -> Fence {
    let integration = integration("a");
    store.put_integration(&integration).await.unwrap();
    hold(store, &integration.id).await
}

/// Stores a delivery that says something of contacts.
async fn delivered(store: &dyn Store, fence: &Fence, name: &str, says: Vec<Change>) -> DeliveryNumber {
    let delivery = Delivery {
        headers: vec![("x-person".to_owned(), "Ystad".to_owned())],
        query: "from=Ystad".to_owned(),
        body: b"somebody in Ystad".to_vec(),
    };
    let new = NewDelivery {
        integration: fence.integration.clone(),
        id: Some(name.to_owned()),
        arrived_at: Timestamp::now(),
        delivery,
    };
    let [Arrival::Stored(number)] = store.put_deliveries(vec![new]).await.unwrap()[..] else { panic!() };
    store.commit_decoded(fence, vec![(number, Decoded::Says(says))]).await.unwrap();
    number
}

async fn taken(store: &dyn Store, fence: &Fence) -> Vec<Waiting> {
    match store.take(&fence.integration, Timestamp::now(), &[], 10).await.unwrap() {
        Taken::Contacts(taken) => taken,
        Taken::Closed(run) => panic!("closed by {run}"),
    }
}

/// The contact was updated, and this was asked for it.
fn updated(waiting: &Waiting, city: &str) -> LaneEnd {
    let (by, outcome) = (waiting.changes.last().unwrap().number, Outcome::Updated);
    let written = Written::Now(intent(&waiting.contact.0, city));
    let learnt = Learnt { outcome, reason: None, written, modified_at: None, deleted_at: None };
    let ended = Ended {
        by,
        outcome: ChangeOutcome::Contact(outcome),
        cause: None,
        steps: asked(city),
        learnt: Some(learnt),
        newcomer: None,
    };
    let end = ContactEnd::Ended(Box::new(ended));
    LaneEnd {
        contact: waiting.contact.clone(),
        up_to: by,
        end,
        seen: seen(&waiting.contact.0, city, Some(explained("city"))),
    }
}

pub async fn what_a_contact_looked_like_is_kept_until_it_is_seen_anew(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let a = run.integration.clone();
    assert_eq!(store.last_seen(&a, &id("1")).await.unwrap(), None);
    let with = |decided: Decided, seen| Decided { seen, ..decided };
    let first = with(rejected("1"), seen("1", "Lund", Some(explained("inactive"))));
    store.commit_page(&run.fence, run.id, page(vec![first], Some("next"))).await.unwrap();
    let last = store.last_seen(&a, &id("1")).await.unwrap().unwrap();
    assert_eq!((last.contact, last.at), (contact("1", "Lund"), taken_at()));
    assert_eq!((last.explained, last.explained_at), (Some(explained("inactive")), Some(taken_at())));

    // Seen again with nothing new to explain: what was explained stays, with its time.
    let later =
        Some(Box::new(Seen { at: at(1_700_000_500), contact: contact("1", "Visby"), explained: None }));
    let again = with(settled_at_once("1", Outcome::Unchanged, None), later);
    store.commit_page(&run.fence, run.id, page(vec![again], None)).await.unwrap();
    let last = store.last_seen(&a, &id("1")).await.unwrap().unwrap();
    assert_eq!((last.contact, last.at), (contact("1", "Visby"), at(1_700_000_500)));
    assert_eq!((last.explained, last.explained_at), (Some(explained("inactive")), Some(taken_at())));
}

pub async fn what_was_done_is_told_the_newest_first_and_outlives_its_change(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let (a, fence) = (run.integration.clone(), &run.fence);
    store.commit_page(fence, run.id, page(vec![write("1"), write("2")], None)).await.unwrap();
    store.tell(fence, run.id, &id("1"), asked("before")).await.unwrap();
    let mut settled = ended("1", Outcome::Created);
    settled.steps = asked("Lund");
    store.settle(fence, run.id, vec![settled, ended("2", Outcome::Created)]).await.unwrap();
    store.end_run(fence, run.id, RunEnd::Completed).await.unwrap();

    delivered(store, fence, "1", vec![Change::Touched(id("1"))]).await;
    let waiting = taken(store, fence).await.remove(0);
    let cause = Cause { code: "apsis-busy".to_owned(), subject: None, message: "why".to_owned() };
    let end = ContactEnd::Again { due: Timestamp::now(), cause, counts: true, steps: asked("failed") };
    let again = LaneEnd { contact: id("1"), up_to: waiting.changes[0].number, end, seen: None };
    store.settle_changes(fence, vec![again]).await.unwrap();
    let change = store.changes_of(&a, &id("1"), 10).await.unwrap().remove(0);
    assert_eq!((change.outcome, change.steps), (None, asked("failed")), "it is tried again");
    store.settle_changes(fence, vec![updated(&waiting, "Visby")]).await.unwrap();
    let change = store.changes_of(&a, &id("1"), 10).await.unwrap().remove(0);
    assert_eq!((change.steps, change.dead), (asked("Visby"), false));

    let chapters = store.chapters(&a, &id("1"), 10).await.unwrap();
    let told: Vec<_> = chapters.iter().map(|chapter| (chapter.by, chapter.steps.clone())).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0], (By::Change(change.number), asked("Visby")));
    assert!(told[1..].contains(&(By::Run(run.id), asked("Lund"))), "{told:?}");
    assert!(told[1..].contains(&(By::Run(run.id), asked("before"))), "{told:?}");
    assert!(store.chapters(&a, &id("2"), 10).await.unwrap().is_empty(), "nothing was asked for it");

    let swept_after = async |days: i64| {
        let then = Timestamp::now() + SignedDuration::from_hours(24 * days);
        while store.sweep(then).await.unwrap() {}
        let kept = store.chapters(&a, &id("1"), 10).await.unwrap().len();
        (kept, store.last_seen(&a, &id("1")).await.unwrap().is_some())
    };
    assert_eq!(swept_after(89).await, (3, true));
    assert!(store.changes_of(&a, &id("1"), 10).await.unwrap().is_empty(), "its change is gone by then");
    assert_eq!(swept_after(91).await, (0, false));
}

/// Fills every kind of record with something of contact 1.
async fn everything_of(store: &dyn Store) -> (Fence, Vec<DeliveryNumber>) {
    let run = new_run(store, "a").await;
    let fence = run.fence.clone();
    let with =
        |decided: Decided, name| Decided { seen: seen(name, "Ystad", Some(explained("city"))), ..decided };
    let decided =
        vec![with(write_as("1", "Ystad"), "1"), with(write_as("2", "Malmö"), "2"), write_as("3", "x")];
    store.commit_page(&fence, run.id, page(decided, None)).await.unwrap();
    store.enter_phase(&fence, run.id, Phase::Writing).await.unwrap();
    let batch = Batch {
        number: 0,
        first: id("1"),
        last: id("3"),
        state: BatchState::Ended,
        import_id: Some("import".to_owned()),
    };
    store.put_batch(&fence, run.id, &batch).await.unwrap();
    let mut of_others = ended("2", Outcome::Created);
    of_others.steps = asked("Malmö");
    store.settle(&fence, run.id, vec![of_others]).await.unwrap();
    // What the run leaves may have been written.
    store.end_run(&fence, run.id, RunEnd::Cancelled).await.unwrap();
    let ended = delivered(
        store,
        &fence,
        "ended",
        vec![Change::Upserted(contact("1", "Ystad")), Change::Touched(id("2"))],
    )
    .await;
    let waiting = taken(store, &fence).await;
    let ends = waiting.iter().map(|waiting| updated(waiting, "Ystad")).collect();
    store.settle_changes(&fence, ends).await.unwrap();
    let open = delivered(
        store,
        &fence,
        "open",
        vec![Change::Upserted(contact("1", "Ystad")), Change::Touched(id("3"))],
    )
    .await;
    store.begin_writes(&fence, vec![intent("1", "Ystad")], Vec::new()).await.unwrap();
    (fence, vec![ended, open])
}

pub async fn nothing_stays_of_a_contact_that_was_forgotten_but_its_mark(store: &dyn Store) {
    let (fence, deliveries) = everything_of(store).await;
    let (a, one) = (fence.integration.clone(), ids(&["1"]));
    assert!(store.forgotten(&a, &one).await.unwrap().is_empty());
    store.ask_to_forget(&a, &one[0]).await.unwrap();
    let mark = store.forgotten(&a, &ids(&["1", "2"])).await.unwrap();
    assert_eq!(mark.len(), 1);
    assert_eq!((mark[&one[0]].erased, mark[&one[0]].purged), (None, false), "it is kept out from now on");
    assert_eq!(store.to_forget(&a).await.unwrap(), (one.clone(), false));

    store.erase(&fence, &one[0], true).await.unwrap();
    assert_eq!(store.to_forget(&a).await.unwrap(), (Vec::new(), true));
    let erased = store.forgotten(&a, &one).await.unwrap()[&one[0]].erased.unwrap();
    assert!(erased.profile);
    assert_eq!((erased.ledger, erased.seen, erased.stories, erased.results), (1, 1, 1, 1), "{erased:?}");
    assert_eq!((erased.changes, erased.deliveries, erased.waiting), (2, 2, 1), "{erased:?}");
    assert!(erased.writes >= 1, "{erased:?}");
    store.purge(&fence).await.unwrap();
    assert_eq!(store.to_forget(&a).await.unwrap(), (Vec::new(), false));
    assert!(store.forgotten(&a, &one).await.unwrap()[&one[0]].purged);

    assert!(store.ledger(&a, &one).await.unwrap().is_empty());
    assert!(store.attempted(&a, &one).await.unwrap().is_empty());
    assert_eq!(store.last_seen(&a, &one[0]).await.unwrap(), None);
    assert!(store.chapters(&a, &one[0], 10).await.unwrap().is_empty());
    assert!(store.changes_of(&a, &one[0], 10).await.unwrap().is_empty());
    assert!(store.runs_of(&a, &one[0]).await.unwrap().is_empty());
    for number in deliveries {
        let record = store.delivery(&a, number).await.unwrap();
        assert!(record.delivery.body.is_empty() && record.delivery.query.is_empty(), "{record:?}");
        assert!(record.delivery.headers.is_empty() && record.changes.len() == 2, "{record:?}");
        let replayed = store.replay(&a, &Replay::One(number), Timestamp::now()).await;
        assert!(["delivery-emptied", "delivery-open"].contains(&replayed.unwrap_err().code()));
    }
    // Others of the same deliveries are not touched.
    assert_eq!(taken(store, &fence).await.iter().map(|it| it.contact.0.as_str()).collect::<Vec<_>>(), ["3"]);
    assert!(store.last_seen(&a, &id("2")).await.unwrap().is_some());
    assert!(!store.chapters(&a, &id("2"), 10).await.unwrap().is_empty());
    // Asked once more, as after a crash, there is nothing to remove.
    store.ask_to_forget(&a, &one[0]).await.unwrap();
    store.erase(&fence, &one[0], false).await.unwrap();
    let erased = store.forgotten(&a, &one).await.unwrap()[&one[0]].erased.unwrap();
    assert_eq!((erased.ledger, erased.deliveries, erased.profile), (0, 0, false));
}

pub async fn who_was_forgotten_is_kept_out_until_let_in_again(store: &dyn Store) {
    let fence = held(store).await;
    let (a, one) = (fence.integration.clone(), ids(&["1"]));
    store.ask_to_forget(&a, &one[0]).await.unwrap();
    store.erase(&fence, &one[0], false).await.unwrap();
    store.purge(&fence).await.unwrap();
    let mark = store.forgotten(&a, &one).await.unwrap().remove(&one[0]).unwrap();

    // The CRM still sends it: the change ends, and nothing of it is kept.
    let number = delivered(store, &fence, "1", vec![Change::Upserted(contact("1", "Ystad"))]).await;
    let waiting = taken(store, &fence).await.remove(0);
    let up_to = waiting.changes[0].number;
    let end = LaneEnd { contact: id("1"), up_to, end: ContactEnd::Forgotten, seen: None };
    store.settle_changes(&fence, vec![end]).await.unwrap();
    let record = store.delivery(&a, number).await.unwrap();
    assert_eq!(record.line.outcome, Some(ChangeOutcome::Contact(Outcome::Excluded)));
    assert_eq!(record.line.cause.unwrap().code, "contact-forgotten");
    assert_eq!((record.delivery.body.len(), record.changes[0].contact.clone()), (0, None));
    assert!(taken(store, &fence).await.is_empty());

    // A full sync still reads it: it counts, under a name that tells nobody who it is.
    let run = next_run(store, &a).await;
    store.commit_page(&run.fence, run.id, page(vec![mark.decided()], None)).await.unwrap();
    let refused = store.ask_to_forget(&a, &id("2")).await.unwrap_err();
    assert_eq!(refused.code(), "run-active");
    assert_eq!(store.readmit(&a, &one[0]).await.unwrap_err().code(), "run-active");
    let run = store.end_run(&run.fence, run.id, RunEnd::Completed).await.unwrap();
    assert_eq!((run.phase, run.counters.excluded), (Phase::Completed, 1));
    let names: Vec<String> = contacts(store, run.id).await.into_iter().map(|of| of.contact.0).collect();
    assert_eq!(names, [format!("forgotten-{}", mark.digest)]);
    assert!(store.ledger(&a, &[id(&names[0])]).await.unwrap().is_empty());

    assert!(store.readmit(&a, &one[0]).await.unwrap());
    assert!(!store.readmit(&a, &one[0]).await.unwrap());
    assert!(store.forgotten(&a, &one).await.unwrap().is_empty());
}

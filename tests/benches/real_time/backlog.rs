//! Whether the next change costs more the more are waiting: the store's steps for it, with 1,000 and with 2,000,000
//! that wait.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use sluice::change::{Change, ChangeOutcome, ContactEnd, Decoded, Ended, LaneEnd, Learnt, Taken, Written};
use sluice::contact::ContactId;
use sluice::hosting::{Fence, HostId, Term};
use sluice::integration::IntegrationId;
use sluice::run::Outcome;
use sluice::store::{PostgresStore, SqliteStore, Store};
use sluice_sandbox::SandboxConfig;
use sluice_tests::postgres;
use sluice_tests::rig::{ACME, Rig};

use crate::On;
use crate::figures::{Rounds, head, row};

const FEW: u32 = 1_000;
const MANY: u32 = 2_000_000;

/// Steps that are measured, and left out before.
const STEPS: usize = 60;
const WARM_UP: usize = 5;

/// Deliveries and contacts of one step.
const AT_ONCE: u32 = 8;

pub async fn measure() {
    head(
        "The store's part in the next change: decode, take, begin, settle; milliseconds for 8 of them",
        &["store", "1,000 wait", "2,000,000 wait", "ratio"],
    );
    for on in On::BOTH {
        let few = with_waiting(on, FEW).await;
        let many = with_waiting(on, MANY).await;
        let ratio = format!("{:.2}", many.median() / few.median());
        row(&[on.name(), &few.tenths(), &many.tenths(), &ratio]);
    }
}

async fn with_waiting(on: On, count: u32) -> Rounds {
    let url = on.url();
    let rig = Rig::start_on(url.clone(), SandboxConfig::default(), |text| text).await;
    let store: Arc<dyn Store> = match &url {
        Some(url) => {
            for statement in filling("generate_series(1, COUNT) AS g(n)", "bytea", count) {
                postgres::sql(url, &statement);
            }
            postgres::sql(url, "VACUUM ANALYZE");
            Arc::new(PostgresStore::open(url).await.unwrap())
        }
        None => {
            let path = rig.data().join("sluice.db");
            let raw = rusqlite::Connection::open(&path).unwrap();
            let numbers = "(WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < COUNT) SELECT n FROM g) AS g";
            for statement in filling(numbers, "blob", count) {
                raw.execute(&statement, []).unwrap();
            }
            drop(raw);
            Arc::new(SqliteStore::open(&path).unwrap())
        }
    };
    let id = IntegrationId(ACME.to_owned());
    let fence = store.acquire(&id, &HostId("bench".to_owned()), Term::Alone).await.unwrap().unwrap();
    let mut times = Vec::new();
    for step in 0..WARM_UP + STEPS {
        let began = Instant::now();
        one_step(store.as_ref(), &id, &fence).await;
        if step >= WARM_UP {
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
    }
    Rounds::middle(times)
}

/// As many contacts that wait, and as many deliveries that are not decoded.
fn filling(numbers: &str, bytes: &str, count: u32) -> Vec<String> {
    let numbers = numbers.replace("COUNT", &count.to_string());
    let at = Timestamp::now().as_microsecond();
    vec![
        format!(
            "INSERT INTO deliveries (integration, id, arrived_at, headers, query, body, decoded)
             SELECT 1, 'a' || n, {at}, '[]', '', CAST('body' AS {bytes}), 1 FROM {numbers}"
        ),
        "INSERT INTO changes (integration, delivery, contact, kind, change, arrived_at)
         SELECT 1, number, 'c' || number, 'touched', '{\"change\":\"touched\",\"of\":\"c\"}', arrived_at
         FROM deliveries ORDER BY number"
            .to_owned(),
        "INSERT INTO waiting (integration, contact, since)
         SELECT 1, 'c' || number, number FROM deliveries ORDER BY number"
            .to_owned(),
        format!(
            "INSERT INTO deliveries (integration, id, arrived_at, headers, query, body)
             SELECT 1, 'b' || n, {at}, '[]', '', CAST('body' AS {bytes}) FROM {numbers}"
        ),
    ]
}

/// What the lane does with the store for some deliveries and some contacts.
async fn one_step(store: &dyn Store, id: &IntegrationId, fence: &Fence) {
    let undecoded = store.undecoded(id, Timestamp::now(), AT_ONCE).await.unwrap();
    assert_eq!(undecoded.len(), AT_ONCE as usize);
    let decoded = undecoded.into_iter().map(|delivery| {
        let contact = ContactId(format!("d{}", delivery.number));
        (delivery.number, Decoded::Says(vec![Change::Touched(contact)]))
    });
    store.commit_decoded(fence, decoded.collect()).await.unwrap();
    let Taken::Contacts(taken) = store.take(id, Timestamp::now(), &[], AT_ONCE).await.unwrap() else {
        panic!("the gate is open")
    };
    assert_eq!(taken.len(), AT_ONCE as usize);
    store.begin_writes(fence, Vec::new(), Vec::new()).await.unwrap();
    let ends = taken.into_iter().map(|waiting| {
        let last = waiting.changes.last().unwrap().number;
        let learnt = Learnt {
            outcome: Outcome::Unchanged,
            reason: None,
            written: Written::AsBefore,
            modified_at: None,
            deleted_at: None,
        };
        let ended = Ended {
            by: last,
            outcome: ChangeOutcome::Contact(Outcome::Unchanged),
            cause: None,
            steps: Vec::new(),
            learnt: Some(learnt),
            newcomer: None,
        };
        LaneEnd { contact: waiting.contact, up_to: last, end: ContactEnd::Ended(Box::new(ended)), seen: None }
    });
    store.settle_changes(fence, ends.collect()).await.unwrap();
}

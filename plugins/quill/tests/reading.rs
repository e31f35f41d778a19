//! The connector against the small CRM, without wasm: quick to run while one writes it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    dead_code
)]

#[path = "../examples/fake-crm/crm.rs"]
mod crm;

use std::cell::RefCell;
use std::rc::Rc;

use crm::FakeCrm;
use quill::Quill;
use sluice_sdk::bench::{Bench, Response};
use sluice_sdk::export::open;
use sluice_sdk::{Connector as _, ErrorKind, Page};

/// The CRM, and a host that asks it.
fn bench(people: u64) -> (Rc<RefCell<FakeCrm>>, Bench) {
    let crm = Rc::new(RefCell::new(FakeCrm::new(people)));
    let behind = Rc::clone(&crm);
    let mut bench = Bench::new(move |request| {
        let path = request.url.strip_prefix("https://quill.example").unwrap();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        // The host puts the key in; here, whoever names it has it.
        let key = (!request.credentials.is_empty()).then_some(crm::KEY);
        let (status, body) = behind.borrow().get(path, query, key);
        Ok(Response { status, headers: Vec::new(), body: body.to_string().into_bytes() })
    });
    bench.setting("url", "https://quill.example").secret("api-key", crm::KEY);
    (crm, bench)
}

fn pages(bench: &mut Bench, limit: u32, mut between: impl FnMut()) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    loop {
        let after = pages.last().and_then(|page| page.next.clone());
        let page = bench.run(|| open::<Quill>()?.scan(after.as_deref(), limit)).unwrap();
        let ends = page.next.is_none();
        pages.push(page);
        if ends {
            return pages;
        }
        between();
    }
}

fn ids(pages: &[Page]) -> Vec<String> {
    pages.iter().flat_map(|page| &page.contacts).map(|contact| contact.id.clone()).collect()
}

#[test]
fn everybody_is_read_once() {
    for limit in [1, 7, 50, 1_000] {
        let (crm, mut bench) = bench(50);
        assert_eq!(ids(&pages(&mut bench, limit, || {})), crm.borrow().ids(), "{limit}");
    }
}

#[test]
fn nobody_is_lost_when_people_come_and_go() {
    let (crm, mut bench) = bench(40);
    let before = crm.borrow().ids();
    let mut gone = Vec::new();
    let read = ids(&pages(&mut bench, 10, || {
        let mut crm = crm.borrow_mut();
        let first = crm.ids()[0].clone();
        crm.delete(&first);
        gone.push(first);
        crm.add();
    }));
    for id in before.iter().filter(|id| !gone.contains(id)) {
        assert_eq!(read.iter().filter(|read| *read == id).count(), 1, "{id}");
    }
}

#[test]
fn one_person_is_the_same_by_its_id_and_in_a_scan() {
    let (_, mut bench) = bench(20);
    let scanned = pages(&mut bench, 100, || {}).remove(0).contacts;
    let asked: Vec<String> =
        scanned.iter().map(|contact| contact.id.clone()).chain(["999".to_owned()]).collect();
    assert_eq!(bench.run(|| open::<Quill>()?.get(&asked)).unwrap(), scanned);
}

#[test]
fn who_was_never_asked_has_no_consent() {
    let (_, mut bench) = bench(20);
    let scanned = pages(&mut bench, 100, || {}).remove(0).contacts;
    let never = scanned.iter().find(|contact| contact.id == "110").unwrap();
    assert!(never.consents.is_empty());
    assert!(scanned.iter().any(|contact| contact.consents.iter().any(|consent| !consent.given)));
}

#[test]
fn a_key_that_is_refused_is_said_so() {
    let mut bench = Bench::new(|_| Ok(Response { status: 401, headers: Vec::new(), body: b"{}".to_vec() }));
    bench.setting("url", "https://quill.example").secret("api-key", "wrong");
    let error = bench.run(|| open::<Quill>()?.check()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorized);
}

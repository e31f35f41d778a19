//! What crosses the boundary and is not of the contract's types: text that is no UTF-8, cases that there are not,
//! addresses outside memory. The host takes none of it, names the call, and goes on.

use sluice::connector::{CallError, Connection, Limit, LoadError};
use sluice::error::ErrorCode;

use super::by_hand::{Code, Memory, Told, ZEROS, component, error};
use super::{Stage, Wish, scan_fails};

/// No UTF-8; and a half of a pair, which UTF-16 has and UTF-8 has not.
const NO_TEXT: [&[u8]; 2] = [b"\xff\xfe", b"\xed\xa0\x80"];

/// Beyond the end of memory.
const OUTSIDE: u32 = 0xffff_0000;

/// The connection of a component made by hand.
async fn opened(stage: &Stage, wasm: &[u8]) -> Connection {
    let connector = stage.engine.load(wasm).await.unwrap();
    assert_eq!(connector.description().id, "by-hand");
    Connection::open(&connector, Wish::new("none").settings()).unwrap()
}

/// Answers what `lay` lays down.
fn answering(lay: impl FnOnce(&mut Memory) -> u32) -> Vec<u8> {
    let mut memory = Memory::default();
    let answer = lay(&mut memory);
    component(memory, &Code::default(), answer)
}

async fn crashes(stage: &Stage, what: &str, wasm: &[u8]) {
    let failed = scan_fails(stage, &opened(stage, wasm).await).await;
    assert_eq!(failed.code(), "connector-crashed", "{what}: {failed}");
    assert!(failed.to_string().starts_with("scan"), "{what}: {failed}");
}

/// A contact with this id and nothing else.
fn contact(memory: &mut Memory, id: &[u8]) -> [u32; 2] {
    let [at, length] = memory.text(id);
    [memory.words(&[at, length, 0, 0, 0, 0, 0, 0, 0]), 1]
}

#[tokio::test]
async fn a_page_made_by_hand_is_read_where_nothing_is_wrong_with_it() {
    let stage = Stage::new().await;
    let well = answering(|memory| {
        let contacts = contact(memory, "Åsa".as_bytes());
        Told { contacts, ..Told::default() }.lay(memory)
    });
    let page = opened(&stage, &well).await.scan(None, 10).await.unwrap();
    assert_eq!(page.contacts[0].id.0, "Åsa");
    let says = answering(|memory| {
        let message = memory.text(b"The CRM said so.");
        error(memory, 1, message)
    });
    let failed = scan_fails(&stage, &opened(&stage, &says).await).await;
    assert_eq!(failed.code(), "crm-misconfigured");
}

#[tokio::test]
async fn text_that_is_no_utf_8_is_refused_wherever_it_stands() {
    let stage = Stage::new().await;
    for bytes in NO_TEXT {
        let id = answering(|memory| {
            let contacts = contact(memory, bytes);
            Told { contacts, ..Told::default() }.lay(memory)
        });
        let cursor = answering(|memory| {
            let [at, length] = memory.text(bytes);
            Told { next: [1, at, length], ..Told::default() }.lay(memory)
        });
        let message = answering(|memory| {
            let message = memory.text(bytes);
            error(memory, 0, message)
        });
        for (what, wasm) in [("an id", id), ("a cursor", cursor), ("a message", message)] {
            crashes(&stage, what, &wasm).await;
        }
    }
}

#[tokio::test]
async fn a_case_that_there_is_not_is_refused_wherever_it_stands() {
    let stage = Stage::new().await;
    let reason = |memory: &mut Memory| {
        let discarded = [memory.words(&[0, 0, 0, 200, 0, 0]), 1];
        Told { discarded, ..Told::default() }.lay(memory)
    };
    for (what, wasm) in [
        ("of a result", answering(|memory| Told { case: 9, ..Told::default() }.lay(memory))),
        ("of an option", answering(|memory| Told { next: [7, 0, 0], ..Told::default() }.lay(memory))),
        ("of an enum in a list", answering(reason)),
        ("of an enum", answering(|memory| error(memory, 77, [0, 0]))),
    ] {
        crashes(&stage, what, &wasm).await;
    }
}

#[tokio::test]
async fn an_address_outside_memory_is_refused() {
    let stage = Stage::new().await;
    let told = |contacts| answering(|memory| Told { contacts, ..Told::default() }.lay(memory));
    for (what, wasm) in [
        ("a list that lies outside", told([OUTSIDE, 1])),
        ("a list that ends outside", told([ZEROS, 1 << 20])),
        ("a list whose size overflows", told([ZEROS, u32::MAX])),
        ("a list at an odd address", told([ZEROS + 1, 1])),
        ("an answer that lies outside", component(Memory::default(), &Code::default(), OUTSIDE)),
    ] {
        crashes(&stage, what, &wasm).await;
    }
}

#[tokio::test]
async fn what_an_import_is_given_is_checked_as_well() {
    const LOG: &str = r#"(import "sluice:crm-connector/log@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
    const FETCH: &str = r#"(import "sluice:crm-connector/http@0.1.0" "fetch"
        (func $fetch (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#;
    let stage = Stage::new().await;
    let mut memory = Memory::default();
    let ([word, length], [bad, of_it]) = (memory.text(b"well"), memory.text(NO_TEXT[0]));
    let log = |level: u32, at: u32, length: u32| {
        format!("(call $log (i32.const {level}) (i32.const {at}) (i32.const {length}))")
    };
    let fetch = |method: u32, at: u32, length: u32| {
        let zeros = "(i32.const 0) ".repeat(7);
        format!(
            "(call $fetch (i32.const {method}) (i32.const {at}) (i32.const {length}) {zeros} (i32.const {ZEROS}))"
        )
    };
    let made = |imports, scan| {
        let mut memory = Memory::default();
        memory.text(b"well");
        memory.text(NO_TEXT[0]);
        let answer = Told::default().lay(&mut memory);
        component(memory, &Code { imports, scan, ..Code::default() }, answer)
    };
    // The same component with nothing wrong comes to an answer.
    opened(&stage, &made(LOG, log(2, word, length))).await.scan(None, 10).await.unwrap();
    for (what, wasm) in [
        ("a level that there is not", made(LOG, log(9, word, length))),
        ("a line that is no text", made(LOG, log(2, bad, of_it))),
        ("a line that lies outside", made(LOG, log(2, OUTSIDE, 100))),
        ("a method that there is not", made(FETCH, fetch(77, word, length))),
        ("an address that is no text", made(FETCH, fetch(0, bad, of_it))),
    ] {
        crashes(&stage, what, &wasm).await;
    }
}

#[tokio::test]
async fn one_list_told_a_thousand_times_is_counted_each_time() {
    let stage = Stage::new().await;
    let bomb = answering(|memory| {
        // Each contact's fields are the same 20,000 in one place: little here, gigabytes once it is read.
        let one = [0, 0, 0, 0, 0, ZEROS, 20_000, 0, 0];
        let contacts = memory.words(&one.repeat(1_000));
        Told { contacts: [contacts, 1_000], ..Told::default() }.lay(memory)
    });
    let failed = scan_fails(&stage, &opened(&stage, &bomb).await).await;
    assert_eq!(failed.code(), Limit::ResultBytes.code(), "{failed}");
}

#[tokio::test]
async fn tables_end_at_their_limit() {
    let stage = Stage::new().await;
    let more = r#"(table $hoard 1 funcref)"#;
    let scan = "(drop (table.grow $hoard (ref.null func) (i32.const 200000)))".to_owned();
    let mut memory = Memory::default();
    let answer = Told::default().lay(&mut memory);
    let wasm = component(memory, &Code { more, scan, ..Code::default() }, answer);
    let failed = scan_fails(&stage, &opened(&stage, &wasm).await).await;
    assert_eq!(failed.code(), "connector-limit-table-entries", "{failed}");
}

#[tokio::test]
async fn a_component_that_begins_with_too_much_memory_is_not_loaded() {
    let stage = Stage::new().await;
    let wasm = component(Memory::default(), &Code { pages: Some(4_096), ..Code::default() }, 0);
    let refused = stage.engine.load(&wasm).await.unwrap_err();
    let LoadError::Describe(CallError::Limit { limit, .. }) = &refused else { panic!("{refused:?}") };
    assert_eq!((refused.code(), *limit), ("component-describe", Limit::MemoryBytes));
}

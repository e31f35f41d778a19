//! A connector built for the next track of the contract, as `wit/next.wit` imagines it.
#![allow(unsafe_code, missing_docs, reason = "generated from the contract")]
#![allow(clippy::same_length_and_capacity, reason = "generated from the contract")]

wit_bindgen::generate!({ path: "wit", world: "reader" });

use exports::sluice::crm_connector::contacts::Contact;
use exports::sluice::crm_connector::{connector, contacts};
use sluice::crm_connector::log;

struct Next;

export!(Next);

impl connector::Guest for Next {
    fn describe() -> String {
        "next".to_owned()
    }
}

impl contacts::Guest for Next {
    fn scan() -> Vec<Contact> {
        log::log(log::Level::Info, "scanned by the next track");
        vec![Contact { id: "1".into(), name: "Anna".into(), emails: vec!["anna@example.com".into()] }]
    }
}

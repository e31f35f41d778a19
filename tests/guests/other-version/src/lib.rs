//! A connector built for a version of the contract that the host does not speak.
#![allow(unsafe_code, missing_docs, reason = "generated from the contract")]
#![allow(clippy::same_length_and_capacity, reason = "generated from the contract")]

wit_bindgen::generate!({ path: "wit", world: "reader" });

use exports::sluice::crm_connector::{connector, contacts};

struct Other;

export!(Other);

impl connector::Guest for Other {
    fn describe() -> String {
        "other".to_owned()
    }
}

impl contacts::Guest for Other {
    fn scan() -> Vec<String> {
        Vec::new()
    }
}

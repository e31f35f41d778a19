//! The contract (`wit/crm-connector.wit`) as Rust types: the only `bindgen!` of the host, and the only
//! place that changes shape when the contract does.
//!
//! The world `complete` is bound so that every interface has its types; a component need not export all of
//! it. What it does export is bound interface by interface in `component`.

#![allow(missing_docs, reason = "generated from the contract, which is documented in its own file")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "complete",
    imports: { default: async | trappable },
    exports: { default: async },
});

pub(super) use self::sluice::crm_connector as imported;
pub(super) use exports::sluice::crm_connector as exported;

//! What wit-bindgen makes of world `sender`; types and imports are those of `sluice-sdk`.
//!
//! The world is put together here, of interfaces that the contract has: a component is what it exports, and the
//! contract needs no name for each choice of them.

#![allow(missing_docs, clippy::all, unsafe_code, reason = "generated from the WIT, which documents it")]

wit_bindgen::generate!({
    inline: "
        package sluice:sdk;

        world sender {
            include sluice:crm-connector/reader@0.1.1;
            export sluice:crm-connector/deliveries@0.1.1;
            export sluice:crm-connector/related@0.1.1;
        }
    ",
    path: "../../../wit",
    world: "sluice:sdk/sender",
    pub_export_macro: true,
    export_macro_name: "export_world",
    default_bindings_module: "sluice_sdk_sender::bindings",
    with: {
        "sluice:crm-connector/types@0.1.1": sluice_sdk::bindings::complete::sluice::crm_connector::types,
        "sluice:crm-connector/log@0.1.1": sluice_sdk::bindings::complete::sluice::crm_connector::log,
        "sluice:crm-connector/settings@0.1.1": sluice_sdk::bindings::complete::sluice::crm_connector::settings,
        "sluice:crm-connector/session@0.1.1": sluice_sdk::bindings::complete::sluice::crm_connector::session,
        "sluice:crm-connector/secrets@0.1.1": sluice_sdk::bindings::complete::sluice::crm_connector::secrets,
        "sluice:crm-connector/http@0.1.1": sluice_sdk::bindings::complete::sluice::crm_connector::http,
    },
});

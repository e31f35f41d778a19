//! What wit-bindgen makes of world `reader`; types and imports are those of `sluice-sdk`.

#![allow(missing_docs, clippy::all, unsafe_code, reason = "generated from the WIT, which documents it")]

wit_bindgen::generate!({
    path: "../../../wit",
    world: "reader",
    pub_export_macro: true,
    export_macro_name: "export_world",
    default_bindings_module: "sluice_sdk_reader::bindings",
    with: {
        "sluice:crm-connector/types@0.1.1": sluice_sdk::bindings::complete::sluice::crm_connector::types,
        "sluice:crm-connector/log@0.1.1": sluice_sdk::bindings::complete::sluice::crm_connector::log,
        "sluice:crm-connector/settings@0.1.1": sluice_sdk::bindings::complete::sluice::crm_connector::settings,
        "sluice:crm-connector/session@0.1.1": sluice_sdk::bindings::complete::sluice::crm_connector::session,
        "sluice:crm-connector/secrets@0.1.1": sluice_sdk::bindings::complete::sluice::crm_connector::secrets,
        "sluice:crm-connector/http@0.1.1": sluice_sdk::bindings::complete::sluice::crm_connector::http,
    },
});

//! What wit-bindgen makes of world `complete` in `wit/crm-connector.wit`.
//!
//! Authors use the re-exports at the crate's root; the module is public for the export macros. World
//! `reader` is the crate `sluice-sdk-reader`: two worlds in one crate would define the same macros.

#![allow(missing_docs, clippy::all, unsafe_code, reason = "generated from the WIT, which documents it")]

/// World `complete`: every interface.
pub mod complete {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "complete",
        pub_export_macro: true,
        export_macro_name: "export_world",
        default_bindings_module: "sluice_sdk::bindings::complete",
        additional_derives: [PartialEq],
    });
}

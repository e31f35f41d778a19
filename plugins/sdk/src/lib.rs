//! What the author of a Sluice connector needs, and nothing that a CRM is about.
//!
//! A connector is a type that implements [`Connector`], and [`Deliveries`] and [`Overviews`] where its
//! CRM has them; [`export_complete!`] turns it into the exports of a component, or `export_sender!` of the crate
//! `sluice-sdk-sender` where it has deliveries alone, or `export_reader!` of `sluice-sdk-reader` where it has neither.
//!
//! ```text
//! struct Acme { settings: Settings }
//! impl sluice_sdk::Connector for Acme { ... }
//! sluice_sdk_reader::export_reader!(Acme);
//! ```
//!
//! - [`settings`] reads the integration's settings into the author's own type;
//! - [`request`] makes requests and turns what comes back into values or typed errors;
//! - [`number`] keeps numbers as the CRM wrote them;
//! - [`time`] turns moments into UTC and leaves days as they are;
//! - [`paging`] writes and reads cursors, and knows when a page was the last;
//! - [`session`], [`secrets`] and [`log`] are the host's other services;
//! - `bench` (on native targets) stands in for the host, so that `cargo test` needs no wasm.
//!
//! Promise: no error made here holds a byte of a body, neither sent nor received. What the CRM says of
//! a person stays out of messages and logs by construction.

#[cfg(not(target_arch = "wasm32"))]
pub mod bench;
pub mod bindings;
mod connector;
mod error;
pub mod export;
mod host;
pub mod number;
pub mod paging;
pub mod request;
mod retry_after;
pub mod settings;
pub mod time;

pub use bindings::complete::exports::sluice::crm_connector::connector::Description;
pub use bindings::complete::exports::sluice::crm_connector::contacts::{ConsentInfo, FieldInfo, FieldType};
pub use bindings::complete::exports::sluice::crm_connector::deliveries::{Delivery, Proof};
pub use bindings::complete::exports::sluice::crm_connector::overviews::{Members, Overview};
pub use bindings::complete::exports::sluice::crm_connector::related::Sharers;
pub use bindings::complete::sluice::crm_connector::types::{
    Change, Channel, Choice, Consent, Contact, Discard, DiscardReason, Error, ErrorKind, Field, Page, Value,
};
pub use connector::{Connector, Deliveries, Overviews};

/// Log lines, on the span of the current call. No personal data: the host stores them.
pub mod log {
    pub use crate::bindings::complete::sluice::crm_connector::log::Level;

    /// Writes one line.
    pub fn log(level: Level, message: &str) {
        crate::host::log(level, message);
    }

    /// A line for who operates the host.
    pub fn info(message: &str) {
        log(Level::Info, message);
    }

    /// A line about what is not as it should be, though the call goes on.
    pub fn warn(message: &str) {
        log(Level::Warn, message);
    }
}

/// Small values that outlive a call. They may be gone at any time.
pub mod session {
    /// What was put under this key, if it is still there.
    pub fn get(key: &str) -> Option<String> {
        crate::host::session_get(key)
    }

    /// Keeps a value for so many seconds. The host holds 16 KiB in all for an integration.
    pub fn put(key: &str, value: &str, ttl_seconds: u32) {
        crate::host::session_put(key, value, ttl_seconds);
    }
}

/// Uses of a stored secret that do not reveal it.
pub mod secrets {
    /// Whether `mac` is the HMAC-SHA-256 of `data` under the secret of this name, or under the one
    /// that it replaces while it is being rotated.
    pub fn verify_hmac_sha256(name: &str, data: &[u8], mac: &[u8]) -> bool {
        crate::host::verify_hmac_sha256(name, data, mac)
    }
}

//! The way to APSIS One: attributes, consents, bulk imports and exports over its public REST API.
//!
//! Promises: the limits of the account are kept whatever the network does (`limits`, `window`); a
//! status is taken from HTTP, never from a body; what may be tried again is tried again with jitter;
//! the token is shared and refreshed early by one caller; no error and no `Debug` holds a secret, an
//! address or a piece of a body. What the vendor's documentation leaves open stands in `inferred`.
//!
//! Leaves to others: which contacts to write and in which order (one write at a time for one
//! profile), what a contact should be (`rules`), and what to remember (`store`). Knows no CRM.

mod addresses;
mod auth;
mod client;
pub mod compare;
pub mod consents;
mod definitions;
mod error;
mod export;
mod import;
mod inferred;
mod limits;
mod problem;
mod profiles;
mod reach;
mod retry;
mod rows;
mod single;
mod tags;
mod value;
mod window;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod testserver;

pub use addresses::AtAddress;
pub use client::{Client, Listener, MaySend};
pub use consents::{ConsentPlan, ConsentStep};
pub use definitions::{
    AttributeDefinition, ChannelDefinition, ChannelId, Definitions, KeyspaceDefinition, SectionDefinition,
    TopicDefinition,
};
pub use error::{ApsisError, Kind, Operation};
pub use export::{ExportFile, ExportPages, ExportedProfile};
pub use import::{BegunImport, ImportId, ImportState};
pub use inferred::{MERGE_SOURCE, SOURCE, is_ours};
pub use limits::{IMPORTS_AT_ONCE, ImportPermit};
pub use profiles::{ConsentEnd, Created, Deleted, Merged, Patched, Target};
pub use rows::{ImportColumns, ImportFile, Row};
pub use tags::{TagDefinition, Tags};
pub use value::FoundValue;

//! Connectors in the store, and their versions: an integration is given another one, returns, and nothing is lost on the
//! way; what it cannot use is refused, and what would differ waits until it is accepted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod catalogue;
mod differing;
mod over_http;
mod refused;
mod share;
mod under_load;
mod versions;
mod watching;

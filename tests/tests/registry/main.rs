//! Components in a real OCI registry, by the program as an operator runs it: sent, fetched, signed, and what a registry may
//! have that is not to be taken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod contract;
mod desk;
mod moving;
mod refusing;
mod server;
mod signing;

//! Full syncs, end to end: the program as a process, the Lime connector as a component, both remotes as
//! real HTTP servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod cancel;
mod consents;
mod expected;
mod faults;
mod memory;
mod meanwhile;
mod people;
mod resume;
mod rig;

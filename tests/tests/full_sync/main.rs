//! Full syncs, end to end: the program as a process, the Lime connector as a component, both remotes as
//! real HTTP servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod apply;
mod audit;
mod brake;
mod cancel;
mod commands;
mod consents;
mod disk;
mod doctor;
mod dry_run;
mod faults;
mod meanwhile;
mod memory;
mod merging;
mod needs;
mod people;
mod resume;
mod secrecy;
mod together;
mod unmatched;

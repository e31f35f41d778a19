//! webCRM, end to end: the second connector as a component, loaded by the program as a process, between a simulated
//! webCRM and a simulated APSIS One as real HTTP servers. Nothing of the host was changed for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod full_sync;
mod real_time;
mod secrecy;
mod trouble;
mod world;

//! Real time, end to end: the simulated Lime CRM sends its webhooks to the program as a process, which takes them
//! into a real store and brings APSIS One to what the CRM has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod brake;
mod bursts;
mod companies;
mod daily;
mod deletes;
mod door;
mod equality;
mod fates;
mod forget;
mod gate;
mod hosts;
mod kills;
mod pushing;
mod pushy;
mod stalls;
mod told;
mod trouble;
mod webhooks;

use sluice_tests::live;

//! Overviews, end to end: the simulated Lime CRM's campaigns become tags in the simulated APSIS One, by the program as a
//! process, on real stores.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod behaviour;
mod leaving;
mod skipped;
mod times;
mod troubles;
mod world;

use sluice_tests::live;

//! Drives the line of a contact: CRM -> connector -> rules -> intent -> APSIS One -> outcome -> ledger.
//!
//! A full sync reads every page and decides every contact before it writes the first, so that a run
//! that would do harm can be seen before it does. All its state is in the store: any process that holds
//! the data directory's lock can go on with it.

mod asking;
mod bulk;
mod failure;
mod full_sync;
mod line;
mod reading;
mod service;
mod writing;

pub use failure::SyncError;
pub use line::{Line, catalogue, check_connection, check_names, connect, resolve};
pub use service::Service;

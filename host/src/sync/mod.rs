//! Drives the line of a contact: CRM -> connector -> rules -> intent -> APSIS One -> outcome -> ledger.
//!
//! A full sync reads every page and decides every contact before it writes the first, so that a run
//! that would do harm can be seen before it does. The lane takes what the CRM sends, one contact after the
//! other, while no run is active. All their state is in the store: whichever host holds the integration can go
//! on with it.

mod bulk;
mod contact_steps;
mod daily;
mod deciding;
mod failure;
mod fetching;
mod holding;
mod lane;
mod line;
mod patience;
mod reading;
mod running;
mod service;
mod webhook;
mod work;
mod worker;
mod writing;

pub use failure::SyncError;
pub use holding::{Hold, Holdings, LEASE, Terms, Validity};
pub use line::{Line, Patience, check_connection, check_names, connect, resolve};
pub use service::Service;

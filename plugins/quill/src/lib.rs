//! The Quill CRM connector of Sluice.
//!
//! It reads people over the CRM's API and says who they are; everything else is the host's. [`api`] asks, [`person`] turns
//! what is answered into contacts, and [`connector`] says what the connector is and how it reads page after page.

mod api;
mod connector;
mod person;

pub use connector::{Quill, Settings};

sluice_sdk_reader::export_reader!(Quill);

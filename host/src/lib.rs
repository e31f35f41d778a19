//! Sluice: syncs a CRM's contacts into APSIS One through WebAssembly connectors.
//!
//! The way of a contact: `connector` (reads it from the CRM) -> `rules` (what the profile should be)
//! -> `apsis` (writes it) -> `store` (remembers the outcome); `sync` drives that line. Dependencies
//! point one way: `cli` -> `server` -> `admin` -> `sync` -> {`connector`, `rules`, `apsis`, `store`} -> the vocabulary
//! (`contact`, `profile`, `integration`, `run`, `access`, `journal`, `reason`, `error`, `reach`).

pub mod access;
pub mod address;
pub mod admin;
pub mod alert;
pub mod apsis;
pub mod brake;
pub mod change;
pub mod cli;
pub mod config;
pub mod connector;
pub mod contact;
pub mod data_dir;
mod day;
mod day_format;
mod described;
pub mod difference;
pub mod error;
pub mod explained;
pub mod hosting;
pub mod integration;
pub mod journal;
pub mod keys;
pub mod kit;
pub mod lane;
pub mod metrics;
mod moment;
pub mod need;
mod number;
pub mod overview;
pub mod profile;
pub mod progress;
pub mod reach;
pub mod reason;
pub mod registry;
pub mod rules;
pub mod run;
pub mod secret;
pub mod server;
pub mod session;
pub mod signature;
pub mod step;
pub mod store;
pub mod story;
pub mod sync;
pub mod traces;
pub mod upgrade;

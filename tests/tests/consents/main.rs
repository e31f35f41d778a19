//! The promises about consents: nobody becomes mailable whom the CRM does not let be mailed, at no instant, whatever
//! happens; asked of the simulated APSIS One after each of its writes.
//!
//! `model` says who may be mailed what, in plain code that shares nothing with the host. `world` is the two simulated
//! sides with a host between them, in this process, so that thousands of sequences of `steps` can be gone through.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod address_change;
mod behaviour;
mod comparing;
mod gaps;
mod host;
mod judging;
mod model;
mod sequences;
mod shrinking;
mod steps;
mod unheard;
mod world;

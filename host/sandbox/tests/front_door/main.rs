//! The sandbox through its front door: real HTTP, as a client of Lime CRM and of APSIS One meets it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used, clippy::panic)]

mod bulk;
mod faults;
mod lime;
mod limits;
mod mailable;
mod process;
mod profiles;
mod receiver;
mod stop;
mod support;
mod trial;
mod webcrm;
mod webhook_trouble;
mod webhooks;

//! The page of a host at work: in a real browser as people use it, and attacked as others would.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod access;
mod browser;
mod crowds;
mod forms;
mod looks;
mod marketer;
mod places;
mod private;
mod scripts;
mod sessions;
mod visitor;

//! The page of a host at work: in a real browser as people use it, and attacked as others would.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod access;
mod browser;
mod hostile;
mod looks;
mod marketer;

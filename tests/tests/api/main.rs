//! The admin API of a host at work, asked over HTTP as its users ask it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod access;
mod asking;
mod editing;
mod keys;
mod lists;
mod overviews;
mod schema;
mod sealed;
mod secrets;
mod way;

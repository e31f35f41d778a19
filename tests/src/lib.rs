//! What several end-to-end tests share. The tests themselves are in `tests/`, the components that they run in
//! `guests/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "all of it is for tests"
)]

pub mod balancer;
pub mod dice;
pub mod expected;
pub mod live;
pub mod ports;
pub mod postgres;
pub mod processes;
pub mod pushy;
pub mod rig;
pub mod sides;

//! The store's traits over any engine: each method is one transaction, done by the functions beside this
//! folder.

mod access;
mod addresses;
mod alerts;
mod audits;
mod components;
mod hosts;
mod integrations;
mod overviews;
mod queue;
mod runs;
mod secrets;
mod stories;

use super::Engine;

/// The store, on an engine.
pub struct SqlStore<E> {
    pub(in crate::store) engine: E,
}

impl<E: Engine> SqlStore<E> {
    pub(in crate::store) fn on(engine: E) -> Self {
        Self { engine }
    }
}

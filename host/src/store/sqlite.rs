//! SQLite behind the store's trait.

/// The embedded store.
pub struct SqliteStore;

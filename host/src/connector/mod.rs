//! The way to a CRM: loads a connector (a WebAssembly component), and calls it.
//!
//! It promises that a connector cannot hang, exhaust or crash the host, reach anything that the
//! operator has not granted, see a secret, or leave anything behind for the next call but its session.
//! Each call runs in a fresh instance and ends in an answer or in one [`CallError`], which says by itself
//! what to do next; whether to try again is the caller's to do. It knows of no store, no rules and no
//! APSIS One.
//!
//! The way of a call: [`Connection`] -> `call` (store, instance, clocks; `aside`, when it computes for long) -> the
//! component -> `state` (its imports) -> `outbound` (its requests) -> back through `convert` into the host's vocabulary.

mod aside;
mod bindings;
mod call;
mod catalogue;
mod component;
mod connection;
mod convert;
mod credentials;
mod egress;
mod engine;
mod environment;
mod error;
mod limits;
mod opening;
mod outbound;
mod pace;
mod precompiled;
mod redact;
mod session;
mod stand_in;
mod state;
mod stop;
mod words;

pub use catalogue::{
    CatalogueError, check_component, component_name, find_component, names_component, read_component,
};
pub use component::{Connector, Description, Exports, PACKAGE, VERSION};
pub use connection::{Connection, ConnectionSettings};
pub use convert::{Members, Overview, Proof};
pub use engine::Engine;
pub use error::{CallError, LoadError, NextStep, OpenError, SaidKind};
pub use limits::{Limit, Limits, LimitsError};
pub use pace::RateLimit;
pub use stand_in::{Answered, Asked, Placed, StandIn, Unanswered};

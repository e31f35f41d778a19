//! Components in an OCI registry: sent there, and fetched from there, beside container images.
//!
//! They lie there as the Bytecode Alliance's tools have them (`layout`), so that `wkg` and others find them, too. It
//! promises that what is fetched is one component, whole, no larger than [`LARGEST`], and byte for byte what the
//! registry's manifest says. Who made it, and whether this host can use it, is not asked here: see
//! [`crate::signature`] and [`crate::connector`].
//!
//! **Who names a registry.** Only whoever runs the program on the command line does; no integration, no connector and no
//! caller of the API can. So any address may be named, one in a private network, too, and what the registry itself
//! points at (the place of its tokens, where its bytes are kept) is followed. The client reads a manifest whole, however
//! long it is, so that a registry can make this one program fail, and nothing that is at work beside it. Whoever gives this to others than
//! operators must first ask [`crate::reach`].

mod contract;
mod credentials;
mod error;
mod layout;
mod place;
mod transfer;

pub use contract::{contract_package, contract_place};
pub use error::RegistryError;
pub use layout::{Artifact, Label};
pub use place::Place;
pub use transfer::{Digest, LARGEST, PullError, Pulled, Registry};

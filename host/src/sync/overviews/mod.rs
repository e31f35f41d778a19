//! Overviews: the CRM's lists, whose members get a tag in APSIS One.
//!
//! An import is the difference between who is a member now and who is known to have the tag. It changes tags and nothing
//! else, so that it needs no closed gate, and a full sync knows nothing of it.

mod deciding;
mod importing;
mod looking;
mod turns;

pub use looking::{Found, look, tags_of};
pub use turns::{Turn, Turns};

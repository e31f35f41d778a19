//! What a step of work for one integration has at hand: the store, the lease under which it writes, and the
//! line.

use std::sync::Arc;

use super::line::Line;
use crate::hosting::Fence;
use crate::store::Store;

/// Clones share everything.
#[derive(Clone)]
pub struct Work {
    /// Where everything is remembered.
    pub store: Arc<dyn Store>,
    /// The right to write for the integration.
    pub fence: Fence,
    /// From its CRM to APSIS One.
    pub line: Arc<Line>,
    /// The revision of the integration that the line was opened for; none in a run, during which all but the version of its
    /// connector stays as it is.
    pub revision: Option<i64>,
}

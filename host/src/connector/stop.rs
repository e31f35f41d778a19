//! Why the host ends a call from within: an error that travels through the component's frames as a trap
//! and is recognised at the other end.

use super::limits::Limit;

/// The host's reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stop {
    /// A limit.
    #[error("the limit `{0}` was reached")]
    Limit(Limit),
    /// `describe` is pure.
    #[error("`describe` called the import `{0}`; it must call none")]
    ImportInDescribe(&'static str),
}

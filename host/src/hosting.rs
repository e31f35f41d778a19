//! The vocabulary of several hosts on one store: who holds an integration, and for how long.
//!
//! An integration's lane and its runs belong to one host at a time, by a lease. Each lease has a number that
//! is greater than that of every lease before it: a write that comes with an older one is refused.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::integration::IntegrationId;

/// A host that has not been heard of for so long is not there.
pub const BEAT: Duration = Duration::from_secs(10);

/// One running host: a name that no other one has, before or after it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct HostId(pub String);

impl HostId {
    /// A name that begins with the machine's.
    pub fn fresh() -> Self {
        Self(format!("{}-{:08x}", machine(), rand::random::<u32>()))
    }
}

fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let plain: String = name
        .trim()
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-')
        .take(40)
        .collect();
    if plain.is_empty() { "host".to_owned() } else { plain }
}

impl fmt::Display for HostId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The right to write for one integration, as the store checks it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fence {
    /// Whose lane and runs.
    pub integration: IntegrationId,
    /// The lease's number.
    pub number: i64,
}

/// How long a lease is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// Until it is given back. For a host that is the only one and knows it; whoever held the lease before
    /// is no more.
    Alone,
    /// So long, to be renewed before it ends.
    For(Duration),
}

/// Who holds an integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The integration.
    pub integration: IntegrationId,
    /// Its definition's revision: another one means that it was applied, enabled or disabled since.
    pub revision: i64,
    /// The host whose lease has not ended, if any.
    pub host: Option<HostId>,
}

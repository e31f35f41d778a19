//! Hosts, and what each of them holds and has to do.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::broadcast;

use super::StoreError;
use crate::hosting::{Fence, Holding, HostId, Term};
use crate::integration::IntegrationId;

/// Hosts, and what each of them holds and has to do.
#[async_trait]
pub trait HostStore: Send + Sync {
    /// Says that a host is there, for so long; how many hosts are there now.
    async fn beat(&self, host: &HostId, for_so_long: Duration) -> Result<u64, StoreError>;

    /// Takes an integration for a host, if nobody else holds it. `Term::Alone` takes it from anybody.
    async fn acquire(
        &self,
        id: &IntegrationId,
        host: &HostId,
        term: Term,
    ) -> Result<Option<Fence>, StoreError>;

    /// Lengthens leases by so much from now; those of them that are still held.
    async fn renew(&self, fences: &[Fence], for_so_long: Duration) -> Result<Vec<Fence>, StoreError>;

    /// Gives a lease back. Without effect if somebody else has it.
    async fn release(&self, fence: &Fence) -> Result<(), StoreError>;

    /// All integrations with their holders.
    async fn holdings(&self) -> Result<Vec<Holding>, StoreError>;

    /// Of the integrations that a host holds, those that have something to do at `now`: an active run, or
    /// a delivery or a contact that is due, where the gate is open.
    async fn to_do(&self, host: &HostId, now: Timestamp) -> Result<Vec<IntegrationId>, StoreError>;

    /// Integrations for which something new may have come. A hint that may get lost, never the truth.
    fn hints(&self) -> broadcast::Receiver<IntegrationId>;

    /// Deletes some rows that nothing shows any more; whether there may be more. Deliveries that ended
    /// before their time is over count as such.
    async fn sweep(&self, now: Timestamp) -> Result<bool, StoreError>;
}

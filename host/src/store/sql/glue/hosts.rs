//! `HostStore`, each method one transaction.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::broadcast;

use super::SqlStore;
use crate::hosting::{Fence, Holding, HostId, Term};
use crate::integration::IntegrationId;
use crate::store::sql::{Engine, leases, leftovers};
use crate::store::{HostStore, StoreError};

#[async_trait]
impl<E: Engine> HostStore for SqlStore<E> {
    async fn beat(&self, host: &HostId, for_so_long: Duration) -> Result<u64, StoreError> {
        let host = host.clone();
        self.engine.write(move |sql| leases::beat(sql, &host, for_so_long)).await
    }

    async fn acquire(
        &self,
        id: &IntegrationId,
        host: &HostId,
        term: Term,
    ) -> Result<Option<Fence>, StoreError> {
        let (id, host) = (id.clone(), host.clone());
        self.engine.write(move |sql| leases::acquire(sql, &id, &host, term)).await
    }

    async fn renew(&self, fences: &[Fence], for_so_long: Duration) -> Result<Vec<Fence>, StoreError> {
        let fences = fences.to_vec();
        self.engine.write(move |sql| leases::renew(sql, &fences, for_so_long)).await
    }

    async fn release(&self, fence: &Fence) -> Result<(), StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| leases::release(sql, &fence)).await
    }

    async fn holdings(&self) -> Result<Vec<Holding>, StoreError> {
        self.engine.read(move |sql| leases::holdings(sql)).await
    }

    async fn to_do(&self, host: &HostId, now: Timestamp) -> Result<Vec<IntegrationId>, StoreError> {
        let host = host.clone();
        self.engine.read(move |sql| leases::to_do(sql, &host, now)).await
    }

    fn hints(&self) -> broadcast::Receiver<IntegrationId> {
        self.engine.hints().subscribe()
    }

    async fn sweep(&self, now: Timestamp) -> Result<bool, StoreError> {
        self.engine.write(move |sql| leftovers::sweep(sql, now)).await
    }
}

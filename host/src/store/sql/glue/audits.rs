//! `AuditStore`, each method one transaction.

use std::collections::HashMap;

use async_trait::async_trait;

use super::SqlStore;
use crate::contact::ContactId;
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::profile::WantedConsent;
use crate::store::sql::{Engine, doubts};
use crate::store::{AuditStore, Doubt, Judged, StoreError};

#[async_trait]
impl<E: Engine> AuditStore for SqlStore<E> {
    async fn written_contacts(
        &self,
        id: &IntegrationId,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<ContactId>, StoreError> {
        let (id, after) = (id.clone(), after.cloned());
        self.engine.read(move |sql| doubts::written(sql, &id, after.as_ref(), limit)).await
    }

    async fn written_sample(&self, id: &IntegrationId, size: u32) -> Result<Vec<ContactId>, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| doubts::sample(sql, &id, size)).await
    }

    async fn judged(
        &self,
        id: &IntegrationId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, Judged>, StoreError> {
        let (id, contacts) = (id.clone(), contacts.to_vec());
        self.engine.read(move |sql| doubts::judged(sql, &id, &contacts)).await
    }

    async fn doubt(&self, id: &IntegrationId, new: Vec<Doubt>) -> Result<u64, StoreError> {
        let id = id.clone();
        self.engine.write(move |sql| doubts::add(sql, &id, &new)).await
    }

    async fn opt_outs_due(
        &self,
        id: &IntegrationId,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<(ContactId, Vec<WantedConsent>)>, StoreError> {
        let (id, after) = (id.clone(), after.cloned());
        self.engine.read(move |sql| doubts::opt_outs(sql, &id, after.as_ref(), limit)).await
    }

    async fn opted_out(&self, fence: &Fence, contacts: &[ContactId]) -> Result<(), StoreError> {
        let (fence, contacts) = (fence.clone(), contacts.to_vec());
        self.engine.write(move |sql| doubts::opted_out(sql, &fence, &contacts)).await
    }
}

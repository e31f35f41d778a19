//! `IntegrationStore`, each method one transaction.

use async_trait::async_trait;
use jiff::Timestamp;

use super::SqlStore;
use crate::hosting::Fence;
use crate::integration::{Integration, IntegrationId};
use crate::lane::{Standing, Webhook};
use crate::need::{Need, NewNeed};
use crate::store::sql::values::Moment;
use crate::store::sql::{Engine, Sql, integrations, leases, needs, webhooks};
use crate::store::{Expected, IntegrationStore, StoreError};

/// A key that nobody guesses.
pub(super) fn new_key() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

#[async_trait]
impl<E: Engine> IntegrationStore for SqlStore<E> {
    async fn put_integration(&self, integration: &Integration) -> Result<(), StoreError> {
        self.put_integration_at(integration, Expected::Anything).await.map(drop)
    }

    async fn put_integration_at(
        &self,
        integration: &Integration,
        expected: Expected,
    ) -> Result<i64, StoreError> {
        let (integration, key) = (integration.clone(), new_key());
        self.engine.write(move |sql| integrations::put(sql, &integration, &key, expected)).await
    }

    async fn integration(&self, id: &IntegrationId) -> Result<Option<Integration>, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| integrations::get(sql, &id)).await
    }

    async fn standing(&self, id: &IntegrationId) -> Result<Option<Standing>, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| integrations::standing(sql, &id)).await
    }

    async fn integrations(&self) -> Result<Vec<Integration>, StoreError> {
        self.engine.read(move |sql| integrations::all(sql)).await
    }

    async fn set_enabled(&self, id: &IntegrationId, enabled: bool) -> Result<(), StoreError> {
        let id = id.clone();
        self.engine.write(move |sql| integrations::set_enabled(sql, &id, enabled)).await
    }

    async fn retire_integration(&self, id: &IntegrationId) -> Result<(), StoreError> {
        let id = id.clone();
        self.engine.write(move |sql| integrations::retire(sql, &id)).await
    }

    async fn delete_retiring(&self, fence: &Fence) -> Result<bool, StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| integrations::delete_retiring(sql, &fence)).await
    }

    async fn delete_integration(&self, id: &IntegrationId) -> Result<(), StoreError> {
        let id = id.clone();
        self.engine.write(move |sql| integrations::delete(sql, &id)).await
    }

    async fn rotate_key(&self, id: &IntegrationId, until: Timestamp) -> Result<(), StoreError> {
        let (id, key) = (id.clone(), new_key());
        self.engine.write(move |sql| integrations::rotate_key(sql, &id, &key, until)).await
    }

    async fn webhook(&self, id: &IntegrationId) -> Result<Webhook, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| webhooks::get(sql, &id)).await
    }

    async fn put_webhook(&self, fence: &Fence, webhook: &Webhook) -> Result<(), StoreError> {
        let (fence, webhook) = (fence.clone(), webhook.clone());
        self.engine.write(move |sql| webhooks::put(sql, &fence, &webhook)).await
    }

    async fn put_need(&self, fence: &Fence, need: &NewNeed) -> Result<(), StoreError> {
        let (fence, need) = (fence.clone(), need.clone());
        let work = move |sql: &dyn Sql| {
            let integration = leases::hold(sql, &fence)?;
            needs::add(sql, integration, &need, Moment(Timestamp::now()))
        };
        self.engine.write(work).await
    }

    async fn needs(&self, id: &IntegrationId) -> Result<Vec<Need>, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| needs::all(sql, integrations::number(sql, &id)?)).await
    }
}

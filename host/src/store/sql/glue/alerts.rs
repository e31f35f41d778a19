//! `AlertStore`, each method one transaction.

use async_trait::async_trait;

use super::SqlStore;
use crate::alert::AlertRecord;
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::store::sql::{Engine, alerts};
use crate::store::{AlertStore, StoreError};

#[async_trait]
impl<E: Engine> AlertStore for SqlStore<E> {
    async fn alert_record(&self, id: &IntegrationId) -> Result<AlertRecord, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| alerts::get(sql, &id)).await
    }

    async fn put_alert_record(&self, fence: &Fence, record: &AlertRecord) -> Result<(), StoreError> {
        let (fence, record) = (fence.clone(), record.clone());
        self.engine.write(move |sql| alerts::put(sql, &fence, &record)).await
    }
}

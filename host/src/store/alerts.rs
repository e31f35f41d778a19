//! What is kept of alerts.

use async_trait::async_trait;

use super::StoreError;
use crate::alert::AlertRecord;
use crate::hosting::Fence;
use crate::integration::IntegrationId;

/// What is kept of alerts.
#[async_trait]
pub trait AlertStore: Send + Sync {
    /// What was told of an integration, and what is to be.
    async fn alert_record(&self, id: &IntegrationId) -> Result<AlertRecord, StoreError>;

    /// Keeps it.
    async fn put_alert_record(&self, fence: &Fence, record: &AlertRecord) -> Result<(), StoreError>;
}

//! Integrations, with what is set beside their definitions.

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::hosting::Fence;
use crate::integration::{Integration, IntegrationId};
use crate::lane::{Standing, Webhook};
use crate::need::{Need, NewNeed};

/// What whoever changes an integration believes it to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is.
    Anything,
    /// Not there.
    Absent,
    /// Of this revision.
    Revision(i64),
}

/// Integrations, with what is set beside their definitions.
#[async_trait]
pub trait IntegrationStore: Send + Sync {
    /// Adds an integration, or replaces the one of the same id, and notes what a full sync is needed for because of
    /// that. Refused while a run is active, which may
    /// be gone on with after a crash and must then find what it began with.
    async fn put_integration(&self, integration: &Integration) -> Result<(), StoreError>;

    /// As `put_integration`, if it is still as whoever changes it believes; its revision then.
    async fn put_integration_at(
        &self,
        integration: &Integration,
        expected: Expected,
    ) -> Result<i64, StoreError>;

    /// One integration; none if there is none of this id.
    async fn integration(&self, id: &IntegrationId) -> Result<Option<Integration>, StoreError>;

    /// One integration with what is set beside its definition.
    async fn standing(&self, id: &IntegrationId) -> Result<Option<Standing>, StoreError>;

    /// All integrations, by id.
    async fn integrations(&self) -> Result<Vec<Integration>, StoreError>;

    /// Lets an integration's lane work, or has it hold what comes in.
    async fn set_enabled(&self, id: &IntegrationId, enabled: bool) -> Result<(), StoreError>;

    /// Marks an integration as to be deleted, once its webhook is taken back. Refused while a run is active.
    async fn retire_integration(&self, id: &IntegrationId) -> Result<(), StoreError>;

    /// Deletes an integration as `delete_integration` does, if it still is to be; whether it was.
    async fn delete_retiring(&self, fence: &Fence) -> Result<bool, StoreError>;

    /// Deletes an integration with its runs, deliveries and ledger. Refused while a run is active.
    async fn delete_integration(&self, id: &IntegrationId) -> Result<(), StoreError>;

    /// Gives an integration a new key for the address that the CRM delivers to; the old one is taken until
    /// `until`.
    async fn rotate_key(&self, id: &IntegrationId, until: Timestamp) -> Result<(), StoreError>;

    /// The webhook in the CRM, as far as is known.
    async fn webhook(&self, id: &IntegrationId) -> Result<Webhook, StoreError>;

    /// Remembers the webhook in the CRM.
    async fn put_webhook(&self, fence: &Fence, webhook: &Webhook) -> Result<(), StoreError>;

    /// Notes that a full sync is needed.
    async fn put_need(&self, fence: &Fence, need: &NewNeed) -> Result<(), StoreError>;

    /// What a full sync is needed for, the oldest first.
    async fn needs(&self, id: &IntegrationId) -> Result<Vec<Need>, StoreError>;
}

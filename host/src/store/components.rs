//! The components of connectors, and which integrations use which.

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::contact::ContactId;
use crate::integration::IntegrationId;
use crate::need::NewNeed;

/// A component as it is kept, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentRecord {
    /// Its name: `sha256:<digest>`.
    pub name: String,
    /// When it was added; none: before that was noted down.
    pub added_at: Option<Timestamp>,
    /// The integrations that use it.
    pub used_by: Vec<IntegrationId>,
    /// The integrations that used it before, and can return to it.
    pub returned_to_by: Vec<IntegrationId>,
}

/// That an integration is to use another version of its connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// The integration's revision as it was looked at.
    pub revision: i64,
    /// The component that it is to use.
    pub to: String,
    /// Whether it can return to the one that it uses now.
    pub may_return: bool,
    /// What a full sync is needed for then.
    pub need: Option<NewNeed>,
}

/// The components of connectors, and which integrations use which.
#[async_trait]
pub trait ComponentStore: Send + Sync {
    /// Keeps a connector's component under its name. One that is there stays as it was added.
    async fn put_component(&self, name: &str, component: Vec<u8>) -> Result<(), StoreError>;

    /// The names of all components.
    async fn component_names(&self) -> Result<Vec<String>, StoreError>;

    /// All components, by name.
    async fn components(&self) -> Result<Vec<ComponentRecord>, StoreError>;

    /// A connector's component; none if there is none of this name.
    async fn component(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Takes a component away. Refused while an integration uses it or can return to it, or an active run tries it.
    async fn remove_component(&self, name: &str) -> Result<(), StoreError>;

    /// Has an integration use another version of its connector, if it is as it was looked at; its revision then. A run
    /// that is active goes on with it.
    async fn switch_connector(&self, id: &IntegrationId, switch: &Switch) -> Result<i64, StoreError>;

    /// So many contacts that the CRM is believed to have, evenly over all that are known, by id.
    async fn known_sample(&self, id: &IntegrationId, size: u32) -> Result<Vec<ContactId>, StoreError>;
}

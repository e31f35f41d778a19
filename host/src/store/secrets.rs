//! Secrets, sealed: what opens them is not here.

use async_trait::async_trait;

use super::{Expected, StoreError};
use crate::integration::{Integration, IntegrationId};
use crate::secret::{KeyId, NewSecret, Sealed, SecretPlace, SecretRecord};

/// Secrets, sealed: what opens them is not here. They go with their integration.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// Keeps a secret, in place of the one of the same name if there is one. Whoever uses the integration's secrets is told,
    /// and a lane that paused tries again.
    async fn put_secret(&self, id: &IntegrationId, secret: &NewSecret) -> Result<SecretRecord, StoreError>;

    /// Puts an integration as `put_integration_at` does, with secrets of it: all of it or nothing.
    async fn put_integration_with(
        &self,
        integration: &Integration,
        secrets: &[NewSecret],
        expected: Expected,
    ) -> Result<i64, StoreError>;

    /// A secret, as it was sealed; none if there is none of this name.
    async fn secret(&self, place: &SecretPlace) -> Result<Option<Sealed>, StoreError>;

    /// The secrets of an integration, by name, without their values.
    async fn secrets(&self, id: &IntegrationId) -> Result<Vec<SecretRecord>, StoreError>;

    /// Takes a secret away.
    async fn remove_secret(&self, place: &SecretPlace) -> Result<(), StoreError>;

    /// Every secret that is sealed under another key than this one.
    async fn secrets_not_under(&self, key: &KeyId) -> Result<Vec<(SecretPlace, Sealed)>, StoreError>;

    /// Puts another seal on a secret, if it still has the one that it had; whether it had.
    async fn reseal(&self, place: &SecretPlace, before: &Sealed, after: &Sealed) -> Result<bool, StoreError>;
}

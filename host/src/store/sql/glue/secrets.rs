//! `SecretStore`, each method one transaction.

use async_trait::async_trait;

use super::SqlStore;
use crate::integration::{Integration, IntegrationId};
use crate::secret::{KeyId, NewSecret, Sealed, SecretPlace, SecretRecord};
use crate::store::sql::{Engine, Sql, integrations, secrets};
use crate::store::{Expected, SecretStore, StoreError};

#[async_trait]
impl<E: Engine> SecretStore for SqlStore<E> {
    async fn put_secret(&self, id: &IntegrationId, secret: &NewSecret) -> Result<SecretRecord, StoreError> {
        let (id, secret) = (id.clone(), secret.clone());
        self.engine.write(move |sql| secrets::put(sql, &id, &secret)).await
    }

    async fn put_integration_with(
        &self,
        integration: &Integration,
        secrets: &[NewSecret],
        expected: Expected,
    ) -> Result<i64, StoreError> {
        let (integration, secrets) = (integration.clone(), secrets.to_vec());
        let key = super::integrations::new_key();
        let work = move |sql: &dyn Sql| {
            let revision = integrations::put(sql, &integration, &key, expected)?;
            let number = integrations::number(sql, &integration.id)?;
            for secret in &secrets {
                secrets::add(sql, number, secret)?;
            }
            Ok(revision)
        };
        self.engine.write(work).await
    }

    async fn secret(&self, place: &SecretPlace) -> Result<Option<Sealed>, StoreError> {
        let place = place.clone();
        self.engine.read(move |sql| secrets::get(sql, &place)).await
    }

    async fn secrets(&self, id: &IntegrationId) -> Result<Vec<SecretRecord>, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| secrets::all(sql, &id)).await
    }

    async fn remove_secret(&self, place: &SecretPlace) -> Result<(), StoreError> {
        let place = place.clone();
        self.engine.write(move |sql| secrets::remove(sql, &place)).await
    }

    async fn secrets_not_under(&self, key: &KeyId) -> Result<Vec<(SecretPlace, Sealed)>, StoreError> {
        let key = key.clone();
        self.engine.read(move |sql| secrets::not_under(sql, &key)).await
    }

    async fn reseal(&self, place: &SecretPlace, before: &Sealed, after: &Sealed) -> Result<bool, StoreError> {
        let (place, before, after) = (place.clone(), before.clone(), after.clone());
        self.engine.write(move |sql| secrets::reseal(sql, &place, &before, &after)).await
    }
}

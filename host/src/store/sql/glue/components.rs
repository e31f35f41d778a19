//! `ComponentStore`, each method one transaction.

use async_trait::async_trait;

use super::SqlStore;
use crate::contact::ContactId;
use crate::integration::IntegrationId;
use crate::store::sql::{Engine, components, integrations};
use crate::store::{ComponentRecord, ComponentStore, StoreError, Switch};

#[async_trait]
impl<E: Engine> ComponentStore for SqlStore<E> {
    async fn put_component(&self, name: &str, component: Vec<u8>) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.engine.write(move |sql| components::put(sql, &name, &component)).await
    }

    async fn component_names(&self) -> Result<Vec<String>, StoreError> {
        self.engine.read(move |sql| components::names(sql)).await
    }

    async fn components(&self) -> Result<Vec<ComponentRecord>, StoreError> {
        self.engine.read(move |sql| components::all(sql)).await
    }

    async fn component(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let name = name.to_owned();
        self.engine.read(move |sql| components::get(sql, &name)).await
    }

    async fn remove_component(&self, name: &str) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.engine.write(move |sql| components::remove(sql, &name)).await
    }

    async fn switch_connector(&self, id: &IntegrationId, switch: &Switch) -> Result<i64, StoreError> {
        let (id, switch) = (id.clone(), switch.clone());
        self.engine.write(move |sql| integrations::switch(sql, &id, &switch)).await
    }

    async fn known_sample(&self, id: &IntegrationId, size: u32) -> Result<Vec<ContactId>, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| components::sample(sql, &id, size)).await
    }
}

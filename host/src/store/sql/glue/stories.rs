//! `StoryStore`, each method one transaction, but for `purge`.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::SqlStore;
use crate::change::Cause;
use crate::contact::{Contact, ContactId};
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::run::RunId;
use crate::step::Asked;
use crate::store::sql::{Engine, forgetting, known, seen};
use crate::store::{StoreError, StoryStore};
use crate::story::{Chapter, LastSeen, Tombstone};

#[async_trait]
impl<E: Engine> StoryStore for SqlStore<E> {
    async fn last_seen(
        &self,
        id: &IntegrationId,
        contact: &ContactId,
    ) -> Result<Option<LastSeen>, StoreError> {
        let (id, contact) = (id.clone(), contact.clone());
        self.engine.read(move |sql| seen::last(sql, &id, &contact)).await
    }

    async fn known_states(
        &self,
        id: &IntegrationId,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<(Timestamp, Contact)>, StoreError> {
        let (id, after) = (id.clone(), after.cloned());
        self.engine.read(move |sql| known::states(sql, &id, after.as_ref(), limit)).await
    }

    async fn chapters(
        &self,
        id: &IntegrationId,
        contact: &ContactId,
        limit: u32,
    ) -> Result<Vec<Chapter>, StoreError> {
        let (id, contact) = (id.clone(), contact.clone());
        self.engine.read(move |sql| seen::chapters(sql, &id, &contact, limit)).await
    }

    async fn tell(
        &self,
        fence: &Fence,
        run: RunId,
        contact: &ContactId,
        steps: Vec<Asked>,
    ) -> Result<(), StoreError> {
        let (fence, contact) = (fence.clone(), contact.clone());
        self.engine.write(move |sql| seen::before_outcome(sql, &fence, run, &contact, &steps)).await
    }

    async fn forgotten(
        &self,
        id: &IntegrationId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, Tombstone>, StoreError> {
        let (id, contacts) = (id.clone(), contacts.to_vec());
        self.engine.read(move |sql| forgetting::of(sql, &id, &contacts)).await
    }

    async fn ask_to_forget(&self, id: &IntegrationId, contact: &ContactId) -> Result<(), StoreError> {
        let (id, contact) = (id.clone(), contact.clone());
        let salt = hex::encode(rand::random::<[u8; 32]>());
        self.engine.write(move |sql| forgetting::ask(sql, &id, &contact, &salt)).await
    }

    async fn to_forget(&self, id: &IntegrationId) -> Result<(Vec<ContactId>, bool), StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| forgetting::to_do(sql, &id)).await
    }

    async fn erase(&self, fence: &Fence, contact: &ContactId, profile: bool) -> Result<(), StoreError> {
        let (fence, contact) = (fence.clone(), contact.clone());
        self.engine.write(move |sql| forgetting::erase(sql, &fence, &contact, profile)).await
    }

    async fn put_forget_failure(&self, fence: &Fence, cause: &Cause) -> Result<(), StoreError> {
        let (fence, cause) = (fence.clone(), cause.clone());
        self.engine.write(move |sql| forgetting::put_failure(sql, &fence, &cause)).await
    }

    async fn purge(&self, fence: &Fence) -> Result<(), StoreError> {
        self.engine.clean(forgetting::TABLES).await?;
        let fence = fence.clone();
        self.engine.write(move |sql| forgetting::purged(sql, &fence)).await
    }

    async fn readmit(&self, id: &IntegrationId, contact: &ContactId) -> Result<bool, StoreError> {
        let (id, contact) = (id.clone(), contact.clone());
        self.engine.write(move |sql| forgetting::readmit(sql, &id, &contact)).await
    }
}

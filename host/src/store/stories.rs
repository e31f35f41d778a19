//! What a contact looked like, what was done for it, and what stays of one that was forgotten.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::change::Cause;
use crate::contact::{Contact, ContactId};
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::run::RunId;
use crate::step::Asked;
use crate::story::{Chapter, LastSeen, Tombstone};

/// What a contact looked like, what was done for it, and what stays of one that was forgotten.
///
/// Forgetting is asked for, done by whoever holds the integration, and can be gone on with after a crash at any
/// point: from `ask_to_forget` on nothing is begun for the contact any more; `erase` removes it; `purge` sees to
/// it that nothing of what was removed is left in the store's files.
#[async_trait]
pub trait StoryStore: Send + Sync {
    /// What a contact looked like when it was last read.
    async fn last_seen(
        &self,
        id: &IntegrationId,
        contact: &ContactId,
    ) -> Result<Option<LastSeen>, StoreError>;

    /// What contacts looked like, and when they were read, by id, after `after`, at most `limit`: of those that are
    /// still in the CRM, as far as is known.
    async fn known_states(
        &self,
        id: &IntegrationId,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<(Timestamp, Contact)>, StoreError>;

    /// What was done for a contact, the newest first, at most `limit`.
    async fn chapters(
        &self,
        id: &IntegrationId,
        contact: &ContactId,
        limit: u32,
    ) -> Result<Vec<Chapter>, StoreError>;

    /// Remembers what a run has done for a contact before its outcome.
    async fn tell(
        &self,
        fence: &Fence,
        run: RunId,
        contact: &ContactId,
        steps: Vec<Asked>,
    ) -> Result<(), StoreError>;

    /// Those of these contacts that were forgotten, or are to be.
    async fn forgotten(
        &self,
        id: &IntegrationId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, Tombstone>, StoreError>;

    /// Asks for a contact to be forgotten, also if it was before. Refused while a run is active.
    async fn ask_to_forget(&self, id: &IntegrationId, contact: &ContactId) -> Result<(), StoreError>;

    /// Contacts that were asked to be forgotten and are not erased yet; and whether what was erased is to be
    /// purged.
    async fn to_forget(&self, id: &IntegrationId) -> Result<(Vec<ContactId>, bool), StoreError>;

    /// Removes all that is kept of a contact but its tombstone. `profile`: whether APSIS One had one.
    async fn erase(&self, fence: &Fence, contact: &ContactId, profile: bool) -> Result<(), StoreError>;

    /// Remembers why forgetting did not succeed.
    async fn put_forget_failure(&self, fence: &Fence, cause: &Cause) -> Result<(), StoreError>;

    /// Sees to it that nothing of what was erased is left in the store's files, and remembers that. Other writes
    /// wait meanwhile where the store is one file.
    async fn purge(&self, fence: &Fence) -> Result<(), StoreError>;

    /// Lets a contact that was forgotten in again; whether it was.
    async fn readmit(&self, id: &IntegrationId, contact: &ContactId) -> Result<bool, StoreError>;
}

//! Addresses: who has which and what each says of it, and those that are being changed.

use std::collections::HashMap;

use async_trait::async_trait;

use super::StoreError;
use crate::address::{AddressDigest, Holding, Move, SharedAddress, Voices};
use crate::contact::{Channel, ContactId};
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::profile::KnownConsent;
use crate::run::RunId;

/// Who hears what contacts say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearer {
    /// A run, during which the rules stay as they are.
    Run(RunId),
    /// The lane, by the rules of this revision of the integration, if one is given. Refused with
    /// [`StoreError::Changed`] if it has another one now: they would say something else.
    Lane(Option<i64>),
}

/// Addresses: who has which and what each says of it, and those that are being changed.
#[async_trait]
pub trait AddressStore: Send + Sync {
    /// Stores what contacts say, and gives what counts for each. Where the lane hears it, others with a profile who
    /// share an address, and for whom something changes by it, are to be looked at again.
    async fn hear(
        &self,
        fence: &Fence,
        by: Hearer,
        holdings: Vec<Holding>,
    ) -> Result<HashMap<ContactId, Voices>, StoreError>;

    /// What counts for contacts that were heard.
    async fn voices(
        &self,
        id: &IntegrationId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, Voices>, StoreError>;

    /// The run has read everybody: whom it did not read says nothing any more.
    async fn forget_unread(&self, fence: &Fence, run: RunId) -> Result<(), StoreError>;

    /// Contacts whose address somebody else has too, or for whom that was taken into account when they were last
    /// heard, by id, after `after`, at most `limit`.
    async fn sharing(
        &self,
        run: RunId,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<ContactId>, StoreError>;

    /// Whether somebody but this contact is known to have an address.
    async fn is_held(
        &self,
        id: &IntegrationId,
        channel: Channel,
        address: &AddressDigest,
        but: &ContactId,
    ) -> Result<bool, StoreError>;

    /// Addresses that several contacts have, at most `limit`.
    async fn shared_addresses(
        &self,
        id: &IntegrationId,
        limit: u32,
    ) -> Result<Vec<SharedAddress>, StoreError>;

    /// Remembers a change of address before it is written. One that was begun before, from the same address, stays
    /// as it is.
    async fn begin_move(&self, fence: &Fence, contact: &ContactId, begun: &Move) -> Result<(), StoreError>;

    /// Forgets a contact's changes of address: they are done.
    async fn end_moves(&self, fence: &Fence, contact: &ContactId) -> Result<(), StoreError>;

    /// Keeps what a person had opted out of in APSIS One, of a profile that is to be deleted.
    async fn keep_opt_outs(
        &self,
        fence: &Fence,
        contact: &ContactId,
        opt_outs: Vec<KnownConsent>,
    ) -> Result<(), StoreError>;

    /// What was kept so of these contacts.
    async fn kept_opt_outs(
        &self,
        id: &IntegrationId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, Vec<KnownConsent>>, StoreError>;

    /// A contact's changes of address that are not done.
    async fn moves_of(&self, id: &IntegrationId, contact: &ContactId) -> Result<Vec<Move>, StoreError>;

    /// Contacts with changes of address that are not done, by id, after `after`, at most `limit`.
    async fn moving(
        &self,
        id: &IntegrationId,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<ContactId>, StoreError>;
}

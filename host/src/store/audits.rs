//! What an audit needs to know of contacts, and those of them that it doubts.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::contact::ContactId;
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::profile::WantedConsent;
use crate::run::LedgerEntry;

/// What is known of a contact at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What the ledger has; none: it does not know the contact.
    pub entry: Option<LedgerEntry>,
    /// It is being written, or may have been written in part, or a change of it waits: nothing can be said of what
    /// it should be.
    pub is_open: bool,
}

/// A contact of which APSIS One does not have what the ledger says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Which.
    pub contact: ContactId,
    /// The moment of the ledger's entry that says so.
    pub entry_at: Timestamp,
    /// What it is opted in to and should not be.
    pub opt_outs: Vec<WantedConsent>,
}

/// What an audit needs to know of contacts, and those of them that it doubts.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Contacts of which something is believed to be in APSIS One, by id, after `after`, at most `limit`.
    async fn written_contacts(
        &self,
        id: &IntegrationId,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<ContactId>, StoreError>;

    /// So many of them, evenly over all, by id.
    async fn written_sample(&self, id: &IntegrationId, size: u32) -> Result<Vec<ContactId>, StoreError>;

    /// What is known of each of these contacts.
    async fn judged(
        &self,
        id: &IntegrationId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, Judged>, StoreError>;

    /// Doubts contacts: they are not taken for done until they are written again. Left out is a contact of which
    /// something else was learnt since, or a change waits. How many there are then of these.
    async fn doubt(&self, id: &IntegrationId, doubts: Vec<Doubt>) -> Result<u64, StoreError>;

    /// Opt-outs of doubted contacts that are not made yet, by contact, after `after`, at most `limit`.
    async fn opt_outs_due(
        &self,
        id: &IntegrationId,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<(ContactId, Vec<WantedConsent>)>, StoreError>;

    /// Remembers that the opt-outs of doubted contacts are made.
    async fn opted_out(&self, fence: &Fence, contacts: &[ContactId]) -> Result<(), StoreError>;
}

//! Runs, and the ledger that they fill.

use std::collections::HashMap;

use async_trait::async_trait;

use super::{Found, PageCommit, RunEnd, StoreError};
use crate::brake::Held;
use crate::contact::{ContactId, Discard};
use crate::difference::Difference;
use crate::hosting::Fence;
use crate::integration::{Integration, IntegrationId};
use crate::profile::Intent;
use crate::run::{
    Batch, Counters, LedgerEntry, Outcome, Phase, Run, RunContact, RunId, RunOrder, Settled, Staged,
};

/// Runs, and the ledger that they fill.
#[async_trait]
pub trait RunStore: Send + Sync {
    /// Accepts a run; from then on the gate is closed. Refused while one is active. Details of all but
    /// the last ten runs of the integration are dropped.
    async fn accept_run(&self, integration: &IntegrationId, order: RunOrder) -> Result<Run, StoreError>;

    /// One run.
    async fn run(&self, id: RunId) -> Result<Run, StoreError>;

    /// An integration's runs, the newest first.
    async fn runs(&self, integration: &IntegrationId, limit: u32) -> Result<Vec<Run>, StoreError>;

    /// An integration's active run.
    async fn active_run(&self, integration: &IntegrationId) -> Result<Option<Run>, StoreError>;

    /// Asks an active run to stop. Without effect on one that has ended.
    async fn request_cancel(&self, id: RunId) -> Result<(), StoreError>;

    /// Moves a run on to a phase that is active.
    async fn enter_phase(&self, fence: &Fence, id: RunId, phase: Phase) -> Result<(), StoreError>;

    /// Reading starts anew: the cursor is cleared, what was decided stays until it is read again.
    /// Discarded records, which nothing tells apart, are forgotten, since they will come again.
    async fn restart_reading(&self, fence: &Fence, id: RunId) -> Result<(), StoreError>;

    /// A run that has written nothing begins to read anew: what it has decided and found is forgotten.
    async fn read_anew(&self, fence: &Fence, id: RunId) -> Result<Run, StoreError>;

    /// Stores a page: outcomes into the ledger, writes into the stage, the cursor and the counters,
    /// all or nothing. Returns the counters after it.
    async fn commit_page(&self, fence: &Fence, id: RunId, page: PageCommit) -> Result<Counters, StoreError>;

    /// What is known of these contacts; one never seen is left out.
    async fn ledger(
        &self,
        integration: &IntegrationId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, LedgerEntry>, StoreError>;

    /// For these contacts: intents that may have been written since the one that the ledger has, in part or
    /// as a whole, by runs which have ended or by the lane.
    async fn attempted(
        &self,
        integration: &IntegrationId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, Vec<Intent>>, StoreError>;

    /// How many staged contacts have no outcome yet.
    async fn staged_count(&self, id: RunId) -> Result<u64, StoreError>;

    /// Staged contacts without an outcome, in the order of their ids, after `after` and up to
    /// `last`, at most `limit`.
    async fn staged(
        &self,
        id: RunId,
        after: Option<&ContactId>,
        last: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<Staged>, StoreError>;

    /// These staged contacts, of those that have no outcome yet.
    async fn staged_of(&self, id: RunId, contacts: &[ContactId]) -> Result<Vec<Staged>, StoreError>;

    /// Remembers what staged profiles were before this run wrote to them. Contacts that are not
    /// staged are passed over; what is remembered already stays.
    async fn note_found(&self, fence: &Fence, id: RunId, found: Vec<Found>) -> Result<(), StoreError>;

    /// Remembers, for every staged contact of which nothing is known, that no profile was there.
    async fn note_rest_absent(&self, fence: &Fence, id: RunId) -> Result<(), StoreError>;

    /// Gives staged contacts their outcomes: ledger, stage and counters, all or nothing. A contact
    /// that has an outcome already is passed over. Returns the counters after it.
    async fn settle(&self, fence: &Fence, id: RunId, settled: Vec<Settled>) -> Result<Counters, StoreError>;

    /// Adds a bulk import, or replaces the one of the same number.
    async fn put_batch(&self, fence: &Fence, id: RunId, batch: &Batch) -> Result<(), StoreError>;

    /// The run's bulk imports, by number.
    async fn batches(&self, id: RunId) -> Result<Vec<Batch>, StoreError>;

    /// Bulk imports that were uploaded by runs that ended before they did: APSIS One may still be working on
    /// them.
    async fn imports_left(&self, integration: &IntegrationId) -> Result<Vec<(RunId, Batch)>, StoreError>;

    /// Remembers that an import that was left has ended.
    async fn end_import_left(&self, fence: &Fence, id: RunId, number: u32) -> Result<(), StoreError>;

    /// How many profiles are known to have been written.
    async fn profiles(&self, integration: &IntegrationId) -> Result<u64, StoreError>;

    /// Has a run wait until somebody approves.
    async fn hold_run(&self, fence: &Fence, id: RunId, held: &Held) -> Result<(), StoreError>;

    /// Approves of what an integration's run, or its lane, waits with; what that was.
    async fn approve(&self, integration: &IntegrationId) -> Result<Vec<Held>, StoreError>;

    /// Remembers what a dry run found that would become of a contact's profile.
    async fn note_difference(
        &self,
        fence: &Fence,
        id: RunId,
        contact: &ContactId,
        difference: &Difference,
    ) -> Result<(), StoreError>;

    /// What a dry run found that would become of its contacts' profiles, by id, after `after`, at most `limit`.
    async fn differences(
        &self,
        id: RunId,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<(RunContact, Difference)>, StoreError>;

    /// The definition that a dry run tries in place of the integration's own.
    async fn trial(&self, id: RunId) -> Result<Option<Integration>, StoreError>;

    /// Ends a run, and opens the gate. Returns it as it ended.
    async fn end_run(&self, fence: &Fence, id: RunId, end: RunEnd) -> Result<Run, StoreError>;

    /// A run's contacts by id, those of one outcome or all, after `after`, at most `limit`.
    async fn run_contacts(
        &self,
        id: RunId,
        outcome: Option<Outcome>,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<RunContact>, StoreError>;

    /// What the run made of these contacts; those that it has not read are left out.
    async fn outcomes_of(
        &self,
        id: RunId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, RunContact>, StoreError>;

    /// How often each reason code occurs in a run, by outcome, the most frequent first.
    async fn reasons(&self, id: RunId) -> Result<Vec<(Outcome, String, u64)>, StoreError>;

    /// A run's discarded records, in the order in which they came, at most `limit`.
    async fn discards(&self, id: RunId, limit: u32) -> Result<Vec<Discard>, StoreError>;
}

//! `RunStore`, each method one transaction.

use std::collections::HashMap;

use async_trait::async_trait;

use super::SqlStore;
use crate::brake::Held;
use crate::contact::{ContactId, Discard};
use crate::difference::Difference;
use crate::hosting::Fence;
use crate::integration::{Integration, IntegrationId};
use crate::profile::Intent;
use crate::run::{
    Batch, Counters, LedgerEntry, Outcome, Phase, Run, RunContact, RunId, RunOrder, Settled, Staged,
};
use crate::store::sql::{Engine, batches, brakes, ledger, pages, results, runs, stage};
use crate::store::{Found, PageCommit, RunEnd, RunStore, StoreError};

#[async_trait]
impl<E: Engine> RunStore for SqlStore<E> {
    async fn accept_run(&self, integration: &IntegrationId, order: RunOrder) -> Result<Run, StoreError> {
        let integration = integration.clone();
        self.engine.write(move |sql| runs::accept(sql, &integration, &order)).await
    }

    async fn run(&self, id: RunId) -> Result<Run, StoreError> {
        self.engine.read(move |sql| runs::get(sql, id)).await
    }

    async fn runs(&self, integration: &IntegrationId, limit: u32) -> Result<Vec<Run>, StoreError> {
        let integration = integration.clone();
        self.engine.read(move |sql| runs::newest(sql, &integration, limit)).await
    }

    async fn active_run(&self, integration: &IntegrationId) -> Result<Option<Run>, StoreError> {
        let integration = integration.clone();
        self.engine.read(move |sql| runs::active_of(sql, &integration)).await
    }

    async fn request_cancel(&self, id: RunId) -> Result<(), StoreError> {
        self.engine.write(move |sql| runs::request_cancel(sql, id)).await
    }

    async fn enter_phase(&self, fence: &Fence, id: RunId, phase: Phase) -> Result<(), StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| runs::enter_phase(sql, &fence, id, phase)).await
    }

    async fn restart_reading(&self, fence: &Fence, id: RunId) -> Result<(), StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| runs::restart_reading(sql, &fence, id)).await
    }

    async fn read_anew(&self, fence: &Fence, id: RunId) -> Result<Run, StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| runs::read_anew(sql, &fence, id)).await
    }

    async fn commit_page(&self, fence: &Fence, id: RunId, page: PageCommit) -> Result<Counters, StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| pages::commit(sql, &fence, id, &page)).await
    }

    async fn ledger(
        &self,
        integration: &IntegrationId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, LedgerEntry>, StoreError> {
        let (integration, contacts) = (integration.clone(), contacts.to_vec());
        self.engine.read(move |sql| ledger::get(sql, &integration, &contacts)).await
    }

    async fn attempted(
        &self,
        integration: &IntegrationId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, Vec<Intent>>, StoreError> {
        let (integration, contacts) = (integration.clone(), contacts.to_vec());
        self.engine.read(move |sql| stage::attempted_of(sql, &integration, &contacts)).await
    }

    async fn staged_count(&self, id: RunId) -> Result<u64, StoreError> {
        self.engine.read(move |sql| stage::count(sql, id)).await
    }

    async fn staged(
        &self,
        id: RunId,
        after: Option<&ContactId>,
        last: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<Staged>, StoreError> {
        let (after, last) = (after.cloned(), last.cloned());
        self.engine.read(move |sql| stage::between(sql, id, after.as_ref(), last.as_ref(), limit)).await
    }

    async fn staged_of(&self, id: RunId, contacts: &[ContactId]) -> Result<Vec<Staged>, StoreError> {
        let contacts = contacts.to_vec();
        self.engine.read(move |sql| stage::of(sql, id, &contacts)).await
    }

    async fn note_found(&self, fence: &Fence, id: RunId, found: Vec<Found>) -> Result<(), StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| stage::note_found(sql, &fence, id, &found)).await
    }

    async fn note_rest_absent(&self, fence: &Fence, id: RunId) -> Result<(), StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| stage::note_rest_absent(sql, &fence, id)).await
    }

    async fn settle(&self, fence: &Fence, id: RunId, settled: Vec<Settled>) -> Result<Counters, StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| stage::settle(sql, &fence, id, &settled)).await
    }

    async fn put_batch(&self, fence: &Fence, id: RunId, batch: &Batch) -> Result<(), StoreError> {
        let (fence, batch) = (fence.clone(), batch.clone());
        self.engine.write(move |sql| batches::put(sql, &fence, id, &batch)).await
    }

    async fn batches(&self, id: RunId) -> Result<Vec<Batch>, StoreError> {
        self.engine.read(move |sql| batches::all(sql, id)).await
    }

    async fn imports_left(&self, integration: &IntegrationId) -> Result<Vec<(RunId, Batch)>, StoreError> {
        let integration = integration.clone();
        self.engine.read(move |sql| batches::left(sql, &integration)).await
    }

    async fn end_import_left(&self, fence: &Fence, id: RunId, number: u32) -> Result<(), StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| batches::end_left(sql, &fence, id, number)).await
    }

    async fn profiles(&self, integration: &IntegrationId) -> Result<u64, StoreError> {
        let integration = integration.clone();
        self.engine.read(move |sql| ledger::profiles(sql, &integration)).await
    }

    async fn hold_run(&self, fence: &Fence, id: RunId, held: &Held) -> Result<(), StoreError> {
        let (fence, held) = (fence.clone(), held.clone());
        self.engine.write(move |sql| brakes::hold_run(sql, &fence, id, &held)).await
    }

    async fn approve(&self, integration: &IntegrationId) -> Result<Vec<Held>, StoreError> {
        let integration = integration.clone();
        self.engine.write(move |sql| brakes::approve(sql, &integration)).await
    }

    async fn note_difference(
        &self,
        fence: &Fence,
        id: RunId,
        contact: &ContactId,
        difference: &Difference,
    ) -> Result<(), StoreError> {
        let (fence, contact, difference) = (fence.clone(), contact.clone(), difference.clone());
        self.engine.write(move |sql| results::note_difference(sql, &fence, id, &contact, &difference)).await
    }

    async fn differences(
        &self,
        id: RunId,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<(RunContact, Difference)>, StoreError> {
        let after = after.cloned();
        self.engine.read(move |sql| results::differences(sql, id, after.as_ref(), limit)).await
    }

    async fn trial(&self, id: RunId) -> Result<Option<Integration>, StoreError> {
        self.engine.read(move |sql| runs::trial(sql, id)).await
    }

    async fn end_run(&self, fence: &Fence, id: RunId, end: RunEnd) -> Result<Run, StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| runs::end(sql, &fence, id, &end)).await
    }

    async fn run_contacts(
        &self,
        id: RunId,
        outcome: Option<Outcome>,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<RunContact>, StoreError> {
        let after = after.cloned();
        self.engine.read(move |sql| results::contacts(sql, id, outcome, after.as_ref(), limit)).await
    }

    async fn outcomes_of(
        &self,
        id: RunId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, RunContact>, StoreError> {
        let contacts = contacts.to_vec();
        self.engine.read(move |sql| results::of(sql, id, &contacts)).await
    }

    async fn reasons(&self, id: RunId) -> Result<Vec<(Outcome, String, u64)>, StoreError> {
        self.engine.read(move |sql| results::reasons(sql, id)).await
    }

    async fn discards(&self, id: RunId, limit: u32) -> Result<Vec<Discard>, StoreError> {
        self.engine.read(move |sql| results::discards(sql, id, limit)).await
    }
}

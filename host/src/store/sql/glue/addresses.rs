//! `AddressStore`, each method one transaction.

use std::collections::HashMap;

use async_trait::async_trait;

use super::SqlStore;
use crate::address::{AddressDigest, Holding, Move, SharedAddress, Voices};
use crate::contact::{Channel, ContactId};
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::profile::KnownConsent;
use crate::run::RunId;
use crate::store::sql::{Engine, addresses, integrations, moves, opt_outs, runs};
use crate::store::{AddressStore, Hearer, StoreError};

#[async_trait]
impl<E: Engine> AddressStore for SqlStore<E> {
    async fn hear(
        &self,
        fence: &Fence,
        by: Hearer,
        holdings: Vec<Holding>,
    ) -> Result<HashMap<ContactId, Voices>, StoreError> {
        let fence = fence.clone();
        self.engine
            .write(move |sql| {
                let scope = match by {
                    Hearer::Run(run) => addresses::scope_of(&runs::get(sql, run)?),
                    Hearer::Lane(revision) => {
                        if let Some(revision) = revision {
                            integrations::refuse_other(sql, &fence.integration, revision)?;
                        }
                        0
                    }
                };
                addresses::put(sql, &fence, scope, &holdings, matches!(by, Hearer::Lane(_)))
            })
            .await
    }

    async fn voices(
        &self,
        id: &IntegrationId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, Voices>, StoreError> {
        let (id, contacts) = (id.clone(), contacts.to_vec());
        self.engine.read(move |sql| addresses::of(sql, &id, 0, &contacts)).await
    }

    async fn forget_unread(&self, fence: &Fence, run: RunId) -> Result<(), StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| addresses::forget_unread(sql, &fence, run)).await
    }

    async fn sharing(
        &self,
        run: RunId,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<ContactId>, StoreError> {
        let after = after.cloned();
        self.engine
            .read(move |sql| {
                let run = runs::get(sql, run)?;
                addresses::concerned(sql, &run.integration, addresses::scope_of(&run), after.as_ref(), limit)
            })
            .await
    }

    async fn is_held(
        &self,
        id: &IntegrationId,
        channel: Channel,
        address: &AddressDigest,
        but: &ContactId,
    ) -> Result<bool, StoreError> {
        let (id, address, but) = (id.clone(), address.clone(), but.clone());
        self.engine.read(move |sql| addresses::is_held(sql, &id, channel, &address, &but)).await
    }

    async fn shared_addresses(
        &self,
        id: &IntegrationId,
        limit: u32,
    ) -> Result<Vec<SharedAddress>, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| addresses::shared(sql, &id, limit)).await
    }

    async fn begin_move(&self, fence: &Fence, contact: &ContactId, begun: &Move) -> Result<(), StoreError> {
        let (fence, contact, begun) = (fence.clone(), contact.clone(), begun.clone());
        self.engine.write(move |sql| moves::begin(sql, &fence, &contact, &begun)).await
    }

    async fn end_moves(&self, fence: &Fence, contact: &ContactId) -> Result<(), StoreError> {
        let (fence, contact) = (fence.clone(), contact.clone());
        self.engine.write(move |sql| moves::end(sql, &fence, &contact)).await
    }

    async fn keep_opt_outs(
        &self,
        fence: &Fence,
        contact: &ContactId,
        opt_outs: Vec<KnownConsent>,
    ) -> Result<(), StoreError> {
        let (fence, contact) = (fence.clone(), contact.clone());
        self.engine.write(move |sql| opt_outs::keep(sql, &fence, &contact, &opt_outs)).await
    }

    async fn kept_opt_outs(
        &self,
        id: &IntegrationId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, Vec<KnownConsent>>, StoreError> {
        let (id, contacts) = (id.clone(), contacts.to_vec());
        self.engine.read(move |sql| opt_outs::of(sql, &id, &contacts)).await
    }

    async fn moves_of(&self, id: &IntegrationId, contact: &ContactId) -> Result<Vec<Move>, StoreError> {
        let (id, contact) = (id.clone(), contact.clone());
        self.engine
            .read(move |sql| {
                let mut moves = moves::of(sql, &id, std::slice::from_ref(&contact))?;
                Ok(moves.remove(&contact).unwrap_or_default())
            })
            .await
    }

    async fn moving(
        &self,
        id: &IntegrationId,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<ContactId>, StoreError> {
        let (id, after) = (id.clone(), after.cloned());
        self.engine.read(move |sql| moves::pending(sql, &id, after.as_ref(), limit)).await
    }
}

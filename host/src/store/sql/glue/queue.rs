//! `QueueStore`, each method one transaction.

use async_trait::async_trait;
use jiff::Timestamp;

use super::SqlStore;
use crate::brake::{Effect, Held, Tally};
use crate::change::{Arrival, Decoded, DeliveryNumber, LaneEnd, NewDelivery, Refused, Taken, Undecoded};
use crate::contact::ContactId;
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::lane::{
    CauseCount, ChangeRecord, DeliveryFilter, DeliveryLine, DeliveryRecord, LaneRecord, LaneStatus, Pause,
    Replay,
};
use crate::profile::Intent;
use crate::run::{Run, RunContact};
use crate::store::sql::{Engine, brakes, changes, deliveries, lane, listing, results};
use crate::store::{Newcomer, QueueStore, StoreError};

#[async_trait]
impl<E: Engine> QueueStore for SqlStore<E> {
    async fn put_deliveries(&self, deliveries: Vec<NewDelivery>) -> Result<Vec<Arrival>, StoreError> {
        self.engine.write(move |sql| deliveries::put(sql, &deliveries)).await
    }

    async fn count_refused(&self, counts: Vec<(IntegrationId, Refused, u64)>) -> Result<(), StoreError> {
        self.engine.write(move |sql| deliveries::count_refused(sql, &counts)).await
    }

    async fn undecoded(
        &self,
        id: &IntegrationId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Undecoded>, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| deliveries::undecoded(sql, &id, now, limit)).await
    }

    async fn commit_decoded(
        &self,
        fence: &Fence,
        decoded: Vec<(DeliveryNumber, Decoded)>,
    ) -> Result<(), StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| changes::commit_decoded(sql, &fence, &decoded)).await
    }

    async fn take(
        &self,
        id: &IntegrationId,
        now: Timestamp,
        busy: &[ContactId],
        limit: u32,
    ) -> Result<Taken, StoreError> {
        let (id, busy) = (id.clone(), busy.to_vec());
        self.engine.read(move |sql| lane::take(sql, &id, now, &busy, limit)).await
    }

    async fn begin_writes(
        &self,
        fence: &Fence,
        intents: Vec<Intent>,
        effects: Vec<(ContactId, Effect)>,
    ) -> Result<(), StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| lane::begin_writes(sql, &fence, &intents, &effects)).await
    }

    async fn lane_tally(
        &self,
        id: &IntegrationId,
        now: Timestamp,
        about_to: &[(ContactId, Effect)],
    ) -> Result<Tally, StoreError> {
        let (id, about_to) = (id.clone(), about_to.to_vec());
        self.engine.read(move |sql| brakes::lane_tally(sql, &id, now, &about_to)).await
    }

    async fn hold_lane(&self, fence: &Fence, held: Option<&Held>) -> Result<(), StoreError> {
        let (fence, held) = (fence.clone(), held.cloned());
        self.engine.write(move |sql| brakes::hold_lane(sql, &fence, held.as_ref())).await
    }

    async fn held_lane(&self, id: &IntegrationId) -> Result<Option<Held>, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| brakes::held_lane(sql, &id)).await
    }

    async fn note_absent(&self, fence: &Fence, contact: &ContactId) -> Result<(), StoreError> {
        let (fence, contact) = (fence.clone(), contact.clone());
        self.engine.write(move |sql| lane::note_absent(sql, &fence, &contact)).await
    }

    async fn settle_changes(&self, fence: &Fence, ends: Vec<LaneEnd>) -> Result<(), StoreError> {
        let fence = fence.clone();
        self.engine.write(move |sql| lane::settle(sql, &fence, &ends)).await
    }

    async fn lane(&self, id: &IntegrationId) -> Result<LaneRecord, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| lane::record(sql, &id)).await
    }

    async fn put_pause(&self, fence: &Fence, pause: Option<&Pause>) -> Result<(), StoreError> {
        let (fence, pause) = (fence.clone(), pause.cloned());
        self.engine.write(move |sql| lane::put_pause(sql, &fence, pause.as_ref())).await
    }

    async fn newcomers(
        &self,
        id: &IntegrationId,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<Newcomer>, StoreError> {
        let (id, after) = (id.clone(), after.cloned());
        self.engine.read(move |sql| lane::newcomers(sql, &id, after.as_ref(), limit)).await
    }

    async fn drop_newcomers(&self, fence: &Fence, contacts: &[ContactId]) -> Result<(), StoreError> {
        let (fence, contacts) = (fence.clone(), contacts.to_vec());
        self.engine.write(move |sql| lane::drop_newcomers(sql, &fence, &contacts)).await
    }

    async fn lane_status(&self, id: &IntegrationId) -> Result<LaneStatus, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| listing::status(sql, &id)).await
    }

    async fn deliveries(
        &self,
        id: &IntegrationId,
        filter: &DeliveryFilter,
        before: Option<DeliveryNumber>,
        limit: u32,
    ) -> Result<Vec<DeliveryLine>, StoreError> {
        let (id, filter) = (id.clone(), filter.clone());
        self.engine.read(move |sql| listing::deliveries(sql, &id, &filter, before, limit)).await
    }

    async fn delivery(
        &self,
        id: &IntegrationId,
        number: DeliveryNumber,
    ) -> Result<DeliveryRecord, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| listing::delivery(sql, &id, number)).await
    }

    async fn causes(&self, id: &IntegrationId, dead: bool) -> Result<Vec<CauseCount>, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| listing::causes(sql, &id, dead)).await
    }

    async fn replay(&self, id: &IntegrationId, which: &Replay, before: Timestamp) -> Result<u64, StoreError> {
        let (id, which) = (id.clone(), which.clone());
        self.engine.write(move |sql| changes::replay(sql, &id, &which, before)).await
    }

    async fn changes_of(
        &self,
        id: &IntegrationId,
        contact: &ContactId,
        limit: u32,
    ) -> Result<Vec<ChangeRecord>, StoreError> {
        let (id, contact) = (id.clone(), contact.clone());
        self.engine.read(move |sql| listing::changes_of(sql, &id, &contact, limit)).await
    }

    async fn runs_of(
        &self,
        id: &IntegrationId,
        contact: &ContactId,
    ) -> Result<Vec<(Run, RunContact)>, StoreError> {
        let (id, contact) = (id.clone(), contact.clone());
        self.engine.read(move |sql| results::of_contact(sql, &id, &contact)).await
    }
}

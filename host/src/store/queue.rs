//! Deliveries on their way: taken in, decoded, taken by the lane, ended; and what came of them.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Newcomer, StoreError};
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

/// Deliveries on their way: taken in, decoded, taken by the lane, ended; and what came of them.
#[async_trait]
pub trait QueueStore: Send + Sync {
    /// Stores deliveries, all or none, in this order; what became of each.
    async fn put_deliveries(&self, deliveries: Vec<NewDelivery>) -> Result<Vec<Arrival>, StoreError>;

    /// Adds to the counts of requests that were turned away.
    async fn count_refused(&self, counts: Vec<(IntegrationId, Refused, u64)>) -> Result<(), StoreError>;

    /// Deliveries that are due to be decoded at `now`, in the order in which they came, at most `limit`;
    /// none while the gate is closed.
    async fn undecoded(
        &self,
        id: &IntegrationId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Undecoded>, StoreError>;

    /// Stores what deliveries say, or why they could not be decoded.
    async fn commit_decoded(
        &self,
        fence: &Fence,
        decoded: Vec<(DeliveryNumber, Decoded)>,
    ) -> Result<(), StoreError>;

    /// Contacts whose changes are due at `now`, in the order in which the oldest of each came, at most `limit`,
    /// but for those that are `busy`.
    async fn take(
        &self,
        id: &IntegrationId,
        now: Timestamp,
        busy: &[ContactId],
        limit: u32,
    ) -> Result<Taken, StoreError>;

    /// Remembers what is about to be written, so that it is known should the answer get lost. Refused with
    /// [`StoreError::GateClosed`] while a run is active. `effects`: what of it the brake counts.
    async fn begin_writes(
        &self,
        fence: &Fence,
        intents: Vec<Intent>,
        effects: Vec<(ContactId, Effect)>,
    ) -> Result<(), StoreError>;

    /// What the lane has done within the brake's window, together with what it is about to do; each contact is counted
    /// once for each effect. Nothing, for as long after an approval.
    async fn lane_tally(
        &self,
        id: &IntegrationId,
        now: Timestamp,
        about_to: &[(ContactId, Effect)],
    ) -> Result<Tally, StoreError>;

    /// Remembers what the lane waits with until somebody approves.
    async fn hold_lane(&self, fence: &Fence, held: Option<&Held>) -> Result<(), StoreError>;

    /// What the lane waits with.
    async fn held_lane(&self, id: &IntegrationId) -> Result<Option<Held>, StoreError>;

    /// Remembers that a contact had no profile before the lane created it.
    async fn note_absent(&self, fence: &Fence, contact: &ContactId) -> Result<(), StoreError>;

    /// Gives the changes of contacts their outcomes, or puts them off: ledger, changes and deliveries, all
    /// or nothing.
    async fn settle_changes(&self, fence: &Fence, ends: Vec<LaneEnd>) -> Result<(), StoreError>;

    /// What is kept of a lane beside its changes.
    async fn lane(&self, id: &IntegrationId) -> Result<LaneRecord, StoreError>;

    /// Pauses a lane, or lets it go on.
    async fn put_pause(&self, fence: &Fence, pause: Option<&Pause>) -> Result<(), StoreError>;

    /// Contacts that wait for the daily run, by id, after `after`, at most `limit`.
    async fn newcomers(
        &self,
        id: &IntegrationId,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<Newcomer>, StoreError>;

    /// Forgets newcomers that are there no more.
    async fn drop_newcomers(&self, fence: &Fence, contacts: &[ContactId]) -> Result<(), StoreError>;

    /// An integration's real time at one glance.
    async fn lane_status(&self, id: &IntegrationId) -> Result<LaneStatus, StoreError>;

    /// An integration's deliveries, the newest first, before `before`, at most `limit`.
    async fn deliveries(
        &self,
        id: &IntegrationId,
        filter: &DeliveryFilter,
        before: Option<DeliveryNumber>,
        limit: u32,
    ) -> Result<Vec<DeliveryLine>, StoreError>;

    /// One delivery with all that is kept of it.
    async fn delivery(
        &self,
        id: &IntegrationId,
        number: DeliveryNumber,
    ) -> Result<DeliveryRecord, StoreError>;

    /// The causes of an integration's dead letters, or of what was discarded, the most frequent first.
    async fn causes(&self, id: &IntegrationId, dead: bool) -> Result<Vec<CauseCount>, StoreError>;

    /// Has some dead letters that became so before a moment decoded and processed anew; how many. Call it until
    /// there are none.
    async fn replay(&self, id: &IntegrationId, which: &Replay, before: Timestamp) -> Result<u64, StoreError>;

    /// A contact's changes, the newest first, at most `limit`.
    async fn changes_of(
        &self,
        id: &IntegrationId,
        contact: &ContactId,
        limit: u32,
    ) -> Result<Vec<ChangeRecord>, StoreError>;

    /// The runs that read a contact, the newest first, with what it came to in each.
    async fn runs_of(
        &self,
        id: &IntegrationId,
        contact: &ContactId,
    ) -> Result<Vec<(Run, RunContact)>, StoreError>;
}

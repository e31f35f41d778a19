//! The vocabulary of an integration in real time: its lane's state, its webhook, and how they are shown.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::change::{Cause, ChangeNumber, ChangeOutcome, Delivery, DeliveryNumber};
use crate::contact::ContactId;
use crate::hosting::HostId;
use crate::integration::{Integration, IntegrationId};
use crate::need::Need;
use crate::run::RunId;
use crate::step::Asked;

/// Why a lane takes nothing, though its gate is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pause {
    /// What it waits for.
    pub kind: PauseKind,
    /// What went wrong.
    pub cause: Cause,
    /// How often in a row.
    pub failures: u32,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When it is tried again, with one contact.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
}

/// What a paused lane waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PauseKind {
    /// A remote that does not answer, or answers everything with an error.
    Remote,
    /// Somebody who mends credentials, a right or a setting.
    NeedsAttention,
    /// Somebody who approves: it would do more than it may without being asked.
    Held,
}

/// What the store keeps of a lane beside its changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaneRecord {
    /// Set: it takes nothing.
    pub pause: Option<Pause>,
    /// The moment up to which daily runs are done.
    pub daily_done: Option<Timestamp>,
    /// When the last full sync or daily run that completed was accepted.
    pub read_up_to: Option<Timestamp>,
}

/// An integration as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its definition.
    pub integration: Integration,
    /// Grows with every change of the definition or of what follows here.
    pub revision: i64,
    /// Whether its lane works. If not, deliveries are stored and held.
    pub enabled: bool,
    /// It is to be deleted, once its webhook is taken back.
    pub retiring: bool,
    /// The component that it used before, and can return to.
    pub connector_before: Option<String>,
    /// The last part of the address that the CRM delivers to.
    pub key: String,
    /// The one before it, taken until that moment.
    pub previous_key: Option<(String, Timestamp)>,
}

/// The webhook in the CRM.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// The one that the CRM sends to.
    pub standing: Option<Subscription>,
    /// An address that the CRM was asked to send to, and may, whether it said so or not.
    #[serde(default)]
    pub asked: Option<String>,
    /// Those that were replaced, and may still be there.
    #[serde(default)]
    pub leaving: Vec<Subscription>,
    /// One stood, and was taken back: what the CRM would have sent since is missing.
    #[serde(default)]
    pub lapsed: bool,
    /// Why setting it up or taking it back did not succeed.
    pub failure: Option<Cause>,
    /// When that is tried again.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub due: Option<Timestamp>,
}

impl Webhook {
    /// Whether the CRM sends nothing, as far as is known.
    pub fn is_gone(&self) -> bool {
        self.standing.is_none() && self.asked.is_none() && self.leaving.is_empty()
    }
}

/// One subscription in the CRM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Subscription {
    /// Where the CRM sends to.
    pub url: String,
    /// The CRM's id of it.
    pub id: String,
}

/// An integration's real time at one glance.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LaneStatus {
    /// Whose.
    pub integration: IntegrationId,
    /// Whether the lane works.
    pub enabled: bool,
    /// The host that works on it.
    pub host: Option<HostId>,
    /// The run that keeps the gate closed.
    pub gate_closed_by: Option<RunId>,
    /// Why the lane takes nothing.
    pub pause: Option<Pause>,
    /// Deliveries that are not decoded yet.
    pub deliveries_waiting: u64,
    /// Contacts with open changes.
    pub contacts_waiting: u64,
    /// Those of them that wait for another attempt, and deliveries that do.
    pub retrying: u64,
    /// When the oldest delivery that has no outcome came in.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest: Option<Timestamp>,
    /// Dead letters.
    pub dead: u64,
    /// New contacts that wait for the daily run.
    pub newcomers: u64,
    /// Requests to deliver that were turned away as forged, and as stale.
    pub refused: (u64, u64),
    /// The webhook in the CRM.
    pub webhook: Webhook,
    /// What a full sync is needed for.
    pub needs: Vec<Need>,
}

/// How an integration is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It is switched off.
    Disabled,
    /// Somebody has to mend credentials, a right or a setting.
    NeedsAttention,
    /// It waits until somebody approves.
    Held,
    /// A remote does not answer; it is tried again.
    Waiting,
    /// A run is active.
    Running,
    /// It works, and has dead letters.
    DeadLetters,
    /// It works.
    Works,
}

impl LaneStatus {
    /// How it is.
    pub fn health(&self) -> Health {
        match &self.pause {
            _ if !self.enabled => Health::Disabled,
            Some(Pause { kind: PauseKind::NeedsAttention, .. }) => Health::NeedsAttention,
            Some(Pause { kind: PauseKind::Held, .. }) => Health::Held,
            Some(Pause { kind: PauseKind::Remote, .. }) => Health::Waiting,
            None if self.gate_closed_by.is_some() => Health::Running,
            None if self.dead > 0 => Health::DeadLetters,
            None => Health::Works,
        }
    }
}

/// Which deliveries are listed.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Only those that came to this.
    pub outcome: Option<ChangeOutcome>,
    /// Only dead letters.
    pub dead: bool,
    /// Only those that have no outcome yet.
    pub open: bool,
    /// Only those with a cause of this code.
    pub cause: Option<String>,
}

/// A delivery as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DeliveryLine {
    /// Its number.
    pub number: DeliveryNumber,
    /// The CRM's id of it.
    pub id: Option<String>,
    /// When it came in.
    #[schema(value_type = String, format = DateTime)]
    pub arrived_at: Timestamp,
    /// Whether it was decoded.
    pub decoded: bool,
    /// How often decoding failed.
    pub attempts: u32,
    /// What it came to; none while it waits.
    pub outcome: Option<ChangeOutcome>,
    /// Whether it is a dead letter.
    pub dead: bool,
    /// Why.
    pub cause: Option<Cause>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
}

/// A delivery with everything that is kept of it.
#[derive(Debug, Clone)]
pub struct DeliveryRecord {
    /// Whose.
    pub integration: IntegrationId,
    /// As it is listed.
    pub line: DeliveryLine,
    /// What came.
    pub delivery: Delivery,
    /// What was decoded from it.
    pub changes: Vec<ChangeRecord>,
}

/// A change with everything that is kept of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ChangeRecord {
    /// Its number.
    pub number: ChangeNumber,
    /// The delivery that said it.
    pub delivery: DeliveryNumber,
    /// When that came in.
    #[schema(value_type = String, format = DateTime)]
    pub arrived_at: Timestamp,
    /// Who it is about.
    pub contact: Option<ContactId>,
    /// What it is: upserted, touched, deleted, consented or discarded.
    pub kind: String,
    /// What it came to; none while it waits.
    pub outcome: Option<ChangeOutcome>,
    /// Whether it was given up: a dead letter.
    pub dead: bool,
    /// Why; while it waits, what went wrong the last time.
    pub cause: Option<Cause>,
    /// While it waits: how often its contact was tried.
    pub attempts: u32,
    /// While it waits: when it is tried again, if not at once.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub due: Option<Timestamp>,
    /// The change that took its place, if one did.
    pub superseded_by: Option<ChangeNumber>,
    /// What was asked of APSIS One.
    pub steps: Vec<Asked>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
}

/// How often a cause occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CauseCount {
    /// The code.
    pub code: String,
    /// How many deliveries.
    pub deliveries: u64,
    /// The newest of them.
    pub newest: DeliveryNumber,
    /// What that one says.
    pub message: String,
}

/// Which dead letters are replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replay {
    /// One, whatever it came to, if it has ended.
    One(DeliveryNumber),
    /// Those with a cause of this code.
    Cause(String),
    /// All.
    All,
}

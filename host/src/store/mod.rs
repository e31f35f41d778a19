//! What the host remembers: integrations, deliveries and their changes, runs, and the ledger of each
//! contact's last outcome.
//!
//! The store is the only truth: each method is one transaction, on disk when it returns, so that a
//! host killed at any instruction restarts and goes on. SQL lives behind this trait and nowhere
//! else, written once (`sql`) for two engines: SQLite (`sqlite`), embedded, and PostgreSQL (`postgres`), which
//! several hosts may share. It decides nothing: what a state means is for `sync` to say.

mod access;
mod addresses;
mod alerts;
mod audits;
mod components;
mod fault;
mod hosts;
mod integrations;
mod overviews;
mod postgres;
mod queue;
mod runs;
mod secrets;
mod sql;
mod sqlite;
mod stories;

use crate::access::TokenId;
use crate::change::DeliveryNumber;
use crate::contact::{Contact, ContactId, Cursor, Discard};
use crate::difference::AttributeChange;
use crate::error::{ErrorCode, Failure};
use crate::integration::IntegrationId;
use crate::overview::OverviewError;
use crate::profile::KnownConsent;
use crate::run::{Decided, Phase, RunId};
use crate::secret::SecretPlace;

pub use access::{AccessStore, KeptAnswer, Repeatable, Repetition};
pub use addresses::{AddressStore, Hearer};
pub use alerts::AlertStore;
pub use audits::{AuditStore, Doubt, Judged};
pub use components::{ComponentRecord, ComponentStore, Switch};
pub use hosts::HostStore;
pub use integrations::{Expected, IntegrationStore};
pub use overviews::{NewImport, OverviewStore};
pub use postgres::{PostgresStore, is_postgres_url};
pub use queue::QueueStore;
pub use runs::RunStore;
pub use secrets::SecretStore;
pub use sqlite::SqliteStore;
pub use stories::StoryStore;

/// Why the store could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database is full, unreadable or broken.
    #[error("the store at {place} failed: {message}. {todo}")]
    Broken {
        /// The database's file or address.
        place: String,
        /// What the database said.
        message: String,
        /// What to look at.
        todo: &'static str,
    },
    /// The database is of a newer program.
    #[error(
        "the store at {place} was written by a newer Sluice ({message}); run that version, or restore a backup"
    )]
    TooNew {
        /// The database's file or address.
        place: String,
        /// Which version it has.
        message: String,
    },
    /// The database is of an older program, and several hosts may be using it.
    #[error(
        "the store at {place} has the schema of an older Sluice ({message}); stop the hosts of that version, and run \
         `sluice store migrate`"
    )]
    TooOld {
        /// The database's address.
        place: String,
        /// Which version it has.
        message: String,
    },
    /// Another host has taken over.
    #[error(
        "this host no longer holds {0}: another one has taken it over, and what this one would have written was \
         refused. Nothing is to be done; if it happens often, look why this host was slow or cut off"
    )]
    LeaseLost(IntegrationId),
    /// A full sync is active: the lane may not write.
    #[error("the gate of {integration} is closed by run {run}; its changes wait until that has ended")]
    GateClosed {
        /// Whose.
        integration: IntegrationId,
        /// Which run.
        run: RunId,
    },
    /// There is no such delivery.
    #[error(
        "{integration} has no delivery {number}; `sluice deliveries list {integration}` lists those there are"
    )]
    NoDelivery {
        /// Whose.
        integration: IntegrationId,
        /// Which.
        number: DeliveryNumber,
    },
    /// It has not ended.
    #[error(
        "delivery {0} has not ended yet, so that there is nothing to replay; `sluice status` says what it waits for"
    )]
    DeliveryOpen(DeliveryNumber),
    /// There is nothing left of it.
    #[error(
        "delivery {0} was about a contact that was forgotten: nothing is left of it that could be replayed. The next full \
         sync brings what else it said"
    )]
    DeliveryEmptied(DeliveryNumber),
    /// There is no such integration.
    #[error("there is no integration {0}; `sluice integration list` names those there are")]
    NoIntegration(IntegrationId),
    /// It is not as whoever wants to change it believes.
    #[error(
        "{integration} was changed by somebody else meanwhile (its revision is {revision} now); look at it as it is, and \
         make the change again"
    )]
    Changed {
        /// Which.
        integration: IntegrationId,
        /// Its revision now; 0: there is none.
        revision: i64,
    },
    /// There is no such component.
    #[error("the component {0} is not in the store; `sluice connector list` names those there are")]
    NoComponent(String),
    /// An integration uses it, or can return to it.
    #[error(
        "the component {name} is used by {integrations}, or is what that returns to: upgrade to another one first, twice if \
         it is to be returned to no more"
    )]
    ComponentInUse {
        /// Which.
        name: String,
        /// By which integrations, joined by commas.
        integrations: String,
    },
    /// What is asked of an overview cannot be done.
    #[error(transparent)]
    Overview(#[from] OverviewError),
    /// There is no such token.
    #[error("there is no token {0}; `sluice token list` names those there are")]
    NoToken(TokenId),
    /// There is no such secret.
    #[error("{integration} has no secret {name} in the store; `sluice secrets list {integration}` names those there are",
        integration = .0.integration, name = .0.name)]
    NoSecret(SecretPlace),
    /// There is no such run.
    #[error("there is no run {0}; `sluice sync list` names those there are")]
    NoRun(RunId),
    /// One is active already.
    #[error(
        "run {run} of {integration} is still active; `sluice sync watch {integration}` watches it, and goes on with \
         it if it was interrupted; `sluice sync cancel {integration}` cancels it"
    )]
    RunActive {
        /// Whose.
        integration: IntegrationId,
        /// Which.
        run: RunId,
    },
    /// What is known of the contacts is not enough for a run that asks nothing else.
    #[error(
        "what is known of the contacts of {integration} is not enough: {why}. Start a full sync that reads the CRM: `sluice \
         sync start {integration}`"
    )]
    KnownNotEnough {
        /// Whose.
        integration: IntegrationId,
        /// What is missing.
        why: String,
    },
    /// A step of a run that has ended already, as one that was cancelled meanwhile has.
    #[error("run {0} has ended; start a new full sync to go on")]
    RunEnded(RunId),
    /// A run was to move on to a phase that ends it.
    #[error("run {run} cannot be moved on to {phase:?}: a run ends by its outcome. Please report this")]
    PhaseEnds {
        /// Which.
        run: RunId,
        /// The phase.
        phase: Phase,
    },
}

impl ErrorCode for StoreError {
    fn code(&self) -> &'static str {
        match self {
            Self::Broken { .. } => "store-broken",
            Self::TooNew { .. } => "store-too-new",
            Self::TooOld { .. } => "store-too-old",
            Self::LeaseLost(_) => "lease-lost",
            Self::GateClosed { .. } => "gate-closed",
            Self::NoDelivery { .. } => "delivery-unknown",
            Self::DeliveryOpen(_) => "delivery-open",
            Self::DeliveryEmptied(_) => "delivery-emptied",
            Self::NoIntegration(_) => "integration-unknown",
            Self::Changed { .. } => "integration-changed",
            Self::NoComponent(_) => "catalogue-missing",
            Self::ComponentInUse { .. } => "component-in-use",
            Self::Overview(error) => error.code(),
            Self::NoToken(_) => "token-none",
            Self::NoSecret(_) => "secret-unknown",
            Self::NoRun(_) => "run-unknown",
            Self::RunActive { .. } => "run-active",
            Self::KnownNotEnough { .. } => "known-not-enough",
            Self::RunEnded(_) => "run-ended",
            Self::PhaseEnds { .. } => "run-phase-ends",
        }
    }
}

/// A page of a run, decided, to be stored with the cursor of the next one.
#[derive(Debug)]
pub struct PageCommit {
    /// The page's contacts. One that the run has already is replaced, and counted once.
    pub decided: Vec<Decided>,
    /// The page's discarded records.
    pub discarded: Vec<Discard>,
    /// Where reading goes on; none after the last page.
    pub next: Option<Cursor>,
    /// How many contacts there are in all, where the CRM says.
    pub total: Option<u64>,
}

/// What one profile was found to be, before this run wrote to it.
#[derive(Debug, Clone)]
pub struct Found {
    /// Which.
    pub contact: ContactId,
    /// Whether the profile is there.
    pub existed: bool,
    /// Its consents.
    pub consents: Vec<KnownConsent>,
    /// In a dry run: how its attributes differ from what is intended.
    pub attributes: Option<Vec<AttributeChange>>,
}

impl Found {
    /// There was no profile.
    pub fn absent(contact: ContactId) -> Self {
        Self { contact, existed: false, consents: Vec::new(), attributes: None }
    }
}

/// How a run ended.
#[derive(Debug, Clone)]
pub enum RunEnd {
    /// Every contact has its outcome. The store refuses this (as `Failed` with code
    /// `run-does-not-add-up`) when the counters, or the outcomes counted anew, do not add up.
    Completed,
    /// It stopped, and why.
    Failed(Failure),
    /// Somebody cancelled it.
    Cancelled,
}

/// A contact that waits for the daily run.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// Which.
    pub contact: ContactId,
    /// Its newest state, where it was pushed and cannot be read again.
    pub state: Option<Contact>,
}

/// The store. All methods may be called from many tasks at once.
///
/// A method that takes a [`Fence`](crate::hosting::Fence) is refused with [`StoreError::LeaseLost`] once another
/// host has taken the integration over. A step of a run that has ended is refused with
/// [`StoreError::RunEnded`]. Moments are kept to the microsecond. A call whose future is dropped may have
/// taken effect.
pub trait Store:
    AccessStore
    + IntegrationStore
    + ComponentStore
    + SecretStore
    + HostStore
    + QueueStore
    + RunStore
    + AddressStore
    + AlertStore
    + AuditStore
    + StoryStore
    + OverviewStore
{
}

impl<
    T: AccessStore
        + IntegrationStore
        + ComponentStore
        + SecretStore
        + HostStore
        + QueueStore
        + RunStore
        + AddressStore
        + AlertStore
        + AuditStore
        + StoryStore
        + OverviewStore,
> Store for T
{
}

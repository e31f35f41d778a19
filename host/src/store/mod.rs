//! What the host remembers: integrations, runs, and the ledger of each contact's last outcome.
//!
//! The store is the only truth: each method is one transaction, on disk when it returns, so that a
//! host killed at any instruction restarts and goes on. SQL lives behind this trait and nowhere
//! else. It decides nothing: what a state means is for `sync` to say.

mod sqlite;

use std::collections::HashMap;

use async_trait::async_trait;

use crate::contact::{ContactId, Cursor, Discard};
use crate::error::{ErrorCode, Failure};
use crate::integration::{Integration, IntegrationId};
use crate::profile::{Intent, KnownConsent};
use crate::run::{
    Batch, Counters, Decided, LedgerEntry, Outcome, Phase, Run, RunContact, RunId, Settled, Staged,
};

pub use sqlite::SqliteStore;

/// Why the store could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database is full, unreadable or broken.
    #[error("the store at {path} failed: {message}. Check the disk's free space and the file's permissions")]
    Broken {
        /// The database file.
        path: String,
        /// What the database said.
        message: String,
    },
    /// The database is of a newer program.
    #[error(
        "the store at {path} was written by a newer Sluice ({message}); run that version, or restore a backup"
    )]
    TooNew {
        /// The database file.
        path: String,
        /// Which version it has.
        message: String,
    },
    /// There is no such integration.
    #[error("there is no integration {0}; `sluice integration list` names those there are")]
    NoIntegration(IntegrationId),
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
            Self::NoIntegration(_) => "integration-unknown",
            Self::NoRun(_) => "run-unknown",
            Self::RunActive { .. } => "run-active",
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

/// The store. All methods may be called from many tasks at once.
///
/// A step of a run that has ended is refused with [`StoreError::RunEnded`]. Moments are kept to the
/// microsecond. A call whose future is dropped may have taken effect.
#[async_trait]
pub trait Store: Send + Sync {
    /// Adds an integration, or replaces the one of the same id. Refused while a run is active, which may
    /// be gone on with after a crash and must then find what it began with.
    async fn put_integration(&self, integration: &Integration) -> Result<(), StoreError>;

    /// One integration; none if there is none of this id.
    async fn integration(&self, id: &IntegrationId) -> Result<Option<Integration>, StoreError>;

    /// All integrations, by id.
    async fn integrations(&self) -> Result<Vec<Integration>, StoreError>;

    /// Deletes an integration with its runs and ledger. Refused while a run is active.
    async fn delete_integration(&self, id: &IntegrationId) -> Result<(), StoreError>;

    /// Accepts a full sync. Refused while one is active. Details of all but the last ten runs of
    /// the integration are dropped.
    async fn accept_run(&self, integration: &IntegrationId, forced: bool) -> Result<Run, StoreError>;

    /// One run.
    async fn run(&self, id: RunId) -> Result<Run, StoreError>;

    /// An integration's runs, the newest first.
    async fn runs(&self, integration: &IntegrationId, limit: u32) -> Result<Vec<Run>, StoreError>;

    /// Every active run, the oldest first: what a restarted host goes on with.
    async fn active_runs(&self) -> Result<Vec<Run>, StoreError>;

    /// Asks an active run to stop. Without effect on one that has ended.
    async fn request_cancel(&self, id: RunId) -> Result<(), StoreError>;

    /// Moves a run on to a phase that is active.
    async fn enter_phase(&self, id: RunId, phase: Phase) -> Result<(), StoreError>;

    /// Reading starts anew: the cursor is cleared, what was decided stays until it is read again.
    /// Discarded records, which nothing tells apart, are forgotten, since they will come again.
    async fn restart_reading(&self, id: RunId) -> Result<(), StoreError>;

    /// Stores a page: outcomes into the ledger, writes into the stage, the cursor and the counters,
    /// all or nothing. Returns the counters after it.
    async fn commit_page(&self, id: RunId, page: PageCommit) -> Result<Counters, StoreError>;

    /// What is known of these contacts; one never seen is left out.
    async fn ledger(
        &self,
        integration: &IntegrationId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, LedgerEntry>, StoreError>;

    /// For these contacts: intents that runs which have ended may have written since the one that the
    /// ledger has, in part or as a whole.
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
    async fn note_found(&self, id: RunId, found: Vec<Found>) -> Result<(), StoreError>;

    /// Remembers, for every staged contact of which nothing is known, that no profile was there.
    async fn note_rest_absent(&self, id: RunId) -> Result<(), StoreError>;

    /// Gives staged contacts their outcomes: ledger, stage and counters, all or nothing. A contact
    /// that has an outcome already is passed over. Returns the counters after it.
    async fn settle(&self, id: RunId, settled: Vec<Settled>) -> Result<Counters, StoreError>;

    /// Adds a bulk import, or replaces the one of the same number.
    async fn put_batch(&self, id: RunId, batch: &Batch) -> Result<(), StoreError>;

    /// The run's bulk imports, by number.
    async fn batches(&self, id: RunId) -> Result<Vec<Batch>, StoreError>;

    /// Bulk imports that were uploaded by runs that ended before they did: APSIS One may still be working on
    /// them.
    async fn imports_left(&self, integration: &IntegrationId) -> Result<Vec<(RunId, Batch)>, StoreError>;

    /// Remembers that an import that was left has ended.
    async fn end_import_left(&self, id: RunId, number: u32) -> Result<(), StoreError>;

    /// Ends a run. Returns it as it ended.
    async fn end_run(&self, id: RunId, end: RunEnd) -> Result<Run, StoreError>;

    /// A run's contacts by id, those of one outcome or all, after `after`, at most `limit`.
    async fn run_contacts(
        &self,
        id: RunId,
        outcome: Option<Outcome>,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<RunContact>, StoreError>;

    /// How often each reason code occurs in a run, by outcome, the most frequent first.
    async fn reasons(&self, id: RunId) -> Result<Vec<(Outcome, String, u64)>, StoreError>;

    /// A run's discarded records, in the order in which they came, at most `limit`.
    async fn discards(&self, id: RunId, limit: u32) -> Result<Vec<Discard>, StoreError>;
}

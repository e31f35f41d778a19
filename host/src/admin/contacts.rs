//! One contact: its whole story, forgetting it, and letting it in again.
//!
//! The journal does not say which contact was forgotten: nothing of it is to stay.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{About, Admin, Done, failed};
use crate::change::{Arrival, DeliveryNumber, asked_for};
use crate::contact::ContactId;
use crate::error::Failure;
use crate::integration::IntegrationId;
use crate::lane::ChangeRecord;
use crate::run::{LedgerEntry, Run, RunContact, RunId};
use crate::store::StoreError;
use crate::story::{By, Chapter, ConsentTold, Known, LastSeen, Standing, Tombstone, consents, standing};
use crate::sync::Foretold;

/// Changes, and things that were done, that are shown at most.
const SHOWN: u32 = 200;

/// The newest runs that are looked at for having kept the gate closed.
const GATES: u32 = 1_000;

/// All that is kept of a contact. It holds personal data.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ContactStory {
    /// Which.
    pub contact: ContactId,
    /// Whether it is in APSIS One, and may be mailed.
    pub standing: Standing,
    /// What is known of it from the last time.
    pub ledger: Option<LedgerEntry>,
    /// Writes of which nobody knows whether they took effect.
    pub unsettled_writes: u64,
    /// What stays of it, if it was forgotten.
    pub forgotten: Option<Tombstone>,
    /// What it looked like when it was last read.
    pub seen: Option<LastSeen>,
    /// Its changes, the newest first.
    pub changes: Vec<StoryChange>,
    /// The runs that read it, the newest first.
    pub runs: Vec<StoryRun>,
    /// What was done for it by runs and changes that are kept no more.
    pub earlier: Vec<Chapter>,
}

/// A change with what it did, and what it waited for.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StoryChange {
    /// The change.
    #[serde(flatten)]
    pub change: ChangeRecord,
    /// The runs that kept the gate closed while it waited.
    pub held_by: Vec<RunId>,
    /// The consents that it found and set.
    pub consents: Vec<ConsentTold>,
}

/// A run with what it did for the contact.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StoryRun {
    /// The run.
    pub run: Run,
    /// What the contact came to.
    #[serde(flatten)]
    pub of: RunContact,
    /// What was asked of APSIS One.
    pub chapters: Vec<Chapter>,
    /// The consents that it found and set.
    pub consents: Vec<ConsentTold>,
}

impl Admin {
    /// All that is kept of a contact.
    ///
    /// # Errors
    /// There is no such integration; the store fails.
    pub async fn story(&self, id: &IntegrationId, contact: ContactId) -> Result<ContactStory, Failure> {
        self.integration(id).await?;
        let (store, one) = (self.store(), std::slice::from_ref(&contact));
        let ledger = store.ledger(id, one).await.map_err(failed)?.remove(&contact);
        let unsettled = store.attempted(id, one).await.map_err(failed)?.values().flatten().count();
        let changes = store.changes_of(id, &contact, SHOWN).await.map_err(failed)?;
        let runs = store.runs_of(id, &contact).await.map_err(failed)?;
        let chapters = store.chapters(id, &contact, SHOWN).await.map_err(failed)?;
        let forgotten = store.forgotten(id, one).await.map_err(failed)?.remove(&contact);
        let gates = store.runs(id, GATES).await.map_err(failed)?;
        let seen = store.last_seen(id, &contact).await.map_err(failed)?;
        let standing = standing(&Known {
            entry: ledger.as_ref(),
            unsettled: unsettled > 0,
            chapters: &chapters,
            newest: changes.first(),
            tombstone: forgotten.as_ref(),
        });
        let is_kept = |chapter: &&Chapter| match chapter.by {
            By::Run(run) => runs.iter().any(|(known, _)| known.id == run),
            By::Change(number) => changes.iter().any(|change| change.number == number),
        };
        let earlier = chapters.iter().filter(|chapter| !is_kept(chapter)).cloned().collect();
        let of_run = |run: RunId| chapters.iter().filter(move |chapter| chapter.by == By::Run(run)).cloned();
        let runs = runs.into_iter().map(|(run, of)| {
            let chapters: Vec<Chapter> = of_run(run.id).collect();
            let steps: Vec<_> = chapters.iter().flat_map(|chapter| &chapter.steps).cloned().collect();
            StoryRun { run, of, consents: consents(&steps), chapters }
        });
        let runs = runs.collect();
        let changes = changes.into_iter().map(|change| StoryChange {
            held_by: held_by(&change, &gates).collect(),
            consents: consents(&change.steps),
            change,
        });
        Ok(ContactStory {
            standing,
            ledger,
            unsettled_writes: unsettled as u64,
            forgotten,
            seen,
            changes: changes.collect(),
            runs,
            earlier,
            contact,
        })
    }

    /// Has a contact be read from the CRM and dealt with, as if it had changed: by whoever holds the integration, after
    /// what came before. The number of the delivery that says so.
    ///
    /// # Errors
    /// There is no such integration; the contact was forgotten; the store fails.
    pub async fn sync_contact(
        &self,
        id: &IntegrationId,
        contact: &ContactId,
    ) -> Result<DeliveryNumber, Failure> {
        let doing = async {
            self.integration(id).await?;
            if self.tombstone(id, contact).await?.is_some() {
                let message = "the contact was forgotten: let it in again first (`sluice contact readmit`)";
                return Err(Failure { code: "contact-forgotten".to_owned(), message: message.to_owned() });
            }
            let arrivals =
                self.store().put_deliveries(vec![asked_for(id.clone(), contact)]).await.map_err(failed)?;
            match arrivals.into_iter().next() {
                Some(Arrival::Stored(number)) => Ok(Done::plain(number)),
                _ => Err(failed(StoreError::NoIntegration(id.clone()))),
            }
        };
        self.noted("contact.sync", About::integration(id), doing).await
    }

    /// What a change of a contact would do now. Nothing is written.
    ///
    /// # Errors
    /// There is no such integration; a side does not answer; the store fails.
    pub async fn foretell(&self, id: &IntegrationId, contact: &ContactId) -> Result<Foretold, Failure> {
        let integration = self.integration(id).await?;
        Box::pin(self.service.foretell(&integration, contact)).await.map_err(failed)
    }

    /// Asks for a contact to be erased from APSIS One and from the store: by whoever holds the integration.
    ///
    /// # Errors
    /// There is no such integration; a run is active; the store fails.
    pub async fn forget(&self, id: &IntegrationId, contact: &ContactId) -> Result<(), Failure> {
        let doing = async { self.store().ask_to_forget(id, contact).await.map(Done::plain).map_err(failed) };
        self.noted("contact.forget", About::integration(id), doing).await
    }

    /// What stays of a contact that was forgotten, or is to be.
    ///
    /// # Errors
    /// There is no such integration; the store fails.
    pub async fn tombstone(
        &self,
        id: &IntegrationId,
        contact: &ContactId,
    ) -> Result<Option<Tombstone>, Failure> {
        let found = self.store().forgotten(id, std::slice::from_ref(contact)).await.map_err(failed)?;
        Ok(found.into_values().next())
    }

    /// Lets a contact that was forgotten in again; whether it was.
    ///
    /// # Errors
    /// There is no such integration; the store fails.
    pub async fn readmit(&self, id: &IntegrationId, contact: &ContactId) -> Result<bool, Failure> {
        let doing = async { self.store().readmit(id, contact).await.map(Done::plain).map_err(failed) };
        self.noted("contact.readmit", About::integration(id), doing).await
    }
}

/// The runs that kept the gate closed while a change waited.
fn held_by(change: &ChangeRecord, runs: &[Run]) -> impl Iterator<Item = RunId> {
    let (came, ended) = (change.arrived_at, change.ended_at.unwrap_or(Timestamp::MAX));
    let closed = move |run: &&Run| run.accepted_at <= ended && run.ended_at.is_none_or(|at| at >= came);
    runs.iter().filter(closed).map(|run| run.id)
}

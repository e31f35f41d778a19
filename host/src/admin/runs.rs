//! Runs: asked for, approved, cancelled.

use super::{About, Admin, Done, failed};
use crate::brake::Held;
use crate::error::Failure;
use crate::integration::{Integration, IntegrationId};
use crate::run::{Run, RunId, RunOrder, Source};
use crate::store::StoreError;

impl Admin {
    /// Accepts a run; whoever holds the integration does it.
    ///
    /// # Errors
    /// There is no such integration; a run is active; what is known is not enough; the store fails.
    pub async fn start_run(&self, id: &IntegrationId, order: RunOrder) -> Result<Run, Failure> {
        let what = match &order {
            RunOrder::DryRun { .. } => "run.dry-run",
            RunOrder::FullSync { .. } | RunOrder::Daily { .. } => "run.start",
        };
        let doing = async {
            self.integration(id).await?;
            let run = self.store().accept_run(id, order).await.map_err(failed)?;
            Ok(Done::with_after(run.clone(), &run.id))
        };
        self.noted(what, About::integration(id), doing).await
    }

    /// Accepts a dry run of an integration with a changed definition. It goes by what is known of the contacts, unless
    /// that is not enough, or `read` says to read the CRM; why it is read, if it was not asked for.
    ///
    /// # Errors
    /// Something is wrong with the definition; there is no such integration; a run is active; the store fails.
    pub async fn preview(
        &self,
        trial: Integration,
        forced: bool,
        read: bool,
    ) -> Result<(Run, Option<String>), Failure> {
        let trial = Box::new(self.prepare(trial).await?);
        let id = trial.id.clone();
        let doing = async {
            let own = self.integration(&id).await?;
            let same = own.connector == trial.connector && own.settings == trial.settings;
            let source = if same && !read { Source::Known } else { Source::Crm };
            let order = |source| RunOrder::DryRun { forced, source, trial: Some(trial.clone()) };
            let (run, why) = match self.store().accept_run(&id, order(source)).await {
                Err(StoreError::KnownNotEnough { why, .. }) => {
                    (self.store().accept_run(&id, order(Source::Crm)).await, Some(why))
                }
                accepted => (accepted, None),
            };
            let run = run.map_err(failed)?;
            Ok(Done::with_after((run.clone(), why), &run.id))
        };
        self.noted("rules.preview", About::integration(&id), doing).await
    }

    /// Asks an active run to stop.
    ///
    /// # Errors
    /// There is no such run of this integration; the store fails.
    pub async fn cancel_run(&self, id: &IntegrationId, run: RunId) -> Result<Run, Failure> {
        let about = About { integration: Some(id), about: Some(run.to_string()) };
        let doing = async {
            self.run_of(id, run).await?;
            self.store().request_cancel(run).await.map_err(failed)?;
            Ok(Done::plain(self.store().run(run).await.map_err(failed)?))
        };
        self.noted("run.cancel", about, doing).await
    }

    /// Approves of all that waits for it.
    ///
    /// # Errors
    /// There is no such integration; nothing waits; the store fails.
    pub async fn approve(&self, id: &IntegrationId) -> Result<Vec<Held>, Failure> {
        let doing = async {
            self.integration(id).await?;
            let approved = self.store().approve(id).await.map_err(failed)?;
            if approved.is_empty() {
                return Err(Failure {
                    code: "nothing-held".to_owned(),
                    message: format!("nothing of {id} waits for approval; `sluice status` shows how it is"),
                });
            }
            // Whom they are about is not written down: nothing is to stay of a contact that is forgotten.
            let counts: Vec<Held> = approved.iter().cloned().map(Held::without_samples).collect();
            Ok(Done::with_after(approved, &counts))
        };
        self.noted("brake.approve", About::integration(id), doing).await
    }

    /// A run by its number, if it is the integration's.
    ///
    /// # Errors
    /// There is no such integration, or no such run of it; the store fails.
    pub async fn run_of(&self, id: &IntegrationId, run: RunId) -> Result<Run, Failure> {
        self.integration(id).await?;
        let found = self.store().run(run).await.map_err(failed)?;
        match found.integration == *id {
            true => Ok(found),
            false => Err(failed(StoreError::NoRun(run))),
        }
    }
}

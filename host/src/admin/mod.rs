//! What people do with a host, whichever way they come: each action of the command line and of the API is one
//! here, so that both do the same, and each that changes something is noted down in the journal.
//!
//! Whether the caller may do it is for whoever let them in to ask (`server::api`); whoever works on the store's files
//! may do everything. Actions that take long are asked for here, and done by the host that holds the integration.

mod applying;
mod checks;
mod connectors;
mod contacts;
mod deliveries;
mod overviews;
mod runs;
mod secrets;
mod tokens;
mod trying;
mod watching;

use std::sync::Arc;

use serde::Serialize;

use crate::access::Caller;
use crate::error::Failure;
use crate::integration::{Integration, IntegrationId};
use crate::journal::{ActEnd, NewAct};
use crate::store::{Store, StoreError};
use crate::sync::Service;

pub use applying::{Applied, Rules, RulesChange};
pub use checks::{Finding, checkup};
pub use contacts::{ContactStory, StoryChange, StoryRun};
pub use overviews::{Imported, NewOverview, OverviewLine, Overviews, TagLine};
pub use secrets::{RotatedSecrets, SecretLeft};
pub use tokens::{NewToken, TokenCreated};
pub use trying::Matching;
pub use watching::{WatchError, Watching};

/// Somebody at work on a host.
#[derive(Clone)]
pub struct Admin {
    service: Service,
    caller: Caller,
}

/// What an action came to, with what changed.
struct Done<T> {
    value: T,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
}

impl<T> Done<T> {
    /// Of which nothing is noted but that it was done.
    fn plain(value: T) -> Self {
        Self { value, before: None, after: None }
    }

    /// With what it has become.
    fn with_after(value: T, after: &impl Serialize) -> Self {
        Self { value, before: None, after: serde_json::to_value(after).ok() }
    }
}

/// What an action is about.
#[derive(Default)]
struct About<'a> {
    integration: Option<&'a IntegrationId>,
    about: Option<String>,
}

impl<'a> About<'a> {
    fn integration(id: &'a IntegrationId) -> Self {
        Self { integration: Some(id), about: None }
    }
}

impl Admin {
    /// Whoever this is, at work on this host.
    pub fn new(service: Service, caller: Caller) -> Self {
        Self { service, caller }
    }

    /// Who it is.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    fn store(&self) -> &Arc<dyn Store> {
        self.service.store()
    }

    /// An integration that must be there.
    ///
    /// # Errors
    /// There is none of this id; the store fails.
    pub async fn integration(&self, id: &IntegrationId) -> Result<Integration, Failure> {
        let found = self.store().integration(id).await.map_err(|error| Failure::from(&error))?;
        found.ok_or_else(|| Failure::from(&StoreError::NoIntegration(id.clone())))
    }

    /// Does something, and notes down that it was begun and how it ended.
    async fn noted<T>(
        &self,
        what: &'static str,
        about: About<'_>,
        doing: impl Future<Output = Result<Done<T>, Failure>>,
    ) -> Result<T, Failure> {
        let act = NewAct {
            who: self.caller.who.clone(),
            what,
            integration: about.integration.cloned(),
            about: about.about,
        };
        let number = self.store().begin_act(&act).await.map_err(|error| Failure::from(&error))?;
        let done = doing.await;
        let end = match &done {
            Ok(Done { before, after, .. }) => {
                ActEnd { before: before.clone(), after: after.clone(), failure: None }
            }
            Err(failure) => ActEnd { failure: Some(failure.clone()), ..ActEnd::default() },
        };
        let noted = self.store().end_act(number, end).await;
        if let Err(error) = noted {
            // It is done or not, whatever can be written down of it; that it was begun is written down.
            tracing::warn!(code = crate::error::ErrorCode::code(&error), %error, "the end of an act is not noted down");
        }
        done.map(|done| done.value)
    }
}

/// An error as it is answered.
fn failed<E: crate::error::ErrorCode>(error: E) -> Failure {
    Failure::from(&error)
}

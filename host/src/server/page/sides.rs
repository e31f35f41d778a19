//! What both sides have, for whoever writes rules: the CRM's fields and consents, and APSIS One's attributes and
//! subscriptions.
//!
//! Asked once and kept for a time, since each asking costs requests that the sides count. A side that does not answer
//! keeps nobody from looking at the rules; it is said, and names are written by hand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::admin::Admin;
use crate::error::Failure;
use crate::integration::{Integration, IntegrationId};
use crate::sync::Sides as Asked;

/// How long what was asked is kept.
const KEPT: Duration = Duration::from_secs(300);
/// The same where a side did not answer.
const KEPT_BROKEN: Duration = Duration::from_secs(20);

/// What an integration's sides have.
pub struct Known {
    /// That.
    pub sides: Arc<Asked>,
}

struct Kept {
    /// The definition that it was asked for.
    of: Arc<Integration>,
    at: Instant,
    asked: Arc<Asked>,
}

/// What was asked, by integration.
#[derive(Default)]
pub struct Sides(Mutex<HashMap<IntegrationId, Kept>>);

impl Sides {
    /// What an integration's sides have.
    ///
    /// # Errors
    /// The store fails, or the component cannot be loaded.
    pub async fn of(&self, admin: &Admin, integration: &Integration) -> Result<Known, Failure> {
        if let Some(known) = self.known(integration) {
            return Ok(known);
        }
        let asked = Arc::new(Box::pin(admin.sides(integration)).await?);
        let kept = Kept { of: Arc::new(integration.clone()), at: Instant::now(), asked: Arc::clone(&asked) };
        self.held().insert(integration.id.clone(), kept);
        Ok(Known { sides: asked })
    }

    /// Has it be asked anew.
    pub fn forget(&self, id: &IntegrationId) {
        self.held().remove(id);
    }

    fn known(&self, integration: &Integration) -> Option<Known> {
        let kept = self.held();
        let kept = kept.get(&integration.id)?;
        let good = if kept.asked.is_whole() { KEPT } else { KEPT_BROKEN };
        let is_same = kept.of.has_same_sides(integration);
        (is_same && kept.at.elapsed() < good).then(|| Known { sides: Arc::clone(&kept.asked) })
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<IntegrationId, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

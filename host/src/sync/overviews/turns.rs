//! An integration's imports, whose worker gives them a turn now and then: each turn is a step, so that real time does
//! not wait for a long import.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::{instrument, warn};

use super::importing::{Sides, Went, give_up};
use crate::error::ErrorCode;
use crate::integration::Integration;
use crate::overview::{ImportKind, ImportWork, OverviewError};
use crate::store::{NewImport, StoreError};
use crate::sync::daily;
use crate::sync::failure::SyncError;
use crate::sync::holding::Hold;
use crate::sync::lane::trouble::{Trouble, trouble, wait};
use crate::sync::service::Service;

/// How often in a row one import may fail in a way that passes, before it is given up. With the waits between, that is
/// some minutes.
const ATTEMPTS: u32 = 9;

/// What is left after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// There is more to do at once.
    pub more: bool,
    /// Otherwise: when there is.
    pub due: Option<Timestamp>,
}

/// The turns of one integration's imports.
#[derive(Default)]
pub struct Turns {
    sides: Option<Sides>,
    failures: u32,
    again: Option<Timestamp>,
}

impl Turns {
    /// Does a step of the oldest import, if there is one. `recurring`: imports whose time has come are begun.
    ///
    /// # Errors
    /// When the store fails, or another host has taken over.
    pub async fn next(
        &mut self,
        service: &Service,
        hold: &Hold,
        integration: &Integration,
        recurring: bool,
    ) -> Result<Turn, StoreError> {
        let store = service.store();
        let next_due = if recurring { begin_due(service, integration).await? } else { None };
        let Some(work) = store.active_import(&integration.id).await? else {
            *self = Self::default();
            return Ok(Turn { more: false, due: next_due });
        };
        if let Some(again) = self.again.filter(|again| *again > Timestamp::now()) {
            return Ok(Turn { more: false, due: Some(next_due.map_or(again, |due| due.min(again))) });
        }
        let error = match self.step(service, hold, integration, &work).await {
            Ok(went) => {
                (self.failures, self.again) = (0, None);
                if went == Went::ToItsEnd {
                    self.sides = None;
                }
                return Ok(Turn { more: true, due: None });
            }
            Err(SyncError::Store(error)) => return Err(error),
            Err(_) if !hold.valid.holds() => return Err(StoreError::LeaseLost(integration.id.clone())),
            Err(error) => error,
        };
        self.sides = None;
        self.failures += 1;
        if let Trouble::Passing { after, .. } = trouble(&error)
            && self.failures < ATTEMPTS
        {
            let again = Timestamp::now().checked_add(wait(self.failures, after)).ok();
            warn!(integration = %integration.id, code = error.code(), "an overview's import waits");
            self.again = again;
            return Ok(Turn { more: again.is_none(), due: again });
        }
        give_up(&**store, &hold.fence, work.import.number, &error).await?;
        *self = Self::default();
        Ok(Turn { more: true, due: None })
    }

    #[instrument(name = "overview", skip_all, fields(integration = %integration.id, import = %work.import.number))]
    async fn step(
        &mut self,
        service: &Service,
        hold: &Hold,
        integration: &Integration,
        work: &ImportWork,
    ) -> Result<Went, SyncError> {
        // An import goes on with the version of the connector that the integration uses now.
        let is_of_now =
            |sides: &Sides| sides.number == work.import.number && sides.connector == integration.connector;
        let sides = match self.sides.take().filter(is_of_now) {
            Some(sides) => sides,
            None => Box::pin(Sides::open(service, hold, integration, work)).await?,
        };
        let went = Box::pin(sides.go_on(&**service.store(), &hold.fence, work)).await?;
        self.sides = Some(sides);
        Ok(went)
    }
}

/// Accepts the recurring imports whose time has come; when the next one's does.
async fn begin_due(service: &Service, integration: &Integration) -> Result<Option<Timestamp>, StoreError> {
    let store = Arc::clone(service.store());
    let overviews = store.recurring_overviews(&integration.id).await?;
    // A name that the system no longer knows: days begin and end by UTC.
    let zone = TimeZone::get(&integration.time_zone).unwrap_or(TimeZone::UTC);
    let (now, mut next) = (Timestamp::now(), None);
    for (overview, done) in overviews {
        if let Some(due) = daily::last_due(now, overview.at, &zone).filter(|due| *due > done) {
            let new = NewImport { kind: ImportKind::Recurring, confirmed: false, done: Some(due) };
            match store.accept_import(&integration.id, &overview.id, new).await {
                // It comes after that one.
                Ok(_) | Err(StoreError::Overview(OverviewError::ImportActive { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        let due = daily::next_due(now, overview.at, &zone);
        next = [next, due].into_iter().flatten().min();
    }
    Ok(next)
}

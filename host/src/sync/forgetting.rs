//! Contacts that are to be forgotten: out of APSIS One first, then out of the store, then out of the store's files.
//!
//! It is asked for in the store, which keeps everybody from beginning anything for the contact, and done by whoever
//! holds the integration, while neither its lane nor a run is at work. Each step may be done twice; one that was
//! not done is done by whoever comes next.

use std::sync::Arc;

use tracing::field::Empty;
use tracing::{info, instrument, warn};

use super::bulk::have_left_ended;
use super::failure::SyncError;
use super::holding::Hold;
use super::lane::trouble::cause;
use super::service::Service;
use crate::apsis::{ApsisError, Client, Deleted, Kind, Target};
use crate::error::ErrorCode;
use crate::integration::Integration;
use crate::rules::check_key;
use crate::store::{Store, StoreError};
use crate::traces;

/// Forgets every contact of an integration that is to be. What kept it from succeeding is remembered, and given: it is
/// to be tried again. That the store cannot be purged now is of that kind, too, since a disk may have room for all but
/// that.
///
/// # Errors
/// When the store fails, or another host has taken over.
#[instrument(name = "forget", skip_all, fields(
    integration = %integration.id, code = Empty, otel.status_code = Empty,
))]
pub async fn forget_all(
    service: &Service,
    hold: &Hold,
    integration: &Integration,
) -> Result<Option<SyncError>, StoreError> {
    let failed = match forget(service, hold, integration).await {
        Ok(failed) => failed,
        Err(SyncError::Store(error)) => return Err(error),
        // Whatever it was, it was met by somebody who had to stop.
        Err(_) if !hold.valid.holds() => return Err(StoreError::LeaseLost(integration.id.clone())),
        Err(error) => Some(error),
    };
    if let Some(error) = &failed {
        warn!(integration = %integration.id, code = error.code(), "a contact is not forgotten yet");
        traces::failed(error.code());
        service.store().put_forget_failure(&hold.fence, &cause(error)).await?;
    }
    Ok(failed)
}

/// One contact that APSIS One does not let go keeps no other from being forgotten. The last failure of that kind.
async fn forget(
    service: &Service,
    hold: &Hold,
    integration: &Integration,
) -> Result<Option<SyncError>, SyncError> {
    let store = &**service.store();
    let (contacts, _) = store.to_forget(&integration.id).await?;
    let mut failed = None;
    if !contacts.is_empty() {
        let target = open(service, hold, integration).await?;
        // It would bring back whom it has.
        if !have_left_ended(store, &hold.fence, &target).await? {
            return Ok(Some(SyncError::ImportUnderWay));
        }
        for contact in &contacts {
            let deleted = match target.delete(contact).await {
                Ok(deleted) => deleted,
                // A profile is locked by deleting what it held.
                Err(ApsisError::Locked { .. }) => Deleted::Gone,
                Err(error) if matches!(error.kind(), Kind::Contact(_)) && check_key(contact).is_err() => {
                    Deleted::NoProfile
                }
                Err(error) if matches!(error.kind(), Kind::Contact(_)) => {
                    failed = Some(error.into());
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            store.erase(&hold.fence, contact, deleted == Deleted::Gone).await?;
            info!(integration = %integration.id, "a contact was forgotten");
        }
    }
    let (_, to_purge) = store.to_forget(&integration.id).await?;
    if to_purge && let Err(error) = store.purge(&hold.fence).await {
        match error {
            StoreError::LeaseLost(_) | StoreError::NoIntegration(_) => return Err(error.into()),
            error => failed = Some(error.into()),
        }
    }
    Ok(failed)
}

/// Into APSIS One, whatever the rules and the CRM are like.
async fn open(service: &Service, hold: &Hold, integration: &Integration) -> Result<Target, SyncError> {
    let client = Client::new(&integration.apsis, service.secrets().of_apsis(integration).await?)?;
    let client = client.of(&integration.id);
    let valid = hold.valid.clone();
    let client = client.while_allowed(Arc::new(move || valid.left())).impatient();
    let definitions = client.definitions().await?;
    Ok(client.target(&definitions, &integration.apsis)?)
}

/// Whether there is anybody to forget, or anything to purge.
///
/// # Errors
/// When the store fails.
pub async fn is_asked(store: &dyn Store, integration: &Integration) -> Result<bool, StoreError> {
    let (contacts, to_purge) = store.to_forget(&integration.id).await?;
    Ok(!contacts.is_empty() || to_purge)
}

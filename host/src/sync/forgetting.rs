//! Contacts that are to be forgotten: out of APSIS One first, then out of the store, then out of the store's files.
//!
//! It is asked for in the store, which keeps everybody from beginning anything for the contact, and done by whoever
//! holds the integration, while neither its lane nor a run is at work. Each step may be done twice; one that was
//! not done is done by whoever comes next.

use std::sync::Arc;

use tracing::info;

use super::failure::SyncError;
use super::holding::Hold;
use super::lane::trouble::cause;
use crate::apsis::{Client, Deleted, Target};
use crate::integration::Integration;
use crate::store::{Store, StoreError};

/// Forgets every contact of an integration that is to be. Why it did not succeed is remembered, too.
///
/// # Errors
/// When APSIS One or the store fails.
pub async fn forget_all(store: &dyn Store, hold: &Hold, integration: &Integration) -> Result<(), SyncError> {
    let forgotten = forget(store, hold, integration).await;
    if let Err(error) = &forgotten
        && !matches!(error, SyncError::Store(_))
    {
        store.put_forget_failure(&hold.fence, &cause(error)).await?;
    }
    forgotten
}

async fn forget(store: &dyn Store, hold: &Hold, integration: &Integration) -> Result<(), SyncError> {
    let (contacts, _) = store.to_forget(&integration.id).await?;
    if !contacts.is_empty() {
        let target = open(hold, integration).await?;
        for contact in &contacts {
            let deleted = target.delete(contact).await?;
            store.erase(&hold.fence, contact, deleted == Deleted::Gone).await?;
            info!(integration = %integration.id, "a contact was forgotten");
        }
    }
    let (_, to_purge) = store.to_forget(&integration.id).await?;
    if to_purge {
        store.purge(&hold.fence).await?;
    }
    Ok(())
}

/// Into APSIS One, whatever the rules and the CRM are like.
async fn open(hold: &Hold, integration: &Integration) -> Result<Target, SyncError> {
    let client = Client::new(&integration.apsis, integration.apsis.client_secret.read()?)?;
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

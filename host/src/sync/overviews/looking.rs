//! What both sides have, for whoever sets an overview up.

use super::importing::is_not_offered;
use crate::apsis::{Client, Tags};
use crate::connector::Overview;
use crate::integration::Integration;
use crate::sync::failure::SyncError;
use crate::sync::line::{Patience, connect};
use crate::sync::patience::patiently;
use crate::sync::service::Service;

/// What the CRM has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// These.
    Overviews(Vec<Overview>),
    /// Its connector offers none.
    NotOffered,
}

/// Asks the CRM for its overviews.
///
/// # Errors
/// When the CRM does not answer, or the connector cannot be used.
pub async fn look(service: &Service, integration: &Integration) -> Result<Found, SyncError> {
    let connection = connect(service, integration).await?;
    match patiently(Patience::Short, || connection.list_overviews()).await {
        Ok(overviews) => Ok(Found::Overviews(overviews)),
        Err(error) if is_not_offered(&error) => Ok(Found::NotOffered),
        Err(error) => Err(error.into()),
    }
}

/// Asks APSIS One for the tags of the integration's section.
///
/// # Errors
/// When APSIS One does not answer, or a setting cannot be used.
pub async fn tags_of(service: &Service, integration: &Integration) -> Result<Tags, SyncError> {
    let secret = service.secrets().of_apsis(integration).await?;
    let client = Client::new(&integration.apsis, secret)?.impatient();
    let definitions = client.definitions().await?;
    Ok(client.target(&definitions, &integration.apsis)?.section_tags().await?)
}

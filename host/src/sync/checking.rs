//! An integration's rules, checked against both sides before it is saved, as far as the sides answer.
//!
//! Only what the rules themselves have wrong is an error. A side that cannot be asked now, for whatever reason, keeps
//! nobody from saving: that is said, and left to `sluice doctor`.

use std::time::Duration;

use super::failure::SyncError;
use super::line::{Patience, connect, load};
use super::mapping::{check_names, check_types, resolve};
use super::patience::patiently;
use super::service::Service;
use crate::apsis::{Client, Definitions};
use crate::contact::{ConsentInfo, FieldInfo};
use crate::error::Failure;
use crate::integration::Integration;

/// Whoever saves rules does not wait longer for a side.
const WITHIN: Duration = Duration::from_secs(5);

/// A side that the rules were not checked against.
#[derive(Debug, Clone)]
pub struct Unchecked {
    /// Which: `the CRM`, `APSIS One`.
    pub side: &'static str,
    /// Why.
    pub why: Failure,
}

/// Checks an integration's rules against both sides. Nothing is written to either.
///
/// # Errors
/// When the component cannot be loaded, or a row names what a side does not have, or does not fit its types.
pub async fn check_rules(service: &Service, integration: &Integration) -> Result<Vec<Unchecked>, SyncError> {
    let connector = load(service, integration).await?;
    let (crm, definitions) = tokio::join!(
        soon("the CRM", ask_crm(service, integration)),
        soon("APSIS One", ask_apsis(service, integration)),
    );
    if let Ok((fields, consents)) = &crm {
        check_names(integration, fields, consents)?;
    }
    if let Ok(definitions) = &definitions {
        resolve(integration, &connector, definitions)?;
    }
    if let (Ok((fields, _)), Ok(definitions)) = (&crm, &definitions) {
        check_types(integration, fields, definitions)?;
    }
    Ok([crm.err(), definitions.err()].into_iter().flatten().collect())
}

pub(super) async fn soon<T>(
    side: &'static str,
    asking: impl Future<Output = Result<T, SyncError>>,
) -> Result<T, Unchecked> {
    match tokio::time::timeout(WITHIN, asking).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Unchecked { side, why: Failure::from(&error) }),
        Err(_) => Err(Unchecked {
            side,
            why: Failure {
                code: "rules-unchecked".to_owned(),
                message: format!("no answer within {} seconds", WITHIN.as_secs()),
            },
        }),
    }
}

async fn ask_crm(
    service: &Service,
    integration: &Integration,
) -> Result<(Vec<FieldInfo>, Vec<ConsentInfo>), SyncError> {
    let connection = connect(service, integration).await?;
    let fields = patiently(Patience::Short, || connection.list_fields()).await?;
    let consents = if integration.consents.iter().any(|row| row.consent.is_some()) {
        patiently(Patience::Short, || connection.list_consents()).await?
    } else {
        Vec::new()
    };
    Ok((fields, consents))
}

pub(super) async fn ask_apsis(
    service: &Service,
    integration: &Integration,
) -> Result<Definitions, SyncError> {
    let secret = service.secrets().of_apsis(integration).await?;
    Ok(Client::new(&integration.apsis, secret)?.impatient().definitions().await?)
}

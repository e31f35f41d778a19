//! Contacts: the whole story of one, and forgetting it.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as Given};
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::extract::{Asked, At};
use super::paging::{few, within};
use super::problem::{Answer, Problems};
use crate::address::SharedAddress;
use crate::admin::{Admin, ContactStory};
use crate::change::DeliveryNumber;
use crate::contact::ContactId;
use crate::integration::IntegrationId;
use crate::story::Tombstone;
use crate::sync::Foretold;

/// Shows a contact's whole story: whether it is in APSIS One and may be mailed, and why. It holds personal data.
#[utoipa::path(get, path = "/integrations/{integration}/contacts/{contact}", tag = "contacts",
    params(("integration" = String, Path, description = "Its id"), ("contact" = String, Path, description = "The CRM's id")),
    responses((status = 200, body = ContactStory), Problems), security(("token" = ["viewer"])))]
pub async fn show(
    Extension(admin): Extension<Admin>,
    At((id, contact)): At<(IntegrationId, ContactId)>,
) -> Answer<Given<ContactStory>> {
    Ok(Given(Box::pin(admin.story(&id, contact)).await?))
}

/// How far forgetting is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Forgetting {
    /// What stays of the contact; `erased` says what was removed, once it was.
    pub forgotten: Option<Tombstone>,
}

/// Erases a person from APSIS One and from the store. The contact is kept out from now on; the rest follows a little
/// later, and is said by the contact's story.
#[utoipa::path(delete, path = "/integrations/{integration}/contacts/{contact}", tag = "contacts",
    params(("integration" = String, Path, description = "Its id"), ("contact" = String, Path, description = "The CRM's id")),
    responses((status = 202, body = Forgetting), Problems), security(("token" = ["operator"])))]
pub async fn forget(
    Extension(admin): Extension<Admin>,
    At((id, contact)): At<(IntegrationId, ContactId)>,
) -> Answer<Response> {
    admin.forget(&id, &contact).await?;
    let forgotten = admin.tombstone(&id, &contact).await?;
    Ok((StatusCode::ACCEPTED, Given(Forgetting { forgotten })).into_response())
}

/// Whether a contact had been forgotten.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Readmitted {
    /// Whether it was.
    pub was_forgotten: bool,
}

/// Lets a contact that was forgotten in again: its next change, or the next full sync, creates its profile.
#[utoipa::path(post, path = "/integrations/{integration}/contacts/{contact}/readmit", tag = "contacts",
    params(("integration" = String, Path, description = "Its id"), ("contact" = String, Path, description = "The CRM's id")),
    responses((status = 200, body = Readmitted), Problems), security(("token" = ["operator"])))]
pub async fn readmit(
    Extension(admin): Extension<Admin>,
    At((id, contact)): At<(IntegrationId, ContactId)>,
) -> Answer<Given<Readmitted>> {
    Ok(Given(Readmitted { was_forgotten: admin.readmit(&id, &contact).await? }))
}

/// A contact that is dealt with anew.
#[derive(Debug, Serialize, ToSchema)]
pub struct Syncing {
    /// The delivery that says so, by which it can be followed.
    pub delivery: DeliveryNumber,
}

/// Has a contact be read from the CRM and dealt with, as if it had changed. Its story says what came of it.
#[utoipa::path(post, path = "/integrations/{integration}/contacts/{contact}/sync", tag = "contacts",
    params(("integration" = String, Path, description = "Its id"), ("contact" = String, Path, description = "The CRM's id")),
    responses((status = 202, body = Syncing), Problems), security(("token" = ["editor"])))]
pub async fn sync(
    Extension(admin): Extension<Admin>,
    At((id, contact)): At<(IntegrationId, ContactId)>,
) -> Answer<Response> {
    let delivery = admin.sync_contact(&id, &contact).await?;
    Ok((StatusCode::ACCEPTED, Given(Syncing { delivery })).into_response())
}

/// Says what a change of a contact would do now. Both sides are asked, and nothing is written. It holds personal data.
#[utoipa::path(post, path = "/integrations/{integration}/contacts/{contact}/foretell", tag = "contacts",
    params(("integration" = String, Path, description = "Its id"), ("contact" = String, Path, description = "The CRM's id")),
    responses((status = 200, body = Foretold), Problems), security(("token" = ["editor"])))]
pub async fn foretell(
    Extension(admin): Extension<Admin>,
    At((id, contact)): At<(IntegrationId, ContactId)>,
) -> Answer<Given<Foretold>> {
    Ok(Given(Box::pin(admin.foretell(&id, &contact)).await?))
}

/// How many.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// At most so many addresses.
    #[serde(default = "few")]
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: u32,
}

/// Lists addresses that several contacts have, with who has them and what each says. The addresses themselves are not
/// shown.
#[utoipa::path(get, path = "/integrations/{integration}/shared-addresses", tag = "contacts",
    params(("integration" = String, Path, description = "Its id"), Limit),
    responses((status = 200, body = Vec<SharedAddress>), Problems), security(("token" = ["viewer"])))]
pub async fn shared(
    State(api): State<Api>,
    At(id): At<IntegrationId>,
    Asked(Limit { limit }): Asked<Limit>,
) -> Answer<Given<Vec<SharedAddress>>> {
    Ok(Given(api.service.store().shared_addresses(&id, within(limit)?).await?))
}

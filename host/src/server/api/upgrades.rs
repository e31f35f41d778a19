//! Which version of its connector an integration uses: shown, compared with another one, upgraded and rolled back.

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json as Given};
use hyper::header::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::extract::{Asked, At, Json};
use super::integrations::{revision, with_etag};
use super::problem::{Answer, Problems};
use crate::admin::Admin;
use crate::integration::IntegrationId;
use crate::store::StoreError;
use crate::upgrade::{Comparison, Sample, UpgradeEnd, UpgradeError, UpgradeTerms, Upgraded, Version};

/// The version of its connector that an integration uses.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct InUse {
    /// Which.
    #[serde(flatten)]
    pub version: Version,
    /// The component that it used before, and can return to.
    pub before: Option<String>,
}

/// Shows which version of its connector an integration uses.
#[utoipa::path(get, path = "/integrations/{integration}/connector", tag = "connectors",
    operation_id = "in_use",
    params(("integration" = String, Path, description = "Its id")),
    responses((status = 200, body = InUse, headers(("ETag" = String, description = "For `If-Match`"))), Problems),
    security(("token" = ["viewer"])))]
pub async fn show(
    State(api): State<Api>,
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
) -> Answer<Response> {
    let standing = api.service.store().standing(&id).await?;
    let standing = standing.ok_or(StoreError::NoIntegration(id))?;
    let connector = admin.connector(&standing.integration.connector).await?;
    let in_use = InUse { version: connector.version(), before: standing.connector_before };
    Ok(with_etag(standing.revision, Given(in_use)))
}

/// Which version is compared.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Comparing {
    /// A component in the store: its name, `sha256:<digest>`, or the first digits of the digest.
    pub to: String,
    /// Contacts that are read with both versions.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 10000, default = 50)]
    pub sample: Sample,
}

/// Compares the version of its connector that an integration uses with another one: whether the integration can use it,
/// and what would become of contacts that are known. Both sides are asked, and nothing is written. It holds personal data.
#[utoipa::path(get, path = "/integrations/{integration}/connector/comparison", tag = "connectors",
    params(("integration" = String, Path, description = "Its id"), Comparing),
    responses((status = 200, body = Comparison), Problems), security(("token" = ["operator"])))]
pub async fn compare(
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
    Asked(Comparing { to, sample }): Asked<Comparing>,
) -> Answer<Given<Comparison>> {
    admin.integration(&id).await?;
    let to = admin.connector(&to).await?;
    Ok(Given(Box::pin(admin.compare_connectors(&id, &to, sample)).await?))
}

/// An upgrade.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewUpgrade {
    /// A component in the store: its name, `sha256:<digest>`, or the first digits of the digest.
    pub to: String,
    /// Contacts that are read with both versions.
    #[serde(default)]
    #[schema(value_type = u32, minimum = 1, maximum = 10000, default = 50)]
    pub sample: Sample,
    /// The integration is switched though something differs.
    #[serde(default)]
    pub accept_differences: bool,
}

/// A rollback.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewRollback {
    /// Contacts that are read with both versions.
    #[serde(default)]
    #[schema(value_type = u32, minimum = 1, maximum = 10000, default = 50)]
    pub sample: Sample,
    /// The integration is switched though something differs.
    #[serde(default)]
    pub accept_differences: bool,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Switched {
    /// Whether the integration was switched, or used that version already.
    pub end: UpgradeEnd,
    /// What differs, without whom it is about; none where it used that version already.
    pub comparison: Option<Comparison>,
}

/// Has an integration use another version of its connector, if it can, and if nothing would differ or that is accepted;
/// else `upgrade-held`. A run that is active goes on with it. `comparison` says whom it is about.
#[utoipa::path(post, path = "/integrations/{integration}/connector/upgrade", tag = "connectors",
    params(("integration" = String, Path, description = "Its id"),
        ("If-Match" = String, Header, description = "The ETag of the integration as it was seen")),
    request_body = NewUpgrade,
    responses((status = 200, body = Switched, headers(("ETag" = String))), Problems),
    security(("token" = ["operator"])))]
pub async fn upgrade(
    State(api): State<Api>,
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
    headers: HeaderMap,
    Json(NewUpgrade { to, sample, accept_differences }): Json<NewUpgrade>,
) -> Answer<Response> {
    let terms = UpgradeTerms { sample, accept_differences, revision: Some(revision(&headers)?) };
    let to = admin.connector(&to).await?;
    let done = Box::pin(admin.upgrade(&id, &to, terms)).await?;
    answered(&api, id, done).await
}

/// Has an integration return to the version of its connector that it used before, by the checks of an upgrade.
#[utoipa::path(post, path = "/integrations/{integration}/connector/rollback", tag = "connectors",
    params(("integration" = String, Path, description = "Its id"),
        ("If-Match" = String, Header, description = "The ETag of the integration as it was seen")),
    request_body = NewRollback,
    responses((status = 200, body = Switched, headers(("ETag" = String))), Problems),
    security(("token" = ["operator"])))]
pub async fn roll_back(
    State(api): State<Api>,
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
    headers: HeaderMap,
    Json(NewRollback { sample, accept_differences }): Json<NewRollback>,
) -> Answer<Response> {
    let terms = UpgradeTerms { sample, accept_differences, revision: Some(revision(&headers)?) };
    let done = Box::pin(admin.rollback(&id, terms)).await?;
    answered(&api, id, done).await
}

/// An answer may be kept, and given again; nothing is to stay of a contact that is forgotten.
async fn answered(api: &Api, id: IntegrationId, done: Upgraded) -> Answer<Response> {
    let Upgraded { end, comparison, revision } = done;
    let comparison = comparison.map(Comparison::without_samples);
    if end == UpgradeEnd::Held {
        let words = comparison.map(|comparison| comparison.in_words()).unwrap_or_default();
        return Err(UpgradeError::Held { integration: id, words }.into());
    }
    let revision = match revision {
        Some(revision) => revision,
        None => {
            let standing = api.service.store().standing(&id).await?;
            standing.ok_or(StoreError::NoIntegration(id))?.revision
        }
    };
    Ok(with_etag(revision, Given(Switched { end, comparison })))
}

//! An integration's rules, each part saved by itself; and what a change of them would do.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as Given};
use hyper::StatusCode;
use hyper::header::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::extract::{At, Json};
use super::integrations::{revision, with_etag};
use super::problem::{Answer, Problems};
use crate::admin::{Admin, Rules, RulesChange};
use crate::integration::{ConditionRow, ConsentRow, FieldRow, IntegrationId};
use crate::run::Run;
use crate::store::StoreError;

/// Shows an integration's rules.
#[utoipa::path(get, path = "/integrations/{integration}/rules", tag = "rules",
    params(("integration" = String, Path, description = "Its id")),
    responses((status = 200, body = Rules, headers(("ETag" = String, description = "For `If-Match`"))), Problems),
    security(("token" = ["viewer"])))]
pub async fn show(State(api): State<Api>, At(id): At<IntegrationId>) -> Answer<Response> {
    let standing = api.service.store().standing(&id).await?;
    let standing = standing.ok_or(StoreError::NoIntegration(id))?;
    Ok(with_etag(standing.revision, Given(Rules::of(&standing.integration))))
}

async fn put(
    admin: &Admin,
    id: &IntegrationId,
    headers: &HeaderMap,
    change: RulesChange,
) -> Answer<Response> {
    let applied = admin.change_rules(id, revision(headers)?, change).await?;
    Ok(with_etag(applied.revision, Given(Rules::of(&applied.integration))))
}

/// Saves the sync conditions. They govern whom is synced from then on; no full sync is needed for it.
#[utoipa::path(put, path = "/integrations/{integration}/rules/conditions", tag = "rules",
    params(("integration" = String, Path, description = "Its id"),
        ("If-Match" = String, Header, description = "The ETag of the rules as they were seen")),
    request_body = Vec<ConditionRow>,
    responses((status = 200, body = Rules, headers(("ETag" = String))), Problems), security(("token" = ["editor"])))]
pub async fn put_conditions(
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
    headers: HeaderMap,
    Json(rows): Json<Vec<ConditionRow>>,
) -> Answer<Response> {
    put(&admin, &id, &headers, RulesChange::Conditions(rows)).await
}

/// Saves the field mappings. A full sync is needed afterwards.
#[utoipa::path(put, path = "/integrations/{integration}/rules/fields", tag = "rules",
    params(("integration" = String, Path, description = "Its id"),
        ("If-Match" = String, Header, description = "The ETag of the rules as they were seen")),
    request_body = Vec<FieldRow>,
    responses((status = 200, body = Rules, headers(("ETag" = String))), Problems), security(("token" = ["editor"])))]
pub async fn put_fields(
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
    headers: HeaderMap,
    Json(rows): Json<Vec<FieldRow>>,
) -> Answer<Response> {
    put(&admin, &id, &headers, RulesChange::Fields(rows)).await
}

/// Saves the consent mappings. A full sync is needed afterwards.
#[utoipa::path(put, path = "/integrations/{integration}/rules/consents", tag = "rules",
    params(("integration" = String, Path, description = "Its id"),
        ("If-Match" = String, Header, description = "The ETag of the rules as they were seen")),
    request_body = Vec<ConsentRow>,
    responses((status = 200, body = Rules, headers(("ETag" = String))), Problems), security(("token" = ["editor"])))]
pub async fn put_consents(
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
    headers: HeaderMap,
    Json(rows): Json<Vec<ConsentRow>>,
) -> Answer<Response> {
    put(&admin, &id, &headers, RulesChange::Consents(rows)).await
}

/// Rules to be tried.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Trial {
    /// The rules.
    pub rules: Rules,
    /// As a full sync that writes every contact, changed or not.
    #[serde(default)]
    pub forced: bool,
    /// Read the CRM, whatever is known of the contacts.
    #[serde(default)]
    pub read: bool,
}

/// A dry run that tries rules.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Trying {
    /// The run. Its differences are there when it has ended.
    pub run: Run,
    /// Why the CRM is read, though what is known was to be enough.
    pub reads_because: Option<String>,
}

/// Starts a dry run with other rules: nothing is written, and the rules stay as they are. What the CRM sends waits
/// meanwhile.
#[utoipa::path(post, path = "/integrations/{integration}/rules/preview", tag = "rules",
    params(("integration" = String, Path, description = "Its id")), request_body = Trial,
    responses((status = 202, body = Trying), Problems), security(("token" = ["editor"])))]
pub async fn preview(
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
    Json(Trial { rules, forced, read }): Json<Trial>,
) -> Answer<Response> {
    let mut integration = admin.integration(&id).await?;
    integration.conditions = rules.conditions;
    integration.fields = rules.fields;
    integration.consents = rules.consents;
    let (run, reads_because) = admin.preview(integration, forced, read).await?;
    Ok((StatusCode::ACCEPTED, Given(Trying { run, reads_because })).into_response())
}

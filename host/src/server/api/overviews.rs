//! Overviews: the CRM's lists, which become tags; set up, imported, removed.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as Given};
use hyper::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Asked, At, Json};
use super::paging::{Page, Paging, number, within};
use super::problem::{Answer, Problems};
use super::{Api, done};
use crate::admin::{Admin, Imported, NewOverview, Overviews, TagLine};
use crate::contact::ContactId;
use crate::integration::IntegrationId;
use crate::overview::{ImportNumber, OverviewId, OverviewImport, SkippedMember};

/// Lists the overviews that the CRM has, with how they are imported. The CRM is asked; if it does not answer, what is
/// set up is shown with that failure.
#[utoipa::path(get, path = "/integrations/{integration}/overviews", tag = "overviews",
    params(("integration" = String, Path, description = "Its id")),
    responses((status = 200, body = Overviews), Problems), security(("token" = ["viewer"])))]
pub async fn list(Extension(admin): Extension<Admin>, At(id): At<IntegrationId>) -> Answer<Given<Overviews>> {
    Ok(Given(Box::pin(admin.overviews(&id)).await?))
}

/// Lists the tags that the section has in APSIS One, where they are made.
#[utoipa::path(get, path = "/integrations/{integration}/tags", tag = "overviews",
    params(("integration" = String, Path, description = "Its id")),
    responses((status = 200, body = Vec<TagLine>), Problems), security(("token" = ["viewer"])))]
pub async fn tags(
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
) -> Answer<Given<Vec<TagLine>>> {
    Ok(Given(Box::pin(admin.tags(&id)).await?))
}

/// Shows how an overview is imported.
#[utoipa::path(get, path = "/integrations/{integration}/overviews/{overview}", tag = "overviews",
    params(("integration" = String, Path, description = "Its id"),
        ("overview" = String, Path, description = "The CRM's id")),
    responses((status = 200, body = Imported), Problems), security(("token" = ["viewer"])))]
pub async fn show(
    Extension(admin): Extension<Admin>,
    At((id, overview)): At<(IntegrationId, OverviewId)>,
) -> Answer<Given<Imported>> {
    Ok(Given(admin.overview(&id, &overview).await?))
}

/// Sets an overview up, or changes how it is imported. Nobody gets a tag before the next import; a full sync is not
/// needed.
#[utoipa::path(put, path = "/integrations/{integration}/overviews/{overview}", tag = "overviews",
    params(("integration" = String, Path, description = "Its id"),
        ("overview" = String, Path, description = "The CRM's id")),
    request_body = NewOverview,
    responses((status = 200, body = Imported), (status = 201, body = Imported), Problems),
    security(("token" = ["editor"])))]
pub async fn put(
    Extension(admin): Extension<Admin>,
    At((id, overview)): At<(IntegrationId, OverviewId)>,
    Json(new): Json<NewOverview>,
) -> Answer<Response> {
    let (imported, is_new) = Box::pin(admin.put_overview(&id, &overview, new)).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Given(imported)).into_response())
}

/// How an overview is removed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Removing {
    /// Whoever has its tag keeps it.
    #[serde(default)]
    pub keep_tags: bool,
}

/// Removes an overview. Unless `keep-tags`, its tag is taken off everybody first, so that it is gone a little later.
#[utoipa::path(delete, path = "/integrations/{integration}/overviews/{overview}", tag = "overviews",
    params(("integration" = String, Path, description = "Its id"),
        ("overview" = String, Path, description = "The CRM's id"), Removing),
    responses((status = 202, body = OverviewImport, description = "It is removed once its tag is taken off"),
        (status = 204, description = "It is removed"), Problems),
    security(("token" = ["editor"])))]
pub async fn remove(
    Extension(admin): Extension<Admin>,
    At((id, overview)): At<(IntegrationId, OverviewId)>,
    Asked(Removing { keep_tags }): Asked<Removing>,
) -> Answer<Response> {
    if keep_tags {
        admin.drop_overview(&id, &overview).await?;
        return Ok(done().into_response());
    }
    let import = admin.remove_overview(&id, &overview).await?;
    Ok((StatusCode::ACCEPTED, Given(import)).into_response())
}

/// How an overview is imported now.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Importing {
    /// It may take the tag off however many. Without it, an import that would take it off more than half of those who
    /// have it, and at least 50, stops as `overview-shrank` with nothing written.
    #[serde(default)]
    pub confirm: bool,
}

/// Imports an overview now. It is done a little later; `imports` shows how far it is.
#[utoipa::path(post, path = "/integrations/{integration}/overviews/{overview}/import", tag = "overviews",
    params(("integration" = String, Path, description = "Its id"),
        ("overview" = String, Path, description = "The CRM's id"), Importing),
    responses((status = 202, body = OverviewImport), Problems), security(("token" = ["editor"])))]
pub async fn import(
    Extension(admin): Extension<Admin>,
    At((id, overview)): At<(IntegrationId, OverviewId)>,
    Asked(Importing { confirm }): Asked<Importing>,
) -> Answer<Response> {
    let import = admin.import_overview(&id, &overview, confirm).await?;
    Ok((StatusCode::ACCEPTED, Given(import)).into_response())
}

/// Lists an overview's imports, the newest first.
#[utoipa::path(get, path = "/integrations/{integration}/overviews/{overview}/imports", tag = "overviews",
    params(("integration" = String, Path, description = "Its id"),
        ("overview" = String, Path, description = "The CRM's id"), Paging),
    responses((status = 200, body = Page<OverviewImport>), Problems), security(("token" = ["viewer"])))]
pub async fn imports(
    State(api): State<Api>,
    At((id, overview)): At<(IntegrationId, OverviewId)>,
    Asked(paging): Asked<Paging>,
) -> Answer<Given<Page<OverviewImport>>> {
    let limit = within(paging.limit)?;
    let before = number(paging.after.as_deref())?.map(ImportNumber);
    let found = api.service.store().overview_imports(&id, &overview, before, limit + 1).await?;
    Ok(Given(Page::of(found, limit, |import| import.number.to_string())))
}

/// Lists the members that the newest import left as they are, by id, with the reason.
#[utoipa::path(get, path = "/integrations/{integration}/overviews/{overview}/skipped", tag = "overviews",
    params(("integration" = String, Path, description = "Its id"),
        ("overview" = String, Path, description = "The CRM's id"), Paging),
    responses((status = 200, body = Page<SkippedMember>), Problems), security(("token" = ["viewer"])))]
pub async fn skipped(
    State(api): State<Api>,
    At((id, overview)): At<(IntegrationId, OverviewId)>,
    Asked(paging): Asked<Paging>,
) -> Answer<Given<Page<SkippedMember>>> {
    let limit = within(paging.limit)?;
    let after = paging.after.map(ContactId);
    let found = api.service.store().skipped_members(&id, &overview, after.as_ref(), limit + 1).await?;
    Ok(Given(Page::of(found, limit, |one| one.contact.0.clone())))
}

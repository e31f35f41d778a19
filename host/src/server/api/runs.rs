//! Runs: asked for, watched, cancelled, approved; and what they came to.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as Given};
use hyper::StatusCode;
use hyper::header::LOCATION;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Asked, At, Json};
use super::paging::{Page, Paging, few, number, within};
use super::problem::{Answer, Problems, RequestError};
use super::{Api, PLACE};
use crate::admin::Admin;
use crate::brake::Held;
use crate::contact::{ContactId, Discard};
use crate::difference::Difference;
use crate::integration::IntegrationId;
use crate::run::{Outcome, Run, RunContact, RunId, RunOrder, Source};

/// The most discarded records of a run that are listed.
const DISCARDS: u32 = 10_000;
/// The most runs that are looked at for a page.
const RUNS: u32 = 10_000;

/// Lists an integration's runs, the newest first.
#[utoipa::path(get, path = "/integrations/{integration}/runs", tag = "runs",
    params(("integration" = String, Path, description = "Its id"), Paging),
    responses((status = 200, body = Page<Run>), Problems), security(("token" = ["viewer"])))]
pub async fn list(
    State(api): State<Api>,
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
    Asked(paging): Asked<Paging>,
) -> Answer<Given<Page<Run>>> {
    let limit = within(paging.limit)?;
    let before = number(paging.after.as_deref())?;
    admin.integration(&id).await?;
    // Without a place, no more than the page is read.
    let read = if before.is_some() { RUNS } else { limit + 1 };
    let mut runs = api.service.store().runs(&id, read).await?;
    runs.retain(|run| before.is_none_or(|before| run.id.0 < before));
    Ok(Given(Page::of(runs, limit, |run| run.id.to_string())))
}

/// What kind of run is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Every contact is read, and written where it differs.
    FullSync,
    /// The same, and nothing is written.
    DryRun,
}

/// A run to be started.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewRun {
    /// What it is for.
    pub kind: Kind,
    /// Write every contact, changed or not.
    #[serde(default)]
    pub forced: bool,
    /// Where contacts are read.
    #[serde(default)]
    pub source: Source,
}

/// Starts a full sync or a dry run. What the CRM sends waits until it has ended.
#[utoipa::path(post, path = "/integrations/{integration}/runs", tag = "runs",
    params(("integration" = String, Path, description = "Its id")), request_body = NewRun,
    responses((status = 202, body = Run, headers(("Location" = String, description = "Where it is shown"))), Problems),
    security(("token" = ["editor"])))]
pub async fn start(
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
    Json(NewRun { kind, forced, source }): Json<NewRun>,
) -> Answer<Response> {
    let order = match kind {
        Kind::FullSync => RunOrder::FullSync { forced, source },
        Kind::DryRun => RunOrder::DryRun { forced, source, trial: None },
    };
    let run = admin.start_run(&id, order).await?;
    let place = format!("{PLACE}/integrations/{id}/runs/{}", run.id);
    Ok((StatusCode::ACCEPTED, [(LOCATION, place)], Given(run)).into_response())
}

/// Shows a run.
#[utoipa::path(get, path = "/integrations/{integration}/runs/{run}", tag = "runs",
    params(("integration" = String, Path, description = "Its id"), ("run" = i64, Path, description = "Its number")),
    responses((status = 200, body = Run), Problems), security(("token" = ["viewer"])))]
pub async fn show(
    Extension(admin): Extension<Admin>,
    At((id, run)): At<(IntegrationId, i64)>,
) -> Answer<Given<Run>> {
    Ok(Given(admin.run_of(&id, RunId(run)).await?))
}

/// Asks a run to stop. It ends a little later; one that has ended stays as it is.
#[utoipa::path(post, path = "/integrations/{integration}/runs/{run}/cancel", tag = "runs",
    params(("integration" = String, Path, description = "Its id"), ("run" = i64, Path, description = "Its number")),
    responses((status = 202, body = Run), Problems), security(("token" = ["editor"])))]
pub async fn cancel(
    Extension(admin): Extension<Admin>,
    At((id, run)): At<(IntegrationId, i64)>,
) -> Answer<Response> {
    let run = admin.cancel_run(&id, RunId(run)).await?;
    Ok((StatusCode::ACCEPTED, Given(run)).into_response())
}

/// Which contacts of a run.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OfOutcome {
    /// Only those that came to this.
    pub outcome: Option<Outcome>,
    /// Items on the page.
    #[serde(default = "few")]
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: u32,
    /// Where the page begins, as the page before it says.
    pub after: Option<String>,
}

/// Lists a run's contacts, by id, with what each came to and why.
#[utoipa::path(get, path = "/integrations/{integration}/runs/{run}/contacts", tag = "runs",
    params(("integration" = String, Path, description = "Its id"), ("run" = i64, Path, description = "Its number"),
        OfOutcome),
    responses((status = 200, body = Page<RunContact>), Problems), security(("token" = ["viewer"])))]
pub async fn contacts(
    State(api): State<Api>,
    Extension(admin): Extension<Admin>,
    At((id, run)): At<(IntegrationId, i64)>,
    Asked(asked): Asked<OfOutcome>,
) -> Answer<Given<Page<RunContact>>> {
    let limit = within(asked.limit)?;
    let run = admin.run_of(&id, RunId(run)).await?;
    let after = asked.after.map(ContactId);
    let found = api.service.store().run_contacts(run.id, asked.outcome, after.as_ref(), limit + 1).await?;
    Ok(Given(Page::of(found, limit, |one| one.contact.0.clone())))
}

/// How many contacts came to the same for the same reason.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReasonCount {
    /// What they came to.
    pub outcome: Outcome,
    /// The reason's code.
    pub code: String,
    /// How many.
    pub contacts: u64,
}

/// Counts a run's contacts by outcome and reason.
#[utoipa::path(get, path = "/integrations/{integration}/runs/{run}/reasons", tag = "runs",
    params(("integration" = String, Path, description = "Its id"), ("run" = i64, Path, description = "Its number")),
    responses((status = 200, body = Vec<ReasonCount>), Problems), security(("token" = ["viewer"])))]
pub async fn reasons(
    State(api): State<Api>,
    Extension(admin): Extension<Admin>,
    At((id, run)): At<(IntegrationId, i64)>,
) -> Answer<Given<Vec<ReasonCount>>> {
    let run = admin.run_of(&id, RunId(run)).await?;
    let found = api.service.store().reasons(run.id).await?;
    let counts = found.into_iter().map(|(outcome, code, contacts)| ReasonCount { outcome, code, contacts });
    Ok(Given(counts.collect()))
}

/// Lists the records that a run could not use.
#[utoipa::path(get, path = "/integrations/{integration}/runs/{run}/discards", tag = "runs",
    params(("integration" = String, Path, description = "Its id"), ("run" = i64, Path, description = "Its number"),
        Paging),
    responses((status = 200, body = Page<Discard>), Problems), security(("token" = ["viewer"])))]
pub async fn discards(
    State(api): State<Api>,
    Extension(admin): Extension<Admin>,
    At((id, run)): At<(IntegrationId, i64)>,
    Asked(paging): Asked<Paging>,
) -> Answer<Given<Page<Discard>>> {
    let limit = within(paging.limit)?;
    let skip = number(paging.after.as_deref())?.unwrap_or(0);
    let run = admin.run_of(&id, RunId(run)).await?;
    // They have no order of their own but that in which they came.
    let end = u32::try_from(skip).unwrap_or(u32::MAX).saturating_add(limit).saturating_add(1);
    if end > DISCARDS {
        let problem = format!("only the first {DISCARDS} discarded records are listed");
        return Err(RequestError::Malformed { part: "query", problem }.into());
    }
    let all = api.service.store().discards(run.id, end).await?;
    let rest: Vec<Discard> = all.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).collect();
    let next = (skip + i64::from(limit)).to_string();
    Ok(Given(Page::of(rest, limit, |_| next.clone())))
}

/// A contact of a dry run, with what would change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Foretold {
    /// What it would come to.
    #[serde(flatten)]
    pub of: RunContact,
    /// What would become of its profile.
    pub difference: Difference,
}

/// Lists the contacts of a dry run for which something would change, by id. It holds personal data.
#[utoipa::path(get, path = "/integrations/{integration}/runs/{run}/differences", tag = "runs",
    params(("integration" = String, Path, description = "Its id"), ("run" = i64, Path, description = "Its number"),
        Paging),
    responses((status = 200, body = Page<Foretold>), Problems), security(("token" = ["viewer"])))]
pub async fn differences(
    State(api): State<Api>,
    Extension(admin): Extension<Admin>,
    At((id, run)): At<(IntegrationId, i64)>,
    Asked(paging): Asked<Paging>,
) -> Answer<Given<Page<Foretold>>> {
    let limit = within(paging.limit)?;
    let run = admin.run_of(&id, RunId(run)).await?;
    let after = paging.after.map(ContactId);
    let found = api.service.store().differences(run.id, after.as_ref(), limit + 1).await?;
    let found = found.into_iter().map(|(of, difference)| Foretold { of, difference }).collect();
    Ok(Given(Page::of(found, limit, |one: &Foretold| one.of.contact.0.clone())))
}

/// What waits for approval.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Waiting {
    /// The run that waits.
    pub run: Option<RunId>,
    /// What it would do.
    pub of_run: Option<Held>,
    /// What the changes of the last hour would do.
    pub of_lane: Option<Held>,
}

/// Shows what waits until somebody approves: more would be opted out, newly opted in or deleted than may be without
/// being asked.
#[utoipa::path(get, path = "/integrations/{integration}/held", tag = "runs",
    params(("integration" = String, Path, description = "Its id")),
    responses((status = 200, body = Waiting), Problems), security(("token" = ["viewer"])))]
pub async fn held(
    State(api): State<Api>,
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
) -> Answer<Given<Waiting>> {
    admin.integration(&id).await?;
    let store = api.service.store();
    let run = store.active_run(&id).await?.filter(Run::waits);
    let of_lane = store.held_lane(&id).await?;
    Ok(Given(Waiting { run: run.as_ref().map(|run| run.id), of_run: run.and_then(|run| run.hold), of_lane }))
}

/// Approves of what waits, and lets it go on. `held` says whom it is about.
#[utoipa::path(post, path = "/integrations/{integration}/approve", tag = "runs",
    params(("integration" = String, Path, description = "Its id")),
    responses((status = 200, body = Vec<Held>), Problems), security(("token" = ["editor"])))]
pub async fn approve(
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
) -> Answer<Given<Vec<Held>>> {
    // An answer may be kept, and given again; nothing is to stay of a contact that is forgotten.
    Ok(Given(admin.approve(&id).await?.into_iter().map(Held::without_samples).collect()))
}

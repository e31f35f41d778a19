//! Integrations: listed, shown, applied, taken away; how each is, and whether it can work.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as Given};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

use super::extract::{Asked, At, Json};
use super::paging::{Page, Paging, within};
use super::problem::{Answer, Problems, RequestError};
use super::{Api, done};
use crate::access::{AccessError, Scope};
use crate::admin::{Admin, Applied, Finding};
use crate::error::{ErrorCode, Failure};
use crate::integration::{Integration, IntegrationId, SecretRef};
use crate::lane::{Health, LaneStatus};
use crate::need::Need;
use crate::run::Run;
use crate::store::{Expected, StoreError};
use crate::sync::AuditOrder;

/// An integration in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Listed {
    /// Its id.
    pub id: IntegrationId,
    /// What people call it.
    pub name: String,
    /// Its connector.
    pub connector: String,
    /// How it is, in one word.
    pub health: Health,
    /// Deliveries and contacts that wait.
    pub backlog: u64,
    /// Its newest run.
    pub last_run: Option<Run>,
    /// What a full sync is needed for.
    pub full_sync_needed: Vec<Need>,
}

/// Lists integrations, by id.
#[utoipa::path(get, path = "/integrations", tag = "integrations", params(Paging),
    responses((status = 200, body = Page<Listed>), Problems), security(("token" = ["viewer"])))]
pub async fn list(
    State(api): State<Api>,
    Extension(admin): Extension<Admin>,
    Asked(paging): Asked<Paging>,
) -> Answer<Given<Page<Listed>>> {
    let limit = within(paging.limit)?;
    let store = api.service.store();
    let after = paging.after.map(IntegrationId);
    let mut all = store.integrations().await?;
    all.retain(|one| {
        admin.caller().scope.holds(&one.id) && after.as_ref().is_none_or(|after| one.id > *after)
    });
    all.truncate(usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1));
    let mut items = Vec::with_capacity(all.len());
    for one in all {
        let status = store.lane_status(&one.id).await?;
        items.push(Listed {
            health: status.health(),
            backlog: status.deliveries_waiting + status.contacts_waiting,
            last_run: store.runs(&one.id, 1).await?.into_iter().next(),
            full_sync_needed: status.needs,
            id: one.id,
            name: one.name,
            connector: one.connector,
        });
    }
    Ok(Given(Page::of(items, limit, |one| one.id.0.clone())))
}

/// Shows an integration's definition. Secrets are in it by name only.
#[utoipa::path(get, path = "/integrations/{integration}", tag = "integrations",
    params(("integration" = String, Path, description = "Its id")),
    responses((status = 200, body = Integration, headers(("ETag" = String, description = "For `If-Match`"))), Problems),
    security(("token" = ["viewer"])))]
pub async fn show(State(api): State<Api>, At(id): At<IntegrationId>) -> Answer<Response> {
    let standing = api.service.store().standing(&id).await?;
    let standing = standing.ok_or(StoreError::NoIntegration(id))?;
    Ok(with_etag(standing.revision, Given(standing.integration)))
}

/// Adds an integration (`If-None-Match: *`), or replaces it as it was seen (`If-Match`). `connector` names a component
/// that is in the store.
#[utoipa::path(put, path = "/integrations/{integration}", tag = "integrations",
    params(("integration" = String, Path, description = "Its id"),
        ("If-Match" = Option<String>, Header, description = "The ETag of what is replaced"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if there is none")),
    request_body = Integration,
    responses((status = 200, body = Integration, headers(("ETag" = String))),
        (status = 201, body = Integration, headers(("ETag" = String))), Problems),
    security(("token" = ["operator"])))]
pub async fn put(
    State(api): State<Api>,
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
    headers: HeaderMap,
    Json(integration): Json<Integration>,
) -> Answer<Response> {
    if integration.id != id {
        let problem = "its `id` is not that of the address".to_owned();
        return Err(RequestError::Malformed { part: "body", problem }.into());
    }
    if !integration.connector.starts_with("sha256:") {
        let problem =
            "`connector` is a path; add the component with POST /api/v1/connectors, and give its name";
        return Err(RequestError::Malformed { part: "body", problem: problem.to_owned() }.into());
    }
    let expected = expected(&headers)?;
    if admin.caller().scope != Scope::All {
        let known = api.service.store().integration(&id).await?;
        refuse_other_places(&integration, known.as_ref())?;
    }
    let Applied { integration, revision, is_new, .. } = admin.apply(integration, expected).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, with_etag(revision, Given(integration))).into_response())
}

/// The host's variables and files hold the secrets of all integrations: whoever is for some of them may not name others. In
/// the store an integration has none but its own.
fn refuse_other_places(new: &Integration, known: Option<&Integration>) -> Result<(), AccessError> {
    let places = |one: &Integration| -> Vec<SecretRef> {
        let places = one.secrets.values().chain([&one.apsis.client_secret]);
        places.filter(|place| !matches!(place, SecretRef::Stored(_))).cloned().collect()
    };
    let before = known.map(places).unwrap_or_default();
    match places(new).iter().all(|place| before.contains(place)) {
        true => Ok(()),
        false => Err(AccessError::Scope),
    }
}

/// What whoever changes an integration believes it to be.
pub fn expected(headers: &HeaderMap) -> Answer<Expected> {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    match (text(IF_MATCH), text(IF_NONE_MATCH)) {
        (Some(tag), None) => {
            let revision = tag.trim().trim_start_matches("W/").trim_matches('"').parse();
            // What is no revision is not that of anything.
            Ok(Expected::Revision(revision.unwrap_or(-1)))
        }
        (None, Some("*")) => Ok(Expected::Absent),
        _ => Err(RequestError::NoPrecondition.into()),
    }
}

/// The revision that whoever changes rules has seen.
pub fn revision(headers: &HeaderMap) -> Answer<i64> {
    match expected(headers)? {
        Expected::Revision(revision) => Ok(revision),
        Expected::Absent | Expected::Anything => Err(RequestError::NoPrecondition.into()),
    }
}

/// An answer with the revision that it shows.
pub fn with_etag(revision: i64, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{revision}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// How an integration is deleted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Deleting {
    /// Do not ask the CRM, where it is gone or its key is.
    #[serde(default)]
    pub keep_webhook: bool,
}

/// Deletes an integration with all that is known of it. Its profiles stay in APSIS One. Unless `keep-webhook`, its
/// webhook is taken back first, so that it is gone a little later.
#[utoipa::path(delete, path = "/integrations/{integration}", tag = "integrations",
    params(("integration" = String, Path, description = "Its id"), Deleting),
    responses((status = 202, description = "It is deleted once its webhook is taken back"),
        (status = 204, description = "It is deleted"), Problems),
    security(("token" = ["operator"])))]
pub async fn delete(
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
    Asked(how): Asked<Deleting>,
) -> Answer<StatusCode> {
    if how.keep_webhook {
        admin.delete(&id).await?;
        return Ok(done());
    }
    admin.retire(&id).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Shows how an integration is: its lane, gate and backlog, and what needs attention.
#[utoipa::path(get, path = "/integrations/{integration}/status", tag = "integrations",
    params(("integration" = String, Path, description = "Its id")),
    responses((status = 200, body = LaneStatus), Problems), security(("token" = ["viewer"])))]
pub async fn status(State(api): State<Api>, At(id): At<IntegrationId>) -> Answer<Given<LaneStatus>> {
    Ok(Given(api.service.store().lane_status(&id).await?))
}

/// Has an integration's lane work again.
#[utoipa::path(post, path = "/integrations/{integration}/enable", tag = "integrations",
    params(("integration" = String, Path, description = "Its id")),
    responses((status = 204), Problems), security(("token" = ["editor"])))]
pub async fn enable(Extension(admin): Extension<Admin>, At(id): At<IntegrationId>) -> Answer<StatusCode> {
    admin.enable(&id, true).await?;
    Ok(done())
}

/// Takes an integration's webhook back. What still comes in is stored and held.
#[utoipa::path(post, path = "/integrations/{integration}/disable", tag = "integrations",
    params(("integration" = String, Path, description = "Its id")),
    responses((status = 204), Problems), security(("token" = ["editor"])))]
pub async fn disable(Extension(admin): Extension<Admin>, At(id): At<IntegrationId>) -> Answer<StatusCode> {
    admin.enable(&id, false).await?;
    Ok(done())
}

/// A webhook's new address.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Rotated {
    /// Until when the old one is taken.
    #[schema(value_type = String, format = DateTime)]
    pub old_until: Timestamp,
}

/// Gives an integration's webhook a new address, and the secret that its definition names now.
#[utoipa::path(post, path = "/integrations/{integration}/rotate", tag = "integrations",
    params(("integration" = String, Path, description = "Its id")),
    responses((status = 200, body = Rotated), Problems), security(("token" = ["operator"])))]
pub async fn rotate(Extension(admin): Extension<Admin>, At(id): At<IntegrationId>) -> Answer<Given<Rotated>> {
    Ok(Given(Rotated { old_until: admin.rotate_key(&id).await? }))
}

/// Checks that an integration can work: both sides reachable, credentials right, mappings known. Nothing is written.
#[utoipa::path(post, path = "/integrations/{integration}/check", tag = "integrations",
    params(("integration" = String, Path, description = "Its id")),
    responses((status = 200, body = Vec<Finding>), Problems), security(("token" = ["editor"])))]
pub async fn checkup(
    State(api): State<Api>,
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
) -> Answer<Given<Vec<Finding>>> {
    let integration = admin.integration(&id).await?;
    let mut findings = Vec::new();
    let mut keep = |finding| findings.push(finding);
    Box::pin(crate::admin::checkup(&api.service, &integration, &mut keep)).await;
    Ok(Given(findings))
}

/// How much is compared.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Auditing {
    /// Only so many contacts, evenly over all, read one by one; left out: all.
    #[param(minimum = 1, maximum = 100000)]
    pub sample: Option<u32>,
    /// Contacts that differ are not taken for done any more: the next full sync writes them.
    #[serde(default)]
    pub doubt: bool,
}

/// Differences that wait to be sent.
const UNSENT: usize = 64;

/// Compares what APSIS One has with what was last written. Differences come as they are found, one JSON document a line;
/// the last line counts them, or is the problem that ended it. It ends when nobody reads on.
#[utoipa::path(post, path = "/integrations/{integration}/audit", tag = "integrations",
    params(("integration" = String, Path, description = "Its id"), Auditing),
    responses((status = 200, body = String, content_type = "application/x-ndjson"), Problems),
    security(("token" = ["editor"])))]
pub async fn audit(
    State(api): State<Api>,
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
    Asked(Auditing { sample, doubt }): Asked<Auditing>,
) -> Answer<Response> {
    if sample.is_some_and(|sample| sample == 0 || sample > 100_000) {
        let problem = "`sample` is 1 to 100000".to_owned();
        return Err(RequestError::Malformed { part: "query", problem }.into());
    }
    admin.integration(&id).await?;
    let (lines, mut sent) = mpsc::channel::<Bytes>(UNSENT);
    tokio::spawn(async move {
        let found = lines.clone();
        // Whoever does not read on loses what there is no room for; the count at the end has them all.
        let mut each = |difference| drop(found.try_send(line(&difference)));
        let order = AuditOrder { sample, doubt };
        let audit = Box::pin(api.service.audit(&id, order, &mut each));
        let end = tokio::select! {
            audited = audit => match audited {
                Ok(audited) => line(&audited),
                Err(error) => line(&serde_json::json!({ "error": Failure { code: error.code().to_owned(), message: error.to_string() } })),
            },
            () = lines.closed() => return,
        };
        // Nobody reads on.
        let _ = lines.send(end).await;
    });
    let stream = futures::stream::poll_fn(move |context| sent.poll_recv(context));
    let stream = futures::StreamExt::map(stream, Ok::<_, std::convert::Infallible>);
    let mut response = Response::new(Body::from_stream(stream));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

fn line(document: &impl Serialize) -> Bytes {
    let mut text = serde_json::to_vec(document).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

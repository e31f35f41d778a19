//! `/api/v1`: everything that the command line does with a host, as JSON, for whoever bears a token.
//!
//! The description at `/api/v1/openapi.json` is made from the code, and what it says of a call's role is what the
//! `guard` enforces. Lists come page by page; problems are RFC 9457 documents; rules are changed only as they were seen
//! (ETag, If-Match); a request with an `Idempotency-Key` takes effect once.

mod connectors;
mod contacts;
mod deliveries;
mod extract;
pub(super) mod guard;
mod integrations;
mod journal;
mod overviews;
mod paging;
pub(super) mod problem;
mod rules;
mod runs;
mod secrets;
mod tokens;
mod upgrades;

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use axum::{Json, Router, middleware};
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::guard::{Guard, let_in, needs};
use self::problem::{Problem, Refused, RequestError};
use crate::server::callers::Callers;
use crate::sync::Service;

pub use self::guard::{AboutWhat, CallNeed, Needs};

/// Where the API is.
const PLACE: &str = "/api/v1";

/// The API's description, as far as it is about all calls.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sluice",
        description = "Syncs a CRM's contacts into APSIS One. What the command line does, this does, too.\n\nA call needs \
            a token (`sluice token create`) with the role that `security` names: viewer, editor or operator, each of \
            which may do what those before it may. `host` beside it: the token must be for all integrations; `secret`: \
            the request or the answer holds a secret, and no `Idempotency-Key` is taken.\n\nAn `Idempotency-Key` with a \
            POST, PUT or DELETE makes it take effect once: for a day, the same key gives the same answer. Problems have \
            the codes of docs/errors.md."
    ),
    components(schemas(Problem)),
    tags(
        (name = "integrations", description = "One customer's connection each"),
        (name = "rules", description = "Sync conditions, field mappings, consent mappings"),
        (name = "runs", description = "Full syncs, daily runs and dry runs"),
        (name = "deliveries", description = "What the CRMs sent"),
        (name = "contacts", description = "One person each"),
        (name = "secrets", description = "What is kept sealed; values go in, and never come out"),
        (name = "overviews", description = "The CRM's lists of people, which become tags"),
        (name = "connectors", description = "The components that speak to a CRM"),
        (name = "access", description = "Tokens"),
        (name = "journal", description = "Who did what on purpose"),
    )
)]
struct Description;

/// What handlers work with.
#[derive(Clone)]
struct Api {
    service: Service,
}

/// The calls, with their description.
fn calls() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(tokens::me))
        .routes(routes!(integrations::list))
        .routes(routes!(integrations::show, integrations::put, integrations::delete))
        .routes(routes!(integrations::status))
        .routes(routes!(integrations::enable))
        .routes(routes!(integrations::disable))
        .routes(routes!(integrations::rotate))
        .routes(routes!(integrations::checkup))
        .routes(routes!(integrations::audit))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::set, secrets::remove))
        .routes(routes!(secrets::rotate))
        .routes(routes!(rules::show))
        .routes(routes!(rules::put_conditions))
        .routes(routes!(rules::put_fields))
        .routes(routes!(rules::put_consents))
        .routes(routes!(rules::preview))
        .routes(routes!(runs::list, runs::start))
        .routes(routes!(runs::show))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::contacts))
        .routes(routes!(runs::reasons))
        .routes(routes!(runs::discards))
        .routes(routes!(runs::differences))
        .routes(routes!(runs::held))
        .routes(routes!(runs::approve))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::show))
        .routes(routes!(deliveries::causes))
        .routes(routes!(deliveries::replay))
        .routes(routes!(contacts::show, contacts::forget))
        .routes(routes!(contacts::readmit))
        .routes(routes!(contacts::sync))
        .routes(routes!(contacts::foretell))
        .routes(routes!(contacts::shared))
        .routes(routes!(overviews::list))
        .routes(routes!(overviews::tags))
        .routes(routes!(overviews::show, overviews::put, overviews::remove))
        .routes(routes!(overviews::import))
        .routes(routes!(overviews::imports))
        .routes(routes!(overviews::skipped))
        .routes(routes!(connectors::list, connectors::add))
        .routes(routes!(connectors::show, connectors::remove))
        .routes(routes!(connectors::roll_out))
        .routes(routes!(upgrades::show))
        .routes(routes!(upgrades::compare))
        .routes(routes!(upgrades::upgrade))
        .routes(routes!(upgrades::roll_back))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(journal::list))
}

/// The API's description.
pub fn description() -> utoipa::openapi::OpenApi {
    let (_, mut description) = OpenApiRouter::<Api>::new().nest(PLACE, calls()).split_for_parts();
    // A nested router brings paths, not what is said about all of them.
    let whole = Description::openapi();
    description.info = whole.info;
    description.tags = whole.tags;
    // The handlers' names say what they do within their rooms.
    for item in description.paths.paths.values_mut() {
        let calls = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        for call in calls.into_iter().flatten() {
            let room = call.tags.iter().flatten().next();
            call.operation_id =
                room.zip(call.operation_id.as_ref()).map(|(room, name)| format!("{room}.{name}"));
        }
    }
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("As `sluice token create` shows it"))
        .build();
    let components = description.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(token));
    description
}

/// The API.
pub fn router(callers: Arc<Callers>) -> Router {
    let description = description();
    let json = serde_json::to_value(&description).unwrap_or_default();
    let service = callers.service().clone();
    let guard = Guard::new(callers, needs(&json));
    let (calls, _) = OpenApiRouter::new().nest(PLACE, calls()).split_for_parts();
    let shown = Arc::new(json);
    let show = move || {
        let shown = Arc::clone(&shown);
        async move { Json(shown.as_ref().clone()) }
    };
    calls
        .with_state(Api { service })
        .route_layer(middleware::from_fn_with_state(guard, let_in))
        .route(&format!("{PLACE}/openapi.json"), axum::routing::get(show))
        .method_not_allowed_fallback(no_method)
        .layer(middleware::map_response(unkept))
}

/// For every address that nothing is behind.
pub async fn no_route() -> Response {
    Refused::from(RequestError::NoRoute).into_response()
}

async fn no_method() -> Response {
    Refused::from(RequestError::NoMethod).into_response()
}

/// Answers are for whoever asked, and nobody on the way keeps them.
async fn unkept(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// An answer without a body.
fn done() -> StatusCode {
    StatusCode::NO_CONTENT
}

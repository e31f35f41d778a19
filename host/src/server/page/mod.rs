//! The page: what people do with a host in a browser. Made here and sent as HTML; htmx moves what moves, and without it
//! nothing but that is lost.
//!
//! Each action is one of `admin`, as for the command line and the API. What a request needs is said in `needs`, and a
//! request that is not named there is let through to nobody. No script and no style is in a page itself, so that the
//! browser is told to run none but ours.

mod activity;
mod assets;
mod chart;
mod conditions;
mod connection;
mod connection_form;
mod consents;
mod contact;
mod door;
mod fields;
mod form;
mod frame;
mod integrations;
mod login;
mod needs;
mod overviews;
mod run;
mod sides;
mod status;
mod sync;
mod texts;

use std::sync::Arc;

use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY};
use tokio_util::sync::CancellationToken;

use self::sides::Sides;
use super::callers::Callers;
use crate::error::{ErrorCode, Failure};

pub use self::needs::{PageNeed, needs};

/// What all pages share.
pub struct Page {
    callers: Arc<Callers>,
    sides: Sides,
    /// Whether browsers reach this host by TLS, of its own or a proxy's.
    is_private: bool,
    stop: CancellationToken,
}

/// The page. `is_private`: browsers reach it by TLS.
pub fn router(callers: Arc<Callers>, is_private: bool, stop: CancellationToken) -> Router {
    let page = Arc::new(Page { callers, sides: Sides::default(), is_private, stop });
    let one = |rest: &str| format!("/integrations/{{integration}}{rest}");
    Router::new()
        .route("/", get(async || Redirect::to("/integrations")))
        .route("/logout", post(login::log_out))
        .route("/integrations", get(integrations::list))
        .route("/integrations/new", get(connection::choose))
        .route("/integrations/new/{connector}", get(connection::new).post(connection::add))
        .route(&one(""), get(status::show))
        .route(&one("/enable"), post(status::enable))
        .route(&one("/disable"), post(status::disable))
        .route(&one("/approve"), post(status::approve))
        .route(&one("/check"), post(status::check))
        .route(&one("/look-again"), post(status::look_again))
        .route(&one("/conditions"), get(conditions::show).post(conditions::save))
        .route(&one("/conditions/try"), post(conditions::attempt))
        .route(&one("/fields"), get(fields::show).post(fields::save))
        .route(&one("/fields/try"), post(fields::attempt))
        .route(&one("/consents"), get(consents::show).post(consents::save))
        .route(&one("/consents/try"), post(consents::attempt))
        .route(&one("/full-sync"), get(sync::show).post(sync::start))
        .route(&one("/runs/{run}"), get(run::show))
        .route(&one("/runs/{run}/progress"), get(run::progress))
        .route(&one("/runs/{run}/cancel"), post(run::cancel))
        .route(&one("/runs/{run}/contacts"), get(run::contacts))
        .route(&one("/runs/{run}/contacts.csv"), get(run::csv))
        .route(&one("/runs/{run}/differences"), get(run::differences))
        .route(&one("/overviews"), get(overviews::show).post(overviews::save))
        .route(&one("/overviews/import"), post(overviews::import))
        .route(&one("/overviews/remove"), post(overviews::remove))
        .route(&one("/overviews/{overview}"), get(overviews::imports))
        .route(&one("/activity"), get(activity::show))
        .route(&one("/activity/rows"), get(activity::rows))
        .route(&one("/activity/{delivery}"), get(activity::delivery))
        .route(&one("/replay"), post(activity::replay))
        .route(&one("/contacts"), get(contact::find))
        .route(&one("/contacts/{contact}"), get(contact::show))
        .route(&one("/contacts/{contact}/sync"), post(contact::sync))
        .route(&one("/contacts/{contact}/try"), post(contact::attempt))
        .route(&one("/contacts/{contact}/forget"), post(contact::forget))
        .route(&one("/settings"), get(connection::show).post(connection::save))
        .route(&one("/delete"), post(connection::delete))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&page), door::let_in))
        .route("/login", get(login::show).post(login::log_in))
        .route("/assets/{name}", get(assets::asset))
        .layer(middleware::map_response_with_state(Arc::clone(&page), door::with_protection))
        .with_state(page)
}

/// What a page could not do, on its way to be shown.
#[derive(Debug)]
pub struct Refused(pub Failure);

impl<E: ErrorCode> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(Failure::from(&error))
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<super::api::problem::Refused> for Refused {
    fn from(refused: super::api::problem::Refused) -> Self {
        Self(refused.0)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        frame::failure(&self.0)
    }
}

/// What a handler answers.
type Answer<T = Response> = Result<T, Refused>;

/// Goes to another page after something was done, so that loading it again does nothing again.
fn go_to(place: &str) -> Response {
    Redirect::to(place).into_response()
}

/// Has htmx load another page.
fn leave_for(place: &str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(HeaderName::from_static("hx-redirect"), place);
    }
    response
}

/// Whether htmx asks, which puts the answer into the page.
fn is_htmx(headers: &HeaderMap) -> bool {
    headers.contains_key("hx-request")
}

/// What keeps a page from being used by another one.
fn protections(is_private: bool) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let always = [
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ];
    let always = always
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let private = is_private.then(|| {
        (STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains"))
    });
    always.chain(private)
}

/// Pages hold personal data: nobody on the way keeps them.
const UNKEPT: (HeaderName, HeaderValue) = (CACHE_CONTROL, HeaderValue::from_static("no-store"));

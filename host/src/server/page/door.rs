//! Who is let in to a page: whoever has a session whose token reaches what the request needs; and what changes
//! something only by a form of ours, so that no other site can have a browser send it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use url::form_urlencoded;

use super::form::Sent;
use super::needs::need_of;
use super::{Page, Refused, UNKEPT, is_htmx, leave_for, protections};
use crate::access::{AccessError, Need};
use crate::admin::Admin;
use crate::error::ErrorCode;
use crate::server::api::guard::{integration_of, to_the_end};
use crate::server::api::problem::RequestError;
use crate::server::callers::Visitor;
use crate::session::{LONGEST, SessionSecret};

/// The largest form.
const FORM_BYTES: usize = 1 << 20;
/// The longest time for a form.
const FORM_WITHIN: Duration = Duration::from_secs(30);
/// The field of a form that proves that it is ours.
const PROOF: &str = "proof";
/// The header in place of it.
const PROOF_HEADER: &str = "x-form-proof";

/// Why a form is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// It is not from a page of this session.
    #[error(
        "this form is from an earlier login, or from another site: load the page again, and send it from there"
    )]
    NotOurs,
    /// It is too large, or did not come in time.
    #[error("the form is too large, or did not come in time: send it again, with less in it")]
    TooLarge,
}

impl ErrorCode for FormError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotOurs => "form-not-ours",
            Self::TooLarge => "request-too-large",
        }
    }
}

/// Lets a request through, or sends whoever asks to the login.
pub async fn let_in(
    State(page): State<Arc<Page>>,
    path: MatchedPath,
    parts: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let Some(need) = need_of(request.method(), path.as_str()) else {
        return Refused::from(RequestError::NoMethod).into_response();
    };
    let visitor = match of_cookie(&page, request.headers()) {
        Some(secret) => page.callers.visitor(&secret).await,
        None => Ok(None),
    };
    let visitor = match visitor {
        Ok(Some(visitor)) => visitor,
        Ok(None) => return to_login(&request),
        Err(refused) => return Refused::from(refused).into_response(),
    };
    let integration = integration_of(&parts);
    let needed = Need { role: need.role, on: need.about.on(integration.as_ref()) };
    if !visitor.caller.may(needed) {
        return Refused::from(AccessError::of(&visitor.caller, needed)).into_response();
    }
    let is_safe = request.method().is_safe();
    let mut request = if is_safe {
        request
    } else {
        match with_form(request, &visitor.secret).await {
            Ok(request) => request,
            Err(error) => return Refused::from(error).into_response(),
        }
    };
    request.extensions_mut().insert(Admin::new(page.callers.service().clone(), visitor.caller.clone()));
    request.extensions_mut().insert(visitor);
    if is_safe { next.run(request).await } else { to_the_end(next.run(request)).await }
}

/// A request with its form read, if that proves that it is ours.
async fn with_form(request: Request, secret: &SessionSecret) -> Result<Request, FormError> {
    if !is_same_site(request.headers()) {
        return Err(FormError::NotOurs);
    }
    let in_header =
        request.headers().get(PROOF_HEADER).and_then(|proof| proof.to_str().ok().map(str::to_owned));
    let (mut parts, body) = request.into_parts();
    let sent = form(body, FORM_BYTES).await?;
    let in_header = in_header.is_some_and(|proof| secret.is_proof(&proof));
    if !in_header && !secret.is_proof(sent.exact(PROOF)) {
        return Err(FormError::NotOurs);
    }
    parts.extensions.insert(sent);
    Ok(Request::from_parts(parts, Body::empty()))
}

/// Reads a form of at most so many bytes.
///
/// # Errors
/// It is larger, or does not come in time.
pub async fn form(body: Body, limit: usize) -> Result<Sent, FormError> {
    match tokio::time::timeout(FORM_WITHIN, axum::body::to_bytes(body, limit)).await {
        Ok(Ok(body)) => Ok(Sent::new(form_urlencoded::parse(&body).into_owned().collect())),
        Ok(Err(_)) | Err(_) => Err(FormError::TooLarge),
    }
}

/// What browsers say of where a request comes from; those that say nothing are believed to be ours.
pub fn is_same_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none")
}

fn to_login(request: &Request) -> Response {
    let is_page = request.method().is_safe();
    let back = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let back = if is_page && !is_htmx(request.headers()) { back } else { "/integrations" };
    let login =
        format!("/login?next={}", form_urlencoded::byte_serialize(back.as_bytes()).collect::<String>());
    if is_htmx(request.headers()) {
        return leave_for(&login);
    }
    super::go_to(&login)
}

/// The session of a cookie. Two of them are none: somebody may have planted one.
pub fn of_cookie(page: &Page, headers: &HeaderMap) -> Option<SessionSecret> {
    let ours = cookie_name(page);
    let mut found = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(|(name, _)| *name == ours);
    match (found.next(), found.next()) {
        (Some((_, secret)), None) => SessionSecret::parse(secret),
        _ => None,
    }
}

const COOKIE_NAME: &str = "sluice-session";
/// Browsers take a cookie of this name only over TLS, for this host alone.
const PRIVATE_NAME: &str = "__Host-sluice-session";

/// Over TLS only the name that nobody can plant without TLS: not from a page of another name, nor on the way.
fn cookie_name(page: &Page) -> &'static str {
    if page.is_private { PRIVATE_NAME } else { COOKIE_NAME }
}

/// A session's cookie; none takes it back.
pub fn cookie(page: &Page, secret: Option<&SessionSecret>) -> (hyper::header::HeaderName, HeaderValue) {
    let (name, secure) = (cookie_name(page), if page.is_private { "; Secure" } else { "" });
    let (value, age) = match secret {
        Some(secret) => (secret.reveal(), LONGEST.as_secs()),
        None => (String::new(), 0),
    };
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}");
    (SET_COOKIE, HeaderValue::from_str(&cookie).unwrap_or_else(|_| HeaderValue::from_static("")))
}

/// Adds what keeps a page from being used by another one.
pub async fn with_protection(State(page): State<Arc<Page>>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.extend(protections(page.is_private).map(|(name, value)| (Some(name), value)));
    if !headers.contains_key(&UNKEPT.0) {
        headers.insert(UNKEPT.0, UNKEPT.1);
    }
    response
}

/// Who somebody is, for whoever shows a page.
pub type Who = axum::Extension<Visitor>;

/// The status of a page that cannot be shown.
pub fn status(code: &str) -> StatusCode {
    match code {
        "form-not-ours" => StatusCode::FORBIDDEN,
        other => crate::server::api::problem::status(other),
    }
}

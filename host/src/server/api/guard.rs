//! Who is let in: whoever bears a token whose role and scope reach what the API's own description says that the call
//! needs. A call that the description does not tell of is not let through.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::Method;
use hyper::header::{CONTENT_TYPE, ETAG, HeaderName, LOCATION};
use sha2::{Digest, Sha256};
use tracing::Instrument as _;

use super::extract::body;
use super::problem::{Answer, Refused, RequestError};
use crate::access::{AccessError, Need, On, Role};
use crate::admin::Admin;
use crate::integration::IntegrationId;
use crate::server::attempts::Peer;
use crate::server::callers::Callers;
use crate::store::{KeptAnswer, Repeatable, Repetition};
use crate::sync::Service;

/// The longest key of a request.
const LONGEST_KEY: usize = 200;
/// The largest answer that is kept to be given again.
const KEPT_BYTES: usize = 1 << 20;
/// The largest request whose key is taken.
const KEYED_BYTES: usize = 1 << 20;

/// What a call needs, as the description says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallNeed {
    /// At least this role.
    pub role: Role,
    /// What it is about.
    pub about: AboutWhat,
    /// It, or its answer, holds a secret.
    pub is_secret: bool,
}

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AboutWhat {
    /// The integration of its address.
    Integration,
    /// Whatever the caller may see.
    Seen,
    /// The whole host.
    Host,
}

impl AboutWhat {
    /// The same, with the integration that the address names. Without one it is about the host: the least is let in.
    pub fn on(self, integration: Option<&IntegrationId>) -> On<'_> {
        match (self, integration) {
            (Self::Integration, Some(id)) => On::One(id),
            (Self::Seen, _) => On::Seen,
            (Self::Host, _) | (Self::Integration, None) => On::Host,
        }
    }
}

/// The integration that an address names.
pub fn integration_of(parts: &RawPathParams) -> Option<IntegrationId> {
    parts.iter().find(|(name, _)| *name == "integration").map(|(_, id)| IntegrationId(id.to_owned()))
}

/// What each call needs, by method and path.
pub type Needs = HashMap<(Method, String), CallNeed>;

/// Reads what each call needs out of the description: `security` names the role, and `host` where the whole host is
/// concerned; `secret` where neither the request nor the answer is to be kept. A call with an empty `security` is for
/// everybody.
pub fn needs(description: &serde_json::Value) -> Needs {
    let mut needs = Needs::new();
    let paths = description.get("paths").and_then(serde_json::Value::as_object);
    for (path, item) in paths.into_iter().flatten() {
        for (method, call) in item.as_object().into_iter().flatten() {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
            let words = call.pointer("/security/0/token").and_then(serde_json::Value::as_array);
            let words: Vec<&str> =
                words.into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
            let Some(role) = words.iter().find_map(|word| word.parse().ok()) else { continue };
            let about = if words.contains(&"host") {
                AboutWhat::Host
            } else if path.contains("{integration}") {
                AboutWhat::Integration
            } else {
                AboutWhat::Seen
            };
            let is_secret = words.contains(&"secret");
            needs.insert((method, path.clone()), CallNeed { role, about, is_secret });
        }
    }
    needs
}

/// The door.
pub struct Guard {
    callers: Arc<Callers>,
    needs: Needs,
}

impl Guard {
    /// A door with these needs.
    pub fn new(callers: Arc<Callers>, needs: Needs) -> Arc<Self> {
        Arc::new(Self { callers, needs })
    }
}

/// Lets a call through, or refuses it.
pub async fn let_in(
    State(guard): State<Arc<Guard>>,
    path: MatchedPath,
    parts: RawPathParams,
    mut request: Request,
    next: Next,
) -> Response {
    // A HEAD is a GET without its body.
    let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    let Some(need) = guard.needs.get(&(method, path.as_str().to_owned())) else {
        // Nothing answers it: there is no such method here.
        return next.run(request).await;
    };
    let peer = request.extensions().get::<Peer>().copied();
    let caller = match guard.callers.bearer(request.headers(), peer).await {
        Ok(caller) => caller,
        Err(refused) => return refused.into_response(),
    };
    let integration = integration_of(&parts);
    let needed = Need { role: need.role, on: need.about.on(integration.as_ref()) };
    if !caller.may(needed) {
        return Refused::from(AccessError::of(&caller, needed)).into_response();
    }
    let who = caller.who.clone();
    request.extensions_mut().insert(Admin::new(guard.callers.service().clone(), caller));
    match request.headers().get("idempotency-key") {
        Some(_) if need.is_secret => Refused::from(RequestError::KeyNotTaken).into_response(),
        Some(key) if !request.method().is_safe() => {
            let key = key.to_str().unwrap_or_default().to_owned();
            let service = guard.callers.service().clone();
            to_the_end(async move {
                once(&service, who, key, request, next).await.unwrap_or_else(IntoResponse::into_response)
            })
            .await
        }
        _ if request.method().is_safe() => next.run(request).await,
        _ => to_the_end(next.run(request)).await,
    }
}

/// Goes on though whoever asked has gone away: what was begun is done, and written down.
pub async fn to_the_end(answering: impl Future<Output = Response> + Send + 'static) -> Response {
    match tokio::spawn(answering.in_current_span()).await {
        Ok(response) => response,
        // Nobody aborts it.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Answers a request that comes with a key of its own: only once, and each further time with the same answer.
async fn once(service: &Service, who: String, key: String, request: Request, next: Next) -> Answer<Response> {
    if key.is_empty() || key.len() > LONGEST_KEY {
        let problem = format!("a key has 1 to {LONGEST_KEY} letters");
        return Err(RequestError::Malformed { part: "Idempotency-Key", problem }.into());
    }
    let (parts, content) = request.into_parts();
    let content = body(Request::from_parts(parts.clone(), content), KEYED_BYTES).await?;
    let digest = Sha256::new()
        .chain_update(format!("{} {}\n", parts.method, parts.uri))
        .chain_update(parts.headers.get("if-match").map_or(&[][..], |value| value.as_bytes()))
        .chain_update(b"\n")
        .chain_update(&content)
        .finalize();
    let request = Repeatable { who, key, request: digest.into() };
    let store = service.store();
    match store.begin_answer(&request).await? {
        Repetition::First => {}
        Repetition::Answered(kept) => return Ok(again(kept)),
        Repetition::UnderWay => return Err(RequestError::KeyUnderWay.into()),
        Repetition::Other => return Err(RequestError::KeyReused.into()),
    }
    let response = next.run(Request::from_parts(parts, Body::from(content))).await;
    let (parts, content) = response.into_parts();
    let content = axum::body::to_bytes(content, KEPT_BYTES).await.ok();
    let header = |name: HeaderName| {
        let value = parts.headers.get(&name)?.to_str().ok()?.to_owned();
        Some((name.to_string(), value))
    };
    let headers = [CONTENT_TYPE, ETAG, LOCATION].into_iter().filter_map(header);
    let kept = KeptAnswer {
        status: parts.status.as_u16(),
        headers: headers.collect(),
        body: content.as_deref().unwrap_or_default().to_vec(),
    };
    // What could not be done now may be tried again under the same key.
    let is_final = content.is_some() && !parts.status.is_server_error();
    store.end_answer(&request, is_final.then_some(kept)).await?;
    Ok(Response::from_parts(parts, Body::from(content.unwrap_or_default())))
}

fn again(kept: KeptAnswer) -> Response {
    let mut response = Response::builder().status(kept.status);
    for (name, value) in kept.headers {
        response = response.header(name, value);
    }
    response = response.header("idempotency-replayed", "true");
    response
        .body(Body::from(kept.body))
        .unwrap_or_else(|_| Refused::from(RequestError::KeyUnderWay).into_response())
}

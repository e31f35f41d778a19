//! `POST /deliveries/{integration}/{key}`: is there such an address, did the CRM send it, is it new; then it is
//! stored, and only then answered with 202.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::StatusCode;
use hyper::header::{CONTENT_LENGTH, HeaderMap};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument as _, debug, info_span, warn};

use super::answer::Refusal;
use super::health::Health;
use super::intake::Intake;
use super::refusals::Refusals;
use super::routes::{Route, Routes};
use crate::change::{Arrival, Delivery, NewDelivery, Refused};
use crate::connector::{CallError, NextStep, Proof, SaidKind};
use crate::error::ErrorCode;
use crate::hosting::HostId;
use crate::metrics;
use crate::sync::Service;

/// The largest body that is taken.
pub const BODY_BYTES: usize = 1 << 20;
/// The longest time for a body.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// How long a sender waits for an answer, once he has sent all: Lime's own clients expect one within a second.
const ANSWER_WITHIN: Duration = Duration::from_millis(900);
/// Deliveries that are looked at by connectors at once.
const VERIFYING: usize = 64;
/// How much later than this host's a sender's clock may be.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// Headers that are not kept with a delivery: they are about the connection or about who was on the way, or
/// are nobody's business.
const NOT_KEPT: &[&str] = &[
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "forwarded",
    "host",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-real-ip",
];

/// Who looks at deliveries at the door.
pub struct Doorman {
    routes: Arc<Routes>,
    intake: Intake,
    refusals: Arc<Refusals>,
    verifying: Semaphore,
    health: Health,
}

impl Doorman {
    /// Begins to keep up with the store.
    pub fn new(service: &Service, host: HostId, stop: &CancellationToken) -> Arc<Self> {
        let store = Arc::clone(service.store());
        Arc::new(Self {
            routes: Routes::new(service.clone(), stop.clone()),
            intake: Intake::start(Arc::clone(&store)),
            refusals: Refusals::stored(Arc::clone(&store), stop.clone()),
            verifying: Semaphore::new(VERIFYING),
            health: Health::new(store, host, stop.clone()),
        })
    }
}

/// The addresses of the server.
pub fn router(doorman: Arc<Doorman>) -> Router {
    Router::new()
        .route("/deliveries/{integration}/{key}", post(deliver))
        .route("/health", get(ready))
        .route("/health/ready", get(ready))
        .route("/health/live", get(live))
        .with_state(doorman)
}

/// For a load balancer: whether deliveries can be taken.
async fn ready(State(doorman): State<Arc<Doorman>>) -> Response {
    match doorman.health.look().await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(unready) => unready.into_response(),
    }
}

/// For whoever starts it anew when it hangs. It says nothing of the store, which a new start does not mend.
async fn live() -> StatusCode {
    StatusCode::OK
}

async fn deliver(
    State(doorman): State<Arc<Doorman>>,
    Path((id, key)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match take(&doorman, &id, &key, query.unwrap_or_default(), &headers, body).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn take(
    doorman: &Doorman,
    id: &str,
    key: &str,
    query: String,
    headers: &HeaderMap,
    body: Body,
) -> Result<(), Refusal> {
    let began = Instant::now();
    let route = doorman
        .routes
        .find(id, key)
        .await
        .inspect_err(|refusal| metrics::delivery_answered(None, refusal.code()))?;
    let span = info_span!("delivery", integration = %route.id, answer = Empty);
    let taken = take_at(doorman, &route, query, headers, body, began).instrument(span.clone()).await;
    let answer = taken.as_ref().map_or_else(ErrorCode::code, |()| "taken");
    span.record("answer", answer);
    metrics::delivery_answered(Some(&route.id), answer);
    taken
}

async fn take_at(
    doorman: &Doorman,
    route: &Route,
    query: String,
    headers: &HeaderMap,
    body: Body,
    began: Instant,
) -> Result<(), Refusal> {
    let left = ANSWER_WITHIN.saturating_sub(began.elapsed());
    let body = read(headers, body).await?;
    let delivery = Delivery { headers: texts(headers), query, body };
    // Whoever is told that his delivery is not taken sends it again; it is let go of here.
    let taken = tokio::time::timeout(left, check_and_store(doorman, route, delivery)).await;
    taken.unwrap_or(Err(Refusal::NotNow))
}

async fn check_and_store(doorman: &Doorman, route: &Route, delivery: Delivery) -> Result<(), Refusal> {
    let proof = verify(doorman, route, &delivery).await?;
    let now = Timestamp::now();
    if proof.sent_at.is_some_and(|sent| !is_fresh(sent, now, route.accept_within)) {
        doorman.refusals.add(&route.id, Refused::Stale);
        debug!(integration = %route.id, "a stale delivery was turned away");
        return Err(Refusal::Stale);
    }
    let kept = Delivery { headers: kept(delivery.headers), ..delivery };
    let new = NewDelivery { integration: route.id.clone(), id: proof.id, arrived_at: now, delivery: kept };
    match doorman.intake.store(new).await? {
        Arrival::Stored(_) | Arrival::Known => Ok(()),
        Arrival::NoIntegration => Err(Refusal::Unknown),
    }
}

async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Refusal> {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY_BYTES) {
        return Err(Refusal::TooLarge);
    }
    match tokio::time::timeout(BODY_WITHIN, to_bytes(body, BODY_BYTES)).await {
        Err(_) => Err(Refusal::TooSlow),
        Ok(Ok(bytes)) => Ok(bytes.into()),
        // Without a length to go by, the limit is met while reading; a connection that breaks hears no answer.
        Ok(Err(_)) => Err(Refusal::TooLarge),
    }
}

/// Headers whose values are text. Others say nothing that a connector could read.
fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let texts = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    texts.collect()
}

fn kept(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    let is_kept = |name: &str| !NOT_KEPT.contains(&name) && !name.starts_with("x-forwarded-");
    headers.into_iter().filter(|(name, _)| is_kept(name)).collect()
}

async fn verify(doorman: &Doorman, route: &Route, delivery: &Delivery) -> Result<Proof, Refusal> {
    // Nobody closes the semaphore.
    let _place = doorman.verifying.acquire().await;
    let error = match route.connection.verify(delivery).await {
        Ok(proof) => return Ok(proof),
        Err(error) => error,
    };
    match &error {
        CallError::Said { kind: SaidKind::Unauthorized, .. } => {
            doorman.refusals.add(&route.id, Refused::Forged);
            debug!(integration = %route.id, "a forged delivery was turned away");
            Err(Refusal::Forged)
        }
        CallError::Said { .. } if error.next_step() == NextStep::GiveUp => Err(Refusal::Unreadable),
        _ => {
            warn!(integration = %route.id, code = error.code(), %error, "a delivery could not be checked");
            Err(Refusal::NotNow)
        }
    }
}

fn is_fresh(sent: Timestamp, now: Timestamp, accept_within: SignedDuration) -> bool {
    let age = now.duration_since(sent);
    age <= accept_within && age >= -AHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_fresh_from_a_little_ahead_to_the_limit() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let day = SignedDuration::from_hours(24);
        let fresh = |second: i64| is_fresh(Timestamp::from_second(second).unwrap(), now, day);
        assert!(fresh(1_000_000) && fresh(1_000_299) && fresh(1_000_000 - 86_400));
        assert!(!fresh(1_000_301) && !fresh(1_000_000 - 86_401));
    }

    #[test]
    fn what_is_about_the_way_is_not_kept() {
        let headers = ["content-type", "x-lime-signature", "authorization", "x-forwarded-for", "cookie"];
        let headers = headers.iter().map(|name| ((*name).to_owned(), String::new())).collect();
        let names: Vec<String> = kept(headers).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["content-type", "x-lime-signature"]);
    }
}

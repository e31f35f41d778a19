//! `/metrics`, at an address of its own, and the measuring of what the server itself answers; a trace has it, too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::Method;
use hyper::header::CONTENT_TYPE;
use tokio::sync::Mutex;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};

use crate::hosting::HostId;
use crate::metrics::{self, OpenRequest, Standings};
use crate::store::Store;

/// However often it is scraped, the store is asked no more often than so: counting what waits takes its time.
const EVERY: Duration = Duration::from_secs(5);

struct Scraped {
    store: Arc<dyn Store>,
    host: HostId,
    last: Mutex<Option<(Instant, Standings)>>,
}

/// The one address.
pub fn router(store: Arc<dyn Store>, host: HostId) -> Router {
    let scraped = Arc::new(Scraped { store, host, last: Mutex::default() });
    Router::new().route("/metrics", get(scrape)).with_state(scraped)
}

async fn scrape(State(scraped): State<Arc<Scraped>>) -> Response {
    let mut last = scraped.last.lock().await;
    let standings = match &*last {
        Some((at, standings)) if at.elapsed() < EVERY => standings.clone(),
        _ => {
            let standings = Standings::read(&*scraped.store, &scraped.host).await;
            *last = Some((Instant::now(), standings.clone()));
            standings
        }
    };
    drop(last);
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render(&standings)).into_response()
}

/// Counts a request, and measures how long its answer takes. A trace begins with it, whatever its headers say.
pub async fn measure(request: Request, next: Next) -> Response {
    // As a pattern: an address holds keys and ids.
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let span = span_of(method(request.method()), &route);
    let open = OpenRequest::begin(method(request.method()), route);
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    open.answered(status.as_u16());
    span.record("status", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    response
}

/// Whoever asks every few seconds whether this host is well is in no trace.
fn span_of(method: &'static str, route: &str) -> Span {
    if route.starts_with("/health") {
        return Span::none();
    }
    info_span!(
        parent: None,
        "http",
        otel.name = format_args!("{method} {route}"),
        otel.kind = "server",
        method,
        route,
        status = Empty,
        otel.status_code = Empty
    )
}

/// A sender may make up methods.
fn method(method: &Method) -> &'static str {
    const KNOWN: [(Method, &str); 7] = [
        (Method::GET, "GET"),
        (Method::HEAD, "HEAD"),
        (Method::POST, "POST"),
        (Method::PUT, "PUT"),
        (Method::PATCH, "PATCH"),
        (Method::DELETE, "DELETE"),
        (Method::OPTIONS, "OPTIONS"),
    ];
    KNOWN.iter().find(|(known, _)| known == method).map_or("other", |(_, name)| name)
}

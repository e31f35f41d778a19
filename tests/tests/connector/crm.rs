//! A server in the CRM's place, on this machine, that answers as a path asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::any;

/// A running server; it ends with the test's runtime.
pub struct Crm {
    pub url: String,
    pub port: u16,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    requests: AtomicU64,
    sent: AtomicU64,
}

impl Crm {
    pub async fn start() -> Self {
        let seen = Arc::new(Seen::default());
        let router = Router::new()
            .route("/hello", any(|| async { "hello" }))
            .route("/echo", any(echo))
            .route("/redirect", any(redirect))
            .route("/round", any(|| async { Redirect::temporary("/round") }))
            .route("/hangs", any(|| async { std::future::pending::<()>().await }))
            .route("/breaks", any(breaks))
            .route("/big", any(big))
            .route("/megabyte", any(|| async { vec![b'm'; 1 << 20] }))
            .route("/too-many-requests", any(too_many))
            .layer(axum::middleware::from_fn_with_state(Arc::clone(&seen), count))
            .with_state(Arc::clone(&seen));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url: format!("http://127.0.0.1:{port}"), port, seen }
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Requests that arrived.
    pub fn requests(&self) -> u64 {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// Bytes of the big page that were taken off our hands.
    pub fn sent(&self) -> u64 {
        self.seen.sent.load(Ordering::SeqCst)
    }
}

async fn count(
    State(seen): State<Arc<Seen>>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    seen.requests.fetch_add(1, Ordering::SeqCst);
    next.run(request).await
}

/// What arrived: method, the headers that carry credentials, the body.
async fn echo(method: Method, headers: HeaderMap, body: Bytes) -> String {
    let mut said = method.to_string();
    for name in ["authorization", "x-api-key", "content-type", "accept-encoding"] {
        if let Some(value) = headers.get(name) {
            said.push_str(&format!("\n{name}: {}", value.to_str().unwrap()));
        }
    }
    said.push_str(&format!("\n\n{}", String::from_utf8_lossy(&body)));
    said
}

#[derive(serde::Deserialize)]
struct To {
    to: String,
    status: Option<u16>,
}

async fn redirect(Query(to): Query<To>) -> impl IntoResponse {
    (StatusCode::from_u16(to.status.unwrap_or(302)).unwrap(), [(header::LOCATION, to.to)])
}

async fn too_many() -> impl IntoResponse {
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "7")], "slow down")
}

/// Announces more than it sends.
async fn breaks() -> Response {
    let body =
        futures::stream::iter([Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("cable cut"))]);
    Body::from_stream(body).into_response()
}

/// 200 MB, without saying so.
async fn big(State(seen): State<Arc<Seen>>) -> Response {
    let chunk = Bytes::from(vec![b'b'; 1 << 20]);
    let body = futures::stream::iter((0..200).map(move |_| {
        seen.sent.fetch_add(chunk.len() as u64, Ordering::SeqCst);
        Ok::<_, std::io::Error>(chunk.clone())
    }));
    Body::from_stream(body).into_response()
}

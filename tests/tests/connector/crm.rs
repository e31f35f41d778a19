//! A server in the CRM's place, on this machine, that answers as a path asks.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::any;
use tokio::io::AsyncWriteExt as _;

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
    heard: Mutex<String>,
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
            .route("/drips", any(drips))
            .route("/deep/{*rest}", any(deep))
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

    /// All that arrived, heads and bodies.
    pub fn heard(&self) -> String {
        self.seen.heard.lock().unwrap().clone()
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
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let told =
        format!("{} {} {:?}\n{}\n", head.method, head.uri, head.headers, String::from_utf8_lossy(&body));
    seen.heard.lock().unwrap().push_str(&told);
    next.run(axum::extract::Request::from_parts(head, Body::from(body))).await
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

/// A byte now and then, for ever: the connection is never idle, and the answer never whole.
async fn drips() -> Response {
    let drops =
        futures::stream::unfold(tokio::time::interval(Duration::from_millis(10)), async |mut pace| {
            pace.tick().await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b"d")), pace))
        });
    Body::from_stream(drops).into_response()
}

/// JSON that whoever follows it down runs out of stack on.
async fn deep() -> impl IntoResponse {
    let body = r#"{"_embedded":"#.to_owned() + &"[".repeat(500_000) + &"]".repeat(500_000) + "}";
    ([(header::CONTENT_TYPE, "application/json")], body)
}

/// Sends the beginning of an answer, and then headers for as long as somebody reads them. Its address, and the bytes
/// that were taken.
pub async fn endless_headers() -> (String, Arc<AtomicU64>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let taken = Arc::new(AtomicU64::new(0));
    let sent = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sent = Arc::clone(&sent);
            tokio::spawn(async move {
                let line = format!("x-more: {}\r\n", "m".repeat(4_000));
                let mut told = b"HTTP/1.1 200 OK\r\n".to_vec();
                while stream.write_all(&told).await.is_ok() {
                    sent.fetch_add(told.len() as u64, Ordering::SeqCst);
                    told = line.clone().into_bytes();
                }
            });
        }
    });
    (format!("http://{address}"), taken)
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

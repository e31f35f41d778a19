//! Who webhooks are sent to: keeps every request as it came, and answers as it is told.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::support::{Client, read};

pub(crate) const SECRET: &str = "9b1f0c3d5e7a4b6c8d2e1f0a3b5c7d9e";

/// How one request is answered. Without any, with 204.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    Status(u16),
    Never,
}

/// One request as it came.
#[derive(Debug)]
pub(crate) struct Received {
    headers: HeaderMap,
    body: Bytes,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn id(&self) -> &str {
        self.header("x-lime-delivery-id").unwrap()
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.header("x-lime-delivery-timestamp").unwrap().parse().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn event(&self) -> String {
        self.json()["event"].as_str().unwrap().to_owned()
    }

    pub(crate) fn object(&self) -> u64 {
        self.json()["body"]["id"].as_u64().unwrap()
    }

    pub(crate) fn values(&self) -> Value {
        self.json()["body"]["values"].clone()
    }

    /// The signature that Lime's webhook pages ask for, reckoned from the request alone.
    pub(crate) fn signature_1(&self) -> String {
        format!("sha256={}", mac(&self.body))
    }

    /// The signature that Lime's own receiver asks for.
    pub(crate) fn signature_2(&self) -> String {
        let digest = hex::encode(Sha256::digest(&self.body));
        format!("v2={}", mac(format!("v2:{}:{}:{digest}", self.id(), self.seconds()).as_bytes()))
    }
}

fn mac(signed: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(signed);
    hex::encode(mac.finalize().into_bytes())
}

/// What the server and the test share.
#[derive(Debug)]
struct Desk {
    received: mpsc::UnboundedSender<Received>,
    answers: Mutex<VecDeque<Answer>>,
    held: watch::Sender<bool>,
    /// Requests without an answer now, and the most there ever were.
    open: watch::Sender<(usize, usize)>,
}

/// Counts a request as open, until it is answered or its connection is gone.
struct Open<'a>(&'a Desk);

impl<'a> Open<'a> {
    fn new(desk: &'a Desk) -> Self {
        desk.open.send_modify(|(open, most)| {
            *open += 1;
            *most = (*most).max(*open);
        });
        Self(desk)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.send_modify(|(open, _)| *open -= 1);
    }
}

/// A server that webhooks can be sent to.
pub(crate) struct Receiver {
    pub(crate) url: String,
    received: mpsc::UnboundedReceiver<Received>,
    desk: Arc<Desk>,
    server: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    let _open = Open::new(&desk);
    let answer = desk.answers.lock().unwrap().pop_front().unwrap_or(Answer::Status(204));
    desk.received.send(Received { headers, body }).unwrap();
    desk.held.subscribe().wait_for(|held| !held).await.unwrap();
    match answer {
        Answer::Status(status) => {
            let elsewhere = [(header::LOCATION, "/elsewhere")];
            (StatusCode::from_u16(status).unwrap(), elsewhere).into_response()
        }
        Answer::Never => std::future::pending().await,
    }
}

/// An address where nobody listens yet.
pub(crate) struct Closed(TcpSocket);

impl Closed {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        Self(socket)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/lime/acme", self.0.local_addr().unwrap())
    }

    pub(crate) fn open(self) -> Receiver {
        Receiver::at(self.0.listen(64).unwrap(), [])
    }
}

impl Receiver {
    /// Answers the first requests so, and all others with 204.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::at(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(), answers)
    }

    fn at(listener: TcpListener, answers: impl IntoIterator<Item = Answer>) -> Self {
        let url = format!("http://{}/lime/acme", listener.local_addr().unwrap());
        let (sender, received) = mpsc::unbounded_channel();
        let desk = Arc::new(Desk {
            received: sender,
            answers: Mutex::new(answers.into_iter().collect()),
            held: watch::Sender::new(false),
            open: watch::Sender::new((0, 0)),
        });
        let routes = axum::Router::new().fallback(answer).with_state(desk.clone());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, received, desk, server }
    }

    /// The next request; fails when none comes for long.
    pub(crate) async fn next(&mut self) -> Received {
        let next = tokio::time::timeout(Duration::from_secs(60), self.received.recv()).await;
        next.expect("a webhook comes").unwrap()
    }

    pub(crate) async fn take(&mut self, count: usize) -> Vec<Received> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.next().await);
        }
        all
    }

    /// What has come and was not taken yet.
    pub(crate) fn rest(&mut self) -> Vec<Received> {
        std::iter::from_fn(|| self.received.try_recv().ok()).collect()
    }

    /// While held, requests are taken and not answered.
    pub(crate) fn hold(&self, held: bool) {
        self.desk.held.send_replace(held);
    }

    /// The most requests that were open at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.desk.open.borrow().1
    }

    /// Waits until no request is open.
    pub(crate) async fn left_alone(&self) {
        let mut open = self.desk.open.subscribe();
        let alone = open.wait_for(|(open, _)| *open == 0);
        tokio::time::timeout(Duration::from_secs(60), alone).await.expect("requests end").unwrap();
    }
}

impl Client {
    async fn subscription(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/api/{path}", self.sandbox.lime_url());
        let request = self.http.request(method, url).header("x-api-key", self.sandbox.lime_key());
        read(request.json(&body).send().await.unwrap()).await
    }

    /// Registers a webhook with the secret; gives its id.
    pub(crate) async fn subscribe(&self, version: &str, url: &str, events: &[&str]) -> u64 {
        let body = json!({"events": events, "target_url": url, "secret": SECRET});
        let (status, made) = self.subscription(Method::POST, &format!("{version}/subscription/"), body).await;
        assert_eq!(status, 201, "{made}");
        made["id"].as_u64().unwrap()
    }

    pub(crate) async fn change_subscription(&self, id: u64, body: Value) {
        let path = format!("v1/subscription/{id}/");
        assert_eq!(self.subscription(Method::PUT, &path, body).await.0, 200);
    }

    pub(crate) async fn unsubscribe(&self, id: u64) {
        let path = format!("v1/subscription/{id}/");
        assert_eq!(self.subscription(Method::DELETE, &path, Value::Null).await.0, 204);
    }
}

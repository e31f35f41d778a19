//! Somebody's web address that alerts are posted to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use sluice_tests::rig::eventually;
use tokio::task::JoinHandle;

/// One request.
#[derive(Clone)]
pub struct Posted {
    pub signature: Option<String>,
    pub body: Vec<u8>,
    pub alert: Value,
    pub taken: bool,
}

#[derive(Default)]
struct Inner {
    posted: Vec<Posted>,
    refuses: bool,
}

pub struct Receiver {
    pub address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    task: JoinHandle<()>,
}

impl Receiver {
    pub async fn start() -> Self {
        let inner = Arc::<Mutex<Inner>>::default();
        let router = Router::new().route("/alerts", post(take)).with_state(Arc::clone(&inner));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, inner, task }
    }

    /// Answers with an error from now on, or no longer.
    pub fn refuse(&self, refuses: bool) {
        self.inner.lock().unwrap().refuses = refuses;
    }

    pub fn posted(&self) -> Vec<Posted> {
        self.inner.lock().unwrap().posted.clone()
    }

    /// Waits until so many were taken; those.
    pub async fn taken(&self, count: usize) -> Vec<Posted> {
        eventually("alerts come", async || {
            let taken: Vec<_> = self.posted().into_iter().filter(|posted| posted.taken).collect();
            (taken.len() >= count).then_some(taken)
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(inner): State<Arc<Mutex<Inner>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut inner = inner.lock().unwrap();
    let signature = headers.get("sluice-signature").map(|value| value.to_str().unwrap().to_owned());
    let (alert, taken) = (serde_json::from_slice(&body).unwrap(), !inner.refuses);
    inner.posted.push(Posted { signature, body: body.to_vec(), alert, taken });
    if taken { StatusCode::NO_CONTENT } else { StatusCode::INTERNAL_SERVER_ERROR }
}

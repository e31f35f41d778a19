//! Somebody's collector of traces: takes what is posted to it, or does not.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::task::JoinHandle;

/// What it does with what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Takes,
    Fails,
    NeverAnswers,
}

struct Inner {
    mood: Mood,
    posted: Mutex<Vec<ExportTraceServiceRequest>>,
}

pub struct Collector {
    address: SocketAddr,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Collector {
    pub async fn start(mood: Mood) -> Self {
        let inner = Arc::new(Inner { mood, posted: Mutex::default() });
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&inner));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, inner, task }
    }

    /// The part of a host's configuration that names it.
    pub fn section(&self) -> String {
        format!("[traces]\nendpoint = \"http://{}\"\n", self.address)
    }

    pub fn posted(&self) -> Vec<ExportTraceServiceRequest> {
        self.inner.posted.lock().unwrap().clone()
    }

    /// All spans, in the order in which they came.
    pub fn spans(&self) -> Vec<Span> {
        let resources = self.posted().into_iter().flat_map(|posted| posted.resource_spans);
        resources.flat_map(|of| of.scope_spans).flat_map(|of| of.spans).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    inner.posted.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
    match inner.mood {
        Mood::Takes => StatusCode::OK,
        Mood::Fails => StatusCode::INTERNAL_SERVER_ERROR,
        Mood::NeverAnswers => std::future::pending().await,
    }
}

/// An attribute of a span, as text.
pub fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|it| it.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{key} is {other:?}"),
    }
}

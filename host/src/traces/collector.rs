//! The way to the collector, and whether it takes what it is sent.
//!
//! It has a runtime of its own, which runs on the thread that sends: a name that does not resolve, or a collector that
//! does not answer, takes nothing from those who work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::{Builder, Runtime};
use tracing::{info, warn};

/// A collector.
#[derive(Debug)]
pub(super) struct Collector {
    http: reqwest::Client,
    runtime: Runtime,
    /// It did not take what it was sent last. That is said once, and once when it is over.
    is_away: AtomicBool,
}

impl Collector {
    /// One that has to answer in time. Nothing is sent yet.
    pub(super) fn new(answer_within: Duration) -> Result<Self, HttpError> {
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build()?;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(answer_within)
            // Between two batches nobody would notice that a connection has ended.
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { http, runtime, is_away: AtomicBool::new(false) })
    }

    fn took(&self) {
        if self.is_away.swap(false, Ordering::Relaxed) {
            info!("the collector takes traces again");
        }
    }

    /// Whether it did before.
    fn took_none(&self) -> bool {
        !self.is_away.swap(true, Ordering::Relaxed)
    }
}

#[async_trait]
impl HttpClient for Collector {
    /// Only on a thread that is nobody else's: it waits for the answer.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        // Within the runtime from the first: reqwest looks for it when it is asked, not when it is awaited.
        let status = match self.runtime.block_on(async { self.http.execute(request).await }) {
            Ok(answer) => answer.status(),
            Err(error) => {
                let error = error.without_url();
                if self.took_none() {
                    warn!(%error, "traces cannot be sent, and are lost until the collector takes them again");
                }
                return Err(error.into());
            }
        };
        if status.is_success() {
            self.took();
        } else if self.took_none() {
            let status = status.as_u16();
            warn!(status, "traces are not taken, and are lost until the collector takes them again");
        }
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = status;
        Ok(answer)
    }
}

//! What comes in over HTTP: the deliveries of CRMs, and (`api`) what people ask for.
//!
//! Promises: a delivery is answered with 202 only when it is on disk; one that the CRM did not send is not
//! stored; whoever sends slowly, too much or too often costs no other sender his answer. What a delivery
//! says is for the lane to find out.

mod answer;
pub mod api;
mod deliveries;
mod health;
mod intake;
mod listener;
mod metrics;
mod refusals;
mod routes;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::middleware;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::deliveries::Doorman;
use crate::error::ErrorCode;
use crate::hosting::HostId;
use crate::store::Store;
use crate::sync::Service;

/// Why the server cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("this host cannot listen on {address} ({message}); give another one as `listen`, or stop who has it")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// What the system said.
    pub message: String,
}

impl ErrorCode for ListenError {
    fn code(&self) -> &'static str {
        "listen-failed"
    }
}

/// The server, listening and not yet answering.
pub struct Server {
    listener: TcpListener,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Takes the address; port 0 for any that is free.
    ///
    /// # Errors
    /// When somebody else has it, or this user may not.
    pub async fn listen(address: SocketAddr) -> Result<Self, ListenError> {
        let failed = |error: std::io::Error| ListenError { address, message: error.to_string() };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Answers until it is stopped; what is being answered then is answered.
    pub async fn run(self, service: Service, host: HostId, stop: CancellationToken) {
        let doorman = Doorman::new(Arc::clone(service.store()), service.engine().clone(), host, &stop);
        let router = deliveries::router(doorman).merge(api::router(service)).fallback(api::no_route);
        let router = router.layer(middleware::from_fn(metrics::measure));
        listener::serve(self.listener, router, stop).await;
    }

    /// Gives nothing but `/metrics`, to whoever asks, until it is stopped.
    pub async fn run_metrics(self, store: Arc<dyn Store>, host: HostId, stop: CancellationToken) {
        let router = metrics::router(store, host).fallback(api::no_route);
        listener::serve(self.listener, router, stop).await;
    }
}

//! What comes in over HTTP: the deliveries of CRMs, and what people ask for, in a browser (`page`) or as JSON (`api`).
//!
//! Promises: a delivery is answered with 202 only when it is on disk; one that the CRM did not send is not
//! stored; whoever sends slowly, too much or too often costs no other sender his answer. What a delivery
//! says is for the lane to find out.

mod answer;
pub mod api;
mod attempts;
mod callers;
mod deliveries;
mod health;
mod intake;
mod listener;
mod listening;
mod metrics;
mod page;
mod refusals;
mod routes;

use std::sync::Arc;

use axum::middleware;
use tokio_util::sync::CancellationToken;

use self::callers::Callers;
use self::deliveries::Doorman;
use crate::hosting::HostId;
use crate::store::Store;
use crate::sync::Service;

pub use self::listening::{ListenError, Listening, Protection};
pub use self::page::{PageNeed, needs as page_needs};

/// Answers until it is stopped; what is being answered then is answered.
pub async fn serve(listening: Listening, service: Service, host: HostId, stop: CancellationToken) {
    let doorman = Doorman::new(&service, host, &stop);
    let callers = Callers::new(service);
    let is_private = listening.protection != Protection::Machine;
    let router = deliveries::router(doorman)
        .merge(api::router(Arc::clone(&callers)))
        .merge(page::router(callers, is_private, stop.clone()))
        .fallback(api::no_route)
        .layer(middleware::from_fn(metrics::measure));
    listener::serve(listening, router, stop).await;
}

/// Gives nothing but `/metrics`, to whoever asks, until it is stopped.
pub async fn serve_metrics(
    listening: Listening,
    store: Arc<dyn Store>,
    host: HostId,
    stop: CancellationToken,
) {
    let router = metrics::router(store, host).fallback(api::no_route);
    listener::serve(listening, router, stop).await;
}

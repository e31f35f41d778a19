//! A host in this process: its server answers, and its workers work, until it is stopped.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::hold::LOOK_EVERY;
use super::{Context, Opened, OrFail, Result};
use crate::admin::Watching;
use crate::hosting::HostId;
use crate::server::{self, Listening};
use crate::sync::{Alerting, Holdings, Terms};

/// A host at work.
pub struct Serving {
    /// Who it is.
    pub host: HostId,
    stop: CancellationToken,
    answering: JoinHandle<()>,
    working: JoinHandle<()>,
    stop_within: Duration,
}

impl Serving {
    /// Takes deliveries at once, and works as soon as no other process works on the data folder.
    ///
    /// As the context's configuration has it set up.
    /// `metrics`: where it is measured.
    pub fn start(
        context: &Context,
        opened: &Arc<Opened>,
        listening: Listening,
        metrics: Option<Listening>,
    ) -> Result<Self> {
        let config = &context.config;
        let (lease, stop_within) = (config.server.lease, config.server.stop_within);
        let terms = opened.terms(lease)?;
        if terms.is_none() {
            context.say(&format!(
                "another sluice process works on {}; this one takes deliveries, and works when that one has ended",
                context.data.display()
            ));
        }
        let alerting = Alerting::new(&config.alerts).or_fail()?;
        let service = opened.service_at(config.server.public_url.clone())?;
        let watching =
            config.server.watch_connectors.as_deref().map(Watching::start).transpose().or_fail()?;
        let (stop, host) = (CancellationToken::new(), HostId::fresh());
        if let Some(watching) = watching {
            // What it has begun is whole or not at all.
            tokio::spawn(watching.go_on(service.clone(), stop.clone()));
        }
        let answering = tokio::spawn(server::serve(listening, service.clone(), host.clone(), stop.clone()));
        if let Some(metrics) = metrics {
            // It ends with what it tells of.
            tokio::spawn(server::serve_metrics(
                metrics,
                Arc::clone(&opened.store),
                host.clone(),
                stop.clone(),
            ));
        }
        let working = tokio::spawn({
            let (opened, host, stop) = (Arc::clone(opened), host.clone(), stop.clone());
            async move {
                let terms = match terms {
                    Some(terms) => terms,
                    None => match stop.run_until_cancelled(when_free(&opened, lease)).await {
                        Some(terms) => terms,
                        None => return,
                    },
                };
                let holdings = Holdings::new(Arc::clone(&opened.store), host, terms);
                // What was begun ends with the program's threads, after this function. Until then nobody else may
                // work on the data folder: the system gives its lock back when the process has ended.
                std::mem::forget(Arc::clone(&holdings));
                if let Some(alerting) = alerting {
                    let store = Arc::clone(&opened.store);
                    tokio::spawn(alerting.watch(store, Arc::clone(&holdings), stop.clone()));
                }
                service.serve(holdings, stop, stop_within).await;
            }
        });
        Ok(Self { host, stop, answering, working, stop_within })
    }

    /// Answers what is being answered, finishes the contacts that were begun, and ends; what takes too long is broken
    /// off.
    pub async fn stop(self) {
        self.stop.cancel();
        let ending = futures::future::join(self.answering, self.working);
        // Errors here are panics, which have been printed. What is still at work ends with the program.
        if tokio::time::timeout(self.stop_within, ending).await.is_err() {
            warn!("not everything ended in time; it is gone on with at the next start");
        }
    }
}

/// Waits until no other process works on the data folder.
async fn when_free(opened: &Opened, lease: Duration) -> Terms {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        match opened.terms(lease) {
            Ok(Some(terms)) => return terms,
            Ok(None) => {}
            Err(failure) => warn!(code = failure.code, message = failure.message, "standing by"),
        }
    }
}

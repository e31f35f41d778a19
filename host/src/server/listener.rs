//! Connections: how many, how long they may take to say what they want, who is at their other end, and how they end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::attempts::Peer;
use super::listening::{Listening, Protection};

/// Connections at once. A further one waits in the system's queue.
const CONNECTIONS: usize = 2_048;
/// The longest time for a request's head, and between two requests on one connection.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
/// Headers of one request.
const HEADERS: usize = 64;
/// Bytes of a request's head.
const HEAD_BYTES: usize = 32 * 1024;
/// How long answers that are under way may take when the host stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How long to wait when the system gives no more connections.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves until `stop`; then what is under way is answered.
pub async fn serve(listening: Listening, router: Router, stop: CancellationToken) {
    let Listening { listener, tls, protection, .. } = listening;
    let tls = tls.map(TlsAcceptor::from);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    while let Some(accepted) = stop.run_until_cancelled(accept(&listener, &places)).await {
        let Some((stream, address, place)) = accepted else { continue };
        let (router, watcher, tls) = (router.clone(), graceful.watcher(), tls.clone());
        let is_proxy = protection == Protection::Proxy;
        tokio::spawn(async move {
            let place = place;
            let router = TowerToHyperService::new(router);
            let service = service_fn(move |mut request: Request<Incoming>| {
                let peer = is_proxy.then(|| forwarded(request.headers())).flatten().unwrap_or(address);
                request.extensions_mut().insert(Peer::new(peer));
                router.call(request)
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .max_headers(HEADERS)
                .max_buf_size(HEAD_BYTES);
            let ended = match tls {
                None => watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await,
                Some(tls) => match tokio::time::timeout(HEAD_WITHIN, tls.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await
                    }
                    Ok(Err(error)) => return debug!(%error, "a connection is not TLS as it should be"),
                    Err(_) => return debug!("a connection did not agree on TLS in time"),
                },
            };
            if let Err(error) = ended {
                debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(STOP_WITHIN, graceful.shutdown()).await.is_err() {
        warn!("some answers were cut off");
    }
}

/// Whom the proxy says it speaks for: the last that it names, since whoever comes may have named others before.
fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse().ok()
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => {
            // Without it small answers wait for more; if the system does not do it, they do.
            drop(stream.set_nodelay(true));
            Some((stream, address.ip(), place))
        }
        Err(error) => {
            warn!(%error, "no connection could be taken");
            tokio::time::sleep(ACCEPT_AGAIN).await;
            None
        }
    }
}

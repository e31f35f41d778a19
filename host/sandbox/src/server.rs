//! The HTTP servers: accepting, limits, faults, the log of arrivals, and handing each request to its side.
//!
//! Promises: an arrival is logged before anything else happens to it; a limit is applied to the moment of
//! arrival, whatever latency was asked for; a dropped connection ends without a byte of an answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::RETRY_AFTER;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::apsis::{self, Apsis};
use crate::call::{Head, Reply};
use crate::control;
use crate::faults::Plan;
use crate::lock::held;
use crate::stop::Way;
use crate::webcrm;
use crate::world::World;

/// The connection is to be dropped without an answer.
#[derive(Debug, thiserror::Error)]
#[error("dropped as asked for")]
pub(crate) struct Dropped;

/// Which of the servers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Site {
    Lime,
    Apsis,
    Control,
    Webcrm,
}

/// Serves until `stop` is cancelled.
pub(crate) async fn serve(site: Site, listener: TcpListener, world: Arc<World>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let _ = stream.set_nodelay(true);
        let (world, stop) = (world.clone(), stop.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let world = world.clone();
                async move { answer(site, world, request).await }
            });
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                () = stop.cancelled() => {}
                _ = connection => {}
            }
        });
    }
}

async fn answer(
    site: Site,
    world: Arc<World>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let now = Instant::now();
    let (parts, incoming) = request.into_parts();
    let Ok(head) = Head::read(&parts.method, &parts.uri, &parts.headers) else {
        return Ok(Reply::problem(StatusCode::BAD_REQUEST, "The path is not valid").into_response());
    };
    match site {
        Site::Control => {
            let body = to_bytes(Body::new(incoming), usize::MAX).await.map_err(|_| Dropped)?;
            Ok(control::answer(&world, &head, &body).await.into_response())
        }
        Site::Lime => {
            let route = world.lime.route(&head);
            let switches = world.lime.switches();
            let class = route.class(&head.method);
            let window = Duration::from_secs(switches.rate_window_seconds);
            let arrival = Arrived {
                world: &world,
                class,
                number: held(&world.arrivals).note(now, class, None, window),
            };
            let admitted = held(&world.limits).lime(now, &switches);
            let plan = held(&world.faults).plan(class, None);
            let refuse = |status, _: &str| Reply::message(status, "Something went wrong.");
            let retry_after = switches.retry_after;
            let instead = match before(&plan, admitted, retry_after, refuse).await {
                Ok(instead) => instead,
                Err(dropped) => return arrival.dropped(dropped),
            };
            let reply = match instead {
                Some(reply) => reply,
                None => {
                    let Ok(body) = to_bytes(Body::new(incoming), 10_000_000).await else {
                        return arrival.dropped(Dropped);
                    };
                    let host = head.header("host").unwrap_or_default().to_owned();
                    let world = world.clone();
                    // A query may read many rows: it must not hold up the other connections.
                    let handled =
                        tokio::task::spawn_blocking(move || world.lime.handle(&head, &route, &body, &host));
                    handled.await.map_err(|_| Dropped)?
                }
            };
            arrival.end(&plan, reply)
        }
        Site::Webcrm => {
            let route = webcrm::Route::read(&head.segments());
            let switches = world.webcrm.switches();
            let class = route.class(&head.method);
            let window = Duration::from_secs(switches.rate_window_seconds);
            let number = held(&world.arrivals).note(now, class, None, window);
            let arrival = Arrived { world: &world, class, number };
            let admitted = held(&world.limits).webcrm(now, &switches);
            let plan = held(&world.faults).plan(class, None);
            let instead = match before(&plan, Ok(()), false, webcrm::failed).await {
                Ok(instead) => instead,
                Err(dropped) => return arrival.dropped(dropped),
            };
            let reply = match (admitted, instead) {
                (Err(seconds), _) => webcrm::too_many(seconds),
                (Ok(()), Some(reply)) => reply,
                (Ok(()), None) => {
                    let Ok(body) = to_bytes(Body::new(incoming), 10_000_000).await else {
                        return arrival.dropped(Dropped);
                    };
                    let world = world.clone();
                    // A query may read many records: it must not hold up the other connections.
                    let handled =
                        tokio::task::spawn_blocking(move || world.webcrm.handle(&head, &route, &body));
                    handled.await.map_err(|_| Dropped)?
                }
            };
            arrival.end(&plan, reply)
        }
        Site::Apsis => {
            let route = apsis::Route::read(&head.segments());
            let class = route.class(&head.method);
            let switches = world.apsis.switches();
            let profile = route.address().map(|at| held(&world.arrivals).hash(&at.keyspace, &at.key));
            let number = held(&world.arrivals).note(now, class, profile, Duration::ZERO);
            let arrival = Arrived { world: &world, class, number };
            let way = held(&world.stopping).way(class);
            let then = match way {
                Way::Free => None,
                Way::Held(stands) => {
                    stands.wait().await;
                    return arrival.dropped(Dropped);
                }
                Way::HeldAfter(stands) => Some(stands),
            };
            let admitted = held(&world.limits).apsis(now, class, profile, &switches);
            let plan = held(&world.faults).plan(class, profile);
            if plan.tokens_expire {
                world.apsis.revoke_tokens();
            }
            let instead = match before(&plan, admitted, switches.retry_after, Reply::problem).await {
                Ok(instead) => instead,
                Err(dropped) => {
                    if let Some(stands) = then {
                        stands.wait().await;
                    }
                    return arrival.dropped(dropped);
                }
            };
            let reply = match instead {
                Some(reply) => reply,
                None => Apsis::serve(&world, head, route, Body::new(incoming)).await,
            };
            if let Some(stands) = then {
                stands.wait().await;
                return arrival.dropped(Dropped);
            }
            arrival.end(&plan, reply)
        }
    }
}

/// What happens before a request is handled, or instead.
async fn before(
    plan: &Plan,
    admitted: Result<(), u64>,
    retry_after: bool,
    refuse: impl Fn(StatusCode, &str) -> Reply,
) -> Result<Option<Reply>, Dropped> {
    if !plan.delay.is_zero() {
        tokio::time::sleep(plan.delay).await;
    }
    if plan.drop_before {
        return Err(Dropped);
    }
    if let Err(seconds) = admitted {
        let reply = refuse(StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded");
        return Ok(Some(if retry_after { reply.with(RETRY_AFTER, &seconds.to_string()) } else { reply }));
    }
    Ok(plan.instead.map(|(status, html, retry_after)| {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let reply = if html { Reply::html(status) } else { refuse(status, "Please retry") };
        match retry_after {
            Some(seconds) => reply.with(RETRY_AFTER, &seconds.to_string()),
            None => reply,
        }
    }))
}

/// An arrival whose end is still to be noted.
struct Arrived<'a> {
    world: &'a World,
    class: &'static str,
    number: u64,
}

impl Arrived<'_> {
    fn note(&self, status: u16) {
        held(&self.world.arrivals).ended(self.number, self.class, status);
    }

    fn dropped(&self, dropped: Dropped) -> Result<Response<Body>, Dropped> {
        self.note(0);
        Err(dropped)
    }

    fn end(&self, plan: &Plan, reply: Reply) -> Result<Response<Body>, Dropped> {
        if plan.drop_after {
            return self.dropped(Dropped);
        }
        self.note(reply.status.as_u16());
        let mut response = reply.into_response();
        if let Some((pause, piece)) = plan.slow_body {
            let (parts, body) = response.into_parts();
            response = Response::from_parts(parts, slowly(body, pause, piece));
        }
        Ok(response)
    }
}

/// The same body, in small pieces with pauses.
fn slowly(body: Body, pause: Duration, piece: usize) -> Body {
    let stream = futures::stream::once(async move { to_bytes(body, usize::MAX).await.unwrap_or_default() });
    let pieces = futures::StreamExt::flat_map(stream, move |whole: Bytes| {
        let pieces: Vec<Bytes> = whole.chunks(piece).map(|piece| whole.slice_ref(piece)).collect();
        futures::StreamExt::then(futures::stream::iter(pieces), move |piece| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, Infallible>(piece)
        })
    });
    Body::from_stream(pieces)
}

//! The task that posts what the queues have ready.
//!
//! Promises: it sleeps while there is nothing to do; connections are used again; an answer is awaited to
//! its end, and no longer than the time-out; everything under way ends with the sandbox. Redirects are not
//! followed, and so are not a success.

use std::sync::Arc;

use hyper::header::CONTENT_TYPE;
use reqwest::Client;
use reqwest::redirect::Policy;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Attempt, Webhooks, signature};

/// A client for [`send`].
pub(crate) fn client() -> reqwest::Result<Client> {
    // A proxy of the machine is not Lime's.
    Client::builder().no_proxy().redirect(Policy::none()).build()
}

/// Sends until `stop` is cancelled.
pub(crate) async fn send(client: Client, webhooks: Arc<Webhooks>, stop: CancellationToken) {
    let mut under_way = JoinSet::new();
    loop {
        let (attempts, wakes) = webhooks.take();
        for attempt in attempts {
            let (client, webhooks) = (client.clone(), webhooks.clone());
            under_way.spawn(async move {
                let status = post(&client, &attempt).await;
                webhooks.ended(attempt, status);
            });
        }
        let woken = async {
            match wakes {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = webhooks.work.notified() => {}
            () = woken => {}
        }
        while under_way.try_join_next().is_some() {}
    }
}

/// The status of the answer, 0 for none.
async fn post(client: &Client, attempt: &Attempt) -> u16 {
    let (target, delivery) = (&attempt.target, &attempt.delivery);
    let headers = signature::headers(
        target.secret.as_deref(),
        target.version_2,
        &delivery.id,
        attempt.seconds,
        &delivery.body,
    );
    let mut request = client
        .post(&target.url)
        .timeout(attempt.timeout)
        .header(CONTENT_TYPE, "application/json")
        .body(delivery.body.clone());
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let Ok(mut answer) = request.send().await else { return 0 };
    // A connection is used again only once the answer has been read.
    while let Ok(Some(_)) = answer.chunk().await {}
    answer.status().as_u16()
}

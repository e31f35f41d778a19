//! Hears what other hosts tell, and passes it on as hints. Nothing depends on it but how soon something is
//! noticed.

use std::future::poll_fn;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::broadcast;
use tokio_postgres::AsyncMessage;

use super::connection::Place;
use super::session::CHANNEL;
use crate::integration::IntegrationId;
use crate::store::fault::Fault;

/// How long to wait before listening is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens for ever.
pub(super) async fn listen(place: Place, hints: broadcast::Sender<IntegrationId>) {
    loop {
        if let Err(fault) = hear(&place, &hints).await {
            let error = fault.at(&place.name);
            tracing::debug!(%error, "hints from other hosts are not heard now");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn hear(place: &Place, hints: &broadcast::Sender<IntegrationId>) -> Result<(), Fault> {
    let (client, mut connection) = place.connect_and_hear().await?;
    let listening = format!("LISTEN {CHANNEL}");
    let mut asked = Box::pin(client.batch_execute(&listening)).fuse();
    loop {
        let message = tokio::select! {
            message = poll_fn(|context| connection.poll_message(context)) => message,
            answer = &mut asked => {
                answer?;
                continue;
            }
        };
        match message {
            None => return Ok(()),
            Some(message) => {
                if let AsyncMessage::Notification(notification) = message? {
                    // Nobody may be listening.
                    let _ = hints.send(IntegrationId(notification.payload().to_owned()));
                }
            }
        }
    }
}

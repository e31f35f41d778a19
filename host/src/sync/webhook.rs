//! The webhook in the CRM: set up once, found again when it is set up twice, replaced without a gap, taken back.
//!
//! What is wanted follows from the integration; what there is, is remembered in the store. Each step may happen
//! twice: the connector's `subscribe` and `unsubscribe` are safe to repeat.

use jiff::Timestamp;
use tracing::{info, instrument, warn};

use super::lane::trouble::{cause, wait};
use crate::connector::{CallError, Connection};
use crate::error::ErrorCode;
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::lane::{Standing, Subscription, Webhook};
use crate::need::{NeedCode, NewNeed};
use crate::store::{Store, StoreError};

/// What the webhook is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The CRM sends to this address.
    At(String),
    /// The CRM sends nothing.
    Nothing,
    /// As it is: this host cannot say under which address it is reached.
    AsItIs,
}

/// What an integration's webhook is to be, seen from a host that is reached under `public_url`.
pub fn wanted(standing: &Standing, public_url: Option<&str>) -> Wanted {
    if !standing.enabled || standing.retiring {
        return Wanted::Nothing;
    }
    match public_url {
        Some(base) => Wanted::At(address(base, &standing.integration.id, &standing.key)),
        None => Wanted::AsItIs,
    }
}

/// Where the CRM of an integration delivers to.
pub fn address(public_url: &str, id: &IntegrationId, key: &str) -> String {
    format!("{}/deliveries/{id}/{key}", public_url.trim_end_matches('/'))
}

/// Whether something is to be done about a webhook.
pub fn is_settled(webhook: &Webhook, wanted: &Wanted) -> bool {
    let stands = |url: &String| webhook.standing.as_ref().is_some_and(|standing| standing.url == *url);
    match wanted {
        Wanted::AsItIs => webhook.leaving.is_empty(),
        Wanted::Nothing => webhook.is_gone(),
        Wanted::At(url) => stands(url) && webhook.asked.is_none() && webhook.leaving.is_empty(),
    }
}

/// Brings the webhook in the CRM to what is wanted, and remembers it. What went wrong is remembered, too, with
/// the moment at which it is tried again.
///
/// # Errors
/// When the store fails.
#[instrument(name = "webhook", skip_all, fields(integration = %fence.integration))]
pub async fn tend(
    store: &dyn Store,
    fence: &Fence,
    connection: &Connection,
    wanted: &Wanted,
    attempt: u32,
) -> Result<Webhook, StoreError> {
    let mut webhook = store.webhook(&fence.integration).await?;
    (webhook.failure, webhook.due) = (None, None);
    if let Err(error) = bring(store, fence, connection, wanted, &mut webhook).await? {
        warn!(integration = %fence.integration, code = error.code(), "the webhook is not as it should be");
        webhook.failure = Some(cause(&error));
        webhook.due = Timestamp::now().checked_add(wait(attempt.saturating_add(3), None)).ok();
    }
    store.put_webhook(fence, &webhook).await?;
    Ok(webhook)
}

/// The steps, each remembered before the next: what the CRM may have is not forgotten, whenever this ends.
async fn bring(
    store: &dyn Store,
    fence: &Fence,
    connection: &Connection,
    wanted: &Wanted,
    webhook: &mut Webhook,
) -> Result<Result<(), CallError>, StoreError> {
    macro_rules! tried {
        ($call:expr) => {
            match $call.await {
                Ok(value) => value,
                Err(error) => return Ok(Err(error)),
            }
        };
    }
    let id = &fence.integration;
    if let Some(url) = webhook.asked.clone()
        && !matches!(wanted, Wanted::AsItIs)
        && *wanted != Wanted::At(url.clone())
    {
        // Asking again finds it, if it is there.
        let subscription = Subscription { id: tried!(connection.subscribe(&url)), url };
        webhook.leaving.push(subscription);
        webhook.asked = None;
        store.put_webhook(fence, webhook).await?;
    }
    if let Wanted::At(url) = wanted {
        if webhook.standing.as_ref().is_none_or(|standing| standing.url != *url) {
            webhook.asked = Some(url.clone());
            store.put_webhook(fence, webhook).await?;
        }
        let now = Subscription { url: url.clone(), id: tried!(connection.subscribe(url)) };
        if webhook.standing.as_ref() != Some(&now) || webhook.asked.is_some() {
            info!(integration = %id, "the webhook is set up");
            if webhook.lapsed || is_another(webhook.standing.as_ref(), &now) {
                // First, so that it is known whatever comes after.
                store.put_need(fence, &NewNeed::of(NeedCode::WebhookRenewed)).await?;
            }
            (webhook.asked, webhook.lapsed) = (None, false);
            // The one before goes only now, so that no message falls between them.
            let before = webhook.standing.replace(now);
            webhook.leaving.extend(before.filter(|before| before.url != *url));
            store.put_webhook(fence, webhook).await?;
        }
    }
    while let Some(leaving) = webhook.leaving.last() {
        tried!(connection.unsubscribe(&leaving.id));
        webhook.leaving.pop();
        store.put_webhook(fence, webhook).await?;
    }
    if let (Wanted::Nothing, Some(standing)) = (wanted, &webhook.standing) {
        tried!(connection.unsubscribe(&standing.id));
        info!(integration = %id, "the webhook is taken back");
        (webhook.standing, webhook.lapsed) = (None, true);
    }
    Ok(Ok(()))
}

/// Whether one that stood at the same address is gone: the CRM has sent nothing to it for some time. One that is
/// replaced by another address stands until that one does.
fn is_another(before: Option<&Subscription>, now: &Subscription) -> bool {
    before.is_some_and(|before| before.url == now.url && before.id != now.id)
}

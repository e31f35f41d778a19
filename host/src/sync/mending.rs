//! The first thing that a full sync does: what an audit found to be wrongly opted in is opted out, before anything is
//! read. The rest of what it doubted is written when its turn comes.

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use tracing::{info, warn};

use super::contact_steps::consent_reason;
use super::failure::SyncError;
use super::work::Work;
use super::writing::AT_ONCE;
use crate::apsis::{ApsisError, ConsentEnd, Kind};
use crate::contact::ContactId;
use crate::error::ErrorCode;
use crate::profile::{Intent, WantedConsent};

/// Contacts taken from the store at once.
const TAKE: u32 = 500;

/// Opts out whatever is doubted to be rightly opted in. Whoever is killed does it again.
///
/// # Errors
/// When APSIS One refuses the credentials or does not answer; when the store fails.
pub async fn opt_out_doubted(work: &Work) -> Result<(), SyncError> {
    let mut after: Option<ContactId> = None;
    loop {
        let due = work.store.opt_outs_due(&work.fence.integration, after.as_ref(), TAKE).await?;
        let Some((last, _)) = due.last() else { return Ok(()) };
        after = Some(last.clone());
        let done: Vec<Option<ContactId>> = stream::iter(due)
            .map(|(contact, opt_outs)| opt_out(work, contact, opt_outs).boxed())
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let done: Vec<ContactId> = done.into_iter().flatten().collect();
        info!(integration = %work.fence.integration, contacts = done.len(), "opted out what was wrongly opted in");
        work.store.opted_out(&work.fence, &done).await?;
    }
}

/// The contact, if all its opt-outs are made. One that is refused stays, for the next full sync and the next audit.
async fn opt_out(
    work: &Work,
    contact: ContactId,
    opt_outs: Vec<WantedConsent>,
) -> Result<Option<ContactId>, SyncError> {
    let intent = Intent { consents: opt_outs, ..Intent::empty(contact.clone()) };
    for WantedConsent { topic, channel, .. } in &intent.consents {
        let why = consent_reason(&intent, topic, *channel);
        match work.line.target.set_consent(&contact, topic, *channel, false, &why).await {
            // A profile that is gone is opted in to nothing.
            Ok(ConsentEnd::Changed | ConsentEnd::AlreadyThere) | Err(ApsisError::Missing { .. }) => {}
            Ok(ConsentEnd::Refused) => {
                warn!(%contact, %topic, "APSIS One refused to opt out what is wrongly opted in");
                return Ok(None);
            }
            Err(error) if matches!(error.kind(), Kind::Contact(_)) => {
                warn!(%contact, code = error.code(), "what is wrongly opted in cannot be opted out");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(contact))
}

//! `sluice contact forget` and `readmit`: a person is erased, or let in again.

use super::hold::work_or_wait;
use super::{Context, Opened, Result, output, table};
use crate::contact::ContactId;
use crate::error::Failure;
use crate::integration::{Integration, IntegrationId};
use crate::story::{Erased, Tombstone};
use crate::sync::{Hold, forget_all};

/// Erases a contact, or waits until the process that works on its integration has; says what was removed.
pub async fn forget(
    context: &Context,
    opened: &Opened,
    integration: &Integration,
    contact: &ContactId,
) -> Result<()> {
    let id = &integration.id;
    let admin = opened.admin()?;
    admin.forget(id, contact).await?;
    let is_done = || async {
        match admin.tombstone(id, contact).await? {
            Some(Tombstone { purged: true, .. }) => Ok(true),
            Some(Tombstone { failure: Some(cause), .. }) => {
                Err(Failure { code: cause.code, message: cause.message })
            }
            _ => Ok(false),
        }
    };
    let service = opened.service()?;
    let work = async |hold: &Hold| Ok(forget_all(&service, hold, integration).await?);
    if let Some(Some(error)) = work_or_wait(context, opened, id, is_done, work).await.map_err(asked_for)? {
        return Err(asked_for(Failure::from(&error)));
    }
    let tombstone = admin.tombstone(id, contact).await?;
    let erased = tombstone.and_then(|tombstone| tombstone.erased).unwrap_or_default();
    if context.json {
        context.line(&serde_json::json!({ "contact": contact, "forgotten": true, "erased": erased }));
    } else {
        tell(contact, &erased);
    }
    Ok(())
}

/// Why it is not done yet, and what becomes of it.
fn asked_for(failure: Failure) -> Failure {
    let message = format!(
        "{}. The contact is not forgotten yet, but kept out from now on; the rest is done by `sluice serve`, or when this \
         command is called again",
        failure.message
    );
    Failure { message, ..failure }
}

fn tell(contact: &ContactId, erased: &Erased) {
    output::line(&format!("Contact {contact} is forgotten"));
    output::line(match erased.profile {
        true => "  APSIS One: its profile was deleted, with its consents and events, from every section",
        false => "  APSIS One: it had no profile",
    });
    let kinds = [
        (erased.ledger, "what was last known of it"),
        (erased.seen, "what it looked like"),
        (erased.stories, "what was done for it"),
        (erased.results, "results of runs"),
        (erased.writes, "what was to be written, or may have been"),
        (erased.changes, "changes, emptied"),
        (erased.deliveries, "deliveries, emptied"),
        (erased.waiting, "places among those that wait"),
        (erased.overviews, "memberships of overviews"),
    ];
    for (count, what) in kinds.into_iter().filter(|(count, _)| *count > 0) {
        output::line(&format!("  store: {} {what}", table::number(count)));
    }
    if erased.undecoded > 0 {
        output::line(&format!(
            "  {} deliveries are not decoded, so that nobody knows who they are about. What waits is emptied when it is \
             taken; dead letters are kept for 90 days, or until they are replayed",
            table::number(erased.undecoded)
        ));
    }
    output::line(
        "  What stays is a hashed mark that keeps it out, though the CRM may still have it; `sluice contact readmit` lifts \
         it. Backups of the store are not touched",
    );
}

/// Lets a contact in again.
pub async fn readmit(
    context: &Context,
    opened: &Opened,
    id: &IntegrationId,
    contact: &ContactId,
) -> Result<()> {
    let was_forgotten = opened.admin()?.readmit(id, contact).await?;
    context.answer(&serde_json::json!({ "contact": contact, "was-forgotten": was_forgotten }), || {
        match was_forgotten {
            true => format!(
                "Contact {contact} is let in again: its next change, or the next full sync, creates its profile"
            ),
            false => format!("Contact {contact} was not forgotten; nothing is to be done"),
        }
    });
    Ok(())
}

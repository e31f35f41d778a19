//! `sluice contact`: the whole story of one contact.

use clap::Subcommand;
use jiff::Timestamp;

use super::deliveries::tell;
use super::status::moment;
use super::{Context, End, Opened, OrFail, Result, output};
use crate::contact::ContactId;
use crate::integration::IntegrationId;
use crate::lane::ChangeRecord;
use crate::run::{LedgerEntry, Outcome, Run, RunContact};

/// Changes that are shown at most.
const CHANGES: u32 = 200;

/// The newest runs that are looked at for having kept the gate closed.
const GATES: u32 = 1_000;

/// What can be done with contacts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show a contact's whole story: what the CRM sent, what was decoded, what the gate and the rules made of it, what
    /// was asked of APSIS One, and what came of it.
    Show {
        /// Which integration.
        integration: String,
        /// The CRM's id of the contact.
        contact: String,
    },
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<End> {
    let Command::Show { integration, contact } = command;
    let opened = Opened::new(context).await?;
    let id = opened.integration(&IntegrationId(integration)).await?.id;
    let contact = ContactId(contact);
    let entry = opened.store.ledger(&id, std::slice::from_ref(&contact)).await.or_fail()?.remove(&contact);
    let attempted = opened.store.attempted(&id, std::slice::from_ref(&contact)).await.or_fail()?;
    let changes = opened.store.changes_of(&id, &contact, CHANGES).await.or_fail()?;
    let runs = opened.store.runs_of(&id, &contact).await.or_fail()?;
    let gates = opened.store.runs(&id, GATES).await.or_fail()?;
    if context.json {
        let changes = changes.iter().map(|change| {
            let mut json = serde_json::to_value(change).unwrap_or_default();
            if let Some(json) = json.as_object_mut() {
                json.insert("held-by".to_owned(), held_by(change, &gates).collect());
            }
            json
        });
        context.line(&serde_json::json!({
            "contact": contact, "ledger": entry, "unsettled-writes": attempted.values().flatten().count(),
            "changes": changes.collect::<Vec<_>>(),
            "runs": runs.iter().map(|(run, of)| serde_json::json!({ "run": run.id, "kind": run.kind,
                "phase": run.phase, "accepted-at": run.accepted_at, "ended-at": run.ended_at,
                "outcome": of.outcome, "reason": of.reason })).collect::<Vec<_>>(),
        }));
        return Ok(End::Success);
    }
    known(&contact, entry.as_ref());
    if !attempted.is_empty() {
        output::line("  something may have been written that has no outcome yet");
    }
    if !changes.is_empty() {
        output::line("Changes, the newest first");
    }
    for change in &changes {
        tell(change);
        for run in held_by(change, &gates) {
            output::line(&format!("    the gate was closed by run {run}"));
        }
    }
    if !runs.is_empty() {
        output::line("Runs that read it, the newest first");
    }
    for (run, of) in &runs {
        of_run(run, of);
    }
    Ok(End::Success)
}

/// The runs that kept the gate closed while a change waited.
fn held_by(change: &ChangeRecord, runs: &[Run]) -> impl Iterator<Item = i64> {
    let (came, ended) = (change.arrived_at, change.ended_at.unwrap_or(Timestamp::MAX));
    let closed = move |run: &&Run| run.accepted_at <= ended && run.ended_at.is_none_or(|at| at >= came);
    runs.iter().filter(closed).map(|run| run.id.0)
}

fn known(contact: &ContactId, entry: Option<&LedgerEntry>) {
    let Some(entry) = entry else {
        output::line(&format!("Contact {contact}: nothing is known of it"));
        return;
    };
    let by = entry.run.map_or_else(|| "by a change".to_owned(), |run| format!("by run {run}"));
    output::line(&format!("Contact {contact}: {}, {} {by}", entry.outcome.as_str(), moment(entry.at)));
    if let Some(reason) = &entry.reason {
        output::line(&format!("  {}: {}", reason.code, reason.message));
    }
    if let Some(at) = entry.modified_at {
        output::line(&format!("  its state is of {}", moment(at)));
    }
    if let Some(at) = entry.deleted_at {
        output::line(&format!("  the CRM deleted it; that came in {}", moment(at)));
    }
    match &entry.written {
        Some(intent) => output::line(&format!(
            "  APSIS One has {} attributes and {} consents of it",
            intent.attributes.len(),
            intent.consents.len()
        )),
        None => output::line("  nothing of it was written to APSIS One, or its profile was deleted"),
    }
}

fn of_run(run: &Run, of: &RunContact) {
    let outcome = of.outcome.map_or("no outcome", Outcome::as_str);
    output::line(&format!("  run {}, {}, {}: {outcome}", run.id, run.kind.words(), moment(run.accepted_at)));
    if let Some(reason) = &of.reason {
        output::line(&format!("    {}: {}", reason.code, reason.message));
    }
}

//! `sluice contact`: the whole story of one contact, and forgetting it.

use clap::Subcommand;
use jiff::Timestamp;

use super::deliveries::tell;
use super::status::moment;
use super::{Context, End, Opened, OrFail, Result, forget, output, story};
use crate::contact::ContactId;
use crate::integration::IntegrationId;
use crate::lane::ChangeRecord;
use crate::profile::Answer;
use crate::run::{LedgerEntry, Outcome, Run, RunContact};
use crate::story::{By, Chapter, Known, LastSeen, Standing, Tombstone, consents, standing};

/// Changes, and things that were done, that are shown at most.
const SHOWN: u32 = 200;

/// The newest runs that are looked at for having kept the gate closed.
const GATES: u32 = 1_000;

/// What can be done with contacts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show a contact's whole story: whether it is in APSIS One and may be mailed, and why; what the CRM sent, what the
    /// gate and the rules made of it, what was asked of APSIS One, and what came of it. It holds personal data.
    Show {
        /// Which integration.
        integration: String,
        /// The CRM's id of the contact.
        contact: String,
    },
    /// List addresses that several contacts have, with who has them and what each says; the addresses themselves are
    /// not shown.
    Shared {
        /// Which integration.
        integration: String,
        /// List at most so many addresses.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Erase a person from APSIS One and from the store, and say what was removed. The contact is not created again,
    /// though the CRM may still have it.
    Forget {
        /// Which integration.
        integration: String,
        /// The CRM's id of the contact.
        contact: String,
    },
    /// Let a contact that was forgotten in again: its next change, or the next full sync, creates it.
    Readmit {
        /// Which integration.
        integration: String,
        /// The CRM's id of the contact.
        contact: String,
    },
}

/// Addresses that several contacts have.
async fn shared(context: &Context, opened: &Opened, id: &IntegrationId, limit: u32) -> Result<()> {
    let shared = opened.store.shared_addresses(id, limit).await.or_fail()?;
    if shared.is_empty() {
        context.say("no two contacts are known to have the same address");
    }
    for address in shared {
        context.answer(&address, || {
            let mut lines = vec![format!("One {} address:", address.channel)];
            for (contact, answers) in &address.contacts {
                let said = |answer: &Answer| match answer {
                    Answer::Given(_) => "yes",
                    Answer::Refused(_) => "no",
                    Answer::Unsaid => "never asked",
                };
                let answers: Vec<String> =
                    answers.iter().map(|one| format!("{} {}", one.topic, said(&one.answer))).collect();
                lines.push(format!("  {contact}  {}", answers.join(", ")));
            }
            lines.join("\n")
        });
    }
    Ok(())
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<End> {
    let opened = Opened::new(context).await?;
    let integration_of = |id: String| {
        let opened = &opened;
        async move { opened.integration(&IntegrationId(id)).await }
    };
    match command {
        Command::Show { integration, contact } => {
            let id = integration_of(integration).await?.id;
            Story::of(&opened, &id, ContactId(contact)).await?.show(context);
        }
        Command::Shared { integration, limit } => {
            let id = integration_of(integration).await?.id;
            shared(context, &opened, &id, limit).await?;
        }
        Command::Forget { integration, contact } => {
            let integration = integration_of(integration).await?;
            forget::forget(context, &opened, &integration, &ContactId(contact)).await?;
        }
        Command::Readmit { integration, contact } => {
            let id = integration_of(integration).await?.id;
            forget::readmit(context, &opened, &id, &ContactId(contact)).await?;
        }
    }
    Ok(End::Success)
}

/// All that is kept of a contact.
struct Story {
    contact: ContactId,
    entry: Option<LedgerEntry>,
    unsettled: usize,
    seen: Option<LastSeen>,
    changes: Vec<ChangeRecord>,
    runs: Vec<(Run, RunContact)>,
    chapters: Vec<Chapter>,
    tombstone: Option<Tombstone>,
    gates: Vec<Run>,
}

impl Story {
    async fn of(opened: &Opened, id: &IntegrationId, contact: ContactId) -> Result<Self> {
        let (store, one) = (&opened.store, std::slice::from_ref(&contact));
        Ok(Self {
            entry: store.ledger(id, one).await.or_fail()?.remove(&contact),
            unsettled: store.attempted(id, one).await.or_fail()?.values().flatten().count(),
            seen: store.last_seen(id, &contact).await.or_fail()?,
            changes: store.changes_of(id, &contact, SHOWN).await.or_fail()?,
            runs: store.runs_of(id, &contact).await.or_fail()?,
            chapters: store.chapters(id, &contact, SHOWN).await.or_fail()?,
            tombstone: store.forgotten(id, one).await.or_fail()?.remove(&contact),
            gates: store.runs(id, GATES).await.or_fail()?,
            contact,
        })
    }

    fn standing(&self) -> Standing {
        standing(&Known {
            entry: self.entry.as_ref(),
            unsettled: self.unsettled > 0,
            chapters: &self.chapters,
            newest: self.changes.first(),
            tombstone: self.tombstone.as_ref(),
        })
    }

    fn of_run<'a>(&'a self, run: &'a Run) -> impl Iterator<Item = &'a Chapter> {
        self.chapters.iter().filter(|chapter| chapter.by == By::Run(run.id))
    }

    /// Those whose run or change is kept no more.
    fn left(&self) -> impl Iterator<Item = &Chapter> {
        self.chapters.iter().filter(|chapter| match chapter.by {
            By::Run(id) => self.runs.iter().all(|(run, _)| run.id != id),
            By::Change(number) => self.changes.iter().all(|change| change.number != number),
        })
    }

    fn show(&self, context: &Context) {
        let standing = self.standing();
        if context.json {
            context.line(&self.json(&standing));
            return;
        }
        output::lines(&story::of_standing(&self.contact, &standing));
        self.tell_known();
        if let Some(seen) = &self.seen {
            output::lines(&story::of_seen(seen));
        }
        if !self.changes.is_empty() {
            output::line("Changes, the newest first");
        }
        for change in &self.changes {
            tell(change);
            let mut held = held_by(change, &self.gates).peekable();
            if held.peek().is_none() {
                output::line("    the gate was open");
            }
            for run in held {
                output::line(&format!("    the gate was closed by run {run}"));
            }
        }
        if !self.runs.is_empty() {
            output::line("Runs that read it, the newest first");
        }
        for (run, of) in &self.runs {
            tell_run(run, of);
            for chapter in self.of_run(run) {
                output::lines(&story::of_steps(&chapter.steps));
            }
        }
        if self.left().next().is_some() {
            output::line("Earlier, of which no more is kept");
        }
        for chapter in self.left() {
            let outcome = chapter.outcome.map_or("tried again later", |outcome| outcome.as_str());
            output::line(&format!("  {}  {outcome}", moment(chapter.at)));
            if let Some(cause) = &chapter.cause {
                output::line(&format!("    {}: {}", cause.code, cause.message));
            }
            output::lines(&story::of_steps(&chapter.steps));
        }
    }

    fn json(&self, standing: &Standing) -> serde_json::Value {
        let changes = self.changes.iter().map(|change| {
            let mut json = serde_json::to_value(change).unwrap_or_default();
            if let Some(json) = json.as_object_mut() {
                json.insert("held-by".to_owned(), held_by(change, &self.gates).collect());
                let told = serde_json::to_value(consents(&change.steps));
                json.insert("consents".to_owned(), told.unwrap_or_default());
            }
            json
        });
        let runs = self.runs.iter().map(|(run, of)| {
            let steps: Vec<_> = self.of_run(run).flat_map(|chapter| &chapter.steps).cloned().collect();
            serde_json::json!({ "run": run.id, "kind": run.kind, "phase": run.phase,
                "accepted-at": run.accepted_at, "ended-at": run.ended_at, "outcome": of.outcome,
                "reason": of.reason, "consents": consents(&steps), "steps": steps })
        });
        serde_json::json!({
            "contact": self.contact, "standing": standing, "ledger": self.entry,
            "unsettled-writes": self.unsettled, "forgotten": self.tombstone, "seen": self.seen,
            "changes": changes.collect::<Vec<_>>(), "runs": runs.collect::<Vec<_>>(),
            "earlier": self.left().collect::<Vec<_>>(),
        })
    }

    /// What the ledger has.
    fn tell_known(&self) {
        let Some(entry) = &self.entry else { return };
        let by = entry.run.map_or_else(|| "by a change".to_owned(), |run| format!("by run {run}"));
        output::line(&format!("What is known of it: {}, {} {by}", entry.outcome.as_str(), moment(entry.at)));
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
}

/// The runs that kept the gate closed while a change waited.
fn held_by(change: &ChangeRecord, runs: &[Run]) -> impl Iterator<Item = i64> {
    let (came, ended) = (change.arrived_at, change.ended_at.unwrap_or(Timestamp::MAX));
    let closed = move |run: &&Run| run.accepted_at <= ended && run.ended_at.is_none_or(|at| at >= came);
    runs.iter().filter(closed).map(|run| run.id.0)
}

fn tell_run(run: &Run, of: &RunContact) {
    let outcome = of.outcome.map_or("no outcome", Outcome::as_str);
    output::line(&format!("  run {}, {}, {}: {outcome}", run.id, run.kind.words(), moment(run.accepted_at)));
    if let Some(reason) = &of.reason {
        output::line(&format!("    {}: {}", reason.code, reason.message));
    }
}

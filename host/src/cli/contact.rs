//! `sluice contact`: the whole story of one contact, and forgetting it.

use clap::Subcommand;

use super::deliveries::tell;
use super::status::moment;
use super::{Context, End, Opened, OrFail, Result, forget, output, story as words};
use crate::admin::{ContactStory, StoryChange, StoryRun};
use crate::contact::ContactId;
use crate::difference::in_words;
use crate::integration::IntegrationId;
use crate::profile::{Answer, AttributeValue};
use crate::run::{LedgerEntry, Outcome, Run, RunContact};
use crate::sync::Foretold;

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
    /// Have a contact be read from the CRM and dealt with, as if it had changed, by whoever holds the integration.
    Sync {
        /// Which integration.
        integration: String,
        /// The CRM's id of the contact.
        contact: String,
    },
    /// Say what a change of a contact would do now. Both sides are asked, and nothing is written. It holds personal data.
    Foretell {
        /// Which integration.
        integration: String,
        /// The CRM's id of the contact.
        contact: String,
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

/// What would become of a contact, in words.
fn foretold(told: &Foretold) -> String {
    let mut lines = vec![match (&told.contact, told.outcome, told.profile) {
        (None, ..) => "the CRM has no such contact".to_owned(),
        (_, Some(outcome), _) => format!("it would be {}", outcome.as_str()),
        (_, None, true) => "its profile would be updated".to_owned(),
        (_, None, false) => "its profile would be created".to_owned(),
    }];
    lines.extend(told.reason.iter().map(|reason| format!("  {}: {}", reason.code, reason.message)));
    lines.extend(told.unseen.iter().map(|failure| format!("  {}: {}", failure.code, failure.message)));
    lines.extend(told.opt_outs.iter().map(|one| format!("  opted out of {} by {}", one.topic, one.channel)));
    let value = |value: &Option<AttributeValue>| value.as_ref().and_then(in_words).unwrap_or_default();
    let changed = told.attributes.iter();
    lines.extend(changed.map(|one| {
        format!("  {}: {:?} becomes {:?}", one.attribute.0, value(&one.before), value(&one.after))
    }));
    lines.extend(told.opt_ins.iter().map(|one| format!("  opted in to {} by {}", one.topic, one.channel)));
    lines.extend(told.withheld.iter().map(|reason| format!("  {}: {}", reason.code, reason.message)));
    lines.join("\n")
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
            show(context, &opened.admin()?.story(&id, ContactId(contact)).await?);
        }
        Command::Sync { integration, contact } => {
            let id = integration_of(integration).await?.id;
            let delivery = opened.admin()?.sync_contact(&id, &ContactId(contact)).await?;
            context.answer(&serde_json::json!({ "delivery": delivery }), || {
                format!("it is dealt with as delivery {delivery}: `sluice deliveries show {id} {delivery}`")
            });
        }
        Command::Foretell { integration, contact } => {
            let id = integration_of(integration).await?.id;
            let told = opened.admin()?.foretell(&id, &ContactId(contact)).await?;
            context.answer(&told, || foretold(&told));
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

fn show(context: &Context, story: &ContactStory) {
    if context.json {
        context.line(story);
        return;
    }
    output::lines(&words::of_standing(&story.contact, &story.standing));
    if let Some(entry) = &story.ledger {
        tell_known(entry);
    }
    if let Some(seen) = &story.seen {
        output::lines(&words::of_seen(seen));
    }
    if !story.changes.is_empty() {
        output::line("Changes, the newest first");
    }
    for StoryChange { change, held_by, .. } in &story.changes {
        tell(change);
        if held_by.is_empty() {
            output::line("    the gate was open");
        }
        for run in held_by {
            output::line(&format!("    the gate was closed by run {run}"));
        }
    }
    if !story.runs.is_empty() {
        output::line("Runs that read it, the newest first");
    }
    for StoryRun { run, of, chapters, .. } in &story.runs {
        tell_run(run, of);
        for chapter in chapters {
            output::lines(&words::of_steps(&chapter.steps));
        }
    }
    if !story.earlier.is_empty() {
        output::line("Earlier, of which no more is kept");
    }
    for chapter in &story.earlier {
        let outcome = chapter.outcome.map_or("tried again later", |outcome| outcome.as_str());
        output::line(&format!("  {}  {outcome}", moment(chapter.at)));
        if let Some(cause) = &chapter.cause {
            output::line(&format!("    {}: {}", cause.code, cause.message));
        }
        output::lines(&words::of_steps(&chapter.steps));
    }
}

/// What the ledger has.
fn tell_known(entry: &LedgerEntry) {
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

fn tell_run(run: &Run, of: &RunContact) {
    let outcome = of.outcome.map_or("no outcome", Outcome::as_str);
    output::line(&format!("  run {}, {}, {}: {outcome}", run.id, run.kind.words(), moment(run.accepted_at)));
    if let Some(reason) = &of.reason {
        output::line(&format!("    {}: {}", reason.code, reason.message));
    }
}

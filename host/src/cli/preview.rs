//! `sluice rules preview` and `sluice sync start --dry-run`: what would be done, and nothing is.

use std::path::PathBuf;

use clap::Subcommand;

use super::sync::{finish, follow};
use super::{Context, End, Opened, OrFail, Result, output};
use crate::contact::ContactId;
use crate::difference::{AttributeChange, Difference};
use crate::integration::{Integration, IntegrationId};
use crate::profile::ConsentType;
use crate::run::{Run, RunContact, RunOrder, Source};

/// Contacts that are taken from the store at once.
const TAKE: u32 = 500;

/// Contacts whose differences are shown to people.
const SHOWN: u32 = 20;

/// What can be done with rules.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what a changed file of an integration, with its rules or its connector, would do to whom. Nothing is
    /// written, and the file is not applied. It goes by what contacts looked like when they were last read; where that
    /// is not known, or the connector or its settings change, the CRM is read as by a full sync. What the CRM sends
    /// waits meanwhile.
    Preview {
        /// The file, as for `sluice integration apply`. Its id says which integration.
        file: PathBuf,
        /// As a full sync that writes every contact, changed or not.
        #[arg(long)]
        forced: bool,
        /// Read the CRM, whatever is known.
        #[arg(long)]
        read: bool,
        /// Show at most so many contacts; left out: 20, and with --json all.
        #[arg(long)]
        limit: Option<u32>,
    },
    /// Show the contacts of a dry run with what would change.
    Differences {
        /// Which integration.
        integration: String,
        /// Which run; left out: the last dry run.
        #[arg(long)]
        run: Option<i64>,
        /// Show at most so many contacts; left out: all.
        #[arg(long)]
        limit: Option<u32>,
    },
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<End> {
    let opened = Opened::new(context).await?;
    match command {
        Command::Preview { file, forced, read, limit } => {
            let trial = Integration::read(&file).or_fail()?;
            let (run, why) = opened.admin()?.preview(trial, forced, read).await?;
            if let Some(why) = why {
                context.tell(&format!("The CRM is read, since what is known is not enough: {why}"));
            }
            go_through(context, &opened, &run, limit).await
        }
        Command::Differences { integration, run, limit } => {
            let id = opened.integration(&IntegrationId(integration)).await?.id;
            let run = super::sync::dry_run_of(&opened, &id, run).await?;
            differences(context, &opened, &run, limit.unwrap_or(u32::MAX)).await?;
            Ok(End::Success)
        }
    }
}

/// A dry run of a full sync, by the integration as it is.
pub async fn dry_run(
    context: &Context,
    opened: &Opened,
    id: &IntegrationId,
    forced: bool,
    source: Source,
) -> Result<End> {
    let order = RunOrder::DryRun { forced, source, trial: None };
    let run = opened.admin()?.start_run(id, order).await?;
    go_through(context, opened, &run, None).await
}

async fn go_through(context: &Context, opened: &Opened, run: &Run, limit: Option<u32>) -> Result<End> {
    let id = run.integration.clone();
    let run = follow(context, opened, run, true).await?;
    let limit = limit.unwrap_or(if context.json { u32::MAX } else { SHOWN });
    differences(context, opened, &run, limit).await?;
    let end = finish(context, opened, &run).await?;
    context.tell(&format!(
        "Nothing was written. `sluice rules differences {id} --run {}` lists every contact with what would change",
        run.id
    ));
    Ok(end)
}

async fn differences(context: &Context, opened: &Opened, run: &Run, limit: u32) -> Result<()> {
    let mut after: Option<ContactId> = None;
    let mut left = limit;
    while left > 0 && !output::is_unread() {
        let page = opened.store.differences(run.id, after.as_ref(), left.min(TAKE)).await.or_fail()?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(last.contact.clone());
        left = left.saturating_sub(u32::try_from(page.len()).unwrap_or(u32::MAX));
        for (of, difference) in &page {
            let json = serde_json::json!({ "contact": of.contact, "outcome": of.outcome, "reason": of.reason,
                "difference": difference });
            context.answer(&json, || in_words(of, difference));
        }
    }
    Ok(())
}

fn in_words(of: &RunContact, difference: &Difference) -> String {
    let mut lines =
        vec![format!("  {}  {}", of.contact, of.outcome.map_or("no outcome", |one| one.as_str()))];
    if let Some(reason) = &of.reason {
        lines.push(format!("    {}: {}", reason.code, reason.message));
    }
    if difference.creates {
        lines.push("    the profile would be created".to_owned());
    }
    if difference.deletes {
        lines.push("    the profile would be deleted".to_owned());
    }
    lines.extend(difference.attributes.iter().map(attribute_in_words));
    for change in &difference.consents {
        let before = change.before.map_or("never asked", state);
        lines.push(format!(
            "    {} by {}: {before} -> {}",
            change.topic,
            change.channel,
            state(change.after)
        ));
    }
    lines.join("\n")
}

/// An attribute's values before and after, for people.
pub fn attribute_in_words(change: &AttributeChange) -> String {
    let value = |text: &Option<String>| {
        text.as_ref().map_or_else(|| "nothing".to_owned(), |text| format!("\"{text}\""))
    };
    format!("    {}: {} -> {}", change.attribute, value(&change.before), value(&change.after))
}

fn state(consent: ConsentType) -> &'static str {
    match consent {
        ConsentType::OptIn => "opted in",
        ConsentType::OptOut => "opted out",
        ConsentType::PendingOptIn => "opt-in awaited",
        ConsentType::ConfirmedOptIn => "opted in and confirmed",
    }
}

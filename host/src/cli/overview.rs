//! `sluice overview`: the CRM's own lists, which become tags in APSIS One.

use clap::Subcommand;
use jiff::civil::Time;

use super::hold::work_or_wait;
use super::status::moment;
use super::{Context, End, Opened, OrFail, Result, output, table};
use crate::admin::{Imported, NewOverview, OverviewLine, Overviews};
use crate::contact::ContactId;
use crate::error::Failure;
use crate::integration::IntegrationId;
use crate::overview::{ImportState, OverviewError, OverviewId, OverviewImport};
use crate::sync::Hold;

/// How many are taken from the store at once.
const TAKE: u32 = 500;

/// What can be done with overviews.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the overviews that the CRM has, with how they are imported and what the last import came to.
    List {
        /// Which integration.
        integration: String,
    },
    /// List the tags that the section has in APSIS One, where they are made.
    Tags {
        /// Which integration.
        integration: String,
    },
    /// Have an overview imported as a tag: by hand, or every day by itself. Nobody gets the tag before the next import.
    Add {
        /// Which integration.
        integration: String,
        /// The CRM's id of the overview, as `list` shows it.
        overview: String,
        /// The tag that its members get, by name or discriminator. It is made in APSIS One.
        #[arg(long)]
        tag: String,
        /// Import it every day by itself.
        #[arg(long)]
        recurring: bool,
        /// When, in the integration's time zone.
        #[arg(long, default_value = "06:00", value_parser = clock)]
        at: Time,
    },
    /// Change how an overview is imported; what is not named stays. Another tag takes the place of the former one with the
    /// next import.
    Change {
        /// Which integration.
        integration: String,
        /// The CRM's id of the overview.
        overview: String,
        /// The tag that its members get.
        #[arg(long)]
        tag: Option<String>,
        /// Whether it is imported every day by itself: true or false.
        #[arg(long)]
        recurring: Option<bool>,
        /// When, in the integration's time zone.
        #[arg(long, value_parser = clock)]
        at: Option<Time>,
    },
    /// Take an overview's tag off everybody who has it from there, and import it no more.
    Remove {
        /// Which integration.
        integration: String,
        /// The CRM's id of the overview.
        overview: String,
        /// Leave the tag where it is.
        #[arg(long)]
        keep_tags: bool,
    },
    /// Import an overview now, and wait until that is done.
    Import {
        /// Which integration.
        integration: String,
        /// The CRM's id of the overview.
        overview: String,
        /// Take the tag off however many are no members any more.
        #[arg(long)]
        confirm: bool,
    },
    /// List an overview's imports, the newest first.
    Imports {
        /// Which integration.
        integration: String,
        /// The CRM's id of the overview.
        overview: String,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// List the members that the last import left as they are, with the reason.
    Skipped {
        /// Which integration.
        integration: String,
        /// The CRM's id of the overview.
        overview: String,
    },
}

fn clock(text: &str) -> std::result::Result<Time, String> {
    Time::strptime("%H:%M", text).map_err(|_| "a time of day is written as 06:00".to_owned())
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<End> {
    let opened = Opened::new(context).await?;
    match command {
        Command::List { integration } => {
            let found = Box::pin(opened.admin()?.overviews(&IntegrationId(integration))).await?;
            list(context, &found);
        }
        Command::Tags { integration } => {
            let tags = Box::pin(opened.admin()?.tags(&IntegrationId(integration))).await?;
            if tags.is_empty() {
                context.say("the section has no tag yet; make one in APSIS One");
            }
            for tag in tags {
                context.answer(&tag, || format!("  {}  {}", tag.name, tag.id));
            }
        }
        Command::Add { integration, overview, tag, recurring, at } => {
            let new = NewOverview { tag, recurring, at };
            put(context, &opened, &IntegrationId(integration), &OverviewId(overview), new).await?;
        }
        Command::Change { integration, overview, tag, recurring, at } => {
            let (id, overview) = (IntegrationId(integration), OverviewId(overview));
            let before = opened.admin()?.overview(&id, &overview).await?.overview;
            let new = NewOverview {
                tag: tag.unwrap_or(before.tag.0),
                recurring: recurring.unwrap_or(before.recurring),
                at: at.unwrap_or(before.at),
            };
            put(context, &opened, &id, &overview, new).await?;
        }
        Command::Remove { integration, overview, keep_tags } => {
            let (id, overview) = (IntegrationId(integration), OverviewId(overview));
            return remove(context, &opened, &id, &overview, keep_tags).await;
        }
        Command::Import { integration, overview, confirm } => {
            let (id, overview) = (IntegrationId(integration), OverviewId(overview));
            let import = opened.admin()?.import_overview(&id, &overview, confirm).await?;
            return match follow(context, &opened, &id, import).await? {
                Some(import) => finish(context, &import),
                None => Err(Failure::from(&OverviewError::Unknown { integration: id, overview })),
            };
        }
        Command::Imports { integration, overview, limit } => {
            let (id, overview) = (IntegrationId(integration), OverviewId(overview));
            for import in opened.store.overview_imports(&id, &overview, None, limit).await.or_fail()? {
                context.answer(&import, || format!("  {}", words(&import)));
            }
        }
        Command::Skipped { integration, overview } => {
            skipped(context, &opened, &IntegrationId(integration), &OverviewId(overview)).await?;
        }
    }
    Ok(End::Success)
}

fn list(context: &Context, found: &Overviews) {
    if context.json {
        context.line(found);
        return;
    }
    if let Some(failure) = &found.failure {
        output::note(&format!("the CRM does not say which it has: {}: {}", failure.code, failure.message));
    }
    if !found.offered {
        context.say("the connector of this CRM offers no overviews");
    }
    let mut rows = vec![["id", "name", "tag", "imported", "last import"].map(String::from).to_vec()];
    rows.extend(found.overviews.iter().map(row));
    output::text(&table::render(&rows));
}

fn row(line: &OverviewLine) -> Vec<String> {
    let gone = if line.in_crm == Some(false) { " (gone from the CRM)" } else { "" };
    let name = format!("{}{gone}", table::cell(&line.name));
    let Some(Imported { overview, next_at, last_import }) = &line.imported else {
        return vec![line.id.to_string(), name, "-".to_owned(), "no".to_owned(), String::new()];
    };
    let when = match next_at {
        _ if overview.leaving => "is being removed".to_owned(),
        Some(next) => format!("every day at {}, next {}", overview.at.strftime("%H:%M"), moment(*next)),
        None => "by hand".to_owned(),
    };
    let last = last_import.as_ref().map_or_else(|| "none yet".to_owned(), words);
    vec![line.id.to_string(), name, table::cell(&overview.tag_name), when, last]
}

async fn put(
    context: &Context,
    opened: &Opened,
    id: &IntegrationId,
    overview: &OverviewId,
    new: NewOverview,
) -> Result<()> {
    let (imported, is_new) = Box::pin(opened.admin()?.put_overview(id, overview, new)).await?;
    context.answer(&imported, || {
        let verb = if is_new { "added" } else { "changed" };
        let Imported { overview, next_at, .. } = &imported;
        let when = next_at.map_or_else(
            || format!("`sluice overview import {id} {}` imports it", overview.id),
            |next| format!("it is imported for the first time at {}", moment(next)),
        );
        format!(
            "{verb} {} ({}): its members get the tag {}; {when}",
            overview.id, overview.name, overview.tag_name
        )
    });
    Ok(())
}

async fn remove(
    context: &Context,
    opened: &Opened,
    id: &IntegrationId,
    overview: &OverviewId,
    keep_tags: bool,
) -> Result<End> {
    let removed = serde_json::json!({ "removed": overview });
    if keep_tags {
        opened.admin()?.drop_overview(id, overview).await?;
        context.answer(&removed, || format!("removed {overview}; whoever has its tag keeps it"));
        return Ok(End::Success);
    }
    let import = opened.admin()?.remove_overview(id, overview).await?;
    match follow(context, opened, id, import).await? {
        // It is gone with its imports.
        None => {
            context.answer(&removed, || format!("removed {overview}, and took its tag off everybody"));
            Ok(End::Success)
        }
        Some(import) if import.state == ImportState::Completed => {
            context.answer(&import, || {
                format!(
                    "the tag could not be taken off {} of them: `sluice overview skipped {id} {overview}` says why. Remove \
                     it again to go on, or with --keep-tags to leave it so",
                    import.counters.not_removed
                )
            });
            Ok(End::Partial)
        }
        Some(import) => finish(context, &import),
    }
}

/// Does an import, or waits until the process that works on the integration has; as it ended, if it is still there.
async fn follow(
    context: &Context,
    opened: &Opened,
    id: &IntegrationId,
    import: OverviewImport,
) -> Result<Option<OverviewImport>> {
    let number = import.number;
    let now = || async { opened.store.overview_import(number).await.or_fail() };
    let has_ended = |import: &Option<OverviewImport>| import.as_ref().is_none_or(|it| it.ended_at.is_some());
    let is_done = || async { Ok(has_ended(&now().await?)) };
    let service = opened.service()?;
    let work = async |hold: &Hold| Ok(Box::pin(service.import_overviews(hold)).await?);
    work_or_wait(context, opened, id, is_done, work).await?;
    now().await
}

fn finish(context: &Context, import: &OverviewImport) -> Result<End> {
    if let Some(Failure { code, message }) = &import.failure {
        if context.json {
            context.line(import);
        }
        return Err(Failure { code: code.clone(), message: message.clone() });
    }
    context.answer(import, || words(import));
    Ok(if import.counters.not_removed > 0 { End::Partial } else { End::Success })
}

fn words(import: &OverviewImport) -> String {
    let counters = &import.counters;
    let mut parts = vec![format!("{} read", table::number(counters.read))];
    for (count, what) in [
        (counters.added, "added"),
        (counters.removed, "removed"),
        (counters.unchanged, "unchanged"),
        (counters.skipped, "skipped"),
        (counters.not_removed, "not removed"),
    ] {
        if count > 0 {
            parts.push(format!("{} {what}", table::number(count)));
        }
    }
    let why = import.failure.as_ref().map_or_else(String::new, |why| format!(" ({})", why.code));
    let at = moment(import.ended_at.unwrap_or(import.accepted_at));
    format!("{}  {}{why}: {}", at, import.state.as_str(), parts.join(", "))
}

async fn skipped(
    context: &Context,
    opened: &Opened,
    id: &IntegrationId,
    overview: &OverviewId,
) -> Result<()> {
    let mut after: Option<ContactId> = None;
    while !output::is_unread() {
        let some = opened.store.skipped_members(id, overview, after.as_ref(), TAKE).await.or_fail()?;
        let Some(last) = some.last() else { break };
        after = Some(last.contact.clone());
        for one in &some {
            context.answer(one, || format!("  {}  {}: {}", one.contact, one.reason.code, one.reason.message));
        }
    }
    Ok(())
}

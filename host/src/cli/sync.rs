//! `sluice sync`: full syncs.
//!
//! A run is accepted in the store first. If no other process works on the integration, this one does
//! the run; otherwise that one does, and this one watches.

use std::convert::Infallible;
use std::io::IsTerminal as _;

use clap::Subcommand;

use super::hold::work_or_wait;
use super::{Context, End, Opened, OrFail, Result, output, preview, progress, table};
use crate::contact::ContactId;
use crate::error::Failure;
use crate::integration::IntegrationId;
use crate::need::Need;
use crate::run::{Outcome, Phase, Run, RunId, RunKind, RunOrder, Source};
use crate::sync::Hold;

/// How many contacts are taken from the store at once, when they are listed.
const TAKE: u32 = 500;

/// How many are listed on a terminal, where more would push the result table out of sight.
const FEW: u32 = 50;

/// How many runs are listed.
const LISTED: u32 = 100;

/// What can be done with full syncs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a full sync, and watch it to its end. Ctrl-c cancels it.
    Start {
        /// Which integration.
        integration: String,
        /// Write every contact, changed or not.
        #[arg(long)]
        forced: bool,
        /// Decide everybody anew by what is known of him, without reading the CRM: for mappings that have changed.
        #[arg(long)]
        known: bool,
        /// Write nothing: show what each contact would come to, and what would change in its profile.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show what a full sync, or the changes that come in, wait with until somebody approves: more would be opted
    /// out, newly opted in or deleted than may be without being asked.
    Held {
        /// Which integration.
        integration: String,
    },
    /// Approve of what `held` shows, and go on.
    Approve {
        /// Which integration.
        integration: String,
    },
    /// Watch the active full sync to its end, and go on with it if it was interrupted. Ctrl-c stops
    /// watching; a run that this command went on with is interrupted again.
    Watch {
        /// Which integration.
        integration: String,
    },
    /// Cancel the active full sync, and wait until it has stopped.
    Cancel {
        /// Which integration.
        integration: String,
    },
    /// Show the results of a full sync: what the contacts came to, and who was rejected, with the reason.
    Show {
        /// Which integration.
        integration: String,
        /// Which run; left out: the last.
        #[arg(long)]
        run: Option<i64>,
        /// List contacts of this outcome instead of the rejected ones: created, updated, unchanged, excluded, rejected or deleted.
        #[arg(long, value_parser = outcome)]
        outcome: Option<Outcome>,
        /// List at most this many contacts, and as many discarded records; left out: 50 on a terminal,
        /// else all.
        #[arg(long)]
        limit: Option<u32>,
    },
    /// List an integration's full syncs and daily runs, the newest first.
    List {
        /// Which integration.
        integration: String,
    },
}

fn outcome(text: &str) -> std::result::Result<Outcome, String> {
    Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == text).ok_or_else(|| {
        let all: Vec<&str> = Outcome::ALL.into_iter().map(Outcome::as_str).collect();
        format!("one of {}", all.join(", "))
    })
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<End> {
    let opened = Opened::new(context).await?;
    match command {
        Command::Start { integration, forced, known, dry_run: true } => {
            preview::dry_run(context, &opened, &IntegrationId(integration), forced, source(known)).await
        }
        Command::Held { integration } => held(context, &opened, &IntegrationId(integration)).await,
        Command::Approve { integration } => approve(context, &opened, &IntegrationId(integration)).await,
        Command::Start { integration, forced, known, dry_run: false } => {
            start(context, &opened, &IntegrationId(integration), forced, source(known)).await
        }
        Command::Watch { integration } => {
            let run = active(&opened, &IntegrationId(integration)).await?;
            let run = follow(context, &opened, &run, false).await?;
            finish(context, &opened, &run).await
        }
        Command::Cancel { integration } => {
            let run = active(&opened, &IntegrationId(integration)).await?;
            opened.admin()?.cancel_run(&run.integration, run.id).await?;
            let run = follow(context, &opened, &run, false).await?;
            // That it is cancelled is what was asked for.
            finish(context, &opened, &run).await.map(|_| End::Success)
        }
        Command::Show { integration, run, outcome, limit } => {
            let integration = IntegrationId(integration);
            let run = match run {
                Some(number) => opened.admin()?.run_of(&integration, RunId(number)).await?,
                None => last(&opened, &integration).await?,
            };
            let few = !context.json && std::io::stdout().is_terminal();
            let limit = limit.unwrap_or(if few { FEW } else { u32::MAX });
            show(context, &opened, &run, outcome, limit).await?;
            Ok(End::Success)
        }
        Command::List { integration } => {
            let integration = opened.integration(&IntegrationId(integration)).await?;
            let runs = opened.store.runs(&integration.id, LISTED).await.or_fail()?;
            if runs.is_empty() {
                context.say(&none_yet(&integration.id));
            }
            for run in runs {
                context.answer(&run, || format!("  run {}: {}", run.id, one_line(&run)));
            }
            Ok(End::Success)
        }
    }
}

fn source(known: bool) -> Source {
    if known { Source::Known } else { Source::Crm }
}

async fn start(
    context: &Context,
    opened: &Opened,
    integration: &IntegrationId,
    forced: bool,
    source: Source,
) -> Result<End> {
    let run = opened.admin()?.start_run(integration, RunOrder::FullSync { forced, source }).await?;
    tell_needs(context, opened, &run).await?;
    let run = follow(context, opened, &run, true).await?;
    finish(context, opened, &run).await
}

/// What waits for approval.
async fn held(context: &Context, opened: &Opened, integration: &IntegrationId) -> Result<End> {
    let id = opened.integration(integration).await?.id;
    let run = opened.store.active_run(&id).await.or_fail()?.filter(Run::waits);
    let of_run = run.as_ref().and_then(|run| run.hold.clone());
    let of_lane = opened.store.held_lane(&id).await.or_fail()?;
    if context.json {
        context.line(&serde_json::json!({ "run": run.as_ref().map(|run| run.id), "of-run": of_run, "of-lane": of_lane }));
    }
    if of_run.is_none() && of_lane.is_none() {
        context.say("nothing waits for approval");
        return Ok(End::Success);
    }
    for (what, held) in [("The full sync", of_run), ("The changes of the last hour", of_lane)] {
        if let Some(held) = held {
            context.tell(&format!("{what} {held}. Among them:"));
            for (contact, effect) in &held.would.samples {
                context.tell(&format!("  {contact}  {}", effect.as_str()));
            }
        }
    }
    context.tell(&format!(
        "`sluice contact show {id} CONTACT` tells more of one. `sluice sync approve {id}` lets all of it through; `sluice \
         sync cancel {id}` ends a full sync that waits, with nothing written"
    ));
    Ok(End::Held)
}

async fn approve(context: &Context, opened: &Opened, integration: &IntegrationId) -> Result<End> {
    let id = opened.integration(integration).await?.id;
    let approved = opened.admin()?.approve(&id).await?;
    for held in &approved {
        context.answer(held, || format!("Approved: {held}"));
    }
    match opened.store.active_run(&id).await.or_fail()? {
        Some(run) => {
            let run = follow(context, opened, &run, false).await?;
            finish(context, opened, &run).await
        }
        None => Ok(End::Success),
    }
}

/// Says which needs a run clears by completing, and which it does not.
pub async fn tell_needs(context: &Context, opened: &Opened, run: &Run) -> Result<()> {
    let needs = opened.store.needs(&run.integration).await.or_fail()?;
    if needs.is_empty() {
        return Ok(());
    }
    let (cleared, left): (Vec<Need>, Vec<Need>) = needs.into_iter().partition(|need| need.is_cleared_by(run));
    if context.json {
        context.line(&serde_json::json!({ "run": run.id, "clears": cleared, "leaves": left }));
    }
    for need in &cleared {
        context.say(&format!("makes good, by completing: {} ({})", need.message, need.code.as_str()));
    }
    for need in &left {
        context.say(&format!("does not make good: {} ({})", need.message, need.code.as_str()));
    }
    Ok(())
}

/// Sees a run to its end: does it here unless another process does. `ours`: ctrl-c cancels the run.
pub async fn follow(context: &Context, opened: &Opened, run: &Run, ours: bool) -> Result<Run> {
    let id = run.id;
    let watching = progress::watch(opened.store.as_ref(), id, context.json);
    tokio::select! {
        both = futures::future::try_join(do_it(context, opened, run), watching) => both.map(|((), run)| run),
        Err(failure) = cancel_on_ctrl_c(context, opened, id), if ours => Err(failure),
    }
}

/// Does a run, unless another process does.
async fn do_it(context: &Context, opened: &Opened, run: &Run) -> Result<()> {
    // One that waits for approval is not waited for.
    let has_ended = || async {
        let run = opened.store.run(run.id).await.or_fail()?;
        Ok(!run.phase.is_active() || run.waits())
    };
    let service = opened.service()?;
    let work = async |hold: &Hold| Ok(service.execute(run.id, hold).await?);
    work_or_wait(context, opened, &run.integration, has_ended, work).await.map(|_| ())
}

async fn cancel_on_ctrl_c(context: &Context, opened: &Opened, id: RunId) -> Result<Infallible> {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without the handler ctrl-c ends the process, and the run can be gone on with.
        return std::future::pending().await;
    }
    context.say("cancelling; ctrl-c again does not wait for it");
    opened.store.request_cancel(id).await.or_fail()?;
    match tokio::signal::ctrl_c().await {
        Ok(()) => Err(Failure {
            code: "cancel-not-awaited".to_owned(),
            message: format!(
                "stopped before run {id} had ended; it is marked as cancelled, and ends when it is gone on with"
            ),
        }),
        Err(_) => std::future::pending().await,
    }
}

/// Prints how a run ended, and says it as an exit code.
pub async fn finish(context: &Context, opened: &Opened, run: &Run) -> Result<End> {
    if run.waits() {
        return held(context, opened, &run.integration).await;
    }
    if context.json {
        context.line(run);
    } else {
        summary(opened, run).await?;
        if run.counters.rejected + run.counters.discarded > 0 {
            output::line(&format!(
                "`sluice sync show {}` lists each of them, with the reason",
                run.integration
            ));
        }
    }
    match (run.phase, &run.failure) {
        (Phase::Cancelled, _) => Ok(End::Cancelled),
        (Phase::Failed, Some(failure)) => Err(failure.clone()),
        _ if run.counters.rejected > 0 => Ok(End::Partial),
        _ => Ok(End::Success),
    }
}

/// The result table of a run, with the reasons.
pub async fn summary(opened: &Opened, run: &Run) -> Result<()> {
    let counters = run.counters;
    let mut rows: Vec<Vec<String>> = vec![vec!["read".into(), table::number(counters.read)]];
    // Only the lane and daily runs take anybody out.
    let shown = |outcome: &Outcome| *outcome != Outcome::Deleted || counters.deleted > 0;
    for outcome in Outcome::ALL.into_iter().filter(shown) {
        rows.push(vec![outcome.as_str().to_owned(), table::number(*counters.clone().of(outcome))]);
    }
    if counters.pending() > 0 {
        rows.push(vec!["not written".into(), table::number(counters.pending())]);
    }
    output::line(&format!("Run {}: {}", run.id, one_line(run)));
    output::text(&table::render_numbers(&rows));
    let reasons = opened.store.reasons(run.id).await.or_fail()?;
    if !reasons.is_empty() {
        output::line("Reasons");
        let rows: Vec<Vec<String>> = reasons
            .into_iter()
            .map(|(outcome, code, count)| {
                // Who was written, and has a reason, was written but for what the reason is about.
                let part =
                    if matches!(outcome, Outcome::Excluded | Outcome::Rejected) { "" } else { " in part" };
                vec![format!("{}{part}, {code}", outcome.as_str()), table::number(count)]
            })
            .collect();
        output::text(&table::render_numbers(&rows));
    }
    if counters.discarded > 0 {
        let discarded = table::number(counters.discarded);
        output::line(&format!("Records of the CRM that are no contacts and could not be used: {discarded}"));
    }
    Ok(())
}

async fn show(
    context: &Context,
    opened: &Opened,
    run: &Run,
    outcome: Option<Outcome>,
    limit: u32,
) -> Result<()> {
    if context.json {
        context.line(run);
    } else {
        summary(opened, run).await?;
    }
    let listed = outcome.unwrap_or(Outcome::Rejected);
    let mut after: Option<ContactId> = None;
    let mut left = limit;
    while left > 0 && !output::is_unread() {
        let contacts = opened
            .store
            .run_contacts(run.id, Some(listed), after.as_ref(), left.min(TAKE))
            .await
            .or_fail()?;
        let Some(last) = contacts.last() else { break };
        if after.is_none() && !context.json {
            output::line(&format!("Contacts: {}", listed.as_str()));
        }
        after = Some(last.contact.clone());
        left = left.saturating_sub(u32::try_from(contacts.len()).unwrap_or(u32::MAX));
        for contact in contacts {
            context.answer(&contact, || match &contact.reason {
                Some(reason) => {
                    let about =
                        reason.subject.as_ref().map_or_else(String::new, |subject| format!(" ({subject})"));
                    format!("  {}  {}{about}: {}", contact.contact, reason.code, reason.message)
                }
                None => format!("  {}", contact.contact),
            });
        }
    }
    let more = run.counters.clone().of(listed).saturating_sub(u64::from(limit));
    if more > 0 && !context.json {
        output::line(&format!("  ... and {} more; `--limit` says how many are listed", table::number(more)));
    }
    let discards = opened.store.discards(run.id, limit).await.or_fail()?;
    if !discards.is_empty() && !context.json {
        output::line("Discarded records");
    }
    for discard in discards {
        if output::is_unread() {
            break;
        }
        context.answer(&discard, || {
            format!("  {}  {}", discard.subject.as_deref().unwrap_or("a record"), discard.message)
        });
    }
    Ok(())
}

/// A run in one line: how it ended, when, and how long it took.
pub fn one_line(run: &Run) -> String {
    let seconds = |until: jiff::Timestamp| until.duration_since(run.accepted_at).as_secs_f64();
    let time = run.ended_at.map_or_else(String::new, |ended| format!(" in {:.1} s", seconds(ended)));
    let counters = run.counters;
    format!(
        "{}{}{}{time}, {} read, {} written, {} rejected, accepted {}",
        match run.kind {
            RunKind::FullSync => "",
            RunKind::Daily => "daily run, ",
            RunKind::DryRun => "dry run, ",
        },
        match run.source {
            Source::Crm => "",
            Source::Known => "of what is known, ",
        },
        run.phase.as_str(),
        table::number(counters.read),
        table::number(counters.created + counters.updated),
        table::number(counters.rejected),
        run.accepted_at.strftime("%Y-%m-%d %H:%M:%SZ"),
    )
}

/// The last full sync.
async fn last(opened: &Opened, integration: &IntegrationId) -> Result<Run> {
    opened.integration(integration).await?;
    let runs = opened.store.runs(integration, LISTED).await.or_fail()?;
    runs.into_iter()
        .find(|run| run.kind == RunKind::FullSync)
        .ok_or_else(|| Failure { code: "run-none".to_owned(), message: none_yet(integration) })
}

/// A dry run by its number, or the last one.
pub async fn dry_run_of(opened: &Opened, integration: &IntegrationId, run: Option<i64>) -> Result<Run> {
    if let Some(number) = run {
        return opened.admin()?.run_of(integration, RunId(number)).await;
    }
    let runs = opened.store.runs(integration, LISTED).await.or_fail()?;
    runs.into_iter().find(|run| run.kind == RunKind::DryRun).ok_or_else(|| Failure {
        code: "run-none".to_owned(),
        message: format!(
            "{integration} has had no dry run yet; `sluice sync start {integration} --dry-run` does one"
        ),
    })
}

fn none_yet(integration: &IntegrationId) -> String {
    format!("{integration} has had no full sync yet; `sluice sync start {integration}` starts one")
}

async fn active(opened: &Opened, integration: &IntegrationId) -> Result<Run> {
    if let Some(run) = opened.store.active_run(integration).await.or_fail()? {
        return Ok(run);
    }
    let run = last(opened, integration).await?;
    Err(Failure {
        code: "run-not-active".to_owned(),
        message: format!("{integration} has no active full sync; the last one: {}", one_line(&run)),
    })
}

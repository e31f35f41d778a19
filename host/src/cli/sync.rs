//! `sluice sync`: full syncs.
//!
//! A run is accepted in the store first. If no other process holds the data directory, this one does
//! the run; otherwise that one does, and this one watches.

use clap::Subcommand;

use super::{Context, End, Opened, OrFail, Result, progress, table};
use crate::contact::ContactId;
use crate::error::Failure;
use crate::integration::IntegrationId;
use crate::run::{Outcome, Phase, Run, RunId};

/// How many contacts are taken from the store at once, when they are listed.
const TAKE: u32 = 500;

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
    },
    /// Watch a full sync to its end. Ctrl-c stops watching, not the run.
    Watch {
        /// Which integration.
        integration: String,
    },
    /// Cancel the active full sync, and wait until it has stopped.
    Cancel {
        /// Which integration.
        integration: String,
    },
    /// Show the results of a full sync.
    Show {
        /// Which integration.
        integration: String,
        /// Which run; left out: the last.
        #[arg(long)]
        run: Option<i64>,
        /// List contacts of this outcome: created, updated, unchanged, excluded or rejected.
        #[arg(long, value_parser = outcome)]
        outcome: Option<Outcome>,
        /// List at most this many contacts and discarded records.
        #[arg(long, default_value_t = 1_000_000)]
        limit: u32,
    },
    /// List an integration's full syncs, the newest first.
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
    let opened = Opened::new(context)?;
    match command {
        Command::Start { integration, forced } => {
            start(context, &opened, &IntegrationId(integration), forced).await
        }
        Command::Watch { integration } => {
            let id = active(&opened, &IntegrationId(integration)).await?;
            let run = follow(context, &opened, id, false).await?;
            finish(context, &opened, &run).await
        }
        Command::Cancel { integration } => {
            let id = active(&opened, &IntegrationId(integration)).await?;
            opened.store.request_cancel(id).await.or_fail()?;
            let run = follow(context, &opened, id, false).await?;
            // That it is cancelled is what was asked for.
            finish(context, &opened, &run).await.map(|_| End::Success)
        }
        Command::Show { integration, run, outcome, limit } => {
            let integration = IntegrationId(integration);
            let run = match run {
                Some(number) => opened.store.run(RunId(number)).await.or_fail()?,
                None => last(&opened, &integration).await?,
            };
            show(context, &opened, &run, outcome, limit).await?;
            Ok(End::Success)
        }
        Command::List { integration } => {
            let integration = opened.integration(&IntegrationId(integration)).await?;
            for run in opened.store.runs(&integration.id, 100).await.or_fail()? {
                context.answer(&run, || format!("  run {}: {}", run.id, one_line(&run)));
            }
            Ok(End::Success)
        }
    }
}

async fn start(context: &Context, opened: &Opened, integration: &IntegrationId, forced: bool) -> Result<End> {
    opened.integration(integration).await?;
    let run = opened.store.accept_run(integration, forced).await.or_fail()?;
    let watching = async {
        let run = follow(context, opened, run.id, true).await?;
        finish(context, opened, &run).await
    };
    watching.await
}

/// Sees a run to its end: does it here unless another process does. `ours`: ctrl-c cancels the run.
pub async fn follow(context: &Context, opened: &Opened, id: RunId, ours: bool) -> Result<Run> {
    let doing = async {
        let Some(_lock) = opened.lock()? else { return Ok(()) };
        opened.service()?.execute(id).await.or_fail().map(|_| ())
    };
    let cancelling = async {
        if ours && tokio::signal::ctrl_c().await.is_ok() {
            context.say("cancelling...");
            opened.store.request_cancel(id).await.or_fail()?;
        }
        std::future::pending::<Result<()>>().await
    };
    let watching = progress::watch(opened.store.as_ref(), id, context.json);
    tokio::select! {
        both = futures::future::try_join(doing, watching) => both.map(|((), run)| run),
        failed = cancelling => failed.and_then(|()| Err(Failure { code: "interrupted".into(), message: "interrupted".into() })),
    }
}

/// Prints how a run ended, and says it as an exit code.
pub async fn finish(context: &Context, opened: &Opened, run: &Run) -> Result<End> {
    if context.json {
        context.line(run);
    } else {
        summary(opened, run).await?;
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
    let mut counters = run.counters;
    let mut rows: Vec<Vec<String>> = vec![vec!["read".into(), table::number(counters.read)]];
    for outcome in Outcome::ALL {
        rows.push(vec![outcome.as_str().to_owned(), table::number(*counters.of(outcome))]);
    }
    if counters.pending() > 0 {
        rows.push(vec!["not written".into(), table::number(counters.pending())]);
    }
    println!("Run {}: {}", run.id, one_line(run));
    print!("{}", table::render_numbers(&rows));
    let reasons = opened.store.reasons(run.id).await.or_fail()?;
    if !reasons.is_empty() {
        println!("Reasons");
        let rows: Vec<Vec<String>> = reasons
            .into_iter()
            .map(|(outcome, code, count)| vec![format!("{} {code}", outcome.as_str()), table::number(count)])
            .collect();
        print!("{}", table::render_numbers(&rows));
    }
    if counters.discarded > 0 {
        println!(
            "{} records of the CRM were discarded; `sluice sync show {}` lists them",
            counters.discarded, run.integration
        );
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
    while left > 0 {
        let contacts = opened
            .store
            .run_contacts(run.id, Some(listed), after.as_ref(), left.min(TAKE))
            .await
            .or_fail()?;
        let Some(last) = contacts.last() else { break };
        if after.is_none() && !context.json {
            println!("Contacts: {}", listed.as_str());
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
    let discards = opened.store.discards(run.id, limit).await.or_fail()?;
    if !discards.is_empty() && !context.json {
        println!("Discarded records");
    }
    for discard in discards {
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
        "{}{time}, {} read, {} written, {} rejected, accepted {}",
        run.phase.as_str(),
        table::number(counters.read),
        table::number(counters.created + counters.updated),
        table::number(counters.rejected),
        run.accepted_at.strftime("%Y-%m-%d %H:%M:%SZ"),
    )
}

async fn last(opened: &Opened, integration: &IntegrationId) -> Result<Run> {
    opened.integration(integration).await?;
    opened.store.runs(integration, 1).await.or_fail()?.into_iter().next().ok_or_else(|| Failure {
        code: "run-none".to_owned(),
        message: format!("{integration} has had no full sync; `sluice sync start {integration}` starts one"),
    })
}

async fn active(opened: &Opened, integration: &IntegrationId) -> Result<RunId> {
    let run = last(opened, integration).await?;
    if run.phase.is_active() {
        return Ok(run.id);
    }
    Err(Failure {
        code: "run-not-active".to_owned(),
        message: format!("{integration} has no active full sync; the last one: {}", one_line(&run)),
    })
}

//! `sluice deliveries`: what the CRM sent, what came of it, and dead letters.

use clap::{ArgGroup, Subcommand};

use super::status::moment;
use super::{Context, End, Opened, OrFail, Result, output, story, table};
use crate::change::{ChangeOutcome, DeliveryNumber};
use crate::integration::IntegrationId;
use crate::lane::{ChangeRecord, DeliveryFilter, DeliveryLine, DeliveryRecord, Replay};

/// How many are taken from the store at once.
const TAKE: u32 = 500;

/// What can be done with deliveries.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List deliveries, the newest first. With --dead, or --outcome discarded, their causes come first.
    List {
        /// Which integration.
        integration: String,
        /// Only dead letters: those that were given up.
        #[arg(long)]
        dead: bool,
        /// Only those that have no outcome yet.
        #[arg(long, conflicts_with_all = ["dead", "outcome"])]
        open: bool,
        /// Only those that came to this.
        #[arg(long, value_parser = outcome)]
        outcome: Option<ChangeOutcome>,
        /// Only those with a cause of this code.
        #[arg(long, value_name = "CODE")]
        cause: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show one delivery: what came, what was decoded from it, and what came of that. It holds personal data.
    Show {
        /// Which integration.
        integration: String,
        /// Its number.
        number: i64,
    },
    /// Have dead letters decoded and processed anew, by the rules as they are now.
    #[command(group(ArgGroup::new("which").required(true).args(["number", "cause", "all"])))]
    Replay {
        /// Which integration.
        integration: String,
        /// One delivery, whatever came of it.
        number: Option<i64>,
        /// All with a cause of this code.
        #[arg(long, value_name = "CODE")]
        cause: Option<String>,
        /// All.
        #[arg(long)]
        all: bool,
    },
}

fn outcome(text: &str) -> std::result::Result<ChangeOutcome, String> {
    ChangeOutcome::ALL.into_iter().find(|outcome| outcome.as_str() == text).ok_or_else(|| {
        let all: Vec<&str> = ChangeOutcome::ALL.into_iter().map(ChangeOutcome::as_str).collect();
        format!("one of {}", all.join(", "))
    })
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<End> {
    let opened = Opened::new(context).await?;
    match command {
        Command::List { integration, dead, open, outcome, cause, limit } => {
            let id = IntegrationId(integration);
            let filter = DeliveryFilter { outcome, dead, open, cause };
            list(context, &opened, &id, &filter, limit).await?;
        }
        Command::Show { integration, number } => {
            let id = IntegrationId(integration);
            let record = opened.store.delivery(&id, DeliveryNumber(number)).await.or_fail()?;
            show(context, &record);
        }
        Command::Replay { integration, number, cause, .. } => {
            let id = IntegrationId(integration);
            let which = match (number, cause) {
                (Some(number), _) => Replay::One(DeliveryNumber(number)),
                (None, Some(code)) => Replay::Cause(code),
                (None, None) => Replay::All,
            };
            let replayed = opened.admin()?.replay(&id, which).await?;
            context.answer(&serde_json::json!({ "replayed": replayed }), || {
                format!(
                    "{} deliveries are taken anew; `sluice status {id}` shows how far that is",
                    table::number(replayed)
                )
            });
        }
    }
    Ok(End::Success)
}

async fn list(
    context: &Context,
    opened: &Opened,
    id: &IntegrationId,
    filter: &DeliveryFilter,
    limit: u32,
) -> Result<()> {
    if filter.dead || filter.outcome == Some(ChangeOutcome::Discarded) {
        for cause in opened.store.causes(id, filter.dead).await.or_fail()? {
            context.answer(&serde_json::json!({ "cause": cause }), || {
                format!(
                    "{}: {} deliveries, the newest {}: {}",
                    cause.code,
                    table::number(cause.deliveries),
                    cause.newest,
                    cause.message
                )
            });
        }
    }
    let mut before = None;
    let mut left = limit;
    while left > 0 && !output::is_unread() {
        let lines = opened.store.deliveries(id, filter, before, left.min(TAKE)).await.or_fail()?;
        let Some(last) = lines.last() else { break };
        before = Some(last.number);
        left = left.saturating_sub(u32::try_from(lines.len()).unwrap_or(u32::MAX));
        for line in &lines {
            context.answer(line, || format!("  {}", words(line)));
        }
    }
    Ok(())
}

fn words(line: &DeliveryLine) -> String {
    let state = match (line.outcome, line.dead) {
        (_, true) => "dead letter",
        (Some(outcome), false) => outcome.as_str(),
        (None, false) if line.decoded => "decoded, waits",
        (None, false) => "waits",
    };
    let why = line.cause.as_ref().map_or_else(String::new, |cause| format!("  {}", cause.code));
    format!("{}  {}  {state}{why}", line.number, moment(line.arrived_at))
}

fn show(context: &Context, record: &DeliveryRecord) {
    let body = String::from_utf8_lossy(&record.delivery.body);
    if context.json {
        context.line(&serde_json::json!({
            "integration": record.integration, "delivery": record.line, "headers": record.delivery.headers,
            "query": record.delivery.query, "body": body, "changes": record.changes,
        }));
        return;
    }
    output::line(&format!("Delivery {}", words(&record.line)));
    if let Some(id) = &record.line.id {
        output::line(&format!("  the CRM's id of it: {id}"));
    }
    if let Some(cause) = &record.line.cause {
        output::line(&format!("  {}", cause.message));
    }
    for change in &record.changes {
        tell(change);
    }
    output::line("As it came");
    for (name, value) in &record.delivery.headers {
        output::line(&format!("  {name}: {value}"));
    }
    output::line(&body);
}

/// A change in words, with what was done for it.
pub fn tell(change: &ChangeRecord) {
    let contact = change.contact.as_ref().map_or_else(String::new, |contact| format!(" {contact}"));
    let outcome = change.outcome.map_or("waits", ChangeOutcome::as_str);
    let by = change.superseded_by.map_or_else(String::new, |by| format!(" by change {}", by.0));
    output::line(&format!(
        "  {}  delivery {}, change {}: {}{contact}: {outcome}{by}",
        moment(change.arrived_at),
        change.delivery,
        change.number.0,
        change.kind,
    ));
    if let Some(cause) = &change.cause {
        output::line(&format!("    {}: {}", cause.code, cause.message));
    }
    if let Some(due) = change.due {
        output::line(&format!("    tried {} times, again at {}", change.attempts, moment(due)));
    }
    output::lines(&story::of_steps(&change.steps));
    if let Some(ended) = change.ended_at {
        output::line(&format!("    ended {}", moment(ended)));
    }
}

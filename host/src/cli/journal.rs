//! `sluice journal`: who did what on purpose.

use super::status::moment;
use super::{Context, End, Opened, OrFail, Result, output};
use crate::integration::IntegrationId;
use crate::journal::{Act, ActFilter};

/// How many are taken from the store at once.
const TAKE: u32 = 500;

/// What the command is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only what was done with this integration.
    integration: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

/// Runs the command.
pub async fn run(context: &Context, args: Args) -> Result<End> {
    let opened = Opened::new(context).await?;
    let mut filter = ActFilter { integration: args.integration.map(IntegrationId), before: None };
    let mut left = args.limit;
    while left > 0 && !output::is_unread() {
        let acts = opened.store.acts(&filter, left.min(TAKE)).await.or_fail()?;
        let Some(last) = acts.last() else { break };
        filter.before = Some(last.number);
        left = left.saturating_sub(u32::try_from(acts.len()).unwrap_or(u32::MAX));
        for act in &acts {
            context.answer(act, || in_words(act));
        }
    }
    Ok(End::Success)
}

fn in_words(act: &Act) -> String {
    let integration = act.integration.as_ref().map_or_else(String::new, |id| format!(" {id}"));
    let about = act.about.as_ref().map_or_else(String::new, |about| format!(" {about}"));
    let end = match (&act.failure, act.ended_at) {
        (Some(failure), _) => format!(": not done, {}", failure.code),
        (None, Some(_)) => String::new(),
        (None, None) => ": begun".to_owned(),
    };
    format!("{}  {}  {}{integration}{about}{end}", moment(act.at), act.who, act.what)
}

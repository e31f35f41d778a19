//! `sluice store`: the schema of the store.

use clap::Subcommand;

use super::{Context, End, Opened, OrFail, Result, postgres};
use crate::store::PostgresStore;

/// What can be done with the store.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Move the schema forward to this program's. The embedded store does so by itself; of a shared one, stop the
    /// hosts of the old version first.
    Migrate,
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<End> {
    let Command::Migrate = command;
    let Some(url) = &context.store else {
        Opened::new(context).await?;
        context.answer(&serde_json::json!({ "store": "embedded", "current": true }), || {
            "the embedded store has this program's schema".to_owned()
        });
        return Ok(End::Success);
    };
    let (before, now) = PostgresStore::migrate(postgres(url)?).await.or_fail()?;
    context.answer(&serde_json::json!({ "before": before, "now": now }), || match before == now {
        true => format!("the store has schema {now}, which is this program's"),
        false => format!("the store was moved from schema {before} to {now}"),
    });
    Ok(End::Success)
}

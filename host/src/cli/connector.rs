//! `sluice connector`: the components that speak to a CRM.

use clap::Subcommand;

use super::{Context, End, Result, catalogue};

/// What can be done with connectors.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// With those in the store.
    #[command(flatten)]
    Catalogue(catalogue::Command),
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<End> {
    match command {
        Command::Catalogue(command) => catalogue::run(context, command).await,
    }
}

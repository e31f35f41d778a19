//! `sluice connector`: the components that speak to a CRM.

mod beginning;
mod trying;

use clap::Subcommand;

use super::{Context, End, Result, catalogue, registry};

/// What can be done with connectors.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// With those in the store.
    #[command(flatten)]
    Catalogue(catalogue::Command),
    /// Begin a connector for another CRM: a crate that builds, passes its tests and keeps the rules at once.
    New(beginning::Args),
    /// Run a component against recordings of a CRM: no network, no APSIS One.
    Test(trying::TestArgs),
    /// Try the rules that every connector has to keep.
    Check(trying::CheckArgs),
    /// Record what a component asks a CRM, without people and secrets.
    Record(trying::RecordArgs),
    #[command(flatten)]
    Registry(registry::Command),
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<End> {
    match command {
        Command::Catalogue(command) => catalogue::run(context, command).await,
        Command::New(args) => beginning::run(context, args),
        Command::Test(args) => trying::test(context, args).await,
        Command::Check(args) => trying::check_one(context, args).await,
        Command::Record(args) => trying::record_all(context, args).await,
        Command::Registry(command) => registry::run(context, command).await,
    }
}

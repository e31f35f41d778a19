//! `sluice connector`: the components that speak to a CRM.

mod beginning;
mod trying;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Context, End, Opened, OrFail, Result, output, registry, table};
use crate::error::Failure;

/// What can be done with connectors.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load a component, and show what it says of itself.
    Inspect {
        /// The component: a .wasm file.
        file: PathBuf,
    },
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
        Command::Inspect { file } => inspect(context, &file).await,
        Command::New(args) => beginning::run(context, args),
        Command::Test(args) => trying::test(context, args).await,
        Command::Check(args) => trying::check_one(context, args).await,
        Command::Record(args) => trying::record_all(context, args).await,
        Command::Registry(command) => registry::run(context, command).await,
    }
}

/// The bytes of a component.
fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| Failure {
        code: "component-unreadable".to_owned(),
        message: format!("{}: {error}; give the path of a connector's .wasm file", file.display()),
    })
}

async fn inspect(context: &Context, file: &Path) -> Result<End> {
    let component = read(file)?;
    let opened = Opened::new(context).await?;
    let connector = opened.service()?.engine().load(&component).await.or_fail()?;
    let description = connector.description();
    if context.json {
        context.line(&serde_json::json!({
            "digest": format!("sha256:{}", connector.digest()), "id": description.id, "name": description.name,
            "version": description.version, "origins": description.origins,
            "id-field": description.id_field, "email-field": description.email_field,
            "mobile-field": description.mobile_field, "settings-schema": description.settings_schema,
            "rate-limit": description.rate_limit.map(|limit| [limit.requests, limit.seconds]),
            "deliveries": connector.exports().deliveries, "overviews": connector.exports().overviews,
        }));
        return Ok(End::Success);
    }
    let rate = description.rate_limit.map_or_else(
        || "none named".to_owned(),
        |limit| format!("{} requests in {} s", limit.requests, limit.seconds),
    );
    let exports = connector.exports();
    let rows = [
        ("connector", format!("{} ({}) {}", description.name, description.id, description.version)),
        ("digest", format!("sha256:{}", connector.digest())),
        ("origins it asks for", description.origins.join(", ")),
        ("CRM's rate limit", rate),
        ("id field", description.id_field.clone()),
        ("e-mail field", description.email_field.clone()),
        ("mobile field", description.mobile_field.clone().unwrap_or_else(|| "none".to_owned())),
        ("deliveries", yes_no(exports.deliveries)),
        ("overviews", yes_no(exports.overviews)),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    output::text(&table::render(&rows));
    output::line(&format!("Settings (JSON Schema)\n{:#}", description.settings_schema));
    Ok(End::Success)
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

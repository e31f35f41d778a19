//! `sluice integration`: one customer's connection each, kept in the store.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Context, End, Opened, OrFail, Result, output, table};
use crate::error::Failure;
use crate::integration::{Integration, IntegrationId};
use crate::sync;

/// What can be done with integrations.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add an integration from its file, or replace the one of the same id.
    Apply {
        /// A TOML or JSON file.
        file: PathBuf,
    },
    /// List all integrations.
    List,
    /// Show one integration, and its last full sync.
    Show {
        /// Its id.
        integration: String,
    },
    /// Delete an integration with its runs and what is known of its contacts. Profiles stay.
    Delete {
        /// Its id.
        integration: String,
    },
    /// Print an integration as a file that `apply` takes. Secrets stay references.
    Export {
        /// Its id.
        integration: String,
    },
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<End> {
    let opened = Opened::new(context)?;
    match command {
        Command::Apply { file } => apply_file(context, &opened, &file).await?,
        Command::List => list(context, &opened).await?,
        Command::Show { integration } => show(context, &opened, &IntegrationId(integration)).await?,
        Command::Delete { integration } => {
            let id = IntegrationId(integration);
            opened.store.delete_integration(&id).await.or_fail()?;
            context.answer(&serde_json::json!({ "deleted": id }), || {
                format!("deleted {id}; its profiles stay in APSIS One")
            });
        }
        Command::Export { integration } => {
            let integration = opened.integration(&IntegrationId(integration)).await?;
            let text = integration.to_toml().or_fail()?;
            context.answer(&integration, || text.trim_end().to_owned());
        }
    }
    Ok(End::Success)
}

async fn apply_file(context: &Context, opened: &Opened, file: &Path) -> Result<()> {
    let integration = Integration::read(file).or_fail()?;
    let known = opened.store.integration(&integration.id).await.or_fail()?.is_some();
    let integration = apply(opened, integration).await?;
    let verb = if known { "replaced" } else { "added" };
    context.answer(&serde_json::json!({ verb: integration.id, "connector": integration.connector }), || {
        format!(
            "{verb} {id}; `sluice doctor {id}` checks it, `sluice sync start {id}` runs it",
            id = integration.id
        )
    });
    Ok(())
}

/// Takes the integration's component into the catalogue, checks that it can be opened, and stores it.
pub async fn apply(opened: &Opened, mut integration: Integration) -> Result<Integration> {
    if !integration.connector.starts_with("sha256:") {
        integration.connector =
            sync::catalogue(&opened.data).or_fail()?.put(Path::new(&integration.connector)).or_fail()?;
    }
    let service = opened.service()?;
    sync::check_connection(&opened.data, service.engine(), &integration).await.or_fail()?;
    if let Some(known) = opened.store.integration(&integration.id).await.or_fail()?
        && !known.apsis.is_same_place(&integration.apsis)
    {
        return Err(Failure {
            code: "integration-target-changed".to_owned(),
            message: format!(
                "{id} would write to another address, section or keyspace of APSIS One than before, and what is known of \
                 its contacts would be wrong there. Apply it under another id, or first `sluice integration delete {id}`",
                id = integration.id
            ),
        });
    }
    opened.store.put_integration(&integration).await.or_fail()?;
    Ok(integration)
}

async fn list(context: &Context, opened: &Opened) -> Result<()> {
    let integrations = opened.store.integrations().await.or_fail()?;
    if context.json {
        for integration in &integrations {
            context.line(integration);
        }
        return Ok(());
    }
    if integrations.is_empty() {
        context.say("no integrations; `sluice integration apply <file>` adds one");
        return Ok(());
    }
    let mut rows = vec![["id", "name", "last full sync"].map(String::from).to_vec()];
    for integration in integrations {
        let last = opened.store.runs(&integration.id, 1).await.or_fail()?;
        let last = last.first().map_or_else(|| "none yet".to_owned(), super::sync::one_line);
        rows.push(vec![integration.id.to_string(), integration.name, last]);
    }
    output::text(&table::render(&rows));
    Ok(())
}

async fn show(context: &Context, opened: &Opened, id: &IntegrationId) -> Result<()> {
    let integration = opened.integration(id).await?;
    let runs = opened.store.runs(id, 1).await.or_fail()?;
    let last = runs.first();
    if context.json {
        context.line(&serde_json::json!({ "integration": integration, "last-run": last }));
        return Ok(());
    }
    let rows = [
        ("id", id.to_string()),
        ("name", integration.name.clone()),
        ("connector", integration.connector.clone()),
        ("CRM origins", integration.grant.origins.join(", ")),
        ("APSIS One", format!("{}, section {}", integration.apsis.url, integration.apsis.section)),
        ("conditions", integration.conditions.len().to_string()),
        ("field mappings", integration.fields.len().to_string()),
        ("consent mappings", integration.consents.len().to_string()),
        ("last full sync", last.map_or_else(|| "none yet".to_owned(), super::sync::one_line)),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    output::text(&table::render(&rows));
    Ok(())
}

impl Opened {
    /// An integration that must be there.
    pub async fn integration(&self, id: &IntegrationId) -> Result<Integration> {
        let found = self.store.integration(id).await.or_fail()?;
        found.ok_or_else(|| Failure::from(&crate::store::StoreError::NoIntegration(id.clone())))
    }
}

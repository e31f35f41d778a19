//! `sluice integration`: one customer's connection each, kept in the store.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::hold::work_or_wait;
use super::{Context, End, Opened, OrFail, Result, output, table};
use crate::admin::Applied;
use crate::change::Cause;
use crate::error::Failure;
use crate::integration::{Integration, IntegrationId};
use crate::lane::Webhook;
use crate::store::{Expected, StoreError};
use crate::sync::Hold;

/// What can be done with integrations.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add an integration from its file, or replace the one of the same id.
    Apply {
        /// A TOML or JSON file.
        file: PathBuf,
        /// Let the file have the profiles of contacts that stop matching the conditions deleted.
        #[arg(long)]
        allow_delete_unmatched: bool,
    },
    /// List all integrations.
    List,
    /// Show one integration, and its last full sync.
    Show {
        /// Its id.
        integration: String,
    },
    /// Delete an integration with its runs, deliveries and what is known of its contacts; its webhook in the CRM is
    /// taken back first. Profiles stay.
    Delete {
        /// Its id.
        integration: String,
        /// Do not ask the CRM, where it is gone or its key is.
        #[arg(long)]
        keep_webhook: bool,
    },
    /// Have an integration's lane work again.
    Enable {
        /// Its id.
        integration: String,
    },
    /// Take an integration's webhook back. What still comes in is stored and held.
    Disable {
        /// Its id.
        integration: String,
    },
    /// Give an integration's webhook a new address, and the secret that its file names now. The old address is taken
    /// for a day; the old secret as long as the file names it as `.previous`.
    Rotate {
        /// Its id.
        integration: String,
    },
    /// Compare what APSIS One has with what was last written, and list the differences by kind; exit code 3 if there
    /// are any that are not mended. It holds up nothing; a run may not be active.
    Audit(super::audit::Args),
    /// Print an integration as a file that `apply` takes. Secrets stay references.
    Export {
        /// Its id.
        integration: String,
    },
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<End> {
    let opened = Opened::new(context).await?;
    match command {
        Command::Apply { file, allow_delete_unmatched } => {
            apply_file(context, &opened, &file, allow_delete_unmatched).await?;
        }
        Command::Audit(args) => return super::audit::run(context, &opened, args).await,
        Command::List => list(context, &opened).await?,
        Command::Show { integration } => show(context, &opened, &IntegrationId(integration)).await?,
        Command::Delete { integration, keep_webhook } => {
            delete(context, &opened, &IntegrationId(integration), keep_webhook).await?;
        }
        Command::Enable { integration } => {
            let id = IntegrationId(integration);
            opened.admin()?.enable(&id, true).await?;
            context.answer(&serde_json::json!({ "enabled": id }), || {
                format!("enabled {id}; `sluice serve` sets its webhook up, and takes what was held")
            });
        }
        Command::Disable { integration } => {
            let id = IntegrationId(integration);
            opened.admin()?.enable(&id, false).await?;
            take_webhook_back(context, &opened, &id).await?;
            context.answer(&serde_json::json!({ "disabled": id }), || {
                format!("disabled {id}; what still comes in is stored and held")
            });
        }
        Command::Rotate { integration } => {
            let id = IntegrationId(integration);
            let until = opened.admin()?.rotate_key(&id).await?;
            context.answer(&serde_json::json!({ "rotated": id, "old-until": until }), || {
                format!(
                    "{id} has a new address; `sluice serve` gives it to the CRM, with the webhook's secret as it is now. \
                     `sluice status {id}` shows when that is done; the old address is taken until {until:.0}"
                )
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

async fn apply_file(context: &Context, opened: &Opened, file: &Path, may_delete: bool) -> Result<()> {
    let integration = Integration::read(file).or_fail()?;
    if integration.sync.delete_unmatched && !may_delete {
        return Err(Failure {
            code: "delete-unmatched-not-allowed".to_owned(),
            message: format!(
                "the file of {} sets `delete-unmatched`: {DELETES}. Apply it with --allow-delete-unmatched if that is \
                 meant, or remove the setting",
                integration.id
            ),
        });
    }
    let Applied { integration, is_new, .. } = apply(opened, integration).await?;
    if integration.sync.delete_unmatched {
        output::note(&format!("`delete-unmatched` is on: {DELETES}"));
    }
    let verb = if is_new { "added" } else { "replaced" };
    context.answer(&serde_json::json!({ verb: integration.id, "connector": integration.connector }), || {
        format!(
            "{verb} {id}; `sluice doctor {id}` checks it, `sluice sync start {id}` runs it",
            id = integration.id
        )
    });
    Ok(())
}

/// What the setting `delete-unmatched` does.
const DELETES: &str = "a contact that has a profile and stops matching the sync conditions, because it changed or \
                       because the conditions did, has that profile deleted from APSIS One, with its consents and \
                       history";

/// Deletes an integration, unless another process works on it, which does it then.
async fn delete(context: &Context, opened: &Opened, id: &IntegrationId, keep_webhook: bool) -> Result<()> {
    if keep_webhook {
        opened.admin()?.delete(id).await?;
    } else {
        opened.admin()?.retire(id).await?;
        take_webhook_back(context, opened, id).await?;
        match opened.store.delete_integration(id).await {
            // The other process was quicker.
            Ok(()) | Err(StoreError::NoIntegration(_)) => {}
            Err(error) => return Err(Failure::from(&error)),
        }
    }
    context.answer(&serde_json::json!({ "deleted": id }), || {
        format!("deleted {id}; its profiles stay in APSIS One")
    });
    Ok(())
}

/// Has the CRM send no more, here or by the process that works on the integration.
async fn take_webhook_back(context: &Context, opened: &Opened, id: &IntegrationId) -> Result<()> {
    let failed = |cause: &Cause| Failure {
        code: "webhook-not-taken-back".to_owned(),
        message: format!(
            "the webhook of {id} in the CRM is still there: {} ({}). Mend that and try again, or delete the integration \
             with --keep-webhook",
            cause.message, cause.code
        ),
    };
    let is_gone = Webhook::is_gone;
    let is_done = || async {
        match opened.store.webhook(id).await {
            Ok(webhook) => match &webhook.failure {
                Some(cause) => Err(failed(cause)),
                None => Ok(is_gone(&webhook)),
            },
            Err(StoreError::NoIntegration(_)) => Ok(true),
            Err(error) => Err(Failure::from(&error)),
        }
    };
    if is_gone(&opened.store.webhook(id).await.or_fail()?) {
        return Ok(());
    }
    let service = opened.service()?;
    let work = async |hold: &Hold| service.tend_webhook(hold).await;
    match work_or_wait(context, opened, id, is_done, work).await?.and_then(|webhook| webhook.failure) {
        Some(cause) => Err(failed(&cause)),
        None => Ok(()),
    }
}

/// Takes the integration's component into the store, checks that it can be opened, and stores it.
pub async fn apply(opened: &Opened, integration: Integration) -> Result<Applied> {
    let applied = opened.admin()?.apply(integration, Expected::Anything).await?;
    for side in &applied.unchecked {
        output::note(&format!(
            "the rules could not be checked against {} ({}: {}); `sluice doctor {}` does so",
            side.side, side.why.code, side.why.message, applied.integration.id
        ));
    }
    Ok(applied)
}

async fn list(context: &Context, opened: &Opened) -> Result<()> {
    let integrations = opened.store.integrations().await.or_fail()?;
    if context.json {
        for integration in &integrations {
            let needs = opened.store.needs(&integration.id).await.or_fail()?;
            let mut json = serde_json::to_value(integration).unwrap_or_default();
            if let Some(json) = json.as_object_mut() {
                json.insert("full-sync-needed".to_owned(), serde_json::to_value(needs).unwrap_or_default());
            }
            context.line(&json);
        }
        return Ok(());
    }
    if integrations.is_empty() {
        context.say("no integrations; `sluice integration apply <file>` adds one");
        return Ok(());
    }
    let mut rows = vec![["id", "name", "last full sync", "full sync needed"].map(String::from).to_vec()];
    for integration in integrations {
        let last = opened.store.runs(&integration.id, 1).await.or_fail()?;
        let last = last.first().map_or_else(|| "none yet".to_owned(), super::sync::one_line);
        let needs = opened.store.needs(&integration.id).await.or_fail()?;
        let codes: Vec<&str> = needs.iter().map(|need| need.code.as_str()).collect();
        let needed = if codes.is_empty() { "no".to_owned() } else { codes.join(", ") };
        rows.push(vec![integration.id.to_string(), integration.name, last, needed]);
    }
    output::text(&table::render(&rows));
    Ok(())
}

async fn show(context: &Context, opened: &Opened, id: &IntegrationId) -> Result<()> {
    let integration = opened.integration(id).await?;
    let runs = opened.store.runs(id, 1).await.or_fail()?;
    let last = runs.first();
    let needs = opened.store.needs(id).await.or_fail()?;
    if context.json {
        context.line(
            &serde_json::json!({ "integration": integration, "last-run": last, "full-sync-needed": needs }),
        );
        return Ok(());
    }
    let mut rows = vec![
        ("id", id.to_string()),
        ("name", integration.name.clone()),
        ("connector", integration.connector.clone()),
        ("CRM origins", integration.grant.origins.join(", ")),
        ("APSIS One", format!("{}, section {}", integration.apsis.url, integration.apsis.section)),
        ("conditions", integration.conditions.len().to_string()),
        ("field mappings", integration.fields.len().to_string()),
        ("consent mappings", integration.consents.len().to_string()),
        (
            "who stops matching",
            if integration.sync.delete_unmatched { "has the profile deleted" } else { "keeps the profile" }
                .to_owned(),
        ),
        ("last full sync", last.map_or_else(|| "none yet".to_owned(), super::sync::one_line)),
    ];
    rows.extend(needs.iter().map(|need| ("full sync", super::status::need_in_words(need))));
    if needs.is_empty() {
        rows.push(("full sync", "not needed".to_owned()));
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    output::text(&table::render(&rows));
    Ok(())
}

impl Opened {
    /// An integration that must be there.
    pub async fn integration(&self, id: &IntegrationId) -> Result<Integration> {
        let found = self.store.integration(id).await.or_fail()?;
        found.ok_or_else(|| Failure::from(&StoreError::NoIntegration(id.clone())))
    }
}

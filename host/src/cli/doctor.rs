//! `sluice doctor`: whether an integration can work, one line for each thing that is checked.
//!
//! Nothing is written to either side.

use super::{Context, End, Opened, Result};
use crate::apsis::Client;
use crate::error::{ErrorCode, Failure};
use crate::integration::IntegrationId;
use crate::sync::{self, SyncError};

/// What the command is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which integration.
    integration: String,
}

/// Runs the command.
pub async fn run(context: &Context, args: Args) -> Result<End> {
    let opened = Opened::new(context).await?;
    let integration = opened.integration(&IntegrationId(args.integration)).await?;
    let service = opened.service()?;
    let mut findings = Findings { context, failed: 0 };

    let connection = findings.note(
        "connector",
        sync::connect(&*opened.store, service.engine(), &integration).await,
        |_| vec!["the component loads, and its settings and secrets fit".to_owned()],
    );
    let mut fields = None;
    if let Some(connection) = &connection {
        findings.note("CRM", connection.check().await, Clone::clone);
        fields = findings.note("CRM fields", connection.list_fields().await, |found| {
            vec![format!("{} fields", found.len())]
        });
    }
    if let (Some(connection), Some(fields)) = (&connection, &fields) {
        let consents = if integration.consents.iter().any(|row| row.consent.is_some()) {
            findings.note("CRM consents", connection.list_consents().await, |found| {
                vec![format!("{} consent types", found.len())]
            })
        } else {
            Some(Vec::new())
        };
        if let Some(consents) = consents {
            findings.note("mapping, CRM side", sync::check_names(&integration, fields, &consents), |()| {
                vec!["every field and consent type is there, of a type that the rules can use".to_owned()]
            });
        }
    }
    let client = integration
        .apsis
        .client_secret
        .read()
        .map_err(SyncError::from)
        .and_then(|secret| Ok(Client::new(&integration.apsis, secret)?));
    let client = findings
        .note("APSIS One settings", client, |_| vec!["the address and the secret can be used".to_owned()]);
    if let Some(client) = client {
        let definitions = findings.note("APSIS One", client.definitions().await, |_| {
            vec!["it answers, and the API key works".to_owned()]
        });
        if let (Some(definitions), Some(connection)) = (&definitions, &connection) {
            findings.note("section and keyspace", client.target(definitions, &integration.apsis), |_| {
                vec![format!("{} and {}", integration.apsis.section, integration.apsis.keyspace)]
            });
            let rules = sync::resolve(&integration, connection.connector(), definitions);
            let rules = findings.note("mapping, APSIS One side", rules, |rules| {
                vec![format!(
                    "{} attributes and {} consents are there",
                    rules.fields.len(),
                    rules.consents.len()
                )]
            });
            if let (Some(_), Some(fields)) = (rules, &fields) {
                let types = sync::check_types(&integration, fields, definitions);
                findings
                    .note("mapping, types", types, |()| vec!["every field fits its attribute".to_owned()]);
            }
        }
    }
    match findings.failed {
        0 => Ok(End::Success),
        failed => Err(Failure {
            code: "doctor-found-trouble".to_owned(),
            message: format!("{failed} of the checks of {} failed; see above", integration.id),
        }),
    }
}

struct Findings<'a> {
    context: &'a Context,
    failed: u32,
}

impl Findings<'_> {
    /// Prints what a check found, and passes it on if it is well.
    fn note<T, E: ErrorCode>(
        &mut self,
        what: &str,
        found: std::result::Result<T, E>,
        words: impl FnOnce(&T) -> Vec<String>,
    ) -> Option<T> {
        match found {
            Ok(value) => {
                for word in words(&value) {
                    let json = serde_json::json!({ "check": what, "ok": true, "message": word });
                    self.context.answer(&json, || format!("  ok      {what}: {word}"));
                }
                Some(value)
            }
            Err(error) => {
                self.failed += 1;
                let failure = Failure::from(&error);
                let json = serde_json::json!({ "check": what, "ok": false, "error": failure });
                self.context
                    .answer(&json, || format!("  FAILED  {what}: {}: {}", failure.code, failure.message));
                None
            }
        }
    }
}

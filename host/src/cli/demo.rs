//! `sluice demo`: the whole line at work, on a machine with nothing but this program and a connector.
//!
//! Starts a simulated Lime CRM and a simulated APSIS One, applies an integration, and does a full sync
//! of 3,000 made-up people; then a second one, which has nothing to write. Everything is in a temporary
//! directory that is gone afterwards. It prints what it did and ends by itself.

use std::path::{Path, PathBuf};

use sluice_sandbox::{DumpedProfile, Sandbox, SandboxConfig};

use super::integration::apply;
use super::sync::{follow, summary};
use super::{Context, End, Opened, OrFail, Result, output, table};
use crate::apsis::{Client, Definitions};
use crate::contact::{Channel, Contact, ContactId, Value};
use crate::error::Failure;
use crate::integration::{Integration, SecretRef};
use crate::run::{Phase, Run};
use crate::sync::connect;

/// What the command is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The Lime connector: a .wasm file.
    #[arg(long, value_name = "FILE")]
    connector: PathBuf,
}

/// The integration's file, with the addresses of the simulated servers left open.
const INTEGRATION: &str = include_str!("../../demo/acme-lime.toml");

/// What one would do after it.
const NEXT: &str = "
The demo's data was temporary, and is gone. With a Lime CRM and an APSIS One of your own, and a file like
host/demo/acme-lime.toml with their addresses:
  sluice integration apply acme.toml
  sluice doctor acme
  sluice sync start acme";

/// Runs the demo.
pub async fn run(context: &Context, args: Args) -> Result<End> {
    let directory =
        tempfile::tempdir().map_err(|error| trouble(&format!("a temporary directory: {error}")))?;
    let sandbox = Sandbox::start(SandboxConfig::default())
        .await
        .map_err(|error| trouble(&format!("the simulated servers: {error}")))?;
    context.tell(&format!(
        "Simulated Lime CRM at {}, simulated APSIS One at {}",
        sandbox.lime_url(),
        sandbox.apsis_url()
    ));

    let context = Context { data: directory.path().join("data"), json: context.json };
    let opened = Opened::new(&context)?;
    let integration = apply(&opened, integration(&sandbox, directory.path(), &args.connector)?).await?;
    context.tell(&format!(
        "Integration {}, as host/demo/acme-lime.toml has it: {} field mappings, {} consent mappings; only contacts \
         for whom {}",
        integration.id,
        integration.fields.len(),
        integration.consents.len(),
        integration
            .conditions
            .iter()
            .map(|row| format!("{} is {}", row.field, row.equals))
            .collect::<Vec<_>>()
            .join(" and ")
    ));

    context.tell("\nThe first full sync");
    let first = full_sync(&context, &opened, &integration).await?;
    if first.phase == Phase::Cancelled {
        return Ok(End::Cancelled);
    }
    context.tell("\nThe second full sync: nothing has changed, so nothing is written");
    if full_sync(&context, &opened, &integration).await?.phase == Phase::Cancelled {
        return Ok(End::Cancelled);
    }

    let profiles = table::number(sandbox.profile_count() as u64);
    context.tell(&format!("\nAPSIS One has {profiles} profiles. One contact on both sides:"));
    one_contact(&context, &opened, &integration, &sandbox).await?;
    context.tell("\nRejected contacts are listed with their reasons; the first of them:");
    rejected(&context, &opened, &first).await?;
    context.tell(NEXT);
    Ok(End::Success)
}

fn integration(sandbox: &Sandbox, directory: &Path, connector: &Path) -> Result<Integration> {
    let origin =
        sandbox.lime_url().rsplit_once('/').map_or_else(String::new, |(origin, _)| origin.to_owned());
    let text = INTEGRATION
        .replace("{lime_url}", sandbox.lime_url())
        .replace("{apsis_url}", sandbox.apsis_url())
        .replace("{lime_origin}", &origin);
    let mut integration = Integration::parse(&text, &directory.join("acme-lime.toml")).or_fail()?;
    let secret = |name: &str, value: &str| -> Result<SecretRef> {
        let file = directory.join(name);
        std::fs::write(&file, value).map_err(|error| trouble(&format!("{}: {error}", file.display())))?;
        Ok(SecretRef::File(file))
    };
    integration.secrets.insert("api-key".to_owned(), secret("lime-key", sandbox.lime_key())?);
    integration.apsis.client_secret = secret("apsis-secret", sandbox.apsis_client_secret())?;
    integration.connector = connector.display().to_string();
    Ok(integration)
}

async fn full_sync(context: &Context, opened: &Opened, integration: &Integration) -> Result<Run> {
    let run = opened.store.accept_run(&integration.id, false).await.or_fail()?;
    let run = follow(context, opened, run.id, true).await?;
    if context.json {
        context.line(&run);
    } else {
        summary(opened, &run).await?;
    }
    match (run.phase, &run.failure) {
        (Phase::Completed | Phase::Cancelled, _) => Ok(run),
        (_, Some(failure)) => Err(failure.clone()),
        (phase, None) => Err(trouble(&format!("the run ended as {}", phase.as_str()))),
    }
}

/// Shows a profile that has consents of both kinds beside its contact.
async fn one_contact(
    context: &Context,
    opened: &Opened,
    integration: &Integration,
    sandbox: &Sandbox,
) -> Result<()> {
    let telling = |profile: &DumpedProfile| {
        let has = |state: &str| profile.consents.iter().any(|consent| consent["type"] == state);
        profile.attributes.len() > 12 && has("opt-in") && has("opt-out")
    };
    let profiles = sandbox.profiles();
    let Some(profile) = profiles.iter().find(|profile| telling(profile)).or_else(|| profiles.first()) else {
        return Err(trouble("APSIS One has no profile to show"));
    };
    let key = ContactId(profile.crm_id.clone().unwrap_or_default());
    let service = opened.service()?;
    let connection = connect(&opened.data, service.engine(), integration).await.or_fail()?;
    let contacts = connection.get(std::slice::from_ref(&key)).await.or_fail()?;
    let Some(contact) = contacts.first() else { return Err(trouble(&format!("Lime has no person {key}"))) };
    let secret = integration.apsis.client_secret.read().or_fail()?;
    let definitions = Client::new(&integration.apsis, secret).or_fail()?.definitions().await.or_fail()?;

    let mut rows = vec![["Lime CRM", "", "APSIS One", ""].map(String::from).to_vec()];
    let email = connection.connector().description().email_field.clone();
    rows.push(row(contact, profile, &definitions, &email, "com.apsis1.attributes.email"));
    for mapping in &integration.fields {
        rows.push(row(contact, profile, &definitions, &mapping.field, &mapping.attribute));
    }
    for mapping in &integration.consents {
        let (Some(name), Ok(topic)) = (&mapping.consent, definitions.topic(&mapping.topic)) else { continue };
        let answer = contact.consents.iter().find(|consent| consent.name == *name);
        let answer = answer.map_or("no answer", |answer| if answer.given { "yes" } else { "no" });
        let channel = match mapping.channel {
            Channel::Email => "email",
            Channel::Sms => "sms",
        };
        let set = profile.consents.iter().find(|consent| {
            let of = |name: &str| consent[name].as_str().unwrap_or_default();
            of("topic_discriminator") == topic.id.0
                && of("channel_discriminator").rsplit('.').next() == Some(channel)
        });
        let set = set.and_then(|consent| consent["type"].as_str()).unwrap_or("-").to_owned();
        let there = format!("{}, {}", topic.name, mapping.channel);
        rows.push(vec![format!("consent {name}"), answer.to_owned(), there, set]);
    }
    if context.json {
        context.line(&serde_json::json!({ "person": key, "both-sides": rows }));
    } else {
        output::line(&format!("  person {key}"));
        output::text(&table::render(&rows));
    }
    Ok(())
}

fn row(
    contact: &Contact,
    profile: &DumpedProfile,
    definitions: &Definitions,
    field: &str,
    attribute: &str,
) -> Vec<String> {
    let found = definitions.attribute(attribute).ok();
    let name = found.map_or_else(|| attribute.to_owned(), |found| found.name.clone());
    let there = found.and_then(|found| profile.attributes.get(&found.id.0));
    let there = match there {
        None | Some(serde_json::Value::Null) => "-".to_owned(),
        Some(serde_json::Value::String(text)) => table::cell(text),
        Some(other) => other.to_string(),
    };
    vec![
        field.to_owned(),
        contact.fields.get(field).map_or_else(|| "-".to_owned(), |value| table::cell(&words(value))),
        name,
        there,
    ]
}

fn words(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Boolean(yes) => yes.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Choice(choice) => choice.label.clone(),
        Value::Choices(choices) => {
            choices.iter().map(|choice| choice.label.as_str()).collect::<Vec<_>>().join(", ")
        }
        Value::Decimal(text)
        | Value::Text(text)
        | Value::Date(text)
        | Value::Timestamp(text)
        | Value::Json(text) => text.clone(),
    }
}

async fn rejected(context: &Context, opened: &Opened, run: &Run) -> Result<()> {
    let some =
        opened.store.run_contacts(run.id, Some(crate::run::Outcome::Rejected), None, 5).await.or_fail()?;
    if context.json {
        for contact in &some {
            context.line(contact);
        }
        return Ok(());
    }
    let rows: Vec<Vec<String>> = some
        .into_iter()
        .filter_map(|contact| contact.reason.map(|reason| (contact.contact, reason)))
        .map(|(contact, reason)| vec![contact.to_string(), reason.code.to_string(), reason.message])
        .collect();
    output::text(&table::render(&rows));
    Ok(())
}

fn trouble(what: &str) -> Failure {
    Failure { code: "demo-failed".to_owned(), message: format!("the demo could not go on: {what}") }
}

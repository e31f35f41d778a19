//! `sluice demo`: the whole line at work, on a machine with nothing but this program and a connector.
//!
//! Starts a simulated Lime CRM and a simulated APSIS One, applies an integration, serves, and does a full sync of
//! 3,000 made-up people while others edit them; goes on with what was edited, compares both sides contact by
//! contact, and does a second full sync, which has nothing to write. Everything is in a temporary directory that is
//! gone afterwards. It prints what it did and ends by itself.

mod sides;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_sandbox::{Editor, Sandbox, SandboxConfig, WebhookSwitches};

use self::sides::Sides;
use super::integration::apply;
use super::serving::Serving;
use super::sync::summary;
use super::{Context, End, Opened, OrFail, Result, output, progress, table};
use crate::access::{Role, Scope};
use crate::admin::{NewToken, TokenCreated};
use crate::change::ChangeOutcome;
use crate::config::{Config, Settings};
use crate::error::Failure;
use crate::integration::{Integration, NewContacts, SecretRef};
use crate::lane::DeliveryFilter;
use crate::run::{Outcome, Phase, Run, RunOrder, Source};
use crate::server::{Listening, Protection};

/// What the command is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The Lime connector: a .wasm file.
    #[arg(long, value_name = "FILE")]
    connector: PathBuf,
    /// Go on serving at the end, with somebody at work in the simulated CRM, and show how to log in to the page.
    #[arg(long)]
    stay: bool,
}

/// The integration's file, with the addresses of the simulated servers left open.
const INTEGRATION: &str = include_str!("../../../demo/acme-lime.toml");

/// Between two edits while the full sync goes on.
const EDIT_EVERY: Duration = Duration::from_millis(25);

/// Between two edits while somebody looks at the page.
const STAYING_EDIT_EVERY: Duration = Duration::from_secs(2);

/// Edits after it.
const EDITS_AFTER: u64 = 300;

/// How often it is looked whether what is waited for has come.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Longer than anything here takes, and still not for ever.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many of the differing contacts are named.
const NAMED: usize = 10;

/// What one would do after it.
const NEXT: &str = "
The demo's data was temporary, and is gone. With a Lime CRM and an APSIS One of your own, and a file like
host/demo/acme-lime.toml with their addresses:
  sluice integration apply acme.toml
  sluice doctor acme
  sluice serve --public-url https://sluice.example.com
  sluice sync start acme";

/// Runs the demo.
pub async fn run(context: &Context, args: Args) -> Result<End> {
    let directory =
        tempfile::tempdir().map_err(|error| trouble(&format!("a temporary directory: {error}")))?;
    tokio::select! {
        shown = show(context, &args, directory.path()) => shown,
        _ = tokio::signal::ctrl_c() => Ok(End::Cancelled),
    }
}

async fn show(context: &Context, args: &Args, directory: &Path) -> Result<End> {
    // As over the Internet: some messages come twice, late, or after one that was sent later.
    let webhooks = WebhookSwitches {
        duplicates: 0.1,
        delay_max_millis: 300,
        reorder: 0.1,
        ..WebhookSwitches::default()
    };
    let sandbox = Sandbox::start(SandboxConfig { webhooks, ..SandboxConfig::default() })
        .await
        .map_err(|error| trouble(&format!("the simulated servers: {error}")))?;
    context.tell(&format!(
        "Simulated Lime CRM at {}, simulated APSIS One at {}",
        sandbox.lime_url(),
        sandbox.apsis_url()
    ));

    // Whatever this machine's host is set up with has nothing to do with the demo.
    let defaults = Config::of(&Settings::defaults().or_fail()?).or_fail()?;
    let config = Config { data: directory.join("data"), ..defaults };
    let mut context = Context::new(config, context.json);
    let opened = Arc::new(Opened::new(&context).await?);
    let integration = apply(&opened, integration(&sandbox, directory, &args.connector)?).await?.integration;
    context.tell(&format!(
        "Integration {}, as host/demo/acme-lime.toml has it: {} field mappings, {} consent mappings; only contacts \
         for whom {}; who is new gets a profile at once",
        integration.id,
        integration.fields.len(),
        integration.consents.len(),
        integration.conditions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    ));
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listening = Listening::on(here, Protection::Machine).await.or_fail()?;
    let url = format!("http://{}", listening.address);
    context.config.server.public_url = Some(url.clone());
    let serving = Serving::start(&context, &opened, listening, None)?;
    until("Lime CRM knows where to send", async || Ok(!sandbox.lime_subscriptions().is_empty())).await?;
    context.tell(&format!("Serving at {url}; its webhook is set up in Lime CRM"));

    context.tell("\nThe first full sync, while people in the CRM go on working");
    let mut editor = Editor::new(&sandbox, rand::random()).map_err(refused)?;
    let first = tokio::select! {
        run = full_sync(&context, &opened, &integration) => run?,
        Err(failure) = edit_on(&sandbox, &mut editor) => return Err(failure),
    };
    let during = editor.made();
    editor.edit(&sandbox, EDITS_AFTER).map_err(refused)?;
    context.tell(&format!(
        "\nReal time: {} edits while the full sync went on, and {} after it",
        table::number(during),
        table::number(editor.made() - during)
    ));
    let began = Instant::now();
    until("every change has its outcome", async || {
        sandbox.webhooks_idle().await;
        let status = opened.store.lane_status(&integration.id).await.or_fail()?;
        Ok(status.deliveries_waiting + status.contacts_waiting == 0)
    })
    .await?;
    deliveries(&context, &opened, &integration, &sandbox, began.elapsed()).await?;

    let sides = Sides::open(&opened, &integration).await?;
    compare(&context, &sides, &sandbox).await?;
    context.tell("\nThe second full sync: real time has kept up, so nothing is written");
    full_sync(&context, &opened, &integration).await?;

    let (id, rows) = sides.one(&sandbox).await?;
    if context.json {
        context.line(&serde_json::json!({ "person": id, "both-sides": rows }));
    } else {
        output::line(&format!("\nOne contact on both sides, person {id}:"));
        output::text(&table::render(&rows));
    }
    context.tell("\nRejected contacts are listed with their reasons; the first of them:");
    rejected(&context, &opened, &first).await?;
    if args.stay {
        stay(&context, &opened, &url, &sandbox, &mut editor).await?;
    }
    serving.stop().await;
    context.tell(NEXT);
    Ok(End::Success)
}

/// Serves on until ctrl-c, while somebody edits people now and then.
async fn stay(
    context: &Context,
    opened: &Opened,
    url: &str,
    sandbox: &Sandbox,
    editor: &mut Editor,
) -> Result<()> {
    let name = "demo".to_owned();
    let new = NewToken { name, role: Role::Operator, scope: Scope::All, days: Some(1) };
    let TokenCreated { token, .. } = opened.admin()?.create_token(new).await?;
    context.answer(&serde_json::json!({ "page": url, "token": token }), || {
        format!("\nThe page is at {url}/\nLog in with this token: {token}\nctrl-c ends the demo")
    });
    let mut pace = tokio::time::interval(STAYING_EDIT_EVERY);
    loop {
        tokio::select! {
            _ = pace.tick() => editor.edit(sandbox, 1).map_err(refused)?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
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
    let webhook_secret = hex::encode(rand::random::<[u8; 32]>());
    integration.secrets.insert("webhook-secret".to_owned(), secret("webhook-secret", &webhook_secret)?);
    integration.apsis.client_secret = secret("apsis-secret", sandbox.apsis_client_secret())?;
    integration.connector = connector.display().to_string();
    // Nobody waits a day for a demo.
    integration.real_time.new_contacts = NewContacts::Immediately;
    Ok(integration)
}

async fn full_sync(context: &Context, opened: &Opened, integration: &Integration) -> Result<Run> {
    let run = opened
        .store
        .accept_run(&integration.id, RunOrder::FullSync { forced: false, source: Source::Crm })
        .await
        .or_fail()?;
    let run = progress::watch(opened.store.as_ref(), run.id, context.json).await?;
    if context.json {
        context.line(&run);
    } else {
        summary(opened, &run).await?;
    }
    match (run.phase, &run.failure) {
        (Phase::Completed, _) => Ok(run),
        (_, Some(failure)) => Err(failure.clone()),
        (phase, None) => Err(trouble(&format!("the run ended as {}", phase.as_str()))),
    }
}

/// Edits until it is dropped.
async fn edit_on(sandbox: &Sandbox, editor: &mut Editor) -> Result<()> {
    let mut pace = tokio::time::interval(EDIT_EVERY);
    loop {
        pace.tick().await;
        editor.edit(sandbox, 1).map_err(refused)?;
    }
}

async fn until(what: &str, holds: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let mut pace = tokio::time::interval(LOOK_EVERY);
    let waiting = async {
        loop {
            pace.tick().await;
            if holds().await? {
                return Ok(());
            }
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| Err(trouble(&format!("it was waited in vain until {what}"))))
}

/// What Lime sent, and what it came to.
async fn deliveries(
    context: &Context,
    opened: &Opened,
    integration: &Integration,
    sandbox: &Sandbox,
    took: Duration,
) -> Result<()> {
    let sent = sandbox.webhook_counters();
    let all = opened
        .store
        .deliveries(&integration.id, &DeliveryFilter::default(), None, u32::MAX)
        .await
        .or_fail()?;
    let count = |outcome: ChangeOutcome| all.iter().filter(|line| line.outcome == Some(outcome)).count();
    let counts = ChangeOutcome::ALL.map(|outcome| (outcome.as_str(), count(outcome) as u64));
    if context.json {
        let outcomes: std::collections::BTreeMap<_, _> = counts.into_iter().collect();
        context.line(&serde_json::json!({ "webhooks": sent, "outcomes": outcomes }));
        return Ok(());
    }
    output::line(&format!(
        "Lime CRM sent {} webhooks, {} of them twice; each was answered when it was on disk. The last one had its \
         outcome {:.1} s later",
        table::number(sent.acknowledged),
        table::number(sent.acknowledged_duplicates),
        took.as_secs_f64()
    ));
    let rows = counts.into_iter().filter(|(_, count)| *count > 0);
    let rows: Vec<Vec<String>> =
        rows.map(|(outcome, count)| vec![outcome.to_owned(), table::number(count)]).collect();
    output::text(&table::render_numbers(&rows));
    Ok(())
}

/// Both sides, contact by contact.
async fn compare(context: &Context, sides: &Sides<'_>, sandbox: &Sandbox) -> Result<()> {
    let found = sides.compare(sandbox).await?;
    if context.json {
        context.line(&serde_json::json!({ "comparison": found }));
    }
    if !found.different.is_empty() {
        let some: Vec<String> = found.different.iter().take(NAMED).map(ToString::to_string).collect();
        let (count, some) = (found.different.len(), some.join(", "));
        return Err(trouble(&format!("{count} contacts differ between the two sides, such as {some}")));
    }
    context.tell(&format!(
        "\nBoth sides compared: Lime CRM has {} people. {} are as the rules want them in APSIS One, {} are excluded or \
         rejected, 0 differ",
        table::number(found.contacts),
        table::number(found.equal),
        table::number(found.not_synced)
    ));
    Ok(())
}

async fn rejected(context: &Context, opened: &Opened, run: &Run) -> Result<()> {
    let some = opened.store.run_contacts(run.id, Some(Outcome::Rejected), None, 5).await.or_fail()?;
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

fn refused(error: sluice_sandbox::SandboxError) -> Failure {
    trouble(&format!("an edit: {error}"))
}

fn trouble(what: &str) -> Failure {
    Failure { code: "demo-failed".to_owned(), message: format!("the demo could not go on: {what}") }
}

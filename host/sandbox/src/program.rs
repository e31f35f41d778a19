//! The sandbox as a process of its own: prints one JSON line with its addresses and keys, and ends when its
//! standard input ends or it is asked to.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Parser;
use serde_json::{Map, Value};
use tokio::signal::unix::{SignalKind, signal};

use crate::{People, Sandbox, SandboxConfig, TrialCrm, WebcrmConfig, WebhookSwitches};

/// Simulated Lime CRM, webCRM and APSIS One, for trying Sluice and for testing it.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Only this CRM, for a connector to be tried against: says what an integration with it is opened with, and
    /// tells of its people at `/people`.
    #[arg(long, value_enum)]
    trial: Option<TrialCrm>,
    /// So many made-up persons instead of the 3,000 of the data files, or the 250 of a trial.
    #[arg(long)]
    persons: Option<u64>,
    /// So many made-up persons in the simulated webCRM.
    #[arg(long, default_value_t = 0)]
    webcrm_persons: u64,
    /// How webCRM behaves, as JSON: the switches that differ from the default.
    #[arg(long, default_value = "{}")]
    webcrm_switches: String,
    /// Another seed, other people and other chances.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Port of the simulated Lime CRM; 0 for any.
    #[arg(long, default_value_t = 0)]
    lime_port: u16,
    /// Port of the simulated APSIS One; 0 for any.
    #[arg(long, default_value_t = 0)]
    apsis_port: u16,
    /// Port of the sandbox's own address; 0 for any.
    #[arg(long, default_value_t = 0)]
    control_port: u16,
    /// The Lime API key; random when not given.
    #[arg(long, env = "SLUICE_SANDBOX_LIME_KEY")]
    lime_key: Option<String>,
    /// The secret of the APSIS One key; random when not given.
    #[arg(long, env = "SLUICE_SANDBOX_APSIS_SECRET")]
    apsis_secret: Option<String>,
    /// How Lime behaves, as JSON: the switches that differ from the default.
    #[arg(long, default_value = "{}")]
    lime_switches: String,
    /// How APSIS One behaves, as JSON: the switches that differ from the default.
    #[arg(long, default_value = "{}")]
    apsis_switches: String,
    /// How Lime sends its webhooks, as JSON: the switches that differ from the default.
    #[arg(long, default_value = "{}")]
    webhook_switches: String,
    /// What goes wrong from the start, as a JSON list of rules.
    #[arg(long, default_value = "[]")]
    faults: String,
    /// Do not end with the standard input.
    #[arg(long)]
    stay: bool,
}

/// Parses the program's arguments and runs the sandbox to its end.
///
/// # Errors
/// When an argument cannot be read, or the sandbox cannot be started.
#[tokio::main]
pub async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let config = SandboxConfig {
        people: match arguments.persons {
            Some(persons) => People::Generated { persons, seed: arguments.seed },
            None => People::Files,
        },
        lime_key: arguments.lime_key,
        apsis_client_secret: arguments.apsis_secret,
        lime: serde_json::from_str(&arguments.lime_switches).context("--lime-switches")?,
        apsis: serde_json::from_str(&arguments.apsis_switches).context("--apsis-switches")?,
        webhooks: webhook_switches(&arguments.webhook_switches, arguments.seed)
            .context("--webhook-switches")?,
        faults: serde_json::from_str(&arguments.faults).context("--faults")?,
        fault_seed: arguments.seed,
        ports: [arguments.lime_port, arguments.apsis_port, arguments.control_port],
        webcrm: WebcrmConfig {
            persons: arguments.webcrm_persons,
            seed: arguments.seed,
            switches: serde_json::from_str(&arguments.webcrm_switches).context("--webcrm-switches")?,
            ..WebcrmConfig::default()
        },
        ..SandboxConfig::default()
    };
    let config = match arguments.trial {
        Some(crm) => crm.config(arguments.persons, arguments.seed, config),
        None => config,
    };
    let sandbox = Sandbox::start(config).await?;
    let mut out = std::io::stdout();
    let told = match arguments.trial {
        Some(crm) => crm.told(sandbox.addresses()),
        None => serde_json::to_value(sandbox.addresses())?,
    };
    writeln!(out, "{told}")?;
    out.flush()?;
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        () = input_ended(), if !arguments.stay => {}
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}

/// The seed of the program is the webhooks' too, unless they have one of their own.
fn webhook_switches(text: &str, seed: u64) -> serde_json::Result<WebhookSwitches> {
    let mut switches: Map<String, Value> = serde_json::from_str(text)?;
    switches.entry("seed").or_insert(seed.into());
    serde_json::from_value(switches.into())
}

/// A thread of its own waits, since a blocking read cannot be given up when a signal comes first.
async fn input_ended() {
    let (ended, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = ended.send(());
    });
    let _ = told.await;
}

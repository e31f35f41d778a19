//! `sluice serve`: takes what the CRMs send, and works on its share of the integrations, until it is told to
//! stop.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

use super::serving::Serving;
use super::{Context, End, Opened, OrFail, Result};
use crate::config::Given;
use crate::server::{Listening, Protection};

/// How much longer than it should the program may take to end.
const AT_LAST: Duration = Duration::from_secs(2);

/// What the command is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the CRMs' deliveries, the page and the API are. An address that other machines reach needs TLS, here or of
    /// a proxy. SLUICE_LISTEN; 127.0.0.1:7480 if nobody says.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// A certificate, and those that signed it: a PEM file. The page, the API and deliveries are HTTPS then.
    /// SLUICE_TLS_CERTIFICATE.
    #[arg(long, value_name = "FILE")]
    tls_certificate: Option<String>,
    /// The certificate's private key: a PEM file. SLUICE_TLS_KEY.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// A proxy speaks TLS in front of this host, sets `X-Forwarded-For`, and only it reaches the address.
    /// SLUICE_BEHIND_PROXY=true.
    #[arg(long)]
    behind_proxy: bool,
    /// Under which address the CRMs reach this host, or all hosts together: https://sluice.example.com. Without it no
    /// webhook is set up. SLUICE_PUBLIC_URL.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// With a shared store: seconds after which another host takes over what this one held, if it stands still.
    /// SLUICE_LEASE; 10 if nobody says.
    #[arg(long, value_name = "SECONDS")]
    lease: Option<String>,
    /// For development: a folder whose .wasm files are added when they change, and used at once by the integrations that
    /// use their connector. SLUICE_WATCH_CONNECTORS.
    #[arg(long, value_name = "DIR")]
    watch_connectors: Option<String>,
}

impl Args {
    /// What the flags say of settings.
    pub fn given(&self) -> Vec<Given> {
        let all = [
            ("server.listen", "--listen", &self.listen),
            ("server.tls-certificate", "--tls-certificate", &self.tls_certificate),
            ("server.tls-key", "--tls-key", &self.tls_key),
            ("server.public-url", "--public-url", &self.public_url),
            ("server.lease", "--lease", &self.lease),
            ("server.watch-connectors", "--watch-connectors", &self.watch_connectors),
        ];
        let given =
            |(key, flag, text): (_, _, &Option<String>)| Some(Given { key, flag, text: text.clone()? });
        let behind_proxy = self.behind_proxy.then(|| Given {
            key: "server.behind-proxy",
            flag: "--behind-proxy",
            text: true.to_string(),
        });
        all.into_iter().filter_map(given).chain(behind_proxy).collect()
    }
}

/// Serves until SIGTERM or ctrl-c. Runs that are active then are gone on with at the next start.
pub async fn run(context: &Context) -> Result<End> {
    let config = &context.config.server;
    // Before anything is begun: what cannot be read now would pause every lane that needs it.
    context.keys.keys().or_fail()?;
    let opened = Arc::new(Opened::new(context).await?);
    let listening = Listening::on(config.listen, config.protection.clone()).await.or_fail()?;
    let (address, scheme) = (listening.address, listening.scheme());
    let metrics = match context.config.metrics.listen {
        Some(address) => Some(Listening::on(address, Protection::NotNeeded).await.or_fail()?),
        None => None,
    };
    let measured = metrics.as_ref().map(|metrics| metrics.address);
    let serving = Serving::start(context, &opened, listening, metrics)?;
    let host = &serving.host;
    let answer = serde_json::json!({
        "serving": context.data, "listening": address, "public-url": config.public_url, "host": host,
        "metrics": measured,
    });
    context.answer(&answer, || {
        let reached = config.public_url.as_deref().map_or_else(
            || "no --public-url is given, so no webhook is set up".to_owned(),
            |url| format!("CRMs reach it at {url}"),
        );
        format!(
            "serving {} as {host}, listening on {address}: the page is at {scheme}://{address}/; {reached}; ctrl-c stops, and what is interrupted then is gone \
             on with at the next start",
            context.data.display()
        )
    });
    notify(NotifyState::Ready);
    asked_to_stop().await;
    context.say("stopping");
    notify(NotifyState::Stopping);
    end_at_last(config.stop_within);
    serving.stop().await;
    context.say("stopped");
    Ok(End::Success)
}

/// Tells the service manager that started this program, if one did.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "the service manager could not be told");
    }
}

/// Whatever keeps the program's threads then, it has ended. All that matters is in the store.
fn end_at_last(stop_within: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(stop_within + AT_LAST);
        warn!("something did not end in time; the program ends without it");
        std::process::exit(0);
    });
}

async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        // Without the handler SIGTERM ends the process by itself, and a killed run is gone on with.
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

//! `sluice serve`: takes what the CRMs send, and works on its share of the integrations, until it is told to
//! stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::serving::Serving;
use super::{Context, End, Opened, OrFail, Result};
use crate::error::Failure;
use crate::server::{Listening, Protection};

/// The shortest lease: below it, a busy machine would lose what it holds.
const SHORTEST_LEASE: u64 = 2;

/// What the command is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the CRMs' deliveries, the page and the API are. An address that other machines reach needs TLS, here or of
    /// a proxy.
    #[arg(long, env = "SLUICE_LISTEN", default_value = "127.0.0.1:7480", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// A certificate, and those that signed it: a PEM file. The page, the API and deliveries are HTTPS then.
    #[arg(long, env = "SLUICE_TLS_CERTIFICATE", value_name = "FILE", requires = "tls_key", conflicts_with = "behind_proxy")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's private key: a PEM file.
    #[arg(long, env = "SLUICE_TLS_KEY", value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// A proxy speaks TLS in front of this host, sets `X-Forwarded-For`, and only it reaches the address.
    #[arg(long, env = "SLUICE_BEHIND_PROXY")]
    behind_proxy: bool,
    /// Under which address the CRMs reach this host, or all hosts together: https://sluice.example.com. Without it no
    /// webhook is set up.
    #[arg(long, env = "SLUICE_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// With a shared store: seconds after which another host takes over what this one held, if it stands still.
    #[arg(long, env = "SLUICE_LEASE", default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(SHORTEST_LEASE..=600))]
    lease: u64,
}

/// Serves until SIGTERM or ctrl-c. Runs that are active then are gone on with at the next start.
pub async fn run(context: &Context, args: Args) -> Result<End> {
    if let Some(url) = &args.public_url {
        check(url)?;
    }
    // Before anything is begun: what cannot be read now would pause every lane that needs it.
    context.keys.keys().or_fail()?;
    let opened = Arc::new(Opened::new(context).await?);
    let protection = match (args.tls_certificate, args.tls_key) {
        (Some(certificate), Some(key)) => Protection::Tls { certificate, key },
        _ if args.behind_proxy => Protection::Proxy,
        _ => Protection::Machine,
    };
    let listening = Listening::on(args.listen, protection).await.or_fail()?;
    let (address, scheme) = (listening.address, listening.scheme());
    let lease = Duration::from_secs(args.lease);
    let serving = Serving::start(context, &opened, listening, args.public_url.clone(), lease)?;
    let host = &serving.host;
    let answer = serde_json::json!({
        "serving": context.data, "listening": address, "public-url": args.public_url, "host": host,
    });
    context.answer(&answer, || {
        let reached = args.public_url.as_deref().map_or_else(
            || "no --public-url is given, so no webhook is set up".to_owned(),
            |url| format!("CRMs reach it at {url}"),
        );
        format!(
            "serving {} as {host}, listening on {address}: the page is at {scheme}://{address}/; {reached}; ctrl-c stops, and what is interrupted then is gone \
             on with at the next start",
            context.data.display()
        )
    });
    asked_to_stop().await;
    context.say("stopping");
    serving.stop().await;
    context.say("stopped");
    Ok(End::Success)
}

/// An address that CRMs can be given.
fn check(public_url: &str) -> Result<()> {
    let wrong = |problem: &str| Failure {
        code: "public-url-invalid".to_owned(),
        message: format!("--public-url {problem}; give one such as https://sluice.example.com"),
    };
    let url = Url::parse(public_url).map_err(|_| wrong("is no address"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return Err(wrong("is no address of a web server"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(wrong("has a user, a query or a fragment"));
    }
    Ok(())
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

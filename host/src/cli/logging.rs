//! Log lines: JSON on standard error, one a line.
//!
//! Only Sluice's own lines: no part of it logs personal data or secrets, and no library can promise
//! that. Those that log requests name URLs, which hold contact ids and, in a CRM's query, more.

use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Starts logging.
///
/// # Errors
/// When the filter cannot be read, with what is wrong with it.
pub fn start(filter: &str) -> Result<(), String> {
    let chosen = EnvFilter::try_new(filter)
        .map_err(|error| format!("--log {filter}: {error}; write a level, or target=level"))?;
    let own = filter_fn(|line| line.target().split("::").next() == Some("sluice"));
    let json = tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr);
    // It would be told on standard error, which is what cannot be written to.
    let json = json.log_internal_errors(false);
    tracing_subscriber::registry().with(json.with_filter(own).with_filter(chosen)).init();
    Ok(())
}

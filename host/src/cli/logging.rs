//! Log lines: JSON on standard error, one a line; and traces, where somebody is to have them.
//!
//! Only Sluice's own lines and spans: no part of it puts personal data or secrets into them, and no library can promise
//! that. Those that log requests name URLs, which hold contact ids and, in a CRM's query, more. Log lines are in no
//! trace: they say more than a span may.

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::traces::Traces;

/// Starts logging, and tracing.
///
/// # Errors
/// When the filter cannot be read, with what is wrong with it.
pub fn start(filter: &str, traces: Option<&Traces>) -> Result<(), String> {
    let chosen = EnvFilter::try_new(filter)
        .map_err(|error| format!("--log {filter}: {error}; write a level, or target=level"))?;
    let spans = filter_fn(|it| it.is_span() && *it.level() <= Level::INFO && is_own(it));
    let spans = spans.with_max_level_hint(LevelFilter::INFO);
    let traces = traces.map(|traces| traces.layer().with_filter(spans));
    let json = tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr);
    // It would be told on standard error, which is what cannot be written to.
    let json = json.log_internal_errors(false);
    let json = json.with_filter(filter_fn(is_own)).with_filter(chosen);
    tracing_subscriber::registry().with(traces).with(json).init();
    Ok(())
}

fn is_own(it: &Metadata<'_>) -> bool {
    it.target().split("::").next() == Some("sluice")
}

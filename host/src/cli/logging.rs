//! Log lines: JSON on standard error, one a line.
//!
//! What is logged is chosen by whoever logs it; no part logs personal data or secrets. Libraries
//! that log requests (`hyper`, `reqwest`, `h2`) may name URLs, which hold contact ids and, in a
//! CRM's query, more; they are silenced whatever the filter says.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;

/// Libraries whose log lines may hold what ours must not.
const SILENCED: [&str; 9] = [
    "hyper",
    "hyper_util",
    "reqwest",
    "h2",
    "rustls",
    "wasmtime",
    "wasmtime_wasi",
    "cranelift_codegen",
    "tower",
];

/// Starts logging.
///
/// # Errors
/// When the filter cannot be read, with what is wrong with it.
pub fn start(filter: &str) -> Result<(), String> {
    let mut filter = EnvFilter::try_new(filter)
        .map_err(|error| format!("--log {filter}: {error}; write a level, or target=level"))?;
    for library in SILENCED {
        let directive: Directive = format!("{library}=off")
            .parse()
            .map_err(|error| format!("the log filter for {library} cannot be read: {error}"))?;
        filter = filter.add_directive(directive);
    }
    let json = tracing_subscriber::fmt().json();
    // It would be told on standard error, which is what cannot be written to.
    let json = json.log_internal_errors(false);
    json.with_env_filter(filter).with_writer(std::io::stderr).init();
    Ok(())
}

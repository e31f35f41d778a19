//! `sluice connector new`: begins a connector.

use std::path::PathBuf;

use super::super::{Context, End, OrFail, Result, output};
use crate::kit::scaffold::{ConnectorName, begin};

/// A connector that does not exist yet.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its id, and the name of its crate and folder: small letters, digits and hyphens.
    name: String,
    /// What people call the CRM; left out: the name.
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// The folder that its folder is made in.
    #[arg(long = "in", value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<End> {
    let name = ConnectorName::parse(&args.name).or_fail()?;
    let title = args.title.as_deref().unwrap_or(&args.name);
    let root = begin(&args.folder, &name, title).or_fail()?;
    if context.json {
        context.line(&serde_json::json!({ "folder": root }));
        return Ok(End::Success);
    }
    output::line(&format!("{} is begun. Its README.md says what is where. Go on with:", root.display()));
    let file = format!("target/wasm32-wasip2/release/{}.wasm", args.name.replace('-', "_"));
    for line in [
        format!("  cd {}", root.display()),
        "  rustup target add wasm32-wasip2".to_owned(),
        "  cargo build --release --lib --target wasm32-wasip2".to_owned(),
        "  cargo test --release".to_owned(),
        format!("  sluice connector test {file} --fixtures fixtures"),
        format!("  sluice connector check {file} --crm \"cargo run --release --quiet --example fake-crm\""),
    ] {
        output::line(&line);
    }
    Ok(End::Success)
}

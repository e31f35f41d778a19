//! `cargo xtask demo`: from a fresh clone to a full sync, and real time, that one can watch.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::steps::{WASM_TARGET, cargo, need_wasm_target, root, run, status};

/// Where connectors are built, apart from what is built for this machine.
pub const COMPONENTS: &str = "target/components";

/// Builds the connector and the program, and runs `sluice demo`; its exit code is the answer. `stay`: it goes on serving its page.
pub fn run_demo(stay: bool) -> Result<ExitCode> {
    need_wasm_target()?;
    let connector =
        ["build", "-p", "lime", "--profile", "plugin", "--target", WASM_TARGET, "--target-dir", COMPONENTS];
    run(cargo().args(connector))?;
    run(cargo().args(["build", "--workspace", "--bins"]))?;

    let component = root().join(COMPONENTS).join(WASM_TARGET).join("plugin/lime.wasm");
    // Cargo puts the programs of a workspace into one folder, wherever it is configured to be.
    let own = std::env::current_exe().context("this program does not know where it lies")?;
    let mut sluice = Command::new(own.with_file_name(format!("sluice{}", std::env::consts::EXE_SUFFIX)));
    let status = status(sluice.args(["demo", "--connector"]).arg(component).args(stay.then_some("--stay")))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

//! The project's own commands: `cargo xtask demo | test | soak`.
//!
//! Thin: each sets up what is missing, then calls cargo and the program. All build with the features of
//! the whole workspace, so that one command's build serves the next.

mod demo;
mod steps;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::steps::{cargo, need_wasm_target, run};

/// Commands for working on Sluice.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Build all and see it at work: a full sync of 3,000 simulated people.
    Demo,
    /// Run all tests.
    Test,
    /// Run the end-to-end tests at full size: 200,000 contacts, one at a time, with what they measure.
    Soak,
}

fn main() -> Result<ExitCode> {
    match Command::parse() {
        Command::Demo => demo::run_demo(),
        Command::Test => {
            need_wasm_target()?;
            run(cargo().args(["test", "--workspace", "--all-targets"]))?;
            run(cargo().args(["test", "--workspace", "--doc"]))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Soak => {
            need_wasm_target()?;
            let soak = ["test", "--workspace", "--test", "*", "--", "--nocapture", "--test-threads=1"];
            run(cargo().args(soak).env("SLUICE_TEST_SIZE", "full"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        <Command as clap::CommandFactory>::command().debug_assert();
    }
}

//! The project's own commands: `cargo xtask demo | connectors | test | soak | bench`.
//!
//! Thin: each sets up what is missing, then calls cargo and the program. All build with the features of
//! the whole workspace, so that one command's build serves the next.

mod connectors;
mod demo;
mod steps;
mod tests;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::connectors::{need_python_connector, test_python_connector};
use crate::steps::{
    cargo, need_axe, need_chromium, need_postgres, need_registry, need_schemathesis, need_wasm_target, run,
};

/// Commands for working on Sluice.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Build all and see it at work: a full sync of 3,000 simulated people, and real time.
    Demo {
        /// Go on serving at the end, and show how to log in to the page.
        #[arg(long)]
        stay: bool,
    },
    /// Build the example connectors in other languages, where they changed.
    Connectors,
    /// Run all tests.
    Test,
    /// Run the end-to-end tests at full size: 200,000 contacts, hundreds of kills, one at a time, with what they
    /// measure.
    Soak,
    /// Measure what real time and connectors cost on this machine, as it is released.
    Bench {
        /// Only the parts whose names hold one of these: door, connector, hostile, acknowledge, lane, backlog,
        /// neighbour, page.
        #[arg(last = true)]
        names: Vec<String>,
    },
}

fn main() -> Result<ExitCode> {
    match Command::parse() {
        Command::Demo { stay } => demo::run_demo(stay),
        Command::Connectors => {
            let python = need_python_connector()?;
            println!("{}", python.display());
            Ok(ExitCode::SUCCESS)
        }
        Command::Test => {
            need_wasm_target()?;
            need_postgres()?;
            need_schemathesis()?;
            need_chromium()?;
            need_axe()?;
            need_registry()?;
            let python = need_python_connector()?;
            test_python_connector()?;
            // Most tests wait most of the time: more of them than there are processors go side by side.
            let threads = std::thread::available_parallelism().map_or(2, usize::from) * 2;
            let asked = std::env::var("RUST_TEST_THREADS");
            tests::run_tests(&asked.unwrap_or_else(|_| threads.to_string()), &python)?;
            run(cargo().args(["test", "--workspace", "--doc"]))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Bench { names } => {
            need_wasm_target()?;
            need_postgres()?;
            // The program under test is built as it is released, too.
            run(cargo().args(["build", "--release", "--workspace", "--bins"]))?;
            run(cargo().args(["bench", "--workspace", "--bench", "real_time", "--"]).args(names))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Soak => {
            need_wasm_target()?;
            need_postgres()?;
            need_schemathesis()?;
            need_chromium()?;
            need_axe()?;
            need_registry()?;
            let python = need_python_connector()?;
            let soak = ["test", "--workspace", "--test", "*", "--", "--nocapture", "--test-threads=1"];
            run(cargo().args(soak).env("SLUICE_TEST_SIZE", "full").env(tests::PYTHON_WASM, python))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod arguments {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        <Command as clap::CommandFactory>::command().debug_assert();
    }
}

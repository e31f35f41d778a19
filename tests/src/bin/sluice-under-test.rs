//! The program `sluice`, built with the tests that run it as its user would.

use std::process::ExitCode;

fn main() -> ExitCode {
    sluice::cli::main()
}

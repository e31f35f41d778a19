//! The program `sluice-sandbox`, built with the tests that need the sandbox in a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    match sluice_sandbox::program::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

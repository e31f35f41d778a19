//! Running the tests' programs side by side: most of them wait most of the time, for what APSIS One allows in a second and
//! for each other's processes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::steps::{cargo, root};

/// Programs at the same time.
const AT_ONCE: usize = 3;

/// Those that take longest, which are begun first.
const LONGEST: [&str; 8] =
    ["real_time", "full_sync", "api", "kit", "overviews", "upgrades", "page", "consents"];

/// Tells the tests where the connector in Python is.
pub const PYTHON_WASM: &str = "PYTHON_WASM";

/// A test's program, and where cargo would run it.
struct Program {
    name: String,
    path: PathBuf,
    folder: PathBuf,
}

/// Builds all tests and runs them; what each said is shown when it has ended. `threads`: of each program;
/// `python`: the connector in Python.
///
/// # Errors
/// One cannot be built, or fails.
pub fn run_tests(threads: &str, python: &Path) -> Result<()> {
    let mut programs = build()?;
    programs.sort_by_key(|one| LONGEST.iter().position(|name| *name == one.name).unwrap_or(LONGEST.len()));
    let waiting = Mutex::new(VecDeque::from(programs));
    let failed = Mutex::new(Vec::new());
    let next = || waiting.lock().ok().and_then(|mut waiting| waiting.pop_front());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(program) = next() {
                    if let Err(error) = run(&program, threads, python)
                        && let Ok(mut failed) = failed.lock()
                    {
                        failed.push(format!("{} ({error})", program.name));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_default();
    if failed.is_empty() {
        return Ok(());
    }
    bail!("tests failed: {}", failed.join(", "))
}

/// Builds all tests, and says where their programs are.
fn build() -> Result<Vec<Program>> {
    // All but the benchmarks, which the lints read and `bench` builds as they are measured.
    let kinds = ["--lib", "--bins", "--tests", "--examples"];
    let mut arguments = vec!["test", "--workspace", "--no-run", "--message-format=json-render-diagnostics"];
    arguments.extend(kinds);
    eprintln!("==> cargo {}", arguments.join(" "));
    let start = Instant::now();
    let mut building =
        cargo().args(&arguments).stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let said = building.stdout.take().context("cargo says nothing")?;
    let mut programs = Vec::new();
    for line in BufReader::new(said).lines() {
        let message: Value = serde_json::from_str(&line?).unwrap_or_default();
        let text = |place: &str| message.pointer(place).and_then(Value::as_str);
        let is_test = message.pointer("/profile/test").and_then(Value::as_bool) == Some(true);
        if let (true, Some(path), Some(manifest), Some(name)) =
            (is_test, text("/executable"), text("/manifest_path"), text("/target/name"))
        {
            let folder = PathBuf::from(manifest).parent().map_or_else(root, PathBuf::from);
            programs.push(Program { name: name.to_owned(), path: path.into(), folder });
        }
    }
    if !building.wait()?.success() {
        bail!("the tests could not be built");
    }
    eprintln!("==> {:.1} s: the tests are built", start.elapsed().as_secs_f64());
    Ok(programs)
}

fn run(program: &Program, threads: &str, python: &Path) -> Result<()> {
    let start = Instant::now();
    let folder = root().join("target/test-output");
    std::fs::create_dir_all(&folder)?;
    let place = folder.join(format!("{}.txt", program.path.file_name().unwrap_or_default().display()));
    let output = File::create(&place)?;
    let status = Command::new(&program.path)
        .current_dir(&program.folder)
        .env("RUST_TEST_THREADS", threads)
        .env(PYTHON_WASM, python)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()?;
    // In one piece, so that what programs say does not mix.
    let said = std::fs::read(&place)?;
    let said = String::from_utf8_lossy(&said);
    eprintln!("==> {:.1} s: {}\n{said}", start.elapsed().as_secs_f64(), program.name);
    if !status.success() {
        bail!("{status}");
    }
    Ok(())
}

//! Running other programs in the project's folder, each announced and timed.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// What connectors are compiled for.
pub const WASM_TARGET: &str = "wasm32-wasip2";

/// The workspace's folder.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// The cargo that runs this program.
pub fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(root());
    command
}

/// Runs a step, and says how long it took.
pub fn status(command: &mut Command) -> Result<ExitStatus> {
    let shown = shown(command);
    eprintln!("==> {shown}");
    let start = Instant::now();
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    eprintln!("==> {:.1} s: {shown}", start.elapsed().as_secs_f64());
    Ok(status)
}

/// Runs a step that must succeed.
pub fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Adds the target that connectors are compiled for, if it is missing.
pub fn need_wasm_target() -> Result<()> {
    let libraries = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .current_dir(root())
        .output()
        .context("cannot start rustc; install Rust with rustup, see https://rustup.rs")?;
    let folder = String::from_utf8_lossy(&libraries.stdout);
    if libraries.status.success() && Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    match run(Command::new("rustup").args(["target", "add", WASM_TARGET]).current_dir(root())) {
        Err(error) if is_missing(&error) => bail!(
            "connectors are compiled for {WASM_TARGET}, which this Rust lacks, and there is no rustup to add \
             it. Install Rust with rustup, see https://rustup.rs, and run this again"
        ),
        added => added,
    }
}

/// Installs PostgreSQL's server, if it is missing: tests start one of their own from it.
pub fn need_postgres() -> Result<()> {
    if has_postgres() {
        return Ok(());
    }
    if let Err(error) = install("postgresql") {
        bail!(
            "the tests need PostgreSQL's server, and apt-get does not install it here ({error}). Install it, or run this as root"
        );
    }
    if !has_postgres() {
        bail!("PostgreSQL was installed, and its `initdb` is not found on the path or below {VERSIONS}");
    }
    Ok(())
}

/// Installs a package of the system.
fn install(package: &str) -> Result<()> {
    run(Command::new("apt-get").arg("update"))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--no-install-recommends", package]);
    run(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

/// What tries the API by its own description.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// Installs schemathesis, if it is missing.
pub fn need_schemathesis() -> Result<()> {
    need_python_tool(SCHEMATHESIS).map(drop)
}

/// Installs a tool (`name==version`) from PyPI into a folder of its own below `target`, if it is missing or of another
/// version; where its program is, which has the tool's name.
pub fn need_python_tool(pinned: &str) -> Result<PathBuf> {
    let name = pinned.split_once("==").map_or(pinned, |(name, _)| name);
    let folder = root().join("target/tools").join(name);
    let (program, installed) = (folder.join("bin").join(name), folder.join("installed"));
    // One that was installed before this was noted is taken as it is.
    let is_pinned = std::fs::read_to_string(&installed).map_or(true, |found| found == pinned);
    if program.is_file() && is_pinned {
        return Ok(program);
    }
    let make = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
    // Debian's Python comes without what makes such folders.
    let made = make().or_else(|_| install("python3-venv").and_then(|()| make()));
    if let Err(error) = made {
        bail!("{name} needs Python 3 with its `venv`, and apt-get does not install it here ({error})");
    }
    run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", pinned]))?;
    std::fs::write(&installed, pinned).with_context(|| format!("cannot write {}", installed.display()))?;
    Ok(program)
}

/// Installs a browser and what drives it, if they are missing.
pub fn need_chromium() -> Result<()> {
    need_programs(&[("chromium", "chromium"), ("chromedriver", "chromium-driver")])
}

/// Installs a registry, and what signs components, if they are missing.
pub fn need_registry() -> Result<()> {
    need_programs(&[("docker-registry", "docker-registry"), ("minisign", "minisign")])
}

/// Installs programs, each with the package of the system that has it, if they are missing.
fn need_programs(programs: &[(&str, &str)]) -> Result<()> {
    for (program, package) in programs {
        if has_program(program) {
            continue;
        }
        if let Err(error) = install(package) {
            bail!(
                "the tests need {program}, and apt-get does not install it here ({error}). Install it, or run this as root"
            );
        }
        if !has_program(program) {
            bail!("{package} was installed, and `{program}` is not found on the path");
        }
    }
    Ok(())
}

fn has_program(name: &str) -> bool {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&on_path).any(|folder| folder.join(name).is_file())
}

/// What finds whatever keeps people from using a page, and what its package's bytes come to.
const AXE: (&str, &str) = (
    "https://registry.npmjs.org/axe-core/-/axe-core-4.14.1.tgz",
    "1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b734f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5",
);

/// Takes one file out of a package of the npm registry, if its bytes are those that were looked at.
const FETCH: &str = "import sys, hashlib, io, tarfile, urllib.request
url, digest, wanted, place = sys.argv[1:]
package = urllib.request.urlopen(url, timeout=60).read()
found = hashlib.sha512(package).hexdigest()
if found != digest: sys.exit(f'{url} is not what it was: sha512 {found}')
content = tarfile.open(fileobj=io.BytesIO(package)).extractfile(wanted).read()
open(place, 'wb').write(content)";

/// Fetches axe-core into a folder of its own below `target`, if it is missing.
pub fn need_axe() -> Result<()> {
    let file = root().join("target/tools/axe.min.js");
    if file.is_file() {
        return Ok(());
    }
    std::fs::create_dir_all(root().join("target/tools")).context("cannot make target/tools")?;
    let (url, digest) = AXE;
    run(Command::new("python3").args(["-c", FETCH, url, digest, "package/axe.min.js"]).arg(&file))
}

/// Where Debian keeps the versions of PostgreSQL side by side.
const VERSIONS: &str = "/usr/lib/postgresql";

fn has_postgres() -> bool {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let mut folders =
        std::env::split_paths(&on_path).chain(versions.map(|version| version.path().join("bin")));
    folders.any(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// Whether a step could not start because there is no such program.
fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|cause| cause.kind() == ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_shown_by_its_words() {
        let mut command = Command::new("/opt/rust/bin/cargo");
        assert_eq!(shown(command.args(["test", "--workspace"])), "cargo test --workspace");
    }

    #[test]
    fn a_missing_program_is_told_from_a_failing_one() {
        let missing = run(&mut Command::new("sluice-no-such-program")).unwrap_err();
        assert!(is_missing(&missing), "{missing:?}");
        let failing = run(cargo().arg("no-such-command")).unwrap_err();
        assert!(!is_missing(&failing), "{failing:?}");
        assert!(failing.to_string().contains("cargo no-such-command"), "{failing}");
    }
}

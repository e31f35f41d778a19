//! `sluice connector push`, `pull`, `push-wit`: components in an OCI registry, with their signatures.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::{Context, End, OrFail, Result};
use crate::connector::{PACKAGE, VERSION};
use crate::error::Failure;
use crate::registry::{Artifact, Digest, Label, Place, Pulled, Registry, contract_package, contract_place};
use crate::signature::Signature;

/// What can be done with a registry.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send a component to an OCI registry, with the signature that lies beside it (FILE.minisig).
    ///
    /// SLUICE_REGISTRY_USER and SLUICE_REGISTRY_PASSWORD say whom to log in as; else `docker login` does.
    Push {
        /// The component: a .wasm file.
        file: PathBuf,
        /// Where to: REGISTRY/NAME:TAG. The registry is asked over HTTPS, but for one on this machine (localhost).
        reference: String,
    },
    /// Fetch a component from an OCI registry, with its signature; with `trusted-keys`, only if it is signed with one.
    Pull {
        /// From where: REGISTRY/NAME:TAG, or REGISTRY/NAME@sha256:... for what can never be another one.
        reference: String,
        /// The file to write. Its signature, if there is one, goes to FILE.minisig.
        #[arg(long = "to", value_name = "FILE")]
        to: PathBuf,
        /// Replace what is there.
        #[arg(long)]
        force: bool,
    },
    /// Send the contract to an OCI registry as a WIT package, where `wkg` finds it.
    PushWit {
        /// Where to: REGISTRY/NAMESPACE/sluice/crm-connector:VERSION.
        reference: String,
    },
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<End> {
    match command {
        Command::Push { file, reference } => push(context, &file, &reference).await,
        Command::Pull { reference, to, force } => pull(context, &reference, &to, force).await,
        Command::PushWit { reference } => push_wit(context, &reference).await,
    }
}

async fn push(context: &Context, file: &Path, reference: &str) -> Result<End> {
    let place = Place::parse(reference).or_fail()?;
    let component = std::fs::read(file).map_err(|error| Failure {
        code: "component-unreadable".to_owned(),
        message: format!("{}: {error}; give the path of a connector's .wasm file", file.display()),
    })?;
    let signature = Signature::beside(file).or_fail()?;
    if signature.is_some() {
        // Nobody else should find out that a signature is that of the build before.
        context.config.connectors.trusted_keys.check(&component, signature.as_ref()).or_fail()?;
    }
    let is_signed = signature.is_some();
    let digest = Digest::of(&component);
    let title = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let artifact = Artifact { component, signature };
    let label = Label { title, version: None };
    let manifest = Registry::of(&place).await.or_fail()?.push(&place, artifact, label).await.or_fail()?;
    let answer = json!({
        "pushed": place.to_string(), "manifest": manifest.to_string(), "component": digest.to_string(), "signed": is_signed,
    });
    context.answer(&answer, || {
        let signed = if is_signed { "with its signature" } else { "without a signature" };
        format!(
            "{} is at {place}, {signed}. Always the same: {}",
            file.display(),
            unchanging(&place, &manifest)
        )
    });
    Ok(End::Success)
}

async fn push_wit(context: &Context, reference: &str) -> Result<End> {
    let place = contract_place(reference).or_fail()?;
    let artifact = Artifact { component: contract_package().or_fail()?, signature: None };
    let title = format!("{}.wasm", PACKAGE.rsplit(':').next().unwrap_or(PACKAGE));
    let label = Label { title, version: Some(VERSION.to_owned()) };
    let manifest = Registry::of(&place).await.or_fail()?.push(&place, artifact, label).await.or_fail()?;
    let package = format!("{PACKAGE}@{VERSION}");
    let answer = json!({ "pushed": place.to_string(), "manifest": manifest.to_string(), "package": package });
    context.answer(&answer, || format!("The contract is at {place}. Fetch it with: wkg get {package}"));
    Ok(End::Success)
}

async fn pull(context: &Context, reference: &str, to: &Path, force: bool) -> Result<End> {
    let place = Place::parse(reference).or_fail()?;
    let beside = Signature::place_beside(to);
    if !force {
        // Said before anything is fetched; that nothing is overwritten is seen to when it is written.
        [to, &beside].into_iter().try_for_each(need_nothing_at)?;
    }
    let Pulled { artifact: Artifact { component, signature }, manifest } =
        Registry::of(&place).await.or_fail()?.pull(&place).await.or_fail()?;
    let keys = &context.config.connectors.trusted_keys;
    keys.check(&component, signature.as_ref()).or_fail()?;
    // First, so that whatever comes between leaves no signature beside a component that it is not of.
    if force {
        remove(&beside)?;
    }
    write(to, &component, force)?;
    if let Some(signature) = &signature {
        write(&beside, signature.text().as_bytes(), force)?;
    }
    let standing = match &signature {
        None => "none",
        Some(_) if keys.ask_for_signature() => "trusted",
        Some(_) => "unchecked",
    };
    let answer = json!({
        "pulled": place.to_string(), "manifest": manifest, "component": Digest::of(&component).to_string(),
        "signature": standing, "file": to,
    });
    context.answer(&answer, || {
        let signed = match standing {
            "trusted" => "signed with a trusted key",
            "unchecked" => "signed; nobody has looked by whom, since `trusted-keys` names nobody",
            _ => "not signed",
        };
        format!("{} is {place}, {signed}. Always the same: {}", to.display(), unchanging(&place, &manifest))
    });
    Ok(End::Success)
}

/// The place that can never hold anything else.
fn unchanging(place: &Place, manifest: &dyn std::fmt::Display) -> String {
    format!("{}/{}@{manifest}", place.registry(), place.name())
}

fn need_nothing_at(file: &Path) -> Result<()> {
    match file.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unwritable(file, &error)),
        Ok(_) => Err(there_already(file)),
    }
}

/// Writes a file, all of it or nothing.
fn write(file: &Path, bytes: &[u8], force: bool) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let written = builder.tempfile_in(folder).and_then(|mut new| {
        new.write_all(bytes)?;
        new.as_file().sync_all()?;
        let named = if force { new.persist(file) } else { new.persist_noclobber(file) };
        named.map(drop).map_err(|refused| refused.error)
    });
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => there_already(file),
        _ => unwritable(file, &error),
    })
}

fn remove(file: &Path) -> Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(unwritable(file, &error)),
        _ => Ok(()),
    }
}

fn there_already(file: &Path) -> Failure {
    Failure {
        code: "registry-file-exists".to_owned(),
        message: format!(
            "{} is there already; name another file, or replace it with --force",
            file.display()
        ),
    }
}

fn unwritable(file: &Path, error: &std::io::Error) -> Failure {
    Failure {
        code: "registry-file".to_owned(),
        message: format!("{} cannot be written: {error}; check its folder and the disk", file.display()),
    }
}

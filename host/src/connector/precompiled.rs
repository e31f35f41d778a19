//! Compiled components, kept on disk: compiling takes a fraction of a second for each component and each
//! start of the program, loading what was compiled a tenth of a millisecond.
//!
//! A file is named by the component's digest and by the engine's compatibility hash, so that another
//! component, another wasmtime or other settings never meet it. A file that cannot be used is made
//! again; nothing depends on this cache but time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Where compiled components are.
#[derive(Clone)]
pub(super) struct Precompiled {
    directory: PathBuf,
}

impl Precompiled {
    /// Opens the directory, making it for this user alone where it is not there.
    pub(super) fn new(directory: &Path) -> std::io::Result<Self> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(directory)?;
        Ok(Self { directory: directory.to_owned() })
    }

    fn path(&self, engine: &Engine, digest: &str) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        self.directory.join(format!("{digest}-{:016x}.cwasm", hasher.finish()))
    }

    /// The compiled component, if it is here, whole and ours.
    pub(super) fn load(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let path = self.path(engine, digest);
        let compiled = std::fs::read(&path).ok()?;
        let written = std::fs::read_to_string(path.with_extension("sha256")).ok()?;
        if !only_ours(&path) || written.trim() != hex::encode(Sha256::digest(&compiled)) {
            tracing::warn!(file = %path.display(), "a compiled component on disk is damaged or not ours alone; it is made again");
            return None;
        }
        deserialize(engine, &compiled)
            .inspect_err(
                |error| tracing::warn!(%error, "a compiled component cannot be used; it is made again"),
            )
            .ok()
    }

    /// Keeps a compiled component. Each file appears whole or not at all.
    pub(super) fn keep(&self, engine: &Engine, digest: &str, component: &Component) {
        let path = self.path(engine, digest);
        let kept = component.serialize().map_err(std::io::Error::other).and_then(|compiled| {
            self.write(&path, &compiled)?;
            self.write(&path.with_extension("sha256"), hex::encode(Sha256::digest(&compiled)).as_bytes())
        });
        if let Err(error) = kept {
            tracing::warn!(%error, "a compiled component was not kept; the next start compiles it again");
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(bytes)?;
        file.persist(path)?;
        Ok(())
    }
}

/// Whether nobody but the file's owner can write it, nor the directory it is in.
#[cfg(unix)]
fn only_ours(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let private = |path: &Path| std::fs::metadata(path).is_ok_and(|found| found.mode() & 0o022 == 0);
    private(path) && path.parent().is_some_and(private)
}

#[cfg(not(unix))]
fn only_ours(_: &Path) -> bool {
    true
}

/// The only unsafe code of this program.
#[expect(unsafe_code, reason = "wasmtime trusts the bytes; see SAFETY")]
fn deserialize(engine: &Engine, compiled: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: wasmtime asks that the bytes come from `Component::serialize` of a compatible engine and
    // have not been changed since. They were written by `keep`, the only writer, into a file that is
    // named by the engine's compatibility hash and appeared whole (temporary file, then rename); their
    // SHA-256 was written beside them then and has just been compared over the very bytes that are
    // handed over (not over a file that could change meanwhile); and neither the file nor its directory
    // can be written by anybody but the user this program runs as, who could as well change the
    // program. wasmtime itself checks its version and settings once more.
    unsafe { Component::deserialize(engine, compiled) }
}

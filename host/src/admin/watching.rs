//! A folder of components, for whoever writes connectors: one that changes is added, and the integrations that use its
//! connector are given it, by the checks of an upgrade. What differs is said in the log, and done.
//!
//! What lies there at the beginning is taken as known. A file that is being written is looked at once it has been quiet for
//! a moment; one that cannot be loaded is looked at again when it changes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Admin;
use crate::access::{Caller, Role, Scope};
use crate::connector::component_name;
use crate::error::{ErrorCode, Failure};
use crate::signature::Signature;
use crate::sync::Service;
use crate::upgrade::{Comparison, UpgradeTerms, Upgraded};

/// How long nothing may have changed before a file is taken to be whole.
const QUIET: Duration = Duration::from_millis(300);

/// Why a folder cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error(
    "the folder {folder} of `watch-connectors` cannot be watched ({problem}); make it, or leave the setting out"
)]
pub struct WatchError {
    folder: String,
    problem: String,
}

impl ErrorCode for WatchError {
    fn code(&self) -> &'static str {
        "watch-folder"
    }
}

/// A folder that is watched.
pub struct Watching {
    folder: PathBuf,
    /// It tells of nothing once it is dropped.
    _watcher: RecommendedWatcher,
    changed: mpsc::Receiver<()>,
    /// What each file held when it was last looked at.
    known: HashMap<PathBuf, String>,
}

impl Watching {
    /// Begins to watch a folder.
    ///
    /// # Errors
    /// It is not there, or the system does not tell of it.
    pub fn start(folder: &Path) -> Result<Self, WatchError> {
        let refused = |problem: String| WatchError { folder: folder.display().to_string(), problem };
        let (tell, changed) = mpsc::channel(1);
        let told = move |event: notify::Result<Event>| {
            // Where something got lost, everything is looked at.
            let is_of_components = event.map_or(true, |event| {
                !event.kind.is_access() && event.paths.iter().any(|path| is_component(path))
            });
            if is_of_components {
                // If it is full, somebody is about to look anyway.
                let _ = tell.try_send(());
            }
        };
        let mut watcher = notify::recommended_watcher(told).map_err(|error| refused(error.to_string()))?;
        watcher.watch(folder, RecursiveMode::NonRecursive).map_err(|error| refused(error.to_string()))?;
        let there = components(folder).map_err(|error| refused(error.to_string()))?;
        let known = there
            .into_iter()
            .filter_map(|path| Some((path.clone(), component_name(&std::fs::read(path).ok()?))));
        Ok(Self { folder: folder.to_owned(), _watcher: watcher, changed, known: known.collect() })
    }

    /// Takes what changes, until `stop`.
    pub async fn go_on(mut self, service: Service, stop: CancellationToken) {
        let caller = Caller { who: "watch-connectors".to_owned(), role: Role::Operator, scope: Scope::All };
        let admin = Admin::new(service, caller);
        while stop.run_until_cancelled(self.next_change()).await.flatten().is_some() {
            self.look(&admin).await;
        }
    }

    /// Waits until something has changed, and then nothing for a moment.
    async fn next_change(&mut self) -> Option<()> {
        self.changed.recv().await?;
        while let Ok(told) = tokio::time::timeout(QUIET, self.changed.recv()).await {
            told?;
        }
        Some(())
    }

    async fn look(&mut self, admin: &Admin) {
        let there = match components(&self.folder) {
            Ok(there) => there,
            Err(error) => {
                let folder = self.folder.display();
                return warn!(code = "watch-folder", %folder, %error, "the watched folder cannot be read");
            }
        };
        self.known.retain(|path, _| there.contains(path));
        for path in there {
            // One that is just being replaced comes again.
            let Ok(component) = tokio::fs::read(&path).await else { continue };
            let name = component_name(&component);
            if self.known.insert(path.clone(), name.clone()).is_none_or(|before| before != name) {
                take(admin, &path, component).await;
            }
        }
    }
}

fn components(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        found.extend(Some(entry?.path()).filter(|path| is_component(path)));
    }
    found.sort();
    Ok(found)
}

fn is_component(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm")
}

/// Gives a component to the integrations that use its connector.
async fn take(admin: &Admin, path: &Path, component: Vec<u8>) {
    if let Err(Failure { code, message }) = given(admin, path, component).await {
        warn!(code, file = %path.display(), "a component of the watched folder is not used: {message}");
    }
}

async fn given(admin: &Admin, path: &Path, component: Vec<u8>) -> Result<(), Failure> {
    // It is loaded before it is added: one that is half written is nothing that somebody did.
    let connector = Box::pin(admin.service.engine().load(&component)).await;
    let version = connector.map_err(super::failed)?.version();
    let using = admin.using(&version).await?;
    if using.is_empty() {
        info!(connector = version.id, "no integration uses this connector");
        return Ok(());
    }
    let signature = Signature::beside(path).map_err(super::failed)?;
    let connector = Box::pin(admin.add_connector(component, signature.as_ref())).await?;
    let terms = UpgradeTerms { accept_differences: true, ..UpgradeTerms::default() };
    for id in using {
        match Box::pin(admin.upgrade(&id, &connector, terms)).await {
            Ok(Upgraded { comparison, .. }) => {
                let words = comparison.as_ref().map(Comparison::in_words).unwrap_or_default();
                info!(integration = %id, connector = version.connector, "given the changed component: {words}");
            }
            Err(Failure { code, message }) => {
                warn!(integration = %id, code, "not given the changed component: {message}");
            }
        }
    }
    Ok(())
}

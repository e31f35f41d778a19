//! A loaded connector: a component of the right world, linked, with its description.
//!
//! Whether it is one is found by looking at what it exports, before anything is linked, so that the
//! refusal is a sentence and not a linker's.

use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime::component::{Component, InstancePre};

use super::aside::Aside;
use super::bindings::exported::{connector, contacts, deliveries, overviews, related};
use super::call::{self, Call};
use super::convert;
use super::environment::Shared;
use super::error::{CallError, LoadError};
use super::limits::Limits;
use super::pace::RateLimit;
use super::state::{CallState, Purpose};

/// The package of the contract that this host speaks.
pub const PACKAGE: &str = "sluice:crm-connector";

/// Its version. A component of any version on the same track (`0.1.x`) loads.
pub const VERSION: &str = "0.1.1";

/// What a connector says about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Stable: `lime`.
    pub id: String,
    /// For people: `Lime CRM`.
    pub name: String,
    /// The connector's own version.
    pub version: String,
    /// JSON Schema of the settings; `"writeOnly": true` marks a secret.
    pub settings_schema: serde_json::Value,
    /// Origins it wants, with settings in braces: `https://{settings.server}`.
    pub origins: Vec<String>,
    /// The field that is the contact's id.
    pub id_field: String,
    /// The field that is its e-mail address.
    pub email_field: String,
    /// The field that is its mobile number.
    pub mobile_field: Option<String>,
    /// Requests that the CRM allows.
    pub rate_limit: Option<RateLimit>,
    /// Room to grow.
    pub features: Vec<String>,
}

/// The optional interfaces, as a component exports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exports {
    /// The CRM sends changes.
    pub deliveries: bool,
    /// The CRM has lists of people.
    pub overviews: bool,
    /// Contacts show values of other records.
    pub related: bool,
}

/// A connector, ready to be called. Clones share it.
#[derive(Clone)]
pub struct Connector(pub(super) Arc<Loaded>);

pub(super) struct Loaded {
    pub(super) digest: String,
    pub(super) description: Description,
    pub(super) bound: Bound,
    pub(super) shared: Arc<Shared>,
    /// Those of `describe`.
    pub(super) limits: Arc<Limits>,
}

impl Connector {
    /// What it says about itself.
    pub fn description(&self) -> &Description {
        &self.0.description
    }

    /// Asks it to describe itself once more, as if it had been loaded anew.
    ///
    /// # Errors
    /// It does not come to an answer, or to one that cannot be taken.
    pub async fn describe_again(&self) -> Result<Description, CallError> {
        let Loaded { bound, limits, .. } = &*self.0;
        let told = Call::new("describe", bound, Purpose::Describe, limits).describe().await?;
        convert::description(told).map_err(|misfit| call::misfit("describe", limits, misfit))
    }

    /// What it offers beyond reading contacts.
    pub fn exports(&self) -> Exports {
        let Bound { deliveries, overviews, related, .. } = &self.0.bound;
        Exports {
            deliveries: deliveries.is_some(),
            overviews: overviews.is_some(),
            related: related.is_some(),
        }
    }

    /// The SHA-256 of its file, lower-case hex.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Connector")
            .field("id", &self.0.description.id)
            .field("digest", &self.0.digest)
            .finish()
    }
}

/// A component with its imports linked and the places of its exports known.
#[derive(Clone)]
pub(super) struct Bound {
    pub(super) pre: InstancePre<CallState>,
    /// The engine's room for calls, which all its connectors share.
    pub(super) room: Arc<Semaphore>,
    /// Where its long calls go, which all its connectors share, too.
    pub(super) aside: Arc<Aside>,
    pub(super) connector: connector::GuestIndices,
    pub(super) contacts: contacts::GuestIndices,
    pub(super) deliveries: Option<deliveries::GuestIndices>,
    pub(super) overviews: Option<overviews::GuestIndices>,
    pub(super) related: Option<related::GuestIndices>,
}

impl Bound {
    pub(super) fn new(
        pre: InstancePre<CallState>,
        names: &[String],
        room: Arc<Semaphore>,
        aside: Arc<Aside>,
    ) -> Result<Self, LoadError> {
        let has = |interface: &str| names.iter().any(|name| interface_of(name) == Some(interface));
        Ok(Self {
            room,
            aside,
            connector: connector::GuestIndices::new(&pre).map_err(|error| mismatch("connector", &error))?,
            contacts: contacts::GuestIndices::new(&pre).map_err(|error| mismatch("contacts", &error))?,
            deliveries: has("deliveries")
                .then(|| deliveries::GuestIndices::new(&pre).map_err(|error| mismatch("deliveries", &error)))
                .transpose()?,
            overviews: has("overviews")
                .then(|| overviews::GuestIndices::new(&pre).map_err(|error| mismatch("overviews", &error)))
                .transpose()?,
            related: has("related")
                .then(|| related::GuestIndices::new(&pre).map_err(|error| mismatch("related", &error)))
                .transpose()?,
            pre,
        })
    }
}

/// `sluice:crm-connector@0.1.1`.
pub(super) fn spoken() -> String {
    format!("{PACKAGE}@{VERSION}")
}

pub(super) fn mismatch(interface: &str, error: &wasmtime::Error) -> LoadError {
    LoadError::Mismatch {
        interface: interface.to_owned(),
        difference: error.root_cause().to_string(),
        spoken: spoken(),
    }
}

/// What kind of WebAssembly the bytes are, by their first eight.
pub(super) fn check_kind(wasm: &[u8]) -> Result<(), LoadError> {
    match wasm.get(..8) {
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => Err(LoadError::CoreModule),
        Some([0, b'a', b's', b'm', _, 0, 1, 0]) => Ok(()),
        _ => Err(LoadError::NotWasm),
    }
}

/// Whether the component is a connector of a version that this host speaks; the names of its exports.
pub(super) fn check_world(component: &Component) -> Result<Vec<String>, LoadError> {
    let engine = component.engine();
    let of = component.component_type();
    let exports: Vec<String> = of.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let imports: Vec<String> = of.imports(engine).map(|(name, _)| name.to_owned()).collect();
    check_names(&exports, &imports)?;
    Ok(exports)
}

fn check_names(exports: &[String], imports: &[String]) -> Result<(), LoadError> {
    let ours = exports
        .iter()
        .chain(imports)
        .filter_map(|name| Name::parse(name))
        .filter(|name| name.package == PACKAGE);
    for name in ours {
        if track(name.version) != track(VERSION) {
            return Err(LoadError::OtherVersion {
                found: format!("{PACKAGE}@{}", name.version),
                spoken: spoken(),
            });
        }
    }
    for missing in ["connector", "contacts"] {
        if !exports.iter().any(|name| interface_of(name) == Some(missing)) {
            let exports = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
            return Err(LoadError::NotAConnector { exports, missing, spoken: spoken() });
        }
    }
    for import in imports {
        let offered = match Name::parse(import) {
            Some(name) if name.package == PACKAGE => {
                ["types", "log", "settings", "session", "secrets", "http"].contains(&name.interface)
            }
            // What of WASI is offered is for the linker to say; it names what is missing.
            Some(name) => {
                ["wasi:io", "wasi:cli", "wasi:clocks", "wasi:random", "wasi:filesystem", "wasi:sockets"]
                    .contains(&name.package)
                    && track(name.version) == track("0.2.0")
            }
            None => false,
        };
        if !offered {
            return Err(LoadError::ForeignImport { import: import.clone(), spoken: spoken() });
        }
    }
    Ok(())
}

/// `package/interface@version`.
struct Name<'a> {
    package: &'a str,
    interface: &'a str,
    version: &'a str,
}

impl<'a> Name<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let (path, version) = name.split_once('@')?;
        let (package, interface) = path.split_once('/')?;
        Some(Self { package, interface, version })
    }
}

/// The interface, of a name in our package.
fn interface_of(name: &str) -> Option<&str> {
    Name::parse(name).filter(|name| name.package == PACKAGE).map(|name| name.interface)
}

/// The part of a version within which components stay loadable: `0.1` of 0.1.7, `2` of 2.3.4. A
/// pre-release is its own track.
fn track(version: &str) -> &str {
    if version.contains('-') {
        return version;
    }
    let dots = if version.starts_with("0.") { 2 } else { 1 };
    version.match_indices('.').nth(dots - 1).and_then(|(at, _)| version.get(..at)).unwrap_or(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn reader(version: &str) -> Vec<String> {
        names(&[
            &format!("sluice:crm-connector/connector@{version}"),
            &format!("sluice:crm-connector/contacts@{version}"),
        ])
    }

    #[test]
    fn any_version_on_the_track_is_spoken_and_no_other() {
        assert_eq!(check_names(&reader("0.1.0"), &[]), Ok(()));
        assert_eq!(check_names(&reader("0.1.9"), &names(&["wasi:io/poll@0.2.6"])), Ok(()));
        for other in ["0.2.0", "1.0.0", "0.1.0-draft"] {
            let refused = check_names(&reader(other), &[]).unwrap_err();
            assert_eq!(refused.code(), "component-other-version");
            let words = refused.to_string();
            assert!(words.contains(&format!("@{other}")) && words.contains("@0.1.1"), "{words}");
        }
    }

    #[test]
    fn what_is_no_connector_is_told_what_is_missing() {
        let refused = check_names(&names(&["sluice:crm-connector/connector@0.1.0"]), &[]).unwrap_err();
        assert!(refused.to_string().contains("not `contacts`"), "{refused}");
        let refused = check_names(&names(&["wasi:cli/run@0.2.6"]), &[]).unwrap_err();
        assert!(refused.to_string().contains("exports wasi:cli/run@0.2.6"), "{refused}");
        assert!(check_names(&[], &[]).unwrap_err().to_string().contains("exports nothing"));
    }

    #[test]
    fn a_foreign_import_is_named() {
        for import in ["wasi:http/outgoing-handler@0.2.6", "acme:extra/thing", "wasi:io/poll@0.3.0"] {
            let refused = check_names(&reader("0.1.0"), &names(&[import])).unwrap_err();
            assert!(refused.to_string().contains(import), "{refused}");
        }
    }

    #[test]
    fn the_kind_is_read_from_the_first_bytes() {
        assert_eq!(check_kind(b"\0asm\x01\0\0\0"), Err(LoadError::CoreModule));
        assert_eq!(check_kind(b"\0asm\x0d\0\x01\0"), Ok(()));
        assert_eq!(check_kind(b"#!/bin/sh"), Err(LoadError::NotWasm));
        assert_eq!(check_kind(b""), Err(LoadError::NotWasm));
    }
}

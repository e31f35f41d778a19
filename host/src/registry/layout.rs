//! How a component lies in a registry: a manifest with one layer, the component, and a small description of it.
//!
//! It is the "WASM OCI artifact" of the CNCF (<https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>), as
//! `wkg` writes it and reads it. A signature goes along as an annotation of the manifest, since there may be one layer only.
//! Pure: nothing is sent here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use oci_client::annotations::{ORG_OPENCONTAINERS_IMAGE_TITLE, ORG_OPENCONTAINERS_IMAGE_VERSION};
use oci_client::client::{Config, ImageLayer};
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest, OciManifest};
use serde::Serialize;
use wit_component::DecodedWasm;
use wit_parser::{PackageId, Resolve, WorldId, WorldItem, WorldKey};

use super::error::RegistryError;
use super::place::Place;
use crate::signature::Signature;

/// What the one layer is.
const LAYER: &str = "application/wasm";

/// What the description is.
const CONFIG: &str = "application/vnd.wasm.config.v0+json";

/// What every component begins with.
const PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";

/// The annotation of a manifest that holds the layer's signature, as minisign's file has it.
const SIGNATURE: &str = "se.sluice.signature.minisign";

/// What is sent to a registry, or was fetched from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The component.
    pub component: Vec<u8>,
    /// Its signature, if it has one.
    pub signature: Option<Signature>,
}

/// What others see of it in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// A file's name.
    pub title: String,
    /// Its version, where it is known.
    pub version: Option<String>,
}

/// What a WebAssembly file turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) kind: Kind,
    imports: Vec<String>,
    exports: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Component,
    /// Interfaces alone, encoded as a component.
    WitPackage,
}

impl Contents {
    /// Looks at a file; what is wrong with it, if it is neither.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, String> {
        // A core module would be read as a component that has nothing.
        if !bytes.starts_with(PREAMBLE) {
            return Err("it does not begin as one".to_owned());
        }
        match wit_component::decode(bytes) {
            Ok(DecodedWasm::Component(resolve, world)) => Ok(Self::of_world(&resolve, world)),
            Ok(DecodedWasm::WitPackage(resolve, package)) => Ok(Self::of_package(&resolve, package)),
            Err(error) => Err(format!("it cannot be read as one ({})", error.root_cause())),
        }
    }

    fn of_world(resolve: &Resolve, world: WorldId) -> Self {
        let names = |items: Vec<(&WorldKey, &WorldItem)>| {
            items.into_iter().map(|(key, _)| resolve.name_world_key(key)).collect()
        };
        let world = resolve.worlds.get(world);
        Self {
            kind: Kind::Component,
            imports: names(world.map(|world| world.imports.iter().collect()).unwrap_or_default()),
            exports: names(world.map(|world| world.exports.iter().collect()).unwrap_or_default()),
        }
    }

    fn of_package(resolve: &Resolve, package: PackageId) -> Self {
        let interfaces =
            resolve.packages.get(package).into_iter().flat_map(|package| package.interfaces.values());
        let exports = interfaces.filter_map(|interface| resolve.id_of(*interface)).collect();
        Self { kind: Kind::WitPackage, imports: Vec::new(), exports }
    }
}

/// The description, in the words of the artifact's specification.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WasmConfig<'a> {
    created: Timestamp,
    author: Option<&'a str>,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [&'a str; 1],
    component: WasmComponent<'a>,
}

#[derive(Serialize)]
struct WasmComponent<'a> {
    exports: &'a [String],
    imports: &'a [String],
    target: Option<&'a str>,
}

/// All that is sent for a component.
pub(super) struct Sending {
    pub(super) layer: ImageLayer,
    pub(super) config: Config,
    pub(super) manifest: OciImageManifest,
}

/// Lays a component out.
///
/// # Errors
/// The description has no JSON form.
pub(super) fn lay_out(
    artifact: Artifact,
    contents: &Contents,
    label: Label,
    now: Timestamp,
) -> Result<Sending, serde_json::Error> {
    let title = BTreeMap::from([(ORG_OPENCONTAINERS_IMAGE_TITLE.to_owned(), label.title)]);
    let layer = ImageLayer::new(artifact.component, LAYER.to_owned(), Some(title));
    let digest = layer.sha256_digest();
    let described = WasmConfig {
        created: now,
        author: None,
        architecture: "wasm",
        os: "wasip2",
        layer_digests: [&digest],
        component: WasmComponent { exports: &contents.exports, imports: &contents.imports, target: None },
    };
    let config = Config::new(serde_json::to_vec(&described)?, CONFIG.to_owned(), None);
    let version = label.version.map(|version| (ORG_OPENCONTAINERS_IMAGE_VERSION.to_owned(), version));
    let signature = artifact.signature.map(|signature| (SIGNATURE.to_owned(), signature.text().to_owned()));
    let annotations: BTreeMap<String, String> = version.into_iter().chain(signature).collect();
    let annotations = Some(annotations).filter(|annotations| !annotations.is_empty());
    let mut manifest = OciImageManifest::build(std::slice::from_ref(&layer), &config, annotations);
    manifest.media_type = Some(OCI_IMAGE_MEDIA_TYPE.to_owned());
    Ok(Sending { layer, config, manifest })
}

/// What a manifest says of its component. None of it is true yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) digest: String,
    pub(super) bytes: u64,
    pub(super) signature: Option<String>,
}

/// Reads a manifest.
///
/// # Errors
/// It is not one of a component.
pub(super) fn read(place: &Place, manifest: OciManifest) -> Result<Said, RegistryError> {
    let refuse = |problem: String| RegistryError::NoComponent { what: place.to_string(), problem };
    let OciManifest::Image(manifest) = manifest else {
        return Err(refuse("it is an index of several images".to_owned()));
    };
    if manifest.config.media_type != CONFIG {
        return Err(refuse(format!("it is {}, not {CONFIG}", plain(&manifest.config.media_type))));
    }
    let mut layers = manifest.layers.into_iter();
    let (Some(layer), None) = (layers.next(), layers.next()) else {
        return Err(refuse("it has not one layer, but none or several".to_owned()));
    };
    let OciDescriptor { media_type, digest, size, .. } = layer;
    if media_type != LAYER {
        return Err(refuse(format!("its layer is {}, not {LAYER}", plain(&media_type))));
    }
    let bytes = u64::try_from(size).map_err(|_| RegistryError::damaged(place, "its size is below zero"))?;
    let signature = manifest.annotations.and_then(|mut annotations| annotations.remove(SIGNATURE));
    Ok(Said { digest, bytes, signature })
}

/// A media type as it may be shown, whatever a registry has put there.
fn plain(media_type: &str) -> String {
    media_type.chars().filter(char::is_ascii_graphic).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    fn place() -> Place {
        Place::parse("registry.example.com/lime:1").unwrap()
    }

    /// The smallest component that there is.
    const EMPTY: &[u8] = PREAMBLE;

    fn manifest() -> OciImageManifest {
        let artifact = Artifact { component: EMPTY.to_vec(), signature: None };
        let label = Label { title: "lime.wasm".to_owned(), version: Some("1.2.0".to_owned()) };
        let contents = Contents::of(EMPTY).unwrap();
        lay_out(artifact, &contents, label, Timestamp::UNIX_EPOCH).unwrap().manifest
    }

    #[test]
    fn what_is_laid_out_is_read_again() {
        let said = read(&place(), manifest().into()).unwrap();
        assert_eq!((said.bytes, said.signature), (8, None));
        assert_eq!(said.digest, manifest().layers[0].digest);
        let text = serde_json::to_string(&manifest()).unwrap();
        for part in [LAYER, CONFIG, "\"org.opencontainers.image.version\":\"1.2.0\"", "lime.wasm"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_is_not_laid_out_so_is_refused() {
        let with = |change: &dyn Fn(&mut OciImageManifest)| {
            let mut manifest = manifest();
            change(&mut manifest);
            read(&place(), manifest.into()).map_err(|error| error.code())
        };
        for (found, code) in [
            (with(&|it| it.layers.clear()), "registry-no-component"),
            (with(&|it| it.layers.push(OciDescriptor::default())), "registry-no-component"),
            (with(&|it| it.layers[0].media_type = "text/plain\n".to_owned()), "registry-no-component"),
            (with(&|it| it.config.media_type = "application/json".to_owned()), "registry-no-component"),
            (with(&|it| it.layers[0].size = -1), "registry-damaged"),
        ] {
            assert_eq!(found, Err(code));
        }
    }

    #[test]
    fn only_a_component_is_one() {
        assert_eq!(Contents::of(EMPTY).unwrap().kind, Kind::Component);
        for bytes in [b"".as_slice(), b"\0asm\x01\0\0\0", b"#!/bin/sh", b"\0asm\x0d\0\x01\0\xff"] {
            assert!(Contents::of(bytes).is_err(), "{bytes:?}");
        }
    }
}

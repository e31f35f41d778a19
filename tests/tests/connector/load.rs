//! What is a connector, and what is refused before it is linked.

use std::collections::BTreeMap;

use sluice::connector::{Connection, ConnectionSettings, Engine, Exports, Limits, LoadError};
use sluice::error::ErrorCode;
use sluice::integration::{Grant, IntegrationId};

use super::{Stage, faulty};

#[tokio::test]
async fn a_connector_built_on_the_frozen_contract_describes_itself() {
    let stage = Stage::new().await;
    let description = stage.connector.description();
    assert_eq!((description.id.as_str(), description.name.as_str()), ("faulty", "Faulty"));
    assert_eq!(description.email_field, "email");
    assert_eq!(stage.connector.exports(), Exports { deliveries: true, overviews: true, related: false });
    assert_eq!(stage.connector.digest().len(), 64);
}

#[tokio::test]
async fn another_version_of_the_contract_is_refused_in_a_sentence() {
    let stage = Stage::new().await;
    let other = std::fs::read(env!("NEXT_WASM")).unwrap();
    let refused = stage.engine.load(&other).await.unwrap_err();
    assert_eq!(refused.code(), "component-other-version");
    assert_eq!(
        refused.to_string(),
        "this connector exports sluice:crm-connector@0.2.0; this host speaks sluice:crm-connector@0.1.1. Build the \
         connector against the contract sluice:crm-connector@0.1.1, or run a host that speaks \
         sluice:crm-connector@0.2.0"
    );
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let stage = Stage::new().await;
    let core_module = b"\0asm\x01\0\0\0";
    let empty_component = b"\0asm\x0d\0\x01\0";
    let mut damaged = faulty();
    damaged.truncate(damaged.len() / 2);
    for (wasm, code) in [
        (&core_module[..], "component-core-module"),
        (empty_component, "component-not-a-connector"),
        (b"#!/bin/sh\necho hello", "component-not-wasm"),
        (b"", "component-not-wasm"),
        (&damaged, "component-invalid"),
    ] {
        let refused = stage.engine.load(wasm).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
    }
}

#[tokio::test]
async fn a_component_that_has_the_name_and_not_the_shape_is_refused() {
    // The other version, claiming to be this one.
    let mut other = std::fs::read(env!("NEXT_WASM")).unwrap();
    let (from, to) = (b"crm-connector/connector@0.2.0", b"crm-connector/connector@0.1.0");
    replace(&mut other, from, to);
    replace(&mut other, b"crm-connector/contacts@0.2.0", b"crm-connector/contacts@0.1.0");
    replace(&mut other, b"crm-connector/log@0.2.0", b"crm-connector/log@0.1.0");
    let stage = Stage::new().await;
    let refused = stage.engine.load(&other).await.unwrap_err();
    assert!(matches!(&refused, LoadError::Mismatch { .. }), "{refused:?}");
    assert!(refused.to_string().contains("`connector`"), "{refused}");
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let mut found = 0;
    for at in 0..=bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
            found += 1;
        }
    }
    assert!(found > 0);
}

#[tokio::test]
async fn a_compiled_component_is_kept_and_one_that_was_tampered_with_is_made_again() {
    let cache = tempfile::tempdir().unwrap();
    let directory = cache.path().join("compiled");
    Engine::new(&directory).unwrap().load(&faulty()).await.unwrap();
    let kept: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|file| file.unwrap().path()).collect();
    let compiled = kept.iter().find(|path| path.extension().is_some_and(|end| end == "cwasm")).unwrap();
    assert_eq!(kept.len(), 2, "{kept:?}");
    let whole = std::fs::read(compiled).unwrap();

    // The second start uses the file, and so does not write it.
    let written = std::fs::metadata(compiled).unwrap().modified().unwrap();
    Engine::new(&directory).unwrap().load(&faulty()).await.unwrap();
    assert_eq!(std::fs::metadata(compiled).unwrap().modified().unwrap(), written);

    let mut tampered = whole.clone();
    let middle = tampered.len() / 2;
    tampered[middle] ^= 0xff;
    std::fs::write(compiled, &tampered).unwrap();
    Engine::new(&directory).unwrap().load(&faulty()).await.unwrap();
    assert_ne!(std::fs::read(compiled).unwrap(), tampered);
}

#[cfg(unix)]
#[tokio::test]
async fn a_compiled_component_that_others_can_write_is_not_trusted() {
    use std::os::unix::fs::PermissionsExt;
    let cache = tempfile::tempdir().unwrap();
    Engine::new(cache.path()).unwrap().load(&faulty()).await.unwrap();
    let compiled = std::fs::read_dir(cache.path())
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "cwasm"))
        .unwrap();
    std::fs::set_permissions(&compiled, std::fs::Permissions::from_mode(0o666)).unwrap();
    Engine::new(cache.path()).unwrap().load(&faulty()).await.unwrap();
    let mode = std::fs::metadata(&compiled).unwrap().permissions().mode();
    assert_eq!(mode & 0o022, 0, "it was made again, for its owner alone");
}

#[tokio::test]
async fn the_lime_connector_loads_and_opens() {
    let stage = Stage::new().await;
    let lime = stage.engine.load(&std::fs::read(env!("LIME_WASM")).unwrap()).await.unwrap();
    assert_eq!(lime.description().id, "lime");
    assert_eq!(lime.exports(), Exports { deliveries: true, overviews: true, related: true });
    let limit = lime.description().rate_limit.unwrap();
    assert_eq!((limit.requests, limit.seconds), (3_000, 300));

    let settings = ConnectionSettings {
        integration: IntegrationId("acme".into()),
        settings: BTreeMap::from([("url".into(), "https://acme.lime-crm.example/acme".into())]),
        secrets: BTreeMap::from([("api-key".into(), "key-of-acme".into())]),
        grant: Grant { origins: vec!["https://acme.lime-crm.example".into()], private_network: false },
        limits: Limits::from(&BTreeMap::new()).unwrap(),
    };
    let connection = Connection::open(&lime, settings).unwrap();
    let error = connection.check().await.unwrap_err();
    assert_eq!(error.code(), "crm-unavailable", "{error}");
}

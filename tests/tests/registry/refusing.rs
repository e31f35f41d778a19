//! What is not fetched, and not sent. Of what is refused, nothing is written.

use serde_json::{Value, json};

use crate::desk::{COMPONENT, Desk, component};
use crate::server::Server;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";

/// A manifest as it should be, of these bytes.
async fn manifest(server: &Server, bytes: &[u8]) -> Value {
    let config = server.put_blob("quill", CONFIG, b"{}").await;
    let layer = server.put_blob("quill", LAYER, bytes).await;
    json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] })
}

/// Fetches it; the code of why it was refused.
async fn refused(server: &Server, tag: &str) -> String {
    let desk = Desk::new();
    let place = server.place(&format!("quill:{tag}"));
    let code = desk.connector(&["pull", &place, "--to", &desk.at("quill.wasm")]).await.refused();
    assert_eq!(desk.read("quill.wasm"), None);
    code
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let server = Server::open().await;
    assert_eq!(refused(&server, "1").await, "registry-not-found");
    let good = manifest(&server, &component()).await;
    server.put_manifest("quill", "1", &good).await;
    assert_eq!(refused(&server, "2").await, "registry-not-found");

    // What the manifest is of is gone.
    std::fs::remove_file(server.kept(good["layers"][0]["digest"].as_str().unwrap())).unwrap();
    assert_eq!(refused(&server, "1").await, "registry-not-found");
}

#[tokio::test]
async fn a_registry_that_is_down_does_not_answer() {
    let (mut server, desk) = (Server::open().await, Desk::new());
    let place = server.place("quill:1");
    desk.connector(&["push", COMPONENT, &place]).await.done();
    server.stop().await;
    assert_eq!(refused(&server, "1").await, "registry-unreachable");
    assert_eq!(desk.connector(&["push", COMPONENT, &place]).await.refused(), "registry-unreachable");
}

#[tokio::test]
async fn a_manifest_of_something_else_is_no_component() {
    let server = Server::open().await;
    let good = manifest(&server, &component()).await;
    server.put_manifest("quill", "good", &good).await;
    let desk = Desk::new();
    let place = server.place("quill:good");
    desk.connector(&["pull", &place, "--to", &desk.at("quill.wasm")]).await.done();
    assert_eq!(desk.read("quill.wasm").unwrap(), component());

    let mut image = good.clone();
    image["config"]["mediaType"] = json!("application/vnd.oci.image.config.v1+json");
    let mut archive = good.clone();
    archive["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+gzip");
    let mut two = good.clone();
    two["layers"] = json!([good["layers"][0], good["layers"][0]]);
    for (tag, bad) in [("image", image), ("archive", archive), ("two", two)] {
        server.put_manifest("quill", tag, &bad).await;
        assert_eq!(refused(&server, tag).await, "registry-no-component", "{tag}");
    }
}

#[tokio::test]
async fn a_layer_of_something_else_is_no_component() {
    let server = Server::open().await;
    for (tag, bytes) in [("text", b"#!/bin/sh".as_slice()), ("module", b"\0asm\x01\0\0\0")] {
        let of_it = manifest(&server, bytes).await;
        server.put_manifest("quill", tag, &of_it).await;
        assert_eq!(refused(&server, tag).await, "registry-no-component", "{tag}");
    }
}

#[tokio::test]
async fn what_was_changed_in_the_registry_is_noticed() {
    let (server, desk) = (Server::open().await, Desk::new());
    let pushed = desk.connector(&["push", COMPONENT, &server.place("quill:1")]).await.done();
    let kept = server.kept(pushed["component"].as_str().unwrap());

    // One bit of it, at the end, where it is a component still.
    let mut bytes = component();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&kept, &bytes).unwrap();
    assert_eq!(refused(&server, "1").await, "registry-damaged");
    std::fs::write(&kept, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(refused(&server, "1").await, "registry-damaged");

    // The manifest itself, where it was named by its digest.
    let digest = pushed["manifest"].as_str().unwrap();
    let kept = server.kept(digest);
    let text = std::fs::read_to_string(&kept).unwrap();
    std::fs::write(&kept, text.replace("quill.wasm", "quilt.wasm")).unwrap();
    let place = format!("{}@{digest}", server.place("quill"));
    let code = desk.connector(&["pull", &place, "--to", &desk.at("quill.wasm")]).await.refused();
    // The registry looks at its manifests itself, before it gives one away.
    assert!(["registry-damaged", "registry-answer"].contains(&code.as_str()), "{code}");
    assert_eq!(desk.read("quill.wasm"), None);
}

#[tokio::test]
async fn what_is_too_large_or_not_as_large_as_it_says_is_refused() {
    let (server, desk) = (Server::open().await, Desk::new());
    let good = manifest(&server, &component()).await;
    for (tag, bytes, code) in [
        ("huge", (64 << 20) + 1, "registry-too-large"),
        ("less", component().len() - 1, "registry-damaged"),
        ("more", component().len() + 1, "registry-damaged"),
    ] {
        let mut lying = good.clone();
        lying["layers"][0]["size"] = json!(bytes);
        server.put_manifest("quill", tag, &lying).await;
        assert_eq!(refused(&server, tag).await, code, "{tag}");
    }
    let file = std::fs::File::create(desk.path("huge.wasm")).unwrap();
    file.set_len((64 << 20) + 1).unwrap();
    let ended = desk.connector(&["push", &desk.at("huge.wasm"), &server.place("quill:1")]).await;
    assert_eq!(ended.refused(), "registry-too-large");
}

#[tokio::test]
async fn what_is_no_component_or_no_place_is_not_sent() {
    let (server, desk) = (Server::open().await, Desk::new());
    let place = server.place("quill:1");
    let digest = format!("{}@sha256:{}", server.place("quill"), "0".repeat(64));
    let text = desk.write("text.wasm", "#!/bin/sh");
    let module = desk.write("module.wasm", b"\0asm\x01\0\0\0");
    for (file, place, code) in [
        (text.as_str(), place.as_str(), "registry-no-component"),
        (&module, &place, "registry-no-component"),
        (&desk.at("none.wasm"), &place, "component-unreadable"),
        (COMPONENT, "quill:1", "registry-place"),
        (COMPONENT, &server.place("quill"), "registry-place"),
        (COMPONENT, &digest, "registry-place"),
    ] {
        assert_eq!(desk.connector(&["push", file, place]).await.refused(), code, "{file} {place}");
    }
    assert_eq!(refused(&server, "1").await, "registry-not-found");
}

//! What is sent is what is fetched.

use serde_json::json;

use crate::desk::{COMPONENT, Desk, component};
use crate::server::{PASSWORD, Server, USER};

#[tokio::test]
async fn what_is_fetched_is_what_was_sent_by_tag_and_by_digest() {
    let (server, desk) = (Server::open().await, Desk::new());
    let place = server.place("acme/quill:1.2.0");
    let pushed = desk.connector(&["push", COMPONENT, &place]).await.done();
    assert_eq!((&pushed["pushed"], &pushed["signed"]), (&json!(place), &json!(false)));

    let pulled = desk.connector(&["pull", &place, "--to", &desk.at("by-tag.wasm")]).await.done();
    assert_eq!(desk.read("by-tag.wasm").unwrap(), component());
    assert_eq!(desk.read("by-tag.wasm.minisig"), None);
    assert_eq!(pulled["component"], pushed["component"]);
    assert_eq!(pulled["manifest"], pushed["manifest"]);
    assert_eq!(pulled["signature"], "none");

    // Another component under the same tag; under the digest there is still the first one.
    let other = env!("LIME_WASM");
    desk.connector(&["push", other, &place]).await.done();
    desk.connector(&["pull", &place, "--to", &desk.at("other.wasm")]).await.done();
    assert_eq!(desk.read("other.wasm").unwrap(), std::fs::read(other).unwrap());
    let digest = format!("{}@{}", server.place("acme/quill"), pushed["manifest"].as_str().unwrap());
    desk.connector(&["pull", &digest, "--to", &desk.at("by-digest.wasm")]).await.done();
    assert_eq!(desk.read("by-digest.wasm").unwrap(), component());
}

#[tokio::test]
async fn what_was_fetched_is_loaded_by_the_host() {
    let (server, desk) = (Server::open().await, Desk::new());
    let place = server.place("quill:1");
    desk.connector(&["push", COMPONENT, &place]).await.done();
    desk.connector(&["pull", &place, "--to", &desk.at("quill.wasm")]).await.done();
    let shown = desk.connector(&["inspect", &desk.at("quill.wasm"), "--data", &desk.at("data")]).await.done();
    assert!(shown["id"].is_string(), "{shown}");
}

#[tokio::test]
async fn it_lies_there_as_other_tools_have_it() {
    let (server, desk) = (Server::open().await, Desk::new());
    let pushed = desk.connector(&["push", COMPONENT, &server.place("quill:1")]).await.done();
    let manifest = server.manifest("quill", "1").await;
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!((layers.len(), &layers[0]["mediaType"]), (1, &json!("application/wasm")));
    assert_eq!(layers[0]["annotations"]["org.opencontainers.image.title"], "quill.wasm");
    let config = server.blob("quill", manifest["config"]["digest"].as_str().unwrap()).await;
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    assert_eq!((&config["architecture"], &config["os"]), (&json!("wasm"), &json!("wasip2")));
    assert_eq!(config["layerDigests"], json!([pushed["component"]]));
    assert!(config["created"].is_string());
    let named = |list: &str, begin: &str| {
        config["component"][list]
            .as_array()
            .unwrap()
            .iter()
            .any(|name| name.as_str().unwrap().starts_with(begin))
    };
    assert!(named("exports", "sluice:crm-connector/contacts@"), "{config}");
    assert!(named("imports", "sluice:crm-connector/http@"), "{config}");
}

#[tokio::test]
async fn a_file_that_is_there_is_replaced_only_when_that_is_asked_for() {
    let (server, desk) = (Server::open().await, Desk::new());
    let place = server.place("quill:1");
    desk.connector(&["push", COMPONENT, &place]).await.done();
    let to = desk.write("quill.wasm", "mine");
    assert_eq!(desk.connector(&["pull", &place, "--to", &to]).await.refused(), "registry-file-exists");
    assert_eq!(desk.read("quill.wasm").unwrap(), b"mine");
    // The signature of what was there would be one of other bytes.
    desk.write("quill.wasm.minisig", "old");
    desk.connector(&["pull", &place, "--to", &to, "--force"]).await.done();
    assert_eq!((desk.read("quill.wasm").unwrap(), desk.read("quill.wasm.minisig")), (component(), None));

    desk.write("new.wasm.minisig", "mine");
    let ended = desk.connector(&["pull", &place, "--to", &desk.at("new.wasm")]).await;
    assert_eq!(ended.refused(), "registry-file-exists");
    assert_eq!(desk.read("new.wasm"), None);
    let ended = desk.connector(&["pull", &place, "--to", &desk.at("no-folder/quill.wasm")]).await;
    assert_eq!(ended.refused(), "registry-file");
}

#[tokio::test]
async fn who_may_not_is_refused_and_who_may_is_known_by_the_environment_or_by_docker() {
    let server = Server::closed().await;
    let place = server.place("quill:1");
    let push = ["push", COMPONENT, &place];

    let nobody = Desk::new();
    assert_eq!(nobody.connector(&push).await.refused(), "registry-refused");

    let mut wrong = Desk::new();
    wrong.set("SLUICE_REGISTRY_USER", USER);
    assert_eq!(wrong.connector(&push).await.refused(), "registry-credentials");
    wrong.set("SLUICE_REGISTRY_PASSWORD", "wr0ng");
    let ended = wrong.connector(&push).await;
    assert!(!format!("{ended:?}").contains("wr0ng"), "{ended:?}");
    assert_eq!(ended.refused(), "registry-refused");

    let mut author = Desk::new();
    author.set("SLUICE_REGISTRY_USER", USER);
    author.set("SLUICE_REGISTRY_PASSWORD", PASSWORD);
    author.connector(&push).await.done();

    let pull = |desk: &Desk| desk.at("quill.wasm");
    let ended = nobody.connector(&["pull", &place, "--to", &pull(&nobody)]).await;
    assert_eq!(ended.refused(), "registry-refused");
    let docker = Desk::new();
    docker.write(
        "config.json",
        json!({ "auths": { &server.address: { "username": USER, "password": PASSWORD } } }).to_string(),
    );
    docker.connector(&["pull", &place, "--to", &pull(&docker)]).await.done();
    assert_eq!(docker.read("quill.wasm").unwrap(), component());
    docker.write("config.json", "{");
    let ended = docker.connector(&["pull", &place, "--to", &docker.at("again.wasm")]).await;
    assert_eq!(ended.refused(), "registry-credentials");
}

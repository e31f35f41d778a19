//! The contract in a registry, for authors of connectors and their tools.

use serde_json::json;
use sluice::connector::VERSION;
use wit_component::{DecodedWasm, WitPrinter};

use crate::desk::Desk;
use crate::server::Server;

#[tokio::test]
async fn the_contract_is_sent_as_a_package_that_others_read() {
    let (server, desk) = (Server::open().await, Desk::new());
    let place = server.place(&format!("acme/sluice/crm-connector:{VERSION}"));
    let pushed = desk.connector(&["push-wit", &place]).await.done();
    let package = format!("sluice:crm-connector@{VERSION}");
    assert_eq!(pushed["package"], json!(package));

    let manifest = server.manifest("acme/sluice/crm-connector", VERSION).await;
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["annotations"]["org.opencontainers.image.version"], VERSION);
    let layer = &manifest["layers"][0];
    assert_eq!(layer["mediaType"], "application/wasm");
    let bytes = server.blob("acme/sluice/crm-connector", layer["digest"].as_str().unwrap()).await;
    let DecodedWasm::WitPackage(resolve, id) = wit_component::decode(&bytes).unwrap() else {
        panic!("it is a component and no package");
    };
    assert_eq!(resolve.packages[id].name.to_string(), package);
    let mut printer = WitPrinter::default();
    printer.print(&resolve, id, &[]).unwrap();
    let text = printer.output.to_string();
    for part in [
        format!("package {package};"),
        "interface contacts {".to_owned(),
        "world complete {".to_owned(),
        // What its words mean goes along.
        "/// At most one for each consent type and channel: the one that holds.".to_owned(),
    ] {
        assert!(text.contains(&part), "{part}\n{text}");
    }
}

#[tokio::test]
async fn the_contract_is_sent_only_where_it_is_looked_for_and_is_no_connector() {
    let (server, desk) = (Server::open().await, Desk::new());
    let place = server.place(&format!("sluice/crm-connector:{VERSION}"));
    for other in [server.place("sluice/crm-connector:latest"), server.place(&format!("contract:{VERSION}"))] {
        assert_eq!(desk.connector(&["push-wit", &other]).await.refused(), "registry-place");
    }
    desk.connector(&["push-wit", &place]).await.done();
    let ended = desk.connector(&["pull", &place, "--to", &desk.at("contract.wasm")]).await;
    assert_eq!(ended.refused(), "registry-no-component");
    assert_eq!(desk.read("contract.wasm"), None);
}

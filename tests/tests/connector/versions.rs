//! The contract's versions: what was built on the first one works, and two tracks live side by side.

use std::path::Path;

use sluice::connector::{Connection, ConnectionSettings, Limits};
use sluice::integration::{Grant, IntegrationId};
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::{SECRET, Stage};

/// The first track, as it was given out.
#[allow(missing_docs, reason = "generated from the contract")]
mod first {
    wasmtime::component::bindgen!({ path: "../wit/frozen/0.1.0.wit", world: "reader" });
}

/// The track after it, as the tests imagine it.
#[allow(missing_docs, reason = "generated from the contract")]
mod next {
    wasmtime::component::bindgen!({ path: "guests/next/wit", world: "reader" });
}

use first::sluice::crm_connector as told;

fn read(wasm: &str) -> Vec<u8> {
    std::fs::read(Path::new(wasm)).unwrap()
}

#[tokio::test]
async fn a_connector_built_on_the_first_contract_reads_pages_in_this_host() {
    let people = axum::Router::new().route("/hello", axum::routing::get(|| async { "hello" })).route(
        "/people",
        axum::routing::get(|headers: axum::http::HeaderMap| async move {
            assert_eq!(headers["authorization"], format!("Bearer {SECRET}"));
            "1;anna@example.com\n2;bo@example.com\nnobody\n3;cilla@example.com\n"
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, people).await.unwrap() });

    let stage = Stage::new().await;
    let first = stage.engine.load(&read(env!("FIRST_WASM"))).await.unwrap();
    assert_eq!(first.description().id, "first");
    let settings = ConnectionSettings {
        integration: IntegrationId("first".into()),
        settings: [("url".to_owned(), url.clone().into())].into(),
        secrets: [("api-key".to_owned(), SECRET.into())].into(),
        grant: Grant { origins: vec![url], private_network: true },
        limits: Limits::from(&[].into()).unwrap(),
    };
    let connection = Connection::open(&first, settings).unwrap();
    assert_eq!(connection.check().await.unwrap(), ["the server says hello; signed: false"]);
    assert_eq!(connection.list_fields().await.unwrap()[0].name, "email");
    assert_eq!(connection.list_consents().await.unwrap()[0].name, "news");

    let page = connection.scan(None, 3).await.unwrap();
    assert_eq!((page.contacts.len(), page.discarded.len(), page.total), (2, 1, Some(4)));
    assert!(page.contacts[0].consents[0].given);
    let last = connection.scan(page.next.as_ref(), 3).await.unwrap();
    assert_eq!(last.contacts[0].id.0, "3");
    assert!(last.next.is_none());
    let found = connection.get(&[last.contacts[0].id.clone()]).await.unwrap();
    assert_eq!(found.len(), 1);
}

/// What both tracks import, in one store: each one's lines apart.
#[derive(Default)]
struct Host {
    lines_of_first: Vec<String>,
    lines_of_next: Vec<String>,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl told::types::Host for Host {}

impl told::log::Host for Host {
    fn log(&mut self, _: told::log::Level, message: String) {
        self.lines_of_first.push(message);
    }
}

impl told::settings::Host for Host {
    fn get(&mut self, name: String) -> Option<String> {
        Some(format!("the setting {name}"))
    }
}

impl told::session::Host for Host {
    fn get(&mut self, _: String) -> Option<String> {
        None
    }

    fn put(&mut self, _: String, _: String, _: u32) {}
}

impl told::secrets::Host for Host {
    fn verify_hmac_sha256(&mut self, _: String, _: Vec<u8>, _: Vec<u8>) -> bool {
        false
    }
}

impl told::http::Host for Host {
    fn fetch(&mut self, request: told::http::Request) -> Result<told::http::Response, told::http::Error> {
        assert_eq!(request.url, "the setting url/people");
        Ok(told::http::Response { status: 200, headers: Vec::new(), body: b"1;anna@example.com".to_vec() })
    }
}

impl next::sluice::crm_connector::log::Host for Host {
    fn log(&mut self, _: next::sluice::crm_connector::log::Level, message: String) {
        self.lines_of_next.push(message);
    }
}

#[test]
fn two_tracks_live_side_by_side_in_one_linker_and_each_finds_its_own() {
    let engine = Engine::default();
    let mut linker = Linker::<Host>::new(&engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker).unwrap();
    first::Reader::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host).unwrap();
    next::Reader::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host).unwrap();

    let first = Component::from_binary(&engine, &read(env!("FIRST_WASM"))).unwrap();
    let next = Component::from_binary(&engine, &read(env!("NEXT_WASM"))).unwrap();
    let mut store = Store::new(&engine, Host::default());
    let first = first::Reader::instantiate(&mut store, &first, &linker).unwrap();
    let next = next::Reader::instantiate(&mut store, &next, &linker).unwrap();

    let page = first.sluice_crm_connector_contacts().call_scan(&mut store, None, 10).unwrap().unwrap();
    assert_eq!(page.contacts[0].id, "1");
    let contacts = next.sluice_crm_connector_contacts().call_scan(&mut store).unwrap();
    assert_eq!((contacts[0].name.as_str(), contacts[0].emails.len()), ("Anna", 1));
    let described = first.sluice_crm_connector_connector().call_describe(&mut store).unwrap();
    assert_eq!(described.id, "first");
    assert_eq!(next.sluice_crm_connector_connector().call_describe(&mut store).unwrap(), "next");

    let host = store.data();
    assert_eq!(host.lines_of_first, ["page 1 of this session"]);
    assert_eq!(host.lines_of_next, ["scanned by the next track"]);
}

//! A CRM, or whoever is in its place, that wants to hold the host up or to fill it.

use std::sync::atomic::Ordering;

use sluice::connector::{Connection, ConnectionSettings, Limit, NextStep};
use sluice::contact::Value;
use sluice::error::ErrorCode;

use super::crm::{Crm, endless_headers};
use super::{Stage, Wish, scan_fails};

#[tokio::test]
async fn a_crm_that_drips_is_given_up_when_the_request_has_had_its_time() {
    let (stage, crm) = (Stage::new().await, Crm::start().await);
    let dripping = |wish: Wish| stage.open(Wish { target: Some(crm.at("/drips")), ..wish }.at(&crm.url));
    let request = dripping(Wish::new("fetches").limit("request-ms", 300).limit("wall-ms", 25_000));
    let error = scan_fails(&stage, &request).await;
    assert_eq!((error.code(), error.next_step()), ("crm-unavailable", NextStep::Retry { after: None }));
    assert!(error.to_string().contains("in time"), "{error}");

    // And with the whole call, where that ends first.
    let call = dripping(Wish::new("fetches").limit("wall-ms", 300).limit("cpu-ms", 100));
    assert_eq!(scan_fails(&stage, &call).await.code(), Limit::WallMs.code());
}

#[tokio::test]
async fn headers_without_end_are_read_no_further_than_they_may_be() {
    let stage = Stage::new().await;
    let (url, sent) = endless_headers().await;
    let error = scan_fails(&stage, &stage.open(Wish::new("fetches-url").at(&url))).await;
    assert_eq!(error.code(), "crm-unavailable", "{error}");
    // What was sent and not read is in the buffers of the two sockets.
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent < 16 << 20, "{sent} bytes sent");
}

#[tokio::test]
async fn deep_json_is_an_answer_that_cannot_be_read() {
    let (stage, crm) = (Stage::new().await, Crm::start().await);
    let lime = stage.engine.load(&std::fs::read(env!("LIME_WASM")).unwrap()).await.unwrap();
    let wish = Wish::new("none").at(&crm.url).settings();
    let settings =
        ConnectionSettings { settings: [("url".to_owned(), crm.at("/deep").into())].into(), ..wish };
    let connection = Connection::open(&lime, settings).unwrap();
    let error = connection.scan(None, 10).await.unwrap_err();
    assert_eq!(error.code(), "crm-malformed", "{error}");
}

#[tokio::test]
async fn deep_json_from_a_connector_stays_text() {
    let stage = Stage::new().await;
    let page = stage.with_fault("deep-json").scan(None, 10).await.unwrap();
    let Some(Value::Json(deep)) = page.contacts[0].fields.get("deep") else { panic!("{page:?}") };
    assert_eq!(deep.len(), 400_000);
    // Whoever would read it as JSON stops in time.
    assert!(serde_json::from_str::<serde_json::Value>(deep).is_err());
}

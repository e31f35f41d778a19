//! Opening a connection: settings, secrets and origins.

use secrecy::SecretString;
use serde_json::json;
use sluice::connector::{Connection, ConnectionSettings, OpenError};
use sluice::error::ErrorCode;

use super::{SECRET, Stage, Wish};

async fn refused(change: impl FnOnce(&mut ConnectionSettings)) -> OpenError {
    let stage = Stage::new().await;
    let mut settings = Wish::new("none").settings();
    change(&mut settings);
    let error = Connection::open(&stage.connector, settings).unwrap_err();
    assert!(error.to_string().starts_with("integration acme: "), "{error}");
    assert!(!error.to_string().contains(SECRET), "{error}");
    error
}

#[tokio::test]
async fn a_setting_is_checked_against_the_schema() {
    let missing = refused(|given| drop(given.settings.remove("fault"))).await;
    assert_eq!(missing.code(), "connection-setting");
    assert!(missing.to_string().contains("`fault` is missing"), "{missing}");

    let unknown = refused(|given| drop(given.settings.insert("faults".into(), json!("none")))).await;
    assert!(unknown.to_string().contains("`faults`") && unknown.to_string().contains("fault, "), "{unknown}");

    let wrong = refused(|given| drop(given.settings.insert("times".into(), json!("anna@example.com")))).await;
    assert!(wrong.to_string().contains("`times`") && wrong.to_string().contains("integer"), "{wrong}");
    assert!(!wrong.to_string().contains("anna"), "{wrong}");
}

#[tokio::test]
async fn a_secret_is_asked_for_by_name() {
    let missing = refused(|given| given.secrets.clear()).await;
    assert_eq!(missing.code(), "connection-secret");
    assert!(missing.to_string().contains("`api-key` is missing"), "{missing}");

    let unknown =
        refused(|given| drop(given.secrets.insert("apikey".into(), SecretString::from(SECRET)))).await;
    assert!(unknown.to_string().contains("api-key, webhook-secret"), "{unknown}");

    let empty = refused(|given| drop(given.secrets.insert("api-key".into(), SecretString::from("")))).await;
    assert!(empty.to_string().contains("is empty"), "{empty}");

    let in_the_open = refused(|given| drop(given.settings.insert("api-key".into(), json!(SECRET)))).await;
    assert!(in_the_open.to_string().contains("given as a setting"), "{in_the_open}");
}

#[tokio::test]
async fn an_origin_is_granted_or_the_connection_is_refused() {
    let missing = refused(|given| given.grant.origins.clear()).await;
    assert_eq!(missing.code(), "connection-not-granted");
    assert!(missing.to_string().contains("https://crm.example"), "{missing}");

    let plain = refused(|given| {
        given.settings.insert("url".into(), json!("http://crm.example"));
        given.grant.origins = vec!["http://crm.example".into()];
    })
    .await;
    assert_eq!(plain.code(), "connection-origin");
    assert!(plain.to_string().contains("https"), "{plain}");

    let no_origin = refused(|given| given.grant.origins.push("crm.example".into())).await;
    assert_eq!(no_origin.code(), "connection-origin");
}

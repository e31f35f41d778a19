//! Crashes, answers that break the contract, and the connector's own errors.

use std::time::Duration;

use sluice::change::Change;
use sluice::connector::{CallError, NextStep, SaidKind};
use sluice::contact::{ContactId, Cursor};
use sluice::error::ErrorCode;

use super::{SECRET, Stage, Wish, scan_fails, text};

#[tokio::test]
async fn pages_follow_their_cursors_to_the_end() {
    let stage = Stage::new().await;
    let connection = stage.with_fault("none");
    let (mut ids, mut after): (Vec<String>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let page = connection.scan(after.as_ref(), 10).await.unwrap();
        assert_eq!(page.total, Some(25));
        ids.extend(page.contacts.into_iter().map(|contact| contact.id.0));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(ids, (1..=25).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_crash_says_where_and_what_without_telling_on_anybody() {
    let stage = Stage::new().await;
    let connection = stage.open(Wish::new("panics").target(SECRET));
    let error = scan_fails(&stage, &connection).await;
    assert_eq!((error.code(), error.next_step()), ("connector-crashed", NextStep::GiveUp));
    let words = error.to_string();
    assert!(words.contains("no such person as [e-mail] with key [secret]"), "{words}");
    assert!(words.contains("misbehave"), "the place is named: {words}");
    assert!(!words.contains("anna") && !words.contains(SECRET), "{words}");
}

#[tokio::test]
async fn recursion_and_exit_are_crashes_too() {
    let stage = Stage::new().await;
    for fault in ["recurses", "exits"] {
        let error = scan_fails(&stage, &stage.with_fault(fault)).await;
        assert_eq!(error.code(), "connector-crashed", "{fault}: {error}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_the_contract_is_named_by_its_field() {
    let stage = Stage::new().await;
    for (fault, place) in [
        ("twice", "contacts[1].id"),
        ("no-id", "contacts[1].id"),
        ("bad-time", "contacts[0].modified-at"),
        ("field-twice", "contacts[0].fields[2].name"),
        ("empty-cursor", "next"),
    ] {
        let error = scan_fails(&stage, &stage.with_fault(fault)).await;
        let CallError::Malformed { field, .. } = &error else { panic!("{fault}: {error:?}") };
        assert_eq!(field, place, "{fault}");
        assert!(!error.to_string().contains("anna"), "{error}");
    }
    let error = stage.with_fault("another").get(&[ContactId("1".into())]).await.unwrap_err();
    assert_eq!(error.code(), "connector-malformed");
}

#[tokio::test]
async fn each_kind_of_the_connectors_errors_has_its_next_step() {
    let stage = Stage::new().await;
    let retry = NextStep::Retry { after: Some(Duration::from_millis(1_500)) };
    for (fault, said, code, next) in [
        ("says-unauthorized", SaidKind::Unauthorized, "crm-unauthorized", NextStep::StopUntilMended),
        ("says-misconfigured", SaidKind::Misconfigured, "crm-misconfigured", NextStep::StopUntilMended),
        ("says-rate-limited", SaidKind::RateLimited, "crm-rate-limited", retry),
        ("says-unavailable", SaidKind::Unavailable, "crm-unavailable", retry),
        ("says-cursor-expired", SaidKind::CursorExpired, "crm-cursor-expired", NextStep::StartAgain),
        ("says-malformed", SaidKind::Malformed, "crm-malformed", NextStep::GiveUp),
        ("says-unsupported", SaidKind::Unsupported, "crm-unsupported", NextStep::GiveUp),
        ("says-other", SaidKind::Other, "crm-error", NextStep::GiveUp),
    ] {
        let error = scan_fails(&stage, &stage.with_fault(fault)).await;
        assert_eq!((error.code(), error.next_step()), (code, next));
        let CallError::Said { kind, details, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*kind, said);
        assert_eq!(details, &[("http.status".to_owned(), "502".to_owned())]);
        assert_eq!(error.to_string(), "scan: The CRM said so.");
    }
}

#[tokio::test]
async fn the_other_functions_are_there_too() {
    let stage = Stage::new().await;
    let connection = stage.with_fault("none");
    assert_eq!(connection.check().await.unwrap(), ["fault none at https://crm.example"]);
    assert_eq!(connection.list_fields().await.unwrap()[0].name, "email");
    assert!(connection.list_consents().await.unwrap().is_empty());
    let ids = [ContactId("7".into()), ContactId("8".into())];
    let contacts = connection.get(&ids).await.unwrap();
    assert_eq!(contacts.into_iter().map(|contact| contact.id).collect::<Vec<_>>(), ids);
    let changed = connection.scan_changed(jiff::Timestamp::UNIX_EPOCH, None, 10).await.unwrap_err();
    assert_eq!(changed.code(), "crm-unsupported");
    assert_eq!(connection.list_overviews().await.unwrap()[0].id, "1");
    assert_eq!(connection.read_members("1", None, 2).await.unwrap().contacts.len(), 2);
    assert_eq!(
        connection.subscribe("https://sluice.example/x").await.unwrap(),
        "subscription to https://sluice.example/x"
    );
    connection.unsubscribe("1").await.unwrap();
}

#[tokio::test]
async fn a_delivery_is_genuine_under_the_secret_and_under_the_one_before() {
    use hmac::{Hmac, KeyInit, Mac};
    use secrecy::SecretString;
    use sluice::change::Delivery;
    use sluice::connector::Connection;

    let stage = Stage::new().await;
    let mut settings = Wish::new("none").settings();
    settings.secrets.insert("webhook-secret".into(), SecretString::from("new"));
    settings.secrets.insert("webhook-secret.previous".into(), SecretString::from("old"));
    let connection = Connection::open(&stage.connector, settings).unwrap();
    let delivery = |secret: &str| {
        let mac =
            Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(b"17").finalize();
        let mac = hex::encode(mac.into_bytes());
        Delivery { headers: vec![("x-mac".into(), mac)], query: String::new(), body: b"17".to_vec() }
    };
    for genuine in ["new", "old"] {
        let proof = connection.verify(&delivery(genuine)).await.unwrap();
        assert_eq!(proof.id.as_deref(), Some("delivery-1"));
        assert_eq!(proof.sent_at.unwrap().as_second(), 1_700_000_000);
    }
    assert_eq!(connection.verify(&delivery("forged")).await.unwrap_err().code(), "crm-unauthorized");
    assert_eq!(
        connection.receive(&delivery("new")).await.unwrap(),
        [Change::Touched(ContactId("17".into()))]
    );
}

#[tokio::test]
async fn nothing_is_left_for_the_next_call_but_the_session() {
    let stage = Stage::new().await;
    let forgets = stage.with_fault("keeps-in-memory");
    let remembers = stage.with_fault("remembers");
    for n in 0..3 {
        assert_eq!(text(forgets.scan(None, 1).await.unwrap()), "0");
        assert_eq!(text(remembers.scan(None, 1).await.unwrap()), n.to_string());
    }
    // The session is the integration's, not the connection's, and goes with its credentials.
    assert_eq!(text(stage.with_fault("remembers").scan(None, 1).await.unwrap()), "3");
    let mut changed = Wish::new("remembers").settings();
    changed.secrets.insert("api-key".into(), "another".into());
    let changed = sluice::connector::Connection::open(&stage.connector, changed).unwrap();
    assert_eq!(text(changed.scan(None, 1).await.unwrap()), "0");
}

#[tokio::test]
async fn a_connector_finds_no_environment_no_files_and_no_network() {
    let stage = Stage::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let found = text(stage.open(Wish::new("looks-around").target(address)).scan(None, 1).await.unwrap());
    assert_eq!(found, "variables 0 arguments 0 root false file false socket false input 0 clock true");
}

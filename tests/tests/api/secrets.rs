//! Secrets over the API: they go in, and never come out. And an integration that is put with its secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use sluice::access::Caller;
use sluice::admin::Admin;
use sluice::data_dir::DataDir;
use sluice::integration::{Integration, IntegrationId};
use sluice::keys::KeySource;
use sluice::secret::SecretName;
use sluice::store::{Expected, SqliteStore, Store};
use sluice::sync::Service;
use sluice_sandbox::{ApsisSwitches, SandboxConfig};
use sluice_tests::live::{Live, On};
use sluice_tests::rig::{ACME, found_below, made_up};

use crate::asking::Asker;
use crate::sealed::{stored, values};

/// Made up, so that finding it anywhere means that it was told.
const VALUE: &str = "correct-horse-battery-staple-å";

/// A host that was given a key, with an integration whose secrets are in variables.
async fn host() -> Live {
    let apsis = ApsisSwitches { tokens_per_minute: 1_000, ..ApsisSwitches::default() };
    let mut live = Live::still(On::Sqlite.url(), SandboxConfig { apsis, ..made_up(5) }, |text| text).await;
    let (_, key) = live.new_key().await;
    live.give_keys(&[&key]);
    live.serve().await;
    live
}

fn at(name: &str) -> String {
    format!("/integrations/{ACME}/secrets/{name}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_goes_in_and_never_comes_out() {
    let live = host().await;
    let operator = Asker::with(&live, "operator", &[]).await;
    let put = async |name: &str, body: Value| operator.ask(Method::PUT, &at(name)).body(body).send().await;
    let set = put("spare", json!({ "value": VALUE })).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.text);
    let record = set.well();
    assert_eq!(
        (&record["name"], record["set-by"].as_str().map(|by| by.starts_with("token "))),
        (&json!("spare"), Some(true))
    );
    assert_eq!(operator.get(&format!("/integrations/{ACME}/secrets")).await.well(), json!([record]));

    // What cannot be, and says so without the value.
    let mut said = set.text;
    for (name, body, problem) in [
        ("spare", json!({ "value": "" }), (422, "secret-setting")),
        ("spare", json!({ "value": VALUE.repeat(1_000) }), (422, "secret-setting")),
        (VALUE, json!({ "value": "s" }), (422, "secret-setting")),
        ("spare", json!({ "value": [VALUE] }), (400, "request-malformed")),
        ("spare", json!(VALUE), (400, "request-malformed")),
        ("spare", json!({ "value": "s", "extra": VALUE }), (400, "request-malformed")),
    ] {
        let answered = put(name, body).await;
        assert_eq!(answered.problem(), (problem.0, problem.1.to_owned()));
        said.push_str(&answered.text);
    }
    let keyed = operator.ask(Method::PUT, &at("spare")).body(json!({ "value": VALUE }));
    let keyed = keyed.header("idempotency-key", "k").send().await;
    assert_eq!(keyed.problem(), (422, "idempotency-key-not-taken".to_owned()));
    let elsewhere =
        operator.ask(Method::PUT, "/integrations/nobody/secrets/a").body(json!({ "value": VALUE }));
    assert_eq!(elsewhere.send().await.problem().1, "integration-unknown");
    assert_eq!(operator.ask(Method::POST, "/secrets/rotate").send().await.well()["rotated"], 0);

    // Every answer that can be had of it, and what is written down.
    let description = Asker::nobody(&live).get("/openapi.json").await.well();
    for path in description["paths"].as_object().unwrap().keys() {
        let path =
            path.trim_start_matches("/api/v1").replace("{integration}", ACME).replace("{secret}", "spare");
        said.push_str(&operator.get(&path).await.text);
    }
    assert!(said.contains("secret.set") && said.contains("\"spare\""), "the journal was read: {said}");
    assert!(!said.contains("correct-horse"), "{said}");
    for directory in [live.data(), live.path("log")] {
        let bytes = std::fs::read(&directory).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains("correct-horse"));
        assert!(!found_below(&directory, "correct-horse"));
    }

    let gone = async |name: &str| operator.ask(Method::DELETE, &at(name)).send().await;
    assert_eq!(gone("spare").await.status, StatusCode::NO_CONTENT);
    assert_eq!(gone("spare").await.problem(), (404, "secret-unknown".to_owned()));
    assert_eq!(operator.get(&format!("/integrations/{ACME}/secrets")).await.well(), json!([]));
}

/// Whoever is for some integrations may not point them at the host's variables and files; what they put into the store
/// themselves is theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_scope_reaches_the_secrets_of_its_own_integrations() {
    let live = host().await;
    let own = Asker::with(&live, "operator", &[ACME]).await;
    let other = Asker::with(&live, "operator", &["somebody-else"]).await;
    let secret = json!({ "value": live.sandbox.apsis_client_secret() });
    let refused = other.ask(Method::PUT, &at("apsis")).body(secret.clone()).send().await;
    assert_eq!(refused.problem(), (403, "out-of-scope".to_owned()));
    own.ask(Method::PUT, &at("apsis")).body(secret).send().await.well();

    let acme = format!("/integrations/{ACME}");
    let seen = own.get(&acme).await;
    let put = async |place: Value| {
        let mut changed = seen.json();
        changed["apsis"]["client-secret"] = place;
        let etag = own.get(&acme).await.etag();
        own.ask(Method::PUT, &acme).header("if-match", etag).body(changed).send().await
    };
    assert_eq!(put(json!({ "env": "HOME" })).await.problem(), (403, "out-of-scope".to_owned()));
    assert_eq!(
        put(json!({ "stored": "Not a name" })).await.problem(),
        (422, "integration-setting".to_owned())
    );
    assert_eq!(
        put(json!({ "stored": "apsis" })).await.well()["apsis"]["client-secret"],
        json!({ "stored": "apsis" })
    );
    let findings = own.ask(Method::POST, &format!("{acme}/check")).send().await.well();
    assert!(findings.as_array().unwrap().iter().all(|finding| finding["ok"] == true), "{findings}");
    // It is needed now.
    let needed = own.ask(Method::DELETE, &at("apsis")).send().await;
    assert_eq!(needed.problem(), (409, "secret-in-use".to_owned()));
}

/// As the form does that enables an integration.
#[tokio::test(flavor = "multi_thread")]
async fn an_integration_is_put_with_its_secrets_or_not_at_all() {
    let live = Live::still(None, made_up(5), stored).await;
    let data = DataDir::open(live.path("another")).unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&data.database()).unwrap());
    let service = Service::new(data, Arc::clone(&store), None).unwrap();
    let integration = Integration::read(&live.path("acme.toml")).unwrap();
    let secrets = || -> BTreeMap<SecretName, SecretString> {
        let values = values(&live).into_iter();
        values.map(|(name, value)| (SecretName(name.to_owned()), SecretString::from(value))).collect()
    };
    let keyless = Admin::new(service.clone(), Caller::local());
    let none =
        keyless.apply_with_secrets(integration.clone(), secrets(), Expected::Absent).await.unwrap_err();
    assert_eq!(none.code, "secret-keys-none");

    let (_, key) = live.new_key().await;
    let service = service.with_keys(KeySource::Variable(SecretString::from(key)));
    let admin = Admin::new(service.clone(), Caller::local());
    let id = IntegrationId(ACME.to_owned());
    let mut wrong = secrets();
    wrong.insert(SecretName("A value, in the wrong place".to_owned()), SecretString::from("s"));
    let refused = admin.apply_with_secrets(integration.clone(), wrong, Expected::Absent).await.unwrap_err();
    assert_eq!(refused.code, "secret-setting");
    let late =
        admin.apply_with_secrets(integration.clone(), secrets(), Expected::Revision(7)).await.unwrap_err();
    assert_eq!(late.code, "integration-changed");
    assert!(store.integrations().await.unwrap().is_empty());

    // Both sides were asked with what was not stored yet.
    let applied = admin.apply_with_secrets(integration.clone(), secrets(), Expected::Absent).await.unwrap();
    assert!(applied.unchecked.is_empty(), "{:?}", applied.unchecked);
    assert_eq!(admin.secrets(&id).await.unwrap().len(), 3);
    let mut findings = Vec::new();
    sluice::admin::checkup(&service, &applied.integration, &mut |finding| findings.push(finding)).await;
    assert!(findings.len() > 8 && findings.iter().all(|finding| finding.ok), "{findings:?}");
    let written = serde_json::to_string(&store.acts(&Default::default(), 100).await.unwrap()).unwrap();
    assert!(written.contains("with the secrets apsis, lime-key, webhook-secret"), "{written}");
    for text in values(&live).map(|(_, value)| value).iter().chain([&"in the wrong place".to_owned()]) {
        assert!(!written.contains(text.as_str()), "{written}");
    }
}

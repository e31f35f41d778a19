//! The client through its front door, against a real HTTP server.

mod bulk;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json as value;

use super::error::{Fault, Kind};
use super::retry::Policy;
use super::testserver::{Arrived, Does, Server, empty, json};
use super::*;
use crate::contact::{Channel, ContactId};
use crate::integration::{ApsisSettings, SameAddress, SecretRef};
use crate::profile::{AttributeId, AttributeValue, ConsentType, KeyspaceId, TagId, TopicId};
use crate::reason::ReasonCode;

const SECTION: &str = "usercreated.sections.nordics-a1b2c3d4e5";
const KEYSPACE: &str = "com.apsis1.keyspaces.crm-id";
const EMAIL: &str = "com.apsis1.attributes.email";
const SECRET: &str = "the-secret-of-the-key";

fn settings(url: &str) -> ApsisSettings {
    ApsisSettings {
        url: url.to_owned(),
        client_id: "b2f0c1de-0000-4000-8000-000000000001".to_owned(),
        client_secret: SecretRef::Env("APSIS_SECRET".to_owned()),
        section: "Nordics".to_owned(),
        keyspace: KEYSPACE.to_owned(),
        private_network: true,
        requests_per_second: 100,
        same_address: SameAddress::Leave,
    }
}

fn client(url: &str) -> Client {
    let policy = Policy {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(5),
        by_minute: Duration::from_millis(5),
        ..Policy::default()
    };
    Client::with_policy(&settings(url), SECRET.into(), policy, Duration::from_millis(40)).unwrap()
}

fn token(number: usize, seconds: i64) -> Does {
    let exp = jiff::Timestamp::now().as_second() + seconds;
    let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{exp},"n":{number}}}"#));
    json(
        200,
        value!({"access_token": format!("e30.{claims}.c2ln"), "expires_in": 86400, "token_type": "Bearer"}),
    )
}

/// Answers tokens and definitions; the rest is the test's.
fn account(request: &Arrived) -> Option<Does> {
    let items = |items| Some(json(200, value!({ "items": items })));
    let section = format!("/audience/sections/{SECTION}");
    match request.line.as_str() {
        "POST /oauth/token" => Some(token(0, 3600)),
        "GET /audience/keyspaces" => {
            items(value!([{"discriminator": KEYSPACE, "name": "CRM", "manage_subscriptions": true}]))
        }
        "GET /audience/sections" => items(value!([{"discriminator": SECTION, "name": "Nordics"}])),
        "GET /audience/channels" => items(value!([
            {"discriminator": "com.apsis1.channels.email", "name": "Email"},
            {"discriminator": "com.apsis1.channels.sms", "name": "SMS"}
        ])),
        line if *line == format!("GET {section}/attributes") => items(value!([
            {"discriminator": EMAIL, "name": "Email", "versions": [{"id": "312460200", "deprecated_at": null}]},
            {"discriminator": "city", "name": "City", "versions":
                [{"id": 312460201u32, "deprecated_at": "2022-05-01T08:00:00Z"}, {"id": 312460234u32}]},
            {"discriminator": "score", "name": "Score", "versions": [{"id": "7"}]}
        ])),
        line if *line == format!("GET /v2{section}/topics") => items(value!([
            {"discriminator": "news", "name": "Newsletter", "folder_discriminator": "f1"},
            {"discriminator": "offers-1", "name": "Offers", "channel_discriminator": "com.apsis1.channels.email"},
            {"discriminator": "offers-2", "name": "Offers", "folder_discriminator": "f2"}
        ])),
        _ => None,
    }
}

async fn target(answer: impl Fn(&Arrived) -> Does + Send + Sync + 'static) -> (Server, Target) {
    let server = Server::start(move |request| account(request).unwrap_or_else(|| answer(request))).await;
    let client = client(&server.url);
    let definitions = client.definitions().await.unwrap();
    let target = client.target(&definitions, &settings(&server.url)).unwrap();
    (server, target)
}

fn id(text: &str) -> ContactId {
    ContactId(text.to_owned())
}

fn email(address: &str) -> BTreeMap<AttributeId, AttributeValue> {
    BTreeMap::from([(AttributeId(EMAIL.into()), AttributeValue::Text(address.into()))])
}

/// Answers in turn; the last one stays.
fn in_turn(answers: Vec<fn() -> Does>) -> impl Fn(&Arrived) -> Does + Send + Sync {
    let next = AtomicUsize::new(0);
    move |_| answers[next.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)]()
}

#[tokio::test]
async fn definitions_are_found_by_name_and_discriminator() {
    let server = Server::start(|request| account(request).unwrap_or_else(|| empty(404))).await;
    let definitions = client(&server.url).definitions().await.unwrap();
    assert_eq!(definitions.attribute("City").unwrap().version.as_deref(), Some("312460234"));
    assert_eq!(definitions.attribute("city").unwrap().id.0, "city");
    assert_eq!(definitions.topic("newsletter").unwrap().id.0, "news");
    assert_eq!(definitions.channel(Channel::Sms).unwrap().id.0, "com.apsis1.channels.sms");
    assert!(definitions.keyspace(KEYSPACE).unwrap().manage_subscriptions);
    let unknown = definitions.attribute("Town").unwrap_err();
    assert_eq!(unknown.kind(), Kind::Settings);
    assert!(unknown.to_string().contains("City (city)"), "{unknown}");
    assert!(definitions.topic("Offers").unwrap_err().to_string().contains("offers-2"));
    let only_email = definitions.topic("offers-1").unwrap();
    assert!(definitions.check_consent(only_email, Channel::Email).is_ok());
    assert!(definitions.check_consent(only_email, Channel::Sms).is_err());
}

#[tokio::test]
async fn a_patch_goes_to_the_encoded_path_with_the_token_and_the_right_types() {
    let (server, target) = target(|_| empty(204)).await;
    let key = id("C 1/å@x");
    assert_eq!(target.patch(&key, &email("anna@example.se")).await.unwrap(), Patched::Written);
    let request = server.arrived().pop().unwrap();
    assert_eq!(
        request.line,
        format!(
            "PATCH /v2/audience/keyspaces/{KEYSPACE}/profiles/C%201%2F%C3%A5%40x/sections/{SECTION}/attributes"
        )
    );
    assert_eq!(request.headers["content-type"], "application/merge-patch+json");
    assert_eq!(request.headers["accept"], "application/problem+json");
    assert!(request.headers["authorization"].starts_with("Bearer e30."));
    assert_eq!(request.json(), value!({ EMAIL: "anna@example.se" }));
}

#[tokio::test]
async fn each_refusal_is_its_own_outcome() {
    for (status, kind) in [
        (400, Kind::Contact(ReasonCode::RefusedByApsis)),
        (422, Kind::Contact(ReasonCode::RefusedByApsis)),
        (409, Kind::Contact(ReasonCode::ProfileConflict)),
        (410, Kind::Contact(ReasonCode::ProfileLocked)),
        (413, Kind::Contact(ReasonCode::TooLarge)),
        (302, Kind::Contact(ReasonCode::RefusedByApsis)),
    ] {
        let (server, target) = target(move |_| {
            let detail = format!("{EMAIL} anna@example.se is not good");
            let body = value!({"title": "No", "status": 200, "detail": detail}).to_string();
            Does::Answer(status, vec![("location", "/elsewhere".into())], body.into_bytes())
        })
        .await;
        let error = target.patch(&id("1"), &email("anna@example.se")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}");
        let shown = format!("{error} {error:?} {:?}", error.reason());
        assert!(!shown.contains("anna"), "{shown}");
        assert_eq!(server.of("PATCH").len(), 1, "{status} is not tried again");
        assert!(server.of("GET /elsewhere").is_empty(), "no redirect is followed");
    }
}

#[tokio::test]
async fn the_refused_attribute_is_named() {
    let (_server, target) =
        target(|_| json(400, value!({"detail": "bad value for com.apsis1.attributes.email"}))).await;
    let reason = target.patch(&id("1"), &email("x")).await.unwrap_err().reason().unwrap();
    assert_eq!(reason.subject.as_deref(), Some(EMAIL));
}

#[tokio::test]
async fn no_profile_is_an_outcome_and_so_is_one_that_exists() {
    let (_server, target) = target(|request| match request.line.split(' ').next().unwrap() {
        "POST" => empty(409),
        _ => json(404, value!({"title": "Not Found", "status": 404})),
    })
    .await;
    assert_eq!(target.patch(&id("1"), &email("x")).await.unwrap(), Patched::NoProfile);
    assert_eq!(target.create(&id("1")).await.unwrap(), Created::Existed);
    assert_eq!(target.consents(&id("1")).await.unwrap(), None);
    assert_eq!(target.delete(&id("1")).await.unwrap(), Deleted::NoProfile);
    assert_eq!(target.merge(&id("1"), &KeyspaceId("k".into()), "2").await.unwrap(), Merged::NoProfile);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_a_body_is_never_believed() {
    let (server, target) = target(in_turn(vec![
        || Does::Answer(502, Vec::new(), b"<html>Bad Gateway</html>".to_vec()),
        || Does::Drops,
        || json(503, value!({"status": 200})),
        || json(429, value!({})),
        || json(200, value!({"status": 500, "detail": "lies"})),
    ]))
    .await;
    assert_eq!(target.patch(&id("1"), &email("x")).await.unwrap(), Patched::Written);
    assert_eq!(server.of("PATCH").len(), 5);
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let (server, target) =
        target(in_turn(vec![|| Does::Answer(429, vec![("retry-after", "1".into())], Vec::new()), || {
            empty(204)
        }]))
        .await;
    target.patch(&id("1"), &email("x")).await.unwrap();
    let tries = server.of("PATCH");
    assert!(tries[1].at - tries[0].at >= Duration::from_secs(1));
}

#[tokio::test]
async fn attempts_come_to_an_end() {
    let (server, target) = target(|_| empty(500)).await;
    let error = target.patch(&id("1"), &email("x")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Exhausted);
    assert_eq!(error.reason().unwrap().code, ReasonCode::NotWritten);
    assert_eq!(server.of("PATCH").len(), 7);
}

#[tokio::test]
async fn nobody_listening_is_said_so() {
    let error = client("http://127.0.0.1:1").definitions().await.unwrap_err();
    assert_eq!(error, ApsisError::Unreachable { operation: Operation::Token, fault: Fault::Connect });
}

#[tokio::test]
async fn a_token_is_fetched_once_for_all_callers() {
    let (server, target) = target(|_| empty(204)).await;
    let calls = (0..20).map(|number| {
        let target = target.clone();
        async move { target.patch(&id(&number.to_string()), &email("x")).await.unwrap() }
    });
    futures::future::join_all(calls).await;
    assert_eq!(server.of("POST /oauth/token").len(), 1);
    let body = server.of("POST /oauth/token").remove(0).json();
    assert_eq!(body["grant_type"], "client_credentials");
    assert_eq!(body["client_secret"], SECRET);
}

/// A server whose tokens are numbered, with the calls that each was used for.
async fn numbered(lifetime: i64, refuse_first_with: u16) -> Server {
    let tokens = AtomicUsize::new(0);
    Server::start(move |request| {
        if request.line == "POST /oauth/token" {
            return token(tokens.fetch_add(1, Ordering::SeqCst), lifetime);
        }
        let claims = request.headers["authorization"].split('.').nth(1).unwrap().to_owned();
        let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        if refuse_first_with != 0 && claims.contains(r#""n":0"#) {
            return empty(refuse_first_with);
        }
        account(request).unwrap_or_else(|| empty(204))
    })
    .await
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_by_one_caller() {
    for status in [401, 403] {
        let server = numbered(3600, status).await;
        let client = client(&server.url);
        let calls = (0..10).map(|_| client.definitions());
        for end in futures::future::join_all(calls).await {
            end.unwrap();
        }
        assert_eq!(server.of("POST /oauth/token").len(), 2, "{status}");
    }
}

#[tokio::test]
async fn a_second_refusal_is_an_error() {
    let (server, target) = target(|_| json(403, value!({"title": "Forbidden"}))).await;
    let error = target.patch(&id("1"), &email("x")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Permission);
    assert_eq!((server.of("PATCH").len(), server.of("POST /oauth/token").len()), (2, 2));
}

#[tokio::test]
async fn a_token_is_refreshed_before_it_ends() {
    let server = numbered(3, 0).await;
    let client = client(&server.url);
    client.definitions().await.unwrap();
    tokio::time::sleep(Duration::from_millis(2600)).await;
    client.definitions().await.unwrap();
    assert_eq!(server.of("POST /oauth/token").len(), 2);
}

#[tokio::test]
async fn bad_credentials_are_not_tried_again() {
    for status in [400, 401, 403] {
        let server =
            Server::start(move |_| json(status, value!({"detail": "Invalid client credentials"}))).await;
        let error = client(&server.url).definitions().await.unwrap_err();
        assert_eq!(error, ApsisError::Credentials { status });
        assert_eq!(server.arrived().len(), 1);
    }
}

#[tokio::test]
async fn a_merge_says_why_it_was_refused() {
    for (detail, expected) in [
        ("Profiles have conflicting values for Email", Merged::Conflict),
        ("Profiles have conflicting values for Mobile: 46500", Merged::Conflict),
        ("The profile has been merged 500 times", Merged::TooOften),
        ("Merge limit reached", Merged::TooOften),
    ] {
        let (_server, target) =
            target(move |_| json(409, value!({"title": "Conflict", "detail": detail}))).await;
        let end = target.merge(&id("1"), &KeyspaceId("k".into()), "2").await.unwrap();
        assert_eq!(end, expected, "{detail}");
    }
}

#[tokio::test]
async fn merging_by_address_needs_the_keyspace_of_addresses() {
    let server = Server::start(|request| account(request).unwrap_or_else(|| empty(404))).await;
    let client = client(&server.url);
    let definitions = client.definitions().await.unwrap();
    let leaves = settings(&server.url);
    assert!(client.target(&definitions, &leaves).unwrap().of_addresses(Channel::Email).is_none());
    let merges = ApsisSettings { same_address: SameAddress::Merge, ..leaves };
    let error = client.target(&definitions, &merges).unwrap_err();
    assert_eq!(error.kind(), Kind::Settings);
    assert!(error.to_string().contains("apsis.same-address"), "{error}");
}

#[tokio::test]
async fn a_profile_is_read_by_the_versions_of_its_attributes_as_an_export_has_it() {
    let (server, target) = target(|request| {
        if request.line.contains("/v2/") {
            return json(
                200,
                value!({"items": [{"topic_discriminator": "news", "type": "opt-out",
                "channel_discriminator": "com.apsis1.channels.email", "source": "Form"}]}),
            );
        }
        // The old version's value is nobody's.
        json(200, value!({"312460200": "a@example.se", "312460201": "Lund", "312460234": "Ystad", "7": 1.50}))
    })
    .await;
    let found = target.profile(&id("1")).await.unwrap().unwrap();
    assert_eq!(found.attributes[&AttributeId("city".into())], FoundValue::Text("Ystad".into()));
    assert_eq!(found.attributes[&AttributeId("score".into())], FoundValue::Number("1.5".into()));
    assert_eq!((found.attributes.len(), found.consents[0].state), (3, ConsentType::OptOut));
    assert!(
        server
            .of("GET")
            .iter()
            .any(|it| it.line.ends_with(&format!("profiles/1/sections/{SECTION}/attributes")))
    );

    let (_server, target) = self::target(|_| empty(404)).await;
    assert!(target.profile(&id("1")).await.unwrap().is_none());
}

#[tokio::test]
async fn no_secret_is_in_debug() {
    let (_server, target) = target(|_| empty(204)).await;
    let shown = format!("{target:?} {:?}", target.client());
    assert!(!shown.contains(SECRET) && !shown.contains("e30."), "{shown}");
}

#[tokio::test]
async fn the_limit_of_one_profile_is_kept_and_others_are_not_held_up() {
    let (server, target) = target(|_| empty(204)).await;
    let calls = (0..20).map(|_| {
        let target = target.clone();
        async move { target.patch(&id("same"), &email("x")).await.unwrap() }
    });
    // Polled last of all, when the twenty are in line already.
    let other = async { target.patch(&id("other"), &email("x")).await.unwrap() };
    futures::join!(futures::future::join_all(calls), other);
    let (same, other): (Vec<_>, Vec<_>) =
        server.of("PATCH").into_iter().partition(|call| call.line.contains("/same/"));
    let arrivals: Vec<Instant> = same.iter().map(|call| call.at).collect();
    assert_eq!((arrivals.len(), other.len()), (20, 1));
    assert!(arrivals.iter().any(|at| *at > other[0].at), "it came before the last of them");
    for from in &arrivals {
        let within =
            arrivals.iter().filter(|at| **at >= *from && **at < *from + Duration::from_secs(1)).count();
        assert!(within <= 8, "{within} in a second");
    }
}

#[tokio::test]
async fn the_limit_of_the_account_is_kept_and_used() {
    let (server, target) = target(|_| empty(204)).await;
    let next = Arc::new(AtomicUsize::new(0));
    let workers = (0..24).map(|_| {
        let (target, next) = (target.clone(), next.clone());
        async move {
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= 250 {
                    return;
                }
                target.patch(&id(&number.to_string()), &email("x")).await.unwrap();
            }
        }
    });
    futures::future::join_all(workers).await;
    let arrivals: Vec<Instant> = server.arrived().iter().map(|call| call.at).collect();
    let within = |from: &Instant| {
        arrivals.iter().filter(|at| *at >= from && **at < *from + Duration::from_secs(1)).count()
    };
    let busiest = arrivals.iter().map(within).max().unwrap();
    assert!((60..=95).contains(&busiest), "{busiest} in a second");
    assert!(target.client().inner.limits.profile_keys() <= 256);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_sent() {
    let (server, target) = target(|_| empty(204)).await;
    let error = target.patch(&id("1"), &email(&"x".repeat(100_000))).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Contact(ReasonCode::TooLarge));
    assert!(server.of("PATCH").is_empty());
}

#[tokio::test]
async fn consents_are_read_and_foreign_channels_passed_over() {
    let (_server, target) = target(|_| {
        json(200, value!({"items": [
            {"topic_discriminator": "news", "channel_discriminator": "com.apsis1.channels.email", "type": "confirmed-opt-in",
             "source": "Form", "reason": "x", "modified_at": "2024-03-01T09:12:44Z"},
            {"topic_discriminator": "news", "channel_discriminator": "com.apsis1.channels.push", "type": "opt-in"}
        ]}))
    })
    .await;
    let consents = target.consents(&id("1")).await.unwrap().unwrap();
    assert_eq!(consents.len(), 1);
    assert_eq!(consents[0].state, ConsentType::ConfirmedOptIn);
    assert_eq!(consents[0].modified_at, Some("2024-03-01T09:12:44Z".parse().unwrap()));
}

#[tokio::test]
async fn a_refused_consent_is_looked_into() {
    for (has, opt_in, end) in [
        ("opt-in", true, ConsentEnd::AlreadyThere),
        ("confirmed-opt-in", true, ConsentEnd::AlreadyThere),
        ("pending-opt-in", true, ConsentEnd::Refused),
        ("opt-out", true, ConsentEnd::Refused),
        ("opt-out", false, ConsentEnd::AlreadyThere),
        ("opt-in", false, ConsentEnd::Refused),
    ] {
        let (server, target) = target(move |request| {
            if request.line.starts_with("POST") {
                return json(409, value!({"title": "Conflict"}));
            }
            json(
                200,
                value!({"items": [{"topic_discriminator": "news",
                "channel_discriminator": "com.apsis1.channels.email", "type": has}]}),
            )
        })
        .await;
        let topic = TopicId("news".into());
        let found = target.set_consent(&id("1"), &topic, Channel::Email, opt_in, "CRM").await.unwrap();
        assert_eq!(found, end, "{has} {opt_in}");
        let body = server.of("POST /v2").remove(0).json();
        assert_eq!(body["type"], if opt_in { "opt-in" } else { "opt-out" });
        assert_eq!((&body["reason"], &body["source"]), (&value!("CRM"), &value!("Sluice")));
    }
}

#[tokio::test]
async fn tags_merge_and_delete_say_what_they_do() {
    let (server, target) = target(|_| empty(204)).await;
    let tags = BTreeMap::from([(TagId("t1".into()), true), (TagId("t2".into()), false)]);
    assert_eq!(target.tags(&id("1"), &tags).await.unwrap(), Patched::Written);
    assert_eq!(server.arrived().pop().unwrap().json(), value!({"t1": true, "t2": null}));
    let keyspace = KeyspaceId("com.apsis1.keyspaces.email".into());
    assert_eq!(target.merge(&id("1"), &keyspace, "a@example.se").await.unwrap(), Merged::Joined);
    let merge = server.of("PUT /audience/profiles/merges").remove(0).json();
    assert_eq!(merge["profiles"][1]["profile_key"], "a@example.se");
    assert_eq!(target.delete(&id("1")).await.unwrap(), Deleted::Gone);
    assert_eq!(
        server.arrived().pop().unwrap().line,
        format!("DELETE /audience/keyspaces/{KEYSPACE}/profiles/1")
    );
}

#[tokio::test]
async fn private_addresses_need_the_setting() {
    let mut settings = settings("https://127.0.0.1:9");
    settings.private_network = false;
    let error = Client::new(&settings, SECRET.into()).unwrap_err();
    assert!(matches!(error, ApsisError::Forbidden { .. }), "{error}");
    settings.url = "https://localhost:9".to_owned();
    let error = Client::new(&settings, SECRET.into()).unwrap().definitions().await.unwrap_err();
    assert!(matches!(error, ApsisError::Forbidden { .. }), "a name that resolves to loopback: {error}");
}

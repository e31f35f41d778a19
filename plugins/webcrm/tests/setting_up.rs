//! Setting an integration up: the log-in, checks in sentences, errors that name what to do.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod fake;

use fake::{Server, answer, bench, call, scan_all};
use serde_json::{Value as Json, json};
use sluice_sdk::bench::Response;
use sluice_sdk::{Connector, Error, ErrorKind, FieldType};

#[test]
fn one_log_in_serves_many_calls() {
    let server = Server::with(1001..1030);
    let mut bench = bench(&server);
    scan_all(&mut bench, 5, |_| ());
    assert_eq!(server.borrow().logins, 1);
    bench.forget_session();
    call(&mut bench, Connector::check).unwrap();
    assert_eq!(server.borrow().logins, 2, "and for a call without a session, one");
    let said = format!("{:?}", bench.requests());
    assert!(!said.contains("0f7e1b3c"), "the host places the application token");
}

#[test]
fn a_token_that_ends_early_is_bought_anew_and_costs_nobody() {
    let server = Server::with(1001..1101);
    let contacts = scan_all(&mut bench(&server), 10, |page| {
        if page % 3 == 0 {
            // As if somebody else had logged in: the token is dead.
            server.borrow_mut().logins += 1;
        }
    });
    assert_eq!(fake::ids(&contacts), (1001..1101).collect::<Vec<_>>());
    server.borrow_mut().unauthorized = 1;
    assert_eq!(scan_all(&mut bench(&server), 50, |_| ()).len(), 100, "one false refusal is survived");
}

#[test]
fn a_second_refusal_is_final() {
    let server = Server::with(1001..1003);
    server.borrow_mut().unauthorized = 2;
    let error = call(&mut bench(&server), |webcrm| webcrm.scan(None, 10)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    assert_eq!(server.borrow().logins, 2);
}

fn login(answer: Response) -> Error {
    let server = Server::shared();
    server.borrow_mut().login = Some(answer);
    let error = call(&mut bench(&server), Connector::check).unwrap_err();
    assert!(!format!("{error:?}").contains("tuva"), "{error:?}");
    error
}

#[test]
fn log_ins_that_fail() {
    let is_error = json!({"AccessToken": null, "IsError": true, "Error": "invalid_grant",
        "ErrorDescription": "tuva@fjallverk.example is not known"});
    for refused in [answer(200, &is_error), answer(400, &is_error), answer(401, &json!(null))] {
        let error = login(refused);
        assert_eq!(error.kind, ErrorKind::Unauthorized);
        assert!(error.message.contains("`application-token`"), "{}", error.message);
    }
    assert_eq!(login(answer(200, &json!({"AccessToken": ""}))).kind, ErrorKind::Malformed);
    assert_eq!(login(answer(200, &json!({"AccessToken": "a\r\nb"}))).kind, ErrorKind::Malformed);
    assert_eq!(login(answer(503, &json!(null))).kind, ErrorKind::Unavailable);
    assert_eq!(login(answer(429, &too_many())).retry_after_ms, Some(14_000));
}

fn too_many() -> Json {
    json!({"RetryAfterSeconds": 14, "Message": "Too many requests of tuva@fjallverk.example", "Type": "TooManyRequestsException"})
}

fn failing(status: u16, headers: &[(&str, &str)], body: &Json) -> Error {
    let server = Server::shared();
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    server.borrow_mut().always = Some(Response { status, headers, body: body.to_string().into_bytes() });
    let error = call(&mut bench(&server), |webcrm| webcrm.get(&["7".to_owned()])).unwrap_err();
    assert!(!format!("{error:?}").contains("tuva"), "{error:?}");
    error
}

#[test]
fn a_status_says_what_to_do_and_no_body_gets_out() {
    for (status, kind) in [
        (403, ErrorKind::Unauthorized),
        (302, ErrorKind::Misconfigured),
        (429, ErrorKind::RateLimited),
        (500, ErrorKind::Unavailable),
        (400, ErrorKind::Other),
    ] {
        let error = failing(status, &[], &json!("tuva@fjallverk.example"));
        assert_eq!(error.kind, kind, "{status}");
    }
    assert_eq!(failing(429, &[("Retry-After", "3")], &too_many()).retry_after_ms, Some(3_000));
    assert_eq!(failing(429, &[], &too_many()).retry_after_ms, Some(14_000));
    assert_eq!(failing(429, &[], &json!({"RetryAfterSeconds": -1})).retry_after_ms, None);
    assert_eq!(failing(200, &[], &json!(["tuva@fjallverk.example"])).kind, ErrorKind::Malformed);
}

fn findings(change: impl FnOnce(&mut Server)) -> String {
    let server = Server::with(1001..1003);
    change(&mut server.borrow_mut());
    call(&mut bench(&server), Connector::check).unwrap().join("\n")
}

#[test]
fn a_check_says_what_it_found() {
    let all_well = findings(|_| ());
    for words in [
        "accepts the application token",
        "11 fields",
        "4 of its organisation",
        "by queries",
        "2 boxes",
        "Hooks can",
    ] {
        assert!(all_well.contains(words), "{words}: {all_well}");
    }
    let no_query = findings(|server| server.query_refused = Some(404));
    assert!(no_query.contains("takes longer"), "{no_query}");
    let no_hooks = findings(|server| server.hooks_refused = true);
    assert!(no_hooks.contains("may not set hooks up"), "{no_hooks}");
    let mut bench = bench(&Server::with(1001..1003));
    bench.setting("hook-word", "").setting("unblocked-is-consent", true);
    let without = call(&mut bench, Connector::check).unwrap().join("\n");
    assert!(without.contains("`hook-word`") && without.contains("`unblocked-is-consent`"), "{without}");
}

#[test]
fn settings_that_cannot_be_used() {
    for (name, value) in [("url", "acme"), ("time-zone", "Europe/Atlantis"), ("page-size", "many")] {
        let mut bench = bench(&Server::shared());
        bench.setting(name, value);
        let error = call(&mut bench, Connector::check).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Misconfigured, "{name}");
        assert!(bench.requests().is_empty());
    }
}

#[test]
fn the_description_the_fields_and_the_consents() {
    let description = webcrm::WebCrm::describe();
    let schema: Json = serde_json::from_str(&description.settings_schema).unwrap();
    assert_eq!(schema["required"], json!(["application-token"]));
    assert_eq!(schema["properties"]["url"]["default"], "https://api.webcrm.com");
    assert_eq!(description.rate_limit, Some((250, 60)));

    let mut bench = bench(&Server::shared());
    let fields = call(&mut bench, Connector::list_fields).unwrap();
    let named = |name: &str| fields.iter().find(|field| field.name == name).unwrap();
    for name in [&description.id_field, &description.email_field, &description.mobile_field.unwrap()] {
        named(name);
    }
    assert_eq!(named("PersonFirstName").label, "The PersonFirstName");
    assert_eq!(named("PersonCustom3").type_, FieldType::Boolean);
    assert_eq!(named("PersonUpdatedAt").type_, FieldType::Timestamp);
    let kind = named("company.OrganisationType");
    assert_eq!((kind.type_, kind.label.as_str()), (FieldType::Choice, "Organisation: The OrganisationType"));
    assert_eq!(kind.options.len(), 2, "the option that stands for none is not offered");
    assert!(fields.iter().all(|field| !field.name.contains("Robert")), "what is no name is no field");

    let consents = call(&mut bench, Connector::list_consents).unwrap();
    let names: Vec<&str> = consents.iter().map(|consent| consent.name.as_str()).collect();
    assert_eq!(names, ["PersonBlockMassEmail", "PersonCheckMark1", "PersonCustom3"]);
}

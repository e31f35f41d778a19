//! Setting an integration up: checks in sentences, errors that name what to do, subscriptions, overviews.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod fake;

use fake::{Server, bench, call};
use serde_json::{Value as Json, json};
use sluice_sdk::bench::{Bench, HttpError, HttpErrorKind, Response};
use sluice_sdk::{Connector, Deliveries, Error, ErrorKind, Overviews};

fn failing(answer: Response) -> Error {
    let server = Server::shared();
    server.borrow_mut().always = Some(answer);
    call(&mut bench(&server), |lime| lime.scan(None, 50)).unwrap_err()
}

fn with_status(status: u16, headers: &[(&str, &str)]) -> Error {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    failing(Response { status, headers, body: br#"{"message":"tuva@fjallverk.example"}"#.to_vec() })
}

#[test]
fn a_status_says_what_to_do_and_no_body_gets_out() {
    for (status, kind) in [
        (401, ErrorKind::Unauthorized),
        (403, ErrorKind::Unauthorized),
        (404, ErrorKind::Misconfigured),
        (302, ErrorKind::Misconfigured),
        (429, ErrorKind::RateLimited),
        (500, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable),
        (400, ErrorKind::Other),
    ] {
        let error = with_status(status, &[]);
        assert_eq!(error.kind, kind, "{status}");
        assert_eq!(error.detail("http.status"), Some(status.to_string().as_str()));
        assert!(!format!("{error:?}").contains("tuva"), "{error:?}");
    }
    assert_eq!(with_status(429, &[("Retry-After", "30")]).retry_after_ms, Some(30_000));
    let date = ("Date", "Sun, 17 May 2026 10:00:00 GMT");
    let error = with_status(503, &[("retry-after", "Sun, 17 May 2026 10:00:05 GMT"), date]);
    assert_eq!(error.retry_after_ms, Some(5_000));
}

#[test]
fn what_is_no_json_of_limes() {
    let page = |body: &str| Response { status: 200, headers: vec![], body: body.as_bytes().to_vec() };
    let error = failing(page(" <html>tuva@fjallverk.example</html>"));
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    for body in [r#"{"_embedded": {"properties": "tuva@fjallverk.example"}}"#, r#"{"name": "tuva@fj"#, "tuva"]
    {
        let error = failing(page(body));
        assert_eq!(error.kind, ErrorKind::Malformed, "{body}");
        assert!(!format!("{error:?}").contains("tuva"), "{error:?}");
    }
}

#[test]
fn no_answer() {
    for (cause, kind) in [
        (HttpErrorKind::Denied, ErrorKind::Misconfigured),
        (HttpErrorKind::Tls, ErrorKind::Misconfigured),
        (HttpErrorKind::Timeout, ErrorKind::Unavailable),
        (HttpErrorKind::Connect, ErrorKind::Unavailable),
        (HttpErrorKind::TooLarge, ErrorKind::Malformed),
    ] {
        let mut bench = Bench::new(move |_| Err(HttpError { kind: cause, message: "why".to_owned() }));
        bench.setting("url", "https://acme.lime-crm.com/acme").secret("api-key", "K");
        let error = call(&mut bench, Connector::check).unwrap_err();
        assert_eq!(error.kind, kind, "{cause:?}");
        assert!(error.message.contains("why"));
    }
}

#[test]
fn settings_that_cannot_be_used() {
    for (name, value) in
        [("url", "acme"), ("time-zone", "Europe/Atlantis"), ("consents", "maybe"), ("page-size", "many")]
    {
        let mut bench = bench(&Server::shared());
        bench.setting(name, value);
        let error = call(&mut bench, Connector::check).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Misconfigured, "{name}");
        assert!(bench.requests().is_empty());
    }
}

#[test]
fn more_fields_than_a_query_can_name() {
    let server = Server::shared();
    let properties: Vec<Json> =
        (0..1000).map(|nth| json!({"name": format!("email{nth}"), "type": "string"})).collect();
    let body = json!({"name": "person", "_embedded": {"properties": properties}});
    server.borrow_mut().always = Some(fake::answer(200, &body));
    let error = call(&mut bench(&server), |lime| lime.scan(None, 50)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    assert!(error.message.contains("`fields`"), "{}", error.message);
}

fn findings(change: impl FnOnce(&mut Server)) -> String {
    let server = Server::shared();
    change(&mut server.borrow_mut());
    call(&mut bench(&server), Connector::check).unwrap().join("\n")
}

#[test]
fn a_check_says_what_it_found() {
    let all_well = findings(|_| ());
    for words in [
        "accepts the API key",
        "8 fields",
        "3 of its company",
        "Lime Query",
        "2 consent types",
        "Webhooks can",
    ] {
        assert!(all_well.contains(words), "{words}: {all_well}");
    }
    let no_add_on = findings(|server| {
        server.tables.remove("consent");
        server.tables.remove("consenttype");
    });
    assert!(no_add_on.contains("consent add-on is not installed"), "{no_add_on}");
    assert!(no_add_on.contains("yesno"), "{no_add_on}");
    let no_query = findings(|server| server.query_refused = Some(403));
    assert!(no_query.contains("not permitted") && no_query.contains("2 consent types"), "{no_query}");
    let mut bench = bench(&Server::shared());
    bench.setting("email-property", "epost");
    let error = call(&mut bench, Connector::check).unwrap_err();
    assert!(error.message.contains("`epost`"), "{}", error.message);
}

#[test]
fn the_description_and_what_lists_are_there() {
    let description = lime::Lime::describe();
    let schema: Json = serde_json::from_str(&description.settings_schema).unwrap();
    assert_eq!(schema["required"], json!(["url", "api-key"]));
    let kinds = schema["properties"].as_object().unwrap();
    assert!(kinds.values().filter(|it| it["writeOnly"] == json!(true)).count() == 2);
    let mut bench = bench(&Server::shared());
    let consents = call(&mut bench, Connector::list_consents).unwrap();
    let consents: Vec<_> = consents.iter().map(|it| (it.name.as_str(), it.label.as_str())).collect();
    assert_eq!(consents, [("1001", "Nyhetsbrev"), ("1002", "Inbjudningar (not in use)")]);
    let fields = call(&mut bench, Connector::list_fields).unwrap();
    let named = |name: &str| fields.iter().find(|field| field.name == name).unwrap();
    for name in [&description.id_field, &description.email_field, &description.mobile_field.unwrap()] {
        named(name);
    }
    let status = named("company.buyingstatus");
    assert_eq!(status.label, "COMPANY: BUYINGSTATUS");
    assert_eq!(status.options.len(), 1, "the option that stands for none is not offered");
}

const URL: &str = "https://hooks.example/lime";

#[test]
fn subscribing_twice_makes_one() {
    for (has_v2, version) in [(true, Some("v2")), (false, None)] {
        let server = Server::shared();
        server.borrow_mut().has_v2 = has_v2;
        let mut bench = bench(&server);
        let first = call(&mut bench, |lime| lime.subscribe(URL)).unwrap();
        assert_eq!(call(&mut bench, |lime| lime.subscribe(URL)).unwrap(), first);
        let there = server.borrow().subscriptions.clone();
        assert_eq!(there.len(), 1);
        assert_eq!(there[0]["signature_version"].as_str(), version);
        let events = there[0]["events"].to_string();
        assert!(events.contains("consent.update") && events.contains("company.update"), "{events}");
        assert!(
            !format!("{:?}", bench.requests()).contains("0123456789abcdef"),
            "the host places the secret"
        );
        call(&mut bench, |lime| lime.unsubscribe(&first)).unwrap();
        call(&mut bench, |lime| lime.unsubscribe(&first)).unwrap();
        assert!(server.borrow().subscriptions.is_empty());
    }
}

#[test]
fn subscribing_replaces_what_does_not_fit() {
    let server = Server::shared();
    server.borrow_mut().subscriptions = vec![
        json!({"id": 1, "events": ["person.new"], "target_url": URL, "enabled": true}),
        json!({"id": "2", "events": ["person.new"], "target_url": "https://other.example/", "enabled": true}),
    ];
    let id = call(&mut bench(&server), |lime| lime.subscribe(URL)).unwrap();
    let there: Vec<String> = server.borrow().subscriptions.iter().map(|it| it["id"].to_string()).collect();
    assert_eq!(there, ["\"2\"".to_owned(), id]);
}

fn members(bench: &mut Bench, overview: &str) -> Result<Vec<String>, Error> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = call(bench, |lime| lime.read_members(overview, after.as_deref(), 2))?;
        found.extend(page.contacts);
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

#[test]
fn campaigns_and_saved_filters() {
    let server = Server::shared();
    {
        let mut server = server.borrow_mut();
        (1001..1006).for_each(|id| server.person(id));
        server.put("campaign", 1001, json!({"name": "Spring"}));
        for (id, person, campaign) in
            [(1, Some(1002), 1001), (2, Some(1004), 1001), (3, None, 1001), (4, Some(1003), 1002)]
        {
            server.put("participant", id, json!({"person": person, "campaign": campaign}));
        }
    }
    let mut bench_ = bench(&server);
    bench_.setting("filters", json!([{"id": "second", "name": "Second", "filter": {"key": "email", "op": "=", "exp": "p1002@x.example"}}]));
    let overviews = call(&mut bench_, Overviews::list_overviews).unwrap();
    let named: Vec<_> = overviews.iter().map(|it| (it.id.as_str(), it.name.as_str())).collect();
    assert_eq!(named, [("filter:second", "Second"), ("campaign:1001", "Spring")]);
    assert_eq!(members(&mut bench_, "campaign:1001").unwrap(), ["1002", "1004"]);
    assert_eq!(members(&mut bench_, "filter:second").unwrap(), ["1002"]);
    assert_eq!(members(&mut bench_, "filter:gone").unwrap_err().kind, ErrorKind::Misconfigured);

    bench_.setting(
        "filters",
        json!([{"id": "mine", "name": "Mine", "filter": {"key": "coworker", "op": "=", "exp": "$me"}}]),
    );
    assert_eq!(call(&mut bench_, Overviews::list_overviews).unwrap_err().kind, ErrorKind::Misconfigured);

    server.borrow_mut().tables.remove("campaign");
    let error = call(&mut bench(&server), Overviews::list_overviews).unwrap_err();
    assert!(error.message.contains("`campaign-limetype`"), "{}", error.message);
    let mut none = bench(&server);
    none.setting("campaign-limetype", "");
    assert!(call(&mut none, Overviews::list_overviews).unwrap().is_empty());
}

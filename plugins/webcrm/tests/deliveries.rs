//! Deliveries: the token in the address, what bodies of many shapes say, and the hooks in webCRM.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod fake;

use fake::{HOOK_TOKEN, Server, bench, call};
use serde_json::{Value as Json, json};
use sluice_sdk::{Change, Deliveries, Delivery, DiscardReason, Error, ErrorKind, Proof};
use webcrm::WebCrm;

const URL: &str = "https://hooks.example/integrations/acme";
const PERSON: &str = "https://api.webcrm.com/Persons/123";

fn delivery(query: &str, body: &str) -> Delivery {
    Delivery { headers: Vec::new(), query: query.to_owned(), body: body.as_bytes().to_vec() }
}

fn verify(token: Option<&str>, query: &str) -> Result<Proof, Error> {
    let mut bench = bench(&Server::shared());
    bench.setting("hook-word", token.unwrap_or_default());
    let result = bench.run(|| WebCrm::verify(&delivery(query, PERSON)));
    assert!(bench.requests().is_empty(), "verify never asks webCRM");
    result
}

#[test]
fn only_what_comes_with_the_token_is_taken() {
    let genuine = format!("token={HOOK_TOKEN}&of=Person&event=Update");
    assert_eq!(verify(Some(HOOK_TOKEN), &genuine).unwrap(), Proof { id: None, sent_at: None });
    let longer = format!("token={HOOK_TOKEN}0");
    let other = genuine.replace("0123", "0124");
    for query in ["", "of=Person", "token=", "token=0123456789abcdef", &longer, &other] {
        let error = verify(Some(HOOK_TOKEN), query).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unauthorized, "{query}");
        assert!(!error.message.contains("0123"), "{}", error.message);
    }
    assert_eq!(verify(None, &genuine).unwrap_err().kind, ErrorKind::Unauthorized);
    assert_eq!(verify(None, "token=").unwrap_err().kind, ErrorKind::Unauthorized);
    for unfit in ["short", "0123456789abcdef0123456789abcde&", &"å".repeat(40)] {
        assert_eq!(verify(Some(unfit), &genuine).unwrap_err().kind, ErrorKind::Misconfigured, "{unfit}");
    }
}

fn receive(query: &str, body: &str) -> Result<Vec<Change>, Error> {
    let mut bench = bench(&Server::shared());
    let changes = call(&mut bench, |webcrm| webcrm.receive(&delivery(query, body)));
    assert!(bench.requests().is_empty(), "receive never asks webCRM");
    changes
}

#[test]
fn persons() {
    let touched = [Change::Touched("123".to_owned())];
    for body in [PERSON, "123", r#"{"PersonId": 123}"#, r#"{"Id": 123, "Type": "Person"}"#] {
        for event in ["Create", "Update"] {
            assert_eq!(receive(&format!("token=x&of=Person&event={event}"), body).unwrap(), touched);
        }
        let deleted = receive("token=x&of=Person&event=Delete", body).unwrap();
        assert_eq!(deleted, [Change::Deleted("123".to_owned())]);
        assert_eq!(receive("", body).unwrap(), touched, "a hook that was made by hand");
    }
}

#[test]
fn the_persons_of_an_organisation_that_changed() {
    for (query, body) in [
        ("of=Organisation&event=Update", "14"),
        ("of=Organisation&event=Delete", "https://api.webcrm.com/Organisations/14"),
        ("", r#"{"Url": "/Organisations/14"}"#),
    ] {
        let changes = receive(query, body).unwrap();
        let [Change::Discarded(discard)] = changes.as_slice() else { panic!("{changes:?}") };
        assert_eq!(discard.reason, DiscardReason::NotRelevant);
        assert_eq!(discard.subject.as_deref(), Some("company 14"));
    }
    for query_refused in [None, Some(404)] {
        let server = Server::with(1001..1008);
        {
            let mut server = server.borrow_mut();
            server.set(1004, "PersonOrganisationId", json!(15));
            server.set(1005, "PersonOrganisationId", json!(0));
            server.query_refused = query_refused;
        }
        let mut bench = bench(&server);
        let mut found = |subject: &str| {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = call(&mut bench, |it| it.contacts_of(subject, after.as_deref(), 2)).unwrap();
                assert!(page.contacts.len() <= 2);
                found.extend(page.contacts);
                after = page.next;
                if after.is_none() {
                    return found;
                }
            }
        };
        assert_eq!(found("company 14"), ["1001", "1002", "1003", "1006", "1007"], "{query_refused:?}");
        assert_eq!(found("company 15"), ["1004"]);
        for none in ["company 16", "person 14", "company", "company x"] {
            assert!(found(none).is_empty(), "{none}");
        }
    }
}

#[test]
fn a_body_that_names_nobody_tells_nothing() {
    for body in ["", "{}", r#"{"Name": "tuva@fjallverk.example"}"#, "<html>tuva@fjallverk.example</html>"] {
        let error = receive("of=Person&event=Update", body).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed, "{body}");
        assert!(!format!("{error:?}").contains("tuva"));
    }
}

fn hooks(server: &fake::Shared) -> Vec<(String, String, String)> {
    let text = |hook: &Json, name: &str| hook[name].as_str().unwrap().to_owned();
    let of =
        |(table, hook): &(String, Json)| (table.clone(), text(hook, "EventType"), text(hook, "TargetUrl"));
    server.borrow().hooks.iter().map(of).collect()
}

#[test]
fn subscribing_twice_makes_each_hook_once() {
    let server = Server::shared();
    let mut bench = bench(&server);
    let first = call(&mut bench, |webcrm| webcrm.subscribe(URL)).unwrap();
    assert_eq!(call(&mut bench, |webcrm| webcrm.subscribe(URL)).unwrap(), first);
    let there = hooks(&server);
    let named: Vec<_> = there.iter().map(|(table, event, _)| (table.as_str(), event.as_str())).collect();
    let (persons, organisations) = ("Persons", "Organisations");
    assert_eq!(
        named,
        [
            (persons, "Create"),
            (persons, "Update"),
            (persons, "Delete"),
            (organisations, "Update"),
            (organisations, "Delete")
        ]
    );
    for (_, event, target) in &there {
        let query = target.strip_prefix(&format!("{URL}?")).unwrap();
        assert!(verify(Some(HOOK_TOKEN), query).is_ok() && query.ends_with(&format!("&event={event}")));
    }
    call(&mut bench, |webcrm| webcrm.unsubscribe(&first)).unwrap();
    call(&mut bench, |webcrm| webcrm.unsubscribe(&first)).unwrap();
    assert!(server.borrow().hooks.is_empty());
}

#[test]
fn subscribing_replaces_what_does_not_fit_and_leaves_other_hooks_alone() {
    let server = Server::shared();
    let hook = |id: i64, url: &str, enabled: bool| {
        (
            "Persons".to_owned(),
            json!({"Id": id, "TargetUrl": url, "EventType": "Update", "IsEnabled": enabled}),
        )
    };
    let current = format!("{URL}?token={HOOK_TOKEN}&of=Person&event=Update");
    server.borrow_mut().hooks = vec![
        hook(1, &format!("{URL}?token=older&of=Person&event=Update"), true),
        hook(2, &current, false),
        hook(3, "https://other.example/?token=x", true),
        hook(4, &format!("{URL}-2?token=x"), true),
        hook(5, &current, true),
        hook(6, &current, true),
    ];
    let id = call(&mut bench(&server), |webcrm| webcrm.subscribe(URL)).unwrap();
    assert!(id.contains("Person 5,") && id.split(',').count() == 5, "{id}");
    let there: Vec<i64> =
        server.borrow().hooks.iter().map(|(_, hook)| hook["Id"].as_i64().unwrap()).collect();
    assert_eq!(there, [3, 4, 5, 11, 12, 13, 14]);
}

#[test]
fn without_a_token_no_hook_is_set_up() {
    let server = Server::shared();
    let mut bench = bench(&server);
    bench.setting("hook-word", "");
    let error = call(&mut bench, |webcrm| webcrm.subscribe(URL)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    assert!(error.message.contains("`hook-word`") && server.borrow().hooks.is_empty());
}

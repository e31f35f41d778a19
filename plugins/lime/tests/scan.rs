//! Reading all persons: none missed, none twice, consents joined, by query and by list.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod fake;

use fake::{Server, bench, call, field, ids, scan, scan_all};
use serde_json::json;
use sluice_sdk::{Choice, Connector, DiscardReason, ErrorKind, Value};

const EARLY: &str = "2026-01-01T10:00:00+01:00";
const LATE: &str = "2026-06-01T10:00:00+02:00";

fn with_persons(range: std::ops::Range<i64>) -> fake::Shared {
    let server = Server::shared();
    range.for_each(|id| server.borrow_mut().person(id));
    server
}

#[test]
fn all_persons_once_whatever_the_page_size() {
    for count in [0, 1, 9, 10, 11, 20] {
        let server = with_persons(1001..1001 + count);
        let mut bench = bench(&server);
        let (contacts, _) = scan_all(&mut bench, 10, |_| ());
        assert_eq!(ids(&contacts), (1001..1001 + count).collect::<Vec<_>>());
    }
}

#[test]
fn a_server_that_caps_pages_lower_ends_nothing_early() {
    let server = with_persons(1001..1100);
    server.borrow_mut().query_cap = 30;
    let (contacts, _) = scan_all(&mut bench(&server), 200, |_| ());
    assert_eq!(ids(&contacts), (1001..1100).collect::<Vec<_>>());
}

/// Deletes a person that was read, one that was not, and adds one, after each page.
fn churn(server: &fake::Shared, page: usize) {
    let mut server = server.borrow_mut();
    let page = page as i64;
    let persons = server.tables.get_mut("person").unwrap();
    for gone in [1000 + page, 1301 - page] {
        persons.remove(&gone);
    }
    server.person(2000 + page);
}

fn churned(mut make: impl FnMut(&mut Server)) {
    let server = with_persons(1001..1301);
    make(&mut server.borrow_mut());
    let mut bench = bench(&server);
    let mut pages = 0;
    let (contacts, _) = scan_all(&mut bench, 20, |page| {
        // Only while persons are still to come: afterwards nobody can be expected.
        if page <= 10 {
            pages = page as i64;
            churn(&server, page);
        }
    });
    let expected: Vec<i64> = (1001..=1300 - pages).chain(2001..=2000 + pages).collect();
    assert_eq!(pages, 10);
    assert_eq!(ids(&contacts), expected);
}

#[test]
fn none_missed_and_none_twice_while_people_come_and_go() {
    churned(|_| ());
    churned(|server| server.filters_underscore_id = false);
}

#[test]
fn nor_when_only_the_list_is_permitted() {
    for status in [403, 404] {
        churned(|server| server.query_refused = Some(status));
    }
    churned(|server| (server.query_refused, server.next_by_id) = (Some(403), true));
    churned(|server| (server.query_refused, server.sorts_by_id) = (Some(403), false));
}

#[test]
fn a_list_steps_back_when_many_that_were_read_are_deleted() {
    let server = with_persons(1001..1101);
    server.borrow_mut().query_refused = Some(403);
    let (contacts, _) = scan_all(&mut bench(&server), 40, |page| {
        if page == 1 {
            // All but the first five that were read.
            server.borrow_mut().tables.get_mut("person").unwrap().retain(|id, _| *id < 1006 || *id > 1040);
        }
    });
    assert_eq!(ids(&contacts), (1001..1101).collect::<Vec<_>>());
    let server = with_persons(1001..1061);
    server.borrow_mut().query_refused = Some(403);
    let (contacts, _) = scan_all(&mut bench(&server), 40, |page| {
        if page == 1 {
            server.borrow_mut().tables.get_mut("person").unwrap().retain(|id, _| *id > 1040);
        }
    });
    assert_eq!(ids(&contacts), (1001..1061).collect::<Vec<_>>());
}

#[test]
fn a_list_in_another_order_is_refused() {
    let server = with_persons(1001..1005);
    server.borrow_mut().query_refused = Some(403);
    // Stored under a key that is not its id, so that it comes out of order.
    let mut row = server.borrow().tables["person"][&1001].clone();
    row["_id"] = json!(9000);
    server.borrow_mut().tables.get_mut("person").unwrap().insert(1001, row);
    let error = call(&mut bench(&server), |lime| lime.scan(None, 50)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
}

fn consents(contact: &sluice_sdk::Contact) -> Vec<(&str, bool)> {
    contact.consents.iter().map(|consent| (consent.name.as_str(), consent.given)).collect()
}

fn with_consents() -> fake::Shared {
    let server = with_persons(1001..1061);
    {
        let mut server = server.borrow_mut();
        for id in 0..60 {
            for (nth, kind) in [1001, 1002].into_iter().enumerate() {
                server.consent(3000 + id * 2 + nth as i64, Some(1001 + id), Some(kind), true, EARLY);
            }
        }
        // Withdrawn later, in a record of its own; and an older record that came into Lime later.
        server.consent(5001, Some(1001), Some(1001), false, LATE);
        server.consent(5002, Some(1002), Some(1001), false, "2025-01-01T10:00:00+01:00");
        server.consent(5003, Some(1003), Some(1001), false, EARLY);
        server.consent(6001, None, Some(1001), true, EARLY);
        server.consent(6002, Some(1004), None, true, EARLY);
    }
    server
}

fn check_consents(contacts: &[sluice_sdk::Contact], discarded: &[sluice_sdk::Discard]) {
    assert_eq!(consents(&contacts[0]), [("1001", false), ("1002", true)], "the newest created holds");
    assert_eq!(consents(&contacts[1]), [("1001", true), ("1002", true)], "whatever its id");
    assert_eq!(
        consents(&contacts[2]),
        [("1001", false), ("1002", true)],
        "of two at one moment the greater id"
    );
    assert!(contacts[3..].iter().all(|contact| consents(contact) == [("1001", true), ("1002", true)]));
    assert_eq!(contacts[0].consents[0].changed_at.as_deref(), Some("2026-02-01T09:00:00Z"));
    assert_eq!(
        contacts[0].modified_at.as_deref(),
        Some("2026-06-01T08:00:00Z"),
        "a consent moves the contact"
    );
    assert_eq!(contacts[3].modified_at.as_deref(), Some("2026-05-17T09:21:12.507Z"));
    let told: Vec<_> = discarded.iter().map(|it| (it.subject.as_deref().unwrap(), it.reason)).collect();
    let person = DiscardReason::MissingPerson;
    assert_eq!(told, [("consent 6001", person), ("consent 6002", DiscardReason::MissingConsentType)]);
}

#[test]
fn consents_are_joined_by_queries_over_many_persons() {
    let server = with_consents();
    let mut bench_ = bench(&server);
    let (contacts, discarded) = scan_all(&mut bench_, 200, |_| ());
    check_consents(&contacts, &discarded);
    assert!(bench_.requests().len() <= 9, "{} requests for 60 persons", bench_.requests().len());
    server.borrow_mut().compares_null = false;
    let (contacts, discarded) = scan_all(&mut bench(&server), 200, |_| ());
    check_consents(&contacts, &discarded);
    server.borrow_mut().query_cap = 7;
    let (contacts, discarded) = scan_all(&mut bench(&server), 25, |_| ());
    check_consents(&contacts, &discarded);
}

#[test]
fn consents_are_joined_by_ranges_where_only_the_list_is_permitted() {
    let server = with_consents();
    server.borrow_mut().query_refused = Some(403);
    let mut bench = bench(&server);
    let (contacts, discarded) = scan_all(&mut bench, 200, |_| ());
    check_consents(&contacts, &discarded);
    assert!(bench.requests().len() <= 20, "{} requests for 60 persons", bench.requests().len());
    assert!(bench.log().iter().any(|(_, line)| line.contains("Lime Query is not permitted")));
}

#[test]
fn a_contact_has_its_own_fields_and_its_companys() {
    for refused in [None, Some(403)] {
        let server = Server::shared();
        server.borrow_mut().query_refused = refused;
        server.borrow_mut().put(
            "person",
            1042,
            json!({"firstname": "Tuva", "email": "t@x.example", "mobilephone": "", "score": 9_007_199_254_740_993_i64,
                "potential": 242_424.04, "newsletter": true, "birthdate": "1990-01-01T00:00:00+01:00", "company": 1014}),
        );
        server.borrow_mut().put("person", 1043, json!({"firstname": "", "email": "", "company": null}));
        let page = scan(&mut bench(&server), None, 50);
        let tuva = &page.contacts[0];
        assert_eq!(tuva.id, "1042");
        let text = |text: &str| Value::Text(text.to_owned());
        for (name, value) in [
            ("_id", Value::Integer(1042)),
            ("_timestamp", Value::Timestamp("2026-05-17T09:21:12.507Z".to_owned())),
            ("firstname", text("Tuva")),
            ("email", text("t@x.example")),
            ("mobilephone", text("")),
            ("score", Value::Integer(9_007_199_254_740_993)),
            ("potential", Value::Decimal("242424.04".to_owned())),
            ("newsletter", Value::Boolean(true)),
            ("birthdate", Value::Date("1990-01-01".to_owned())),
            ("company", Value::Integer(1014)),
            ("company.name", text("Fjällverk AB")),
            (
                "company.buyingstatus",
                Value::Choice(Choice { key: "prospect".to_owned(), label: "Prospekt".to_owned() }),
            ),
        ] {
            assert_eq!(*field(tuva, name), value, "{name}");
        }
        assert_eq!(*field(&page.contacts[1], "company.name"), Value::Null);
        let listed: Vec<String> = call(&mut bench(&server), Connector::list_fields)
            .unwrap()
            .into_iter()
            .map(|field| field.name)
            .collect();
        assert_eq!(listed, tuva.fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>());
    }
}

#[test]
fn renamed_properties_keep_the_promised_field_names() {
    let server = Server::shared();
    server.borrow_mut().put("person", 1042, json!({"firstname": "t@x.example", "email": "not meant"}));
    let mut bench = bench(&server);
    bench.setting("email-property", "firstname");
    let page = scan(&mut bench, None, 50);
    assert_eq!(*field(&page.contacts[0], "email"), Value::Text("t@x.example".to_owned()));
    assert!(page.contacts[0].fields.iter().filter(|field| field.name == "email").count() == 1);
}

#[test]
fn the_model_is_kept_and_read_again_when_it_changed() {
    let server = with_persons(1001..1003);
    let mut bench = bench(&server);
    let asked = |bench: &sluice_sdk::bench::Bench| {
        bench.requests().iter().filter(|request| request.url.contains("/limetype/")).count()
    };
    scan(&mut bench, None, 1);
    assert_eq!(asked(&bench), 2);
    scan(&mut bench, None, 1);
    assert_eq!(asked(&bench), 2, "the model is in the session");
    server.borrow_mut().removed_property = Some("score".to_owned());
    let page = scan(&mut bench, None, 1);
    assert_eq!(asked(&bench), 4);
    assert!(page.contacts[0].fields.iter().all(|field| field.name != "score"));
    bench.forget_session();
    scan(&mut bench, None, 1);
    assert_eq!(asked(&bench), 6);
}

#[test]
fn without_the_consent_add_on_a_scan_fails_unless_told_otherwise() {
    let server = with_persons(1001..1003);
    server.borrow_mut().tables.remove("consent");
    server.borrow_mut().tables.remove("consenttype");
    let error = call(&mut bench(&server), |lime| lime.scan(None, 50)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    assert!(error.message.contains("add-on"), "{}", error.message);
    let mut bench = bench(&server);
    bench.setting("consents", "fields");
    let (contacts, discarded) = scan_all(&mut bench, 50, |_| ());
    assert_eq!((contacts.len(), discarded.len()), (2, 0));
    assert!(call(&mut bench, Connector::list_consents).unwrap().is_empty());
}

#[test]
fn a_property_that_may_not_be_read_is_no_refusal_and_no_lack() {
    for (limetype, property, setting) in [
        ("consent", "approved", "consent-approved-property"),
        ("consent", "person", "consent-person-property"),
        ("consent", "consenttype", "consent-type-property"),
        ("person", "email", "email-property"),
    ] {
        for query_refused in [None, Some(403)] {
            let server = with_consents();
            server.borrow_mut().hidden = Some((limetype, property));
            server.borrow_mut().query_refused = query_refused;
            let error = call(&mut bench(&server), |lime| lime.scan(None, 50)).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Misconfigured, "{limetype} {property}");
            for part in [limetype, property, setting, "right to read"] {
                assert!(error.message.contains(part), "{part}: {}", error.message);
            }
            let ids = ["1001".to_owned()];
            let error = call(&mut bench(&server), |lime| lime.get(&ids)).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Misconfigured, "{limetype} {property}");
            let error = call(&mut bench(&server), Connector::check).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Misconfigured, "{limetype} {property}");
        }
    }
}

#[test]
fn an_empty_approved_is_not_given_and_one_of_another_type_is_an_error() {
    let server = with_persons(1001..1002);
    server.borrow_mut().consent(3001, Some(1001), Some(1001), true, EARLY);
    let approved = |value: serde_json::Value| {
        server.borrow_mut().tables.get_mut("consent").unwrap().get_mut(&3001).unwrap()["approved"] = value;
        call(&mut bench(&server), |lime| lime.scan(None, 50))
    };
    assert_eq!(consents(&approved(json!(true)).unwrap().contacts[0]), [("1001", true)]);
    assert_eq!(consents(&approved(json!(null)).unwrap().contacts[0]), [("1001", false)]);
    for other in [json!("yes"), json!({"key": "yes"}), json!(2)] {
        let error = approved(other.clone()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Misconfigured, "{other}");
        assert!(error.message.contains("yesno"), "{}", error.message);
    }
}

#[test]
fn a_cursor_of_another_version_starts_again() {
    let error =
        call(&mut bench(&Server::shared()), |lime| lime.scan(Some("{\"at\":\"x\"}"), 50)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::CursorExpired);
}

#[test]
fn contacts_by_id_are_read_many_at_once() {
    let server = with_consents();
    let wanted: Vec<String> = ["1001", "1060", "99999", "no id", "1001"].map(str::to_owned).to_vec();
    let mut bench_ = bench(&server);
    let contacts = call(&mut bench_, |lime| lime.get(&wanted)).unwrap();
    assert_eq!(ids(&contacts), [1001, 1060]);
    assert_eq!(consents(&contacts[0]), [("1001", false), ("1002", true)]);
    assert!(bench_.requests().len() <= 6, "{}", bench_.requests().len());
    server.borrow_mut().query_refused = Some(403);
    let listed = call(&mut bench(&server), |lime| lime.get(&wanted)).unwrap();
    assert_eq!(listed, contacts);
    assert!(call(&mut bench(&server), |lime| lime.get(&[])).unwrap().is_empty());
}

#[test]
fn what_changed_since_a_moment() {
    let server = with_persons(1001..1010);
    {
        let mut server = server.borrow_mut();
        server.put("person", 1002, json!({"email": "x@x.example", "_timestamp": LATE}));
        server.put("company", 1015, json!({"name": "Ny AB", "_timestamp": LATE}));
        server.put("person", 1003, json!({"email": "y@x.example", "company": 1015}));
        server.consent(5001, Some(1004), Some(1001), false, LATE);
        server.consent(5002, Some(1005), Some(1001), false, EARLY);
        server.consent(5003, None, Some(1001), false, LATE);
    }
    let mut bench = bench(&server);
    let (mut found, mut discarded, mut after) = (Vec::new(), 0, None);
    loop {
        let since = "2026-06-01T00:00:00Z";
        let page = call(&mut bench, |lime| lime.scan_changed(since, after.as_deref(), 2)).unwrap();
        found.extend(ids(&page.contacts));
        discarded += page.discarded.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((found, discarded), (vec![1002, 1003, 1004], 1));
    server.borrow_mut().query_refused = Some(403);
    let error = call(&mut bench, |lime| lime.scan_changed("2026-06-01T00:00:00Z", None, 2)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
}

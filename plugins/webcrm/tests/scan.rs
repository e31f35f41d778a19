//! Reading persons: none missed, none twice, organisations joined, by query and by list.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod fake;

use fake::{PASSWORD, Server, bench, call, field, ids, scan_all};
use serde_json::json;
use sluice_sdk::{Channel, Choice, Connector, ErrorKind, Value};

#[test]
fn all_persons_once_whatever_the_page_size() {
    for query_refused in [None, Some(404), Some(400)] {
        for count in [0, 1, 9, 10, 11, 20] {
            let server = Server::with(1001..1001 + count);
            server.borrow_mut().query_refused = query_refused;
            let contacts = scan_all(&mut bench(&server), 10, |_| ());
            assert_eq!(ids(&contacts), (1001..1001 + count).collect::<Vec<_>>(), "{query_refused:?}");
        }
    }
}

/// Deletes a person that was read, one that was not, and adds one, after each page.
fn churn(server: &fake::Shared, page: i64) {
    let mut server = server.borrow_mut();
    for gone in [1000 + page, 1301 - page] {
        server.persons.remove(&gone);
    }
    server.person(2000 + page);
}

fn churned(make: impl FnOnce(&mut Server)) {
    let server = Server::with(1001..1301);
    make(&mut server.borrow_mut());
    let contacts = scan_all(&mut bench(&server), 20, |page| {
        // Only while persons are still to come: afterwards nobody can be expected.
        if page <= 10 {
            churn(&server, page as i64);
        }
    });
    let expected: Vec<i64> = (1001..=1290).chain(2001..=2010).collect();
    assert_eq!(ids(&contacts), expected);
}

#[test]
fn none_missed_and_none_twice_while_people_come_and_go() {
    churned(|_| ());
    for status in [400, 403, 404, 405] {
        churned(|server| server.query_refused = Some(status));
    }
}

#[test]
fn queries_that_do_not_compare_ids_are_noticed_before_anybody_is_handed_over() {
    churned(|server| server.compares_ids = false);
}

#[test]
fn a_list_steps_back_when_many_that_were_read_are_deleted() {
    for (count, keep) in [(100, 5), (60, 0)] {
        let server = Server::with(1001..1001 + count);
        server.borrow_mut().query_refused = Some(404);
        let contacts = scan_all(&mut bench(&server), 20, |page| {
            if page == 2 {
                server.borrow_mut().persons.retain(|id, _| *id <= 1000 + keep || *id > 1040);
            }
        });
        assert_eq!(ids(&contacts), (1001..1001 + count).collect::<Vec<_>>());
    }
}

#[test]
fn a_list_whose_pages_become_smaller_goes_on_where_it_was() {
    let server = Server::with(1001..1100);
    server.borrow_mut().query_refused = Some(404);
    let mut bench = bench(&server);
    let first = fake::scan(&mut bench, None, 50);
    let mut found = ids(&first.contacts);
    let mut after = first.next;
    while let Some(cursor) = after {
        let page = fake::scan(&mut bench, Some(&cursor), 7);
        found.extend(ids(&page.contacts));
        after = page.next;
    }
    assert_eq!(found, (1001..1100).collect::<Vec<_>>());
}

#[test]
fn another_order_is_refused_rather_than_guessed_at() {
    let server = Server::with(1001..1010);
    server.borrow_mut().in_order = false;
    let error = call(&mut bench(&server), |webcrm| webcrm.scan(None, 50)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(error.message.contains("order"), "{}", error.message);
}

#[test]
fn a_list_that_gives_less_than_was_asked_for_is_no_end() {
    let server = Server::with(1001..1031);
    (server.borrow_mut().list_cap, server.borrow_mut().query_refused) = (10, Some(404));
    let error = call(&mut bench(&server), |webcrm| webcrm.scan(None, 20)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(error.message.contains("`page-size`"), "{}", error.message);
}

#[test]
fn passwords_are_in_no_contact_no_field_list_and_no_log() {
    for query_refused in [None, Some(404)] {
        let server = Server::with(1001..1004);
        server.borrow_mut().query_refused = query_refused;
        let mut bench = bench(&server);
        let contacts = scan_all(&mut bench, 10, |_| ());
        let one = call(&mut bench, |webcrm| webcrm.get(&["1002".to_owned()])).unwrap();
        let fields = call(&mut bench, Connector::list_fields).unwrap();
        let said = format!("{contacts:?} {one:?} {fields:?} {:?}", bench.log());
        assert_eq!((contacts.len(), one.len()), (3, 1));
        assert!(
            !said.contains(PASSWORD) && !said.contains("Password") && !said.contains("LoginLog"),
            "{said}"
        );
    }
    // Nor when they are asked for by name.
    let server = Server::with(1001..1004);
    let mut bench = bench(&server);
    bench.setting("fields", json!(["PersonPassword", "PersonFirstName"]));
    let contacts = scan_all(&mut bench, 10, |_| ());
    let names: Vec<&str> = contacts[0].fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["PersonId", "PersonFirstName", "PersonEmail", "PersonMobilePhone"]);
    assert!(!format!("{contacts:?}").contains(PASSWORD));
}

#[test]
fn what_a_contact_looks_like() {
    let server = Server::with(1001..1004);
    {
        let mut server = server.borrow_mut();
        server.organisations.get_mut(&14).unwrap()["OrganisationUpdatedAt"] = json!("2026-06-01T10:00:00Z");
        server.set(1002, "PersonOrganisationId", json!(0));
        server.set(1003, "PersonOrganisationId", json!(99));
    }
    let contacts = scan_all(&mut bench(&server), 10, |_| ());
    let first = &contacts[0];
    assert_eq!(first.id, "1001");
    assert_eq!(first.modified_at.as_deref(), Some("2026-06-01T10:00:00Z"), "that of the company is newer");
    assert_eq!(field(first, "PersonId"), &Value::Integer(1001));
    assert_eq!(field(first, "PersonUpdatedAt"), &Value::Timestamp("2026-05-17T11:21:12.507Z".to_owned()));
    assert_eq!(field(first, "PersonEmail"), &Value::Text("p1001@x.example".to_owned()));
    assert_eq!(field(first, "company.OrganisationName"), &Value::Text("Fjällverk AB".to_owned()));
    let kunde = Choice { key: "1".to_owned(), label: "A Kunde".to_owned() };
    assert_eq!(field(first, "company.OrganisationType"), &Value::Choice(kunde));
    for without in &contacts[1..] {
        assert_eq!(field(without, "company.OrganisationName"), &Value::Null, "none, or one that is gone");
        assert_eq!(without.modified_at.as_deref(), Some("2026-05-17T11:21:12.507Z"));
    }
}

#[test]
fn many_organisations_are_joined_however_queries_understand_numbers() {
    for (equals_ids, query_refused) in [(true, None), (false, None), (true, Some(404))] {
        let server = Server::with(1001..1121);
        {
            let mut server = server.borrow_mut();
            (server.equals_ids, server.query_refused) = (equals_ids, query_refused);
            for id in 1001..1121 {
                server.organisation(id - 900, &format!("O{id}"));
                server.set(id, "PersonOrganisationId", json!(id - 900));
            }
        }
        let mut bench = bench(&server);
        let contacts = scan_all(&mut bench, 1000, |_| ());
        assert_eq!(contacts.len(), 120);
        for contact in &contacts {
            let name = Value::Text(format!("O{}", contact.id));
            assert_eq!(field(contact, "company.OrganisationName"), &name);
        }
        let asked = |path: &str| bench.requests().iter().filter(|it| it.url.contains(path)).count();
        let by_query = equals_ids && query_refused.is_none();
        // Without queries a page has a hundred persons at most.
        let by_list = if query_refused.is_some() { 2 } else { 1 };
        assert_eq!(asked("/Organisations?"), if by_query { 0 } else { by_list });
        assert_eq!(asked("/Organisations/"), 0);
    }
}

#[test]
fn an_organisation_that_neither_query_nor_list_gives_is_asked_for() {
    let server = Server::with(1001..1031);
    {
        let mut server = server.borrow_mut();
        // The list ends before the last two, as if they had moved while it was read.
        (server.query_refused, server.list_cap) = (Some(404), 28);
        for id in 1001..1031 {
            server.organisation(id - 900, &format!("O{id}"));
            server.set(id, "PersonOrganisationId", json!(id - 900));
        }
    }
    let mut bench = bench(&server);
    bench.setting("page-size", 20);
    for contact in scan_all(&mut bench, 1000, |_| ()) {
        let name = Value::Text(format!("O{}", contact.id));
        assert_eq!(field(&contact, "company.OrganisationName"), &name);
    }
    assert!(bench.requests().iter().any(|request| request.url.ends_with("/Organisations/130")));
}

#[test]
fn organisations_are_left_alone_where_none_of_their_fields_is_wanted() {
    let mut bench = bench(&Server::with(1001..1011));
    bench.setting("fields", json!(["PersonFirstName"]));
    assert_eq!(scan_all(&mut bench, 10, |_| ()).len(), 10);
    assert!(bench.requests().iter().all(|request| !request.url.contains("Organisation")));
}

/// Name, channel, given.
type Answer = (&'static str, Option<Channel>, bool);

const BLOCK: &str = "PersonBlockMassEmail";
const MARK: &str = "PersonCheckMark1";
const CUSTOM: &str = "PersonCustom3";

fn answers(unblocked: bool, block: serde_json::Value, mark: bool, custom: serde_json::Value) -> Vec<Answer> {
    let server = Server::with(1001..1002);
    {
        let mut server = server.borrow_mut();
        server.set(1001, BLOCK, block);
        server.set(1001, MARK, json!(mark));
        server.set(1001, CUSTOM, custom);
    }
    let mut bench = bench(&server);
    bench.setting("unblocked-is-consent", unblocked);
    let contacts = scan_all(&mut bench, 10, |_| ());
    let name = |name: &str| [BLOCK, MARK, CUSTOM].into_iter().find(|known| *known == name).unwrap();
    contacts[0]
        .consents
        .iter()
        .map(|consent| {
            assert_eq!(consent.changed_at, None);
            (name(&consent.name), consent.channel, consent.given)
        })
        .collect()
}

#[test]
fn a_block_is_a_refusal_and_its_absence_no_consent() {
    let unticked = [(MARK, None, false), (CUSTOM, None, false)];
    let block = |given| (BLOCK, Some(Channel::Email), given);
    assert_eq!(answers(false, json!(false), false, json!("")), unticked);
    assert_eq!(answers(false, json!(true), false, json!(null)), [block(false), unticked[0], unticked[1]]);
    assert_eq!(answers(true, json!(false), false, json!("No")), [block(true), unticked[0], unticked[1]]);
    assert_eq!(answers(true, json!(true), false, json!("")), [block(false), unticked[0], unticked[1]]);
    assert_eq!(answers(true, json!(null), false, json!("")), unticked, "nobody said anything");
    assert_eq!(answers(true, json!("perhaps"), false, json!("")), [block(false), unticked[0], unticked[1]]);
}

#[test]
fn boxes_are_consents_and_a_block_refuses_them_by_email() {
    assert_eq!(answers(false, json!(false), true, json!("Yes")), [(MARK, None, true), (CUSTOM, None, true)]);
    assert_eq!(answers(false, json!(false), true, json!("perhaps"))[1], (CUSTOM, None, false));
    assert_eq!(
        answers(false, json!(true), true, json!("")),
        [
            (BLOCK, Some(Channel::Email), false),
            (MARK, None, true),
            (MARK, Some(Channel::Email), false),
            (CUSTOM, None, false)
        ]
    );
}

#[test]
fn what_the_token_may_not_read_is_no_empty_field() {
    for hidden in ["PersonEmail", BLOCK] {
        let server = Server::with(1001..1003);
        server.borrow_mut().hidden = vec![hidden];
        for ids in [None, Some(vec!["1001".to_owned()])] {
            let error = call(&mut bench(&server), |webcrm| match &ids {
                None => webcrm.scan(None, 10).map(drop),
                Some(ids) => webcrm.get(ids).map(drop),
            })
            .unwrap_err();
            assert_eq!(error.kind, ErrorKind::Misconfigured);
            assert!(error.message.contains(hidden), "{}", error.message);
        }
    }
}

#[test]
fn by_id_and_who_is_not_there_is_left_out() {
    let server = Server::with(1001..1006);
    server.borrow_mut().persons.remove(&1003);
    let wanted = ["1005", "1003", "1001", "1001", "x"].map(str::to_owned);
    let found = call(&mut bench(&server), |webcrm| webcrm.get(&wanted)).unwrap();
    assert_eq!(ids(&found), [1001, 1005]);
    let none = call(&mut bench(&server), |webcrm| webcrm.get(&["7".to_owned()])).unwrap();
    assert!(none.is_empty());
}

fn changed(bench: &mut sluice_sdk::bench::Bench, since: &str) -> Vec<i64> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = call(bench, |webcrm| webcrm.scan_changed(since, after.as_deref(), 3)).unwrap();
        assert!(page.contacts.len() <= 3);
        found.extend(ids(&page.contacts));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

#[test]
fn what_changed_since_a_moment() {
    let server = Server::with(1001..1021);
    {
        let mut server = server.borrow_mut();
        for id in [1002, 1005, 1007, 1011, 1013] {
            server.set(id, "PersonUpdatedAt", json!("2026-06-01T10:00:00Z"));
        }
        // Within the two minutes that clocks may differ by; and before them.
        server.set(1019, "PersonUpdatedAt", json!("2026-06-01T09:58:30Z"));
        server.set(1020, "PersonUpdatedAt", json!("2026-06-01T09:57:30Z"));
        for (organisation, updated_at) in
            [(20, "2026-06-01T10:00:01Z"), (21, "2026-06-02T10:00:00Z"), (22, "2026-05-01T10:00:00Z")]
        {
            server.organisation(organisation, "Ny Firma AB");
            server.organisations.get_mut(&organisation).unwrap()["OrganisationUpdatedAt"] = json!(updated_at);
        }
        for (id, organisation) in [(1001, 20), (1003, 20), (1004, 21), (1006, 22)] {
            server.set(id, "PersonOrganisationId", json!(organisation));
        }
    }
    let mut bench = bench(&server);
    let expected = [1002, 1005, 1007, 1011, 1013, 1019, 1001, 1003, 1004];
    assert_eq!(changed(&mut bench, "2026-06-01T10:00:00Z"), expected);
    assert!(changed(&mut bench, "2026-07-01T10:00:00Z").is_empty());
    server.borrow_mut().query_refused = Some(404);
    let error = call(&mut bench, |webcrm| webcrm.scan_changed("2026-06-01T10:00:00Z", None, 3)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
}

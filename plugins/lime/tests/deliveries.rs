//! Deliveries: Lime's signatures of both versions, and what events say.

#![allow(clippy::unwrap_used)]

mod fake;

use fake::{Server, bench, call};
use lime::Lime;
use serde_json::{Value as Json, json};
use sluice_sdk::{Change, Deliveries, Delivery, DiscardReason, Error, ErrorKind, Proof};

const BODY: &[u8] = br#"{"event":"person.delete","body":{"id":1042,"limetype":"person"}}"#;
const V1: &str = "sha256=7e8f3806b43efa3990fb68f8edfeb6bba3774aa9d2d8170910050a5d373d429a";
const V2: &str = "v2=628b3c5f598ebf9bf8461e0827054b7e35643092167f24d7647ee13e853aeef3";
const ID: &str = "7f9c24e8-3b1a-4d0e-9a51-2f6f1c0b7a10";

fn delivery(headers: &[(&str, &str)], body: &[u8]) -> Delivery {
    Delivery {
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        query: String::new(),
        body: body.to_vec(),
    }
}

fn verify(rule: &str, delivery: &Delivery) -> Result<Proof, Error> {
    let mut bench = bench(&Server::shared());
    bench.setting("webhook-signature", rule);
    let result = bench.run(|| Lime::verify(delivery));
    assert!(bench.requests().is_empty(), "verify never asks Lime");
    result
}

#[test]
fn both_versions_of_signatures() {
    let v1 = delivery(&[("X-Lime-Signature", V1)], BODY);
    assert_eq!(verify("any", &v1).unwrap(), Proof { id: None, sent_at: None });
    assert_eq!(verify("v2", &v1).unwrap_err().kind, ErrorKind::Unauthorized);
    let headers =
        [("x-lime-signature", V2), ("X-Lime-Delivery-Id", ID), ("X-Lime-Delivery-Timestamp", "1764000000")];
    for rule in ["any", "v2"] {
        let proof = verify(rule, &delivery(&headers, BODY)).unwrap();
        assert_eq!(proof, Proof { id: Some(ID.to_owned()), sent_at: Some(1_764_000_000) });
    }
}

#[test]
fn whatever_was_tampered_with_is_refused() {
    let other_body = BODY.iter().map(|byte| if *byte == b'4' { b'5' } else { *byte }).collect::<Vec<_>>();
    let id = ("X-Lime-Delivery-Id", ID);
    let time = ("X-Lime-Delivery-Timestamp", "1764000000");
    for (headers, body) in [
        (vec![], BODY),
        (vec![("X-Lime-Signature", V1)], other_body.as_slice()),
        (vec![("X-Lime-Signature", V2), id, time], other_body.as_slice()),
        (vec![("X-Lime-Signature", V2), id, ("X-Lime-Delivery-Timestamp", "1764000001")], BODY),
        (vec![("X-Lime-Signature", V2), ("X-Lime-Delivery-Id", "x"), time], BODY),
        (vec![("X-Lime-Signature", V2), id], BODY),
        (vec![("X-Lime-Signature", V2), time], BODY),
        (vec![("X-Lime-Signature", "sha256=7e8")], BODY),
        (vec![("X-Lime-Signature", "sha256=")], BODY),
        (vec![("X-Lime-Signature", "sha256=åå")], BODY),
        (vec![("X-Lime-Signature", "v3=00")], BODY),
    ] {
        let error = verify("any", &delivery(&headers, body)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unauthorized, "{headers:?}");
    }
}

fn receive(event: &Json) -> Vec<Change> {
    let mut bench = bench(&Server::shared());
    let delivery = delivery(&[], event.to_string().as_bytes());
    let changes = call(&mut bench, |lime| lime.receive(&delivery)).unwrap();
    assert!(bench.requests().is_empty(), "receive never asks Lime");
    changes
}

fn touched(id: &str) -> Change {
    Change::Touched(id.to_owned())
}

#[test]
fn persons() {
    // The documented sample of an update shows `values.id` to differ from `body.id`.
    let values = json!({"firstname": "Maja", "email": "maja@ekvall.example", "company": null, "id": 1004});
    for action in ["new", "update", "restore"] {
        let event = json!({"event": format!("person.{action}"),
            "body": {"id": 1044, "limetype": "person", "values": values}});
        assert_eq!(receive(&event), [touched("1044")]);
    }
    let event = serde_json::from_slice(BODY).unwrap();
    assert_eq!(receive(&event), [Change::Deleted("1042".to_owned())]);
}

#[test]
fn the_persons_of_a_company_that_changed() {
    let event = json!({"event": "company.update", "body": {"id": 1014, "limetype": "company", "values": {}}});
    let changes = receive(&event);
    let [Change::Discarded(discard)] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!(discard.reason, DiscardReason::NotRelevant);
    let subject = discard.subject.clone().unwrap();

    for query_refused in [None, Some(403)] {
        let server = Server::shared();
        {
            let mut server = server.borrow_mut();
            (1001..1008).for_each(|id| server.person(id));
            server.put("company", 1015, json!({"name": "Annan AB"}));
            server.put("person", 1004, json!({"firstname": "Else", "company": 1015}));
            server.put("person", 1005, json!({"firstname": "None", "company": null}));
            server.query_refused = query_refused;
        }
        let mut bench = bench(&server);
        let mut found = |subject: &str| {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = call(&mut bench, |lime| lime.contacts_of(subject, after.as_deref(), 2)).unwrap();
                assert!(page.contacts.len() <= 2);
                found.extend(page.contacts);
                after = page.next;
                if after.is_none() {
                    return found;
                }
            }
        };
        assert_eq!(found(&subject), ["1001", "1002", "1003", "1006", "1007"], "{query_refused:?}");
        assert_eq!(found("company 1015"), ["1004"]);
        for none in ["company 1016", "consenttype 1001", "company", "company x"] {
            assert!(found(none).is_empty(), "{none}");
        }
    }
}

fn consent(action: &str, values: &Json, original: &Json) -> Vec<Change> {
    receive(&json!({"event": format!("consent.{action}"),
        "body": {"id": 1301, "limetype": "consent", "values": values, "original_values": original}}))
}

fn discarded(changes: &[Change]) -> Option<DiscardReason> {
    changes.iter().find_map(|change| match change {
        Change::Discarded(discard) => {
            assert_eq!(discard.subject.as_deref(), Some("consent 1301"));
            Some(discard.reason)
        }
        _ => None,
    })
}

#[test]
fn consents() {
    let whole = json!({"person": 1042, "consenttype": 1001, "approved": false, "id": 1301});
    assert_eq!(consent("update", &whole, &json!({"approved": true})), [touched("1042")]);
    assert_eq!(consent("new", &whole, &json!(null)), [touched("1042")]);
    let moved = consent("update", &whole, &json!({"person": 1043}));
    assert_eq!(moved, [touched("1042"), touched("1043")]);

    let no_person = json!({"person": null, "consenttype": 1001, "approved": true});
    assert_eq!(discarded(&consent("new", &no_person, &json!({}))), Some(DiscardReason::MissingPerson));
    let no_type = json!({"person": 1042, "consenttype": null, "approved": true});
    let changes = consent("new", &no_type, &json!({}));
    assert_eq!(discarded(&changes), Some(DiscardReason::MissingConsentType));
    assert!(changes.contains(&touched("1042")));
    // Lime detaches the consents of a person that it deletes: the person is known, so nothing stays wrong.
    assert_eq!(consent("update", &no_person, &json!({"person": 1042})), [touched("1042")]);
    assert_eq!(discarded(&consent("delete", &json!(null), &json!(null))), Some(DiscardReason::MissingPerson));
}

#[test]
fn what_concerns_no_contact_and_what_is_no_event() {
    let changes =
        receive(&json!({"event": "deal.update", "body": {"id": 7, "limetype": "deal", "values": {}}}));
    assert!(matches!(changes.as_slice(), [Change::Discarded(it)] if it.reason == DiscardReason::NotRelevant));
    for body in ["", "{}", "[1]", r#"{"event":"person.new","body":"tuva@fjallverk.example"}"#] {
        let error = call(&mut bench(&Server::shared()), |lime| lime.receive(&delivery(&[], body.as_bytes())))
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
        assert!(!error.message.contains("tuva"));
    }
}

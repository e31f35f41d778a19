//! Answers of Lime as its documentation and its clients show them, word for word but for made-up people.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use lime::Lime;
use serde_json::{Value as Json, json};
use sluice_sdk::bench::{Bench, Response};
use sluice_sdk::{Choice, Connector, Contact, Value, export};

/// A page of the limeobject list, with an embedded company.
const LIST: &str = r#"{
  "_links": {"self": {"href": "https://acme.lime-crm.com/acme/api/v1/limeobject/person/?_limit=1&_embed=company"}},
  "_embedded": {"limeobjects": [{
    "firstname": "Tuva", "lastname": "Almgren", "name": "Tuva Almgren",
    "email": "tuva.almgren@fjallverk.example", "phone": "046-11 22 33", "mobilephone": "",
    "position": "CEO", "inactive": false, "emailhardbounce": false,
    "company": 1014, "expireddate": null, "anonymizeddate": null,
    "_id": 1042, "_descriptive": "Tuva Almgren",
    "_timestamp": "2026-05-17T11:21:12.507000+02:00", "_createdtime": "2026-01-23T15:01:22.537000+01:00",
    "_createduser": 3101, "_updateduser": 3701,
    "_links": {"relation_company": {"href": "https://acme.lime-crm.com/acme/api/v1/limeobject/person/1042/company/", "name": "company"}},
    "_embedded": {"relation_company": {
      "name": "Fjällverk AB", "phone": "", "country": "Sverige", "coworker": 1007, "inactive": false,
      "buyingstatus": {"id": 108501, "key": "prospect", "text": "Prospekt"},
      "fullpostaladdress": "Box 5\n111 11 STAD",
      "_id": 1014, "_descriptive": "Fjällverk AB",
      "_timestamp": "2026-02-06T08:04:11.857000+01:00", "_createdtime": "2026-01-13T12:58:26.270000+01:00"}}}]}}"#;

/// A page of the query API: an option is its key, a relation that is not set is null.
const QUERY: &str = r#"{"objects": [
  {"_id": 1042, "_timestamp": "2026-05-17T11:21:12.507000+02:00", "firstname": "Tuva", "lastname": "Almgren",
   "email": "tuva.almgren@fjallverk.example", "inactive": false,
   "company": {"_id": 1014, "name": "Fjällverk AB", "buyingstatus": "prospect"}},
  {"_id": 1043, "_timestamp": "2026-05-18T09:00:00+02:00", "firstname": "Isak", "lastname": "Brodén",
   "email": "", "inactive": false, "company": null},
  {"_id": 1044, "_timestamp": "2026-05-18T09:00:00+02:00", "firstname": "Maja", "lastname": "Ekvall",
   "email": "maja@ekvall.example", "inactive": true, "company": {"_id": null, "name": null, "buyingstatus": null}}
]}"#;

fn limetype(name: &str) -> Json {
    let property = |name: &str, kind: &str| json!({"name": name, "localname": name, "type": kind, "required": false, "_links": {}});
    let properties = match name {
        "person" => json!([
            property("firstname", "string"), property("email", "link"), property("inactive", "yesno"),
            property("consent", "hasmany"), property("_id", "system"),
            {"name": "company", "localname": "Company", "type": "belongsto", "required": false,
             "_links": {"related_type": {"href": "https://acme.lime-crm.com/acme/api/v1/limetype/company/", "name": "company"}}}]),
        _ => json!([
            property("name", "string"),
            {"name": "buyingstatus", "localname": "Status", "type": "option", "options": [
                {"key": "empty", "text": "", "inactive": false},
                {"key": "prospect", "text": "Prospekt", "inactive": false}], "_links": {}}]),
    };
    json!({"name": name, "localname": {"singular": name, "plural": name}, "_embedded": {"properties": properties}})
}

fn scanned(query: Option<&'static str>) -> Vec<Contact> {
    let mut bench = Bench::new(move |request| {
        let url = &request.url;
        let (status, body) = match () {
            () if url.contains("/limetype/person/") => (200, limetype("person").to_string()),
            () if url.contains("/limetype/company/") => (200, limetype("company").to_string()),
            () if url.contains("/query/") && url.contains("%22exp%22:0") => {
                query.map_or((403, String::new()), |body| (200, body.to_owned()))
            }
            () if url.contains("/query/") => (200, r#"{"objects": []}"#.to_owned()),
            () => (200, LIST.to_owned()),
        };
        Ok(Response { status, headers: Vec::new(), body: body.into_bytes() })
    });
    bench
        .setting("url", "https://acme.lime-crm.com/acme")
        .setting("consents", "fields")
        .secret("api-key", "K");
    bench.run(|| export::open::<Lime>()?.scan(None, 200)).unwrap().contacts
}

fn field<'a>(contact: &'a Contact, name: &str) -> &'a Value {
    &contact.fields.iter().find(|field| field.name == name).unwrap().value
}

#[test]
fn list_and_query_give_the_same_contact() {
    let (listed, queried) = (scanned(None), scanned(Some(QUERY)));
    assert_eq!((listed.len(), queried.len()), (1, 3));
    for tuva in [&listed[0], &queried[0]] {
        assert_eq!(tuva.id, "1042");
        assert_eq!(tuva.modified_at.as_deref(), Some("2026-05-17T09:21:12.507Z"));
        assert_eq!(*field(tuva, "firstname"), Value::Text("Tuva".to_owned()));
        assert_eq!(*field(tuva, "inactive"), Value::Boolean(false));
        assert_eq!(*field(tuva, "company"), Value::Integer(1014));
        let prospect = Choice { key: "prospect".to_owned(), label: "Prospekt".to_owned() };
        assert_eq!(*field(tuva, "company.buyingstatus"), Value::Choice(prospect));
    }
    for without in &queried[1..] {
        assert_eq!(*field(without, "company"), Value::Null, "{}", without.id);
        assert_eq!(*field(without, "company.name"), Value::Null);
    }
    assert_eq!(*field(&queried[1], "email"), Value::Text(String::new()));
}

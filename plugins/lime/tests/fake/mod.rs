//! A small Lime for tests: limetypes, Lime Query and the limeobject list over records in memory, which a
//! test changes between two calls.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use lime::Lime;
use percent_encoding::percent_decode_str;
use serde_json::{Value as Json, json};
use sluice_sdk::bench::{Bench, Request, Response};
use sluice_sdk::{Connector, Contact, Discard, Error, Page, Value, export};

pub const BASE: &str = "https://acme.lime-crm.com/Acme%20AB";

/// What the fake does and refuses.
pub struct Server {
    pub tables: BTreeMap<String, BTreeMap<i64, Json>>,
    /// Status of every query, where it is not permitted.
    pub query_refused: Option<u16>,
    /// The most that one query gives.
    pub query_cap: usize,
    /// Whether a list can be sorted by `_id`.
    pub sorts_by_id: bool,
    /// Whether a list goes on with `_offset_id`.
    pub next_by_id: bool,
    /// Whether a relation can be compared with null.
    pub compares_null: bool,
    /// Whether a filter takes `_id`, or only `id`.
    pub filters_underscore_id: bool,
    /// A property that an admin has removed.
    pub removed_property: Option<String>,
    /// A limetype and one of its properties that the API user may not read.
    pub hidden: Option<(&'static str, &'static str)>,
    /// An answer that takes the place of every other.
    pub always: Option<Response>,
    pub subscriptions: Vec<Json>,
    pub has_v2: bool,
    pub bodies: Vec<Json>,
}

pub type Shared = Rc<RefCell<Server>>;

pub fn answer(status: u16, body: &Json) -> Response {
    Response {
        status,
        headers: vec![("Content-Type".to_owned(), "application/hal+json".to_owned())],
        body: body.to_string().into_bytes(),
    }
}

fn refuse(status: u16) -> Response {
    answer(status, &json!({"message": "Refused, and says tuva@fjallverk.example"}))
}

impl Server {
    pub fn shared() -> Shared {
        let mut server = Self {
            tables: BTreeMap::new(),
            query_refused: None,
            query_cap: 200,
            sorts_by_id: true,
            next_by_id: false,
            compares_null: true,
            filters_underscore_id: true,
            removed_property: None,
            hidden: None,
            always: None,
            subscriptions: Vec::new(),
            has_v2: true,
            bodies: Vec::new(),
        };
        for limetype in ["person", "company", "consent", "consenttype", "campaign", "participant"] {
            server.tables.insert(limetype.to_owned(), BTreeMap::new());
        }
        server.put("company", 1014, json!({"name": "Fjällverk AB", "buyingstatus": "prospect"}));
        for (id, title) in [(1001, "Nyhetsbrev"), (1002, "Inbjudningar")] {
            server.put("consenttype", id, json!({"title": title, "active": id == 1001}));
        }
        Rc::new(RefCell::new(server))
    }

    pub fn put(&mut self, limetype: &str, id: i64, mut values: Json) {
        let object = values.as_object_mut().unwrap();
        object.insert("_id".to_owned(), json!(id));
        for name in ["_timestamp", "_createdtime"] {
            object.entry(name).or_insert(json!("2026-05-17T11:21:12.507000+02:00"));
        }
        self.tables.get_mut(limetype).unwrap().insert(id, values);
    }

    pub fn person(&mut self, id: i64) {
        self.put(
            "person",
            id,
            json!({"firstname": format!("P{id}"), "email": format!("p{id}@x.example"), "company": 1014}),
        );
    }

    pub fn consent(
        &mut self,
        id: i64,
        person: Option<i64>,
        kind: Option<i64>,
        approved: bool,
        created: &str,
    ) {
        self.put(
            "consent",
            id,
            json!({"person": person, "consenttype": kind, "approved": approved,
                "date": "2026-02-01T10:00:00+01:00", "_createdtime": created, "_timestamp": created}),
        );
    }

    fn respond(&mut self, request: &Request) -> Response {
        if let Some(always) = &self.always {
            return always.clone();
        }
        let path = request.url.strip_prefix(&format!("{BASE}/api/")).expect("below the base");
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query: Vec<(String, String)> = query
            .split('&')
            .filter(|part| !part.is_empty())
            .map(|part| part.split_once('=').unwrap())
            .map(|(key, value)| {
                (key.to_owned(), percent_decode_str(value).decode_utf8().unwrap().into_owned())
            })
            .collect();
        if let Some(body) = &request.body {
            self.bodies.push(serde_json::from_slice(body).unwrap());
        }
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["v1", ""] => answer(200, &json!({})),
            ["v1", "limetype", name, ""] => self.limetype(name),
            ["v1", "query", ""] => self.query(&serde_json::from_str(&query[0].1).unwrap()),
            ["v1", "limeobject", name, ""] => self.list(name, &query),
            ["v1", "limeobject", name, id, ""] => self.one(name, id.parse().unwrap()),
            [version, "subscription", ..] => self.subscription(version, request, parts[2]),
            _ => refuse(404),
        }
    }

    fn limetype(&self, name: &str) -> Response {
        if !self.tables.contains_key(name) {
            return refuse(404);
        }
        let property = |name: &str, kind: &str| json!({"name": name, "localname": name.to_uppercase(), "type": kind, "required": false});
        let mut properties = match name {
            "person" => vec![
                property("firstname", "string"),
                property("email", "link"),
                property("mobilephone", "phone"),
                property("score", "integer"),
                property("potential", "decimal"),
                property("newsletter", "yesno"),
                property("birthdate", "date"),
                property("consent", "hasmany"),
            ],
            _ => vec![property("name", "string"), property("approved", "yesno")],
        };
        if name == "person" {
            let mut company = property("company", "belongsto");
            company["_links"] = json!({"related_type": {"name": "company"}});
            properties.push(company);
        }
        if name == "company" {
            let mut status = property("buyingstatus", "option");
            status["options"] = json!([{"key": "empty", "text": ""}, {"key": "prospect", "text": "Prospekt", "inactive": false}]);
            properties.push(status);
        }
        properties.retain(|property| {
            let property = property["name"].as_str();
            property != self.removed_property.as_deref() && !self.hides(name, property.unwrap())
        });
        let names = json!({"singular": name.to_uppercase(), "plural": name});
        answer(200, &json!({"name": name, "localname": names, "_embedded": {"properties": properties}}))
    }

    fn query(&self, query: &Json) -> Response {
        if let Some(status) = self.query_refused {
            return refuse(status);
        }
        let Some(table) = self.tables.get(query["limetype"].as_str().unwrap()) else { return refuse(404) };
        let asked = query["responseFormat"]["object"].as_object().unwrap();
        if self.removed_property.as_ref().is_some_and(|gone| asked.contains_key(gone)) {
            return refuse(400);
        }
        let filter = query["filter"].to_string();
        if !self.compares_null && filter.contains("\"exp\":null")
            || !self.filters_underscore_id && filter.contains("\"_id\"")
        {
            return refuse(400);
        }
        assert_eq!(query["orderBy"], json!([{"_id": "ASC"}]));
        let limit = usize::try_from(query["limit"].as_u64().unwrap()).unwrap().min(self.query_cap);
        let found = table.values().filter(|row| self.holds(&query["filter"], row)).take(limit);
        let objects: Vec<Json> =
            found.map(|row| self.show(row, &query["responseFormat"]["object"])).collect();
        let objects: Vec<Json> =
            objects.into_iter().map(|row| self.seen(query["limetype"].as_str().unwrap(), row)).collect();
        answer(200, &json!({"objects": objects}))
    }

    fn show(&self, row: &Json, spec: &Json) -> Json {
        let shown = spec.as_object().unwrap().iter().map(|(name, inner)| {
            let value = row.get(name).cloned().unwrap_or(Json::Null);
            let value = match inner {
                Json::Object(_) => {
                    value.as_i64().map_or(Json::Null, |id| self.show(&self.tables[name][&id], inner))
                }
                _ => value,
            };
            (name.clone(), value)
        });
        Json::Object(shown.collect())
    }

    fn hides(&self, limetype: &str, property: &str) -> bool {
        self.hidden == Some((limetype, property))
    }

    /// A row without what the API user may not read.
    fn seen(&self, limetype: &str, mut row: Json) -> Json {
        row.as_object_mut().unwrap().retain(|property, _| !self.hides(limetype, property));
        row
    }

    fn value(&self, key: &str, row: &Json) -> Json {
        if key == "id" {
            return row["_id"].clone();
        }
        match key.split_once('.') {
            None => row.get(key).cloned().unwrap_or(Json::Null),
            Some((relation, rest)) => match row.get(relation).and_then(Json::as_i64) {
                Some(id) => self.value(rest, &self.tables[relation][&id]),
                None => Json::Null,
            },
        }
    }

    fn holds(&self, filter: &Json, row: &Json) -> bool {
        let exp = &filter["exp"];
        let parts = || exp.as_array().unwrap().iter();
        let value = || self.value(filter["key"].as_str().unwrap(), row);
        match filter["op"].as_str().unwrap() {
            "AND" => parts().all(|part| self.holds(part, row)),
            "OR" => parts().any(|part| self.holds(part, row)),
            "=" => value() == *exp,
            "IN" => parts().any(|one| value() == *one),
            ">" => value().as_i64() > exp.as_i64(),
            ">=" => value().as_str().and_then(moment) >= exp.as_str().and_then(moment),
            other => panic!("no operator {other}"),
        }
    }

    fn list(&self, name: &str, query: &[(String, String)]) -> Response {
        let Some(table) = self.tables.get(name) else { return refuse(404) };
        let get = |key: &str| query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let number = |key: &str| get(key).map(|text| text.parse::<usize>().unwrap());
        if get("_sort").is_some() && !self.sorts_by_id {
            return refuse(400);
        }
        let limit = number("_limit").unwrap_or(10).min(50);
        let after = number("_offset_id").unwrap_or(0);
        let in_range = |row: &&Json| {
            query.iter().all(|(key, value)| {
                let number = value.parse::<i64>().ok();
                match (key.strip_prefix("min-"), key.strip_prefix("max-")) {
                    (Some(property), _) => row[property].as_i64() >= number,
                    (_, Some(property)) => row[property].as_i64().is_some_and(|it| Some(it) <= number),
                    _ => true,
                }
            })
        };
        let rows: Vec<&Json> =
            table.values().filter(in_range).filter(|row| row["_id"].as_u64() > Some(after as u64)).collect();
        let offset = number("_offset").unwrap_or(0);
        let shown: Vec<Json> = rows
            .iter()
            .skip(offset)
            .take(limit)
            .map(|row| self.seen(name, self.hal(row, get("_embed"))))
            .collect();
        let mut links = json!({"self": {"href": "http://inner/"}});
        if rows.len() > offset + limit {
            let next = match self.next_by_id {
                true => format!("http://inner/?_offset_id={}", shown.last().unwrap()["_id"]),
                false => format!("http://inner/?_offset={}", offset + limit),
            };
            links["next"] = json!({"href": next});
        }
        answer(200, &json!({"_links": links, "_embedded": {"limeobjects": shown}}))
    }

    fn hal(&self, row: &Json, embed: Option<&str>) -> Json {
        let mut shown = row.clone();
        if let Some(relation) = embed
            && let Some(id) = row[relation].as_i64()
        {
            let mut embedded = json!({});
            embedded[format!("relation_{relation}")] = self.tables[relation][&id].clone();
            shown["_embedded"] = embedded;
        }
        shown
    }

    fn one(&self, name: &str, id: i64) -> Response {
        self.tables[name]
            .get(&id)
            .map_or_else(|| refuse(404), |row| answer(200, &self.seen(name, self.hal(row, Some("company")))))
    }

    fn subscription(&mut self, version: &str, request: &Request, id: &str) -> Response {
        use sluice_sdk::bench::Method;
        match request.method {
            Method::Get => answer(200, &json!(self.subscriptions)),
            Method::Post if version == "v2" && !self.has_v2 => refuse(404),
            Method::Post => {
                let mut made = self.bodies.last().unwrap().clone();
                made["id"] = json!(self.subscriptions.len() + 7);
                made["enabled"] = json!(true);
                if version == "v2" {
                    made["signature_version"] = json!("v2");
                }
                self.subscriptions.push(made.clone());
                answer(201, &made)
            }
            Method::Delete => {
                let before = self.subscriptions.len();
                let id: u64 = id.parse().unwrap();
                self.subscriptions.retain(|it| it["id"] != json!(id));
                if self.subscriptions.len() < before {
                    Response { status: 204, headers: vec![], body: vec![] }
                } else {
                    refuse(404)
                }
            }
            _ => refuse(405),
        }
    }
}

fn moment(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok()
}

/// A host on which the connector talks to the fake.
pub fn bench(server: &Shared) -> Bench {
    let server = Rc::clone(server);
    let mut bench = Bench::new(move |request| Ok(server.borrow_mut().respond(request)));
    bench
        .setting("url", "https://acme.lime-crm.com/Acme AB")
        .secret("api-key", "K")
        .secret("webhook-secret", "0123456789abcdef0123456789abcdef");
    bench
}

/// One call of the connector, in what would be an instance of its own.
pub fn call<T>(bench: &mut Bench, act: impl FnOnce(&Lime) -> Result<T, Error>) -> Result<T, Error> {
    bench.run(|| act(&export::open::<Lime>()?))
}

pub fn scan(bench: &mut Bench, after: Option<&str>, limit: u32) -> Page {
    let page = call(bench, |lime| lime.scan(after, limit)).unwrap();
    assert!(page.contacts.len() <= limit as usize, "{} of {limit}", page.contacts.len());
    page
}

/// A whole scan; `between` happens after each page.
pub fn scan_all(
    bench: &mut Bench,
    limit: u32,
    mut between: impl FnMut(usize),
) -> (Vec<Contact>, Vec<Discard>) {
    let (mut contacts, mut discarded, mut after) = (Vec::new(), Vec::new(), None);
    for pages in 1.. {
        let page = scan(bench, after.as_deref(), limit);
        contacts.extend(page.contacts);
        discarded.extend(page.discarded);
        assert_ne!(
            page.next.is_some().then(|| page.next.clone()),
            Some(after.clone()),
            "the cursor moves on"
        );
        after = page.next;
        if after.is_none() {
            break;
        }
        assert!(pages < 1000);
        between(pages);
    }
    (contacts, discarded)
}

pub fn ids(contacts: &[Contact]) -> Vec<i64> {
    contacts.iter().map(|contact| contact.id.parse().unwrap()).collect()
}

pub fn field<'a>(contact: &'a Contact, name: &str) -> &'a Value {
    &contact.fields.iter().find(|field| field.name == name).unwrap().value
}

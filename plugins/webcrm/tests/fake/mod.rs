//! A small webCRM for tests: log-in, lists, queries, metadata and hooks over records in memory, which a test changes
//! between two calls.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use percent_encoding::percent_decode_str;
use serde_json::{Value as Json, json};
use sluice_sdk::bench::{Bench, Credential, Method, Request, Response};
use sluice_sdk::{Connector, Contact, Error, Page, Value, export};
use webcrm::WebCrm;

pub const BASE: &str = "https://api.webcrm.com";
pub const HOOK_TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// In every sensitive field.
pub const PASSWORD: &str = "hunter2";

/// What the fake does and refuses.
pub struct Server {
    pub persons: BTreeMap<i64, Json>,
    pub organisations: BTreeMap<i64, Json>,
    /// Status of every query, where they are not to be had.
    pub query_refused: Option<u16>,
    /// Whether queries look at `>` between an id and a number.
    pub compares_ids: bool,
    /// Whether `=` between an id and a number finds anything.
    pub equals_ids: bool,
    /// Whether queries and lists come in the order of ids.
    pub in_order: bool,
    /// The most records on a page of the list.
    pub list_cap: usize,
    /// An answer that takes the place of every other but that to a log-in.
    pub always: Option<Response>,
    /// How a log-in is answered, where it is not as it should be.
    pub login: Option<Response>,
    /// How many log-ins there were; only the token of the last one is good.
    pub logins: u32,
    /// Refuses so many requests with 401, whatever their token.
    pub unauthorized: u32,
    pub hooks: Vec<(String, Json)>,
    pub next_hook: i64,
    pub hooks_refused: bool,
    /// Fields of persons that are not sent.
    pub hidden: Vec<&'static str>,
}

pub type Shared = Rc<RefCell<Server>>;

pub fn answer(status: u16, body: &Json) -> Response {
    Response {
        status,
        headers: vec![("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned())],
        body: body.to_string().into_bytes(),
    }
}

fn refuse(status: u16) -> Response {
    answer(status, &json!({"Message": "Refused, and says tuva@fjallverk.example"}))
}

fn metadata(name: &str, display_type: &str, options: &[(&str, &str)]) -> Json {
    let options: Vec<Json> =
        options.iter().map(|(value, text)| json!({"Text": text, "Value": value})).collect();
    json!({"FieldMetadataDbFieldName": name, "FieldMetadataFriendlyFieldName": name.to_lowercase(),
        "FieldMetadataLabel": format!("The {name}"), "FieldMetadataId": 7, "FieldMetadataSortOrder": 1,
        "FieldMetadataTextFieldMaxLength": 100, "FieldMetadataDisplayType": display_type,
        "FieldMetadataDropdownListData": if options.is_empty() { Json::Null } else { json!(options) }})
}

impl Server {
    pub fn shared() -> Shared {
        let mut server = Self {
            persons: BTreeMap::new(),
            organisations: BTreeMap::new(),
            query_refused: None,
            compares_ids: true,
            equals_ids: true,
            in_order: true,
            list_cap: 1000,
            always: None,
            login: None,
            logins: 0,
            unauthorized: 0,
            hooks: Vec::new(),
            next_hook: 11,
            hooks_refused: false,
            hidden: Vec::new(),
        };
        server.organisation(14, "Fjällverk AB");
        Rc::new(RefCell::new(server))
    }

    /// With persons of these ids.
    pub fn with(range: std::ops::Range<i64>) -> Shared {
        let server = Self::shared();
        range.for_each(|id| server.borrow_mut().person(id));
        server
    }

    pub fn organisation(&mut self, id: i64, name: &str) {
        let record = json!({"OrganisationId": id, "OrganisationName": name, "OrganisationType": "1",
            "OrganisationUpdatedAt": "2026-05-17T11:21:12.5070000Z"});
        self.organisations.insert(id, record);
    }

    pub fn person(&mut self, id: i64) {
        let record = json!({"PersonId": id, "PersonOrganisationId": 14, "PersonFirstName": format!("P{id}"),
            "PersonLastName": "Almgren", "PersonEmail": format!("p{id}@x.example"), "PersonMobilePhone": "",
            "PersonStatus": "Active", "PersonBlockMassEmail": false, "PersonCheckMark1": false,
            "PersonCustom3": "", "PersonPassword": PASSWORD, "PersonCampaignPassword": PASSWORD,
            "PersonMemberPassword": PASSWORD, "PersonLoginLog": PASSWORD,
            "PersonCreatedAt": "2026-01-23T14:01:22Z", "PersonUpdatedAt": "2026-05-17T11:21:12.5070000Z"});
        self.persons.insert(id, record);
    }

    pub fn set(&mut self, id: i64, field: &str, value: Json) {
        self.persons.get_mut(&id).unwrap()[field] = value;
    }

    fn respond(&mut self, request: &Request) -> Response {
        let path = request.url.strip_prefix(&format!("{BASE}/")).expect("below the base");
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if path == "Auth/ApiLogin" {
            return self.log_in(request);
        }
        let token =
            request.headers.iter().find(|(name, _)| name == "authorization").map(|(_, it)| it.as_str());
        if self.unauthorized > 0 || token != Some(format!("Bearer token-{}", self.logins).as_str()) {
            self.unauthorized = self.unauthorized.saturating_sub(1);
            return refuse(401);
        }
        if let Some(always) = &self.always {
            return always.clone();
        }
        let query: BTreeMap<String, String> = query
            .split('&')
            .filter_map(|part| part.split_once('='))
            .map(|(key, value)| {
                (key.to_owned(), percent_decode_str(value).decode_utf8().unwrap().into_owned())
            })
            .collect();
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["FieldsMetadata", table] => Self::metadata(table),
            ["Queries"] => self.query(&query),
            ["Persons"] => self.list(&query),
            ["Organisations"] => self.page(self.organisations.values().cloned().collect(), &query),
            [table, "Hooks", ..] => self.hook(table, request, parts.get(2).copied()),
            ["Persons", id] => Self::one(&self.persons, id, &self.hidden),
            ["Organisations", id] => Self::one(&self.organisations, id, &[]),
            ["Organisations", id, "Persons"] => {
                let of = |person: &&Json| person["PersonOrganisationId"].as_i64() == id.parse().ok();
                answer(200, &self.persons.values().filter(of).cloned().collect())
            }
            _ => refuse(404),
        }
    }

    fn log_in(&mut self, request: &Request) -> Response {
        let secret = ("authCode".to_owned(), "application-token".to_owned());
        assert_eq!(request.method, Method::Post);
        assert!(
            matches!(request.credentials.as_slice(), [Credential::Form(form)] if *form == secret),
            "{request:?}"
        );
        self.logins += 1;
        self.login.clone().unwrap_or_else(|| {
            answer(
                200,
                &json!({"AccessToken": format!("token-{}", self.logins), "RefreshToken": "r", "ExpiresIn": 3600,
                    "TokenType": "Bearer", "IsError": false, "Error": null, "ErrorDescription": null}),
            )
        })
    }

    fn metadata(table: &str) -> Response {
        let kunde = [("", ""), ("1", "A Kunde"), ("2", "B Kunde")];
        answer(
            200,
            &match table {
                "Person" => json!([
                    metadata("PersonFirstName", "T", &[]),
                    metadata("PersonEmail", "EMA", &[]),
                    metadata("PersonMobilePhone", "TELE", &[]),
                    metadata("PersonPassword", "T", &[]),
                    metadata("PersonLoginLog", "M", &[]),
                    metadata("PersonStatus", "L", &[("Active", "Active"), ("Resigned", "Resigned")]),
                    metadata("PersonCheckMark1", "C", &[]),
                    metadata("PersonCustom3", "C", &[]),
                    metadata("PersonBlockMassEmail", "C", &[]),
                    metadata("Robert'); DROP", "T", &[]),
                ]),
                "Organisation" => {
                    json!([metadata("OrganisationName", "T", &[]), metadata("OrganisationType", "L", &kunde)])
                }
                _ => return refuse(404),
            },
        )
    }

    fn one(records: &BTreeMap<i64, Json>, id: &str, hidden: &[&str]) -> Response {
        let Some(record) = id.parse().ok().and_then(|id: i64| records.get(&id)) else { return refuse(404) };
        answer(200, &shown(record, hidden))
    }

    fn page(&self, found: Vec<Json>, query: &BTreeMap<String, String>) -> Response {
        let number = |name: &str| query.get(name).map_or(1, |text| text.parse::<usize>().unwrap());
        let (page, size) = (number("Page"), number("Size"));
        if page == 0 || size == 0 || size > 1000 {
            return refuse(400);
        }
        answer(200, &found.into_iter().skip((page - 1) * size).take(size).take(self.list_cap).collect())
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Response {
        let mut found: Vec<Json> = self.persons.values().map(|it| shown(it, &self.hidden)).collect();
        if !self.in_order {
            found.reverse();
        }
        self.page(found, query)
    }

    fn query(&self, query: &BTreeMap<String, String>) -> Response {
        if let Some(status) = self.query_refused {
            return refuse(status);
        }
        let script = &query["script"];
        let (table, rest) = script.strip_prefix("SELECT * FROM ").unwrap().split_once(" WHERE ").unwrap();
        let (conditions, order) = rest.split_once(" ORDER BY ").unwrap();
        assert_eq!(order, format!("{table}Id ASC"));
        let records = if table == "Person" { &self.persons } else { &self.organisations };
        let holds = |record: &Json| conditions.split(" AND ").all(|part| self.holds(part, record));
        let mut found: Vec<Json> =
            records.values().filter(|it| holds(it)).map(|it| shown(it, &self.hidden)).collect();
        if !self.in_order {
            found.reverse();
        }
        self.page(found, query)
    }

    fn holds(&self, condition: &str, record: &Json) -> bool {
        if let Some(any) = condition.strip_prefix('(') {
            return any.trim_end_matches(')').split(" OR ").any(|part| self.holds(part, record));
        }
        let parts: Vec<&str> = condition.split(' ').collect();
        let [field, operator, value] = parts.as_slice() else { panic!("{condition}") };
        let number = || value.parse::<i64>().unwrap();
        let own = &record[*field];
        match *operator {
            ">" => !self.compares_ids || own.as_i64().unwrap() > number(),
            "=" => self.equals_ids && own.as_i64() == Some(number()),
            ">=" => moment(own.as_str().unwrap()) >= moment(value.trim_matches('\'')),
            other => panic!("no operator {other}"),
        }
    }

    fn hook(&mut self, table: &str, request: &Request, id: Option<&str>) -> Response {
        if self.hooks_refused {
            return refuse(403);
        }
        match request.method {
            Method::Get => {
                let of = self.hooks.iter().filter(|(of, _)| of == table).map(|(_, hook)| hook.clone());
                answer(200, &of.collect())
            }
            Method::Post => {
                let mut hook: Json = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
                for name in ["Filter", "Id", "IsEnabled", "TargetUrl"] {
                    assert!(!hook[name].is_null(), "{name} is required");
                }
                hook["Id"] = json!(self.next_hook);
                self.next_hook += 1;
                self.hooks.push((table.to_owned(), hook));
                answer(200, &json!(self.next_hook - 1))
            }
            Method::Delete => {
                let before = self.hooks.len();
                self.hooks
                    .retain(|(of, hook)| of != table || hook["Id"].as_i64() != id.unwrap().parse().ok());
                if self.hooks.len() < before { answer(200, &Json::Null) } else { refuse(404) }
            }
            _ => refuse(405),
        }
    }
}

fn shown(record: &Json, hidden: &[&str]) -> Json {
    let mut record = record.clone();
    record.as_object_mut().unwrap().retain(|name, _| !hidden.contains(&name.as_str()));
    record
}

fn moment(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

/// A host on which the connector talks to the fake.
pub fn bench(server: &Shared) -> Bench {
    let server = Rc::clone(server);
    let mut bench = Bench::new(move |request| Ok(server.borrow_mut().respond(request)));
    bench
        .secret("application-token", "0f7e1b3c-0000-4000-8000-000000000001")
        .setting("hook-word", HOOK_TOKEN);
    bench
}

/// One call of the connector, in what would be an instance of its own.
pub fn call<T>(bench: &mut Bench, act: impl FnOnce(&WebCrm) -> Result<T, Error>) -> Result<T, Error> {
    bench.run(|| act(&export::open::<WebCrm>()?))
}

pub fn scan(bench: &mut Bench, after: Option<&str>, limit: u32) -> Page {
    let page = call(bench, |webcrm| webcrm.scan(after, limit)).unwrap();
    assert!(page.contacts.len() <= limit as usize, "{} of {limit}", page.contacts.len());
    page
}

/// A whole scan; `between` happens after each page.
pub fn scan_all(bench: &mut Bench, limit: u32, mut between: impl FnMut(usize)) -> Vec<Contact> {
    let (mut contacts, mut after) = (Vec::new(), None);
    for pages in 1.. {
        let page = scan(bench, after.as_deref(), limit);
        contacts.extend(page.contacts);
        assert!(page.next.is_none() || page.next != after, "the cursor moves on");
        after = page.next;
        if after.is_none() {
            break;
        }
        assert!(pages < 1000);
        between(pages);
    }
    contacts
}

pub fn ids(contacts: &[Contact]) -> Vec<i64> {
    contacts.iter().map(|contact| contact.id.parse().unwrap()).collect()
}

pub fn field<'a>(contact: &'a Contact, name: &str) -> &'a Value {
    &contact.fields.iter().find(|field| field.name == name).unwrap().value
}

//! The simulated webCRM: persons, organisations, their fields, `/Queries`, log-in and hooks of one system, as its REST
//! page, its published API definition and the vendor's own integration code show them.
//!
//! Promises: everything but the log-in needs an access token; pages go from 1 and hold 1 to 1,000 records, anything
//! else is 400; over the limit there is a 429 with the header and the body that webCRM documents; a person's last name
//! is mandatory and its organisation fixed; there is no DELETE over the API, people delete. Every write raises its hooks
//! in the order in which it is done. Left out: the other tables, and XML.

mod data;
mod hook;
mod login;
mod model;
mod people;
mod playing;
mod script;
mod switches;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hyper::header::RETRY_AFTER;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

pub use hook::Hook;
pub(crate) use model::Table;
pub use people::SENSITIVE;
pub use switches::{HookBody, WebcrmConfig, WebcrmSwitches};

use crate::SandboxError;
use crate::call::{Head, Reply};
use crate::lime::Event;
use crate::lock::held;
use crate::webhooks::Webhooks;
use data::{Data, Refused};
use hook::{Hooks, refused};
use login::Tokens;
use script::Script;

/// The simulated system.
#[derive(Debug)]
pub(crate) struct Webcrm {
    data: Mutex<Data>,
    hooks: Mutex<Hooks>,
    tokens: Mutex<Tokens>,
    switches: Mutex<WebcrmSwitches>,
    webhooks: Arc<Webhooks>,
    base: String,
}

/// What a request is about.
#[derive(Debug)]
pub(crate) enum Route {
    Login,
    WhoAmI,
    Metadata(Table),
    Query,
    List(Table),
    Record(Table, u64),
    PersonsOf(u64),
    Hooks(Table, Option<u64>),
    Unknown,
}

impl Route {
    /// The class that faults and counts are kept by.
    pub(crate) fn class(&self, method: &Method) -> &'static str {
        match self {
            Self::Login => "webcrm.login",
            Self::WhoAmI => "webcrm.who",
            Self::Metadata(_) => "webcrm.metadata",
            Self::Query => "webcrm.query",
            Self::List(Table::Person) if *method == Method::GET => "webcrm.persons",
            Self::Record(Table::Person, _) if *method == Method::GET => "webcrm.person",
            Self::List(_) | Self::Record(..) | Self::PersonsOf(_) if *method == Method::GET => {
                "webcrm.organisations"
            }
            Self::List(_) | Self::Record(..) | Self::PersonsOf(_) => "webcrm.write",
            Self::Hooks(..) => "webcrm.hooks",
            Self::Unknown => "webcrm.unknown",
        }
    }

    pub(crate) fn read(segments: &[&str]) -> Self {
        let table = |path: &str| Table::at(path);
        let number = |text: &str| text.parse::<u64>().ok();
        let found = match segments {
            ["Auth", "ApiLogin"] => Some(Self::Login),
            ["Auth"] => Some(Self::WhoAmI),
            ["FieldsMetadata", name] => Table::named(name).map(Self::Metadata),
            ["Queries"] => Some(Self::Query),
            [path] => table(path).map(Self::List),
            [path, "Hooks"] => table(path).map(|table| Self::Hooks(table, None)),
            [path, "Hooks", id] => {
                table(path).zip(number(id)).map(|(table, id)| Self::Hooks(table, Some(id)))
            }
            ["Organisations", id, "Persons"] => number(id).map(Self::PersonsOf),
            [path, id] => table(path).zip(number(id)).map(|(table, id)| Self::Record(table, id)),
            _ => None,
        };
        found.unwrap_or(Self::Unknown)
    }
}

/// Over the limit: the header, and the body word for word.
pub(crate) fn too_many(seconds: u64) -> Reply {
    let message = format!("Too many requests. Try again in {seconds} seconds.");
    let body = json!({"RetryAfterSeconds": seconds, "Message": message, "Type": "TooManyRequestsException"});
    Reply::json(StatusCode::TOO_MANY_REQUESTS, &body).with(RETRY_AFTER, &seconds.to_string())
}

/// Something else went wrong.
pub(crate) fn failed(status: StatusCode, message: &str) -> Reply {
    refused(status, message)
}

impl Webcrm {
    pub(crate) fn new(
        config: &WebcrmConfig,
        application_token: String,
        base: String,
        webhooks: Arc<Webhooks>,
    ) -> Self {
        let mut data = Data::default();
        people::fill(&mut data, config.persons, config.seed);
        Self {
            data: Mutex::new(data),
            hooks: Mutex::default(),
            tokens: Mutex::new(Tokens::new(application_token)),
            switches: Mutex::new(config.switches.clone()),
            webhooks,
            base,
        }
    }

    pub(crate) fn switches(&self) -> WebcrmSwitches {
        held(&self.switches).clone()
    }

    pub(crate) fn handle(&self, head: &Head, route: &Route, body: &Bytes) -> Reply {
        let switches = self.switches();
        if let Route::Login = route {
            return match head.method {
                Method::POST => held(&self.tokens).issue(head, body, &switches),
                _ => not_allowed(),
            };
        }
        if !held(&self.tokens).knows(head) {
            return refused(StatusCode::UNAUTHORIZED, "Authorization has been denied for this request.");
        }
        match (route, &head.method) {
            (Route::WhoAmI, &Method::GET) => Reply::json(StatusCode::OK, &json!({"UserName": "integration"})),
            (Route::Metadata(table), &Method::GET) => Reply::json(StatusCode::OK, &table.metadata()),
            (Route::Query, &Method::GET) if switches.queries => self.query(head, &switches),
            (Route::List(table), &Method::GET) => {
                let data = held(&self.data);
                paged(head, &data, *table, ordered(&data, *table, &switches))
            }
            (Route::Record(table, id), &Method::GET) => match held(&self.data).record(*table, *id) {
                Some(record) => Reply::json(StatusCode::OK, &record),
                None => not_found(),
            },
            (Route::PersonsOf(organisation), &Method::GET) => self.persons_of(*organisation),
            (Route::List(table), &Method::POST) => {
                written(self.create(*table, &json_of(body)), |id| json!(id))
            }
            (Route::Record(table, id), &Method::PUT) => {
                written(self.update(*table, *id, &json_of(body)), |()| Value::Null)
            }
            (Route::Hooks(table, id), method) => {
                let mut hooks = held(&self.hooks);
                let reply = hooks.handle(*table, *id, method, body);
                self.webhooks.follow(&hooks.subscriptions());
                reply
            }
            (Route::Query | Route::Unknown, _) => not_found(),
            _ => not_allowed(),
        }
    }

    fn query(&self, head: &Head, switches: &WebcrmSwitches) -> Reply {
        let script = head.param("script").and_then(|text| Script::read(text, switches.numbers_in_queries));
        let Some(script) = script else {
            return refused(StatusCode::BAD_REQUEST, "The script cannot be read.");
        };
        let data = held(&self.data);
        let found = script.run(&data, ordered(&data, script.table, switches));
        paged(head, &data, script.table, found)
    }

    fn persons_of(&self, organisation: u64) -> Reply {
        let data = held(&self.data);
        if data.record(Table::Organisation, organisation).is_none() {
            return not_found();
        }
        let is_of = |id: &u64| {
            data.value(Table::Person, *id, "PersonOrganisationId").and_then(|of| of.as_u64())
                == Some(organisation)
        };
        let found = data.ids(Table::Person).into_iter().filter(is_of);
        let records: Vec<Value> = found.filter_map(|id| data.record(Table::Person, id)).collect();
        Reply::json(StatusCode::OK, &json!(records))
    }

    /// The ids of a table, ascending.
    pub(crate) fn ids(&self, table: Table) -> Vec<u64> {
        held(&self.data).ids(table)
    }

    pub(crate) fn create(&self, table: Table, values: &Value) -> Result<u64, Refused> {
        let mut data = held(&self.data);
        let id = data.create(table, values)?;
        self.raise(&data, table, id, "Create");
        Ok(id)
    }

    pub(crate) fn update(&self, table: Table, id: u64, values: &Value) -> Result<(), Refused> {
        let mut data = held(&self.data);
        data.update(table, id, values)?;
        self.raise(&data, table, id, "Update");
        Ok(())
    }

    pub(crate) fn delete(&self, table: Table, id: u64) -> Result<(), Refused> {
        let mut data = held(&self.data);
        data.delete(table, id)?;
        self.raise(&data, table, id, "Delete");
        Ok(())
    }

    /// The data is still locked, so that hooks are raised in the order of the writes.
    fn raise(&self, data: &Data, table: Table, id: u64, event: &str) {
        let name = format!("{}.{event}", table.path());
        let naming = held(&self.hooks).naming(&name);
        let body = hook::body(self.switches().hook_body, &self.base, table, id, data.record(table, id));
        self.webhooks.raise(&naming, &Event { name, limetype: table.name(), object: id, body });
    }
}

fn ordered(data: &Data, table: Table, switches: &WebcrmSwitches) -> Vec<u64> {
    if switches.lists_by_change { data.ids_by_change(table) } else { data.ids(table) }
}

fn paged(head: &Head, data: &Data, table: Table, found: Vec<u64>) -> Reply {
    let number = |name: &str, default: usize| match head.param(name) {
        None => Some(default),
        Some(text) => text.parse::<usize>().ok(),
    };
    let page = number("Page", 1).filter(|page| (1..=1_000_000).contains(page));
    let size = number("Size", 50).filter(|size| (1..=1000).contains(size));
    let Some((page, size)) = page.zip(size) else {
        return refused(StatusCode::BAD_REQUEST, "Page must be from 1 to 1000000, and Size from 1 to 1000.");
    };
    let before = page.saturating_sub(1).saturating_mul(size);
    let some = found.into_iter().skip(before).take(size);
    let records: Vec<Value> = some.filter_map(|id| data.record(table, id)).collect();
    Reply::json(StatusCode::OK, &json!(records))
}

fn json_of(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn written<T>(result: Result<T, Refused>, answer: impl FnOnce(T) -> Value) -> Reply {
    match result {
        Ok(written) => Reply::json(StatusCode::OK, &answer(written)),
        Err(Refused::NotFound) => not_found(),
        Err(Refused::Invalid(message)) => refused(StatusCode::BAD_REQUEST, &message),
    }
}

fn not_found() -> Reply {
    refused(StatusCode::NOT_FOUND, "Not found.")
}

fn not_allowed() -> Reply {
    refused(StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed.")
}

impl From<Refused> for SandboxError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotFound => Self::Refused("There is no such record.".to_owned()),
            Refused::Invalid(message) => Self::Refused(message),
        }
    }
}

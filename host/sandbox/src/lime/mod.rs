//! The simulated Lime CRM: limetypes, objects, Lime Query and webhook subscriptions of one installation,
//! as Lime's REST start page, its Lime Query tutorial and its own clients show them.
//!
//! Promises: everything under `/<application>/api/` needs the header `x-api-key`; a list gives 10 objects
//! unless asked for more and never more than 50; a query never more than 200; text is never null; options
//! are objects in lists and bare keys in queries. Every write raises its events in the order in which it is
//! done, whether a client did it or the sandbox. Served for two applications, one with a space in its name,
//! on the same data. Left out: files, users, and labels in a second language; sending what was raised is
//! left to `webhooks`.

mod clock;
mod event;
mod feed;
mod generator;
mod lists;
mod model;
mod query;
mod render;
mod store;
mod subscription;
mod table;
mod write;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

pub(crate) use event::Event;
pub use feed::People;
pub use store::LimeSwitches;
pub use subscription::Subscription;

use crate::SandboxError;
use crate::call::{Head, Reply};
use crate::lock::held;
use crate::webhooks::Webhooks;
use query::{Checked, Refused, bad};
use render::Writer;
use store::{Data, Search};
use subscription::Subscriptions;
use write::Change;

/// What an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rights {
    Full,
    /// Reads only, and is not in the group `Webhook Users`.
    ReadOnly,
}

/// The simulated installation.
#[derive(Debug)]
pub(crate) struct Lime {
    data: Mutex<Data>,
    subscriptions: Mutex<Subscriptions>,
    webhooks: Arc<Webhooks>,
    application: String,
    key: String,
    read_only_key: String,
    shuffle: AtomicUsize,
}

/// What a request is about.
#[derive(Debug)]
pub(crate) enum Route {
    Root,
    Limetypes,
    Limetype(String),
    Query,
    List(String),
    Object(String, u64),
    Related(String, u64, String),
    Subscriptions,
    Subscription { id: String },
    AvailableEvents,
    Unknown,
}

impl Route {
    /// The class that faults and counts are kept by.
    pub(crate) fn class(&self, method: &Method) -> &'static str {
        match self {
            Self::Root => "lime.root",
            Self::Limetypes | Self::Limetype(_) => "lime.limetype",
            Self::Query => "lime.query",
            Self::List(_) if *method == Method::GET => "lime.list",
            Self::Object(..) | Self::Related(..) if *method == Method::GET => "lime.object",
            Self::List(_) | Self::Object(..) | Self::Related(..) => "lime.write",
            Self::Subscriptions | Self::Subscription { .. } | Self::AvailableEvents => "lime.subscription",
            Self::Unknown => "lime.unknown",
        }
    }
}

/// The second application, whose name must be percent-encoded in URLs.
const SPACED_APPLICATION: &str = "Acme AB";

impl Lime {
    pub(crate) fn new(
        people: People,
        switches: LimeSwitches,
        application: String,
        key: String,
        read_only_key: String,
        webhooks: Arc<Webhooks>,
    ) -> Result<Self, SandboxError> {
        Ok(Self {
            data: Mutex::new(Data::new(people, switches)?),
            subscriptions: Mutex::default(),
            webhooks,
            application,
            key,
            read_only_key,
            shuffle: AtomicUsize::new(0),
        })
    }

    pub(crate) fn switches(&self) -> LimeSwitches {
        held(&self.data).switches.clone()
    }

    pub(crate) fn set_switches(&self, switches: LimeSwitches) {
        held(&self.data).switches = switches;
    }

    pub(crate) fn subscriptions(&self) -> Vec<Subscription> {
        held(&self.subscriptions).all()
    }

    pub(crate) fn route(&self, head: &Head) -> Route {
        let segments = head.segments();
        let Some((application, rest)) = segments.split_first() else { return Route::Unknown };
        if *application != self.application && *application != SPACED_APPLICATION {
            return Route::Unknown;
        }
        let id = |text: &str| text.parse::<u64>();
        match rest {
            ["api", "v1"] => Route::Root,
            ["api", "v1", "limetype"] => Route::Limetypes,
            ["api", "v1", "limetype", name] => Route::Limetype((*name).to_owned()),
            ["api", "v1", "query"] => Route::Query,
            ["api", "v1", "limeobject", name] => Route::List((*name).to_owned()),
            ["api", "v1", "limeobject", name, object] => match id(object) {
                Ok(object) => Route::Object((*name).to_owned(), object),
                Err(_) => Route::Unknown,
            },
            ["api", "v1", "limeobject", name, object, relation] => match id(object) {
                Ok(object) => Route::Related((*name).to_owned(), object, (*relation).to_owned()),
                Err(_) => Route::Unknown,
            },
            ["api", "v1" | "v2", "subscription", "available"] => Route::AvailableEvents,
            ["api", "v1" | "v2", "subscription"] => Route::Subscriptions,
            ["api", "v1" | "v2", "subscription", id] => Route::Subscription { id: (*id).to_owned() },
            _ => Route::Unknown,
        }
    }

    pub(crate) fn handle(&self, head: &Head, route: &Route, body: &Bytes, host: &str) -> Reply {
        if head.uri.to_string().len() > self.switches().url_bytes {
            return Reply::html(StatusCode::URI_TOO_LONG);
        }
        let rights = match head.header("x-api-key") {
            Some(key) if key == self.key => Rights::Full,
            Some(key) if key == self.read_only_key => Rights::ReadOnly,
            _ => return Reply::message(StatusCode::UNAUTHORIZED, "Invalid API key."),
        };
        let application = head.path.first().map_or("", String::as_str);
        let base = format!("http://{host}/{}", application.replace(' ', "%20"));
        let answer = self.answer(head, route, body, &base, rights);
        match answer {
            Ok(reply) => reply,
            Err(Refused::BadRequest(message)) => Reply::message(StatusCode::BAD_REQUEST, &message),
            Err(Refused::NotFound(message)) => Reply::message(StatusCode::NOT_FOUND, &message),
        }
    }

    fn answer(&self, head: &Head, route: &Route, body: &Bytes, base: &str, rights: Rights) -> Checked<Reply> {
        let mut data = held(&self.data);
        let api = format!("{base}/api/v1");
        let shuffle = self.shuffle.fetch_add(1, Ordering::Relaxed);
        let reads = head.method == Method::GET;
        let writes = !reads && matches!(route, Route::List(_) | Route::Object(..));
        if writes && rights == Rights::ReadOnly {
            return Ok(Reply::message(StatusCode::FORBIDDEN, "You are not allowed to do this."));
        }
        if writes {
            let body = if head.method == Method::DELETE { Value::Null } else { json_body(body)? };
            let (status, limetype, id) = match (route, &head.method) {
                (Route::List(name), &Method::POST) => {
                    let change = write::create(&mut data, name, &body)?;
                    (StatusCode::CREATED, name, self.written(&data, vec![change]))
                }
                (Route::Object(name, id), &Method::PUT) => {
                    let change = write::update(&mut data, name, *id, &body)?;
                    (StatusCode::OK, name, self.written(&data, vec![change]))
                }
                (Route::Object(name, id), &Method::DELETE) => {
                    let changes = write::delete(&mut data, name, *id)?;
                    self.written(&data, changes);
                    return Ok(Reply::empty(StatusCode::NO_CONTENT));
                }
                _ => return Ok(not_allowed()),
            };
            let writer = Writer { data: &data, api: &api, shuffle };
            return Ok(Reply::json(status, &lists::object(&writer, limetype, id, &[])?));
        }
        let writer = Writer { data: &data, api: &api, shuffle };
        match route {
            Route::Subscriptions | Route::Subscription { .. } | Route::AvailableEvents => {
                if !data.switches.webhooks || (!data.switches.subscriptions_v2 && is_v2(head)) {
                    return Err(Refused::NotFound("Not found.".to_owned()));
                }
                if rights == Rights::ReadOnly {
                    return Ok(Reply::message(StatusCode::FORBIDDEN, "You are not allowed to do this."));
                }
                let mut subscriptions = held(&self.subscriptions);
                let reply = subscriptions.handle(head, route, body);
                if !reads {
                    self.webhooks.follow(&subscriptions.all());
                }
                reply
            }
            Route::Query if reads || data.switches.query_by_post => {
                if !data.switches.query_permitted {
                    return Ok(Reply::message(StatusCode::FORBIDDEN, "You are not allowed to use queries."));
                }
                let query = if reads {
                    let Some(text) = head.param("q") else { return bad("The parameter q is missing.") };
                    serde_json::from_str(text)
                        .map_err(|_| Refused::BadRequest("The query is not valid JSON.".to_owned()))?
                } else {
                    json_body(body)?
                };
                Ok(Reply::json(StatusCode::OK, &self.query(&writer, &query)?))
            }
            _ if !reads => Ok(not_allowed()),
            Route::Root => {
                Ok(Reply::json(StatusCode::OK, &json!({"_links": {"self": {"href": format!("{api}/")}}})))
            }
            Route::Limetypes => {
                let embedded = head.param("_embed");
                if embedded.is_some_and(|embed| embed != "limetypes.properties" && embed != "limetypes") {
                    return bad("The value of _embed is not valid.");
                }
                let limetypes: Vec<Value> = model::LIMETYPES
                    .iter()
                    .filter(|limetype| data.limetype(limetype.name).is_ok())
                    .map(|limetype| writer.limetype(limetype, embedded == Some("limetypes.properties")))
                    .collect();
                let body = json!({
                    "_links": {"self": {"href": format!("{api}/limetype/")}},
                    "_embedded": {"limetypes": limetypes},
                });
                Ok(hal(&body))
            }
            Route::Limetype(name) => {
                let with_properties = head.param("_embed") == Some("properties");
                Ok(hal(&writer.limetype(data.limetype(name)?, with_properties)))
            }
            Route::List(name) => Ok(hal(&lists::list(&writer, head, base, name, None)?)),
            Route::Object(name, id) => {
                let limetype = data.limetype(name)?;
                let embed = lists::embeds(&data, limetype, head)?;
                Ok(hal(&lists::object(&writer, name, *id, &embed)?))
            }
            Route::Related(name, id, relation) => {
                Ok(hal(&lists::related(&writer, head, base, name, *id, relation)?))
            }
            Route::Query => Ok(not_allowed()),
            Route::Unknown => Err(Refused::NotFound("Not found.".to_owned())),
        }
    }

    fn query(&self, writer: &Writer<'_>, query: &Value) -> Checked<Value> {
        let data = writer.data;
        let Some(object) = query.as_object() else { return bad("The query must be an object.") };
        let known = ["limetype", "responseFormat", "filter", "orderBy", "limit", "offset"];
        if let Some(name) = object.keys().find(|name| !known.contains(&name.as_str())) {
            return bad(format!("The query has an unknown part \"{name}\"."));
        }
        let Some(name) = object.get("limetype").and_then(Value::as_str) else {
            return bad("The query needs a limetype.");
        };
        let limetype = data.limetype(name)?;
        let Some(format) = object.get("responseFormat").and_then(Value::as_object) else {
            return bad("The query needs a responseFormat.");
        };
        if format.keys().any(|key| key != "object") {
            return bad("The responseFormat may only have an object.");
        }
        let Some(shown) = format.get("object").and_then(Value::as_object) else {
            return bad("The responseFormat needs an object.");
        };
        let fields = query::fields(data, limetype, shown)?;
        let filter = match object.get("filter") {
            None | Some(Value::Null) => None,
            Some(Value::Object(empty)) if empty.is_empty() => None,
            Some(filter) => Some(query::expression(data, limetype, filter)?),
        };
        let order = match object.get("orderBy") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(parts)) => {
                parts.iter().map(|part| order_by(data, limetype, part)).collect::<Checked<_>>()?
            }
            Some(_) => return bad("orderBy must be a list."),
        };
        let whole = |name: &str| match object.get(name) {
            None => Ok(None),
            Some(value) => match value.as_u64().and_then(|number| usize::try_from(number).ok()) {
                Some(number) => Ok(Some(number)),
                None => bad(format!("{name} must be a whole number.")),
            },
        };
        let limit = match whole("limit")? {
            Some(0) => return bad("limit must be greater than zero."),
            Some(limit) => limit.min(data.switches.query_limit),
            None => data.switches.query_limit,
        };
        let search = Search { filter, order, after_id: 0, offset: whole("offset")?.unwrap_or(0), limit };
        let objects: Vec<Value> = data
            .search(limetype, &search)?
            .iter()
            .map(|row| writer.selected(limetype, row, &fields))
            .collect();
        Ok(json!({"objects": objects}))
    }

    /// Adds an object as a user of the CRM would; gives its id.
    pub(crate) fn create(&self, limetype: &str, values: &Value) -> Result<u64, SandboxError> {
        let mut data = held(&self.data);
        let change = write::create(&mut data, limetype, values).map_err(refused)?;
        Ok(self.written(&data, vec![change]))
    }

    /// Changes the given properties of an object.
    pub(crate) fn update(&self, limetype: &str, id: u64, values: &Value) -> Result<(), SandboxError> {
        let mut data = held(&self.data);
        let change = write::update(&mut data, limetype, id, values).map_err(refused)?;
        self.written(&data, vec![change]);
        Ok(())
    }

    /// Deletes an object; what belonged to it loses the relation, as Lime does it.
    pub(crate) fn delete(&self, limetype: &str, id: u64) -> Result<(), SandboxError> {
        let mut data = held(&self.data);
        let changes = write::delete(&mut data, limetype, id).map_err(refused)?;
        self.written(&data, changes);
        Ok(())
    }

    /// Brings a deleted object back, without what it lost by the delete.
    pub(crate) fn restore(&self, limetype: &str, id: u64) -> Result<(), SandboxError> {
        let mut data = held(&self.data);
        let change = write::restore(&mut data, limetype, id).map_err(refused)?;
        self.written(&data, vec![change]);
        Ok(())
    }

    /// Raises the events of a write; gives the id of the object that it was about. The data is still locked,
    /// so that events are raised in the order of the writes and tell of nothing that came later.
    fn written(&self, data: &Data, changes: Vec<Change>) -> u64 {
        let id = changes.last().map_or(0, |change| change.row.id);
        if !data.switches.webhooks {
            return id;
        }
        let subscriptions = held(&self.subscriptions);
        for change in event::arranged(changes, self.webhooks.switches().children_update) {
            let naming = subscriptions.naming(&event::name(&change));
            if !naming.is_empty() && data.limetype(change.limetype.name).is_ok() {
                let shuffle = self.shuffle.fetch_add(1, Ordering::Relaxed);
                let writer = Writer { data, api: "", shuffle };
                self.webhooks.raise(&naming, &event::event(&writer, &change));
            }
        }
        id
    }

    /// An object as the limeobject API gives it.
    pub(crate) fn object(&self, limetype: &str, id: u64) -> Result<Value, SandboxError> {
        let data = held(&self.data);
        let writer = Writer { data: &data, api: "", shuffle: 0 };
        lists::object(&writer, limetype, id, &[]).map_err(refused)
    }

    /// The ids of the objects of a limetype whose relation leads to an object, ascending.
    pub(crate) fn related(&self, limetype: &str, relation: &str, id: u64) -> Result<Vec<u64>, SandboxError> {
        let data = held(&self.data);
        let limetype = data.limetype(limetype).map_err(refused)?;
        let related = data.table(limetype).map_err(refused)?.related(relation, &[id]);
        related.ok_or_else(|| SandboxError::Refused(format!("The relation \"{relation}\" has no index.")))
    }

    /// The ids of all objects of a limetype, ascending.
    pub(crate) fn ids(&self, limetype: &str) -> Result<Vec<u64>, SandboxError> {
        let data = held(&self.data);
        let limetype = data.limetype(limetype).map_err(refused)?;
        Ok(data.table(limetype).map_err(refused)?.ids(0).collect())
    }
}

fn refused(refused: Refused) -> SandboxError {
    match refused {
        Refused::BadRequest(message) | Refused::NotFound(message) => SandboxError::Refused(message),
    }
}

fn is_v2(head: &Head) -> bool {
    head.path.get(2).is_some_and(|version| version == "v2")
}

fn hal(body: &Value) -> Reply {
    Reply::text(StatusCode::OK, "application/hal+json", body.to_string())
}

fn not_allowed() -> Reply {
    Reply::message(StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed for the requested URL.")
}

fn json_body(body: &Bytes) -> Checked<Value> {
    serde_json::from_slice(body).map_err(|_| Refused::BadRequest("The body is not valid JSON.".to_owned()))
}

fn order_by(data: &Data, limetype: &'static model::Limetype, part: &Value) -> Checked<(query::Column, bool)> {
    let Some((name, direction)) =
        part.as_object().filter(|part| part.len() == 1).and_then(|part| part.iter().next())
    else {
        return bad("Each part of orderBy names one property.");
    };
    let descending = match direction.as_str() {
        Some("ASC") => false,
        Some("DESC") => true,
        _ => return bad("A property is ordered ASC or DESC."),
    };
    Ok((query::column(data, limetype, name)?, descending))
}

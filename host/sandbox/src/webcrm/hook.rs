//! Hooks: registered, listed and deleted as webCRM's definition has them. Sending is left to `webhooks`; what a hook
//! says is here, since webCRM does not document it: one of several shapes, as the switches say.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::model::Table;
use super::switches::HookBody;
use crate::call::Reply;
use crate::lime::Subscription;

/// One hook.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Hook {
    /// webCRM's id.
    pub id: u64,
    /// Where it posts to.
    pub target_url: String,
    /// `Create`, `Update` or `Delete`.
    pub event_type: String,
    /// Whether it posts.
    pub is_enabled: bool,
    /// Of which records.
    pub filter: Vec<String>,
    /// `Persons` or `Organisations`.
    #[serde(skip)]
    pub table: &'static str,
}

impl Hook {
    /// What names its event: `Persons.Update`.
    fn event(&self) -> String {
        format!("{}.{}", self.table, self.event_type)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Hooks {
    all: Vec<Hook>,
    last: u64,
}

impl Hooks {
    pub(crate) fn all(&self) -> Vec<Hook> {
        self.all.clone()
    }

    /// As the sender knows them.
    pub(crate) fn subscriptions(&self) -> Vec<Subscription> {
        let one = |hook: &Hook| Subscription {
            id: hook.id,
            events: vec![hook.event()],
            target_url: hook.target_url.clone(),
            enabled: hook.is_enabled,
            name: None,
            signature_version: None,
            secret: None,
        };
        self.all.iter().map(one).collect()
    }

    /// The enabled ones of an event.
    pub(crate) fn naming(&self, event: &str) -> Vec<u64> {
        self.all.iter().filter(|hook| hook.is_enabled && hook.event() == event).map(|hook| hook.id).collect()
    }

    pub(crate) fn handle(&mut self, table: Table, id: Option<u64>, method: &Method, body: &Bytes) -> Reply {
        let of_table = |hook: &&Hook| hook.table == table.path();
        match (method, id) {
            (&Method::GET, None) => {
                let own: Vec<&Hook> = self.all.iter().filter(of_table).collect();
                Reply::json(StatusCode::OK, &json!(own))
            }
            (&Method::POST, None) => {
                let Some(hook) = read(table, body, self.last.saturating_add(1)) else {
                    return refused(StatusCode::BAD_REQUEST, "The hook is not valid.");
                };
                self.last = hook.id;
                let reply = Reply::json(StatusCode::OK, &json!(hook.id));
                self.all.push(hook);
                reply
            }
            (method, Some(id)) => {
                let at = self.all.iter().position(|hook| hook.id == id && hook.table == table.path());
                let Some(hook) = at.and_then(|at| self.all.get_mut(at)) else {
                    return refused(StatusCode::NOT_FOUND, "There is no such hook.");
                };
                match *method {
                    Method::GET => Reply::json(StatusCode::OK, &json!(hook)),
                    Method::PUT => match read(table, body, id) {
                        Some(changed) => {
                            *hook = changed;
                            Reply::empty(StatusCode::OK)
                        }
                        None => refused(StatusCode::BAD_REQUEST, "The hook is not valid."),
                    },
                    Method::DELETE => {
                        self.all.retain(|hook| hook.id != id);
                        Reply::empty(StatusCode::OK)
                    }
                    _ => refused(StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed."),
                }
            }
            _ => refused(StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed."),
        }
    }
}

/// `Filter`, `Id`, `IsEnabled` and `TargetUrl` are required.
fn read(table: Table, body: &Bytes, id: u64) -> Option<Hook> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    body.get("Id")?.as_i64()?;
    let filter = body.get("Filter")?.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned);
    let event_type = text("EventType").filter(|event| ["Create", "Update", "Delete"].contains(event))?;
    Some(Hook {
        id,
        target_url: text("TargetUrl").filter(|url| url.starts_with("http"))?.to_owned(),
        event_type: event_type.to_owned(),
        is_enabled: body.get("IsEnabled")?.as_bool()?,
        filter: filter.collect(),
        table: table.path(),
    })
}

pub(crate) fn refused(status: StatusCode, message: &str) -> Reply {
    Reply::json(status, &json!({"Message": message}))
}

/// What a hook posts about a record.
pub(crate) fn body(shape: HookBody, base: &str, table: Table, id: u64, record: Option<Value>) -> Bytes {
    let address = format!("{base}/{}/{id}", table.path());
    Bytes::from(match shape {
        HookBody::Address => address,
        HookBody::AddressInObject => {
            json!({"Resource": {"Url": address}, "SentAt": 1_764_000_000}).to_string()
        }
        HookBody::Record => record.unwrap_or_else(|| json!({table.id(): id})).to_string(),
        HookBody::Number => id.to_string(),
    })
}

//! Webhook subscriptions: registered, listed, changed and deleted as Lime's webhook pages give it.
//!
//! Promises: the secret is kept and never given back; both versions list the same subscriptions; what was
//! created by version 2 says so. Sending is left to `webhooks`.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::model::LIMETYPES;
use super::query::{Checked, Refused, bad};
use super::write::Action;
use super::{Route, is_v2, json_body, not_allowed};
use crate::call::{Head, Reply};

/// One registered webhook.
#[derive(Debug, Clone, Serialize)]
pub struct Subscription {
    /// Lime's id.
    pub id: u64,
    /// Names such as `person.update`.
    pub events: Vec<String>,
    /// Where events are posted to.
    pub target_url: String,
    /// Whether events are sent.
    pub enabled: bool,
    /// The name it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `v2` when it was created through version 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_version: Option<&'static str>,
    /// What deliveries are signed with; never in an answer.
    #[serde(skip)]
    pub secret: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    all: Vec<Subscription>,
    last: u64,
}

fn is_event(name: &str) -> bool {
    name.split_once('.').is_some_and(|(limetype, action)| {
        Action::ALL.iter().any(|known| known.name() == action)
            && LIMETYPES.iter().any(|known| known.name == limetype)
    })
}

impl Subscriptions {
    pub(crate) fn all(&self) -> Vec<Subscription> {
        self.all.clone()
    }

    /// The enabled ones that name an event.
    pub(crate) fn naming(&self, event: &str) -> Vec<u64> {
        let names = |it: &&Subscription| it.enabled && it.events.iter().any(|known| known == event);
        self.all.iter().filter(names).map(|it| it.id).collect()
    }

    pub(crate) fn handle(&mut self, head: &Head, route: &Route, body: &Bytes) -> Checked<Reply> {
        match (route, &head.method) {
            (Route::AvailableEvents, &Method::GET) => {
                let events: Vec<String> = LIMETYPES
                    .iter()
                    .flat_map(|known| {
                        Action::ALL.iter().map(|action| format!("{}.{}", known.name, action.name()))
                    })
                    .collect();
                Ok(Reply::json(StatusCode::OK, &json!(events)))
            }
            (Route::Subscriptions, &Method::GET) => {
                let events = head.param("events").map(|events| events.split(',').collect::<Vec<_>>());
                let found: Vec<&Subscription> = self
                    .all
                    .iter()
                    .filter(|it| {
                        let named = |events: &Vec<&str>| {
                            events.len() == it.events.len()
                                && events.iter().all(|event| it.events.iter().any(|known| known == event))
                        };
                        events.as_ref().is_none_or(named)
                            && head.param("target_url").is_none_or(|url| url == it.target_url)
                            && head.param("enabled").is_none_or(|enabled| (enabled == "true") == it.enabled)
                    })
                    .collect();
                Ok(Reply::json(StatusCode::OK, &json!(found)))
            }
            (Route::Subscriptions, &Method::POST) => {
                let body = json_body(body)?;
                let mut made = Subscription {
                    id: self.last.saturating_add(1),
                    events: Vec::new(),
                    target_url: String::new(),
                    enabled: true,
                    name: body.get("name").and_then(Value::as_str).map(str::to_owned),
                    signature_version: is_v2(head).then_some("v2"),
                    secret: body.get("secret").and_then(Value::as_str).map(str::to_owned),
                };
                change(&mut made, &body)?;
                if made.events.is_empty() || made.target_url.is_empty() {
                    return bad("A subscription needs events and a target_url.");
                }
                self.last = made.id;
                let reply = Reply::json(StatusCode::CREATED, &json!(made));
                self.all.push(made);
                Ok(reply)
            }
            (Route::Subscription { id }, method) => {
                let missing = || Refused::NotFound("The subscription does not exist.".to_owned());
                let at = self.all.iter().position(|it| it.id.to_string() == *id).ok_or_else(missing)?;
                let found = self.all.get_mut(at).ok_or_else(missing)?;
                match *method {
                    Method::GET => Ok(Reply::json(StatusCode::OK, &json!(found))),
                    Method::PUT => {
                        let mut changed = found.clone();
                        change(&mut changed, &json_body(body)?)?;
                        *found = changed;
                        Ok(Reply::json(StatusCode::OK, &json!(found)))
                    }
                    Method::DELETE => {
                        self.all.remove(at);
                        Ok(Reply::empty(StatusCode::NO_CONTENT))
                    }
                    _ => Ok(not_allowed()),
                }
            }
            _ => Ok(not_allowed()),
        }
    }
}

fn change(subscription: &mut Subscription, body: &Value) -> Checked<()> {
    if let Some(events) = body.get("events") {
        let names: Option<Vec<String>> = events
            .as_array()
            .map(|events| events.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        let Some(names) = names.filter(|names| names.iter().all(|name| is_event(name))) else {
            return bad("The subscription has an unknown event.");
        };
        subscription.events = names;
    }
    if let Some(url) = body.get("target_url") {
        let Some(url) = url.as_str().filter(|url| url.starts_with("http")) else {
            return bad("The target_url is not valid.");
        };
        url.clone_into(&mut subscription.target_url);
    }
    if let Some(enabled) = body.get("enabled") {
        let Some(enabled) = enabled.as_bool() else { return bad("enabled must be true or false.") };
        subscription.enabled = enabled;
    }
    Ok(())
}

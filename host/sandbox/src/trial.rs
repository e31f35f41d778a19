//! A trial: a small made-up CRM that a connector can be tried against by whoever knows neither the CRM nor this
//! sandbox. What it is opened with is one JSON line; who is in it is told, and changed, at `/people`.
//!
//! | call | what it does |
//! | --- | --- |
//! | `GET /people` | 200: the ids of all contacts that a scan has to give now |
//! | `POST /people` | 201 `{"id"}`: somebody is added, with an e-mail address |
//! | `POST /people/{id}` | 204: somebody is changed |
//! | `DELETE /people/{id}` | 204: somebody is deleted |
//!
//! An id that is not there is 404.

use clap::ValueEnum;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::call::{Head, Reply};
use crate::webcrm::Table;
use crate::world::World;
use crate::{Addresses, People, SandboxConfig, SandboxError, WebcrmConfig};

/// How many people a trial has, unless it is asked for others.
const PERSONS: u64 = 250;

/// What the trial's messages are signed with, or carry: nobody sends any to a trial but a connector that is tried.
const DELIVERY_SECRET: &str = "a-trial-has-no-secrets-0123456789";

/// The CRM of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TrialCrm {
    /// The simulated Lime CRM.
    Lime,
    /// The simulated webCRM.
    Webcrm,
}

impl TrialCrm {
    /// The sandbox with so many people in this CRM.
    #[must_use]
    pub fn config(self, persons: Option<u64>, seed: u64, config: SandboxConfig) -> SandboxConfig {
        let persons = persons.unwrap_or(PERSONS);
        let mut config = SandboxConfig { trial: Some(self), ..config };
        match self {
            Self::Lime => config.people = People::Generated { persons, seed },
            Self::Webcrm => config.webcrm = WebcrmConfig { persons, seed, ..config.webcrm },
        }
        config
    }

    /// What an integration with this CRM is opened with.
    #[must_use]
    pub fn told(self, addresses: &Addresses) -> Value {
        let origin = |url: &str| {
            url::Url::parse(url).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
        };
        let (settings, secrets, url) = match self {
            Self::Lime => (
                json!({"url": addresses.lime_url}),
                json!({"api-key": addresses.lime_key, "webhook-secret": DELIVERY_SECRET}),
                &addresses.lime_url,
            ),
            Self::Webcrm => (
                json!({"url": addresses.webcrm_url, "hook-word": DELIVERY_SECRET}),
                json!({"application-token": addresses.webcrm_token}),
                &addresses.webcrm_url,
            ),
        };
        json!({
            "settings": settings,
            "secrets": secrets,
            "origins": [origin(url)],
            "control": origin(&addresses.control_url),
        })
    }

    fn ids(self, world: &World) -> Result<Vec<u64>, SandboxError> {
        match self {
            Self::Lime => world.lime.ids("person"),
            Self::Webcrm => Ok(world.webcrm.ids(Table::Person)),
        }
    }

    fn add(self, world: &World, email: &str) -> Result<u64, SandboxError> {
        match self {
            Self::Lime => {
                world.lime.create("person", &json!({"firstname": "Nova", "lastname": "Ny", "email": email}))
            }
            Self::Webcrm => {
                let person = json!({"PersonFirstName": "Nova", "PersonLastName": "Ny", "PersonEmail": email});
                world.webcrm.create(Table::Person, &person).map_err(Into::into)
            }
        }
    }

    fn change(self, world: &World, id: u64, title: &str) -> Result<(), SandboxError> {
        match self {
            Self::Lime => world.lime.update("person", id, &json!({"position": title})),
            Self::Webcrm => {
                world.webcrm.update(Table::Person, id, &json!({"PersonTitle": title})).map_err(Into::into)
            }
        }
    }

    fn delete(self, world: &World, id: u64) -> Result<(), SandboxError> {
        match self {
            Self::Lime => world.lime.delete("person", id),
            Self::Webcrm => world.webcrm.delete(Table::Person, id).map_err(Into::into),
        }
    }
}

/// Answers at `/people`; none for another path, or where this is no trial.
pub(crate) fn answer(world: &World, head: &Head) -> Option<Result<Reply, SandboxError>> {
    let crm = world.trial?;
    let segments = head.segments();
    let ("people", rest) = segments.split_first().map(|(first, rest)| (*first, rest))? else { return None };
    Some(people(crm, world, rest, &head.method))
}

fn people(crm: TrialCrm, world: &World, rest: &[&str], method: &Method) -> Result<Reply, SandboxError> {
    let ids = crm.ids(world)?;
    match (rest, method) {
        ([], &Method::GET) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            Ok(Reply::json(StatusCode::OK, &json!(ids)))
        }
        ([], &Method::POST) => {
            let id = crm.add(world, &format!("nova.{}@ny.example", new_word()))?;
            Ok(Reply::json(StatusCode::CREATED, &json!({"id": id.to_string()})))
        }
        ([id], method) => {
            let Some(id) = id.parse().ok().filter(|id| ids.binary_search(id).is_ok()) else {
                return Ok(Reply::message(StatusCode::NOT_FOUND, "There is nobody with this id."));
            };
            match *method {
                Method::POST => crm.change(world, id, &format!("Title {}", new_word()))?,
                Method::DELETE => crm.delete(world, id)?,
                _ => return Ok(not_allowed()),
            }
            Ok(Reply::empty(StatusCode::NO_CONTENT))
        }
        _ => Ok(not_allowed()),
    }
}

fn not_allowed() -> Reply {
    Reply::message(StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed.")
}

/// A text that was not there before.
fn new_word() -> String {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid().simple().to_string()
}

//! The sandbox's own address, for whoever plays the people on both sides: under `/_sandbox/`, on a port of
//! its own. A trial has `/people` beside it.
//!
//! | call | what it does |
//! | --- | --- |
//! | `GET profiles` | every APSIS One profile, one JSON object a line, in the order they were made |
//! | `GET profiles/{crm id}` | one profile |
//! | `PUT profiles/{crm id}/consents` | sets a consent as the person would: `{topic, channel, type, modified_at}` |
//! | `DELETE profiles/{crm id}` | deletes a profile as a user of APSIS One would |
//! | `GET lime/{limetype}` | the ids of all objects |
//! | `GET\|PUT\|DELETE lime/{limetype}/{id}`, `POST lime/{limetype}` | one object, read or changed |
//! | `POST lime/{limetype}/{id}/restore` | brings a deleted object back |
//! | `GET imports` | what each import did, failed rows included |
//! | `GET subscriptions` | the webhooks that are registered |
//! | `GET webhooks?after=`, `webhooks/counters` | what became of what was raised: the newest, and totals |
//! | `GET webhooks/idle` | answers with the totals, once no webhook is waiting or in flight |
//! | `GET\|POST\|DELETE faults` | the fault rules; POST takes one [`FaultRule`] |
//! | `GET arrivals?after=`, `counts`, `peaks` | the log of requests |
//! | `POST reset` | forgets log, counts and peaks of requests |
//! | `GET\|PATCH switches/lime`, `switches/apsis`, `switches/webhooks` | the switches; PATCH changes those that it names |
//! | `POST tokens/revoke` | every APSIS One token is dead |
//! | `POST tags` | defines a tag: `{discriminator, name}` |

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use hyper::{Method, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::SandboxError;
use crate::apsis::CRM;
use crate::call::{Head, Reply};
use crate::faults::FaultRule;
use crate::lock::held;
use crate::sandbox::Consent;
use crate::trial;
use crate::webhooks::WebhookCounters;
use crate::world::World;

/// Profiles in one piece of a dump.
const PIECE: usize = 500;

pub(crate) async fn answer(world: &Arc<World>, head: &Head, body: &Bytes) -> Reply {
    let waits = head.method == Method::GET && head.segments() == ["_sandbox", "webhooks", "idle"];
    if waits {
        world.webhooks.until(WebhookCounters::is_idle).await;
    }
    match route(world, head, body) {
        Ok(reply) => reply,
        Err(error) => Reply::message(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

fn ok(body: &impl Serialize) -> Result<Reply, SandboxError> {
    let body = serde_json::to_string(body).map_err(|error| SandboxError::Control(error.to_string()))?;
    Ok(Reply::text(StatusCode::OK, "application/json", body))
}

fn done() -> Result<Reply, SandboxError> {
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, SandboxError> {
    serde_json::from_slice(body).map_err(|error| SandboxError::Control(error.to_string()))
}

fn id(text: &str) -> Result<u64, SandboxError> {
    text.parse().map_err(|_| SandboxError::Control(format!("{text} is not an id")))
}

fn patched<T: Serialize + DeserializeOwned>(current: &T, body: &Bytes) -> Result<T, SandboxError> {
    let wrong = |error: serde_json::Error| SandboxError::Control(error.to_string());
    let mut whole = serde_json::to_value(current).map_err(wrong)?;
    let patch: serde_json::Map<String, Value> = read(body)?;
    if let Some(whole) = whole.as_object_mut() {
        whole.extend(patch);
    }
    serde_json::from_value(whole).map_err(wrong)
}

fn route(world: &Arc<World>, head: &Head, body: &Bytes) -> Result<Reply, SandboxError> {
    if let Some(reply) = trial::answer(world, head) {
        return reply;
    }
    let segments = head.segments();
    let Some(("_sandbox", rest)) = segments.split_first().map(|(first, rest)| (*first, rest)) else {
        return Ok(Reply::message(StatusCode::NOT_FOUND, "Not found."));
    };
    match (rest, &head.method) {
        (["profiles"], &Method::GET) => Ok(dump(world.clone())),
        (["profiles", crm_id], &Method::GET) => match world.apsis.profile(crm_id) {
            Some(profile) => ok(&profile),
            None => Ok(Reply::message(StatusCode::NOT_FOUND, "No such profile.")),
        },
        (["profiles", crm_id], &Method::DELETE) => {
            world.apsis.delete_profile(crm_id)?;
            done()
        }
        (["profiles", crm_id, "consents"], &Method::PUT) => {
            world.apsis.put_consent(CRM.discriminator(), crm_id, &read::<Consent>(body)?)?;
            done()
        }
        (["lime", limetype], &Method::GET) => ok(&world.lime.ids(limetype)?),
        (["lime", limetype], &Method::POST) => ok(&json!({"id": world.lime.create(limetype, &read(body)?)?})),
        (["lime", limetype, object], &Method::GET) => ok(&world.lime.object(limetype, id(object)?)?),
        (["lime", limetype, object], &Method::PUT) => {
            world.lime.update(limetype, id(object)?, &read(body)?)?;
            done()
        }
        (["lime", limetype, object], &Method::DELETE) => {
            world.lime.delete(limetype, id(object)?)?;
            done()
        }
        (["lime", limetype, object, "restore"], &Method::POST) => {
            world.lime.restore(limetype, id(object)?)?;
            done()
        }
        (["imports"], &Method::GET) => ok(&world.apsis.import_reports()),
        (["subscriptions"], &Method::GET) => ok(&world.lime.subscriptions()),
        (["webhooks"], &Method::GET) => {
            let after = head.param("after").map(id).transpose()?;
            ok(&world.webhooks.after(after))
        }
        (["webhooks", "counters" | "idle"], &Method::GET) => ok(&world.webhooks.counters()),
        (["faults"], &Method::GET) => ok(&held(&world.faults).rules()),
        (["faults"], &Method::POST) => {
            held(&world.faults).add(read::<FaultRule>(body)?);
            done()
        }
        (["faults"], &Method::DELETE) => {
            held(&world.faults).clear();
            done()
        }
        (["arrivals"], &Method::GET) => {
            let after = head.param("after").map(id).transpose()?;
            ok(&held(&world.arrivals).after(after))
        }
        (["counts"], &Method::GET) => ok(&held(&world.arrivals).counts()),
        (["peaks"], &Method::GET) => ok(&held(&world.arrivals).peaks()),
        (["reset"], &Method::POST) => {
            held(&world.arrivals).reset();
            done()
        }
        (["switches", "lime"], &Method::GET) => ok(&world.lime.switches()),
        (["switches", "apsis"], &Method::GET) => ok(&world.apsis.switches()),
        (["switches", "webhooks"], &Method::GET) => ok(&world.webhooks.switches()),
        (["switches", "lime"], &Method::PATCH) => {
            world.lime.set_switches(patched(&world.lime.switches(), body)?);
            done()
        }
        (["switches", "apsis"], &Method::PATCH) => {
            world.apsis.set_switches(patched(&world.apsis.switches(), body)?);
            done()
        }
        (["switches", "webhooks"], &Method::PATCH) => {
            world.webhooks.set_switches(patched(&world.webhooks.switches(), body)?);
            done()
        }
        (["tokens", "revoke"], &Method::POST) => {
            world.apsis.revoke_tokens();
            done()
        }
        (["tags"], &Method::POST) => {
            let tag: Value = read(body)?;
            let text = |name: &str| tag.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            world.apsis.add_tag(text("discriminator"), text("name"));
            done()
        }
        _ => Ok(Reply::message(StatusCode::NOT_FOUND, "Not found.")),
    }
}

/// All profiles as JSON lines, a piece at a time.
fn dump(world: Arc<World>) -> Reply {
    let pieces = stream::unfold(Some(0), move |after| {
        let world = world.clone();
        async move {
            let (last, page) = world.apsis.dump_after(after?, PIECE);
            if page.is_empty() {
                return None;
            }
            let lines: String = page
                .iter()
                .filter_map(|profile| serde_json::to_string(profile).ok())
                .map(|line| line + "\n")
                .collect();
            Some((Ok::<_, Infallible>(Bytes::from(lines)), Some(last)))
        }
    });
    let mut reply = Reply::empty(StatusCode::OK).with(header::CONTENT_TYPE, "application/x-ndjson");
    reply.body = Body::from_stream(pieces);
    reply
}

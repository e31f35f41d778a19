//! Profile exports: asked for, polled, fetched.
//!
//! The request and the file's shape are inferred (the developer hub's page names attributes, topic state, a
//! poll URL with 404, 200, 410 and 503, and gzip; not the JSON). Promises: the file is written as it is
//! fetched, a piece at a time, so that it needs no room however many profiles there are.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream;
use hyper::{StatusCode, header};
use serde_json::{Map, Value, json};

use super::State;
use super::definitions::{SECTION, attribute_at, attribute_by_discriminator};
use super::profiles::{Consent, Profile, Refusal, refuse};
use super::switches::{ApsisSwitches, ExportEnd};
use crate::call::{Head, Reply};
use crate::lock::held;
use crate::world::World;

/// Profiles in one piece of a file.
const PIECE: usize = 500;

#[derive(Debug, Clone)]
struct Export {
    attributes: Vec<u16>,
    topics: bool,
    ready: Instant,
    gone: Instant,
}

/// The exports that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Exports {
    all: BTreeMap<String, Export>,
}

impl State {
    /// `POST /audience/profiles/exports`.
    pub(crate) fn start_export(&mut self, body: &Map<String, Value>, url: &str) -> Result<Reply, Refusal> {
        let known = ["section_discriminator", "attributes", "include_topics"];
        if let Some(name) = body.keys().find(|name| !known.contains(&name.as_str())) {
            return refuse(400, format!("{name} is not known"));
        }
        match body.get("section_discriminator").and_then(Value::as_str) {
            Some(SECTION) => {}
            Some(_) => return refuse(404, "Section not found"),
            None => return refuse(400, "section_discriminator is required"),
        }
        let Some(names) = body.get("attributes").and_then(Value::as_array).filter(|names| !names.is_empty())
        else {
            return refuse(400, "At least one attribute is needed");
        };
        let mut attributes = Vec::new();
        for name in names {
            match name.as_str().and_then(attribute_by_discriminator) {
                Some(place) => attributes.push(place),
                None => return refuse(self.switches.unknown_attribute_status, "Attribute not found"),
            }
        }
        let topics = match body.get("include_topics") {
            None => false,
            Some(Value::Bool(yes)) => *yes,
            Some(_) => return refuse(400, "include_topics must be true or false"),
        };
        if self.switches.export_end == ExportEnd::Forbidden {
            return refuse(403, "The API key may not export profiles");
        }
        let id = format!("{:032x}", rand::random::<u128>());
        let now = Instant::now();
        let ready = now + Duration::from_millis(self.switches.export_millis);
        let gone = now + Duration::from_secs(self.switches.export_seconds);
        let poll_url = format!("{url}/audience/profiles/exports/{id}");
        self.exports.all.insert(id, Export { attributes, topics, ready, gone });
        Ok(Reply::json(StatusCode::ACCEPTED, &json!({"poll_url": poll_url})))
    }
}

/// `GET {poll_url}`.
pub(crate) fn download(world: &Arc<World>, head: &Head, id: &str) -> Reply {
    let (export, end) = {
        let state = held(&world.apsis.state);
        (state.exports.all.get(id).cloned(), state.switches.export_end)
    };
    let now = Instant::now();
    let Some(export) = export.filter(|export| export.gone > now) else {
        return Reply::problem(StatusCode::GONE, "The export is gone");
    };
    if export.ready > now {
        return Reply::problem(StatusCode::NOT_FOUND, "The export is not ready");
    }
    match end {
        ExportEnd::Failed => Reply::problem(StatusCode::SERVICE_UNAVAILABLE, "The export failed"),
        ExportEnd::Gone => Reply::problem(StatusCode::GONE, "The export is gone"),
        ExportEnd::OtherShape => Reply::json(StatusCode::OK, &json!({"sections": {}, "metadata": {}})),
        ExportEnd::Ready | ExportEnd::Forbidden => {
            let gzip = head.header("accept-encoding").is_some_and(|accepted| accepted.contains("gzip"));
            let mut reply = Reply::empty(StatusCode::OK).with(header::CONTENT_TYPE, "application/json");
            if gzip {
                reply = reply.with(header::CONTENT_ENCODING, "gzip");
            }
            reply.body = file(world.clone(), export, gzip);
            reply
        }
    }
}

/// What a file is written through.
enum Sink {
    Plain(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Sink {
    fn write(&mut self, text: &str) {
        // Writing to memory cannot fail.
        match self {
            Self::Plain(out) => out.extend_from_slice(text.as_bytes()),
            Self::Gzip(out) => {
                let _ = out.write_all(text.as_bytes());
            }
        }
    }

    fn taken(&mut self) -> Vec<u8> {
        match self {
            Self::Plain(out) => std::mem::take(out),
            Self::Gzip(out) => std::mem::take(out.get_mut()),
        }
    }

    fn ended(self) -> Vec<u8> {
        match self {
            Self::Plain(out) => out,
            Self::Gzip(out) => out.finish().unwrap_or_default(),
        }
    }
}

fn file(world: Arc<World>, export: Export, gzip: bool) -> Body {
    let mut sink = if gzip {
        Sink::Gzip(GzEncoder::new(Vec::new(), Compression::fast()))
    } else {
        Sink::Plain(Vec::new())
    };
    sink.write("{\"profiles\":[");
    let pieces = stream::unfold(Some((sink, 0_u64, world, export)), |left| async move {
        let (mut sink, after, world, export) = left?;
        let mut last = after;
        let mut lines = Vec::new();
        {
            let state = held(&world.apsis.state);
            for (id, profile) in state.profiles.after(after).take(PIECE) {
                last = id;
                lines.push(line(profile, &export, &state.switches).to_string());
            }
        }
        if lines.is_empty() {
            sink.write("]}");
            return Some((Ok::<_, Infallible>(Bytes::from(sink.ended())), None));
        }
        if after != 0 {
            sink.write(",");
        }
        sink.write(&lines.join(","));
        Some((Ok(Bytes::from(sink.taken())), Some((sink, last, world, export))))
    });
    Body::from_stream(pieces)
}

fn line(profile: &Profile, export: &Export, switches: &ApsisSwitches) -> Value {
    let keys: Vec<Value> = profile
        .keys
        .iter()
        .map(
            |(keyspace, key)| json!({"keyspace_discriminator": keyspace.discriminator(), "profile_key": key}),
        )
        .collect();
    let attributes: Map<String, Value> = export
        .attributes
        .iter()
        .filter_map(|place| {
            let attribute = attribute_at(*place)?;
            Some((attribute.discriminator.to_owned(), profile.attribute(*place)?.json()))
        })
        .collect();
    let mut line = json!({"profile_keys": keys, "attributes": attributes});
    if export.topics
        && let Some(line) = line.as_object_mut()
    {
        let consents: Vec<Value> = profile.consents(switches).map(Consent::json).collect();
        line.insert("consents".to_owned(), Value::Array(consents));
    }
    line
}

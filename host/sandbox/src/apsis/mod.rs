//! The simulated APSIS One: one account with one section, as the developer hub and the official clients
//! show it; what they leave open is in [`ApsisSwitches`].
//!
//! Promises: every call but the token's and the upload's needs a good bearer token; unknown keyspaces,
//! sections, topics and profiles are 404, locked profiles 410, a body over the limit 413; errors are
//! problem JSON. Left out: events, segments, Consent 1.0, the switch of identifiers, single exports.

mod attributes;
mod consents;
mod definitions;
mod exports;
mod imports;
mod mailable;
mod mapping;
mod profiles;
mod route;
mod switches;
mod tokens;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};

pub use definitions::SECTION;
pub use imports::{ImportReport, ImportStatus};
pub use mailable::{Mailable, MailableChange};
pub use profiles::{ConsentType, DumpedProfile};
pub use switches::{ApsisSwitches, EmptyText, ExportEnd, ImportEnd, TakenKey};

pub(crate) use definitions::CRM;
pub(crate) use route::Route;

use crate::SandboxError;
use crate::call::{Head, Reply};
use crate::lock::held;
use crate::world::World;
use attributes::Kept;
use definitions::{EMAIL, EXPORT, Keyspace, MOBILE, WEB};
use exports::Exports;
use imports::Imports;
use mailable::{Watch, Watcher};
use profiles::{Profiles, Refusal, refuse};
use route::Address;
use tokens::Tokens;

/// The account's state.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) switches: ApsisSwitches,
    pub(crate) tokens: Tokens,
    pub(crate) profiles: Profiles,
    watch: Watch,
    /// Tags made since the start: discriminator and name.
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) imports: Imports,
    pub(crate) exports: Exports,
    /// Where it is served, for the addresses it gives out.
    url: String,
}

/// The simulated account.
#[derive(Debug)]
pub(crate) struct Apsis {
    state: Mutex<State>,
}

impl Apsis {
    pub(crate) fn new(
        switches: ApsisSwitches,
        id: String,
        secret: String,
        signing_key: String,
        url: String,
    ) -> Self {
        let state = State {
            switches,
            tokens: Tokens::new(id, secret, signing_key),
            profiles: Profiles::default(),
            watch: Watch::default(),
            tags: Vec::new(),
            imports: Imports::default(),
            exports: Exports::default(),
            url,
        };
        Self { state: Mutex::new(state) }
    }

    pub(crate) fn switches(&self) -> ApsisSwitches {
        held(&self.state).switches.clone()
    }

    pub(crate) fn set_switches(&self, switches: ApsisSwitches) {
        held(&self.state).switches = switches;
    }

    pub(crate) fn revoke_tokens(&self) {
        held(&self.state).tokens.revoke_all();
    }

    pub(crate) fn count(&self) -> usize {
        held(&self.state).profiles.count()
    }

    /// Up to `limit` profiles whose number is greater than `after`, with the last one's number.
    pub(crate) fn dump_after(&self, after: u64, limit: usize) -> (u64, Vec<DumpedProfile>) {
        let state = held(&self.state);
        let mut last = after;
        let page = state
            .profiles
            .after(after)
            .take(limit)
            .map(|(id, profile)| {
                last = id;
                Profiles::dump(profile, &state.switches)
            })
            .collect();
        (last, page)
    }

    /// The profile of a CRM id.
    pub(crate) fn profile(&self, crm_id: &str) -> Option<DumpedProfile> {
        let state = held(&self.state);
        let id = state.profiles.find(CRM, crm_id, &state.switches).ok()??;
        state.profiles.get(id).map(|profile| Profiles::dump(profile, &state.switches))
    }

    /// Deletes a profile as a user of APSIS One would.
    pub(crate) fn delete_profile(&self, crm_id: &str) -> Result<(), SandboxError> {
        let mut state = held(&self.state);
        let State { profiles, switches, .. } = &mut *state;
        let id = profiles.known(CRM, crm_id, switches).map_err(|it| SandboxError::Refused(it.detail))?;
        profiles.delete(id, switches);
        state.written();
        Ok(())
    }

    /// Has somebody told of what becomes mailable, and what no more.
    pub(crate) fn watch(&self, watcher: Watcher) {
        let mut state = held(&self.state);
        let State { watch, profiles, switches, .. } = &mut *state;
        profiles.take_touched();
        watch.add(watcher, profiles, switches);
    }

    /// All that is mailable, if somebody watches.
    pub(crate) fn mailable(&self) -> BTreeSet<Mailable> {
        held(&self.state).watch.all()
    }

    /// Sets a consent past the API's rules.
    pub(crate) fn put_consent(
        &self,
        keyspace_of: &str,
        key: &str,
        consent: &crate::Consent,
    ) -> Result<(), SandboxError> {
        let refused = |refusal: Refusal| SandboxError::Refused(refusal.detail);
        let mut state = held(&self.state);
        let (topic, channel) = consents::places(&consent.topic, &consent.channel).map_err(refused)?;
        let keyspace = keyspace(keyspace_of).map_err(refused)?;
        let id = match state.profiles.find(keyspace, key, &state.switches).map_err(refused)? {
            Some(id) => id,
            None => state.made(keyspace, key),
        };
        let State { profiles, switches, .. } = &mut *state;
        if let Some(profile) = profiles.get_mut(id) {
            let set = profiles::Consent {
                topic,
                channel,
                state: consent.state,
                source: "Preference page".into(),
                reason: "Changed by the person".into(),
                modified_at: consent.modified_at.unwrap_or_else(jiff::Timestamp::now),
                address: None,
            };
            profile.put_consent(set, switches);
        }
        state.written();
        Ok(())
    }

    /// What each import did, as the user interface would report it.
    pub(crate) fn import_reports(&self) -> Vec<ImportReport> {
        held(&self.state).imports.reports()
    }

    pub(crate) fn add_tag(&self, discriminator: String, name: String) {
        held(&self.state).tags.push((discriminator, name));
    }

    /// Reads the body, within the limit, and answers.
    pub(crate) async fn serve(world: &Arc<World>, head: Head, route: Route, body: Body) -> Reply {
        if route == Route::Upload {
            return imports::upload(world, &head, body).await;
        }
        let limit = world.apsis.switches().body_bytes;
        match to_bytes(body, limit).await {
            Ok(body) => match (world.apsis.handle(&head, &route, &body), &route) {
                // The permission was checked like any other call's; the file itself is streamed.
                (reply, Route::Download { id }) if reply.status == StatusCode::OK => {
                    exports::download(world, &head, id)
                }
                (reply, _) => reply,
            },
            Err(_) => Reply::problem(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 100 kB"),
        }
    }

    fn handle(&self, head: &Head, route: &Route, body: &Bytes) -> Reply {
        let mut state = held(&self.state);
        if *route == Route::Token {
            if head.method != Method::POST {
                return not_allowed();
            }
            let State { tokens, switches, .. } = &mut *state;
            return tokens.issue(head, body, switches);
        }
        if !state.tokens.admits(head) {
            return dead_token(&state.switches);
        }
        if route.section().is_some_and(|section| section != SECTION) {
            return Reply::problem(StatusCode::NOT_FOUND, "Section not found");
        }
        let answer = state.answer(head, route, body);
        state.written();
        match answer {
            Ok(reply) => reply,
            Err(refusal) => reply(&refusal),
        }
    }
}

pub(crate) fn dead_token(switches: &ApsisSwitches) -> Reply {
    let status = StatusCode::from_u16(switches.dead_token_status).unwrap_or(StatusCode::UNAUTHORIZED);
    Reply::problem(status, "The access token is invalid or has expired")
}

fn reply(refusal: &Refusal) -> Reply {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    Reply::problem(status, &refusal.detail)
}

fn not_allowed() -> Reply {
    Reply::problem(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
}

fn done(status: u16) -> Reply {
    Reply::empty(StatusCode::from_u16(status).unwrap_or(StatusCode::NO_CONTENT))
}

fn json_object(body: &Bytes) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => refuse(400, "The body must be a JSON object"),
        Err(_) => refuse(400, "The body is not valid JSON"),
    }
}

fn keyspace(discriminator: &str) -> Result<Keyspace, Refusal> {
    Keyspace::find(discriminator).map_or_else(|| refuse(404, "Keyspace not found"), Ok)
}

/// A keyspace that may write attributes, tags and consents; the export and web keyspaces may not.
fn writable(discriminator: &str) -> Result<Keyspace, Refusal> {
    match keyspace(discriminator)? {
        EXPORT | WEB => refuse(403, "The keyspace is read only"),
        keyspace => Ok(keyspace),
    }
}

fn check_key(keyspace: Keyspace, key: &str, switches: &ApsisSwitches) -> Result<(), Refusal> {
    let good = match keyspace {
        EMAIL => attributes::is_address(key, switches.unicode_addresses),
        MOBILE => attributes::is_mobile(key),
        _ => !key.trim().is_empty() && key.len() <= 255,
    };
    if good { Ok(()) } else { refuse(400, "profile_key is not valid in the keyspace") }
}

impl State {
    /// A write is done: whoever watches is told what it changed.
    pub(crate) fn written(&mut self) {
        let touched = self.profiles.take_touched();
        if !touched.is_empty() && self.watch.is_on() {
            self.watch.written(&touched, &self.profiles, &self.switches);
        }
    }

    fn answer(&mut self, head: &Head, route: &Route, body: &Bytes) -> Result<Reply, Refusal> {
        let ok = |body: &Value| Ok(Reply::json(StatusCode::OK, body));
        match (route, &head.method) {
            (Route::Unknown, _) => refuse(404, "Not found"),
            (Route::Keyspaces, &Method::GET) => ok(&definitions::keyspaces()),
            (Route::Sections, &Method::GET) => ok(&definitions::sections()),
            (Route::Channels, &Method::GET) => ok(&definitions::channels()),
            (Route::Topics { .. }, &Method::GET) => ok(&definitions::topics()),
            (Route::Folders { .. }, &Method::GET) => ok(&definitions::folders()),
            (Route::Tags { .. }, &Method::GET) => ok(&definitions::tags(&self.tags)),
            (Route::Attributes { .. }, &Method::GET) => {
                let permissions = head.param("include_keyspace_permissions") == Some("true");
                ok(&definitions::attributes(&self.switches, permissions))
            }
            (Route::Create { keyspace, .. }, &Method::POST) => self.create(keyspace, body),
            (Route::Values { of, v2, .. }, &Method::PATCH) => self.patch(head, of, *v2, body),
            (Route::Values { of, v2, .. }, &Method::GET) => {
                let id = self.profiles.known(keyspace(&of.keyspace)?, &of.key, &self.switches)?;
                let values = self.profiles.get(id).map(|profile| Profiles::values(profile, !v2));
                ok(&values.unwrap_or(Value::Null))
            }
            (Route::Value { of, version, .. }, &Method::DELETE) => {
                let id = self.profiles.known(writable(&of.keyspace)?, &of.key, &self.switches)?;
                let Some(place) = definitions::attribute_by_version(version) else {
                    return refuse(404, "Attribute not found");
                };
                self.profiles.set(id, vec![(place, None)], false, &self.switches)?;
                Ok(done(self.switches.write_status))
            }
            (Route::Consents { of, .. }, &Method::POST) => self.consent(of, body),
            (Route::Consents { of, .. }, &Method::GET) => self.consents(head, of),
            (Route::ProfileTags { of, .. }, &Method::PATCH) => self.tag(of, body),
            (Route::ProfileTags { of, .. }, &Method::GET) => {
                let id = self.profiles.known(keyspace(&of.keyspace)?, &of.key, &self.switches)?;
                let tags: Map<String, Value> = self
                    .profiles
                    .get(id)
                    .map(|profile| profile.tags.iter().map(|tag| (tag.to_string(), json!(true))).collect())
                    .unwrap_or_default();
                ok(&Value::Object(tags))
            }
            (Route::Profile { of }, &Method::DELETE) => {
                let id = self.profiles.known(keyspace(&of.keyspace)?, &of.key, &self.switches)?;
                self.profiles.delete(id, &self.switches);
                Ok(done(self.switches.write_status))
            }
            (Route::Lock { of }, &Method::PUT) => {
                let id = self.profiles.known(keyspace(&of.keyspace)?, &of.key, &self.switches)?;
                self.profiles.lock(id, &self.switches);
                Ok(done(self.switches.write_status))
            }
            (Route::Merge, &Method::PUT) => self.merge(body),
            (Route::StartImport { .. }, &Method::POST) => {
                let url = self.url.clone();
                self.start_import(&json_object(body)?, &url)
            }
            (Route::ImportState { id, .. }, &Method::GET) => self.import_state(id),
            (Route::StartExport, &Method::POST) => {
                let url = self.url.clone();
                self.start_export(&json_object(body)?, &url)
            }
            (Route::Download { .. }, &Method::GET) => Ok(Reply::empty(StatusCode::OK)),
            _ => Ok(not_allowed()),
        }
    }

    fn create(&mut self, discriminator: &str, body: &Bytes) -> Result<Reply, Refusal> {
        let keyspace = match keyspace(discriminator)? {
            EXPORT => return refuse(403, "The keyspace is read only"),
            keyspace => keyspace,
        };
        let body = json_object(body)?;
        let Some(key) = body.get("profile_key").and_then(Value::as_str) else {
            return refuse(400, "profile_key must be a string");
        };
        check_key(keyspace, key, &self.switches)?;
        if self.profiles.find(keyspace, key, &self.switches)?.is_some() {
            return refuse(409, "Profile already exists");
        }
        self.made(keyspace, key);
        Ok(done(201))
    }

    /// A new profile with the attribute that its keyspace is mapped to.
    pub(crate) fn made(&mut self, keyspace: Keyspace, key: &str) -> u64 {
        let id = self.profiles.create(keyspace, key, &self.switches);
        let value =
            if keyspace == MOBILE { key.parse().ok().map(Kept::Int) } else { Some(Kept::Text(key.into())) };
        if let (Some(place), Some(profile)) = (keyspace.mapped_attribute(), self.profiles.get_mut(id)) {
            profile.set(place, value);
        }
        id
    }

    fn patch(&mut self, head: &Head, of: &Address, v2: bool, body: &Bytes) -> Result<Reply, Refusal> {
        let merge_patch = head.header("content-type").is_some_and(|kind| {
            kind.starts_with("application/merge-patch+json") || (!v2 && kind.starts_with("application/json"))
        });
        if !merge_patch {
            return refuse(415, "Content-Type must be application/merge-patch+json");
        }
        let keyspace = writable(&of.keyspace)?;
        let found = self.profiles.find(keyspace, &of.key, &self.switches)?;
        if v2 && found.is_none() {
            return refuse(404, "Profile not found");
        }
        let mut values = Vec::new();
        for (name, value) in json_object(body)? {
            let place = if v2 {
                definitions::attribute_by_discriminator(&name)
            } else {
                definitions::attribute_by_version(&name)
            };
            let Some((place, attribute)) =
                place.and_then(|place| Some((place, definitions::attribute_at(place)?)))
            else {
                return refuse(self.switches.unknown_attribute_status, format!("Attribute {name} not found"));
            };
            match attributes::from_json(attribute, &value, &self.switches) {
                Ok(value) => values.push((place, value)),
                Err(detail) => return refuse(400, detail),
            }
        }
        let id = match found {
            Some(id) => id,
            None => {
                check_key(keyspace, &of.key, &self.switches)?;
                self.made(keyspace, &of.key)
            }
        };
        self.profiles.set(id, values, v2, &self.switches)?;
        Ok(done(if v2 { 204 } else { self.switches.write_status }))
    }

    /// A keyspace through which consents may be read and set.
    fn consent_keyspace(discriminator: &str) -> Result<Keyspace, Refusal> {
        let keyspace = keyspace(discriminator)?;
        if keyspace.manages_subscriptions() {
            Ok(keyspace)
        } else {
            refuse(403, "The keyspace does not manage subscriptions")
        }
    }

    fn consent(&mut self, of: &Address, body: &Bytes) -> Result<Reply, Refusal> {
        let keyspace = Self::consent_keyspace(&of.keyspace)?;
        let id = self.profiles.known(keyspace, &of.key, &self.switches)?;
        let wanted = consents::read(&Value::Object(json_object(body)?), &self.switches)?;
        let State { profiles, switches, .. } = self;
        match profiles.get_mut(id) {
            Some(profile) => Ok(done(consents::set(profile, wanted, switches)?)),
            None => refuse(404, "Profile not found"),
        }
    }

    fn consents(&self, head: &Head, of: &Address) -> Result<Reply, Refusal> {
        let keyspace = Self::consent_keyspace(&of.keyspace)?;
        let id = self.profiles.known(keyspace, &of.key, &self.switches)?;
        let mut types = Vec::new();
        for (_, text) in head.query.iter().filter(|(name, _)| name == "consent_types") {
            let Some(state) = ConsentType::read(text) else {
                return refuse(400, "consent_types is not valid");
            };
            types.push(state);
        }
        let items: Vec<Value> = self
            .profiles
            .get(id)
            .into_iter()
            .flat_map(|profile| profile.consents(&self.switches))
            .filter(|consent| types.is_empty() || types.contains(&consent.state))
            .map(profiles::Consent::json)
            .collect();
        Ok(Reply::json(StatusCode::OK, &json!({"items": items})))
    }

    fn tag(&mut self, of: &Address, body: &Bytes) -> Result<Reply, Refusal> {
        let keyspace = writable(&of.keyspace)?;
        let id = self.profiles.known(keyspace, &of.key, &self.switches)?;
        let patch = json_object(body)?;
        for (tag, value) in &patch {
            if !matches!(value, Value::Null | Value::Bool(true)) {
                return refuse(400, "A tag is set with true and removed with null");
            }
            let known = definitions::TAGS.iter().any(|(known, _)| known == tag)
                || self.tags.iter().any(|(known, _)| known == tag);
            if !known && !self.switches.unknown_tags_created {
                return refuse(400, format!("Tag {tag} not found"));
            }
        }
        if let Some(profile) = self.profiles.get_mut(id) {
            for (tag, value) in patch {
                profile.tags.retain(|known| **known != *tag);
                if value == Value::Bool(true) {
                    profile.tags.push(tag.into());
                }
            }
        }
        Ok(done(self.switches.write_status))
    }

    fn merge(&mut self, body: &Bytes) -> Result<Reply, Refusal> {
        let body = json_object(body)?;
        let pair: Option<Vec<(&str, &str)>> =
            body.get("profiles").and_then(Value::as_array).and_then(|all| {
                all.iter()
                    .map(|one| {
                        Some((
                            one.get("keyspace_discriminator")?.as_str()?,
                            one.get("profile_key")?.as_str()?,
                        ))
                    })
                    .collect()
            });
        let Some([first, second]) = pair.as_deref() else {
            return refuse(400, "Exactly two profiles are needed");
        };
        let pair = [(keyspace(first.0)?, first.1), (keyspace(second.0)?, second.1)];
        for (keyspace, key) in pair {
            check_key(keyspace, key, &self.switches)?;
        }
        self.profiles.merge(pair, &self.switches)?;
        Ok(done(204))
    }
}

//! A connector built on the first contract that was given out (`wit/frozen/0.1.0.wit`) and on nothing else: neither
//! the SDK nor the living contract. It uses every import, and reads its people from a server that answers with one
//! `id;address` a line. It is never changed: whatever the host becomes within the track, it has to run this.
#![allow(unsafe_code, missing_docs, reason = "generated from the contract")]
#![allow(clippy::same_length_and_capacity, reason = "generated from the contract")]

wit_bindgen::generate!({ path: "../../../wit/frozen/0.1.0.wit", world: "reader" });

use exports::sluice::crm_connector::connector::Description;
use exports::sluice::crm_connector::contacts::{ConsentInfo, FieldInfo, FieldType};
use exports::sluice::crm_connector::{connector, contacts};
use sluice::crm_connector::http::{Credential, Method, Request};
use sluice::crm_connector::types::{
    Consent, Contact, Discard, DiscardReason, Error, ErrorKind, Field, Page, Value,
};
use sluice::crm_connector::{http, log, secrets, session, settings};

struct First;

export!(First);

fn error(kind: ErrorKind, message: &str) -> Error {
    Error { kind, message: message.to_owned(), retry_after_ms: None, details: Vec::new() }
}

/// What the server answers for a path.
fn read(path: &str) -> Result<String, Error> {
    let url = settings::get("url")
        .ok_or_else(|| error(ErrorKind::Misconfigured, "The setting `url` is missing."))?;
    let request = Request {
        method: Method::Get,
        url: format!("{url}{path}"),
        headers: vec![("accept".to_owned(), "text/plain".to_owned())],
        credentials: vec![Credential::Bearer("api-key".to_owned())],
        body: None,
    };
    let response =
        http::fetch(&request).map_err(|refused| error(ErrorKind::Unavailable, &refused.message))?;
    match response.status {
        200 => Ok(String::from_utf8_lossy(&response.body).into_owned()),
        401 => Err(error(ErrorKind::Unauthorized, "The server refused the key.")),
        status => Err(error(ErrorKind::Unavailable, &format!("The server answered {status}."))),
    }
}

/// A person, from a line `id;address`; what else it is, where it is none.
fn person(line: &str) -> Result<Contact, Discard> {
    match line.split_once(';') {
        Some((id, address)) => Ok(Contact {
            id: id.to_owned(),
            modified_at: Some("2026-01-02T03:04:05Z".to_owned()),
            fields: vec![Field { name: "email".to_owned(), value: Value::Text(address.to_owned()) }],
            consents: vec![Consent {
                name: "news".to_owned(),
                channel: None,
                given: true,
                changed_at: Some("2026-01-02T03:04:05Z".to_owned()),
            }],
        }),
        None => Err(Discard {
            subject: None,
            reason: DiscardReason::Malformed,
            message: "A line is no person.".to_owned(),
        }),
    }
}

impl connector::Guest for First {
    fn describe() -> Description {
        Description {
            id: "first".to_owned(),
            name: "First".to_owned(),
            version: "0.1.0".to_owned(),
            settings_schema: r#"{
                "type": "object",
                "required": ["url", "api-key"],
                "properties": {
                    "url": {"type": "string"},
                    "api-key": {"type": "string", "writeOnly": true}
                }
            }"#
            .to_owned(),
            origins: vec!["{settings.url}".to_owned()],
            id_field: "id".to_owned(),
            email_field: "email".to_owned(),
            mobile_field: None,
            rate_limit: None,
            features: Vec::new(),
        }
    }

    fn check() -> Result<Vec<String>, Error> {
        // A secret is used here without being seen: this signature is nobody's.
        let signed = secrets::verify_hmac_sha256("api-key", b"data", b"no signature");
        Ok(vec![format!("the server says {}; signed: {signed}", read("/hello")?)])
    }
}

impl contacts::Guest for First {
    fn list_fields() -> Result<Vec<FieldInfo>, Error> {
        let field = FieldInfo {
            name: "email".to_owned(),
            label: "E-mail".to_owned(),
            type_: FieldType::Text,
            options: Vec::new(),
        };
        Ok(vec![field])
    }

    fn list_consents() -> Result<Vec<ConsentInfo>, Error> {
        Ok(vec![ConsentInfo { name: "news".to_owned(), label: "News".to_owned() }])
    }

    fn scan(after: Option<String>, limit: u32) -> Result<Page, Error> {
        let first: usize = after.map_or(Ok(0), |after| after.parse()).map_err(|_| {
            error(ErrorKind::CursorExpired, "The cursor is none that this connector has written.")
        })?;
        let pages: u32 = session::get("pages").and_then(|pages| pages.parse().ok()).unwrap_or_default();
        session::put("pages", &(pages + 1).to_string(), 60);
        log::log(log::Level::Info, &format!("page {} of this session", pages + 1));
        let text = read("/people")?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let (mut contacts, mut discarded) = (Vec::new(), Vec::new());
        for line in text.lines().skip(first).take(wanted) {
            match person(line) {
                Ok(contact) => contacts.push(contact),
                Err(discard) => discarded.push(discard),
            }
        }
        let (all, last) = (text.lines().count(), first.saturating_add(wanted));
        let total = u64::try_from(all).ok();
        Ok(Page { contacts, discarded, next: (last < all).then(|| last.to_string()), total })
    }

    fn scan_changed(_: String, _: Option<String>, _: u32) -> Result<Page, Error> {
        Err(error(ErrorKind::Unsupported, "This server cannot say what changed."))
    }

    fn get(ids: Vec<String>) -> Result<Vec<Contact>, Error> {
        let people = read("/people")?;
        let found = people.lines().filter_map(|line| person(line).ok());
        Ok(found.filter(|contact| ids.contains(&contact.id)).collect())
    }
}

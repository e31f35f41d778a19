//! A connector that misbehaves in the way its setting `fault` names, so that tests can show that the host
//! ends every kind of it in a clear error. It is built on the bare contract, in its first frozen
//! version: a host that runs these tests still runs what was built then.
#![allow(unsafe_code, missing_docs, reason = "generated from the contract")]
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "misbehaving is what it is for")]
#![allow(clippy::same_length_and_capacity, reason = "generated from the contract")]

wit_bindgen::generate!({
    path: "../../../wit/frozen/0.1.0.wit",
    world: "full",
});

mod misbehave;

use exports::sluice::crm_connector::connector::Description;
use exports::sluice::crm_connector::contacts::{ConsentInfo, FieldInfo, FieldType, Page};
use exports::sluice::crm_connector::deliveries::{Delivery, Proof};
use exports::sluice::crm_connector::overviews::{Members, Overview};
use exports::sluice::crm_connector::{connector, contacts, deliveries, overviews};
use sluice::crm_connector::types::{Change, Contact, Error, ErrorKind, Field, Value};
use sluice::crm_connector::{secrets, settings};

struct Faulty;

export!(Faulty);

/// A contact that nothing is wrong with.
fn contact(id: &str) -> Contact {
    let fields = vec![Field { name: "email".into(), value: Value::Text(format!("{id}@example.com")) }];
    Contact { id: id.into(), modified_at: Some("2026-01-02T03:04:05Z".into()), fields, consents: Vec::new() }
}

fn page(contacts: Vec<Contact>) -> Page {
    Page { contacts, discarded: Vec::new(), next: None, total: None }
}

fn error(kind: ErrorKind, message: &str) -> Error {
    Error { kind, message: message.into(), retry_after_ms: None, details: Vec::new() }
}

fn setting(name: &str) -> String {
    settings::get(name).unwrap_or_default()
}

impl connector::Guest for Faulty {
    fn describe() -> Description {
        Description {
            id: "faulty".into(),
            name: "Faulty".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            settings_schema: r#"{
                "type": "object",
                "required": ["url", "fault", "api-key"],
                "additionalProperties": false,
                "properties": {
                    "url": {"type": "string"},
                    "fault": {"type": "string"},
                    "target": {"type": "string"},
                    "times": {"type": "integer", "default": 1, "maximum": 100000},
                    "api-key": {"type": "string", "writeOnly": true},
                    "webhook-secret": {"type": "string", "writeOnly": true}
                }
            }"#
            .into(),
            origins: vec!["{settings.url}".into()],
            id_field: "id".into(),
            email_field: "email".into(),
            mobile_field: None,
            rate_limit: Some((1_000, 10)),
            features: Vec::new(),
        }
    }

    fn check() -> Result<Vec<String>, Error> {
        Ok(vec![format!("fault {} at {}", setting("fault"), setting("url"))])
    }
}

impl contacts::Guest for Faulty {
    fn list_fields() -> Result<Vec<FieldInfo>, Error> {
        let field = FieldInfo {
            name: "email".into(),
            label: "E-mail".into(),
            type_: FieldType::Text,
            options: Vec::new(),
        };
        Ok(vec![field])
    }

    fn list_consents() -> Result<Vec<ConsentInfo>, Error> {
        Ok(Vec::new())
    }

    fn scan(after: Option<String>, limit: u32) -> Result<Page, Error> {
        misbehave::scan(&setting("fault"), after, limit)
    }

    fn scan_changed(_: String, _: Option<String>, _: u32) -> Result<Page, Error> {
        Err(error(ErrorKind::Unsupported, "This CRM cannot say what changed."))
    }

    fn get(ids: Vec<String>) -> Result<Vec<Contact>, Error> {
        match setting("fault").as_str() {
            "another" => Ok(vec![contact("another")]),
            _ => Ok(ids.iter().map(|id| contact(id)).collect()),
        }
    }
}

impl deliveries::Guest for Faulty {
    fn verify(delivery: Delivery) -> Result<Proof, Error> {
        let mac: Vec<u8> =
            delivery.headers.iter().find(|(name, _)| name == "x-mac").map_or_else(Vec::new, |(_, hex)| {
                hex.as_bytes()
                    .chunks(2)
                    .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
                    .collect()
            });
        if secrets::verify_hmac_sha256("webhook-secret", &delivery.body, &mac) {
            Ok(Proof { id: Some("delivery-1".into()), sent_at: Some(1_700_000_000) })
        } else {
            Err(error(ErrorKind::Unauthorized, "The signature does not fit."))
        }
    }

    fn receive(delivery: Delivery) -> Result<Vec<Change>, Error> {
        Ok(vec![Change::Touched(String::from_utf8_lossy(&delivery.body).into_owned())])
    }

    fn subscribe(url: String) -> Result<String, Error> {
        Ok(format!("subscription to {url}"))
    }

    fn unsubscribe(_: String) -> Result<(), Error> {
        Ok(())
    }
}

impl overviews::Guest for Faulty {
    fn list_overviews() -> Result<Vec<Overview>, Error> {
        Ok(vec![Overview { id: "1".into(), name: "All".into(), size: Some(2) }])
    }

    fn read_members(_: String, _: Option<String>, limit: u32) -> Result<Members, Error> {
        let more = u32::from(setting("fault") == "too-many");
        Ok(Members { contacts: (0..limit + more).map(|n| n.to_string()).collect(), next: None })
    }
}

//! A connector of a CRM that pushes whole states and cannot be read: no list of contacts, and no contact by its id.
//! Its messages are JSON that a test writes, signed with the webhook's secret.
#![allow(clippy::panic, reason = "a message can ask for a crash")]

use serde::Deserialize;
use sluice_sdk::{
    Change, Connector, Consent, ConsentInfo, Contact, Deliveries, Delivery, Description, Discard,
    DiscardReason, Error, ErrorKind, Field, FieldInfo, FieldType, Members, Overview, Overviews, Page, Proof,
    Value, secrets,
};

/// It has no settings.
#[derive(Debug, Deserialize)]
pub struct Settings {}

/// The connector.
#[derive(Debug)]
pub struct Pushy;

sluice_sdk::export_complete!(Pushy);

const FIELDS: [&str; 3] = ["email", "city", "visits"];

/// One thing that a message says.
#[derive(Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
enum Said {
    /// The contact looks like this.
    There {
        id: String,
        at: Option<String>,
        email: String,
        #[serde(default)]
        city: String,
        #[serde(default)]
        visits: i64,
        #[serde(default)]
        consents: Vec<Answer>,
    },
    /// Something about it changed.
    Changed { id: String },
    /// It was deleted.
    Gone { id: String },
    /// It said yes or no.
    Answered { id: String, answer: Answer },
    /// A consent of nobody.
    NobodysConsent,
    /// The connector crashes over it.
    Crash,
    /// Nothing that the connector knows.
    #[serde(other)]
    Else,
}

#[derive(Deserialize)]
struct Answer {
    to: String,
    given: bool,
    at: Option<String>,
}

impl From<Answer> for Consent {
    fn from(answer: Answer) -> Self {
        Self { name: answer.to, channel: None, given: answer.given, changed_at: answer.at }
    }
}

impl Said {
    fn change(self) -> Result<Change, Error> {
        Ok(match self {
            Self::There { id, at, email, city, visits, consents } => {
                let values = [Value::Text(email), Value::Text(city), Value::Integer(visits)];
                let fields = FIELDS.into_iter().zip(values);
                Change::Upserted(Contact {
                    id,
                    modified_at: at,
                    fields: fields.map(|(name, value)| Field { name: name.to_owned(), value }).collect(),
                    consents: consents.into_iter().map(Into::into).collect(),
                })
            }
            Self::Changed { id } => Change::Touched(id),
            Self::Gone { id } => Change::Deleted(id),
            Self::Answered { id, answer } => Change::Consented((id, answer.into())),
            Self::NobodysConsent => Change::Discarded(Discard {
                subject: Some("consent 1".to_owned()),
                reason: DiscardReason::MissingPerson,
                message: "The consent names no person.".to_owned(),
            }),
            Self::Crash => panic!("as the message asks"),
            Self::Else => return Err(Error::malformed("The message says what is unknown.")),
        })
    }
}

impl Connector for Pushy {
    type Settings = Settings;

    fn describe() -> Description {
        Description {
            id: "pushy".to_owned(),
            name: "Pushy".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings_schema: r#"{"type": "object", "properties": {"webhook-secret": {"type": "string", "writeOnly": true}}}"#
                .to_owned(),
            origins: Vec::new(),
            id_field: "id".to_owned(),
            email_field: "email".to_owned(),
            mobile_field: None,
            rate_limit: None,
            features: Vec::new(),
        }
    }

    fn open(_: Settings) -> Result<Self, Error> {
        Ok(Self)
    }

    fn check(&self) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    fn list_fields(&self) -> Result<Vec<FieldInfo>, Error> {
        let types = [FieldType::Text, FieldType::Text, FieldType::Integer];
        let fields = FIELDS.into_iter().zip(types).map(|(name, type_)| FieldInfo {
            name: name.to_owned(),
            label: name.to_owned(),
            type_,
            options: Vec::new(),
        });
        Ok(fields.collect())
    }

    fn list_consents(&self) -> Result<Vec<ConsentInfo>, Error> {
        Ok(vec![ConsentInfo { name: "news".to_owned(), label: "News".to_owned() }])
    }

    fn scan(&self, _: Option<&str>, _: u32) -> Result<Page, Error> {
        Ok(Page { contacts: Vec::new(), discarded: Vec::new(), next: None, total: None })
    }

    fn scan_changed(&self, _: &str, _: Option<&str>, _: u32) -> Result<Page, Error> {
        Err(Error::unsupported("This CRM cannot say what changed."))
    }

    /// Only those whose ids begin with `r` can be read; of these, the CRM fails over those that begin with `rx`.
    fn get(&self, ids: &[String]) -> Result<Vec<Contact>, Error> {
        if !ids.iter().all(|id| id.starts_with('r')) {
            return Err(Error::unsupported("This CRM cannot be read."));
        }
        if ids.iter().any(|id| id.starts_with("rx")) {
            return Err(Error::new(ErrorKind::Unavailable, "This CRM fails over one of them."));
        }
        let email = |id: &String| Field {
            name: "email".to_owned(),
            value: Value::Text(format!("{id}@push.example")),
        };
        let contact = |id: &String| Contact {
            id: id.clone(),
            modified_at: None,
            fields: vec![email(id)],
            consents: Vec::new(),
        };
        Ok(ids.iter().map(contact).collect())
    }
}

impl Deliveries for Pushy {
    fn verify(delivery: &Delivery) -> Result<Proof, Error> {
        let header = |wanted: &str| {
            let found = delivery.headers.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.as_str())
        };
        let mac = header("x-mac").and_then(from_hex).unwrap_or_default();
        if !secrets::verify_hmac_sha256("webhook-secret", &delivery.body, &mac) {
            return Err(Error::unauthorized("The signature does not fit."));
        }
        let sent_at = header("x-sent").and_then(|sent| sent.parse().ok());
        Ok(Proof { id: header("x-id").map(str::to_owned), sent_at })
    }

    fn receive(&self, delivery: &Delivery) -> Result<Vec<Change>, Error> {
        let said: Vec<Said> = serde_json::from_slice(&delivery.body)
            .map_err(|_| Error::malformed("The message is no list of what happened."))?;
        said.into_iter().map(Said::change).collect()
    }

    fn subscribe(&self, url: &str) -> Result<String, Error> {
        Ok(url.to_owned())
    }

    fn unsubscribe(&self, _: &str) -> Result<(), Error> {
        Ok(())
    }
}

impl Overviews for Pushy {
    fn list_overviews(&self) -> Result<Vec<Overview>, Error> {
        Ok(Vec::new())
    }

    fn read_members(&self, _: &str, _: Option<&str>, _: u32) -> Result<Members, Error> {
        Err(Error::unsupported("This CRM has no lists."))
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

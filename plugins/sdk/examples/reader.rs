//! The least that is a connector: a CRM of one person, without deliveries and overviews.
//!
//! `cargo build -p sluice-sdk --example reader --target wasm32-wasip2` makes a component of it.

use sluice_sdk::request::{Call, Credential, Method};
use sluice_sdk::{Connector, Contact, Description, Error, Field, FieldInfo, FieldType, Page, Value};

/// One call to one customer's CRM.
pub struct Acme {
    settings: Settings,
}

/// What the schema below asks for.
#[derive(serde::Deserialize)]
pub struct Settings {
    url: String,
}

const SCHEMA: &str = r#"{"type": "object", "required": ["url", "api-key"], "properties": {
    "url": {"type": "string"}, "api-key": {"type": "string", "writeOnly": true}}}"#;

impl Acme {
    fn person(&self) -> Result<Contact, Error> {
        #[derive(serde::Deserialize)]
        struct Person {
            id: String,
            email: String,
        }
        let call = Call::new(Method::Get, format!("{}/person", self.settings.url))
            .credential(Credential::Bearer("api-key".to_owned()));
        let person: Person = call.send("the person")?.ok("the person")?.json("the person")?;
        let email = Field { name: "email".to_owned(), value: Value::Text(person.email) };
        Ok(Contact { id: person.id, modified_at: None, fields: vec![email], consents: Vec::new() })
    }
}

impl Connector for Acme {
    type Settings = Settings;

    fn describe() -> Description {
        Description {
            id: "acme".to_owned(),
            name: "Acme CRM".to_owned(),
            version: "1.0.0".to_owned(),
            settings_schema: SCHEMA.to_owned(),
            origins: vec!["{settings.url}".to_owned()],
            id_field: "id".to_owned(),
            email_field: "email".to_owned(),
            mobile_field: None,
            rate_limit: None,
            features: Vec::new(),
        }
    }

    fn open(settings: Settings) -> Result<Self, Error> {
        Ok(Self { settings })
    }

    fn check(&self) -> Result<Vec<String>, Error> {
        self.person().map(|_| vec!["Acme answers.".to_owned()])
    }

    fn list_fields(&self) -> Result<Vec<FieldInfo>, Error> {
        let field = |name: &str, label: &str| FieldInfo {
            name: name.to_owned(),
            label: label.to_owned(),
            type_: FieldType::Text,
            options: Vec::new(),
        };
        Ok(vec![field("id", "Id"), field("email", "E-mail")])
    }

    fn scan(&self, _after: Option<&str>, _limit: u32) -> Result<Page, Error> {
        Ok(Page { contacts: vec![self.person()?], discarded: Vec::new(), next: None, total: Some(1) })
    }

    fn get(&self, ids: &[String]) -> Result<Vec<Contact>, Error> {
        let person = self.person()?;
        Ok(if ids.contains(&person.id) { vec![person] } else { Vec::new() })
    }
}

sluice_sdk_reader::export_reader!(Acme);

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_sdk::bench::{Bench, Response};
    use sluice_sdk::export::open;

    fn bench() -> Bench {
        let body = br#"{"id": "7", "email": "a@b.example"}"#.to_vec();
        let answer = move |_: &_| Ok(Response { status: 200, headers: Vec::new(), body: body.clone() });
        let mut bench = Bench::new(answer);
        bench.setting("url", "https://acme.example").secret("api-key", "K");
        bench
    }

    #[test]
    fn one_page_and_the_defaults() {
        let mut bench = bench();
        let page = bench.run(|| open::<Acme>()?.scan(None, 10)).unwrap();
        assert_eq!(page.contacts.len(), 1);
        assert_eq!(bench.requests()[0].url, "https://acme.example/person");
        assert!(bench.run(|| open::<Acme>()?.list_consents()).unwrap().is_empty());
        let error = bench.run(|| open::<Acme>()?.scan_changed("2026-01-01T00:00:00Z", None, 10)).unwrap_err();
        assert_eq!(error.kind, sluice_sdk::ErrorKind::Unsupported);
    }
}

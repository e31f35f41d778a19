//! A connector of which tests make versions: what it is and does stands in a text of fixed length, which a test writes
//! over in the component's bytes. Its CRM is in itself: so many people, always the same.

use std::hint::black_box;

use serde::Deserialize;
use sluice_sdk::{
    Connector, Consent, ConsentInfo, Contact, Description, Error, Field, FieldInfo, FieldType, Page, Value,
};

/// The version, and after it words for what is otherwise than in 1.0.0, filled up with blanks.
static WORDS: &[u8; 96] =
    b"versioned:1.0.0                                                                                 ";

/// The words after the mark that tests look for.
fn words() -> impl Iterator<Item = &'static str> {
    let text = std::str::from_utf8(black_box(WORDS)).unwrap_or_default();
    text.split_once(':').map_or("", |(_, words)| words).split_whitespace()
}

fn does(word: &str) -> bool {
    words().skip(1).any(|one| one == word)
}

/// What its schema asks for.
#[derive(Debug, Deserialize)]
pub struct Settings {
    people: u32,
}

/// One call.
#[derive(Debug)]
pub struct Versioned {
    people: u32,
}

sluice_sdk_reader::export_reader!(Versioned);

impl Versioned {
    fn person(&self, number: u32) -> Contact {
        let id = format!("p{number}");
        let city = format!("City {}", number % 7);
        let city = if does("shouts") && number == 1 { city.to_uppercase() } else { city };
        let mut fields = vec![
            ("email", Value::Text(format!("{id}@versioned.example"))),
            ("kind", Value::Text(if number.is_multiple_of(5) { "vendor" } else { "customer" }.to_owned())),
        ];
        if !does("drops-city") {
            fields.push(("city", if does("counts-city") { Value::Integer(7) } else { Value::Text(city) }));
        }
        let given = number.is_multiple_of(2) || (does("invents-yes") && number == 3);
        let is_asked = !(does("forgets-yes") && number == 4);
        let news = Consent { name: "news".to_owned(), channel: None, given, changed_at: None };
        let field = |(name, value): (&str, Value)| Field { name: name.to_owned(), value };
        Contact {
            id,
            modified_at: None,
            fields: fields.into_iter().map(field).collect(),
            consents: if is_asked { vec![news] } else { Vec::new() },
        }
    }
}

impl Connector for Versioned {
    type Settings = Settings;

    fn describe() -> Description {
        let required = if does("asks-more") { r#"["people", "more"]"# } else { r#"["people"]"# };
        let origins =
            if does("reaches-out") { vec!["https://elsewhere.example".to_owned()] } else { Vec::new() };
        Description {
            id: if does("is-another") { "another" } else { "versioned" }.to_owned(),
            name: "Versioned".to_owned(),
            version: words().next().unwrap_or_default().to_owned(),
            settings_schema: format!(
                r#"{{"type": "object", "required": {required}, "properties": {{"people": {{"type": "integer", "title": "How many people there are"}}, "more": {{"type": "string", "title": "Something new"}}}}}}"#
            ),
            origins,
            id_field: "id".to_owned(),
            email_field: "email".to_owned(),
            mobile_field: None,
            rate_limit: None,
            features: Vec::new(),
        }
    }

    fn open(settings: Settings) -> Result<Self, Error> {
        Ok(Self { people: settings.people })
    }

    fn check(&self) -> Result<Vec<String>, Error> {
        Ok(vec!["It is there.".to_owned()])
    }

    fn list_fields(&self) -> Result<Vec<FieldInfo>, Error> {
        let city = if does("counts-city") { FieldType::Integer } else { FieldType::Text };
        let mut fields = vec![("email", FieldType::Text), ("kind", FieldType::Text)];
        if !does("drops-city") {
            fields.push(("city", city));
        }
        let field = |(name, type_): (&str, FieldType)| FieldInfo {
            name: name.to_owned(),
            label: name.to_owned(),
            type_,
            options: Vec::new(),
        };
        Ok(fields.into_iter().map(field).collect())
    }

    fn list_consents(&self) -> Result<Vec<ConsentInfo>, Error> {
        let news = ConsentInfo { name: "news".to_owned(), label: "News".to_owned() };
        Ok(if does("drops-news") { Vec::new() } else { vec![news] })
    }

    fn scan(&self, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        let after: u32 =
            after.map_or(Ok(0), str::parse).map_err(|_| Error::malformed("The cursor is none."))?;
        let last = after.saturating_add(limit).min(self.people);
        Ok(Page {
            contacts: (after + 1..=last).map(|number| self.person(number)).collect(),
            discarded: Vec::new(),
            next: (last < self.people).then(|| last.to_string()),
            total: Some(self.people.into()),
        })
    }

    fn get(&self, ids: &[String]) -> Result<Vec<Contact>, Error> {
        if does("cannot-get") {
            return Err(Error::unsupported("This version reads nobody by id."));
        }
        let number = |id: &String| id.strip_prefix('p')?.parse::<u32>().ok();
        let is_there = |number: &u32| (1..=self.people).contains(number);
        Ok(ids.iter().filter_map(number).filter(is_there).map(|number| self.person(number)).collect())
    }
}

//! The connector of Quill CRM with one fault at a time, each of which an author might make: the setting `fault` says which.

#![allow(missing_docs)]

// Its sources, because two components in one would export the same names.
#[path = "../../../../plugins/quill/src/api.rs"]
mod api;
#[path = "../../../../plugins/quill/src/connector.rs"]
mod connector;
#[path = "../../../../plugins/quill/src/person.rs"]
mod person;

use connector::Quill;
use serde::Deserialize;
use sluice_sdk::paging::{read_cursor, write_cursor};
use sluice_sdk::{
    Connector, ConsentInfo, Contact, Description, Error, ErrorKind, FieldInfo, Page, Value, log,
};

pub struct Wrong {
    quill: Quill,
    fault: Fault,
}

#[derive(Deserialize)]
pub struct Settings {
    url: String,
    fault: Fault,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Goes on at a place, and not behind somebody.
    Places,
    /// Takes refused credentials for a CRM that is away.
    TriesOn,
    /// Forgets how long the CRM asks to wait.
    Impatient,
    /// Takes an answer that is none for nobody.
    Swallows,
    /// Writes addresses into the log.
    Talks,
    /// Gives more than was asked for.
    Generous,
    /// A field's values are not of the field's type.
    Untyped,
    /// Gives the cursor again that it was given.
    Circles,
    /// A single contact is another than in a scan.
    TwoFaced,
    /// Writes moments as its CRM does, without a time zone.
    Timeless,
}

/// More people than there are.
const ALL: u32 = 100_000;

impl Wrong {
    fn page(&self, page: Result<Page, Error>) -> Result<Page, Error> {
        let mut page = match page {
            Err(error) if self.fault == Fault::Swallows && error.kind != ErrorKind::Unauthorized => {
                return Ok(Page { contacts: Vec::new(), discarded: Vec::new(), next: None, total: None });
            }
            page => page.map_err(|error| self.error(error))?,
        };
        if self.fault == Fault::Talks {
            for contact in &page.contacts {
                for field in contact.fields.iter().filter(|field| field.name == "email") {
                    if let Value::Text(email) = &field.value {
                        log::info(&format!("read {email}"));
                    }
                }
            }
        }
        if self.fault == Fault::Timeless {
            for contact in &mut page.contacts {
                contact.modified_at = contact.modified_at.take().map(|moment| moment.replace('Z', ""));
            }
        }
        if self.fault == Fault::Untyped {
            for field in page.contacts.iter_mut().flat_map(|contact| &mut contact.fields) {
                if let ("kind", Value::Choice(choice)) = (field.name.as_str(), &field.value) {
                    field.value = Value::Text(choice.key.clone());
                }
            }
        }
        Ok(page)
    }

    fn error(&self, mut error: Error) -> Error {
        match self.fault {
            Fault::TriesOn if error.kind == ErrorKind::Unauthorized => error.kind = ErrorKind::Unavailable,
            Fault::Impatient => error.retry_after_ms = None,
            _ => {}
        }
        error
    }
}

impl Connector for Wrong {
    type Settings = Settings;

    fn describe() -> Description {
        let mut described = Quill::describe();
        described.id = "wrong".to_owned();
        described.settings_schema = described.settings_schema.replace(
            "\"properties\": {",
            "\"properties\": {\"fault\": {\"type\": \"string\", \"title\": \"What is wrong with it\"},",
        );
        described
    }

    fn open(settings: Settings) -> Result<Self, Error> {
        let quill = Quill::open(connector::Settings { url: settings.url })?;
        Ok(Self { quill, fault: settings.fault })
    }

    fn check(&self) -> Result<Vec<String>, Error> {
        self.quill.check().map_err(|error| self.error(error))
    }

    fn list_fields(&self) -> Result<Vec<FieldInfo>, Error> {
        self.quill.list_fields()
    }

    fn list_consents(&self) -> Result<Vec<ConsentInfo>, Error> {
        self.quill.list_consents()
    }

    fn scan(&self, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        match self.fault {
            Fault::Places => {
                let place: usize = read_cursor(after)?;
                let mut page = self.quill.scan(None, ALL)?;
                let all = page.contacts.len();
                let behind = place + limit as usize;
                page.contacts = page.contacts.into_iter().skip(place).take(limit as usize).collect();
                page.next = if behind < all { Some(write_cursor(&behind)?) } else { None };
                Ok(page)
            }
            Fault::Generous => self.page(self.quill.scan(after, limit + 1)),
            Fault::Circles => {
                let mut page = self.quill.scan(after, limit)?;
                page.next = page.next.map(|next| after.map_or(next, str::to_owned));
                Ok(page)
            }
            _ => self.page(self.quill.scan(after, limit)),
        }
    }

    fn scan_changed(&self, since: &str, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        self.page(self.quill.scan_changed(since, after, limit))
    }

    fn get(&self, ids: &[String]) -> Result<Vec<Contact>, Error> {
        let mut contacts = self.quill.get(ids).map_err(|error| self.error(error))?;
        if self.fault == Fault::TwoFaced {
            for field in contacts.iter_mut().flat_map(|contact| &mut contact.fields) {
                if field.name == "first" {
                    field.value = Value::Null;
                }
            }
        }
        Ok(contacts)
    }
}

sluice_sdk_reader::export_reader!(Wrong);

//! What the connector is, and how it reads page after page.

use serde::{Deserialize, Serialize};
use sluice_sdk::paging::{read_cursor, write_cursor};
use sluice_sdk::{Connector, ConsentInfo, Contact, Description, Error, FieldInfo, Page};

use crate::api::Api;
use crate::person;

/// One call to one customer's CRM.
pub struct Quill {
    api: Api,
}

/// The settings, as `settings.schema.json` asks for them. Secrets are not among them: a connector never sees one.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// Where the CRM's API is.
    pub url: String,
}

/// Where a scan goes on: behind the last id, and not at a place, because places move when somebody is deleted.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Behind {
    id: u64,
}

impl Quill {
    /// One page of people, in the order of their ids.
    fn page(&self, since: Option<&str>, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        let Behind { id } = read_cursor(after)?;
        let people = self.api.people(id, limit, since)?;
        // A page that is not full was the last one: this CRM fills its pages.
        let last = people.last().filter(|_| people.len() as u64 >= u64::from(limit));
        let next = last.map(|person| write_cursor(&Behind { id: person.id })).transpose()?;
        let contacts = people.into_iter().map(person::contact).collect();
        Ok(Page { contacts, discarded: Vec::new(), next, total: None })
    }
}

impl Connector for Quill {
    type Settings = Settings;

    fn describe() -> Description {
        Description {
            id: "quill".to_owned(),
            name: "Quill CRM".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings_schema: include_str!("../settings.schema.json").to_owned(),
            origins: vec!["{settings.url}".to_owned()],
            id_field: "id".to_owned(),
            email_field: "email".to_owned(),
            mobile_field: Some("mobile".to_owned()),
            rate_limit: None,
            features: Vec::new(),
        }
    }

    fn open(settings: Settings) -> Result<Self, Error> {
        Ok(Self { api: Api::new(&settings.url) })
    }

    fn check(&self) -> Result<Vec<String>, Error> {
        self.api.people(0, 1, None)?;
        Ok(vec!["Quill CRM answers, and the key may read people.".to_owned()])
    }

    fn list_fields(&self) -> Result<Vec<FieldInfo>, Error> {
        Ok(person::fields())
    }

    fn list_consents(&self) -> Result<Vec<ConsentInfo>, Error> {
        Ok(person::consents())
    }

    fn scan(&self, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        self.page(None, after, limit)
    }

    fn scan_changed(&self, since: &str, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        self.page(Some(since), after, limit)
    }

    fn get(&self, ids: &[String]) -> Result<Vec<Contact>, Error> {
        let mut contacts = Vec::with_capacity(ids.len());
        for id in ids {
            contacts.extend(self.api.person(id)?.map(person::contact));
        }
        Ok(contacts)
    }
}

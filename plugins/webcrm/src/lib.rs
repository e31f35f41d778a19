//! The webCRM connector: a component that reads persons, their organisations and their consents from webCRM's REST
//! API, and takes what webCRM's hooks send.
//!
//! Promises: a scan misses no person and gives none twice, whatever is added or deleted meanwhile, and fails where
//! that cannot be had; passwords and log-ins are dropped while an answer is read; numbers come as webCRM writes them;
//! no message and no log line holds what webCRM says of a person. What no page of webCRM says is in [`inferred`].
//!
//! Persons of the business editions; those of the consumer editions (`/PersonsB2C`) are not read.

pub mod api;
mod check;
pub mod company;
pub mod consent;
pub mod delivery;
mod hook;
pub mod inferred;
pub mod list;
pub mod metadata;
mod person;
pub mod query;
pub mod record;
mod scan;
pub mod settings;
pub mod table;
pub mod value;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use sluice_sdk::{
    Change, Connector, ConsentInfo, Contact, Deliveries, Delivery, Description, Error, FieldInfo, Page,
    Proof, Sharers,
};

use crate::api::Api;
use crate::metadata::Model;
use crate::settings::Settings;

/// The field with the person's id.
pub const ID: &str = "PersonId";

/// The field with the e-mail address.
pub const EMAIL: &str = "PersonEmail";

/// The field with the mobile number.
pub const MOBILE: &str = "PersonMobilePhone";

/// One call to one customer's webCRM.
#[derive(Debug)]
pub struct WebCrm {
    settings: Settings,
    api: Api,
    zone: TimeZone,
}

sluice_sdk_sender::export_sender!(WebCrm);

impl WebCrm {
    /// How many records to ask for where so many are wanted; webCRM gives from 1 to 1,000.
    fn page_size(&self, wanted: u32) -> u32 {
        wanted.min(self.settings.page_size).clamp(1, 1000)
    }
}

impl Connector for WebCrm {
    type Settings = Settings;

    fn describe() -> Description {
        Description {
            id: "webcrm".to_owned(),
            name: "webCRM".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings_schema: settings::SCHEMA.to_owned(),
            origins: vec!["{settings.url}".to_owned()],
            id_field: ID.to_owned(),
            email_field: EMAIL.to_owned(),
            mobile_field: Some(MOBILE.to_owned()),
            // webCRM's notes on the API: 250 requests in any minute for an application token.
            rate_limit: Some((250, 60)),
            features: Vec::new(),
        }
    }

    fn open(settings: Settings) -> Result<Self, Error> {
        Ok(Self { api: Api::new(&settings.url)?, zone: settings.zone()?, settings })
    }

    fn check(&self) -> Result<Vec<String>, Error> {
        self.findings()
    }

    fn list_fields(&self) -> Result<Vec<FieldInfo>, Error> {
        Ok(Model::read(&self.api, &self.settings)?.fields())
    }

    fn list_consents(&self) -> Result<Vec<ConsentInfo>, Error> {
        Ok(consent::types(&Model::read(&self.api, &self.settings)?))
    }

    fn scan(&self, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        self.scan_page(after, limit)
    }

    fn scan_changed(&self, since: &str, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        self.changed_page(since, after, limit)
    }

    fn get(&self, ids: &[String]) -> Result<Vec<Contact>, Error> {
        // What is no number is no id in webCRM, and so not there.
        let ids: BTreeSet<i64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        self.contacts_by_id(&ids)
    }
}

impl Deliveries for WebCrm {
    fn verify(delivery: &Delivery) -> Result<Proof, Error> {
        delivery::verify(delivery)
    }

    fn receive(&self, delivery: &Delivery) -> Result<Vec<Change>, Error> {
        delivery::receive(delivery)
    }

    fn contacts_of(&self, subject: &str, after: Option<&str>, limit: u32) -> Result<Sharers, Error> {
        self.persons_of(subject, after, limit)
    }

    fn subscribe(&self, url: &str) -> Result<String, Error> {
        self.set_hooks_up(url)
    }

    fn unsubscribe(&self, id: &str) -> Result<(), Error> {
        self.take_hooks_down(id)
    }
}

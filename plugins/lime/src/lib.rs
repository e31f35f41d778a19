//! The Lime CRM connector: a component that reads persons, their companies and their consents from Lime
//! CRM's API, takes what Lime's webhooks send, and offers campaigns and saved filters as overviews.
//!
//! Promises: a scan misses no person and gives none twice, whatever is added or deleted meanwhile;
//! numbers come as Lime writes them; no message and no log line holds what Lime says of a person. What
//! Lime's documentation does not say and was inferred is marked where it is used.
//!
//! Lime CRM is not Lime Go, which has another API.

pub mod api;
mod check;
mod company;
pub mod consent;
pub mod delivery;
pub mod limetype;
pub mod list;
pub mod overview;
pub mod person;
pub mod query;
pub mod record;
mod scan;
pub mod settings;
mod subscription;
pub mod value;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use sluice_sdk::{
    Change, Connector, ConsentInfo, Contact, Deliveries, Delivery, Description, Error, FieldInfo, Members,
    Overview, Overviews, Page, Proof, Sharers,
};

use crate::api::Api;
use crate::limetype::Model;
use crate::settings::{Settings, SignatureRule};

/// The field with the person's id, under Lime's own name.
pub const ID: &str = "_id";

/// The field with the e-mail address, whatever its property is called in this Lime.
pub const EMAIL: &str = "email";

/// The field with the mobile number, whatever its property is called in this Lime.
pub const MOBILE: &str = "mobilephone";

/// One call to one customer's Lime.
#[derive(Debug)]
pub struct Lime {
    settings: Settings,
    api: Api,
    zone: TimeZone,
}

sluice_sdk::export_complete!(Lime);

impl Lime {
    /// How many records to ask for where so many are wanted.
    fn page_size(&self, wanted: u32) -> u32 {
        wanted.clamp(1, self.settings.page_size.max(1))
    }
}

impl Connector for Lime {
    type Settings = Settings;

    fn describe() -> Description {
        Description {
            id: "lime".to_owned(),
            name: "Lime CRM".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings_schema: settings::SCHEMA.to_owned(),
            origins: vec!["{settings.url}".to_owned()],
            id_field: ID.to_owned(),
            email_field: EMAIL.to_owned(),
            mobile_field: Some(MOBILE.to_owned()),
            // Lime's REST documentation: 3000 requests in 5 minutes for one address that asks.
            rate_limit: Some((3000, 300)),
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
        Ok(Model::read(&self.api, &self.settings)?.fields(&self.settings))
    }

    fn list_consents(&self) -> Result<Vec<ConsentInfo>, Error> {
        if self.reads_consents() { self.consent_types() } else { Ok(Vec::new()) }
    }

    fn scan(&self, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        self.scan_page(after, limit)
    }

    fn scan_changed(&self, since: &str, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        self.changed_page(since, after, limit)
    }

    fn get(&self, ids: &[String]) -> Result<Vec<Contact>, Error> {
        // What is no number is no id in Lime, and so not there.
        let ids: BTreeSet<i64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        self.contacts(&ids)
    }
}

impl Deliveries for Lime {
    fn verify(delivery: &Delivery) -> Result<Proof, Error> {
        delivery::verify(delivery, SignatureRule::read()?)
    }

    fn receive(&self, delivery: &Delivery) -> Result<Vec<Change>, Error> {
        delivery::receive(&delivery.body, &self.settings, &self.zone)
    }

    fn contacts_of(&self, subject: &str, after: Option<&str>, limit: u32) -> Result<Sharers, Error> {
        self.persons_of(subject, after, limit)
    }

    fn subscribe(&self, url: &str) -> Result<String, Error> {
        self.subscribe_to(url)
    }

    fn unsubscribe(&self, id: &str) -> Result<(), Error> {
        self.end_subscription(id)
    }
}

impl Overviews for Lime {
    fn list_overviews(&self) -> Result<Vec<Overview>, Error> {
        self.overviews()
    }

    fn read_members(&self, overview: &str, after: Option<&str>, limit: u32) -> Result<Members, Error> {
        self.members(overview, after, limit)
    }
}

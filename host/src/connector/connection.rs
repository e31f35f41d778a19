//! A connection: a connector with one integration's settings, secrets, grant and limits. Its methods are
//! the functions of the contract.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;

use super::bindings::exported::contacts;
use super::bindings::exported::deliveries as told;
use super::call::{Call, misfit};
use super::component::Connector;
use super::convert::{self, Bounds, Members, Misfit, Overview, Proof};
use super::environment::Environment;
use super::error::{CallError, OpenError};
use super::limits::{Limit, Limits};
use super::opening;
use super::stand_in::StandIn;
use super::state::Purpose;
use crate::change::{Change, Delivery};
use crate::contact::{ConsentInfo, Contact, ContactId, Cursor, FieldInfo, Page};
use crate::integration::{Grant, IntegrationId};

/// What makes a connection of a connector.
#[derive(Debug, Clone)]
pub struct ConnectionSettings {
    /// Whose.
    pub integration: IntegrationId,
    /// The settings, by name, as the connector's schema asks for them. No secrets.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// The secrets, by the names of the schema's `writeOnly` properties. While a secret is being
    /// replaced, the old value stays under `<name>.previous`.
    pub secrets: BTreeMap<String, SecretString>,
    /// What the operator lets it reach.
    pub grant: Grant,
    /// Limits of each call.
    pub limits: Limits,
}

/// A connection, ready for calls. Clones share it; calls may run side by side.
#[derive(Clone)]
pub struct Connection {
    connector: Connector,
    environment: Arc<Environment>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Connection")
            .field("integration", &self.environment.integration)
            .field("connector", &self.connector)
            .finish()
    }
}

/// Calls one function of one interface on a fresh instance. A macro because each function has its own
/// types; it holds nothing but the way there.
macro_rules! call {
    ($self:ident, $name:literal, $interface:ident.$function:ident($($argument:expr),*)) => {{
        let environment = Arc::clone(&$self.environment);
        let limits = Arc::clone(&environment.limits);
        Call::new($name, &$self.connector.0.bound, Purpose::Call(environment), &limits)
            .run(move |store, instance, bound| {
                Box::pin(async move {
                    let guest = bound.$interface.load(&mut *store, instance)?;
                    guest.$function(&mut *store, $($argument),*).await
                })
            })
            .await
    }};
}

/// The same for an interface that a connector need not export.
macro_rules! call_if_offered {
    ($self:ident, $name:literal, $interface:ident.$function:ident($($argument:expr),*)) => {{
        let environment = Arc::clone(&$self.environment);
        let limits = Arc::clone(&environment.limits);
        let Some(indices) = $self.connector.0.bound.$interface.clone() else {
            return Err(CallError::NotOffered { interface: stringify!($interface) });
        };
        Call::new($name, &$self.connector.0.bound, Purpose::Call(environment), &limits)
            .run(move |store, instance, _| {
                Box::pin(async move {
                    let guest = indices.load(&mut *store, instance)?;
                    guest.$function(&mut *store, $($argument),*).await
                })
            })
            .await
    }};
}

impl Connection {
    /// Opens a connection: checks the settings against the connector's schema, that its secrets are
    /// there, and that the origins it wants are granted. Makes no request.
    pub fn open(connector: &Connector, settings: ConnectionSettings) -> Result<Self, OpenError> {
        let environment = Arc::new(opening::environment(connector, settings)?);
        Ok(Self { connector: connector.clone(), environment })
    }

    /// Opens a connection to try the connector: this stands between it and its CRM.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn try_out(
        connector: &Connector,
        settings: ConnectionSettings,
        stand_in: Arc<dyn StandIn>,
    ) -> Result<Self, OpenError> {
        let environment =
            Environment { stand_in: Some(stand_in), ..opening::environment(connector, settings)? };
        Ok(Self { connector: connector.clone(), environment: Arc::new(environment) })
    }

    /// Checks what was written as `open` does, but of the secrets only their names: for where they cannot
    /// be read yet.
    pub fn check_unread(connector: &Connector, settings: &ConnectionSettings) -> Result<(), OpenError> {
        opening::check_unread(connector, settings)
    }

    /// The connector behind it.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    fn taken<T>(&self, call: &'static str, converted: Result<T, Misfit>) -> Result<T, CallError> {
        converted.map_err(|misfit| self::misfit(call, &self.environment.limits, misfit))
    }

    /// A cheap proof that settings and credentials work; what it found, in words for the user.
    pub async fn check(&self) -> Result<Vec<String>, CallError> {
        call!(self, "check", connector.call_check())
    }

    /// The fields that the CRM has.
    pub async fn list_fields(&self) -> Result<Vec<FieldInfo>, CallError> {
        let told = call!(self, "list-fields", contacts.call_list_fields())?;
        self.taken("list-fields", convert::fields(told))
    }

    /// The consent types that the CRM has.
    pub async fn list_consents(&self) -> Result<Vec<ConsentInfo>, CallError> {
        let told = call!(self, "list-consents", contacts.call_list_consents())?;
        self.taken("list-consents", convert::consents(told))
    }

    /// One page of all contacts, at most `limit` of them (and at most the limit `page-records`); from the
    /// beginning without a cursor.
    pub async fn scan(&self, after: Option<&Cursor>, limit: u32) -> Result<Page, CallError> {
        let (after, limit) = (after.map(|cursor| cursor.0.clone()), self.asked(limit));
        let told = call!(self, "scan", contacts.call_scan(after.as_ref(), limit))?;
        self.page("scan", told, limit)
    }

    /// One page of the contacts created or changed since a moment. `Said` with `Unsupported` where the CRM
    /// cannot say.
    pub async fn scan_changed(
        &self,
        since: Timestamp,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Page, CallError> {
        let (after, limit) = (after.map(|cursor| cursor.0.clone()), self.asked(limit));
        let since = since.to_string();
        let told = call!(self, "scan-changed", contacts.call_scan_changed(&since, after.as_ref(), limit))?;
        self.page("scan-changed", told, limit)
    }

    /// Contacts by id; an id that is not there is left out.
    pub async fn get(&self, ids: &[ContactId]) -> Result<Vec<Contact>, CallError> {
        let asked: Vec<String> = ids.iter().map(|id| id.0.clone()).collect();
        let told = call!(self, "get", contacts.call_get(&asked))?;
        let contacts = self.taken("get", convert::distinct(told))?;
        if contacts.iter().all(|contact| ids.contains(&contact.id)) {
            return Ok(contacts);
        }
        self.taken("get", Err(Misfit::Wrong("contacts".to_owned(), "holds a contact that was not asked for")))
    }

    /// Whether the CRM sent this delivery; `Said` with `Unauthorized` if not.
    pub async fn verify(&self, delivery: &Delivery) -> Result<Proof, CallError> {
        let delivery = told_delivery(delivery);
        let told = call_if_offered!(self, "verify", deliveries.call_verify(&delivery))?;
        self.taken("verify", convert::proof(told))
    }

    /// What a delivery says.
    pub async fn receive(&self, delivery: &Delivery) -> Result<Vec<Change>, CallError> {
        let delivery = told_delivery(delivery);
        let told = call_if_offered!(self, "receive", deliveries.call_receive(&delivery))?;
        self.taken("receive", convert::changes(told, &self.environment.redactor()))
    }

    /// Asks the CRM to send its changes to `url`; the CRM's id for that.
    pub async fn subscribe(&self, url: &str) -> Result<String, CallError> {
        let url = url.to_owned();
        call_if_offered!(self, "subscribe", deliveries.call_subscribe(&url))
    }

    /// Asks the CRM to send no more.
    pub async fn unsubscribe(&self, id: &str) -> Result<(), CallError> {
        let id = id.to_owned();
        call_if_offered!(self, "unsubscribe", deliveries.call_unsubscribe(&id))
    }

    /// The CRM's own lists of people.
    pub async fn list_overviews(&self) -> Result<Vec<Overview>, CallError> {
        let told = call_if_offered!(self, "list-overviews", overviews.call_list_overviews())?;
        self.taken("list-overviews", convert::overviews(told))
    }

    /// One page of the members of an overview.
    pub async fn read_members(
        &self,
        overview: &str,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Members, CallError> {
        let (after, limit) = (after.map(|cursor| cursor.0.clone()), self.asked(limit));
        let overview = overview.to_owned();
        let told = call_if_offered!(
            self,
            "read-members",
            overviews.call_read_members(&overview, after.as_ref(), limit)
        )?;
        self.taken("read-members", convert::members(told.contacts, told.next, &self.bounds(limit)))
    }

    /// One page of the contacts that show the values of a record which is no contact.
    pub async fn contacts_of(
        &self,
        subject: &str,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Members, CallError> {
        let (after, limit) = (after.map(|cursor| cursor.0.clone()), self.asked(limit));
        let subject = subject.to_owned();
        let told =
            call_if_offered!(self, "contacts-of", related.call_contacts_of(&subject, after.as_ref(), limit))?;
        self.taken("contacts-of", convert::members(told.contacts, told.next, &self.bounds(limit)))
    }

    fn page(&self, call: &'static str, told: contacts::Page, asked: u32) -> Result<Page, CallError> {
        self.taken(call, convert::page(told, &self.bounds(asked), &self.environment.redactor()))
    }

    fn asked(&self, limit: u32) -> u32 {
        u32::try_from(self.environment.limits.get(Limit::PageRecords)).unwrap_or(u32::MAX).min(limit.max(1))
    }

    fn bounds(&self, asked: u32) -> Bounds {
        Bounds::page(&self.environment.limits, asked)
    }
}

fn told_delivery(delivery: &Delivery) -> told::Delivery {
    told::Delivery {
        headers: delivery.headers.clone(),
        query: delivery.query.clone(),
        body: delivery.body.clone(),
    }
}

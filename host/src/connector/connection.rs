//! A connection: a connector with one integration's settings, secrets, grant and limits. Its methods are
//! the functions of the contract.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;

use super::bindings::exported::{connector, contacts, deliveries, overviews};
use super::call::{Call, misfit};
use super::component::Connector;
use super::convert::{self, Bounds, Change, Members, Misfit, Overview, Proof};
use super::environment::Environment;
use super::error::{CallError, OpenError};
use super::limits::{Limit, Limits};
use super::opening;
use super::state::Purpose;
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

/// One real-time request of the CRM, as it came.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its headers, in order.
    pub headers: Vec<(String, String)>,
    /// What is behind the `?`, undecoded.
    pub query: String,
    /// Its body.
    pub body: Vec<u8>,
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

macro_rules! call {
    ($self:ident, $name:literal, $indices:expr, |$guest:ident, $store:ident| $call:expr) => {{
        let indices = $indices;
        $self
            .begin($name)
            .run(move |$store, instance, _| {
                Box::pin(async move {
                    let $guest = indices.load(&mut *$store, instance)?;
                    $call.await
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

    /// The connector behind it.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// A cheap proof that settings and credentials work; what it found, in words for the user.
    pub async fn check(&self) -> Result<Vec<String>, CallError> {
        call!(self, "check", self.connector(), |guest, store| guest.call_check(&mut *store))
    }
}

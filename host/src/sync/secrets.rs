//! The values of an integration's secrets, for whoever speaks to one of its sides: from where its definition says that
//! they are.
//!
//! Read anew each time, so that a changed one is taken up. A secret in the store is found by the integration that asks and
//! by its name, and opens for these only: no integration can name another one's.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;

use super::failure::SyncError;
use crate::integration::{Integration, IntegrationId, SecretRef, secret_in_file, secret_in_variable};
use crate::keys::{KeyError, KeySource, Keys};
use crate::secret::{SecretName, SecretPlace};
use crate::store::Store;

/// Secrets that are to be tried before they are stored: whose, and by name.
pub type AtHand = (IntegrationId, BTreeMap<SecretName, SecretString>);

/// Reads secrets. Clones share everything.
#[derive(Clone)]
pub struct Secrets {
    store: Arc<dyn Store>,
    keys: KeySource,
    at_hand: Option<Arc<AtHand>>,
}

impl Secrets {
    /// Those of a store, opened with these keys.
    pub fn new(store: Arc<dyn Store>, keys: KeySource) -> Self {
        Self { store, keys, at_hand: None }
    }

    /// The same, and these before those that are stored.
    pub fn before_stored(&self, at_hand: AtHand) -> Self {
        Self { at_hand: Some(Arc::new(at_hand)), ..self.clone() }
    }

    /// The keys that are given now.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn keys(&self) -> Result<Keys, KeyError> {
        self.keys.keys()
    }

    /// One secret of an integration.
    ///
    /// # Errors
    /// It is not there, or does not open; the store fails.
    pub async fn read(&self, id: &IntegrationId, place: &SecretRef) -> Result<SecretString, SyncError> {
        let name = match place {
            SecretRef::Env(name) => return Ok(secret_in_variable(name)?),
            SecretRef::File(path) => return Ok(secret_in_file(path)?),
            SecretRef::Stored(name) => name,
        };
        let at_hand = self.at_hand.as_deref().filter(|(whose, _)| whose == id);
        if let Some(value) = at_hand.and_then(|(_, values)| values.get(name)) {
            return Ok(value.clone());
        }
        let place = SecretPlace { integration: id.clone(), name: name.clone() };
        match self.store.secret(&place).await? {
            Some(sealed) => Ok(self.keys()?.open(&place, &sealed)?),
            None => Err(SyncError::SecretNotSet(place)),
        }
    }

    /// The secret of an integration's API key.
    ///
    /// # Errors
    /// As `read`.
    pub async fn of_apsis(&self, integration: &Integration) -> Result<SecretString, SyncError> {
        self.read(&integration.id, &integration.apsis.client_secret).await
    }

    /// The secrets of an integration's connector, by the names under which it asks for them.
    ///
    /// # Errors
    /// As `read`.
    pub async fn of_connector(
        &self,
        integration: &Integration,
    ) -> Result<BTreeMap<String, SecretString>, SyncError> {
        let mut secrets = BTreeMap::new();
        for (name, place) in &integration.secrets {
            secrets.insert(name.clone(), self.read(&integration.id, place).await?);
        }
        Ok(secrets)
    }
}

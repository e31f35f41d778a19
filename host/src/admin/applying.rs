//! Integrations: added, replaced, given other rules, switched on and off, taken away.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{About, Admin, Done, failed};
use crate::connector::read_component;
use crate::error::Failure;
use crate::integration::{ConditionRow, ConsentRow, FieldRow, Integration, IntegrationId};
use crate::secret::{NewSecret, SecretName, check_secret};
use crate::store::{Expected, StoreError};
use crate::sync::{self, Unchecked};

/// How long the address before a rotation is taken: the CRM may still be trying to deliver there.
const OLD_KEY_FOR: SignedDuration = SignedDuration::from_hours(24);

/// An integration that was stored.
#[derive(Debug)]
pub struct Applied {
    /// As it is now.
    pub integration: Integration,
    /// Its revision now.
    pub revision: i64,
    /// Whether there was none of its id before.
    pub is_new: bool,
    /// Sides that did not answer, so that the rules could not be checked against them.
    pub unchecked: Vec<Unchecked>,
}

/// An integration's rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rules {
    /// Sync conditions. All of them must hold.
    pub conditions: Vec<ConditionRow>,
    /// Field mappings; the e-mail address and the id are mapped by themselves.
    pub fields: Vec<FieldRow>,
    /// Consent mappings.
    pub consents: Vec<ConsentRow>,
}

impl Rules {
    /// Those of an integration.
    pub fn of(integration: &Integration) -> Self {
        Self {
            conditions: integration.conditions.clone(),
            fields: integration.fields.clone(),
            consents: integration.consents.clone(),
        }
    }
}

/// One part of the rules, which is saved by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulesChange {
    /// The conditions are to be these.
    Conditions(Vec<ConditionRow>),
    /// The field mappings are to be these.
    Fields(Vec<FieldRow>),
    /// The consent mappings are to be these.
    Consents(Vec<ConsentRow>),
}

impl RulesChange {
    fn what(&self) -> &'static str {
        match self {
            Self::Conditions(_) => "conditions.save",
            Self::Fields(_) => "fields.save",
            Self::Consents(_) => "consents.save",
        }
    }

    /// The integration with it.
    pub fn made_to(self, mut integration: Integration) -> Integration {
        match self {
            Self::Conditions(rows) => integration.conditions = rows,
            Self::Fields(rows) => integration.fields = rows,
            Self::Consents(rows) => integration.consents = rows,
        }
        integration
    }
}

impl Admin {
    /// Takes the component of an integration's file into the store, checks that it can be opened, and stores it.
    ///
    /// # Errors
    /// The first thing that is wrong with it; it is not what `expected` says; a run is active; the store fails.
    pub async fn apply(&self, integration: Integration, expected: Expected) -> Result<Applied, Failure> {
        self.apply_with_secrets(integration, BTreeMap::new(), expected).await
    }

    /// The same, with secrets of it that are to be kept in the store: all of it is stored, or nothing.
    ///
    /// # Errors
    /// As `apply`; a secret cannot be so, or there is no key to seal it under.
    pub async fn apply_with_secrets(
        &self,
        integration: Integration,
        secrets: BTreeMap<SecretName, SecretString>,
        expected: Expected,
    ) -> Result<Applied, Failure> {
        // Before anything is written down: a name may be a value, in the wrong place.
        secrets.iter().try_for_each(|(name, value)| check_secret(name, value)).map_err(failed)?;
        let id = integration.id.clone();
        let names: Vec<&str> = secrets.keys().map(|name| name.0.as_str()).collect();
        let names = (!names.is_empty()).then(|| format!("with the secrets {}", names.join(", ")));
        let about = About { integration: Some(&id), about: names };
        let doing = async {
            let sealed = secrets.iter().map(|(name, value)| self.sealed(&id, name, value));
            let sealed: Vec<NewSecret> = sealed.collect::<Result<_, _>>()?;
            let before = self.store().integration(&id).await.map_err(failed)?;
            // It is checked with the values that it will have.
            let service = self.service.having((id.clone(), secrets));
            let admin = Self::new(service, self.caller.clone());
            let applied = admin.put(integration, &sealed, before.as_ref(), expected).await?;
            Ok(Done {
                before: before.as_ref().and_then(|before| serde_json::to_value(before).ok()),
                after: serde_json::to_value(&applied.integration).ok(),
                value: applied,
            })
        };
        self.noted("integration.apply", about, doing).await
    }

    /// Saves one part of an integration's rules.
    ///
    /// # Errors
    /// A row cannot be; the integration is no longer of this revision; a run is active; the store fails.
    pub async fn change_rules(
        &self,
        id: &IntegrationId,
        revision: i64,
        change: RulesChange,
    ) -> Result<Applied, Failure> {
        let doing = async {
            let before = self.integration(id).await?;
            let rules = Rules::of(&before);
            let changed = change.clone().made_to(before.clone());
            let applied = self.put(changed, &[], Some(&before), Expected::Revision(revision)).await?;
            Ok(Done {
                before: serde_json::to_value(rules).ok(),
                after: serde_json::to_value(Rules::of(&applied.integration)).ok(),
                value: applied,
            })
        };
        self.noted(change.what(), About::integration(id), doing).await
    }

    async fn put(
        &self,
        integration: Integration,
        secrets: &[NewSecret],
        before: Option<&Integration>,
        expected: Expected,
    ) -> Result<Applied, Failure> {
        let integration = self.prepare(integration).await?;
        let unchecked = sync::check_rules(&self.service, &integration).await.map_err(failed)?;
        let revision = self.store().put_integration_with(&integration, secrets, expected).await;
        let revision = revision.map_err(failed)?;
        Ok(Applied { integration, revision, is_new: before.is_none(), unchecked })
    }

    /// Checks what can be checked of an integration without its sides; its component is in the store then.
    ///
    /// # Errors
    /// The first thing that is wrong with it; the store fails.
    pub async fn prepare(&self, mut integration: Integration) -> Result<Integration, Failure> {
        integration.check().map_err(failed)?;
        if !integration.connector.starts_with("sha256:") {
            let file = Path::new(&integration.connector);
            let (name, component) = read_component(file).map_err(failed)?;
            self.service.trusted().check_file(file, &component).map_err(failed)?;
            self.store().put_component(&name, component).await.map_err(failed)?;
            integration.connector = name;
        }
        sync::check_connection(&self.service, &integration).await.map_err(failed)?;
        let known = self.store().integration(&integration.id).await.map_err(failed)?;
        if known.is_some_and(|known| !known.apsis.is_same_place(&integration.apsis)) {
            return Err(Failure {
                code: "integration-target-changed".to_owned(),
                message: format!(
                    "{id} would write to another address, section or keyspace of APSIS One than before, and what is \
                     known of its contacts would be wrong there. Apply it under another id, or first `sluice integration \
                     delete {id}`",
                    id = integration.id
                ),
            });
        }
        Ok(integration)
    }

    /// Lets an integration's lane work, or has it hold what comes in.
    ///
    /// # Errors
    /// There is no such integration; the store fails.
    pub async fn enable(&self, id: &IntegrationId, enabled: bool) -> Result<(), Failure> {
        let what = if enabled { "integration.enable" } else { "integration.disable" };
        let doing = async { self.store().set_enabled(id, enabled).await.map(Done::plain).map_err(failed) };
        self.noted(what, About::integration(id), doing).await
    }

    /// Gives an integration's webhook another address; until when the old one is taken.
    ///
    /// # Errors
    /// There is no such integration; the store fails.
    pub async fn rotate_key(&self, id: &IntegrationId) -> Result<Timestamp, Failure> {
        let until = Timestamp::now().checked_add(OLD_KEY_FOR).unwrap_or(Timestamp::MAX);
        let doing = async {
            self.store().rotate_key(id, until).await.map_err(failed)?;
            Ok(Done::plain(until))
        };
        self.noted("integration.rotate", About::integration(id), doing).await
    }

    /// Deletes an integration, once the CRM has been asked to send it nothing any more: by whoever holds it.
    ///
    /// # Errors
    /// There is no such integration; a run is active; the store fails.
    pub async fn retire(&self, id: &IntegrationId) -> Result<(), Failure> {
        self.taking_away(id, self.store().retire_integration(id)).await
    }

    /// Deletes an integration at once. Its webhook stays in the CRM.
    ///
    /// # Errors
    /// There is no such integration; a run is active; the store fails.
    pub async fn delete(&self, id: &IntegrationId) -> Result<(), Failure> {
        self.taking_away(id, self.store().delete_integration(id)).await
    }

    async fn taking_away(
        &self,
        id: &IntegrationId,
        doing: impl Future<Output = Result<(), StoreError>>,
    ) -> Result<(), Failure> {
        let doing = async {
            let before = self.integration(id).await?;
            doing.await.map_err(failed)?;
            Ok(Done { value: (), before: serde_json::to_value(before).ok(), after: None })
        };
        self.noted("integration.delete", About::integration(id), doing).await
    }
}

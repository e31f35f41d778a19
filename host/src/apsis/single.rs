//! One profile read whole by single calls, as an export has it; and the profiles that addresses find.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::Method;

use super::error::{ApsisError, Operation};
use super::export::ExportedProfile;
use super::inferred::Values;
use super::profiles::{JSON, Scope, Target};
use super::value::FoundValue;
use crate::contact::{Channel, ContactId};
use crate::profile::AttributeId;

impl Target {
    /// A profile's values of the attributes that are in use, and its consents on our channels; none if there is no
    /// profile.
    pub async fn profile(&self, key: &ContactId) -> Result<Option<ExportedProfile>, ApsisError> {
        let Some(attributes) = self.attributes(key).await? else { return Ok(None) };
        let Some(consents) = self.consents(key).await? else { return Ok(None) };
        Ok(Some(ExportedProfile { key: key.clone(), attributes, consents }))
    }

    /// A profile's values of the attributes that are in use; none if there is no profile.
    pub async fn attributes(
        &self,
        key: &ContactId,
    ) -> Result<Option<BTreeMap<AttributeId, FoundValue>>, ApsisError> {
        let answer = self
            .of_section(Operation::ReadProfile, Method::GET, false, key, "attributes", JSON, None)
            .await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let values: Values = answer.read("it is not a map of attributes")?;
        let of = |(attribute, version): (&AttributeId, &String)| {
            Some((attribute.clone(), FoundValue::read(values.get(version)?)))
        };
        Ok(Some(self.scope.versions.iter().filter_map(of).collect()))
    }

    /// The same section, with the keyspace whose keys are the addresses of a channel: whoever has an address is
    /// found there by it. None if the account has no such keyspace through which consents can be set.
    pub fn of_addresses(&self, channel: Channel) -> Option<Self> {
        let keyspace = self.scope.addresses.get(&channel)?.clone();
        let Scope { section, channels, versions, addresses, .. } = &*self.scope;
        let scope = Scope {
            section: section.clone(),
            keyspace,
            channels: channels.clone(),
            versions: versions.clone(),
            addresses: addresses.clone(),
        };
        Some(Self { client: self.client.clone(), scope: Arc::new(scope) })
    }
}

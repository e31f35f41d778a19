//! Single calls on one profile of one section: attributes, creation, consents, tags, merge, delete.
//!
//! The caller keeps the writes of one profile in order, one at a time. Every call but `create` may be
//! repeated without harm; `create` tells a profile that was there from a new one only on its first try
//! (an answer that got lost makes the second try say `Existed`), so note before it that there was none.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use reqwest::Method;

use super::client::{Answer, Call, Client, Listener};
use super::definitions::{ChannelId, Definitions};
use super::error::{ApsisError, Operation};
use super::inferred::{self, ConsentBody, ConsentItem, Items, SOURCE};
use super::limits::Quota;
use super::value::Patch;
use crate::contact::{Channel, ContactId};
use crate::integration::{ApsisSettings, SameAddress};
use crate::profile::{
    AttributeId, AttributeValue, ConsentType, KeyspaceId, KnownConsent, SectionId, TagId, TopicId,
};

pub(super) const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// What became of a write of attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patched {
    /// The attributes are written.
    Written,
    /// There is no such profile: create it.
    NoProfile,
}

/// What became of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The profile is new.
    New,
    /// There was one (or an earlier try of this call made it).
    Existed,
}

/// What became of a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentEnd {
    /// It is written.
    Changed,
    /// It was so already (or an earlier try of this call made it so).
    AlreadyThere,
    /// APSIS One does not allow the step, and what it has is something else.
    Refused,
}

/// What became of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// The profile is gone, from all sections.
    Gone,
    /// There was none.
    NoProfile,
}

/// What became of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merged {
    /// Both keys find the same profile.
    Joined,
    /// Their e-mail address, mobile number or CRM id differ.
    Conflict,
    /// One has been merged as often as APSIS One allows.
    TooOften,
    /// One of them is not there.
    NoProfile,
}

/// One section and keyspace of an account. Clones share the client.
#[derive(Clone)]
pub struct Target {
    pub(super) client: Client,
    pub(super) scope: Arc<Scope>,
}

/// What a target is bound to.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) section: SectionId,
    pub(super) keyspace: KeyspaceId,
    pub(super) channels: BTreeMap<Channel, ChannelId>,
    /// The current version of each attribute.
    pub(super) versions: BTreeMap<AttributeId, String>,
    /// The keyspaces whose keys are addresses, where consents can be set through them.
    pub(super) addresses: BTreeMap<Channel, KeyspaceId>,
}

impl fmt::Debug for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scope { section, keyspace, .. } = &*self.scope;
        out.debug_struct("Target")
            .field("section", section)
            .field("keyspace", keyspace)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// The section and the keyspace that the settings name.
    pub fn target(&self, definitions: &Definitions, settings: &ApsisSettings) -> Result<Target, ApsisError> {
        let keyspace = definitions.keyspace(&settings.keyspace)?;
        let versions = definitions.attributes().iter();
        let versions = versions.filter_map(|item| Some((item.id.clone(), item.version.clone()?))).collect();
        let addresses: BTreeMap<Channel, KeyspaceId> = [Channel::Email, Channel::Sms]
            .into_iter()
            .filter_map(|channel| {
                let id = inferred::address_keyspace(channel);
                let found = definitions.keyspaces().iter().find(|found| found.id.0 == id)?;
                found.manage_subscriptions.then(|| (channel, found.id.clone()))
            })
            .collect();
        if settings.same_address == SameAddress::Merge && !addresses.contains_key(&Channel::Email) {
            return Err(ApsisError::Setting {
                setting: "apsis.same-address",
                message: format!(
                    "profiles cannot be merged: the account has no keyspace {} through which consents can be set; \
                     write \"leave\"",
                    inferred::address_keyspace(Channel::Email)
                ),
            });
        }
        let scope = Scope {
            section: definitions.section(&settings.section)?.id.clone(),
            keyspace: keyspace.id.clone(),
            channels: definitions.channel_ids(),
            versions,
            addresses,
        };
        Ok(Target { client: self.clone(), scope: Arc::new(scope) })
    }
}

/// The key of the limit of one profile: keyspace and profile key.
fn limit_key(keyspace: &str, key: &str) -> String {
    format!("{keyspace}\n{key}")
}

impl Target {
    /// The client that it writes through.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The same target, which tells of each request, once it has ended. No address is told.
    #[must_use]
    pub fn heard_by(&self, listener: Listener) -> Self {
        let client = self.client.clone().heard_by(&self.scope.keyspace.0, listener);
        Self { client, scope: Arc::clone(&self.scope) }
    }

    /// The section.
    pub fn section(&self) -> &SectionId {
        &self.scope.section
    }

    /// The keyspace.
    pub fn keyspace(&self) -> &KeyspaceId {
        &self.scope.keyspace
    }

    /// Writes attributes by merge patch; those not named stay, `Clear` clears. Never creates a profile.
    pub async fn patch(
        &self,
        key: &ContactId,
        attributes: &BTreeMap<AttributeId, AttributeValue>,
    ) -> Result<Patched, ApsisError> {
        let body = serde_json::to_vec(&Patch(attributes)).map_err(|_| ApsisError::Refused {
            operation: Operation::WriteAttributes,
            status: 400,
            hint: super::error::Hint {
                title: Some("a decimal that is not a number".to_owned()),
                subject: None,
            },
        })?;
        let answer = self
            .of_section(
                Operation::WriteAttributes,
                Method::PATCH,
                true,
                key,
                "attributes",
                MERGE_PATCH,
                Some(body),
            )
            .await?;
        match answer.status {
            404 => Ok(Patched::NoProfile),
            _ if answer.is_success() => Ok(Patched::Written),
            _ => Err(answer.refused(attributes.keys().map(|attribute| attribute.0.as_str()))),
        }
    }

    /// Creates a profile with nothing but its key.
    pub async fn create(&self, key: &ContactId) -> Result<Created, ApsisError> {
        let path =
            ["audience", "keyspaces", &self.scope.keyspace.0, "sections", &self.scope.section.0, "profiles"];
        let body = serde_json::json!({ "profile_key": key.0 }).to_string().into_bytes();
        let call = Call {
            body: Some((JSON, body)),
            method: Method::POST,
            ..Call::get(Operation::CreateProfile, &path)
        };
        let answer = self.for_key(call, key).await?;
        match answer.status {
            409 => Ok(Created::Existed),
            _ if answer.is_success() => Ok(Created::New),
            _ => Err(answer.refused(std::iter::empty())),
        }
    }

    /// A profile's consents on our channels; none if there is no profile.
    pub async fn consents(&self, key: &ContactId) -> Result<Option<Vec<KnownConsent>>, ApsisError> {
        let answer =
            self.of_section(Operation::ReadConsents, Method::GET, true, key, "consents", JSON, None).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let found: Items<ConsentItem> = answer.read("it is not a list of consents")?;
        Ok(Some(self.scope.known_consents(found.items)))
    }

    /// Opts a profile in or out, for a reason that is not empty. A refused step (409) is looked into:
    /// it is no refusal if the consent is as wanted.
    pub async fn set_consent(
        &self,
        key: &ContactId,
        topic: &TopicId,
        channel: Channel,
        opt_in: bool,
        reason: &str,
    ) -> Result<ConsentEnd, ApsisError> {
        self.set_consent_as(key, topic, channel, opt_in, reason, SOURCE).await
    }

    /// The same, said to be set by `source`.
    pub async fn set_consent_as(
        &self,
        key: &ContactId,
        topic: &TopicId,
        channel: Channel,
        opt_in: bool,
        reason: &str,
        source: &str,
    ) -> Result<ConsentEnd, ApsisError> {
        let operation = Operation::WriteConsent;
        let Some(id) = self.scope.channels.get(&channel) else {
            return Err(ApsisError::Setting {
                setting: "consents.channel",
                message: format!("the account has no channel for {channel}"),
            });
        };
        let body = serde_json::to_vec(&ConsentBody {
            topic_discriminator: &topic.0,
            channel_discriminator: &id.0,
            state: if opt_in { ConsentType::OptIn } else { ConsentType::OptOut },
            reason,
            source,
        })
        .unwrap_or_default();
        let answer =
            self.of_section(operation, Method::POST, true, key, "consents", JSON, Some(body)).await?;
        if answer.is_success() {
            return Ok(ConsentEnd::Changed);
        }
        if answer.status != 409 {
            return Err(answer.refused([topic.0.as_str()].into_iter()));
        }
        let known = self.consents(key).await?.unwrap_or_default();
        let there =
            known.iter().filter(|state| state.topic == *topic && state.channel == channel).any(|state| {
                match state.state {
                    ConsentType::OptIn | ConsentType::ConfirmedOptIn => opt_in,
                    ConsentType::OptOut => !opt_in,
                    ConsentType::PendingOptIn => false,
                }
            });
        Ok(if there { ConsentEnd::AlreadyThere } else { ConsentEnd::Refused })
    }

    /// Sets (true) and removes (false) tags.
    pub async fn tags(&self, key: &ContactId, tags: &BTreeMap<TagId, bool>) -> Result<Patched, ApsisError> {
        let body = inferred::tags_body(tags.iter().map(|(tag, set)| (tag.0.as_str(), *set)));
        let body = Some(body.to_string().into_bytes());
        let answer = self
            .of_section(Operation::WriteTags, Method::PATCH, false, key, "tags", MERGE_PATCH, body)
            .await?;
        match answer.status {
            404 => Ok(Patched::NoProfile),
            _ if answer.is_success() => Ok(Patched::Written),
            _ => Err(answer.refused(tags.keys().map(|tag| tag.0.as_str()))),
        }
    }

    /// Deletes the profile with its consents and events, from every section of the account.
    pub async fn delete(&self, key: &ContactId) -> Result<Deleted, ApsisError> {
        let path = ["audience", "keyspaces", &self.scope.keyspace.0, "profiles", &key.0];
        let call = Call { method: Method::DELETE, ..Call::get(Operation::DeleteProfile, &path) };
        let answer = self.for_key(call, key).await?;
        match answer.status {
            404 => Ok(Deleted::NoProfile),
            _ if answer.is_success() => Ok(Deleted::Gone),
            _ => Err(answer.refused(std::iter::empty())),
        }
    }

    /// Joins a profile with the one of another keyspace and key, for good. Both should be there.
    pub async fn merge(
        &self,
        key: &ContactId,
        keyspace: &KeyspaceId,
        other: &str,
    ) -> Result<Merged, ApsisError> {
        let body = serde_json::json!({ "profiles": [
            { "keyspace_discriminator": self.scope.keyspace.0, "profile_key": key.0 },
            { "keyspace_discriminator": keyspace.0, "profile_key": other },
        ]});
        let call = Call {
            method: Method::PUT,
            body: Some((JSON, body.to_string().into_bytes())),
            ..Call::get(Operation::MergeProfiles, &["audience", "profiles", "merges"])
        };
        let answer = self.for_key(call, key).await?;
        match answer.status {
            404 => Ok(Merged::NoProfile),
            409 if inferred::is_merged_too_often(&answer.body) => Ok(Merged::TooOften),
            409 => Ok(Merged::Conflict),
            _ if answer.is_success() => Ok(Merged::Joined),
            _ => Err(answer.refused(std::iter::empty())),
        }
    }

    /// A call on what one profile has in the section. `v2`: the second version of the path.
    #[expect(clippy::too_many_arguments, reason = "each is one part of the request")]
    pub(super) async fn of_section(
        &self,
        operation: Operation,
        method: Method,
        v2: bool,
        key: &ContactId,
        what: &str,
        content_type: &'static str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, ApsisError> {
        let Scope { section, keyspace, .. } = &*self.scope;
        let path =
            ["v2", "audience", "keyspaces", &keyspace.0, "profiles", &key.0, "sections", &section.0, what];
        let path = if v2 { path.as_slice() } else { path.get(1..).unwrap_or_default() };
        let call = Call { method, body: body.map(|body| (content_type, body)), ..Call::get(operation, path) };
        self.for_key(call, key).await
    }

    async fn for_key(&self, call: Call<'_>, key: &ContactId) -> Result<Answer, ApsisError> {
        let limit = limit_key(&self.scope.keyspace.0, &key.0);
        self.client.send(&Call { profile: Some(&limit), quota: Quota::Plain, ..call }).await
    }
}

impl Scope {
    /// Consents on our channels; those on others are passed over.
    pub(super) fn known_consents(&self, items: Vec<ConsentItem>) -> Vec<KnownConsent> {
        let channel =
            |id: &str| self.channels.iter().find(|(_, known)| known.0 == id).map(|(channel, _)| *channel);
        let known = items.into_iter().filter_map(|item| {
            Some(KnownConsent {
                channel: channel(&item.channel_discriminator)?,
                topic: TopicId(item.topic_discriminator),
                state: item.state,
                modified_at: item.modified_at.and_then(|at| at.parse().ok()),
                source: item.source,
            })
        });
        known.collect()
    }
}

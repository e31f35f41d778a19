//! What an account has: keyspaces, sections, channels, and one section's attributes and topics.
//!
//! Read once for a run and then looked up by discriminator or by name; a name that is not there is an
//! error that names what there is.

use std::collections::BTreeMap;

use super::client::{Call, Client};
use super::error::{ApsisError, Operation};
use super::inferred::{self, AttributeItem, Items, NamedItem, TopicItem};
use crate::contact::Channel;
use crate::integration::AttributeKind;
use crate::profile::{AttributeId, KeyspaceId, SectionId, TopicId};

/// A channel's discriminator.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(pub String);

/// A section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionDefinition {
    /// Its discriminator.
    pub id: SectionId,
    /// What people call it.
    pub name: String,
}

/// A keyspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyspaceDefinition {
    /// Its discriminator.
    pub id: KeyspaceId,
    /// What people call it.
    pub name: String,
    /// Whether consents may be written through it.
    pub manage_subscriptions: bool,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelDefinition {
    /// Its discriminator.
    pub id: ChannelId,
    /// What people call it.
    pub name: String,
    /// Which of ours it is, if one.
    pub channel: Option<Channel>,
}

/// An attribute of the section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeDefinition {
    /// Its discriminator.
    pub id: AttributeId,
    /// What people call it.
    pub name: String,
    /// Its current version's id, which imports name it by; none where all are deprecated.
    pub version: Option<String>,
    /// What it takes, where its discriminator tells.
    pub kind: Option<AttributeKind>,
}

/// A topic (subscription) of the section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDefinition {
    /// Its discriminator.
    pub id: TopicId,
    /// What people call it; not unique across folders.
    pub name: String,
    /// The folder's discriminator.
    pub folder: Option<String>,
    /// The one channel that it takes; none: it takes all.
    pub only: Option<ChannelId>,
}

/// What an account and one of its sections have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definitions {
    section: SectionDefinition,
    sections: Vec<SectionDefinition>,
    keyspaces: Vec<KeyspaceDefinition>,
    channels: Vec<ChannelDefinition>,
    attributes: Vec<AttributeDefinition>,
    topics: Vec<TopicDefinition>,
}

impl Client {
    /// Whether APSIS One answers to what is about no profile, asked once and soon.
    pub async fn is_there(&self) -> bool {
        let keyspaces = self.clone().impatient();
        let found: Result<Items<NamedItem>, _> =
            keyspaces.list(Operation::ReadKeyspaces, &["audience", "keyspaces"]).await;
        found.is_ok()
    }

    /// Reads the account's definitions, and those of the section that the settings name.
    pub async fn definitions(&self) -> Result<Definitions, ApsisError> {
        let keyspaces: Items<NamedItem> =
            self.list(Operation::ReadKeyspaces, &["audience", "keyspaces"]).await?;
        let sections: Items<NamedItem> =
            self.list(Operation::ReadSections, &["audience", "sections"]).await?;
        let channels: Items<NamedItem> =
            self.list(Operation::ReadChannels, &["audience", "channels"]).await?;
        let sections: Vec<SectionDefinition> = sections
            .items
            .into_iter()
            .map(|item| SectionDefinition { id: SectionId(item.discriminator), name: item.name })
            .collect();
        let section =
            find("apsis.section", "section", &sections, &self.inner.section, SectionDefinition::names)?;
        let id = section.id.0.as_str();
        let attributes: Items<AttributeItem> =
            self.list(Operation::ReadAttributes, &["audience", "sections", id, "attributes"]).await?;
        let topics: Items<TopicItem> =
            self.list(Operation::ReadTopics, &["v2", "audience", "sections", id, "topics"]).await?;
        Ok(Definitions {
            section: section.clone(),
            sections,
            keyspaces: keyspaces.items.into_iter().map(KeyspaceDefinition::from).collect(),
            channels: channels.items.into_iter().map(ChannelDefinition::from).collect(),
            attributes: attributes.items.into_iter().map(AttributeDefinition::from).collect(),
            topics: topics.items.into_iter().map(TopicDefinition::from).collect(),
        })
    }

    async fn list<T: serde::de::DeserializeOwned>(
        &self,
        operation: Operation,
        path: &[&str],
    ) -> Result<T, ApsisError> {
        self.send(&Call::get(operation, path)).await?.read("it is not a list of items")
    }
}

impl SectionDefinition {
    fn names(&self) -> (&str, &str) {
        (&self.id.0, &self.name)
    }
}

impl From<NamedItem> for KeyspaceDefinition {
    fn from(item: NamedItem) -> Self {
        Self {
            id: KeyspaceId(item.discriminator),
            name: item.name,
            manage_subscriptions: item.manage_subscriptions,
        }
    }
}

impl From<NamedItem> for ChannelDefinition {
    fn from(item: NamedItem) -> Self {
        let channel = inferred::channel(&item.discriminator, &item.name);
        Self { id: ChannelId(item.discriminator), name: item.name, channel }
    }
}

impl From<AttributeItem> for AttributeDefinition {
    fn from(item: AttributeItem) -> Self {
        let current = item.versions.into_iter().find(|version| version.deprecated_at.is_none());
        Self {
            kind: inferred::attribute_kind(&item.discriminator),
            id: AttributeId(item.discriminator),
            name: item.name,
            version: current.map(|version| version.id),
        }
    }
}

impl From<TopicItem> for TopicDefinition {
    fn from(item: TopicItem) -> Self {
        Self {
            id: TopicId(item.discriminator),
            name: item.name,
            folder: item.folder_discriminator,
            only: item.channel_discriminator.map(ChannelId),
        }
    }
}

impl Definitions {
    /// All sections that the API key sees.
    pub fn sections(&self) -> &[SectionDefinition] {
        &self.sections
    }

    /// All keyspaces.
    pub fn keyspaces(&self) -> &[KeyspaceDefinition] {
        &self.keyspaces
    }

    /// All channels.
    pub fn channels(&self) -> &[ChannelDefinition] {
        &self.channels
    }

    /// The section's attributes.
    pub fn attributes(&self) -> &[AttributeDefinition] {
        &self.attributes
    }

    /// The section's topics.
    pub fn topics(&self) -> &[TopicDefinition] {
        &self.topics
    }

    /// A section by discriminator or name.
    pub fn section(&self, name_or_id: &str) -> Result<&SectionDefinition, ApsisError> {
        find("apsis.section", "section", &self.sections, name_or_id, SectionDefinition::names)
    }

    /// A keyspace by discriminator or name.
    pub fn keyspace(&self, name_or_id: &str) -> Result<&KeyspaceDefinition, ApsisError> {
        find("apsis.keyspace", "keyspace", &self.keyspaces, name_or_id, |item| (&item.id.0, &item.name))
    }

    /// An attribute by discriminator or name.
    pub fn attribute(&self, name_or_id: &str) -> Result<&AttributeDefinition, ApsisError> {
        find("fields.attribute", "attribute", &self.attributes, name_or_id, |item| (&item.id.0, &item.name))
    }

    /// A topic by discriminator, or by name where that is unique.
    pub fn topic(&self, name_or_id: &str) -> Result<&TopicDefinition, ApsisError> {
        if self.topics.is_empty() {
            return Err(ApsisError::Setting {
                setting: "consents.topic",
                message: format!(
                    "the section {} has no subscription yet; make one in APSIS One under Audience > Subscriptions",
                    self.section.name
                ),
            });
        }
        find("consents.topic", "subscription", &self.topics, name_or_id, |item| (&item.id.0, &item.name))
    }

    /// The account's channel for one of ours.
    pub fn channel(&self, channel: Channel) -> Result<&ChannelDefinition, ApsisError> {
        self.channels.iter().find(|item| item.channel == Some(channel)).ok_or_else(|| ApsisError::Setting {
            setting: "consents.channel",
            message: format!(
                "the account has no channel for {channel}; it has {}",
                list(self.channels.iter().map(|item| (item.id.0.as_str(), item.name.as_str())))
            ),
        })
    }

    /// Whether a topic takes consents on a channel: an error where it does not.
    pub fn check_consent(&self, topic: &TopicDefinition, channel: Channel) -> Result<(), ApsisError> {
        let id = &self.channel(channel)?.id;
        if topic.only.as_ref().is_none_or(|only| only == id) {
            return Ok(());
        }
        Err(ApsisError::Setting {
            setting: "consents.channel",
            message: format!(
                "the subscription {} is not for {channel}; map it on its own channel",
                topic.name
            ),
        })
    }

    /// The discriminators of our channels.
    pub(super) fn channel_ids(&self) -> BTreeMap<Channel, ChannelId> {
        let known = self.channels.iter().rev();
        known.filter_map(|item| Some((item.channel?, item.id.clone()))).collect()
    }
}

/// The one item that is meant: by discriminator, else by exact name, else by name in any case.
pub(super) fn find<'a, T>(
    setting: &'static str,
    what: &str,
    items: &'a [T],
    wanted: &str,
    names: impl Fn(&T) -> (&str, &str),
) -> Result<&'a T, ApsisError> {
    let wanted = wanted.trim();
    if let Some(item) = items.iter().find(|item| names(item).0 == wanted) {
        return Ok(item);
    }
    let exact: Vec<&T> = items.iter().filter(|item| names(item).1 == wanted).collect();
    let any_case =
        || items.iter().filter(|item| names(item).1.to_lowercase() == wanted.to_lowercase()).collect();
    let meant: Vec<&T> = if exact.is_empty() { any_case() } else { exact };
    match meant.as_slice() {
        [one] => Ok(one),
        [] => Err(ApsisError::Setting {
            setting,
            message: format!("there is no {what} {wanted:?}; there is {}", list(items.iter().map(&names))),
        }),
        several => Err(ApsisError::Setting {
            setting,
            message: format!(
                "there are several {what}s named {wanted:?}; name it by its discriminator: {}",
                list(several.iter().map(|item| names(item)))
            ),
        }),
    }
}

/// Names for a message, at most thirty.
fn list<'a>(items: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut words: Vec<String> = items.map(|(id, name)| format!("{name} ({id})")).collect();
    if words.is_empty() {
        return "none".to_owned();
    }
    let more = words.len().saturating_sub(30);
    words.truncate(30);
    let words = words.join(", ");
    if more == 0 { words } else { format!("{words} and {more} more") }
}

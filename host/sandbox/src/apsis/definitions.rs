//! What is defined in the simulated account: one section with its attributes, topics, folders and tags;
//! the keyspaces and channels.
//!
//! Discriminators follow the patterns of the developer hub's samples. One attribute has a deprecated
//! version before its current one. The SMS channel's discriminator and the folders' path are inferred.

use serde_json::{Value, json};

use super::switches::ApsisSwitches;

/// The section's discriminator.
pub const SECTION: &str = "usercreated.sections.nordics-a1b2c3d4e5";

/// What an attribute holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Email,
    Mobile,
    Text,
    Boolean,
    Number,
    Decimal,
    Date,
    Timestamp,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Email | Self::Text => "text",
            Self::Mobile | Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Decimal => "decimal",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
        }
    }
}

/// A keyspace, by its place in [`KEYSPACES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Keyspace(pub(crate) u8);

pub(crate) const EMAIL: Keyspace = Keyspace(0);
pub(crate) const MOBILE: Keyspace = Keyspace(1);
pub(crate) const CRM: Keyspace = Keyspace(2);
pub(crate) const EXPORT: Keyspace = Keyspace(3);
pub(crate) const WEB: Keyspace = Keyspace(4);

/// Discriminator, name, whether it manages subscriptions.
pub(crate) const KEYSPACES: &[(&str, &str, bool)] = &[
    ("com.apsis1.keyspaces.email", "Email", true),
    ("com.apsis1.keyspaces.mobile", "SMS", true),
    ("com.apsis1.keyspaces.crm-id", "CRM", true),
    ("com.apsis1.keyspaces.export", "Export", false),
    ("com.apsis1.keyspaces.web", "Web", false),
];

impl Keyspace {
    pub(crate) fn find(discriminator: &str) -> Option<Self> {
        let at = KEYSPACES.iter().position(|(known, ..)| *known == discriminator)?;
        u8::try_from(at).ok().map(Self)
    }

    pub(crate) fn discriminator(self) -> &'static str {
        KEYSPACES.get(usize::from(self.0)).map_or("", |(discriminator, ..)| discriminator)
    }

    pub(crate) fn manages_subscriptions(self) -> bool {
        KEYSPACES.get(usize::from(self.0)).is_some_and(|(.., manages)| *manages)
    }

    /// The attribute that this keyspace's keys are mirrored in.
    pub(crate) fn mapped_attribute(self) -> Option<u16> {
        match self {
            EMAIL => Some(0),
            MOBILE => Some(1),
            CRM => Some(5),
            _ => None,
        }
    }
}

/// One attribute of the section.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) discriminator: &'static str,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The current version's id.
    pub(crate) version: &'static str,
    /// An older version's id, deprecated.
    pub(crate) deprecated: Option<&'static str>,
}

const fn attribute(
    discriminator: &'static str,
    name: &'static str,
    kind: Kind,
    version: &'static str,
) -> Attribute {
    Attribute { discriminator, name, kind, version, deprecated: None }
}

/// The section's attributes; the places of the first six are fixed by the keyspaces.
pub(crate) const ATTRIBUTES: &[Attribute] = &[
    attribute("com.apsis1.attributes.email", "Email", Kind::Email, "312460200"),
    attribute("com.apsis1.attributes.mobile", "Mobile", Kind::Mobile, "312460202"),
    attribute("com.apsis1.attributes.firstname", "First name", Kind::Text, "312460203"),
    attribute("com.apsis1.attributes.lastname", "Last name", Kind::Text, "312460204"),
    attribute("com.apsis1.attributes.birthdate", "Birthdate", Kind::Date, "312460205"),
    attribute("com.apsis1.attributes.crmid", "CRM ID", Kind::Text, "312460206"),
    attribute("usercreated.attributes.country-k3j8d7s6a1", "Country", Kind::Text, "312460210"),
    attribute("usercreated.attributes.city-p0o9i8u7y6", "City", Kind::Text, "312460211"),
    attribute("usercreated.attributes.language-m1n2b3v4c5", "Language", Kind::Text, "312460212"),
    attribute("usercreated.attributes.position-q8w7e6r5t4", "Position", Kind::Text, "312460213"),
    Attribute {
        discriminator: "usercreated.attributes.customer_type-z1x2c3v4b5",
        name: "Customer type",
        kind: Kind::Text,
        version: "312460234",
        deprecated: Some("312460201"),
    },
    attribute("usercreated.attributes.company-h7g6f5d4s3", "Company", Kind::Text, "312460214"),
    attribute("usercreated.attributes.inactive-t5r4e3w2q1", "Inactive", Kind::Boolean, "312460215"),
    attribute("usercreated.attributes.score-l9k8j7h6g5", "Score", Kind::Number, "312460216"),
    attribute("usercreated.attributes.visits-a2s3d4f5g6", "Visits", Kind::Number, "312460217"),
    attribute("usercreated.attributes.potential-x6c5v4b3n2", "Potential", Kind::Decimal, "312460218"),
    attribute("usercreated.attributes.notes-y4u3i2o1p0", "Notes", Kind::Text, "312460219"),
    attribute("usercreated.attributes.updated-w1e2r3t4y5", "Updated", Kind::Timestamp, "312460220"),
];

pub(crate) fn attribute_at(place: u16) -> Option<&'static Attribute> {
    ATTRIBUTES.get(usize::from(place))
}

fn place(found: Option<usize>) -> Option<u16> {
    found.and_then(|at| u16::try_from(at).ok())
}

pub(crate) fn attribute_by_discriminator(discriminator: &str) -> Option<u16> {
    place(ATTRIBUTES.iter().position(|known| known.discriminator == discriminator))
}

/// By the current version's id; a deprecated one is unknown.
pub(crate) fn attribute_by_version(version: &str) -> Option<u16> {
    place(ATTRIBUTES.iter().position(|known| known.version == version))
}

pub(crate) const CHANNELS: &[(&str, &str)] =
    &[("com.apsis1.channels.email", "Email"), ("com.apsis1.channels.sms", "SMS")];

/// Discriminator, name, folder, the only channel if there is one.
pub(crate) const TOPICS: &[(&str, &str, &str, Option<&str>)] = &[
    ("usercreated.topics.newsletter-rg4kf3kt24", "Newsletter", NEWS, None),
    ("usercreated.topics.invitations-c8v7b6n5m4", "Invitations", NEWS, None),
    ("usercreated.topics.offers-d1f2g3h4j5", "Offers", COMMERCE, Some("com.apsis1.channels.email")),
];

const NEWS: &str = "usercreated.targets.ylbz9hz52c";
const COMMERCE: &str = "usercreated.targets.k4n8w2v6qe";

pub(crate) const TAGS: &[(&str, &str)] = &[
    ("usercreated.tags.customers-b2v5n8m1k4", "Customers"),
    ("usercreated.tags.spring_fair-t7y3u9i2o5", "Spring fair"),
];

fn items(items: Vec<Value>) -> Value {
    json!({"items": items})
}

pub(crate) fn keyspaces() -> Value {
    items(
        KEYSPACES
            .iter()
            .map(|(discriminator, name, manages)| {
                json!({"discriminator": discriminator, "name": name, "manage_subscriptions": manages})
            })
            .collect(),
    )
}

pub(crate) fn sections() -> Value {
    items(vec![json!({"discriminator": SECTION, "name": "Nordics"})])
}

fn named(all: impl Iterator<Item = (String, String)>) -> Value {
    items(all.map(|(id, name)| json!({"discriminator": id, "name": name})).collect())
}

pub(crate) fn channels() -> Value {
    named(CHANNELS.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())))
}

pub(crate) fn folders() -> Value {
    named([(NEWS, "News"), (COMMERCE, "Commerce")].map(|(id, name)| (id.to_owned(), name.to_owned())).into_iter())
}

/// The tags of the section: those that it began with, and those made since.
pub(crate) fn tags(made: &[(String, String)]) -> Value {
    let first = TAGS.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned()));
    named(first.chain(made.iter().cloned()))
}

pub(crate) fn topics() -> Value {
    items(
        TOPICS
            .iter()
            .map(|(discriminator, name, folder, channel)| {
                let mut topic =
                    json!({"discriminator": discriminator, "name": name, "folder_discriminator": folder});
                if let (Some(channel), Some(topic)) = (channel, topic.as_object_mut()) {
                    topic.insert("channel_discriminator".to_owned(), json!(channel));
                }
                topic
            })
            .collect(),
    )
}

pub(crate) fn attributes(switches: &ApsisSwitches, with_permissions: bool) -> Value {
    items(
        ATTRIBUTES
            .iter()
            .map(|attribute| {
                let mut versions: Vec<Value> = attribute
                    .deprecated
                    .iter()
                    .map(|id| json!({"id": id, "deprecated_at": "2022-05-01T08:00:00Z"}))
                    .collect();
                versions.push(json!({"id": attribute.version, "deprecated_at": null}));
                let mut body = json!({
                    "discriminator": attribute.discriminator,
                    "name": attribute.name,
                    "versions": versions,
                });
                if let Some(body) = body.as_object_mut() {
                    if switches.definitions_carry_type {
                        body.insert("data_type".to_owned(), json!(attribute.kind.name()));
                    }
                    if with_permissions {
                        let permissions: Vec<Value> = KEYSPACES
                            .iter()
                            .map(|(id, _, manages)| {
                                json!({"keyspace_discriminator": id, "read": true, "write": manages})
                            })
                            .collect();
                        body.insert("keyspace_permissions".to_owned(), json!(permissions));
                    }
                }
                body
            })
            .collect(),
    )
}

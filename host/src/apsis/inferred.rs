//! What the client relies on and the vendor's documentation does not say, in one place.
//!
//! Each item names what is known (the APSIS One developer hub, help centre, or the vendor's published
//! clients) and what is our reading. When an account shows otherwise, this file is what changes.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::contact::Channel;
use crate::integration::AttributeKind;
use crate::profile::ConsentType;

/// Who we say sets a consent. `source` is documented as optional free text; that it comes back on
/// reading unchanged is our reading.
pub const SOURCE: &str = "Sluice";

/// Who an import sets consents as: its mapping takes no source (developer hub, "Import profiles"), and
/// what is stored in its place is our reading. Another word only means that such an opt-out is taken for
/// somebody else's, and stays.
const IMPORT_SOURCE: &str = "Import";

/// Who we say sets an opt-out that another profile of the same person had before the two became one. It is not ours to
/// take back: somebody else made it, as a rule the person.
pub const MERGE_SOURCE: &str = "Sluice (merge)";

/// Whether a consent's source may be us. An import may also be somebody else's, so it counts only
/// together with what we last wrote.
pub fn is_ours(source: Option<&str>) -> bool {
    matches!(source, Some(SOURCE | IMPORT_SOURCE))
}

// --- Definitions ---

/// Lists come as `{"items": [...]}` (seen in the vendor's clients); that they are not paged is our reading.
#[derive(Deserialize)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
}

/// Keyspaces, sections, channels and tags: `discriminator` is documented, `name` beside it is our reading; for tags both
/// are. No call is published that makes a tag.
#[derive(Deserialize)]
pub(super) struct NamedItem {
    pub(super) discriminator: String,
    #[serde(default)]
    pub(super) name: String,
    /// Keyspaces only. Left out: taken as not permitted.
    #[serde(default)]
    pub(super) manage_subscriptions: bool,
}

/// An attribute with its versions; the current one is the first that is not deprecated.
#[derive(Deserialize)]
pub(super) struct AttributeItem {
    pub(super) discriminator: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) versions: Vec<VersionItem>,
}

/// A version's id: text by the documentation, a number in some of the vendor's clients.
#[derive(Deserialize)]
pub(super) struct VersionItem {
    #[serde(deserialize_with = "text_or_number")]
    pub(super) id: String,
    #[serde(default)]
    pub(super) deprecated_at: Option<serde_json::Value>,
}

/// A topic. `channel_discriminator`: the one channel it takes, if it takes but one.
#[derive(Deserialize)]
pub(super) struct TopicItem {
    pub(super) discriminator: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) folder_discriminator: Option<String>,
    #[serde(default)]
    pub(super) channel_discriminator: Option<String>,
}

fn text_or_number<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Number(u64),
    }
    Ok(match Either::deserialize(from)? {
        Either::Text(text) => text,
        Either::Number(number) => number.to_string(),
    })
}

/// Which of our channels a channel of APSIS One is. `com.apsis1.channels.email` is seen in the
/// vendor's clients; for SMS no discriminator is published, so the last part of the discriminator or
/// the name decides.
pub(super) fn channel(discriminator: &str, name: &str) -> Option<Channel> {
    let last = discriminator.rsplit('.').next().unwrap_or_default();
    [last, name].into_iter().find_map(|word| match word.to_ascii_lowercase().as_str() {
        "email" | "e-mail" => Some(Channel::Email),
        "sms" => Some(Channel::Sms),
        _ => None,
    })
}

/// What a default attribute takes. Definitions carry no type that is documented; of an attribute that
/// somebody made, nothing is known.
pub(super) fn attribute_kind(discriminator: &str) -> Option<AttributeKind> {
    match discriminator.strip_prefix("com.apsis1.attributes.")? {
        "email" | "firstname" | "lastname" | "crmid" => Some(AttributeKind::Text),
        "mobile" => Some(AttributeKind::Mobile),
        "birthdate" => Some(AttributeKind::Date),
        _ => None,
    }
}

/// The attribute that holds the address of a channel, for the address column of an import's consents.
pub(super) fn address_attribute(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "com.apsis1.attributes.email",
        Channel::Sms => "com.apsis1.attributes.mobile",
    }
}

/// A profile's values as the first version of the API reads them: by the id of the attribute's version (seen in the
/// vendor's clients).
pub(super) type Values = std::collections::BTreeMap<String, Box<RawValue>>;

/// The keyspace whose keys are the addresses of a channel (developer hub, "Get keyspaces").
pub(super) fn address_keyspace(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "com.apsis1.keyspaces.email",
        Channel::Sms => "com.apsis1.keyspaces.mobile",
    }
}

/// Whether a refused merge (409) is so because a profile has been merged 500 times, rather than because of values
/// that differ: both are documented, and the words that tell them apart are our reading.
pub(super) fn is_merged_too_often(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).to_lowercase();
    let is_limit = |word: &str| word == "500" || word == "limit" || word == "maximum";
    text.contains("merge") && text.split(|letter: char| !letter.is_alphanumeric()).any(is_limit)
}

// --- Consents ---

/// A consent as `GET .../consents` and an export give it. `topic_discriminator` is seen in clients,
/// `source`, `reason` and `modified_at` are documented, `channel_discriminator` and `type` are our
/// reading (the names that the write uses).
#[derive(Deserialize)]
pub(super) struct ConsentItem {
    pub(super) topic_discriminator: String,
    pub(super) channel_discriminator: String,
    #[serde(rename = "type")]
    pub(super) state: ConsentType,
    #[serde(default)]
    pub(super) source: Option<String>,
    #[serde(default)]
    pub(super) modified_at: Option<String>,
}

/// A consent that is written. An empty reason counts as invalid.
#[derive(Serialize)]
pub(super) struct ConsentBody<'a> {
    pub(super) topic_discriminator: &'a str,
    pub(super) channel_discriminator: &'a str,
    #[serde(rename = "type")]
    pub(super) state: ConsentType,
    pub(super) reason: &'a str,
    pub(super) source: &'a str,
}

// --- Tags ---

/// The body of `PATCH .../tags`: by its content type a merge patch; that it is keyed by the tag's
/// discriminator with `true` or `null` is our reading.
pub(super) fn tags_body<'a>(tags: impl Iterator<Item = (&'a str, bool)>) -> serde_json::Value {
    let entries = tags.map(|(tag, set)| {
        let value = if set { serde_json::Value::Bool(true) } else { serde_json::Value::Null };
        (tag.to_owned(), value)
    });
    serde_json::Value::Object(entries.collect())
}

// --- Imports ---

/// What starting an import answers, as the vendor's clients read it.
#[derive(Deserialize)]
pub(super) struct ImportStarted {
    pub(super) import_id: String,
    pub(super) file_upload_url: String,
    pub(super) file_upload_body: serde_json::Map<String, serde_json::Value>,
}

/// What asking for an import's state answers.
#[derive(Deserialize)]
pub(super) struct ImportAnswer {
    pub(super) result: ImportResult,
}

/// Counters may be beside the status; none are published.
#[derive(Deserialize)]
pub(super) struct ImportResult {
    pub(super) status: ImportStatus,
}

/// The states that are documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ImportStatus {
    WaitingForFile,
    Queued,
    InProgress,
    Completed,
    Error,
}

// --- Exports ---

/// The path is documented, and that it takes attributes and the state of topics; the names of the
/// members are our reading.
#[derive(Serialize)]
pub(super) struct ExportBody<'a> {
    pub(super) section_discriminator: &'a str,
    pub(super) attributes: Vec<&'a str>,
    pub(super) include_topics: bool,
}

/// The answer names the URL to poll; the member's name is our reading. It is absolute, or a path on
/// the API's own host.
#[derive(Deserialize)]
pub(super) struct ExportStarted {
    pub(super) poll_url: String,
}

/// The member of an export's file that holds the profiles.
pub(super) const EXPORT_PROFILES: &str = "profiles";

/// A profile in an export's file. That the file is JSON is documented, its shape is our reading.
#[derive(Deserialize)]
pub(super) struct ExportedItem {
    #[serde(default)]
    pub(super) profile_keys: Vec<ExportedKey>,
    #[serde(default)]
    pub(super) attributes: std::collections::BTreeMap<String, Box<RawValue>>,
    #[serde(default)]
    pub(super) consents: Vec<ConsentItem>,
}

/// One of a profile's keys.
#[derive(Deserialize)]
pub(super) struct ExportedKey {
    pub(super) keyspace_discriminator: String,
    pub(super) profile_key: String,
}

// --- Statuses ---

/// A refusal of the API key by the token endpoint; which of them comes is not documented.
pub(super) fn is_credentials(status: u16) -> bool {
    matches!(status, 400 | 401 | 403)
}

/// Any 2xx: which one an operation answers is documented for few of them.
pub(super) fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

//! What was asked of APSIS One for one contact, and what it answered: kept with the contact's story, so that
//! "why?" has a true answer afterwards.
//!
//! A step says what was meant, with the requests that it took. It holds the values of attributes that it changed,
//! so it is personal data: it is stored with the story only, never logged. A request holds no value, no host, no
//! secret and no address.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::contact::Channel;
use crate::profile::{AttributeId, AttributeValue, Intent, KnownConsent, TopicId};

/// A step, with the requests that it took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Asked {
    /// What was meant; none where the requests did not come to an end that says.
    #[serde(flatten)]
    pub step: Option<Step>,
    /// In the order in which they were sent, those that were tried again among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Request>,
}

/// One exchange with APSIS One.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Request {
    /// `GET`, `PATCH` ...
    pub method: String,
    /// The path, with the names that its query has, and `…` in place of an address.
    pub path: String,
    /// The HTTP status; none if there was no answer.
    pub status: Option<u16>,
    /// When it was sent.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Until its answer had come, or was given up.
    pub millis: u64,
}

/// An attribute that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AttributeWritten)]
pub struct Difference {
    /// Which.
    pub attribute: AttributeId,
    /// What was last written; none if nothing was.
    pub before: Option<AttributeValue>,
    /// What is written now; none if it is written no more, and stays as it is.
    pub after: Option<AttributeValue>,
}

/// The attributes in which two intents differ.
pub fn differences(before: Option<&Intent>, after: &Intent) -> Vec<Difference> {
    let then = |attribute: &AttributeId| before.and_then(|intent| intent.attributes.get(attribute));
    let mut all: Vec<&AttributeId> =
        before.iter().flat_map(|intent| intent.attributes.keys()).chain(after.attributes.keys()).collect();
    all.sort_unstable();
    all.dedup();
    let differs = |attribute: &&AttributeId| then(attribute) != after.attributes.get(*attribute);
    let difference = |attribute: &AttributeId| Difference {
        attribute: attribute.clone(),
        before: then(attribute).cloned(),
        after: after.attributes.get(attribute).cloned(),
    };
    all.into_iter().filter(differs).map(difference).collect()
}

/// What was meant by requests for a contact, in the order in which they were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum Step {
    /// The profile's consents were read.
    ReadConsents {
        /// How many it has; none if there is no profile.
        found: Option<usize>,
        /// Which.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        consents: Vec<KnownConsent>,
    },
    /// The profile was created.
    Create {
        /// Whether it was there already.
        existed: bool,
    },
    /// The attributes were written.
    WriteAttributes {
        /// How many.
        attributes: usize,
        /// Whether there was a profile to write to.
        there: bool,
        /// Those that changed since they were last written.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        changed: Vec<Difference>,
    },
    /// The profile was written by a file that holds many.
    Import {
        /// The attributes that changed since they were last written.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        changed: Vec<Difference>,
    },
    /// A consent was set.
    SetConsent {
        /// The subscription.
        topic: TopicId,
        /// The channel.
        channel: Channel,
        /// In or out.
        opt_in: bool,
        /// What came of it.
        end: SetEnd,
    },
    /// The profile and another one with the same address were made one.
    Merge {
        /// What came of it.
        end: MergeStep,
    },
    /// An address that the profile had before was looked for in the keyspace of addresses.
    LookAtOldAddress {
        /// The channel.
        channel: Channel,
        /// Consents of the profile that has it; none if there is none that is to be opted out.
        found: Option<usize>,
    },
    /// The profile that has the old address was opted out of a topic.
    OptOutOldAddress {
        /// The subscription.
        topic: TopicId,
        /// The channel.
        channel: Channel,
        /// What came of it.
        end: SetEnd,
    },
    /// The profile was deleted.
    DeleteProfile {
        /// Whether there was one.
        there: bool,
    },
}

/// What came of merging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MergeStep {
    /// There was nothing to merge with.
    Nothing,
    /// They are one.
    Merged,
    /// APSIS One does not allow it.
    Refused,
}

/// What came of setting a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SetEnd {
    /// It is set.
    Changed,
    /// It was so already.
    AlreadyThere,
    /// APSIS One does not allow it.
    Refused,
}

impl Step {
    /// The profile's consents were read; none: there is no profile.
    pub fn read_consents(known: Option<&[KnownConsent]>) -> Self {
        Self::ReadConsents {
            found: known.map(<[KnownConsent]>::len),
            consents: known.unwrap_or_default().to_vec(),
        }
    }

    /// The attributes that it changed.
    pub fn changed(&self) -> &[Difference] {
        match self {
            Self::WriteAttributes { changed, there: true, .. } | Self::Import { changed } => changed,
            _ => &[],
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadConsents { found: None, .. } => out.write_str("read the consents: there is no profile"),
            Self::ReadConsents { found: Some(found), .. } => write!(out, "read the consents: {found}"),
            Self::Create { existed: false } => out.write_str("created the profile"),
            Self::Create { existed: true } => out.write_str("created the profile: it was there already"),
            Self::WriteAttributes { attributes, there: true, .. } => {
                write!(out, "wrote {attributes} attributes")
            }
            Self::WriteAttributes { there: false, .. } => {
                out.write_str("wrote the attributes: there is no profile")
            }
            Self::Import { .. } => out.write_str("written by a bulk import, and read back"),
            Self::SetConsent { topic, channel, opt_in, end } => {
                let way = if *opt_in { "in to" } else { "out of" };
                let end = match end {
                    SetEnd::Changed => "",
                    SetEnd::AlreadyThere => ": it was so already",
                    SetEnd::Refused => ": APSIS One refused",
                };
                write!(out, "opted {way} {topic}, {channel}{end}")
            }
            Self::Merge { end: MergeStep::Nothing } => {
                out.write_str("looked for another profile with the same address: there is none to be merged")
            }
            Self::Merge { end: MergeStep::Merged } => {
                out.write_str("merged the profile with another one of the same address")
            }
            Self::Merge { end: MergeStep::Refused } => {
                out.write_str("another profile has the same address, and could not be merged")
            }
            Self::LookAtOldAddress { channel, found: None } => {
                write!(out, "looked for another profile with the old {channel} address: none to be opted out")
            }
            Self::LookAtOldAddress { channel, found: Some(found) } => {
                write!(
                    out,
                    "looked for another profile with the old {channel} address: it has {found} consents"
                )
            }
            Self::OptOutOldAddress { topic, channel, end } => {
                let end = match end {
                    SetEnd::Changed => "",
                    SetEnd::AlreadyThere => ": it was so already",
                    SetEnd::Refused => ": APSIS One refused",
                };
                write!(out, "opted the profile with the old address out of {topic}, {channel}{end}")
            }
            Self::DeleteProfile { there: true } => out.write_str("deleted the profile"),
            Self::DeleteProfile { there: false } => out.write_str("deleted the profile: there was none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::ContactId;

    #[test]
    fn a_step_that_an_older_program_stored_is_read() {
        let old =
            r#"[{"step":"read-consents","found":2},{"step":"write-attributes","attributes":3,"there":true}]"#;
        let asked: Vec<Asked> = serde_json::from_str(old).unwrap();
        let words: Vec<String> =
            asked.iter().filter_map(|asked| Some(asked.step.as_ref()?.to_string())).collect();
        assert_eq!(words, ["read the consents: 2", "wrote 3 attributes"]);
        let again: Vec<Asked> = serde_json::from_str(&serde_json::to_string(&asked).unwrap()).unwrap();
        assert_eq!(again, asked);
    }

    #[test]
    fn requests_without_a_step_are_kept() {
        let request = Request {
            method: "PATCH".into(),
            path: "/v2/audience".into(),
            status: None,
            at: Timestamp::UNIX_EPOCH,
            millis: 12,
        };
        let asked = Asked { step: None, requests: vec![request] };
        let json = serde_json::to_string(&asked).unwrap();
        assert_eq!(serde_json::from_str::<Asked>(&json).unwrap(), asked, "{json}");
    }

    #[test]
    fn only_what_changed_is_a_difference() {
        let text = |text: &str| AttributeValue::Text(text.into());
        let with = |pairs: &[(&str, &str)]| {
            let mut intent = Intent::empty(ContactId("1".into()));
            let pairs = pairs.iter().map(|(name, value)| (AttributeId((*name).into()), text(value)));
            intent.attributes = pairs.collect();
            intent
        };
        let before = with(&[("a", "1"), ("b", "1"), ("d", "1")]);
        let after = with(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let changed = differences(Some(&before), &after);
        let seen: Vec<_> = changed
            .iter()
            .map(|one| (one.attribute.0.as_str(), one.before.clone(), one.after.clone()))
            .collect();
        assert_eq!(
            seen,
            [
                ("b", Some(text("1")), Some(text("2"))),
                ("c", None, Some(text("3"))),
                ("d", Some(text("1")), None)
            ]
        );
        assert_eq!(differences(None, &after).len(), 3);
    }
}

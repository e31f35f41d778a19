//! What was asked of APSIS One for one contact, and what it answered: kept with a change, so that "why?" has a
//! true answer afterwards.
//!
//! A step names topics and counts attributes; it holds no value and no address.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::contact::Channel;
use crate::profile::TopicId;

/// One request for a contact, in the order in which they were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum Step {
    /// The profile's consents were read.
    ReadConsents {
        /// How many it has; none if there is no profile.
        found: Option<usize>,
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
    /// The profile was deleted.
    DeleteProfile {
        /// Whether there was one.
        there: bool,
    },
}

/// What came of setting a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetEnd {
    /// It is set.
    Changed,
    /// It was so already.
    AlreadyThere,
    /// APSIS One does not allow it.
    Refused,
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadConsents { found: None } => out.write_str("read the consents: there is no profile"),
            Self::ReadConsents { found: Some(found) } => write!(out, "read the consents: {found}"),
            Self::Create { existed: false } => out.write_str("created the profile"),
            Self::Create { existed: true } => out.write_str("created the profile: it was there already"),
            Self::WriteAttributes { attributes, there: true } => write!(out, "wrote {attributes} attributes"),
            Self::WriteAttributes { there: false, .. } => {
                out.write_str("wrote the attributes: there is no profile")
            }
            Self::SetConsent { topic, channel, opt_in, end } => {
                let way = if *opt_in { "in to" } else { "out of" };
                let end = match end {
                    SetEnd::Changed => "",
                    SetEnd::AlreadyThere => ": it was so already",
                    SetEnd::Refused => ": APSIS One refused",
                };
                write!(out, "opted {way} {topic}, {channel}{end}")
            }
            Self::DeleteProfile { there: true } => out.write_str("deleted the profile"),
            Self::DeleteProfile { there: false } => out.write_str("deleted the profile: there was none"),
        }
    }
}

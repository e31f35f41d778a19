//! Addresses that several contacts may share, and what each of them says of it.
//!
//! Plain data. An address is kept as a digest: it is only ever compared, and a list of shared ones needs the
//! contacts' ids and no more.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::contact::{Channel, ContactId};
use crate::profile::{KnownConsent, TopicId, WantedConsent};

/// An address on one channel, as it is compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct AddressDigest(pub String);

impl AddressDigest {
    /// Of an address in the form in which it is written to APSIS One.
    pub fn of(channel: Channel, address: &str) -> Self {
        let digest = Sha256::digest(format!("{channel}\n{address}"));
        // Half of it tells any two addresses apart.
        Self(hex::encode(digest.get(..16).unwrap_or_default()))
    }
}

/// What a contact says on one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Who.
    pub contact: ContactId,
    /// Where.
    pub channel: Channel,
    /// What.
    pub says: Says,
}

/// What is known of a contact on one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// All of it.
    State {
        /// None: it has no address there.
        address: Option<AddressDigest>,
        /// Its own answers to what is mapped.
        answers: Vec<WantedConsent>,
        /// Of these nothing can be said now: what was said before stands.
        unsaid: BTreeSet<(TopicId, Channel)>,
    },
    /// The same of one whose profile keeps the address that it has.
    AsBefore {
        /// Its own answers to what is mapped.
        answers: Vec<WantedConsent>,
        /// Of these nothing can be said now: what was said before stands.
        unsaid: BTreeSet<(TopicId, Channel)>,
    },
    /// These answers; the address and the other answers are as they were.
    Answers(Vec<WantedConsent>),
    /// It is there no more.
    Gone,
}

/// What counts for a contact's address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Voices {
    /// The contact's own answers, as far as they are known.
    pub own: Vec<WantedConsent>,
    /// What others who have the same address refuse.
    pub refused: Vec<WantedConsent>,
    /// Those others; without those of whom there is no more than a mark.
    pub others: Vec<Sharer>,
    /// Channels on which there may be more of them than are known.
    pub unheard: Vec<Channel>,
}

/// Another contact that has the same address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharer {
    /// Who.
    pub contact: ContactId,
    /// Where.
    pub channel: Channel,
    /// Which.
    pub address: AddressDigest,
}

/// An address that several contacts have, as the report lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SharedAddress {
    /// Where.
    pub channel: Channel,
    /// Who, by id, with what each says.
    pub contacts: Vec<(ContactId, Vec<WantedConsent>)>,
}

/// An address that a profile had and is to lose: kept from before the new one is written until the old one is
/// opted out, so that a crash in between is finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Move {
    /// Where.
    pub channel: Channel,
    /// The old address, as it was written.
    pub old: String,
    /// The profile's consents on that channel while it had the old address: what the recipient said there holds for
    /// the new one, too.
    pub before: Vec<KnownConsent>,
}

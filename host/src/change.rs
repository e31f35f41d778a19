//! The vocabulary of real time: a delivery, the changes decoded from it, and what they come to.
//!
//! Plain data, taken in by `server`, stored by `store`, driven by `sync`, shown by `cli`.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::contact::{Consent, Contact, ContactId, Discard, DiscardReason};
use crate::error::Failure;
use crate::integration::IntegrationId;
use crate::profile::Intent;
use crate::reason::Reason;
use crate::run::{LedgerEntry, Outcome, RunId};
use crate::step::Asked;
use crate::story::Seen;

/// A delivery's number: the order of arrival, unique in one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct DeliveryNumber(pub i64);

impl fmt::Display for DeliveryNumber {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// A change's number: those of one contact ascend in the order in which their deliveries arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct ChangeNumber(pub i64);

/// One real-time request of the CRM, as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its headers, in order.
    pub headers: Vec<(String, String)>,
    /// What is behind the `?`, undecoded.
    pub query: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// A delivery that was found genuine and is to be stored.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// Whose.
    pub integration: IntegrationId,
    /// The CRM's id of it, the same on a retry.
    pub id: Option<String>,
    /// When it came in.
    pub arrived_at: Timestamp,
    /// What came.
    pub delivery: Delivery,
}

/// The header that marks a delivery of our own. No header that comes over HTTP has such a name.
const ASKED_FOR: &str = ":sluice-asked-for";

/// A delivery that says that somebody asked for a contact to be read again.
pub fn asked_for(integration: IntegrationId, contact: &ContactId) -> NewDelivery {
    let headers = vec![(ASKED_FOR.to_owned(), contact.0.clone())];
    let delivery = Delivery { headers, query: String::new(), body: Vec::new() };
    NewDelivery { integration, id: None, arrived_at: Timestamp::now(), delivery }
}

impl Delivery {
    /// The contact that somebody asked for; none: the CRM sent it.
    pub fn asked_for(&self) -> Option<ContactId> {
        let asked = self.headers.iter().find(|(name, _)| name == ASKED_FOR);
        asked.map(|(_, contact)| ContactId(contact.clone()))
    }
}

/// What became of a delivery that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It is on disk.
    Stored(DeliveryNumber),
    /// It was there already: the CRM sent it again.
    Known,
    /// There is no such integration any more.
    NoIntegration,
}

/// Why a request to deliver was turned away, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refused {
    /// The CRM did not send it.
    Forged,
    /// It was first sent too long ago, or is from the future.
    Stale,
}

impl Refused {
    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::Stale => "stale",
        }
    }
}

/// What a connector decoded from a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change", content = "of")]
pub enum Change {
    /// The contact is there and looks like this.
    Upserted(Contact),
    /// Something about the contact changed: read it again.
    Touched(ContactId),
    /// What another contact says of the same address has changed.
    Shared(ContactId),
    /// It is gone.
    Deleted(ContactId),
    /// One consent of a contact changed.
    Consented(ContactId, Consent),
    /// Nothing can be done with it.
    Discarded(Discard),
}

impl Change {
    /// The contact that it is about.
    pub fn contact(&self) -> Option<&ContactId> {
        match self {
            Self::Upserted(contact) => Some(&contact.id),
            Self::Touched(id) | Self::Shared(id) | Self::Deleted(id) | Self::Consented(id, _) => Some(id),
            Self::Discarded(_) => None,
        }
    }

    /// What it is, in one word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Upserted(_) => "upserted",
            Self::Touched(_) => "touched",
            Self::Shared(_) => "shared",
            Self::Deleted(_) => "deleted",
            Self::Consented(..) => "consented",
            Self::Discarded(_) => "discarded",
        }
    }
}

/// What a change, or a delivery with its changes, came to. Exactly one for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangeOutcome {
    /// What its contact came to.
    Contact(Outcome),
    /// It could not be used: a record without its person, or a message about nothing that is synced.
    Discarded,
    /// The contact is new, and waits for the daily run.
    Held,
    /// A newer change of the same contact, or a newer state that was known already, took its place.
    Superseded,
}

impl ChangeOutcome {
    /// All of them; of a delivery's several changes, the first in this order is the delivery's.
    pub const ALL: [Self; 9] = [
        Self::Contact(Outcome::Rejected),
        Self::Discarded,
        Self::Contact(Outcome::Deleted),
        Self::Contact(Outcome::Created),
        Self::Contact(Outcome::Updated),
        Self::Held,
        Self::Contact(Outcome::Excluded),
        Self::Contact(Outcome::Unchanged),
        Self::Superseded,
    ];

    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contact(outcome) => outcome.as_str(),
            Self::Discarded => "discarded",
            Self::Held => "held",
            Self::Superseded => "superseded",
        }
    }

    /// Where it stands in [`Self::ALL`].
    pub fn rank(self) -> usize {
        Self::ALL.iter().position(|outcome| *outcome == self).unwrap_or(Self::ALL.len())
    }
}

impl Serialize for ChangeOutcome {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

/// Why a change or a delivery came to what it did: the code and the words, whatever kind of thing said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cause {
    /// The stable code, by which causes are grouped.
    pub code: String,
    /// The field, attribute, topic or record that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What happened and what to do; no values, no personal data.
    pub message: String,
}

impl From<Reason> for Cause {
    fn from(reason: Reason) -> Self {
        Self { code: reason.code.to_string(), subject: reason.subject, message: reason.message }
    }
}

impl From<Failure> for Cause {
    fn from(failure: Failure) -> Self {
        Self { code: failure.code, subject: None, message: failure.message }
    }
}

impl From<&Discard> for Cause {
    fn from(discard: &Discard) -> Self {
        let code = match discard.reason {
            DiscardReason::MissingPerson => "missing-person",
            DiscardReason::MissingConsentType => "missing-consent-type",
            DiscardReason::NotRelevant => "not-relevant",
            DiscardReason::Malformed => "malformed-record",
        };
        Self { code: code.to_owned(), subject: discard.subject.clone(), message: discard.message.clone() }
    }
}

/// A delivery that the lane is to decode.
#[derive(Debug, Clone)]
pub struct Undecoded {
    /// Its number.
    pub number: DeliveryNumber,
    /// When it came in.
    pub arrived_at: Timestamp,
    /// How often decoding was tried.
    pub attempts: u32,
    /// What came.
    pub delivery: Delivery,
}

/// What became of decoding one delivery.
#[derive(Debug, Clone)]
pub enum Decoded {
    /// What it says.
    Says(Vec<Change>),
    /// It could not be decoded now; again from this moment on.
    Again(Timestamp, Cause),
    /// It cannot be decoded: a dead letter.
    Dead(Cause),
}

/// A change that has no outcome yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenChange {
    /// Its number.
    pub number: ChangeNumber,
    /// When its delivery came in.
    pub arrived_at: Timestamp,
    /// What it says.
    pub change: Change,
}

/// A contact with open changes, and all that is known of it.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Which.
    pub contact: ContactId,
    /// Its open changes in the order of their numbers, the oldest first; perhaps not all of them.
    pub changes: Vec<OpenChange>,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether its profile was there before it was first tried, where that was noted.
    pub existed: Option<bool>,
    /// What the ledger has.
    pub entry: Option<LedgerEntry>,
    /// Intents that may have been written since, in part or as a whole.
    pub attempted: Vec<Intent>,
    /// The state in which it waits for the daily run, where it does and cannot be read again.
    pub kept: Option<Contact>,
}

/// What the lane may take now.
#[derive(Debug, Clone)]
pub enum Taken {
    /// The gate is closed: this run is active, and everything waits.
    Closed(RunId),
    /// These contacts; none if nothing is due.
    Contacts(Vec<Waiting>),
}

/// What became of a contact that the lane took.
#[derive(Debug, Clone)]
pub struct LaneEnd {
    /// Which.
    pub contact: ContactId,
    /// The last change that this is about; those that came later stay open.
    pub up_to: ChangeNumber,
    /// What became of it.
    pub end: ContactEnd,
    /// What the contact looked like, where it was read or pushed.
    pub seen: Option<Box<Seen>>,
}

/// What became of a contact's changes.
#[derive(Debug, Clone)]
pub enum ContactEnd {
    /// They have ended.
    Ended(Box<Ended>),
    /// They are tried again from this moment on.
    Again {
        #[expect(missing_docs, reason = "said above")]
        due: Timestamp,
        /// What went wrong.
        cause: Cause,
        /// Whether this was an attempt of the contact's own, or the remote is away from all.
        counts: bool,
        /// What was asked of APSIS One.
        steps: Vec<Asked>,
    },
    /// They have been tried too often: a dead letter. What was asked of APSIS One the last time.
    Dead(Cause, Vec<Asked>),
    /// The contact was forgotten: nothing is done for it, and nothing of it is kept.
    Forgotten,
}

/// How a contact's changes ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The change that has the outcome; every other one is superseded by it.
    pub by: ChangeNumber,
    /// What it came to.
    pub outcome: ChangeOutcome,
    /// Why.
    pub cause: Option<Cause>,
    /// What was asked of APSIS One.
    pub steps: Vec<Asked>,
    /// What the ledger is to know from now on.
    pub learnt: Option<Learnt>,
    /// Set: the contact has no profile, and waits for the daily run; in this state, where it is one that
    /// cannot be read again.
    pub newcomer: Option<Option<Contact>>,
}

/// What the ledger learns of a contact.
#[derive(Debug, Clone)]
pub struct Learnt {
    /// What it came to.
    pub outcome: Outcome,
    /// Why.
    pub reason: Option<Reason>,
    /// What APSIS One now has.
    pub written: Written,
    /// How old the state is.
    pub modified_at: Option<Timestamp>,
    /// When it was known to be deleted.
    pub deleted_at: Option<Timestamp>,
}

/// What APSIS One has of a contact after a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// What it had before, as far as is known.
    AsBefore,
    /// This.
    Now(Intent),
    /// No profile.
    Nothing,
}

//! Two profiles of one address made one: the contact's own, found by the CRM's id, and the one that another source
//! has made and that the address itself finds.
//!
//! Which of two consents APSIS One keeps in a merge is not documented. So before it, whatever either of the two has
//! opted out is opted out in both: the stricter holds whichever wins. A confirmed opt-in stays; a consent that one of
//! them does not have is no answer and changes nothing. Nothing is touched where it is known beforehand that the two
//! will not be merged: a profile that another contact has must not be opted out for this one.
//!
//! A merge cannot be undone, and needs no undoing: it may be asked for again and again.

use std::collections::BTreeMap;

use tracing::info;

use crate::apsis::{ApsisError, ConsentEnd, ConsentStep, FoundValue, MERGE_SOURCE, Merged, SOURCE, Target};
use crate::contact::{Channel, ContactId};
use crate::profile::{AttributeId, ConsentType, KnownConsent, TopicId};
use crate::reason::{Reason, ReasonCode};

/// The attributes in which two profiles may not differ (developer hub, "Merge profiles").
const IDENTITIES: [&str; 3] =
    ["com.apsis1.attributes.email", "com.apsis1.attributes.mobile", "com.apsis1.attributes.crmid"];

/// The one of them that says whose profile it is.
const CRM_ID: &str = "com.apsis1.attributes.crmid";

/// What APSIS One keeps as the reason of an opt-out that a merge asks for.
const WHY: &str = "Opted out in another profile with the same address, before the two became one";

/// What became of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeEnd {
    /// The two are one.
    Merged {
        /// Its consents, read afterwards.
        consents: Vec<KnownConsent>,
    },
    /// No profile is found by the address, or it is the contact's own.
    Nothing,
    /// They stay two; the contact is to be written without.
    Refused {
        /// Why.
        reason: Reason,
        /// The contact's consents now: opt-outs may have been made before APSIS One refused.
        consents: Vec<KnownConsent>,
    },
}

/// What is to be opted out before a merge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stricter {
    /// In the contact's own profile.
    pub own: Vec<ConsentStep>,
    /// In the other one.
    pub other: Vec<ConsentStep>,
}

/// What is to be opted out in which of two profiles, so that the stricter of their consents holds whichever is kept.
pub fn stricter(own: &[KnownConsent], other: &[KnownConsent]) -> Stricter {
    let mut before = Stricter::default();
    for refused in own.iter().chain(other).filter(|consent| consent.state == ConsentType::OptOut) {
        let step = ConsentStep { topic: refused.topic.clone(), channel: refused.channel };
        for (consents, steps) in [(own, &mut before.own), (other, &mut before.other)] {
            if !is_out(consents, &step) && !steps.contains(&step) {
                steps.push(step.clone());
            }
        }
    }
    before
}

/// Whether a profile says no, and nothing else.
fn is_out(consents: &[KnownConsent], step: &ConsentStep) -> bool {
    let mut of_step =
        consents.iter().filter(|known| known.topic == step.topic && known.channel == step.channel).peekable();
    of_step.peek().is_some() && of_step.all(|known| known.state == ConsentType::OptOut)
}

/// Makes the contact's profile and the one that its address finds one. `own`: the consents that the contact's
/// profile, which is there, has now. `address`: as a key of the channel's keyspace: an e-mail address, or the digits
/// of a number.
///
/// That the two are one already is not said by APSIS One. It is told by the other's having this contact's id and just
/// its consents; should that ever be so of two, they stay two, which is no harm.
///
/// # Errors
/// When APSIS One does not answer, or refuses what does not concern these profiles. Nothing that was opted out is
/// lost then, and the whole may be done again.
pub async fn merge_address(
    target: &Target,
    key: &ContactId,
    channel: Channel,
    address: &str,
    own: &[KnownConsent],
) -> Result<MergeEnd, ApsisError> {
    let Some(addresses) = target.of_addresses(channel) else { return Ok(MergeEnd::Nothing) };
    let as_key = ContactId(address.to_owned());
    let refused = |reason| Ok(MergeEnd::Refused { reason, consents: own.to_vec() });
    let other = match addresses.consents(&as_key).await {
        Ok(Some(other)) => other,
        Ok(None) => return Ok(MergeEnd::Nothing),
        // Merged with it, the contact's own would be locked for ever, too.
        Err(ApsisError::Locked { .. }) => return refused(locked(channel)),
        Err(error) => return Err(error),
    };
    let values = match (target.attributes(key).await?, addresses.attributes(&as_key).await?) {
        (Some(own), Some(other)) => (own, other),
        (None, _) => return refused(missing(channel)),
        (_, None) => return Ok(MergeEnd::Nothing),
    };
    if is_of(&values.1, key) && same_consents(own, &other) {
        return Ok(MergeEnd::Nothing);
    }
    if let Some(attribute) = contradiction(&values.0, &values.1, key) {
        return refused(conflict(channel, Some(attribute)));
    }
    let before = stricter(own, &other);
    let all = [own, &other].concat();
    // The contact's own last: should the other one's be refused, nothing is done to it.
    for (through, of, steps) in [(&addresses, &as_key, &before.other), (target, key, &before.own)] {
        if let Some(reason) = opt_out(through, of, steps, channel, &all).await? {
            return Ok(MergeEnd::Refused { reason, consents: now(target, key, own).await? });
        }
    }
    let end = match target.merge(key, addresses.keyspace(), address).await {
        Ok(Merged::Joined) => Ok(()),
        Ok(Merged::Conflict) => Err(conflict(channel, None)),
        Ok(Merged::TooOften) => Err(too_often(channel)),
        Ok(Merged::NoProfile) => Err(missing(channel)),
        Err(ApsisError::Locked { .. }) => Err(locked(channel)),
        Err(error) => return Err(error),
    };
    let mut consents = now(target, key, own).await?;
    if let Err(reason) = end {
        return Ok(MergeEnd::Refused { reason, consents });
    }
    info!(contact = %key, %channel, "merged with the profile of its address");
    // Whatever the merge has made of them: what one of the two refused is refused.
    let revived: Vec<ConsentStep> = stricter(&all, &consents).other;
    if !revived.is_empty() {
        if let Some(reason) = opt_out(target, key, &revived, channel, &all).await? {
            return Ok(MergeEnd::Refused { reason, consents });
        }
        consents = now(target, key, own).await?;
    }
    // Which of two opt-outs was kept is not told; where one was not ours, neither is the one that is there now.
    for consent in consents.iter_mut().filter(|consent| consent.state == ConsentType::OptOut) {
        if !is_our_own(&all, &consent.topic, consent.channel) {
            consent.source = Some(MERGE_SOURCE.to_owned());
        }
    }
    Ok(MergeEnd::Merged { consents })
}

/// Whether each opt-out of a subscription is one that we made for the CRM.
fn is_our_own(all: &[KnownConsent], topic: &TopicId, channel: Channel) -> bool {
    let is_of = |consent: &&KnownConsent| {
        consent.state == ConsentType::OptOut && consent.topic == *topic && consent.channel == channel
    };
    all.iter().filter(is_of).all(|consent| consent.source.as_deref() == Some(SOURCE))
}

/// Opts a profile out; why, if APSIS One refused. `all`: the consents of both, whose refusals these are: what the person
/// refused may not look as if it were the CRM's, which could take it back.
async fn opt_out(
    through: &Target,
    key: &ContactId,
    steps: &[ConsentStep],
    channel: Channel,
    all: &[KnownConsent],
) -> Result<Option<Reason>, ApsisError> {
    for step in steps {
        let source = if is_our_own(all, &step.topic, step.channel) { SOURCE } else { MERGE_SOURCE };
        match through.set_consent_as(key, &step.topic, step.channel, false, WHY, source).await {
            Ok(ConsentEnd::Changed | ConsentEnd::AlreadyThere) => {}
            Ok(ConsentEnd::Refused) => return Ok(Some(not_stricter(channel, &step.topic.0))),
            Err(ApsisError::Locked { .. }) => return Ok(Some(locked(channel))),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The contact's consents now. A profile that is gone meanwhile has those that it had.
async fn now(
    target: &Target,
    key: &ContactId,
    own: &[KnownConsent],
) -> Result<Vec<KnownConsent>, ApsisError> {
    Ok(target.consents(key).await?.unwrap_or_else(|| own.to_vec()))
}

/// Whether a profile says that it is this contact's.
fn is_of(values: &BTreeMap<AttributeId, FoundValue>, key: &ContactId) -> bool {
    text(values, CRM_ID).is_some_and(|id| id == key.0)
}

/// The attribute in which the two contradict each other, so that they will not be merged.
fn contradiction(
    own: &BTreeMap<AttributeId, FoundValue>,
    other: &BTreeMap<AttributeId, FoundValue>,
    key: &ContactId,
) -> Option<&'static str> {
    if text(other, CRM_ID).is_some() && !is_of(other, key) {
        return Some(CRM_ID);
    }
    IDENTITIES
        .into_iter()
        .find(|name| matches!((text(own, name), text(other, name)), (Some(own), Some(other)) if own != other))
}

/// A value as text; none where there is none.
fn text(values: &BTreeMap<AttributeId, FoundValue>, attribute: &str) -> Option<String> {
    match values.get(&AttributeId(attribute.to_owned()))? {
        FoundValue::Text(text) | FoundValue::Number(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

fn same_consents(own: &[KnownConsent], other: &[KnownConsent]) -> bool {
    own.len() == other.len() && own.iter().all(|consent| other.contains(consent))
}

/// What people call the address of a channel.
fn address_of(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "e-mail address",
        Channel::Sms => "mobile number",
    }
}

fn conflict(channel: Channel, attribute: Option<&str>) -> Reason {
    let reason = Reason::new(
        ReasonCode::MergeConflict,
        format!(
            "APSIS One has another profile for the contact's {}, and does not merge the two: their e-mail address, mobile \
             number or CRM id differ. They stay two; mend one of them, or delete the other profile",
            address_of(channel)
        ),
    );
    Reason { subject: attribute.map(str::to_owned), ..reason }
}

fn locked(channel: Channel) -> Reason {
    Reason::new(
        ReasonCode::MergeLocked,
        format!(
            "the profile that APSIS One has for the contact's {} is locked, and merged with it the contact's own would \
             be locked, too. They stay two",
            address_of(channel)
        ),
    )
}

fn too_often(channel: Channel) -> Reason {
    Reason::new(
        ReasonCode::MergeLimit,
        format!(
            "a profile of the contact's {} has been merged 500 times, which is as often as APSIS One allows. They stay \
             two; look what merges this profile so often",
            address_of(channel)
        ),
    )
}

fn missing(channel: Channel) -> Reason {
    Reason::new(
        ReasonCode::MergeMissing,
        format!(
            "one of the two profiles of the contact's {} was gone before they could be merged. The next full sync tries \
             again",
            address_of(channel)
        ),
    )
}

fn not_stricter(channel: Channel, topic: &str) -> Reason {
    Reason::about(
        ReasonCode::ConsentRefused,
        topic,
        format!(
            "APSIS One refused to opt out a profile of the contact's {}, though another one with it is opted out. Look at \
             the profiles of this address in APSIS One",
            address_of(channel)
        ),
    )
}

#[cfg(test)]
mod tests;

//! Profiles that are found by an address rather than by their CRM id. They are not ours: nothing of them is written but
//! opt-outs. An address is personal data: it is sent, and never logged.

use super::error::{ApsisError, Kind};
use super::profiles::{ConsentEnd, Target};
use crate::contact::{Channel, ContactId};
use crate::profile::{KnownConsent, TopicId};

/// What there is under an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AtAddress {
    /// No profile that could be sent to has it as its key.
    Nobody,
    /// One has, with these consents.
    Profile(Vec<KnownConsent>),
    /// That cannot be seen: the account has no such keyspace, or the API key may not use it.
    Unseen,
}

impl Target {
    /// What there is under an address: an e-mail address, or a number's digits.
    ///
    /// # Errors
    /// When APSIS One does not answer, or refuses for another reason than the profile.
    pub async fn at_address(&self, channel: Channel, address: &str) -> Result<AtAddress, ApsisError> {
        let Some(addresses) = self.of_addresses(channel) else { return Ok(AtAddress::Unseen) };
        match addresses.consents(&ContactId(address.to_owned())).await {
            Ok(Some(consents)) => Ok(AtAddress::Profile(consents)),
            Ok(None) => Ok(AtAddress::Nobody),
            Err(ApsisError::Denied { .. }) => Ok(AtAddress::Unseen),
            // It is locked for ever, or no key can be so.
            Err(error) if matches!(error.kind(), Kind::Contact(_)) => Ok(AtAddress::Nobody),
            Err(error) => Err(error),
        }
    }

    /// Opts the profile that is found by an address out of one topic.
    ///
    /// # Errors
    /// As `at_address`.
    pub async fn opt_out_address(
        &self,
        channel: Channel,
        address: &str,
        topic: &TopicId,
        reason: &str,
    ) -> Result<ConsentEnd, ApsisError> {
        match self.of_addresses(channel) {
            Some(addresses) => {
                addresses.set_consent(&ContactId(address.to_owned()), topic, channel, false, reason).await
            }
            None => Ok(ConsentEnd::Refused),
        }
    }
}

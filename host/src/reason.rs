//! Why a contact was excluded or rejected, or a value left out: a stable code, the field it is about,
//! and a sentence that a user understands.
//!
//! A reason names fields and settings, never values: it is stored, listed and logged, and must hold
//! no personal data. Each code has an entry in `docs/errors.md`.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The stable code of a reason, as lists and exports show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonCode {
    /// A sync condition does not hold.
    ConditionNotMet,
    /// The contact has no e-mail address.
    EmailMissing,
    /// The e-mail address is not one.
    EmailInvalid,
    /// The contact's id cannot be a profile key.
    IdInvalid,
    /// A text is longer than APSIS One takes.
    ValueTooLong,
    /// A value cannot be turned into the attribute's type.
    ValueInvalid,
    /// A mobile number cannot be turned into the form that APSIS One takes.
    MobileInvalid,
    /// APSIS One refused the profile's values.
    RefusedByApsis,
    /// The profile is locked in APSIS One.
    ProfileLocked,
    /// Another profile holds the same key or address.
    ProfileConflict,
    /// APSIS One refused a consent, and what it has is not what the CRM says.
    ConsentRefused,
    /// The recipient opted out in APSIS One after the CRM's answer: not opted in again.
    OptedOutInApsis,
    /// Another contact with the same address refuses.
    AddressShared,
    /// A contact that was not read may have the same address and refuse.
    ConsentWaits,
    /// Whether another profile has an address that was given up cannot be seen.
    OldAddressUnseen,
    /// The profile's values exceed what one request may hold.
    TooLarge,
    /// APSIS One did not answer for this contact, after all attempts.
    NotWritten,
    /// The CRM's record cannot be read.
    NotRead,
    /// The CRM has no such contact, though it said that something about it changed.
    NotInCrm,
    /// The CRM has deleted the contact; its profile was kept, and opted out of everything.
    KeptOptedOut,
    /// The contact has no profile, and gets it with the daily run.
    WaitsForDailyRun,
    /// A newer state of the contact is known already.
    NewerKnown,
    /// The profile of the contact's address was not merged: the two contradict each other.
    MergeConflict,
    /// It was not merged: it is locked.
    MergeLocked,
    /// It was not merged: one of the two has been merged too often.
    MergeLimit,
    /// It was not merged: one of the two was gone.
    MergeMissing,
    /// The member of an overview has no profile that this integration has written.
    MemberUnknown,
    /// The profile was written, and is not there any more.
    ProfileMissing,
    /// The contact was forgotten at somebody's request.
    ContactForgotten,
}

impl ReasonCode {
    /// The code as stored and shown: `email-invalid`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConditionNotMet => "condition-not-met",
            Self::EmailMissing => "email-missing",
            Self::EmailInvalid => "email-invalid",
            Self::IdInvalid => "id-invalid",
            Self::ValueTooLong => "value-too-long",
            Self::ValueInvalid => "value-invalid",
            Self::MobileInvalid => "mobile-invalid",
            Self::RefusedByApsis => "refused-by-apsis",
            Self::ProfileLocked => "profile-locked",
            Self::ProfileConflict => "profile-conflict",
            Self::ConsentRefused => "consent-refused",
            Self::OptedOutInApsis => "opted-out-in-apsis",
            Self::AddressShared => "address-shared",
            Self::ConsentWaits => "consent-waits",
            Self::OldAddressUnseen => "old-address-unseen",
            Self::TooLarge => "too-large",
            Self::NotWritten => "not-written",
            Self::NotRead => "not-read",
            Self::NotInCrm => "not-in-crm",
            Self::KeptOptedOut => "kept-opted-out",
            Self::WaitsForDailyRun => "waits-for-daily-run",
            Self::NewerKnown => "newer-known",
            Self::MergeConflict => "merge-conflict",
            Self::MergeLocked => "merge-locked",
            Self::MergeLimit => "merge-limit",
            Self::MergeMissing => "merge-missing",
            Self::MemberUnknown => "member-unknown",
            Self::ProfileMissing => "profile-missing",
            Self::ContactForgotten => "contact-forgotten",
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Why, for one contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// The stable code.
    pub code: ReasonCode,
    /// The CRM field, or the APSIS One attribute or topic, that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What happened and what to do, in words; no values, no personal data.
    pub message: String,
}

impl Reason {
    /// A reason about no field in particular.
    pub fn new(code: ReasonCode, message: impl Into<String>) -> Self {
        Self { code, subject: None, message: message.into() }
    }

    /// A reason about one field, attribute or topic.
    pub fn about(code: ReasonCode, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, subject: Some(subject.into()), message: message.into() }
    }
}

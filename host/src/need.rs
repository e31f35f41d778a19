//! What a full sync is needed for: since when APSIS One may not be what the CRM and the rules say, and why.
//!
//! Plain data, stored by `store`, shown by `cli`. A need is cleared by a full sync that was accepted after it came
//! up and has completed, and by nothing else. One that read no more than what was known clears only what a change of
//! the rules brought up. Needs name rows, settings and codes: no values, no personal data.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::contact::{Channel, DiscardReason};
use crate::run::{Run, RunId, RunKind, Source};

/// How many subjects are kept of one need.
const SUBJECTS: usize = 50;

/// How many of them its words name.
const NAMED: usize = 5;

/// Why a full sync is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NeedCode {
    /// The integration is new.
    NeverSynced,
    /// Field mappings were changed.
    FieldMappingsChanged,
    /// Consent mappings were changed.
    ConsentMappingsChanged,
    /// The country of numbers without a country code was changed.
    DefaultCountryChanged,
    /// The API key, section, keyspace or address of APSIS One was changed.
    ApsisAccountChanged,
    /// A full sync failed.
    FullSyncFailed,
    /// A full sync was cancelled after it had begun to write.
    FullSyncCancelled,
    /// The CRM's webhook was gone, and was made anew.
    WebhookRenewed,
    /// Deliveries were too old to be taken.
    DeliveriesTooOld,
    /// Deliveries were given up.
    DeliveriesGivenUp,
    /// A consent came without its person.
    MissingPerson,
    /// A consent came without its type.
    MissingConsentType,
    /// A record came that could not be read.
    MalformedRecord,
    /// The version before did not know of shared addresses.
    AddressesUnread,
    /// A mapping row is left out, because one side has no more what it names.
    MappingPaused,
    /// The connector was replaced by a version that makes other values of the CRM's.
    ConnectorChanged,
}

impl NeedCode {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::NeverSynced,
        Self::FieldMappingsChanged,
        Self::ConsentMappingsChanged,
        Self::DefaultCountryChanged,
        Self::ApsisAccountChanged,
        Self::FullSyncFailed,
        Self::FullSyncCancelled,
        Self::WebhookRenewed,
        Self::DeliveriesTooOld,
        Self::DeliveriesGivenUp,
        Self::MissingPerson,
        Self::MissingConsentType,
        Self::MalformedRecord,
        Self::AddressesUnread,
        Self::MappingPaused,
        Self::ConnectorChanged,
    ];

    /// The code as stored and shown: `never-synced`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeverSynced => "never-synced",
            Self::FieldMappingsChanged => "field-mappings-changed",
            Self::ConsentMappingsChanged => "consent-mappings-changed",
            Self::DefaultCountryChanged => "default-country-changed",
            Self::ApsisAccountChanged => "apsis-account-changed",
            Self::FullSyncFailed => "full-sync-failed",
            Self::FullSyncCancelled => "full-sync-cancelled",
            Self::WebhookRenewed => "webhook-renewed",
            Self::DeliveriesTooOld => "deliveries-too-old",
            Self::DeliveriesGivenUp => "deliveries-given-up",
            Self::MissingPerson => "missing-person",
            Self::MissingConsentType => "missing-consent-type",
            Self::MalformedRecord => "malformed-record",
            Self::AddressesUnread => "addresses-unread",
            Self::MappingPaused => "mapping-paused",
            Self::ConnectorChanged => "connector-changed",
        }
    }

    /// What happened, in words.
    fn words(self) -> &'static str {
        match self {
            Self::NeverSynced => "no full sync has completed yet",
            Self::FieldMappingsChanged => "field mappings were changed",
            Self::ConsentMappingsChanged => "consent mappings were changed",
            Self::DefaultCountryChanged => "the default country was changed",
            Self::ApsisAccountChanged => {
                "the integration writes to another place in APSIS One, or with an API key that may be of another \
                 account; a forced full sync is needed"
            }
            Self::FullSyncFailed => "a full sync failed",
            Self::FullSyncCancelled => "a full sync was cancelled after it had begun to write",
            Self::WebhookRenewed => {
                "the webhook was not there for some time and was set up anew; what changed meanwhile was not sent"
            }
            Self::DeliveriesTooOld => "deliveries were turned away because they were sent too long ago",
            Self::DeliveriesGivenUp => "deliveries became dead letters",
            Self::MissingPerson => "a consent came without its person",
            Self::MissingConsentType => "a consent came without its type",
            Self::MalformedRecord => "a record came that could not be read",
            Self::MappingPaused => {
                "a mapping is paused, since the CRM or APSIS One has no more what it names; mend it, `sluice doctor` says how"
            }
            Self::ConnectorChanged => "the connector was replaced by a version that reads contacts otherwise",
            Self::AddressesUnread => "who shares an address with whom is known once all contacts were read",
        }
    }

    /// Whether only a forced full sync helps: what the ledger takes for written may be nowhere.
    pub fn must_be_forced(self) -> bool {
        self == Self::ApsisAccountChanged
    }

    /// Whether it is enough to decide everybody anew by what is known of him.
    pub fn is_of_rules(self) -> bool {
        matches!(
            self,
            Self::FieldMappingsChanged | Self::ConsentMappingsChanged | Self::DefaultCountryChanged
        )
    }

    /// Channels on which it is not known of everybody which address he has: somebody who was not read may refuse what
    /// another one with his address gives.
    pub fn unheard(self) -> &'static [Channel] {
        match self {
            Self::NeverSynced | Self::AddressesUnread => &[Channel::Email, Channel::Sms],
            // Known numbers were made with the country of before.
            Self::DefaultCountryChanged => &[Channel::Sms],
            _ => &[],
        }
    }

    /// The need of a record that was discarded in real time; none where no full sync could bring anything.
    pub fn of_discard(reason: DiscardReason) -> Option<Self> {
        match reason {
            DiscardReason::NotRelevant => None,
            DiscardReason::MissingPerson => Some(Self::MissingPerson),
            DiscardReason::MissingConsentType => Some(Self::MissingConsentType),
            DiscardReason::Malformed => Some(Self::MalformedRecord),
        }
    }
}

/// A need that comes up now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNeed {
    /// Why.
    pub code: NeedCode,
    /// What it is about: mapping rows, settings, codes of errors.
    pub subjects: Vec<String>,
    /// How often it came up at once.
    pub times: u64,
}

impl NewNeed {
    /// One that is about nothing in particular.
    pub fn of(code: NeedCode) -> Self {
        Self { code, subjects: Vec::new(), times: 1 }
    }

    /// One about these.
    pub fn about(code: NeedCode, subjects: Vec<String>) -> Self {
        Self { code, subjects, times: 1 }
    }

    /// The subjects of a need that came up before, and those that are new.
    pub fn subjects_with(&self, mut before: Vec<String>) -> Vec<String> {
        for subject in &self.subjects {
            if !before.contains(subject) && before.len() < SUBJECTS {
                before.push(subject.clone());
            }
        }
        before
    }

    /// What happened, in words, given all subjects.
    pub fn message(&self, subjects: &[String]) -> String {
        let words = self.code.words();
        if subjects.is_empty() {
            return words.to_owned();
        }
        let named: Vec<&str> = subjects.iter().take(NAMED).map(String::as_str).collect();
        let more = subjects.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("{words}: {}{more}", named.join(", "))
    }
}

/// What a full sync is needed for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Need {
    /// Why.
    pub code: NeedCode,
    /// Why, in words.
    pub message: String,
    /// What it is about.
    pub subjects: Vec<String>,
    /// How often it came up.
    pub times: u64,
    /// When first.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When last.
    #[schema(value_type = String, format = DateTime)]
    pub last: Timestamp,
    /// The newest run there was then: only a later one clears it, since that one may have read before.
    pub after_run: RunId,
}

impl Need {
    /// Whether a run clears it by completing.
    pub fn is_cleared_by(&self, run: &Run) -> bool {
        run.kind == RunKind::FullSync
            && run.id > self.after_run
            && (run.forced || !self.code.must_be_forced())
            && (run.source == Source::Crm || self.code.is_of_rules())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integration::IntegrationId;
    use crate::run::{Counters, Phase};

    fn run(id: i64, kind: RunKind, forced: bool) -> Run {
        Run {
            id: RunId(id),
            integration: IntegrationId("acme".into()),
            kind,
            forced,
            source: Source::Crm,
            phase: Phase::Completed,
            cursor: None,
            read_to_end: true,
            counters: Counters::default(),
            total: None,
            cancel_requested: false,
            accepted_at: Timestamp::UNIX_EPOCH,
            ended_at: None,
            failure: None,
            hold: None,
            approved: false,
        }
    }

    fn need(code: NeedCode) -> Need {
        Need {
            code,
            message: String::new(),
            subjects: Vec::new(),
            times: 1,
            since: Timestamp::UNIX_EPOCH,
            last: Timestamp::UNIX_EPOCH,
            after_run: RunId(7),
        }
    }

    #[test]
    fn only_a_later_full_sync_clears_a_need_and_only_a_forced_one_that_of_another_account() {
        for (code, run, expected) in [
            (NeedCode::MissingPerson, run(8, RunKind::FullSync, false), true),
            (NeedCode::MissingPerson, run(7, RunKind::FullSync, true), false),
            (NeedCode::MissingPerson, run(8, RunKind::Daily, false), false),
            (NeedCode::ApsisAccountChanged, run(8, RunKind::FullSync, false), false),
            (NeedCode::ApsisAccountChanged, run(8, RunKind::FullSync, true), true),
        ] {
            assert_eq!(need(code).is_cleared_by(&run), expected, "{code:?} {run:?}");
        }
    }

    #[test]
    fn a_run_that_asked_only_what_is_known_clears_only_what_the_rules_brought_up() {
        let run = Run { source: Source::Known, ..run(8, RunKind::FullSync, true) };
        let cleared: Vec<_> =
            NeedCode::ALL.into_iter().filter(|code| need(*code).is_cleared_by(&run)).collect();
        let of_rules = [
            NeedCode::FieldMappingsChanged,
            NeedCode::ConsentMappingsChanged,
            NeedCode::DefaultCountryChanged,
        ];
        assert_eq!(cleared, of_rules);
    }

    #[test]
    fn a_need_names_each_subject_once_and_not_too_many() {
        let new = NewNeed::about(NeedCode::FieldMappingsChanged, vec!["b".into(), "c".into()]);
        let subjects = new.subjects_with(vec!["a".into(), "b".into()]);
        assert_eq!(new.message(&subjects), "field mappings were changed: a, b, c");
        let many: Vec<String> = (0..60).map(|number| number.to_string()).collect();
        let kept = NewNeed::about(NeedCode::FieldMappingsChanged, many).subjects_with(Vec::new());
        assert_eq!(kept.len(), 50);
        assert_eq!(new.message(&kept), "field mappings were changed: 0, 1, 2, 3, 4 and 45 more");
    }

    #[test]
    fn each_code_is_the_word_that_is_stored() {
        for code in NeedCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}

//! Made-up records for the tests.

use std::collections::BTreeMap;

use sluice::contact::{Channel, ContactId, Cursor, Discard, DiscardReason};
use sluice::integration::{ApsisSettings, Grant, Integration, IntegrationId, SecretRef, SyncSettings};
use sluice::profile::{Answer, AttributeId, AttributeValue, Intent, TopicId, WantedConsent};
use sluice::reason::{Reason, ReasonCode};
use sluice::run::{Decided, Outcome, Run, RunContact, RunId, Settled, Verdict};
use sluice::store::{PageCommit, Store};

pub fn integration(id: &str) -> Integration {
    Integration {
        id: IntegrationId(id.to_owned()),
        name: format!("Integration {id}"),
        connector: "sha256:00".to_owned(),
        settings: BTreeMap::from([("url".to_owned(), serde_json::json!("https://crm.example"))]),
        secrets: BTreeMap::from([("api-key".to_owned(), SecretRef::Env("CRM_KEY".to_owned()))]),
        grant: Grant { origins: vec!["https://crm.example".to_owned()], private_network: false },
        apsis: ApsisSettings {
            url: "https://api.apsis.one".to_owned(),
            client_id: "b2f0c1de-0000-4000-8000-000000000001".to_owned(),
            client_secret: SecretRef::Env("APSIS_SECRET".to_owned()),
            section: "Nordics".to_owned(),
            keyspace: "com.apsis1.keyspaces.crm-id".to_owned(),
            private_network: false,
        },
        default_country: Some("SE".to_owned()),
        conditions: Vec::new(),
        fields: Vec::new(),
        consents: Vec::new(),
        sync: SyncSettings::default(),
        limits: BTreeMap::new(),
    }
}

pub fn id(contact: &str) -> ContactId {
    ContactId(contact.to_owned())
}

pub fn ids(contacts: &[&str]) -> Vec<ContactId> {
    contacts.iter().copied().map(id).collect()
}

/// An intent; `text` tells two of one contact apart.
pub fn intent(contact: &str, text: &str) -> Intent {
    Intent {
        key: id(contact),
        attributes: BTreeMap::from([(
            AttributeId("com.apsis1.attributes.firstname".to_owned()),
            AttributeValue::Text(text.to_owned()),
        )]),
        consents: vec![WantedConsent {
            topic: TopicId("usercreated.topics.newsletter-rg4kf3kt24".to_owned()),
            channel: Channel::Email,
            answer: Answer::Given(Some(at(1_700_000_000))),
        }],
        left_out: Vec::new(),
        unwritten: None,
    }
}

pub fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).unwrap()
}

pub fn reason(code: ReasonCode) -> Reason {
    Reason::about(code, "email", "what to do about it")
}

pub fn write(contact: &str) -> Decided {
    write_as(contact, "as first read")
}

pub fn write_as(contact: &str, text: &str) -> Decided {
    Decided {
        contact: id(contact),
        modified_at: Some(at(1_700_000_100)),
        verdict: Verdict::Write(intent(contact, text)),
    }
}

pub fn settled_at_once(contact: &str, outcome: Outcome, code: Option<ReasonCode>) -> Decided {
    Decided { contact: id(contact), modified_at: None, verdict: Verdict::Settled(outcome, code.map(reason)) }
}

pub fn rejected(contact: &str) -> Decided {
    settled_at_once(contact, Outcome::Rejected, Some(ReasonCode::EmailMissing))
}

pub fn ended(contact: &str, outcome: Outcome) -> Settled {
    let written = !matches!(outcome, Outcome::Excluded | Outcome::Rejected);
    Settled { contact: id(contact), outcome, reason: None, written }
}

pub fn page(decided: Vec<Decided>, next: Option<&str>) -> PageCommit {
    PageCommit {
        decided,
        discarded: Vec::new(),
        next: next.map(|cursor| Cursor(cursor.to_owned())),
        total: None,
    }
}

pub fn discard(number: u32) -> Discard {
    Discard {
        subject: Some(format!("consent {number}")),
        reason: DiscardReason::MissingPerson,
        message: "it belongs to no person".to_owned(),
    }
}

/// A run of a new integration named `name`.
pub async fn new_run(store: &dyn Store, name: &str) -> Run {
    let integration = integration(name);
    store.put_integration(&integration).await.unwrap();
    store.accept_run(&integration.id, false).await.unwrap()
}

/// All contacts of a run.
pub async fn contacts(store: &dyn Store, run: RunId) -> Vec<RunContact> {
    store.run_contacts(run, None, None, 1_000_000).await.unwrap()
}

/// The keys of what is staged, in the order in which the store gives it.
pub async fn staged(store: &dyn Store, run: RunId) -> Vec<String> {
    let staged = store.staged(run, None, None, 1_000_000).await.unwrap();
    staged.into_iter().map(|staged| staged.intent.key.0).collect()
}

//! Made-up records for the tests.

use std::collections::BTreeMap;
use std::ops::Deref;

use sluice::contact::{Channel, ContactId, Cursor, Discard, DiscardReason};
use sluice::hosting::{Fence, HostId, Term};
use sluice::integration::{
    ApsisSettings, Grant, Integration, IntegrationId, RealTime, SameAddress, SecretRef, StorySettings,
    SyncSettings,
};
use sluice::profile::{Answer, AttributeId, AttributeValue, Intent, TopicId, WantedConsent};
use sluice::reason::{Reason, ReasonCode};
use sluice::run::{Decided, Outcome, Run, RunContact, RunId, RunOrder, Settled, Source, Verdict, Wrote};
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
            requests_per_second: 100,
            same_address: SameAddress::Leave,
        },
        default_country: Some("SE".to_owned()),
        conditions: Vec::new(),
        fields: Vec::new(),
        consents: Vec::new(),
        time_zone: "Europe/Stockholm".to_owned(),
        sync: SyncSettings::default(),
        real_time: RealTime::default(),
        brake: Default::default(),
        story: StorySettings::default(),
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
        paused: Vec::new(),
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
        seen: None,
    }
}

pub fn settled_at_once(contact: &str, outcome: Outcome, code: Option<ReasonCode>) -> Decided {
    let verdict = Verdict::Settled(outcome, code.map(reason));
    Decided { contact: id(contact), modified_at: None, verdict, seen: None }
}

pub fn rejected(contact: &str) -> Decided {
    settled_at_once(contact, Outcome::Rejected, Some(ReasonCode::EmailMissing))
}

pub fn ended(contact: &str, outcome: Outcome) -> Settled {
    let is_written = !matches!(outcome, Outcome::Excluded | Outcome::Rejected);
    let wrote = if is_written { Wrote::Intended } else { Wrote::AsBefore };
    Settled { contact: id(contact), outcome, reason: None, wrote, steps: Vec::new() }
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

/// A full sync as it is asked for.
pub const FULL_SYNC: RunOrder = RunOrder::FullSync { forced: false, source: Source::Crm };

/// A run, and the right to do its steps.
#[derive(Debug, Clone)]
pub struct HeldRun {
    pub run: Run,
    pub fence: Fence,
}

impl Deref for HeldRun {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.run
    }
}

/// A run of a new integration named `name`.
pub async fn new_run(store: &dyn Store, name: &str) -> HeldRun {
    let integration = integration(name);
    store.put_integration(&integration).await.unwrap();
    next_run(store, &integration.id).await
}

/// Another run of an integration.
pub async fn next_run(store: &dyn Store, id: &IntegrationId) -> HeldRun {
    let run = store.accept_run(id, FULL_SYNC).await.unwrap();
    HeldRun { run, fence: hold(store, id).await }
}

/// Takes an integration, whoever has it.
pub async fn hold(store: &dyn Store, id: &IntegrationId) -> Fence {
    store.acquire(id, &HostId("host".to_owned()), Term::Alone).await.unwrap().unwrap()
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

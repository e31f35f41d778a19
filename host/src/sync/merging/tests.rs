//! Merging, on plain consents and against the simulated APSIS One.

use proptest::prelude::*;
use secrecy::SecretString;
use sluice_sandbox::{Fault, FaultRule, Sandbox, SandboxConfig, When};

use super::*;
use crate::apsis::{Client, Created, Patched};
use crate::integration::{ApsisSettings, SameAddress, SecretRef};
use crate::profile::{AttributeValue, TopicId};

const NEWS: &str = "usercreated.topics.newsletter-rg4kf3kt24";
const INVITATIONS: &str = "usercreated.topics.invitations-c8v7b6n5m4";
const ADDRESS: &str = "anna.berg@example.se";

fn consent(topic: &str, state: ConsentType) -> KnownConsent {
    KnownConsent {
        topic: TopicId(topic.into()),
        channel: Channel::Email,
        state,
        modified_at: None,
        source: None,
    }
}

fn step(topic: &str) -> ConsentStep {
    ConsentStep { topic: TopicId(topic.into()), channel: Channel::Email }
}

#[test]
fn what_one_of_the_two_refuses_is_refused_in_both_and_nothing_else_changes() {
    use ConsentType::{ConfirmedOptIn, OptIn, OptOut, PendingOptIn};
    for (own, other, of_own, of_other) in [
        (None, None, false, false),
        (Some(OptIn), None, false, false),
        (None, Some(OptIn), false, false),
        (Some(ConfirmedOptIn), Some(OptIn), false, false),
        (Some(PendingOptIn), Some(OptIn), false, false),
        (Some(OptOut), Some(OptOut), false, false),
        (Some(OptOut), Some(OptIn), false, true),
        (Some(OptOut), Some(ConfirmedOptIn), false, true),
        (Some(OptOut), None, false, true),
        (Some(OptIn), Some(OptOut), true, false),
        (Some(ConfirmedOptIn), Some(OptOut), true, false),
        (None, Some(OptOut), true, false),
    ] {
        let consents = |state: Option<ConsentType>| -> Vec<KnownConsent> {
            state.map(|state| consent("news", state)).into_iter().collect()
        };
        let steps = |is: bool| if is { vec![step("news")] } else { Vec::new() };
        let expected = Stricter { own: steps(of_own), other: steps(of_other) };
        assert_eq!(stricter(&consents(own), &consents(other)), expected, "{own:?} {other:?}");
    }
}

fn states() -> impl Strategy<Value = Vec<KnownConsent>> {
    let kind = prop::sample::select(vec![
        ConsentType::OptIn,
        ConsentType::OptOut,
        ConsentType::PendingOptIn,
        ConsentType::ConfirmedOptIn,
    ]);
    prop::collection::vec((0u8..4, kind).prop_map(|(topic, state)| consent(&topic.to_string(), state)), 0..6)
}

proptest! {
    #[test]
    fn whichever_is_kept_nobody_is_opted_in_who_refused(own in states(), other in states()) {
        let before = stricter(&own, &other);
        for (consents, steps) in [(&own, &before.own), (&other, &before.other)] {
            for refused in own.iter().chain(&other).filter(|one| one.state == ConsentType::OptOut) {
                let step = ConsentStep { topic: refused.topic.clone(), channel: refused.channel };
                prop_assert!(steps.contains(&step) || is_out(consents, &step));
            }
        }
        // Neither asks for anything twice.
        for steps in [&before.own, &before.other] {
            let twice = steps.iter().enumerate().any(|(at, step)| steps[..at].contains(step));
            prop_assert!(!twice);
        }
    }
}

/// A sandbox, the contact's keyspace, and that of e-mail addresses.
struct Both {
    sandbox: Sandbox,
    target: Target,
    addresses: Target,
}

impl Both {
    async fn start() -> Self {
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        let settings = ApsisSettings {
            url: sandbox.apsis_url().to_owned(),
            client_id: sandbox.apsis_client_id().to_owned(),
            client_secret: SecretRef::Env("UNREAD".to_owned()),
            section: "Nordics".to_owned(),
            keyspace: "com.apsis1.keyspaces.crm-id".to_owned(),
            private_network: true,
            requests_per_second: 100,
            same_address: SameAddress::Merge,
        };
        let secret = SecretString::from(sandbox.apsis_client_secret().to_owned());
        let client = Client::new(&settings, secret).unwrap();
        let target = client.target(&client.definitions().await.unwrap(), &settings).unwrap();
        let addresses = target.of_addresses(Channel::Email).unwrap();
        Self { sandbox, target, addresses }
    }

    /// The contact's profile, and one that a form has made for its address.
    async fn with_two() -> Self {
        let both = Self::start().await;
        assert_eq!(both.target.create(&key()).await.unwrap(), Created::New);
        assert_eq!(both.addresses.create(&by_address()).await.unwrap(), Created::New);
        both
    }

    async fn set(&self, through: &Target, key: &ContactId, topic: &str, opt_in: bool) {
        let topic = TopicId(topic.to_owned());
        let end = through.set_consent(key, &topic, Channel::Email, opt_in, "a test").await.unwrap();
        assert_eq!(end, ConsentEnd::Changed);
    }

    async fn merge(&self) -> MergeEnd {
        let own = self.target.consents(&key()).await.unwrap().unwrap_or_default();
        merge_address(&self.target, &key(), Channel::Email, ADDRESS, &own).await.unwrap()
    }

    fn merges(&self) -> u64 {
        self.sandbox.counts().get("apsis.merge").map_or(0, |statuses| statuses.values().sum())
    }

    async fn state(&self, through: &Target, key: &ContactId, topic: &str) -> Option<ConsentType> {
        let consents = through.consents(key).await.unwrap().unwrap();
        consents.into_iter().find(|known| known.topic.0 == topic).map(|known| known.state)
    }
}

fn key() -> ContactId {
    ContactId("C-1".to_owned())
}

fn by_address() -> ContactId {
    ContactId(ADDRESS.to_owned())
}

fn code(end: &MergeEnd) -> ReasonCode {
    match end {
        MergeEnd::Refused { reason, .. } => reason.code,
        end => panic!("it is refused: {end:?}"),
    }
}

#[tokio::test]
async fn two_profiles_become_one_with_the_stricter_of_their_consents() {
    let both = Both::with_two().await;
    both.set(&both.target, &key(), NEWS, true).await;
    both.set(&both.addresses, &by_address(), NEWS, false).await;
    both.set(&both.addresses, &by_address(), INVITATIONS, true).await;
    let MergeEnd::Merged { consents } = both.merge().await else { panic!("they are merged") };
    assert_eq!(both.sandbox.profile_count(), 1);
    let states: BTreeMap<&str, ConsentType> =
        consents.iter().map(|known| (known.topic.0.as_str(), known.state)).collect();
    assert_eq!(states, BTreeMap::from([(NEWS, ConsentType::OptOut), (INVITATIONS, ConsentType::OptIn)]));
    // Found by either key.
    assert_eq!(both.state(&both.addresses, &by_address(), NEWS).await, Some(ConsentType::OptOut));

    // Once more there is nothing to do, and nothing is asked.
    assert_eq!(both.merge().await, MergeEnd::Nothing);
    assert_eq!(both.merges(), 1);
}

#[tokio::test]
async fn the_contacts_own_refusal_reaches_the_other_profile_first() {
    let both = Both::with_two().await;
    both.set(&both.addresses, &by_address(), NEWS, true).await;
    both.set(&both.target, &key(), NEWS, false).await;
    let MergeEnd::Merged { consents } = both.merge().await else { panic!("they are merged") };
    assert_eq!((consents.len(), consents[0].state), (1, ConsentType::OptOut));
    let arrivals = both.sandbox.arrivals(None);
    let number = |route: &str| arrivals.iter().rfind(|arrival| arrival.route == route).unwrap().number;
    assert!(number("apsis.consents.post") < number("apsis.merge"), "opted out before they are one");
}

#[tokio::test]
async fn without_a_profile_for_the_address_there_is_nothing_to_merge() {
    let both = Both::start().await;
    both.target.create(&key()).await.unwrap();
    assert_eq!(both.merge().await, MergeEnd::Nothing);
    assert_eq!((both.merges(), both.sandbox.profile_count()), (0, 1));
}

#[tokio::test]
async fn the_profile_of_another_contact_is_left_as_it_is() {
    let both = Both::with_two().await;
    let id = AttributeId(CRM_ID.to_owned());
    let other = BTreeMap::from([(id, AttributeValue::Text("C-2".to_owned()))]);
    assert_eq!(both.addresses.patch(&by_address(), &other).await.unwrap(), Patched::Written);
    both.set(&both.addresses, &by_address(), NEWS, true).await;
    both.set(&both.target, &key(), NEWS, false).await;
    let end = both.merge().await;
    assert_eq!(code(&end), ReasonCode::MergeConflict);
    let MergeEnd::Refused { reason, consents } = end else { panic!("it is refused") };
    assert_eq!((reason.subject.as_deref(), consents.len()), (Some(CRM_ID), 1));
    assert_eq!(both.state(&both.addresses, &by_address(), NEWS).await, Some(ConsentType::OptIn), "not ours");
    assert_eq!((both.merges(), both.sandbox.profile_count()), (0, 2));
}

#[tokio::test]
async fn a_locked_profile_is_not_merged_with() {
    let both = Both::with_two().await;
    let client = reqwest::Client::new();
    let form = serde_json::json!({
        "grant_type": "client_credentials", "client_id": both.sandbox.apsis_client_id(),
        "client_secret": both.sandbox.apsis_client_secret(),
    });
    let url = both.sandbox.apsis_url();
    let token = client.post(format!("{url}/oauth/token"));
    let token = token.header("content-type", "application/json").body(form.to_string()).send().await.unwrap();
    let token: serde_json::Value = serde_json::from_str(&token.text().await.unwrap()).unwrap();
    let path =
        format!("{url}/audience/keyspaces/com.apsis1.keyspaces.email/profiles/anna.berg%40example.se/locks");
    let locked = client.put(path).bearer_auth(token["access_token"].as_str().unwrap()).send().await.unwrap();
    assert!(locked.status().is_success(), "{}", locked.status());

    assert_eq!(code(&both.merge().await), ReasonCode::MergeLocked);
    assert_eq!(both.merges(), 0);
    assert!(both.target.consents(&key()).await.unwrap().is_some(), "the contact's own is not locked");
}

#[tokio::test]
async fn a_merge_that_apsis_one_refuses_has_its_reason_and_tells_what_the_consents_are_now() {
    let both = Both::with_two().await;
    both.set(&both.addresses, &by_address(), NEWS, false).await;
    for (status, expected) in
        [(409, ReasonCode::MergeConflict), (404, ReasonCode::MergeMissing), (410, ReasonCode::MergeLocked)]
    {
        both.sandbox.clear_faults();
        both.sandbox.add_fault(FaultRule {
            route: "apsis.merge".to_owned(),
            fault: Fault::Status { status, retry_after: None },
            when: When::Probability(1.0),
        });
        let end = both.merge().await;
        assert_eq!(code(&end), expected, "{status}");
        let MergeEnd::Refused { consents, .. } = end else { panic!("it is refused") };
        assert_eq!((consents.len(), consents[0].state), (1, ConsentType::OptOut), "opted out before");
    }
    both.sandbox.clear_faults();
    assert!(matches!(both.merge().await, MergeEnd::Merged { .. }), "it is done again, and succeeds");
}

#[tokio::test]
async fn what_the_person_refused_in_the_other_profile_is_not_taken_for_ours_afterwards() {
    // Whether the contact had said yes, nothing, or a no that was the CRM's.
    for own in [Some(true), None, Some(false)] {
        let both = Both::with_two().await;
        if let Some(opt_in) = own {
            both.set(&both.target, &key(), NEWS, opt_in).await;
        }
        let (topic, why) = (TopicId(NEWS.to_owned()), "a test");
        let other = by_address();
        let form = both.addresses.set_consent_as(&other, &topic, Channel::Email, false, why, "Form");
        assert_eq!(form.await.unwrap(), ConsentEnd::Changed);
        let MergeEnd::Merged { consents } = both.merge().await else { panic!("they are merged") };
        assert_eq!((consents.len(), consents[0].state), (1, ConsentType::OptOut), "{own:?}");
        assert!(!crate::apsis::is_ours(consents[0].source.as_deref()), "{own:?}: {:?}", consents[0].source);
    }
}

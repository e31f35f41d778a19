//! Who says what of which address, and what counts for those who share one.

use std::collections::BTreeSet;

use sluice::address::{AddressDigest, Holding, Says, Voices};
use sluice::contact::Channel;
use sluice::profile::{Answer, ConsentType, KnownConsent, TopicId, WantedConsent};
use sluice::run::Outcome;
use sluice::store::{Hearer, RunEnd, Store};

use crate::sample::*;

fn answer(topic: &str, answer: Answer) -> WantedConsent {
    WantedConsent { topic: TopicId(topic.to_owned()), channel: Channel::Sms, answer }
}

fn yes(topic: &str) -> WantedConsent {
    answer(topic, Answer::Given(None))
}

fn no(topic: &str) -> WantedConsent {
    answer(topic, Answer::Refused(None))
}

fn at(number: &str) -> Option<AddressDigest> {
    Some(AddressDigest::of(Channel::Sms, number))
}

fn holding(contact: &str, says: Says) -> Vec<Holding> {
    vec![Holding { contact: id(contact), channel: Channel::Sms, says }]
}

fn state(contact: &str, number: &str, answers: Vec<WantedConsent>) -> Vec<Holding> {
    holding(contact, Says::State { address: at(number), answers, unsaid: BTreeSet::new() })
}

async fn refused(store: &dyn Store, run: &HeldRun, contact: &str) -> Vec<String> {
    let mut voices = store.voices(&run.integration, &[id(contact)]).await.unwrap();
    let Voices { refused, .. } = voices.remove(&id(contact)).unwrap_or_default();
    refused.into_iter().map(|one| one.topic.0).collect()
}

pub async fn what_one_refuses_counts_for_all_who_have_the_address(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let hear = async |holdings| drop(store.hear(&run.fence, Hearer::Lane(None), holdings).await.unwrap());
    hear(state("1", "46701", vec![no("news"), yes("offers")])).await;
    hear(state("2", "46701", vec![yes("news"), yes("offers")])).await;
    hear(state("3", "46702", vec![yes("news"), yes("offers")])).await;
    assert_eq!(refused(store, &run, "2").await, ["news"]);
    assert!(refused(store, &run, "3").await.is_empty());
    // Who has no number that could be written keeps the one that his profile has, and what he says of it counts.
    let unsaid = BTreeSet::new();
    hear(holding("1", Says::AsBefore { answers: vec![no("news"), no("offers")], unsaid })).await;
    assert_eq!(refused(store, &run, "2").await, ["news", "offers"]);
    hear(state("1", "46703", vec![no("news"), no("offers")])).await;
    assert!(refused(store, &run, "2").await.is_empty());
}

pub async fn who_was_not_asked_is_not_known_not_to_refuse(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let hear = async |holdings| drop(store.hear(&run.fence, Hearer::Lane(None), holdings).await.unwrap());
    hear(state("1", "46701", vec![yes("news")])).await;
    // A mapping is new since.
    hear(state("2", "46701", vec![yes("news"), yes("offers")])).await;
    assert_eq!(refused(store, &run, "2").await, ["offers"]);
    hear(state("1", "46701", vec![yes("news"), answer("offers", Answer::Unsaid)])).await;
    assert!(refused(store, &run, "2").await.is_empty());
    // One is paused: what was said stands.
    hear(state("1", "46701", vec![yes("news"), no("offers")])).await;
    let unsaid = BTreeSet::from([(TopicId("offers".to_owned()), Channel::Sms)]);
    hear(holding("1", Says::State { address: at("46701"), answers: vec![yes("news")], unsaid })).await;
    assert_eq!(refused(store, &run, "2").await, ["offers"]);
}

pub async fn a_refusal_stays_when_whoever_made_it_is_forgotten(store: &dyn Store) {
    let run = new_run(store, "a").await;
    store
        .hear(&run.fence, Hearer::Lane(None), state("1", "46701", vec![no("news"), yes("offers")]))
        .await
        .unwrap();
    store
        .hear(&run.fence, Hearer::Lane(None), state("2", "46701", vec![yes("news"), yes("offers")]))
        .await
        .unwrap();
    store.commit_page(&run.fence, run.id, page(vec![write("1")], None)).await.unwrap();
    store.settle(&run.fence, run.id, vec![ended("1", Outcome::Created)]).await.unwrap();
    store.end_run(&run.fence, run.id, RunEnd::Completed).await.unwrap();

    store.ask_to_forget(&run.integration, &id("1")).await.unwrap();
    store.erase(&run.fence, &id("1"), true).await.unwrap();
    assert_eq!(refused(store, &run, "2").await, ["news"]);
    let shared = store.shared_addresses(&run.integration, 10).await.unwrap();
    assert!(shared.iter().flat_map(|one| &one.contacts).all(|(contact, _)| *contact != id("1")));
    // A full sync that does not read it leaves it, too.
    let next = next_run(store, &run.integration).await;
    store.commit_page(&next.fence, next.id, page(vec![write("2")], None)).await.unwrap();
    store.forget_unread(&next.fence, next.id).await.unwrap();
    assert_eq!(refused(store, &run, "2").await, ["news"]);
    store.end_run(&next.fence, next.id, RunEnd::Cancelled).await.unwrap();
    assert!(store.readmit(&run.integration, &id("1")).await.unwrap());
    assert!(refused(store, &run, "2").await.is_empty());
}

pub async fn what_a_person_opted_out_of_is_kept_of_a_deleted_profile(store: &dyn Store) {
    let run = new_run(store, "a").await;
    let opt_out = |topic: &str, at: i64| KnownConsent {
        topic: TopicId(topic.to_owned()),
        channel: Channel::Email,
        state: ConsentType::OptOut,
        modified_at: Some(jiff::Timestamp::from_second(at).unwrap()),
        source: None,
    };
    store.keep_opt_outs(&run.fence, &id("1"), vec![opt_out("news", 1), opt_out("offers", 1)]).await.unwrap();
    store.keep_opt_outs(&run.fence, &id("1"), vec![opt_out("news", 2)]).await.unwrap();
    let kept = store.kept_opt_outs(&run.integration, &ids(&["1", "2"])).await.unwrap();
    assert_eq!(
        kept.into_iter().collect::<Vec<_>>(),
        [(id("1"), vec![opt_out("offers", 1), opt_out("news", 2)])]
    );
    store.end_run(&run.fence, run.id, RunEnd::Cancelled).await.unwrap();
    store.ask_to_forget(&run.integration, &id("1")).await.unwrap();
    store.erase(&run.fence, &id("1"), true).await.unwrap();
    assert!(store.kept_opt_outs(&run.integration, &ids(&["1"])).await.unwrap().is_empty());
}

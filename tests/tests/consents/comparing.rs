//! What is so in the end, or when all is quiet, compared with what it is to be.

use serde_json::json;
use sluice_sandbox::DumpedProfile;

use crate::gaps;
use crate::judging::Found;
use crate::model::{ADDRESSES, Answer, Channel, Crm, PAIRS, Pair, address};
use crate::world::World;

fn is_opted_in(profile: &DumpedProfile, pair: Pair) -> bool {
    let is_it = |consent: &&serde_json::Value| {
        consent["topic_discriminator"] == pair.0.id() && consent["channel_discriminator"] == pair.1.id()
    };
    profile.consents.iter().find(is_it).is_some_and(|consent| consent["type"] == "opt-in")
}

impl World {
    /// Opt-outs that were not made, though all is quiet. New rules reach those who are read again only, what APSIS One
    /// refuses is not done, and of a consent record that was deleted Lime does not say whose it was (a full sync is
    /// asked for).
    pub fn lost_opt_outs(&self) -> Found {
        let crm = self.crm();
        if self.refused || self.applied > 1 {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (number, person) in crm.people.iter().enumerate() {
            let Some(profile) = self.sandbox.profile(&self.ids[number].to_string()) else { continue };
            if !person.there {
                found.push(format!("all is quiet, and the deleted person {number} has a profile"));
            }
            for pair in PAIRS.into_iter().filter(|pair| is_opted_in(&profile, *pair)) {
                let (answer, yes) = (crm.answer(person, pair), crm.says_yes(person, pair));
                let stays = crm.gave_anew(person, pair);
                if crm.rules.maps(pair) && !yes && !stays && answer != Answer::Nothing {
                    found.push(format!(
                        "all is quiet, and person {number} is opted in to {pair:?}, and says {answer:?}, unsubscribed {:?}",
                        person.unsubscribed
                    ));
                }
            }
        }
        found.extend(self.compare_addresses(&crm));
        found
    }

    /// Compares APSIS One with what it is to be.
    pub fn compare(&self) -> Found {
        let mut found = Vec::new();
        let crm = self.crm();
        for (number, person) in crm.people.iter().enumerate() {
            let profile = self.sandbox.profile(&self.ids[number].to_string());
            let Some(profile) = profile else {
                if crm.is_synced(person) {
                    found.push(format!("in the end person {number} has no profile"));
                }
                continue;
            };
            if !person.there {
                found.push(format!("in the end person {number} is deleted, and has a profile"));
                continue;
            }
            let synced = crm.is_synced(person);
            if synced {
                let email = person.email.map(|number| json!(address(Channel::Email, number)));
                let mobile =
                    person.mobile.map(|number| json!(address(Channel::Sms, number).parse::<u64>().unwrap()));
                for (name, wanted) in
                    [("com.apsis1.attributes.email", email), ("com.apsis1.attributes.mobile", mobile)]
                {
                    if profile.attributes.get(name) != wanted.as_ref() {
                        let has = profile.attributes.get(name);
                        found.push(format!("in the end person {number} has {name} {has:?}, not {wanted:?}"));
                    }
                }
            }
            for pair in PAIRS.into_iter().filter(|pair| crm.rules.maps(*pair)) {
                let (is, may) = (is_opted_in(&profile, pair), crm.is_opted_in(person, pair));
                let gives = matches!(crm.answer(person, pair), Answer::Yes(_));
                let is_held = person.address(pair.1).is_some_and(|number| crm.is_refused(pair, number));
                let stays = crm.gave_anew(person, pair) && !is_held;
                let refused_to_come_back = !gaps::COMES_BACK_AFTER_A_REFUSED_OPT_IN
                    && self.refused
                    && self.held_by_another.contains(&(number, pair));
                let other_row_is_older = !gaps::COMES_BACK_WHEN_THE_OTHER_ROW_DOES
                    && crm.rules.kinds(pair).len() > 1
                    && self.said_no.contains(&(number, pair));
                let excused =
                    refused_to_come_back || other_row_is_older || self.held_back.contains(&(number, pair));
                // Who is not synced any more keeps what he had, as long as he gives it.
                let wrong =
                    if synced { (is && !may && !stays) || (may && !is && !excused) } else { is && !gives };
                if wrong {
                    found.push(format!(
                        "in the end person {number} (synced {synced}) is {} to {pair:?}, and says {:?}",
                        if is { "opted in" } else { "not opted in" },
                        crm.answer(person, pair)
                    ));
                }
            }
        }
        found.extend(self.compare_addresses(&crm));
        found
    }

    /// No address is mailable that somebody who holds it refuses.
    fn compare_addresses(&self, crm: &Crm) -> Found {
        let mut found = Vec::new();
        if !gaps::SHARED_ADDRESSES_ARE_STRICT {
            return found;
        }
        let mailable = self.sandbox.mailable();
        for pair in PAIRS.into_iter().filter(|pair| crm.rules.maps(*pair)) {
            for number in 0..ADDRESSES {
                let address = address(pair.1, number);
                let is = mailable
                    .iter()
                    .any(|it| it.address == address && it.topic == pair.0.id() && it.channel == pair.1.id());
                if is && crm.is_refused(pair, number) {
                    found.push(format!("{address} is mailable for {pair:?}, and somebody says no"));
                }
            }
        }
        found
    }
}

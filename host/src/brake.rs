//! The brake: whoever is about to opt out, delete or newly opt in an unusual share of the profiles stops first, says
//! what it would do, and goes on only when somebody approves.
//!
//! The vocabulary and the measure. Pure.

use std::collections::BTreeSet;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::contact::ContactId;
use crate::run::Phase;

/// What the lane does within so long is counted together; and what is approved is approved for as long.
pub const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// Contacts that are named as samples.
pub const SAMPLES: usize = 20;

/// When the brake stops: `[brake]` of an integration's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Brake {
    /// Of the profiles that there are, in percent. 100 never stops.
    pub share: u32,
    /// But not for so few.
    pub at_least: u64,
}

impl Default for Brake {
    fn default() -> Self {
        Self { share: 10, at_least: 50 }
    }
}

impl Brake {
    /// How many of one kind are let through.
    pub fn limit(&self, profiles: u64) -> u64 {
        let share = u128::from(profiles) * u128::from(self.share) / 100;
        u64::try_from(share).unwrap_or(u64::MAX).max(self.at_least)
    }

    /// Whether so many of one kind are more than is let through.
    pub fn stops(&self, tally: &Tally, profiles: u64) -> bool {
        self.share < 100 && tally.most() > self.limit(profiles)
    }
}

/// What is counted, of a profile that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It is opted out of something that it is opted in to.
    OptOut,
    /// It is opted in to something that it is not.
    OptIn,
    /// It is deleted.
    Delete,
}

impl Effect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::OptOut, Self::OptIn, Self::Delete];

    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OptOut => "opt-out",
            Self::OptIn => "opt-in",
            Self::Delete => "delete",
        }
    }
}

/// How many profiles would be what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Tally {
    /// To be opted out of something.
    pub opt_outs: u64,
    /// To be newly opted in to something.
    pub opt_ins: u64,
    /// To be deleted.
    pub deletes: u64,
    /// Some of them.
    pub samples: Vec<(ContactId, Effect)>,
}

impl Tally {
    /// Counts what would be done to a contact.
    pub fn add(&mut self, contact: &ContactId, effects: &BTreeSet<Effect>) {
        for effect in effects {
            *self.of(*effect) += 1;
            if self.samples.len() < SAMPLES {
                self.samples.push((contact.clone(), *effect));
            }
        }
    }

    /// The count of an effect.
    pub fn of(&mut self, effect: Effect) -> &mut u64 {
        match effect {
            Effect::OptOut => &mut self.opt_outs,
            Effect::OptIn => &mut self.opt_ins,
            Effect::Delete => &mut self.deletes,
        }
    }

    fn most(&self) -> u64 {
        self.opt_outs.max(self.opt_ins).max(self.deletes)
    }
}

/// What somebody is to approve of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Held {
    /// What would be done.
    pub would: Tally,
    /// How many profiles there are.
    pub profiles: u64,
    /// How many of one kind are let through.
    pub limit: u64,
    /// Since when it waits.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Of a run: the phase that it goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Phase>,
}

impl Held {
    /// The counts, without whom they are about.
    pub fn without_samples(mut self) -> Self {
        self.would.samples.clear();
        self
    }
}

impl fmt::Display for Held {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { opt_outs, opt_ins, deletes, .. } = &self.would;
        write!(
            out,
            "would opt out {opt_outs}, newly opt in {opt_ins} and delete {deletes} of {} profiles; more than {} of one \
             kind wait for approval",
            self.profiles, self.limit
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(opt_outs: u64, opt_ins: u64, deletes: u64) -> Tally {
        Tally { opt_outs, opt_ins, deletes, samples: Vec::new() }
    }

    #[test]
    fn it_stops_beyond_the_share_and_not_for_few() {
        let brake = Brake::default();
        for (profiles, would, stops) in [
            (3_000, tally(300, 0, 0), false),
            (3_000, tally(301, 0, 0), true),
            (3_000, tally(0, 301, 0), true),
            (3_000, tally(0, 0, 301), true),
            (3_000, tally(299, 299, 299), false),
            (100, tally(50, 0, 0), false),
            (100, tally(51, 0, 0), true),
            (0, tally(51, 0, 0), true),
            (0, tally(0, 0, 0), false),
        ] {
            assert_eq!(brake.stops(&would, profiles), stops, "{profiles} {would:?}");
        }
        assert!(!Brake { share: 100, at_least: 0 }.stops(&tally(5, 5, 5), 4));
        assert!(Brake { share: 0, at_least: 0 }.stops(&tally(1, 0, 0), 1_000));
    }

    #[test]
    fn a_contact_is_counted_once_for_each_kind() {
        let mut all = Tally::default();
        for id in 0..30 {
            all.add(&ContactId(id.to_string()), &BTreeSet::from([Effect::OptOut, Effect::OptIn]));
        }
        assert_eq!((all.opt_outs, all.opt_ins, all.samples.len()), (30, 30, SAMPLES));
    }
}

//! What can happen, one thing at a time.

use std::fmt;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use sluice_sandbox::Moment;

use crate::model::{ADDRESSES, Channel, KINDS, PAIRS, PEOPLE, Rules, Third};

/// What goes wrong with requests to APSIS One.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    Status(u16),
    /// A consent is refused, as a transition that is not allowed.
    Refused,
    LostBefore,
    LostAfter,
    TokensDead,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Somebody's address becomes this one, or none.
    Address {
        person: usize,
        channel: Channel,
        address: Option<u8>,
    },
    /// Somebody says yes, no, or what they said is deleted.
    Say {
        person: usize,
        kind: usize,
        says: Option<bool>,
    },
    Inactive {
        person: usize,
        inactive: bool,
    },
    Town {
        person: usize,
        malmo: bool,
    },
    Delete {
        person: usize,
    },
    Restore {
        person: usize,
    },
    /// Somebody unsubscribes in APSIS One; when all else is quiet, since nobody can tell what came first otherwise.
    Unsubscribe {
        person: usize,
        pair: usize,
    },
    Rules(Rules),
    FullSync {
        forced: bool,
    },
    /// Everybody is decided anew by what is known.
    KnownSync,
    Daily,
    Cancel,
    /// From now on so many requests are answered, then these go wrong.
    Fault {
        skip: u32,
        next: u32,
        wrong: Wrong,
    },
    /// The host is killed at the request after so many, and started again.
    Crash {
        skip: u64,
        moment: Moment,
    },
    /// Until nothing is left to do.
    Quiet,
}

/// How a sequence's world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// New contacts wait for a run.
    pub daily: bool,
    /// Runs use imports.
    pub imports: bool,
    /// APSIS One's consents belong to the address.
    pub stay_with_address: bool,
    /// The CRM's messages come twice, and overtake each other.
    pub untidy: bool,
    /// No full sync has completed when it begins.
    pub fresh: bool,
}

/// A sequence with its world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    pub setting: Setting,
    pub steps: Vec<Step>,
}

impl Sequence {
    /// What a seed makes.
    pub fn of(seed: u64) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let setting = Setting {
            daily: chance.random_bool(0.2),
            imports: chance.random_bool(0.05),
            stay_with_address: crate::gaps::ADDRESS_CHANGES_ARE_WHOLE && chance.random_bool(0.3),
            untidy: chance.random_bool(0.3),
            fresh: chance.random_bool(0.1),
        };
        let mut steps = Vec::new();
        for person in 0..PEOPLE {
            for kind in 0..KINDS.len() {
                if chance.random_bool(0.5) {
                    steps.push(Step::Say { person, kind, says: Some(chance.random_bool(0.8)) });
                }
            }
        }
        steps.push(if chance.random() { Step::FullSync { forced: false } } else { Step::Quiet });
        let length = chance.random_range(6..=16);
        steps.extend((0..length).map(|_| step(&mut chance)));
        Self { setting, steps }
    }
}

fn step(chance: &mut StdRng) -> Step {
    let person = chance.random_range(0..PEOPLE);
    match chance.random_range(0..100) {
        0..14 => {
            let channel = if chance.random_bool(0.7) { Channel::Email } else { Channel::Sms };
            let address = chance.random_bool(0.9).then(|| chance.random_range(0..ADDRESSES));
            Step::Address { person, channel, address }
        }
        14..42 => {
            let says = match chance.random_range(0..10) {
                0..6 => Some(true),
                6..9 => Some(false),
                _ => None,
            };
            Step::Say { person, kind: chance.random_range(0..KINDS.len()), says }
        }
        42..46 => Step::Inactive { person, inactive: chance.random() },
        46..48 => Step::Town { person, malmo: chance.random() },
        48..51 => Step::Delete { person },
        51..54 => Step::Restore { person },
        54..60 => Step::Unsubscribe { person, pair: chance.random_range(0..PAIRS.len()) },
        60..63 => {
            let third = [Third::Invitations, Third::Offers, Third::Newsletter].choose(chance).copied();
            Step::Rules(Rules { third: third.unwrap_or(Third::Offers), only_malmo: chance.random_bool(0.3) })
        }
        63..67 => Step::FullSync { forced: chance.random_bool(0.2) },
        67..69 => Step::KnownSync,
        69..71 => Step::Daily,
        71..73 => Step::Cancel,
        73..79 => {
            let wrong = [
                Wrong::Status(429),
                Wrong::Status(500),
                Wrong::Refused,
                Wrong::LostBefore,
                Wrong::LostAfter,
                Wrong::TokensDead,
            ];
            let wrong = wrong.choose(chance).copied().unwrap_or(Wrong::LostAfter);
            Step::Fault { skip: chance.random_range(0..6), next: chance.random_range(1..3), wrong }
        }
        79..85 => {
            let moment = if chance.random() { Moment::Before } else { Moment::After };
            Step::Crash { skip: chance.random_range(0..12), moment }
        }
        _ => Step::Quiet,
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { person, channel, address: Some(address) } => {
                write!(out, "the {channel} address of person {person} becomes number {address}")
            }
            Self::Address { person, channel, address: None } => {
                write!(out, "person {person} has no {channel} address any more")
            }
            Self::Say { person, kind, says } => {
                let says = match says {
                    Some(true) => "says yes to",
                    Some(false) => "says no to",
                    None => "has said nothing any more to",
                };
                write!(out, "person {person} {says} consent type {}", KINDS[*kind])
            }
            Self::Inactive { person, inactive } => {
                write!(out, "person {person} is marked as {}", if *inactive { "inactive" } else { "active" })
            }
            Self::Town { person, malmo } => {
                write!(out, "person {person} moves to {}", if *malmo { "Malmö" } else { "Lund" })
            }
            Self::Delete { person } => write!(out, "person {person} is deleted"),
            Self::Restore { person } => write!(out, "person {person} is restored"),
            Self::Unsubscribe { person, pair } => {
                write!(out, "person {person} unsubscribes from {:?} in APSIS One", PAIRS[*pair])
            }
            Self::Rules(rules) => write!(out, "the rules become {rules:?}"),
            Self::FullSync { forced } => {
                write!(out, "a {}full sync starts", if *forced { "forced " } else { "" })
            }
            Self::KnownSync => write!(out, "a full sync of what is known starts"),
            Self::Daily => write!(out, "a daily run starts"),
            Self::Cancel => write!(out, "the run is cancelled"),
            Self::Fault { skip, next, wrong } => {
                write!(out, "after {skip} requests to APSIS One, {next} go wrong: {wrong:?}")
            }
            Self::Crash { skip, moment } => {
                let moment = match moment {
                    Moment::Before => "before it takes effect",
                    Moment::After => "after it took effect",
                };
                write!(out, "after {skip} requests to APSIS One, the host is killed at the next, {moment}")
            }
            Self::Quiet => write!(out, "until all is quiet"),
        }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "  {:?}", self.setting)?;
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(out, "  {:>2}. {step}", number + 1)?;
        }
        Ok(())
    }
}

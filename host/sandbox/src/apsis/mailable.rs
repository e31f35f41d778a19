//! Who could be sent to: which address holds a consent that lets a message out, kept up to date with each write.
//!
//! An address is mailable for a topic on a channel if some profile holds it in the attribute that the channel sends
//! to, and is opted in there. Promises: nothing is counted until somebody watches; from then on a write costs what the
//! profiles cost that it touched, however many there are; what changed is told before anybody else sees the
//! write, as one write, in the order of the writes.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use serde::Serialize;

use super::definitions::{CHANNELS, CRM, TOPICS};
use super::profiles::{ConsentType, Profile, Profiles};
use super::switches::ApsisSwitches;

/// An address that could be sent to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Mailable {
    /// Channel discriminator.
    pub channel: &'static str,
    /// The e-mail address in lower case, or the mobile number's digits.
    pub address: String,
    /// Topic discriminator.
    pub topic: &'static str,
}

/// A write that changed what an address could be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MailableChange {
    /// The write's number, from 1; one write may change several.
    pub write: u64,
    /// What changed.
    pub of: Mailable,
    /// Whether it can be sent to now; it could not before, or the other way round.
    pub mailable: bool,
    /// The CRM id of a profile that the write touched, if it has one.
    pub profile: Option<String>,
}

/// Told of each change, while the account is locked: it may not ask the sandbox anything.
pub(crate) type Watcher = Box<dyn FnMut(&MailableChange) + Send>;

/// What is mailable, and by how many profiles.
#[derive(Default)]
pub(crate) struct Watch {
    watchers: Vec<Watcher>,
    writes: u64,
    /// How many profiles make it so.
    holders: HashMap<Mailable, u32>,
    /// What each profile makes so.
    of: HashMap<u64, BTreeSet<Mailable>>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Watch").field("writes", &self.writes).finish_non_exhaustive()
    }
}

fn mailable_by(profile: &Profile, switches: &ApsisSwitches) -> BTreeSet<Mailable> {
    let given = profile.consents(switches);
    let given = given.filter(|it| matches!(it.state, ConsentType::OptIn | ConsentType::ConfirmedOptIn));
    let mailable = given.filter_map(|consent| {
        Some(Mailable {
            channel: CHANNELS.get(usize::from(consent.channel))?.0,
            address: profile.address(consent.channel)?.into(),
            topic: TOPICS.get(usize::from(consent.topic))?.0,
        })
    });
    mailable.collect()
}

impl Watch {
    /// Has somebody told from now on.
    pub(crate) fn add(&mut self, watcher: Watcher, profiles: &Profiles, switches: &ApsisSwitches) {
        if self.watchers.is_empty() {
            for (id, profile) in profiles.after(0) {
                self.count(id, mailable_by(profile, switches));
            }
        }
        self.watchers.push(watcher);
    }

    /// Whether anybody watches.
    pub(crate) fn is_on(&self) -> bool {
        !self.watchers.is_empty()
    }

    /// All that is mailable.
    pub(crate) fn all(&self) -> BTreeSet<Mailable> {
        self.holders.keys().cloned().collect()
    }

    /// A write has touched these profiles.
    pub(crate) fn written(&mut self, touched: &[u64], profiles: &Profiles, switches: &ApsisSwitches) {
        self.writes += 1;
        let mut before: HashMap<Mailable, bool> = HashMap::new();
        let mut by = None;
        for id in touched {
            let profile = profiles.get(*id);
            by = by.or_else(|| profile.and_then(|profile| profile.key(CRM)).map(str::to_owned));
            let now = profile.map(|profile| mailable_by(profile, switches)).unwrap_or_default();
            let then = self.of.get(id).cloned().unwrap_or_default();
            for of in now.symmetric_difference(&then) {
                before.entry(of.clone()).or_insert_with(|| self.holders.contains_key(of));
            }
            self.count(*id, now);
        }
        let mut changes: Vec<MailableChange> = before
            .into_iter()
            .filter_map(|(of, was)| {
                let mailable = self.holders.contains_key(&of);
                (mailable != was).then(|| MailableChange {
                    write: self.writes,
                    of,
                    mailable,
                    profile: by.clone(),
                })
            })
            .collect();
        changes.sort_by(|one, other| one.of.cmp(&other.of));
        for change in &changes {
            for watcher in &mut self.watchers {
                watcher(change);
            }
        }
    }

    fn count(&mut self, id: u64, now: BTreeSet<Mailable>) {
        let then = if now.is_empty() { self.of.remove(&id) } else { self.of.insert(id, now.clone()) };
        for of in now {
            *self.holders.entry(of).or_default() += 1;
        }
        for of in then.into_iter().flatten() {
            if let Some(count) = self.holders.get_mut(&of) {
                *count -= 1;
                if *count == 0 {
                    self.holders.remove(&of);
                }
            }
        }
    }
}

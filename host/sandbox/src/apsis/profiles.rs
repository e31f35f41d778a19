//! The profiles of the simulated account: who is found by which key, their attribute values, consents and
//! tags; and every change that the API can make to them.
//!
//! Promises: a (keyspace, key) pair finds none or one profile; a refused change changes nothing; a locked
//! identity is gone for good. Kept compactly: 200,000 profiles with ten values each take about 300 MB.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::attributes::Kept;
use super::definitions::{CHANNELS, CRM, EMAIL, EXPORT, Keyspace, MOBILE, TOPICS, attribute_at};
use super::switches::{ApsisSwitches, TakenKey};

/// A consent's state (developer hub, "Consent 2.0").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentType {
    /// Given.
    OptIn,
    /// Given and confirmed by the person; cannot be set by the API.
    ConfirmedOptIn,
    /// Given, confirmation awaited; cannot be set by the API.
    PendingOptIn,
    /// Refused or withdrawn.
    OptOut,
}

impl ConsentType {
    pub(crate) fn read(text: &str) -> Option<Self> {
        serde_json::from_value(json!(text)).ok()
    }
}

/// One consent of a profile; topic and channel by their place in the definitions.
#[derive(Debug, Clone)]
pub(crate) struct Consent {
    pub(crate) topic: u8,
    pub(crate) channel: u8,
    pub(crate) state: ConsentType,
    pub(crate) source: Box<str>,
    pub(crate) reason: Box<str>,
    pub(crate) modified_at: Timestamp,
    /// The address that the profile had on the channel when it was set.
    pub(crate) address: Option<Box<str>>,
}

impl Consent {
    pub(crate) fn json(&self) -> Value {
        json!({
            "topic_discriminator": TOPICS.get(usize::from(self.topic)).map_or("", |topic| topic.0),
            "channel_discriminator": CHANNELS.get(usize::from(self.channel)).map_or("", |channel| channel.0),
            "type": self.state,
            "source": self.source,
            "reason": self.reason,
            "modified_at": self.modified_at,
        })
    }
}

/// One profile.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profile {
    pub(crate) keys: Vec<(Keyspace, Box<str>)>,
    /// By the attribute's place, ascending.
    attributes: Vec<(u16, Kept)>,
    /// All that were ever set, of former addresses too.
    consents: Vec<Consent>,
    pub(crate) tags: Vec<Box<str>>,
    merges: u32,
    /// How often each attribute was set to a smaller number.
    lowered: Vec<(u16, u32)>,
}

impl Profile {
    pub(crate) fn attribute(&self, place: u16) -> Option<&Kept> {
        let at = self.attributes.binary_search_by_key(&place, |(known, _)| *known).ok()?;
        self.attributes.get(at).map(|(_, value)| value)
    }

    pub(crate) fn set(&mut self, place: u16, value: Option<Kept>) {
        match (self.attributes.binary_search_by_key(&place, |(known, _)| *known), value) {
            (Ok(at), Some(value)) => {
                if let Some(slot) = self.attributes.get_mut(at) {
                    let is_less = value.json().as_f64() < slot.1.json().as_f64();
                    slot.1 = value;
                    if is_less {
                        self.lower(place);
                    }
                }
            }
            (Ok(at), None) => {
                self.attributes.remove(at);
            }
            (Err(at), Some(value)) => self.attributes.insert(at, (place, value)),
            (Err(_), None) => {}
        }
    }

    fn lower(&mut self, place: u16) {
        match self.lowered.iter_mut().find(|(known, _)| *known == place) {
            Some((_, times)) => *times += 1,
            None => self.lowered.push((place, 1)),
        }
    }

    pub(crate) fn attributes(&self) -> impl Iterator<Item = (u16, &Kept)> {
        self.attributes.iter().map(|(place, value)| (*place, value))
    }

    /// Where the channel sends to: the e-mail address in lower case, or the mobile number's digits.
    pub(crate) fn address(&self, channel: u8) -> Option<Box<str>> {
        let keyspace = match CHANNELS.get(usize::from(channel))?.0 {
            "com.apsis1.channels.sms" => MOBILE,
            _ => EMAIL,
        };
        let address = self.attribute(keyspace.mapped_attribute()?)?.key();
        Some(address.to_lowercase().into())
    }

    /// Whether a consent is about what the profile is now.
    fn is_current(&self, consent: &Consent, switches: &ApsisSwitches) -> bool {
        !switches.consents_stay_with_address || consent.address == self.address(consent.channel)
    }

    /// The consents that it has now.
    pub(crate) fn consents<'a>(&'a self, switches: &'a ApsisSwitches) -> impl Iterator<Item = &'a Consent> {
        self.consents.iter().filter(|consent| self.is_current(consent, switches))
    }

    /// The consent that it has now for one topic on one channel.
    pub(crate) fn consent<'a>(
        &'a self,
        topic: u8,
        channel: u8,
        switches: &'a ApsisSwitches,
    ) -> Option<&'a Consent> {
        self.consents(switches).find(|it| it.topic == topic && it.channel == channel)
    }

    /// Puts a consent in the place of the one that it has now, as of the address that it has now.
    pub(crate) fn put_consent(&mut self, mut consent: Consent, switches: &ApsisSwitches) {
        consent.address = self.address(consent.channel);
        let mut kept = std::mem::take(&mut self.consents);
        kept.retain(|known| {
            (known.topic, known.channel) != (consent.topic, consent.channel)
                || !self.is_current(known, switches)
        });
        kept.push(consent);
        self.consents = kept;
    }

    pub(crate) fn key(&self, keyspace: Keyspace) -> Option<&str> {
        self.keys.iter().find(|(known, _)| *known == keyspace).map(|(_, key)| &**key)
    }
}

/// Why a change is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) detail: String,
}

pub(crate) fn refuse<T>(status: u16, detail: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { status, detail: detail.into() })
}

/// A profile as the sandbox dumps it, for comparing.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
pub struct DumpedProfile {
    /// The key in the CRM keyspace, if it has one.
    pub crm_id: Option<String>,
    /// All keys: keyspace discriminator and key.
    pub keys: Vec<(String, String)>,
    /// Attribute discriminator to value.
    pub attributes: BTreeMap<String, Value>,
    /// As the consents API gives them, ordered by topic and channel.
    pub consents: Vec<Value>,
    /// Tag discriminators.
    pub tags: Vec<String>,
    /// Attribute discriminator to how often it was set to a smaller number than it had: where the CRM only
    /// counts up, each time is an old state that was written over a newer one.
    #[serde(default)]
    pub lowered: BTreeMap<String, u32>,
}

/// All profiles.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    all: BTreeMap<u64, Profile>,
    keys: HashMap<(Keyspace, Box<str>), u64>,
    locked: HashSet<(Keyspace, Box<str>)>,
    last: u64,
    /// What was changed since somebody asked.
    touched: Vec<u64>,
}

impl Profiles {
    /// How a key is compared.
    fn normal(keyspace: Keyspace, key: &str, switches: &ApsisSwitches) -> (Keyspace, Box<str>) {
        if keyspace == EMAIL && switches.email_keys_ignore_case {
            return (keyspace, key.to_lowercase().into());
        }
        (keyspace, key.into())
    }

    /// The profile of a key: 410 when locked, `None` when there is none.
    pub(crate) fn find(
        &self,
        keyspace: Keyspace,
        key: &str,
        switches: &ApsisSwitches,
    ) -> Result<Option<u64>, Refusal> {
        let key = Self::normal(keyspace, key, switches);
        if self.locked.contains(&key) {
            return refuse(410, "Profile is locked");
        }
        Ok(self.keys.get(&key).copied())
    }

    pub(crate) fn known(
        &self,
        keyspace: Keyspace,
        key: &str,
        switches: &ApsisSwitches,
    ) -> Result<u64, Refusal> {
        match self.find(keyspace, key, switches)? {
            Some(id) => Ok(id),
            None => refuse(404, "Profile not found"),
        }
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Profile> {
        self.all.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Profile> {
        self.touched.push(id);
        self.all.get_mut(&id)
    }

    /// The profiles that were changed, made or deleted since this was last asked.
    pub(crate) fn take_touched(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.touched)
    }

    pub(crate) fn after(&self, id: u64) -> impl Iterator<Item = (u64, &Profile)> {
        self.all.range(id + 1..).map(|(id, profile)| (*id, profile))
    }

    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// A new profile with its key; its mapped attribute is left to the caller.
    pub(crate) fn create(&mut self, keyspace: Keyspace, key: &str, switches: &ApsisSwitches) -> u64 {
        self.last += 1;
        let id = self.last;
        // The export key is in export files and in the address of a profile's page.
        let export: Box<str> = format!("e{id:015x}").into();
        self.keys.insert((EXPORT, export.clone()), id);
        self.keys.insert(Self::normal(keyspace, key, switches), id);
        let keys = vec![(keyspace, key.into()), (EXPORT, export)];
        self.all.insert(id, Profile { keys, ..Profile::default() });
        id
    }

    /// Sets attributes; with `move_keys` the keys that mirror them follow (version 2).
    pub(crate) fn set(
        &mut self,
        id: u64,
        values: Vec<(u16, Option<Kept>)>,
        move_keys: bool,
        switches: &ApsisSwitches,
    ) -> Result<(), Refusal> {
        if move_keys {
            self.move_keys(id, &values, switches)?;
        }
        if let Some(profile) = self.get_mut(id) {
            for (place, value) in values {
                profile.set(place, value);
            }
        }
        Ok(())
    }

    fn move_keys(
        &mut self,
        id: u64,
        values: &[(u16, Option<Kept>)],
        switches: &ApsisSwitches,
    ) -> Result<(), Refusal> {
        let mut moves = Vec::new();
        for keyspace in [EMAIL, MOBILE, CRM] {
            let Some(mapped) = keyspace.mapped_attribute() else { continue };
            let Some((_, Some(value))) = values.iter().find(|(place, _)| *place == mapped) else { continue };
            let new = value.key();
            let old = self.all.get(&id).and_then(|profile| profile.key(keyspace)).map(str::to_owned);
            if old.as_deref() == Some(new.as_str()) || (old.is_none() && !switches.mapped_attribute_gives_key)
            {
                continue;
            }
            match self.find(keyspace, &new, switches)? {
                Some(other) if other != id => match switches.taken_key {
                    TakenKey::Conflict => return refuse(409, "The value is the key of another profile"),
                    TakenKey::Merge => self.join(id, other, switches),
                },
                _ => moves.push((keyspace, old, new)),
            }
        }
        for (keyspace, old, new) in moves {
            if let Some(old) = old {
                self.keys.remove(&Self::normal(keyspace, &old, switches));
                if let Some(profile) = self.all.get_mut(&id) {
                    profile.keys.retain(|(known, key)| *known != keyspace || **key != *old);
                }
            }
            self.keys.insert(Self::normal(keyspace, &new, switches), id);
            if let Some(profile) = self.all.get_mut(&id) {
                profile.keys.push((keyspace, new.into()));
            }
        }
        Ok(())
    }

    /// Makes two profiles one: the first's values win.
    fn join(&mut self, first: u64, second: u64, switches: &ApsisSwitches) {
        let Some(gone) = self.all.remove(&second) else { return };
        self.touched.push(second);
        for (keyspace, key) in &gone.keys {
            self.keys.insert(Self::normal(*keyspace, key, switches), first);
        }
        let Some(profile) = self.get_mut(first) else { return };
        profile.merges += gone.merges + 1;
        profile.keys.extend(gone.keys);
        for (place, value) in gone.attributes {
            if profile.attribute(place).is_none() {
                profile.set(place, Some(value));
            }
        }
        for consent in gone.consents {
            let same = |known: &Consent| {
                (known.topic, known.channel) == (consent.topic, consent.channel)
                    && (!switches.consents_stay_with_address || known.address == consent.address)
            };
            match profile.consents.iter_mut().find(|known| same(known)) {
                // Which one wins is not documented; the newer one is the natural reading.
                Some(known) if known.modified_at < consent.modified_at => *known = consent,
                Some(_) => {}
                None => profile.consents.push(consent),
            }
        }
        for tag in gone.tags {
            if !profile.tags.contains(&tag) {
                profile.tags.push(tag);
            }
        }
    }

    /// `PUT /audience/profiles/merges`.
    pub(crate) fn merge(
        &mut self,
        pair: [(Keyspace, &str); 2],
        switches: &ApsisSwitches,
    ) -> Result<(), Refusal> {
        let mut ids = Vec::with_capacity(2);
        let locked = pair.map(|(keyspace, key)| self.locked.contains(&Self::normal(keyspace, key, switches)));
        if locked.contains(&true) {
            for (keyspace, key) in pair {
                if let Some(id) = self.keys.get(&Self::normal(keyspace, key, switches)).copied() {
                    self.lock(id, switches);
                } else {
                    self.locked.insert(Self::normal(keyspace, key, switches));
                }
            }
            return Ok(());
        }
        for (keyspace, key) in pair {
            match self.find(keyspace, key, switches)? {
                Some(id) => ids.push(id),
                None if switches.merge_creates && keyspace != EXPORT => {
                    ids.push(self.create(keyspace, key, switches));
                }
                None => return refuse(404, "Profile not found"),
            }
        }
        let (Some(first), Some(second)) = (ids.first().copied(), ids.get(1).copied()) else {
            return refuse(400, "Exactly two profiles are needed");
        };
        if first == second {
            return Ok(());
        }
        let (Some(one), Some(other)) = (self.all.get(&first), self.all.get(&second)) else {
            return refuse(404, "Profile not found");
        };
        for keyspace in [EMAIL, MOBILE, CRM] {
            let Some(mapped) = keyspace.mapped_attribute() else { continue };
            if let (Some(left), Some(right)) = (one.attribute(mapped), other.attribute(mapped))
                && left != right
            {
                let name = attribute_at(mapped).map_or("", |attribute| attribute.name);
                return refuse(409, format!("Profiles have conflicting values for {name}"));
            }
        }
        if one.merges + other.merges + 1 > 500 {
            return refuse(409, "The profile has been merged 500 times");
        }
        self.join(first, second, switches);
        Ok(())
    }

    pub(crate) fn delete(&mut self, id: u64, switches: &ApsisSwitches) {
        let Some(profile) = self.all.remove(&id) else { return };
        self.touched.push(id);
        for (keyspace, key) in profile.keys {
            self.keys.remove(&Self::normal(keyspace, &key, switches));
        }
    }

    /// Deletes the profile and blocks all its keys for ever.
    pub(crate) fn lock(&mut self, id: u64, switches: &ApsisSwitches) {
        let Some(profile) = self.all.remove(&id) else { return };
        self.touched.push(id);
        for (keyspace, key) in profile.keys {
            let key = Self::normal(keyspace, &key, switches);
            self.keys.remove(&key);
            self.locked.insert(key);
        }
    }

    pub(crate) fn dump(profile: &Profile, switches: &ApsisSwitches) -> DumpedProfile {
        let mut consents: Vec<&Consent> = profile.consents(switches).collect();
        consents.sort_by_key(|consent| (consent.topic, consent.channel));
        DumpedProfile {
            crm_id: profile.key(CRM).map(str::to_owned),
            keys: profile
                .keys
                .iter()
                .map(|(keyspace, key)| (keyspace.discriminator().to_owned(), key.to_string()))
                .collect(),
            attributes: profile
                .attributes()
                .filter_map(|(place, value)| {
                    Some((attribute_at(place)?.discriminator.to_owned(), value.json()))
                })
                .collect(),
            consents: consents.into_iter().map(Consent::json).collect(),
            tags: profile.tags.iter().map(ToString::to_string).collect(),
            lowered: profile
                .lowered
                .iter()
                .filter_map(|(place, times)| Some((attribute_at(*place)?.discriminator.to_owned(), *times)))
                .collect(),
        }
    }

    /// What `GET …/attributes` shows, by the current version's id or by discriminator.
    pub(crate) fn values(profile: &Profile, by_version: bool) -> Value {
        let values: Map<String, Value> = profile
            .attributes()
            .filter_map(|(place, value)| {
                let attribute = attribute_at(place)?;
                let name = if by_version { attribute.version } else { attribute.discriminator };
                Some((name.to_owned(), value.json()))
            })
            .collect();
        Value::Object(values)
    }
}

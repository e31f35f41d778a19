//! What APSIS One has, as the simulator itself knows it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sluice_sandbox::{DumpedProfile, Sandbox};

/// An attribute that the sandbox's editor only counts up.
pub const VISITS: &str = "usercreated.attributes.visits-a2s3d4f5g6";

/// A profile's attributes that have a value, and the state of its consents by topic and channel.
pub type Profile = (Map<String, Value>, BTreeMap<(String, String), String>);

/// Every profile that APSIS One has, by the CRM's id.
pub fn profiles(sandbox: &Sandbox) -> BTreeMap<String, Profile> {
    let mut profiles = BTreeMap::new();
    for profile in sandbox.profiles() {
        let id = profile.crm_id.clone().expect("each profile has the CRM's id");
        let twice = profiles.insert(id, (set(&profile), states(&profile)));
        assert!(twice.is_none(), "two profiles have the same id");
    }
    profiles
}

fn set(profile: &DumpedProfile) -> Map<String, Value> {
    let set = profile.attributes.iter().filter(|(_, value)| !value.is_null());
    set.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn states(profile: &DumpedProfile) -> BTreeMap<(String, String), String> {
    let part = |consent: &Value, name: &str| text(&consent[name]);
    let state = |consent: &Value| {
        (
            (part(consent, "topic_discriminator"), part(consent, "channel_discriminator")),
            part(consent, "type"),
        )
    };
    profile.consents.iter().map(state).collect()
}

/// A text of an answer.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

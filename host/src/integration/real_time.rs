//! How an integration takes what the CRM sends as it happens: `[real-time]` of its file.

use jiff::civil::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// When a contact that has no profile gets one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NewContacts {
    /// Once a day, at a set local time.
    #[default]
    Daily,
    /// As soon as a change of it comes in.
    Immediately,
}

/// What becomes of the profile of a contact that the CRM has deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnDelete {
    /// It is deleted, from every section of the account.
    #[default]
    Delete,
    /// It is kept, and opted out of everything.
    OptOut,
}

/// How what the CRM sends is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RealTime {
    /// When new contacts get their profiles.
    pub new_contacts: NewContacts,
    /// When the daily run is due, in the integration's time zone.
    #[serde(with = "clock")]
    #[schema(value_type = String, example = "04:30")]
    pub daily_at: Time,
    /// What becomes of the profiles of deleted contacts.
    pub on_delete: OnDelete,
    /// How often a change is tried before it is a dead letter.
    pub attempts: u32,
    /// How long after a delivery was first sent it is still taken, hours.
    pub accept_within_hours: u32,
    /// How long a delivery is kept after its end, days. Its id is known for as long.
    pub keep_days: u32,
}

impl Default for RealTime {
    fn default() -> Self {
        Self {
            new_contacts: NewContacts::default(),
            daily_at: Time::constant(5, 0, 0, 0),
            on_delete: OnDelete::default(),
            attempts: 10,
            accept_within_hours: 72,
            keep_days: 14,
        }
    }
}

/// `05:00`.
pub(crate) mod clock {
    use jiff::civil::Time;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Time, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&time.strftime("%H:%M").to_string())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
        let text = String::deserialize(from)?;
        Time::strptime("%H:%M", &text)
            .map_err(|_| serde::de::Error::custom("a time of day is written as \"05:00\""))
    }
}

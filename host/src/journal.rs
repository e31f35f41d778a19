//! The vocabulary of the journal: who did what on purpose, and what was so before and after. It holds no secret: an
//! integration's definition names where its secrets are, and nothing else of them is written down.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::Failure;
use crate::integration::IntegrationId;

/// An entry's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct ActNumber(pub i64);

/// What somebody is about to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAct {
    /// Who.
    pub who: String,
    /// What: `integration.apply`, `run.start`.
    pub what: &'static str,
    /// With which integration.
    pub integration: Option<IntegrationId>,
    /// With what of it: a run's number, a contact's id, a token's.
    pub about: Option<String>,
}

/// How it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActEnd {
    /// What was so before, where it changed.
    pub before: Option<serde_json::Value>,
    /// What is so now.
    pub after: Option<serde_json::Value>,
    /// Why it was not done.
    pub failure: Option<Failure>,
}

/// Something that somebody did.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Act {
    /// Its number: later ones have greater ones.
    pub number: ActNumber,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What.
    pub what: String,
    /// With which integration.
    pub integration: Option<IntegrationId>,
    /// With what of it.
    pub about: Option<String>,
    /// What was so before, where it changed.
    pub before: Option<serde_json::Value>,
    /// What was so then.
    pub after: Option<serde_json::Value>,
    /// Why it was not done.
    pub failure: Option<Failure>,
    /// When it ended; none: the host was stopped in the middle of it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
}

/// Which entries are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActFilter {
    /// Only those with this integration.
    pub integration: Option<IntegrationId>,
    /// Only those older than this one.
    pub before: Option<ActNumber>,
}

//! How long it is known why: `[story]` of an integration's file.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How long it is known why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct StorySettings {
    /// How long it is kept what a contact looked like when it was last read, and what was done for it, days.
    pub keep_days: u32,
}

impl Default for StorySettings {
    fn default() -> Self {
        Self { keep_days: 90 }
    }
}

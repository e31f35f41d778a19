//! What of the simulated webCRM can be set while it runs: what its pages leave open, and what can go wrong.

use serde::{Deserialize, Serialize};

/// Who is in the simulated webCRM, and how it behaves.
#[derive(Debug, Clone, Default)]
pub struct WebcrmConfig {
    /// How many made-up persons.
    pub persons: u64,
    /// Another seed, other people.
    pub seed: u64,
    /// The application token; random when not given.
    pub token: Option<String>,
    /// How it behaves.
    pub switches: WebcrmSwitches,
    /// How its hooks are sent.
    pub hooks: crate::WebhookSwitches,
    /// The port; 0 for any.
    pub port: u16,
}

/// What the body of a hook is. No page of webCRM says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookBody {
    /// The record's address, as text.
    Address,
    /// An object with the record's address.
    AddressInObject,
    /// The whole record; of a deleted one, its id.
    Record,
    /// The id as a number.
    Number,
}

/// The switches. Where webCRM's pages leave something open, the default is the harder choice, but for `/Queries`: it
/// is not in the published definition, and in the vendor's own code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebcrmSwitches {
    /// Whether `/Queries` is there; otherwise 404.
    pub queries: bool,
    /// Whether scripts may compare with bare numbers; otherwise 400.
    pub numbers_in_queries: bool,
    /// Whether lists come with those that changed last first, so that whoever is changed moves; otherwise by id. A
    /// query without `ORDER BY` does the same.
    pub lists_by_change: bool,
    /// What an access token's answer says that it lives.
    pub expires_in_seconds: u64,
    /// How long it lives in truth, where that is another time.
    pub lives_millis: Option<u64>,
    /// Whether there is a rate limit.
    pub limited: bool,
    /// Requests in any window.
    pub rate_limit: usize,
    /// The window's length in seconds.
    pub rate_window_seconds: u64,
    /// What the body of a hook is.
    pub hook_body: HookBody,
}

impl Default for WebcrmSwitches {
    fn default() -> Self {
        Self {
            queries: true,
            numbers_in_queries: true,
            lists_by_change: true,
            expires_in_seconds: 3600,
            lives_millis: None,
            limited: true,
            rate_limit: 250,
            rate_window_seconds: 60,
            hook_body: HookBody::Address,
        }
    }
}

//! What a call finds around it: whose it is, its settings and secrets, where it may go, its limits.
//!
//! Built once when a connection is opened, shared by all its calls, never changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::egress::Origin;
use super::limits::Limits;
use super::outbound::Clients;
use super::pace::{Pace, RateLimit};
use super::redact::{Hidden, Redactor};
use super::session::{Session, Sessions};
use super::stand_in::StandIn;
use crate::integration::IntegrationId;
use crate::reach::Network;

/// What all connections of this process share.
pub(super) struct Shared {
    pub(super) clients: Clients,
    pub(super) pace: Pace,
    pub(super) sessions: Sessions,
}

/// What the calls of one connection share.
pub(super) struct Environment {
    pub(super) integration: IntegrationId,
    pub(super) settings: BTreeMap<String, String>,
    pub(super) secrets: BTreeMap<String, SecretString>,
    /// The secrets, as they must not be seen.
    pub(super) hidden: Hidden,
    pub(super) origins: BTreeSet<Origin>,
    pub(super) network: Network,
    pub(super) limits: Arc<Limits>,
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) session: Arc<Session>,
    pub(super) shared: Arc<Shared>,
    /// Who stands between the connector and its CRM; none but when a connector is tried.
    pub(super) stand_in: Option<Arc<dyn StandIn>>,
}

/// A secret that is being replaced is kept under its name with this behind it, until no delivery
/// signed with it is on its way any more.
pub(super) const PREVIOUS: &str = ".previous";

impl Environment {
    /// What must not be seen: the secrets, and what the session holds; a token is as secret as what
    /// bought it.
    pub(super) fn redactor(&self) -> Redactor {
        Redactor::new([self.hidden.clone(), self.session.hidden()])
    }

    /// The value of a secret.
    pub(super) fn secret(&self, name: &str) -> Option<&str> {
        self.secrets.get(name).map(SecretString::expose_secret)
    }

    /// The value of a secret and, while it is being replaced, the one before.
    pub(super) fn secrets_of(&self, name: &str) -> impl Iterator<Item = &str> {
        [self.secret(name), self.secret(&format!("{name}{PREVIOUS}"))].into_iter().flatten()
    }
}

//! For whoever writes a connector: tries one by itself, without the rest of the host and without APSIS One.
//!
//! - [`testing`] runs it against recorded exchanges and compares what it says with what is expected;
//! - [`recording`] makes such recordings, of a real CRM or a simulated one, without its people and secrets;
//! - [`check`] tries the rules that every connector has to keep;
//! - [`fixture`] is how recordings are written down; [`trial`] starts a CRM that connectors may be tried against;
//! - [`report`] says what came of it, for people and for machines; [`scaffold`] begins a new connector.
//!
//! A connector is called here as the host calls it, in the same engine and within the same limits. Nothing here knows of
//! the store, the rules or any particular CRM.

pub mod check;
mod fault;
pub mod fixture;
mod json_text;
mod question;
pub mod recording;
mod replay;
pub mod report;
pub mod scaffold;
mod scrub;
pub mod testing;
pub mod trial;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use secrecy::SecretString;

use crate::connector::{Connection, ConnectionSettings, Connector, Limits, OpenError, StandIn};
use crate::error::ErrorCode;
use crate::integration::{Grant, IntegrationId};

pub use question::{Answer, Question};

/// What a connector is opened with when it is tried.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// The settings, by name.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// The secrets, by name.
    pub secrets: BTreeMap<String, SecretString>,
    /// The origins that it may reach; none given: those that it asks for.
    pub origins: Option<Vec<String>>,
    /// The limits of each call that are not the host's own.
    pub limits: BTreeMap<String, u64>,
}

/// Why a connector cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// A file cannot be read or written.
    #[error("{path}: {problem}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The program that plays the CRM does not.
    #[error("the CRM that was started with `{command}` {problem}")]
    Trial {
        /// How it was started.
        command: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The connector cannot be opened.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// What was recorded cannot be played back.
    #[error("{0}")]
    NotReplayed(String),
    /// Rules of the check are broken.
    #[error("the connector breaks {0} of the rules; each says how to mend it")]
    RulesBroken(usize),
    /// Cases of the test failed.
    #[error("{0} cases do not come out as expected; each says where")]
    CasesFailed(usize),
}

impl ErrorCode for KitError {
    fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "kit-file",
            Self::Trial { .. } => "kit-trial-crm",
            Self::Open(error) => error.code(),
            Self::NotReplayed(_) => "kit-not-replayed",
            Self::RulesBroken(_) => "kit-rules-broken",
            Self::CasesFailed(_) => "kit-cases-failed",
        }
    }
}

impl KitError {
    fn file(path: impl Into<PathBuf>, problem: impl ToString) -> Self {
        Self::File { path: path.into(), problem: problem.to_string() }
    }
}

/// Connections that are tried, so that none has the session of another.
static TRIED: AtomicU64 = AtomicU64::new(0);

impl Setting {
    /// Opens a connection to try a connector, with a session of its own.
    ///
    /// # Errors
    /// The settings do not fit what the connector asks for.
    pub fn open(&self, connector: &Connector, stand_in: Arc<dyn StandIn>) -> Result<Connection, KitError> {
        let limits = Limits::from(&self.limits).map_err(|error| KitError::NotReplayed(error.to_string()))?;
        let number = TRIED.fetch_add(1, Ordering::Relaxed);
        let origins = self.origins.clone().unwrap_or_else(|| connector.wanted_origins(&self.settings));
        let settings = ConnectionSettings {
            integration: IntegrationId(format!("trial-{number}")),
            settings: self.settings.clone(),
            secrets: self.secrets.clone(),
            // A simulated CRM is on this machine, and with recordings nothing is reached at all.
            grant: Grant { origins, private_network: true },
            limits,
        };
        Ok(Connection::try_out(connector, settings, stand_in)?)
    }
}

//! Why a run cannot go on. What concerns one contact only is a `Reason`, not an error.

use crate::apsis::ApsisError;
use crate::connector::{CallError, CatalogueError, LimitsError, LoadError, OpenError};
use crate::data_dir::DataDirError;
use crate::error::ErrorCode;
use crate::integration::IntegrationError;
use crate::keys::KeyError;
use crate::overview::OverviewError;
use crate::rules::{RulesError, TypeClash};
use crate::run::RunId;
use crate::secret::SecretPlace;
use crate::store::StoreError;
use crate::upgrade::UpgradeError;

/// Why a run stopped, or could not start.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The CRM, or the connector that speaks to it.
    #[error(transparent)]
    Crm(#[from] CallError),
    /// The component cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The component is not in the store.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The connector's settings, secrets or grants do not fit.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A limit is unknown or no limit.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// The integration's secrets cannot be read.
    #[error(transparent)]
    Integration(#[from] IntegrationError),
    /// A secret in the store does not open.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A secret that is to be in the store is not.
    #[error("the secret {name} of {integration} is not in the store; set it: `sluice secrets set {integration} {name}`",
        integration = .0.integration, name = .0.name)]
    SecretNotSet(SecretPlace),
    /// The rules cannot be used.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// A rule does not fit the types of what it names.
    #[error(transparent)]
    Type(#[from] TypeClash),
    /// An overview.
    #[error(transparent)]
    Overview(#[from] OverviewError),
    /// Another version of the connector cannot be used.
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
    /// APSIS One.
    #[error(transparent)]
    Apsis(#[from] ApsisError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A rule names what the CRM does not have. Going on would clear that attribute of everybody.
    #[error(
        "{row} names {name}, which the CRM does not have; {near}. Correct the name, and apply the integration again"
    )]
    NotInCrm {
        /// Which row.
        row: String,
        /// What it names.
        name: String,
        /// What there is.
        near: String,
    },
    /// The connector says where reading goes on, and it is where it was.
    #[error(
        "the connector returned the cursor that it was given, so that reading would never end; nothing was lost, but \
         this connector needs mending: tell its author"
    )]
    CursorRepeated,
    /// An import that an earlier run had begun has not ended.
    #[error(
        "APSIS One still works on an import of a full sync that was cancelled or failed, and would bring back what is \
         deleted now; it is waited for, and the rest is done then"
    )]
    ImportUnderWay,
    /// What is remembered of a contact lacks what a rule names.
    #[error(
        "what is known of the contacts is not enough: it was read without the field {field}, which {row} names. Start a \
         full sync that reads the CRM: `sluice sync start`"
    )]
    FieldNotKnown {
        /// The field.
        field: String,
        /// Which rule.
        row: String,
    },
    /// A run began while an audit read.
    #[error(
        "run {0} began while the audit read, so that what it found would be wrong; when that has ended, audit again. \
         `sluice sync list` shows whether it has"
    )]
    AuditOvertaken(RunId),
}

impl ErrorCode for SyncError {
    fn code(&self) -> &'static str {
        match self {
            Self::Crm(error) => error.code(),
            Self::Load(error) => error.code(),
            Self::Catalogue(error) => error.code(),
            Self::Open(error) => error.code(),
            Self::Limits(error) => error.code(),
            Self::Integration(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::SecretNotSet(_) => "secret-not-set",
            Self::Rules(error) => error.code(),
            Self::Type(error) => error.code(),
            Self::Overview(error) => error.code(),
            Self::Upgrade(error) => error.code(),
            Self::Apsis(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::DataDir(error) => error.code(),
            Self::NotInCrm { .. } => "mapping-not-in-crm",
            Self::CursorRepeated => "cursor-repeated",
            Self::AuditOvertaken(_) => "audit-overtaken",
            Self::ImportUnderWay => "import-under-way",
            Self::FieldNotKnown { .. } => "known-not-enough",
        }
    }
}

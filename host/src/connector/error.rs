//! What can go wrong between the host and a connector, and what to do next.
//!
//! Three moments, three types: a component that cannot be loaded ([`LoadError`]), a connection that
//! cannot be opened ([`OpenError`]), a call that ends without an answer ([`CallError`]). What a
//! connector says in its own words has passed the redactor before it gets here.

use std::time::Duration;

use super::limits::Limit;
use crate::error::ErrorCode;

/// Why a component is no connector for this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Not WebAssembly.
    #[error("this is not a WebAssembly file; give the connector's .wasm file")]
    NotWasm,
    /// A core module.
    #[error(
        "this is a WebAssembly core module, not a component; build the connector for the target \
         wasm32-wasip2, which makes components"
    )]
    CoreModule,
    /// It cannot be compiled.
    #[error("this component cannot be compiled: {0}; build it again, or ask its author")]
    Invalid(String),
    /// Another version of the contract.
    #[error(
        "this connector exports {found}; this host speaks {spoken}. Build the connector against the \
         contract {spoken}, or run a host that speaks {found}"
    )]
    OtherVersion {
        /// The package it exports, with its version.
        found: String,
        /// The package this host speaks.
        spoken: String,
    },
    /// A component of some other world.
    #[error(
        "this component is no connector: it exports {exports}, and not `{missing}` of {spoken}, which \
         every connector exports"
    )]
    NotAConnector {
        /// What it exports, or "nothing".
        exports: String,
        /// The first interface that is missing.
        missing: &'static str,
        /// The package this host speaks.
        spoken: String,
    },
    /// It asks for something that no connector gets.
    #[error(
        "this connector imports `{import}`, which this host does not offer; a connector may import the \
         interfaces of {spoken} and what its language needs of WASI 0.2"
    )]
    ForeignImport {
        /// As the component names it.
        import: String,
        /// The package this host speaks.
        spoken: String,
    },
    /// Right names, wrong shapes.
    #[error(
        "this connector was built against a contract that differs from {spoken} in `{interface}`: \
         {difference}. Build it again against {spoken}"
    )]
    Mismatch {
        /// Where.
        interface: String,
        /// The first difference.
        difference: String,
        /// The package this host speaks.
        spoken: String,
    },
    /// `describe` did not answer.
    #[error("the connector cannot describe itself: {0}; ask its author")]
    Describe(CallError),
    /// What `describe` says cannot be used.
    #[error("the connector's description is wrong: {field} {problem}; ask its author")]
    Description {
        /// The part of the description.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The host's own doing.
    #[error("the connector engine cannot start: {0}")]
    Host(String),
}

impl ErrorCode for LoadError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotWasm => "component-not-wasm",
            Self::CoreModule => "component-core-module",
            Self::Invalid(_) => "component-invalid",
            Self::OtherVersion { .. } => "component-other-version",
            Self::NotAConnector { .. } => "component-not-a-connector",
            Self::ForeignImport { .. } => "component-foreign-import",
            Self::Mismatch { .. } => "component-mismatch",
            Self::Describe(_) => "component-describe",
            Self::Description { .. } => "component-description",
            Self::Host(_) => "component-engine",
        }
    }
}

/// Why a connection cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A setting does not fit the connector's schema.
    #[error("integration {integration}: setting `{setting}` {problem}")]
    Setting {
        /// Whose.
        integration: String,
        /// Which: a name, or a path below it.
        setting: String,
        /// What is wrong and what is wanted; never the value.
        problem: String,
    },
    /// A secret is missing, unknown, or given as a setting.
    #[error("integration {integration}: secret `{secret}` {problem}")]
    Secret {
        /// Whose.
        integration: String,
        /// Which.
        secret: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The operator has not granted what the connector wants to reach.
    #[error(
        "integration {integration}: the connector wants to reach {origins}, which is not granted; add it to \
         `grant.origins`, or correct the setting it comes from"
    )]
    NotGranted {
        /// Whose.
        integration: String,
        /// The origins, joined by commas.
        origins: String,
    },
    /// An origin that is none.
    #[error("integration {integration}: {origin} cannot be an origin: {problem}")]
    Origin {
        /// Whose.
        integration: String,
        /// As granted, or as wanted.
        origin: String,
        /// What is wrong.
        problem: String,
    },
}

impl ErrorCode for OpenError {
    fn code(&self) -> &'static str {
        match self {
            Self::Setting { .. } => "connection-setting",
            Self::Secret { .. } => "connection-secret",
            Self::NotGranted { .. } => "connection-not-granted",
            Self::Origin { .. } => "connection-origin",
        }
    }
}

/// What a connector's own error asks for (`error-kind` of the contract).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the contract's case of the same name")]
pub enum SaidKind {
    Unauthorized,
    Misconfigured,
    RateLimited,
    Unavailable,
    CursorExpired,
    Malformed,
    Unsupported,
    Other,
}

/// Why a call ended without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The connector's own error.
    #[error("{call}: {message}")]
    Said {
        /// The function that was called.
        call: &'static str,
        /// What it asks for.
        kind: SaidKind,
        /// For the user.
        message: String,
        /// How long to wait first.
        retry_after: Option<Duration>,
        /// More, by name: `http.status`, `crm.code`.
        details: Vec<(String, String)>,
    },
    /// It went beyond a limit.
    #[error(
        "{call}: the connector went beyond the limit `{limit}`: {allowed} {unit}. Ask the connector's author, \
         or raise the limit in the integration's [limits]", unit = limit.unit()
    )]
    Limit {
        /// The function that was called.
        call: &'static str,
        /// Which limit.
        limit: Limit,
        /// Its value.
        allowed: u64,
    },
    /// It asked for what the operator has not granted, and could not do without.
    #[error("{call}: the host refused a request of the connector: {refusal}")]
    Denied {
        /// The function that was called.
        call: &'static str,
        /// What was refused, why, and what to do.
        refusal: String,
    },
    /// It crashed.
    #[error("{call}: the connector crashed: {reason}. Report it to the connector's author")]
    Crashed {
        /// The function that was called.
        call: &'static str,
        /// The trap, where it happened, and the end of its standard error.
        reason: String,
    },
    /// Its answer breaks the contract.
    #[error(
        "{call}: the connector's answer is wrong: {field} {problem}. Report it to the connector's author"
    )]
    Malformed {
        /// The function that was called.
        call: &'static str,
        /// Where in the answer.
        field: String,
        /// What is wrong; never the value.
        problem: String,
    },
    /// It does not export that.
    #[error(
        "this connector does not offer `{interface}`; the CRM cannot do that, or a newer connector is needed"
    )]
    NotOffered {
        /// The interface.
        interface: &'static str,
    },
    /// The host could not do its part.
    #[error("{call}: the host could not run the connector: {reason}")]
    Host {
        /// The function that was called.
        call: &'static str,
        /// What happened.
        reason: String,
    },
}

/// What to do after a call without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// The same call again, not before `after`; with a growing pause where none is given.
    Retry {
        /// What the CRM asked for.
        after: Option<Duration>,
    },
    /// Nothing until somebody mends a setting, a credential or a grant.
    StopUntilMended,
    /// From the beginning, without a cursor.
    StartAgain,
    /// Nothing: the same call would end the same.
    GiveUp,
}

impl CallError {
    /// Whether the connector itself did what it must not; not where its CRM or the host could not.
    pub fn is_fault(&self) -> bool {
        match self {
            Self::Limit { limit: Limit::WallMs, .. }
            | Self::Said { .. }
            | Self::NotOffered { .. }
            | Self::Host { .. } => false,
            Self::Limit { .. } | Self::Denied { .. } | Self::Crashed { .. } | Self::Malformed { .. } => true,
        }
    }

    /// What to do next. The one place that decides it.
    pub fn next_step(&self) -> NextStep {
        match self {
            Self::Said { kind, retry_after, .. } => match kind {
                SaidKind::Unauthorized | SaidKind::Misconfigured => NextStep::StopUntilMended,
                SaidKind::RateLimited | SaidKind::Unavailable => NextStep::Retry { after: *retry_after },
                SaidKind::CursorExpired => NextStep::StartAgain,
                SaidKind::Malformed | SaidKind::Unsupported | SaidKind::Other => NextStep::GiveUp,
            },
            // How long a call takes depends on the CRM; every other limit on the connector alone.
            Self::Limit { limit: Limit::WallMs, .. } | Self::Host { .. } => NextStep::Retry { after: None },
            Self::Denied { .. } => NextStep::StopUntilMended,
            Self::Limit { .. } | Self::Crashed { .. } | Self::Malformed { .. } | Self::NotOffered { .. } => {
                NextStep::GiveUp
            }
        }
    }
}

impl ErrorCode for CallError {
    fn code(&self) -> &'static str {
        match self {
            Self::Said { kind, .. } => match kind {
                SaidKind::Unauthorized => "crm-unauthorized",
                SaidKind::Misconfigured => "crm-misconfigured",
                SaidKind::RateLimited => "crm-rate-limited",
                SaidKind::Unavailable => "crm-unavailable",
                SaidKind::CursorExpired => "crm-cursor-expired",
                SaidKind::Malformed => "crm-malformed",
                SaidKind::Unsupported => "crm-unsupported",
                SaidKind::Other => "crm-error",
            },
            Self::Limit { limit, .. } => limit.code(),
            Self::Denied { .. } => "connector-denied",
            Self::Crashed { .. } => "connector-crashed",
            Self::Malformed { .. } => "connector-malformed",
            Self::NotOffered { .. } => "connector-not-offered",
            Self::Host { .. } => "connector-host",
        }
    }
}

//! What can be wrong with a set-up. Values are in no message: some of them are secrets.

use super::settings::Origin;
use crate::error::ErrorCode;

/// What can be wrong with a set-up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("the configuration {file} cannot be read ({problem}); check its path and its permissions")]
    Unreadable {
        /// Which.
        file: String,
        /// What the system said.
        problem: String,
    },
    /// A file is no TOML.
    #[error("the configuration is no TOML ({origin}): {problem}. Mend that line")]
    Malformed {
        /// Where.
        origin: Origin,
        /// What is wrong there.
        problem: String,
    },
    /// No such setting.
    #[error("there is no setting `{key}` ({origin}); `sluice config default` shows all that there are")]
    Unknown {
        /// As written.
        key: String,
        /// Where.
        origin: Origin,
    },
    /// A value that cannot be so.
    #[error("the setting `{key}` ({origin}) cannot be so: {problem}")]
    Invalid {
        /// Which.
        key: String,
        /// Where the value came from.
        origin: Origin,
        /// What is wrong with it.
        problem: String,
    },
    /// The program's own file lacks a setting, or has another kind of it.
    #[error("config.default.toml has no proper value for `{0}`; this is a fault of the program, report it")]
    Defaults(String),
}

impl ErrorCode for ConfigError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "config-unreadable",
            Self::Malformed { .. } => "config-malformed",
            Self::Unknown { .. } => "config-unknown",
            Self::Invalid { key, .. } if key == "server.public-url" => "public-url-invalid",
            Self::Invalid { .. } => "config-invalid",
            Self::Defaults(_) => "config-defaults",
        }
    }
}

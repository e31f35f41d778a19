//! The limits of one connector call.
//!
//! Every limit has a value: the program's are in `host/limits.default.toml`, which is part of the
//! binary, and an integration may change each by name. A value of nought is refused, because nought
//! has no useful meaning for any of them and reads like "no limit".

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::error::ErrorCode;

const DEFAULTS: &str = include_str!("../../limits.default.toml");

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $unit:literal;)*) => {
        /// A limit, by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Limit { $($(#[$doc])* $name,)* }

        impl Limit {
            /// Every limit there is.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name as files and errors have it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The code of the error that a breach ends in.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => concat!("connector-limit-", $text),)* }
            }

            /// What the value counts.
            pub fn unit(self) -> &'static str {
                match self { $(Self::$name => $unit,)* }
            }
        }
    };
}

limits! {
    /// The connector's own code.
    CpuMs = "cpu-ms", "ms of computing";
    /// The call in all.
    WallMs = "wall-ms", "ms in all";
    /// Memory.
    MemoryBytes = "memory-bytes", "bytes of memory";
    /// All tables.
    TableEntries = "table-entries", "entries in tables";
    /// Requests to the CRM.
    Requests = "requests", "requests to the CRM";
    /// One request until its answer is there.
    RequestMs = "request-ms", "ms for one request";
    /// One request: address, headers and body.
    RequestBytes = "request-bytes", "bytes in one request";
    /// One answer's body.
    ResponseBytes = "response-bytes", "bytes in one answer of the CRM";
    /// All answers' bodies.
    ResponsesBytes = "responses-bytes", "bytes in all answers of the CRM";
    /// Redirects of one request.
    Redirects = "redirects", "redirects of one request";
    /// What is handed to the host at once.
    ResultBytes = "result-bytes", "bytes handed to the host at once";
    /// What a page holds.
    PageRecords = "page-records", "records in a page";
    /// Values put into the session.
    SessionPuts = "session-puts", "values put into the session";
    /// A cursor.
    CursorBytes = "cursor-bytes", "bytes in a cursor";
    /// Log lines.
    LogLines = "log-lines", "lines of log";
    /// Log in all.
    LogBytes = "log-bytes", "bytes of log";
    /// One log line, which is cut there.
    LogLineBytes = "log-line-bytes", "bytes in a line of log";
}

impl fmt::Display for Limit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A limits table that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    /// No such limit.
    #[error("there is no limit `{name}`; the limits are: {}", known())]
    Unknown {
        /// As written.
        name: String,
    },
    /// Nought.
    #[error("limit `{limit}` is 0; give it a value of at least 1")]
    Zero {
        /// Which.
        limit: Limit,
    },
    /// The program's own file lacks it.
    #[error("limits.default.toml gives no value for `{limit}`; this is a fault of the program, report it")]
    Missing {
        /// Which.
        limit: Limit,
    },
    /// The program's own file cannot be read.
    #[error("limits.default.toml cannot be read: {0}; this is a fault of the program, report it")]
    Unreadable(String),
}

impl ErrorCode for LimitsError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "limit-unknown",
            Self::Zero { .. } => "limit-zero",
            Self::Missing { .. } | Self::Unreadable(_) => "limit-defaults",
        }
    }
}

fn known() -> String {
    Limit::ALL.iter().map(|limit| limit.name()).collect::<Vec<_>>().join(", ")
}

/// A value for every limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    values: BTreeMap<Limit, u64>,
}

impl Limits {
    /// The program's limits, with those that an integration gives in their place.
    pub fn from(overrides: &BTreeMap<String, u64>) -> Result<Self, LimitsError> {
        let mut table: BTreeMap<String, u64> =
            toml::from_str(DEFAULTS).map_err(|error| LimitsError::Unreadable(error.to_string()))?;
        for (name, value) in overrides {
            if !Limit::ALL.iter().any(|limit| limit.name() == name) {
                return Err(LimitsError::Unknown { name: name.clone() });
            }
            table.insert(name.clone(), *value);
        }
        let mut values = BTreeMap::new();
        for limit in Limit::ALL {
            match table.get(limit.name()) {
                None => return Err(LimitsError::Missing { limit: *limit }),
                Some(0) => return Err(LimitsError::Zero { limit: *limit }),
                Some(value) => values.insert(*limit, *value),
            };
        }
        Ok(Self { values })
    }

    /// The value of a limit, in its unit.
    pub fn get(&self, limit: Limit) -> u64 {
        // `from` fills in every limit; a limit that were not there would allow nothing.
        self.values.get(&limit).copied().unwrap_or(0)
    }

    /// The value as a size in memory.
    pub(super) fn size(&self, limit: Limit) -> usize {
        usize::try_from(self.get(limit)).unwrap_or(usize::MAX)
    }

    /// The value of a limit in milliseconds as a time.
    pub(super) fn time(&self, limit: Limit) -> Duration {
        Duration::from_millis(self.get(limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_default_and_the_file_has_nothing_else() {
        let limits = Limits::from(&BTreeMap::new()).unwrap();
        let file: BTreeMap<String, u64> = toml::from_str(DEFAULTS).unwrap();
        assert_eq!(file.len(), Limit::ALL.len());
        for limit in Limit::ALL {
            assert_eq!(limits.get(*limit), file[limit.name()], "{limit}");
        }
    }

    #[test]
    fn an_integration_changes_a_limit_by_name() {
        let limits = Limits::from(&BTreeMap::from([("cpu-ms".to_owned(), 7)])).unwrap();
        assert_eq!(limits.get(Limit::CpuMs), 7);
    }

    #[test]
    fn an_unknown_limit_and_nought_are_refused() {
        let unknown = Limits::from(&BTreeMap::from([("cpu".to_owned(), 7)])).unwrap_err();
        assert_eq!(unknown.code(), "limit-unknown");
        assert!(unknown.to_string().contains("cpu-ms"), "{unknown}");
        let zero = Limits::from(&BTreeMap::from([("wall-ms".to_owned(), 0)])).unwrap_err();
        assert_eq!(zero, LimitsError::Zero { limit: Limit::WallMs });
    }
}

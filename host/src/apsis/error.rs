//! Why APSIS One could not be asked, or said no.
//!
//! A message holds the operation, the HTTP status and words that are known to be safe (see
//! `problem`); never a body, an address, a profile's value or a credential.

use std::fmt;
use std::time::Duration;

use crate::error::ErrorCode;
use crate::reason::{Reason, ReasonCode};

/// What was being done, as messages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words in `as_str` say it")]
pub enum Operation {
    Token,
    ReadKeyspaces,
    ReadSections,
    ReadChannels,
    ReadAttributes,
    ReadTopics,
    ReadTags,
    WriteAttributes,
    ReadProfile,
    CreateProfile,
    ReadConsents,
    WriteConsent,
    DeleteProfile,
    MergeProfiles,
    WriteTags,
    StartImport,
    UploadImport,
    ReadImport,
    StartExport,
    DownloadExport,
}

impl Operation {
    /// The words that follow "while".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "getting an access token",
            Self::ReadKeyspaces => "reading the keyspaces",
            Self::ReadSections => "reading the sections",
            Self::ReadChannels => "reading the channels",
            Self::ReadAttributes => "reading the attributes",
            Self::ReadTopics => "reading the subscriptions",
            Self::ReadTags => "reading the tags",
            Self::WriteAttributes => "writing a profile's attributes",
            Self::ReadProfile => "reading a profile's attributes",
            Self::CreateProfile => "creating a profile",
            Self::ReadConsents => "reading a profile's consents",
            Self::WriteConsent => "writing a consent",
            Self::DeleteProfile => "deleting a profile",
            Self::MergeProfiles => "merging two profiles",
            Self::WriteTags => "writing a profile's tags",
            Self::StartImport => "starting an import",
            Self::UploadImport => "uploading an import's file",
            Self::ReadImport => "reading an import's state",
            Self::StartExport => "asking for an export",
            Self::DownloadExport => "downloading an export",
        }
    }

    /// The word that is counted by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::ReadKeyspaces => "read-keyspaces",
            Self::ReadSections => "read-sections",
            Self::ReadChannels => "read-channels",
            Self::ReadAttributes => "read-attributes",
            Self::ReadTopics => "read-topics",
            Self::ReadTags => "read-tags",
            Self::WriteAttributes => "write-attributes",
            Self::ReadProfile => "read-profile",
            Self::CreateProfile => "create-profile",
            Self::ReadConsents => "read-consents",
            Self::WriteConsent => "write-consent",
            Self::DeleteProfile => "delete-profile",
            Self::MergeProfiles => "merge-profiles",
            Self::WriteTags => "write-tags",
            Self::StartImport => "start-import",
            Self::UploadImport => "upload-import",
            Self::ReadImport => "read-import",
            Self::StartExport => "start-export",
            Self::DownloadExport => "download-export",
        }
    }

    /// Whether its limit counts by the minute (see `limits`) rather than by the second.
    pub(super) fn counts_by_minute(self) -> bool {
        matches!(self, Self::Token | Self::StartImport | Self::DownloadExport)
    }

    /// Whether it concerns one profile, so that a refusal is about that contact and not the run.
    pub(super) fn of_one_profile(self) -> bool {
        matches!(
            self,
            Self::WriteAttributes
                | Self::ReadProfile
                | Self::CreateProfile
                | Self::ReadConsents
                | Self::WriteConsent
                | Self::DeleteProfile
                | Self::MergeProfiles
                | Self::WriteTags
        )
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// What an error means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// This contact cannot be written; the others can.
    Contact(ReasonCode),
    /// APSIS One did not answer, or asked to wait, until all attempts were used up. A later run may
    /// succeed; for one contact the reason is `not-written`.
    Exhausted,
    /// The API key is not accepted.
    Credentials,
    /// The API key may not do this: its sections, its keyspaces or the keyspace's own permissions.
    Permission,
    /// A setting names what is not there, or an address that may not be reached.
    Settings,
    /// APSIS One answered what this client cannot read.
    Protocol,
    /// The host's own disk failed.
    Local,
    /// This host may not write any more.
    Stopped,
}

/// Why the network gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No connection could be made.
    Connect,
    /// No answer in time.
    Timeout,
    /// The connection broke.
    Broken,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Connect => "no connection could be made",
            Self::Timeout => "there was no answer in time",
            Self::Broken => "the connection broke",
        })
    }
}

/// Why APSIS One could not be asked, or said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApsisError {
    /// Nothing is sent any more.
    #[error(
        "this host no longer holds the integration, so that nothing is sent for it; the host that does goes on from here"
    )]
    Stopped,
    /// No answer, after all attempts.
    #[error(
        "APSIS One could not be reached while {operation}: {fault}. Check the network and `apsis.url`; a later run goes on from here"
    )]
    Unreachable {
        #[expect(missing_docs, reason = "the type says it")]
        operation: Operation,
        #[expect(missing_docs, reason = "the type says it")]
        fault: Fault,
    },
    /// An answer that asks to try again, after all attempts: 408, 429, 500, 502, 503, 504.
    #[error(
        "APSIS One answered {status} again and again while {operation}. Try later; if it stays so, ask APSIS support"
    )]
    Busy {
        #[expect(missing_docs, reason = "the type says it")]
        operation: Operation,
        /// The last HTTP status.
        status: u16,
        /// What the last answer's Retry-After asked for.
        retry_after: Option<Duration>,
    },
    /// The token endpoint refused the API key, or a new token was refused at once.
    #[error(
        "APSIS One does not accept the API key (HTTP {status}). Check `apsis.client-id` and the secret, and whether the key still exists under Account settings > API management"
    )]
    Credentials {
        #[expect(missing_docs, reason = "the HTTP status")]
        status: u16,
    },
    /// 403 with a new token.
    #[error(
        "APSIS One does not permit {operation}{hint}. Give the API key the section and the keyspace under Account settings > API management, and the keyspace write permission for the mapped attributes"
    )]
    Denied {
        #[expect(missing_docs, reason = "the type says it")]
        operation: Operation,
        #[expect(missing_docs, reason = "the type says it")]
        hint: Hint,
    },
    /// 400, 422 and every other refusal of what was sent.
    #[error(
        "APSIS One refused {operation} (HTTP {status}{hint}). Check the values of the fields that are mapped, against the types of the attributes"
    )]
    Refused {
        #[expect(missing_docs, reason = "the type says it")]
        operation: Operation,
        #[expect(missing_docs, reason = "the HTTP status")]
        status: u16,
        #[expect(missing_docs, reason = "the type says it")]
        hint: Hint,
    },
    /// 404 where the thing should be there.
    #[error(
        "APSIS One does not know what was named while {operation}{hint}. Check that section, keyspace, subscription and attributes still exist, then start anew"
    )]
    Missing {
        #[expect(missing_docs, reason = "the type says it")]
        operation: Operation,
        #[expect(missing_docs, reason = "the type says it")]
        hint: Hint,
    },
    /// 409.
    #[error(
        "APSIS One reports a conflict while {operation}{hint}: another profile holds the same key or address. Look for a duplicate in the CRM, or delete the other profile"
    )]
    Conflict {
        #[expect(missing_docs, reason = "the type says it")]
        operation: Operation,
        #[expect(missing_docs, reason = "the type says it")]
        hint: Hint,
    },
    /// 410, 423.
    #[error(
        "the profile is locked in APSIS One: it cannot be written again. Take the contact out of the sync by a condition"
    )]
    Locked {
        #[expect(missing_docs, reason = "the type says it")]
        operation: Operation,
    },
    /// 413, or found too large before it was sent.
    #[error(
        "what is to be sent while {operation} is larger than APSIS One takes ({limit}). Map fewer or shorter fields"
    )]
    TooLarge {
        #[expect(missing_docs, reason = "the type says it")]
        operation: Operation,
        /// The limit, in words.
        limit: &'static str,
    },
    /// An answer of a shape that this client cannot read.
    #[error(
        "APSIS One's answer while {operation} cannot be read: {what}. Check that `apsis.url` is APSIS One's API"
    )]
    Unreadable {
        #[expect(missing_docs, reason = "the type says it")]
        operation: Operation,
        /// What is wrong with it, without its content.
        what: &'static str,
    },
    /// A setting that cannot be.
    #[error("`{setting}`: {message}")]
    Setting {
        /// Its name in the integration's file.
        setting: &'static str,
        /// What is wrong and what there is instead.
        message: String,
    },
    /// An address that the host may not reach.
    #[error(
        "APSIS One's host {host} is at an address that may not be reached ({why}). If that is meant, set `apsis.private-network`"
    )]
    Forbidden {
        /// The host's name or address, without a path.
        host: String,
        #[expect(missing_docs, reason = "in words")]
        why: String,
    },
    /// An export that APSIS One could not finish.
    #[error("APSIS One did not finish the export: {0}")]
    ExportFailed(
        /// What happened, and what follows.
        &'static str,
    ),
    /// A file of the host's own.
    #[error(
        "a temporary file failed while {operation}: {message}. Check the free space and permissions of the data directory"
    )]
    Spool {
        #[expect(missing_docs, reason = "the type says it")]
        operation: Operation,
        /// What the system said.
        message: String,
    },
}

/// What an answer says about itself, in words that are known to be safe; may be empty. See `problem`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hint {
    /// The problem's title, if it is made of plain words.
    pub title: Option<String>,
    /// An attribute or a topic that we sent and that the answer names.
    pub subject: Option<String>,
}

impl fmt::Display for Hint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(title) = &self.title {
            write!(out, ", \"{title}\"")?;
        }
        if let Some(subject) = &self.subject {
            write!(out, ", about {subject}")?;
        }
        Ok(())
    }
}

impl ApsisError {
    /// What it means for the run.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Unreachable { .. } | Self::Busy { .. } | Self::ExportFailed(_) => Kind::Exhausted,
            Self::Credentials { .. } => Kind::Credentials,
            Self::Denied { .. } => Kind::Permission,
            Self::Refused { operation: Operation::WriteConsent, .. } => {
                Kind::Contact(ReasonCode::ConsentRefused)
            }
            Self::Refused { operation, .. } if operation.of_one_profile() => {
                Kind::Contact(ReasonCode::RefusedByApsis)
            }
            Self::Missing { operation, .. } if operation.of_one_profile() => {
                Kind::Contact(ReasonCode::RefusedByApsis)
            }
            Self::Conflict { operation, .. } if operation.of_one_profile() => {
                Kind::Contact(ReasonCode::ProfileConflict)
            }
            Self::Locked { operation } if operation.of_one_profile() => {
                Kind::Contact(ReasonCode::ProfileLocked)
            }
            Self::TooLarge { operation, .. } if operation.of_one_profile() => {
                Kind::Contact(ReasonCode::TooLarge)
            }
            Self::Setting { .. } | Self::Forbidden { .. } | Self::Missing { .. } => Kind::Settings,
            Self::Spool { .. } => Kind::Local,
            Self::Stopped => Kind::Stopped,
            Self::Refused { .. }
            | Self::Conflict { .. }
            | Self::Locked { .. }
            | Self::TooLarge { .. }
            | Self::Unreadable { .. } => Kind::Protocol,
        }
    }

    /// The reason to give for the contact that was being written: none where the run is to stop.
    pub fn reason(&self) -> Option<Reason> {
        let code = match self.kind() {
            Kind::Contact(code) => code,
            Kind::Exhausted | Kind::Protocol => ReasonCode::NotWritten,
            _ => return None,
        };
        let subject = match self {
            Self::Refused { hint, .. } | Self::Missing { hint, .. } | Self::Conflict { hint, .. } => {
                hint.subject.clone()
            }
            _ => None,
        };
        Some(Reason { code, subject, message: self.to_string() })
    }
}

impl ErrorCode for ApsisError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "apsis-unreachable",
            Self::Busy { .. } => "apsis-busy",
            Self::Credentials { .. } => "apsis-credentials",
            Self::Denied { .. } => "apsis-denied",
            Self::Refused { .. } => "apsis-refused",
            Self::Missing { .. } => "apsis-missing",
            Self::Conflict { .. } => "apsis-conflict",
            Self::Locked { .. } => "apsis-locked",
            Self::TooLarge { .. } => "apsis-too-large",
            Self::Unreadable { .. } => "apsis-unreadable",
            Self::Setting { .. } => "apsis-setting",
            Self::Forbidden { .. } => "apsis-address-forbidden",
            Self::ExportFailed(_) => "apsis-export-failed",
            Self::Spool { .. } => "apsis-spool",
            Self::Stopped => "apsis-stopped",
        }
    }
}

//! What a failure means for the lane: for this contact only, for the remote, or for the integration. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::apsis::{ApsisError, Kind};
use crate::change::Cause;
use crate::connector::{CallError, NextStep};
use crate::contact::ContactId;
use crate::error::{ErrorCode, Failure};
use crate::lane::{Pause, PauseKind};
use crate::reason::Reason;
use crate::sync::SyncError;

/// What is to be done about a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// This contact is refused, for this reason; the others are not.
    Refused(Reason),
    /// It may pass.
    Passing {
        /// Not before, where the remote says so.
        after: Option<Duration>,
        /// Whether it is certain that the remote is away, whatever contact is tried.
        remote: bool,
    },
    /// It may pass for the remote, and will not for what was asked: what a connector or the remote makes of
    /// this one thing.
    Hopeless,
    /// Nothing can be done until somebody mends it.
    Attention,
    /// This host has to stop.
    Stop,
}

/// Tells what a failure means.
pub fn trouble(error: &SyncError) -> Trouble {
    match error {
        SyncError::Apsis(error) => of_apsis(error),
        SyncError::Crm(error) => of_call(error),
        SyncError::Store(_) => Trouble::Stop,
        SyncError::DataDir(_) | SyncError::Load(_) => Trouble::Passing { after: None, remote: true },
        SyncError::Catalogue(_)
        | SyncError::Open(_)
        | SyncError::Limits(_)
        | SyncError::Integration(_)
        | SyncError::Key(_)
        | SyncError::SecretNotSet(_)
        | SyncError::Rules(_)
        | SyncError::Type(_)
        | SyncError::Overview(_)
        | SyncError::Upgrade(_)
        | SyncError::NotInCrm { .. } => Trouble::Attention,
        SyncError::ImportUnderWay => Trouble::Passing { after: None, remote: true },
        // None of these is met by a lane.
        SyncError::CursorRepeated | SyncError::AuditOvertaken(_) | SyncError::FieldNotKnown { .. } => {
            Trouble::Hopeless
        }
    }
}

fn of_apsis(error: &ApsisError) -> Trouble {
    match (error.kind(), error) {
        (Kind::Contact(_), _) => error.reason().map_or(Trouble::Hopeless, Trouble::Refused),
        (Kind::Exhausted, ApsisError::Busy { status, retry_after, .. }) => {
            Trouble::Passing { after: *retry_after, remote: *status == 429 }
        }
        (Kind::Exhausted | Kind::Protocol, _) => Trouble::Passing { after: None, remote: false },
        (Kind::Credentials | Kind::Permission | Kind::Settings, _) => Trouble::Attention,
        (Kind::Local, _) => Trouble::Passing { after: None, remote: true },
        (Kind::Stopped, _) => Trouble::Stop,
    }
}

/// What a connector's failure means.
pub fn of_call(error: &CallError) -> Trouble {
    match error.next_step() {
        NextStep::Retry { after } => Trouble::Passing { after, remote: true },
        NextStep::StopUntilMended => Trouble::Attention,
        NextStep::StartAgain => Trouble::Passing { after: None, remote: true },
        NextStep::GiveUp => Trouble::Hopeless,
    }
}

/// The words for a failure.
pub fn cause(error: &impl ErrorCode) -> Cause {
    Failure::from(error).into()
}

/// How long one contact, or one delivery, waits after its `attempt`-th failure (from 1): doubling from a second to
/// ten minutes, up to a half less by chance, so that many do not come back at once; never less than the remote
/// asks for.
pub fn wait(attempt: u32, asked: Option<Duration>) -> Duration {
    let full = Duration::from_secs(1).saturating_mul(1 << attempt.clamp(1, 11).saturating_sub(1));
    let full = full.min(Duration::from_mins(10)).mul_f64(rand::random_range(0.5..1.0));
    full.max(asked.unwrap_or_default().min(LONGEST_ASKED))
}

/// No remote gets more than this, whatever it asks for: an opt-out may be waiting.
const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// How long a lane pauses after so many pauses in a row (from 1): doubling from two seconds to five minutes.
fn pause_for(failures: u32, asked: Option<Duration>) -> Duration {
    let full = Duration::from_secs(2).saturating_mul(1 << failures.clamp(1, 9).saturating_sub(1));
    let full = full.min(Duration::from_mins(5)).mul_f64(rand::random_range(0.75..1.0));
    full.max(asked.unwrap_or_default().min(LONGEST_ASKED))
}

/// The pause that follows on another, or on none.
pub fn pause(
    before: Option<&Pause>,
    kind: PauseKind,
    cause: Cause,
    asked: Option<Duration>,
    now: Timestamp,
) -> Pause {
    let failures = before.map_or(1, |before| before.failures.saturating_add(1));
    let since = before.map_or(now, |before| before.since);
    let until = now.checked_add(pause_for(failures, asked)).unwrap_or(now);
    Pause { kind, cause, failures, since, until }
}

/// So many failures in a row, and of so many contacts, are not the contacts' own.
const IN_A_ROW: u32 = 10;
const CONTACTS: usize = 3;

/// Whether failures are of single contacts, or of all of them.
#[derive(Debug, Default)]
pub struct Health {
    in_a_row: u32,
    contacts: BTreeSet<ContactId>,
}

impl Health {
    /// A contact got its outcome.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// A contact failed, in a way that may be its own. Whether it seems to be everybody's.
    pub fn failed(&mut self, contact: &ContactId) -> bool {
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.contacts.len() < CONTACTS {
            self.contacts.insert(contact.clone());
        }
        self.in_a_row >= IN_A_ROW && self.contacts.len() >= CONTACTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apsis::Operation;
    use crate::connector::SaidKind;

    fn said(kind: SaidKind) -> SyncError {
        let retry_after = Some(Duration::from_secs(7));
        CallError::Said { call: "get", kind, message: "no".into(), retry_after, details: Vec::new() }.into()
    }

    fn busy(status: u16) -> SyncError {
        ApsisError::Busy { operation: Operation::WriteAttributes, status, retry_after: None }.into()
    }

    #[test]
    fn each_failure_concerns_one_contact_the_remote_or_the_integration() {
        let passing = |after, remote| Trouble::Passing { after, remote };
        for (error, expected) in [
            (said(SaidKind::Unauthorized), Trouble::Attention),
            (said(SaidKind::Misconfigured), Trouble::Attention),
            (said(SaidKind::RateLimited), passing(Some(Duration::from_secs(7)), true)),
            (said(SaidKind::Malformed), Trouble::Hopeless),
            (ApsisError::Credentials { status: 401 }.into(), Trouble::Attention),
            (busy(503), passing(None, false)),
            (busy(429), passing(None, true)),
            (busy(500), passing(None, false)),
            (ApsisError::Stopped.into(), Trouble::Stop),
        ] {
            assert_eq!(trouble(&error), expected, "{error:?}");
        }
        let locked = SyncError::from(ApsisError::Locked { operation: Operation::WriteAttributes });
        assert!(matches!(trouble(&locked), Trouble::Refused(_)));
    }

    #[test]
    fn waits_grow_and_obey_the_remote() {
        assert!(wait(1, None) <= Duration::from_secs(1));
        assert!(wait(30, None) <= Duration::from_mins(10) && wait(30, None) >= Duration::from_mins(5));
        assert_eq!(wait(1, Some(Duration::from_mins(30))), Duration::from_mins(30));
        let now = Timestamp::UNIX_EPOCH;
        let cause = Cause { code: "x-y".into(), subject: None, message: String::new() };
        let first = pause(None, PauseKind::Remote, cause.clone(), None, now);
        let tenth = Pause { failures: 9, ..first.clone() };
        let tenth = pause(Some(&tenth), PauseKind::Remote, cause, None, now);
        assert!(first.until.duration_since(now).as_secs() <= 2);
        assert!((200..=300).contains(&tenth.until.duration_since(now).as_secs()), "{tenth:?}");
        assert_eq!((tenth.failures, tenth.since), (10, first.since));
    }

    #[test]
    fn one_contact_that_always_fails_is_its_own_affair() {
        let id = |number: u32| ContactId(number.to_string());
        let mut health = Health::default();
        assert!((0..50).all(|_| !health.failed(&id(1))));
        health.succeeded();
        assert_eq!((0..10).filter(|number| health.failed(&id(*number))).count(), 1);
    }
}

//! Contacts that the lane has taken, made ready: read again where their changes ask for it, decided by the rules,
//! and what is about to be written remembered.

use jiff::Timestamp;
use tracing::warn;

use super::fold::{Folded, Pushed, fold};
use super::trouble::{cause, wait};
use crate::change::{
    Cause, ChangeNumber, ChangeOutcome, ContactEnd, Ended, LaneEnd, Learnt, Waiting, Written,
};
use crate::contact::{Consent, Contact, ContactId};
use crate::error::ErrorCode;
use crate::profile::Intent;
use crate::reason::{Reason, ReasonCode};
use crate::run::{Outcome, Staged, Verdict};
use crate::step::Step;
use crate::sync::deciding::{Known, decide, decide_absent};
use crate::sync::failure::SyncError;
use crate::sync::fetching::{Answer, Fetched, fetch};
use crate::sync::line::Patience;
use crate::sync::work::Work;

/// A contact that is ready.
#[derive(Debug)]
pub enum Ready {
    /// Nothing is to be written.
    Ended(LaneEnd),
    /// To be written, or taken out.
    Job(Box<Job>),
}

/// What is to be done for a contact in APSIS One.
#[derive(Debug)]
pub struct Job {
    /// Who, with how often it was tried.
    pub contact: ContactId,
    /// How often it was tried before.
    pub attempts: u32,
    /// The last change that this is about.
    pub up_to: ChangeNumber,
    /// The change that gets the outcome.
    pub by: ChangeNumber,
    /// What.
    pub task: Task,
}

/// What is to be done.
#[derive(Debug)]
pub enum Task {
    /// Write it.
    Write {
        /// What.
        staged: Box<Staged>,
        /// How old the state is.
        modified_at: Option<Timestamp>,
        /// The state, where it was pushed and cannot be read again.
        kept: Option<Contact>,
    },
    /// Take its profile out.
    Delete {
        /// When its deletion came in.
        deleted_at: Timestamp,
        /// What was last written.
        last_written: Option<Intent>,
    },
}

/// Makes contacts ready.
///
/// # Errors
/// When the CRM cannot be asked for any of them.
pub async fn prepare(work: &Work, taken: Vec<Waiting>) -> Result<Vec<Ready>, SyncError> {
    let folded: Vec<(Waiting, Folded)> = taken
        .into_iter()
        .filter_map(|waiting| {
            let folded = fold(&waiting.changes, waiting.entry.as_ref(), waiting.kept.as_ref())?;
            Some((waiting, folded))
        })
        .collect();
    let to_read: Vec<ContactId> = folded
        .iter()
        .filter(|(_, folded)| folded.must_read)
        .map(|(waiting, _)| waiting.contact.clone())
        .collect();
    let mut fetched = match fetch(work, Patience::Short, &to_read).await? {
        Answer::Of(fetched) => Some(fetched),
        Answer::NotOffered => None,
    };
    let ready = folded.into_iter().map(|(waiting, folded)| {
        let of_crm = match &mut fetched {
            Some(fetched) if folded.must_read => fetched.remove(&waiting.contact),
            _ => None,
        };
        match of_crm {
            Some(fetched) => by_crm(work, waiting, &folded, fetched),
            None => by_what_was_pushed(work, waiting, folded),
        }
    });
    Ok(ready.collect())
}

/// By what the CRM has now.
fn by_crm(work: &Work, waiting: Waiting, folded: &Folded, fetched: Fetched) -> Ready {
    match (fetched, folded.deleted) {
        (Fetched::Found(contact), _) => decided(work, waiting, folded.up_to, folded.up_to, &contact, false),
        (Fetched::Absent, Some((by, at))) => delete(waiting, folded.up_to, by, at),
        (Fetched::Absent, None) => absent(work, waiting, folded.up_to),
        (Fetched::Unreadable(error), _) => {
            warn!(contact = %waiting.contact, code = error.code(), "contact not read");
            failed(&waiting, folded.up_to, cause(&error), work.line.real_time.attempts)
        }
    }
}

/// By what was pushed: full states, or a CRM that cannot be asked.
fn by_what_was_pushed(work: &Work, waiting: Waiting, folded: Folded) -> Ready {
    let up_to = folded.up_to;
    match folded.pushed {
        Pushed::State(by, contact) => decided(work, waiting, up_to, by, &contact, true),
        Pushed::Old(by) => superseded(waiting, up_to, by),
        Pushed::Gone(by, at) => delete(waiting, up_to, by, at),
        Pushed::Consents(by, consents) => only_consents(work, waiting, up_to, by, &consents),
        Pushed::Something => {
            let reason = Reason::new(
                ReasonCode::NotRead,
                "the CRM's message says only that something changed, and this connector cannot read a contact again. \
                 The next full sync brings it",
            );
            failed(&waiting, up_to, reason.into(), 0)
        }
    }
}

fn known(waiting: &Waiting) -> Known<'_> {
    Known { entry: waiting.entry.as_ref(), attempted: &waiting.attempted }
}

fn decided(
    work: &Work,
    waiting: Waiting,
    up_to: ChangeNumber,
    by: ChangeNumber,
    contact: &Contact,
    pushed: bool,
) -> Ready {
    let verdict = decide(&work.line.rules, false, known(&waiting), contact);
    let kept = pushed.then(|| contact.clone());
    with_verdict(waiting, up_to, by, verdict, contact.modified_at, kept)
}

fn absent(work: &Work, waiting: Waiting, up_to: ChangeNumber) -> Ready {
    // Its deletion was taken before: this is a late message.
    if waiting.entry.as_ref().is_some_and(|entry| entry.deleted_at.is_some()) {
        return superseded(waiting, up_to, up_to);
    }
    let verdict = decide_absent(&work.line.rules, known(&waiting), &waiting.contact);
    with_verdict(waiting, up_to, up_to, verdict, None, None)
}

fn with_verdict(
    waiting: Waiting,
    up_to: ChangeNumber,
    by: ChangeNumber,
    verdict: Verdict,
    modified_at: Option<Timestamp>,
    kept: Option<Contact>,
) -> Ready {
    match verdict {
        Verdict::Settled(outcome, reason) => {
            let learnt = Learnt {
                outcome,
                reason: reason.clone(),
                written: Written::AsBefore,
                modified_at,
                deleted_at: None,
            };
            ended(
                waiting.contact,
                up_to,
                Ended {
                    by,
                    outcome: ChangeOutcome::Contact(outcome),
                    cause: reason.map(Cause::from),
                    steps: Vec::new(),
                    learnt: Some(learnt),
                    newcomer: None,
                },
            )
        }
        Verdict::Write(intent) => {
            let Waiting { contact, attempts, existed, entry, attempted, .. } = waiting;
            let last_written = entry.and_then(|entry| entry.written);
            // Who has a profile, as far as is known, had it before this change.
            let existed = existed.or(last_written.as_ref().map(|_| true));
            let staged = Staged { intent, existed, known_consents: None, last_written, attempted };
            let task = Task::Write { staged: Box::new(staged), modified_at, kept };
            Ready::Job(Box::new(Job { contact, attempts, up_to, by, task }))
        }
    }
}

fn delete(waiting: Waiting, up_to: ChangeNumber, by: ChangeNumber, deleted_at: Timestamp) -> Ready {
    let Waiting { contact, attempts, entry, .. } = waiting;
    let last_written = entry.and_then(|entry| entry.written);
    let task = Task::Delete { deleted_at, last_written };
    Ready::Job(Box::new(Job { contact, attempts, up_to, by, task }))
}

/// Single answers, of a contact that cannot be read: laid over what was last written. Without a profile there is
/// nothing to lay them over; the state that makes the profile brings them.
fn only_consents(
    work: &Work,
    waiting: Waiting,
    up_to: ChangeNumber,
    by: ChangeNumber,
    consents: &[Consent],
) -> Ready {
    let told = work.line.rules.told_consents(consents);
    // What may have been written last is the more likely to be there.
    let attempted = waiting.attempted.last().cloned();
    let written = attempted.or_else(|| waiting.entry.as_ref()?.written.clone());
    let modified_at = waiting.entry.as_ref().and_then(|entry| entry.modified_at);
    let Some(mut intent) = written.filter(|_| !told.is_empty()) else {
        let outcome = Outcome::Unchanged;
        return with_verdict(waiting, up_to, by, Verdict::Settled(outcome, None), modified_at, None);
    };
    intent.consents.retain(|then| !told.iter().any(|now| now.is_same(then)));
    intent.consents.extend(told);
    intent.consents.sort_by(|one, other| (&one.topic, one.channel).cmp(&(&other.topic, other.channel)));
    with_verdict(waiting, up_to, by, Verdict::Write(intent), modified_at, None)
}

fn superseded(waiting: Waiting, up_to: ChangeNumber, by: ChangeNumber) -> Ready {
    let reason = Reason::new(
        ReasonCode::NewerKnown,
        "a newer state of this contact was known already when this message was taken; nothing is to be done",
    );
    ended(
        waiting.contact,
        up_to,
        Ended {
            by,
            outcome: ChangeOutcome::Superseded,
            cause: Some(reason.into()),
            steps: Vec::new(),
            learnt: None,
            newcomer: None,
        },
    )
}

fn ended(contact: ContactId, up_to: ChangeNumber, ended: Ended) -> Ready {
    Ready::Ended(LaneEnd { contact, up_to, end: ContactEnd::Ended(Box::new(ended)) })
}

/// One attempt more; a dead letter after `attempts`.
pub fn another_attempt(
    tried: u32,
    cause: Cause,
    steps: Vec<Step>,
    asked: Option<std::time::Duration>,
    attempts: u32,
) -> ContactEnd {
    let attempt = tried.saturating_add(1);
    if attempt >= attempts {
        return ContactEnd::Dead(cause, steps);
    }
    let due = Timestamp::now().checked_add(wait(attempt, asked)).unwrap_or(Timestamp::MAX);
    ContactEnd::Again { due, cause, counts: true }
}

fn failed(waiting: &Waiting, up_to: ChangeNumber, cause: Cause, attempts: u32) -> Ready {
    let end = another_attempt(waiting.attempts, cause, Vec::new(), None, attempts);
    Ready::Ended(LaneEnd { contact: waiting.contact.clone(), up_to, end })
}

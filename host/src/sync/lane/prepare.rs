//! Contacts that the lane has taken, made ready: read again where their changes ask for it, decided by the rules,
//! and what is about to be written remembered.

use std::collections::HashMap;

use jiff::Timestamp;
use tracing::warn;

use super::fold::{Folded, Pushed, fold};
use super::giving::{hear_others, is_as_heard, is_given_anew, of};
use super::trouble::{cause, wait};
use crate::address::{Holding, Voices};
use crate::brake::Effect;
use crate::change::{
    Cause, ChangeNumber, ChangeOutcome, ContactEnd, Ended, LaneEnd, Learnt, Waiting, Written,
};
use crate::contact::{Consent, Contact, ContactId};
use crate::error::ErrorCode;
use crate::profile::{self, Intent, WantedConsent, lay_told_over};
use crate::reason::{Reason, ReasonCode};
use crate::run::{Outcome, Staged, Verdict};
use crate::step::Asked;
use crate::store::Hearer;
use crate::story::Seen;
use crate::sync::braking;
use crate::sync::deciding::{Known, decide, decide_absent, decide_again};
use crate::sync::explaining::{seen, seen_gone};
use crate::sync::failure::SyncError;
use crate::sync::fetching::{Answer, Fetched, fetch};
use crate::sync::line::Patience;
use crate::sync::voices;
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
    /// What the contact looked like, where it was read or pushed.
    pub seen: Option<Box<Seen>>,
}

impl Ready {
    /// The same, with what the contact looked like.
    fn of(mut self, seen: Seen) -> Self {
        let place = match &mut self {
            Self::Ended(end) => &mut end.seen,
            Self::Job(job) => &mut job.seen,
        };
        *place = Some(Box::new(seen));
        self
    }
}

impl Job {
    /// What of it the brake counts.
    pub fn effects(&self) -> Vec<(ContactId, Effect)> {
        let effects = match &self.task {
            Task::Write { staged, .. } => braking::effects(staged),
            Task::Delete { last_written, .. } => braking::effects_of_deletion(last_written.as_ref()),
        };
        effects.into_iter().map(|effect| (self.contact.clone(), effect)).collect()
    }
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

/// Makes contacts ready. What they say of their addresses is heard first, of all of them, so that each is decided by
/// what is known of the others.
///
/// # Errors
/// When the CRM cannot be asked for any of them; when the store fails.
pub async fn prepare(work: &Work, taken: Vec<Waiting>) -> Result<Vec<Ready>, SyncError> {
    let (taken, forgotten) = without_forgotten(work, taken).await?;
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
    let mut fetched = match fetch(&work.line.connection, Patience::Short, &to_read).await? {
        Answer::Of(fetched) => Some(fetched),
        Answer::NotOffered => None,
    };
    let mut states = states_of_told(work, &folded).await?;
    let found: Vec<Taken> = folded
        .into_iter()
        .map(|(waiting, folded)| {
            let of_crm = match &mut fetched {
                Some(fetched) if folded.must_read => fetched.remove(&waiting.contact),
                _ => None,
            };
            let up_to = folded.up_to;
            let found = match of_crm {
                Some(fetched) => by_crm(&waiting, up_to, folded.deleted, fetched),
                None => {
                    let state = states.remove(&waiting.contact);
                    by_what_was_pushed(work, folded, state)
                }
            };
            (waiting, up_to, found)
        })
        .collect();
    let heard = hear(work, &found).await?;
    let (again, found): (Vec<_>, Vec<_>) = found.into_iter().partition(|(waiting, _, found)| {
        matches!(found, Found::Shared { .. }) && is_given_anew(waiting, of(&heard, waiting))
    });
    let mut all: Vec<Ready> = decided(work, found, &heard).chain(forgotten).collect();
    if !again.is_empty() {
        let found = read_before_giving(work, again, &heard).await?;
        let heard = hear(work, &found).await?;
        all.extend(decided(work, found, &heard));
    }
    Ok(all)
}

/// A contact with the last change that is taken of it, and what was found.
type Taken = (Waiting, ChangeNumber, Found);

async fn hear(work: &Work, found: &[Taken]) -> Result<HashMap<ContactId, Voices>, SyncError> {
    let said = found.iter().flat_map(|(waiting, _, found)| says(work, waiting, found)).collect();
    let mut heard = work.store.hear(&work.fence, Hearer::Lane(work.revision), said).await?;
    hear_others(work, found.iter().map(|(waiting, ..)| waiting), &mut heard).await?;
    Ok(heard)
}

fn decided(
    work: &Work,
    found: Vec<Taken>,
    heard: &HashMap<ContactId, Voices>,
) -> impl Iterator<Item = Ready> {
    found.into_iter().map(|(waiting, up_to, found)| {
        let voices = of(heard, &waiting);
        ready(work, waiting, up_to, found, voices)
    })
}

/// Reads contacts that would be opted in by what is known of them: it may be so no more. The CRM does not tell of
/// everything; of a consent record that is deleted, Lime does not say whose it was.
async fn read_before_giving(
    work: &Work,
    shared: Vec<Taken>,
    heard: &HashMap<ContactId, Voices>,
) -> Result<Vec<Taken>, SyncError> {
    let ids: Vec<ContactId> = shared.iter().map(|(waiting, ..)| waiting.contact.clone()).collect();
    let Answer::Of(mut fetched) = fetch(&work.line.connection, Patience::Short, &ids).await? else {
        return Ok(shared);
    };
    let found = shared.into_iter().map(|(waiting, up_to, found)| {
        let found = match fetched.remove(&waiting.contact) {
            // Told again, it would have others be looked at again, and they it, without end.
            Some(Fetched::Found(contact)) if is_as_heard(work, &contact, of(heard, &waiting)) => found,
            Some(fetched) => by_crm(&waiting, up_to, None, fetched),
            None => found,
        };
        (waiting, up_to, found)
    });
    Ok(found.collect())
}

/// What contacts looked like of which only consents are told.
async fn states_of_told(
    work: &Work,
    folded: &[(Waiting, Folded)],
) -> Result<HashMap<ContactId, Contact>, SyncError> {
    let mut states = HashMap::new();
    for (waiting, folded) in folded {
        if matches!(folded.pushed, Pushed::Consents(..))
            && let Some(seen) = work.store.last_seen(&work.fence.integration, &waiting.contact).await?
        {
            states.insert(waiting.contact.clone(), seen.contact);
        }
    }
    Ok(states)
}

/// What a contact looks like now that it has told these consents.
fn state_with(state: Option<Contact>, told: Vec<Consent>) -> Option<Box<Contact>> {
    let mut state = state?;
    for now in told {
        let held =
            state.consents.iter().position(|then| then.name == now.name && then.channel == now.channel);
        match held.and_then(|at| state.consents.get_mut(at)) {
            Some(then) if profile::Answer::from(&now).is_before((&*then).into()) => {}
            Some(then) => *then = now,
            None => state.consents.push(now),
        }
    }
    Some(Box::new(state))
}

/// Takes out who was forgotten: nothing is read, decided or kept of them.
async fn without_forgotten(
    work: &Work,
    taken: Vec<Waiting>,
) -> Result<(Vec<Waiting>, Vec<Ready>), SyncError> {
    let ids: Vec<ContactId> = taken.iter().map(|waiting| waiting.contact.clone()).collect();
    let forgotten = work.store.forgotten(&work.fence.integration, &ids).await?;
    let (out, taken): (Vec<Waiting>, Vec<Waiting>) =
        taken.into_iter().partition(|waiting| forgotten.contains_key(&waiting.contact));
    let ended = out.into_iter().filter_map(|waiting| {
        let up_to = waiting.changes.last()?.number;
        Some(Ready::Ended(LaneEnd {
            contact: waiting.contact,
            up_to,
            end: ContactEnd::Forgotten,
            seen: None,
        }))
    });
    Ok((taken, ended.collect()))
}

/// What was found of a contact.
enum Found {
    /// It looks like this, since this change; pushed, or read from the CRM.
    State { by: ChangeNumber, contact: Box<Contact>, pushed: bool },
    /// It is gone.
    Gone { by: ChangeNumber, at: Timestamp },
    /// The CRM has it not, and does not say that it is gone.
    Absent,
    /// Of an unknown state, these consents are so.
    Consents { by: ChangeNumber, told: Vec<WantedConsent>, state: Option<Box<Contact>> },
    /// Nothing of its own: what another contact says of its address has changed.
    Shared { by: ChangeNumber },
    /// Something newer is known already.
    Old { by: ChangeNumber },
    /// It cannot be read; another attempt helps if `again`.
    Unreadable { cause: Cause, again: bool },
}

/// By what the CRM has now.
///
/// `deleted`: the last change that says that it is gone, and when it came in.
fn by_crm(
    waiting: &Waiting,
    up_to: ChangeNumber,
    deleted: Option<(ChangeNumber, Timestamp)>,
    fetched: Fetched,
) -> Found {
    match (fetched, deleted) {
        (Fetched::Found(contact), _) => Found::State { by: up_to, contact: Box::new(contact), pushed: false },
        (Fetched::Absent, Some((by, at))) => Found::Gone { by, at },
        // Its deletion was taken before: this is a late message.
        (Fetched::Absent, None) if waiting.entry.as_ref().is_some_and(|entry| entry.deleted_at.is_some()) => {
            Found::Old { by: up_to }
        }
        (Fetched::Absent, None) => Found::Absent,
        (Fetched::Unreadable(error), _) => {
            warn!(contact = %waiting.contact, code = error.code(), "contact not read");
            Found::Unreadable { cause: cause(&error), again: true }
        }
    }
}

/// By what was pushed: full states, or a CRM that cannot be asked.
/// `state`: what the contact looked like before, where only its consents are told.
fn by_what_was_pushed(work: &Work, folded: Folded, state: Option<Contact>) -> Found {
    match folded.pushed {
        Pushed::State(by, contact) => Found::State { by, contact, pushed: true },
        Pushed::Old(by) => Found::Old { by },
        Pushed::Gone(by, at) => Found::Gone { by, at },
        Pushed::Shared(by) => Found::Shared { by },
        Pushed::Consents(by, consents) => {
            let told = work.line.rules.told_consents(&consents);
            Found::Consents { by, told, state: state_with(state, consents) }
        }
        Pushed::Something => {
            let reason = Reason::new(
                ReasonCode::NotRead,
                "the CRM's message says only that something changed, and this connector cannot read a contact again. \
                 The next full sync brings it",
            );
            Found::Unreadable { cause: reason.into(), again: false }
        }
    }
}

/// What a contact says of its addresses.
fn says(work: &Work, waiting: &Waiting, found: &Found) -> Vec<Holding> {
    match found {
        Found::State { contact, .. } => voices::holdings(&work.line.rules, contact),
        Found::Gone { .. } => voices::gone(&waiting.contact),
        Found::Consents { told, .. } => voices::told(&waiting.contact, told),
        Found::Absent | Found::Shared { .. } => voices::nothing_new(&waiting.contact),
        Found::Old { .. } | Found::Unreadable { .. } => Vec::new(),
    }
}

fn ready(work: &Work, waiting: Waiting, up_to: ChangeNumber, found: Found, voices: &Voices) -> Ready {
    let rules = &work.line.rules;
    match found {
        Found::State { by, contact, pushed } => {
            let verdict = decide(rules, work.line.today(), false, known(&waiting, voices), &contact);
            let modified_at = contact.modified_at;
            let seen = seen(rules, work.line.today(), (*contact).clone(), &verdict);
            with_verdict(waiting, up_to, by, verdict, modified_at, pushed.then_some(*contact)).of(seen)
        }
        Found::Gone { by, at } => {
            let seen = seen_gone(waiting.contact.clone());
            delete(waiting, up_to, by, at).of(seen)
        }
        Found::Absent => {
            let verdict = decide_absent(rules, known(&waiting, voices), &waiting.contact);
            let seen = seen_gone(waiting.contact.clone());
            with_verdict(waiting, up_to, up_to, verdict, None, None).of(seen)
        }
        Found::Consents { by, told, state } => {
            let is_unwritten = waiting.entry.as_ref().is_some_and(|entry| {
                matches!(entry.outcome, Outcome::Excluded | Outcome::Rejected) && entry.reason.is_some()
            });
            // Whoever is not written is not opted in by an answer either; what it takes back is.
            let ready = if is_unwritten {
                shared(work, waiting, up_to, by, voices)
            } else {
                only_consents(waiting, up_to, by, &told, voices)
            };
            match state {
                Some(contact) => {
                    let explained = Some(rules.explain(&contact, work.line.today()));
                    ready.of(Seen { at: Timestamp::now(), contact: *contact, explained })
                }
                None => ready,
            }
        }
        Found::Shared { by } => shared(work, waiting, up_to, by, voices),
        Found::Old { by } => superseded(waiting, up_to, by),
        Found::Unreadable { cause, again } => {
            let attempts = if again { work.line.real_time.attempts } else { 0 };
            failed(&waiting, up_to, cause, attempts)
        }
    }
}

fn known<'a>(waiting: &'a Waiting, voices: &'a Voices) -> Known<'a> {
    Known {
        entry: waiting.entry.as_ref(),
        attempted: &waiting.attempted,
        refused: &voices.refused,
        unheard: &voices.unheard,
    }
}

/// What others say of its address has changed.
fn shared(work: &Work, waiting: Waiting, up_to: ChangeNumber, by: ChangeNumber, voices: &Voices) -> Ready {
    let entry = waiting.entry.as_ref();
    let unwritten = entry.and_then(|entry| Some((entry.outcome, entry.reason.clone()?)));
    let unwritten = unwritten.filter(|(outcome, _)| matches!(outcome, Outcome::Excluded | Outcome::Rejected));
    let verdict =
        decide_again(&work.line.rules, false, known(&waiting, voices), None, unwritten.clone(), &voices.own);
    let unchanged = || match unwritten {
        Some((outcome, reason)) => Verdict::Settled(outcome, Some(reason)),
        None => Verdict::Settled(Outcome::Unchanged, entry.and_then(|entry| entry.reason.clone())),
    };
    let verdict = verdict.unwrap_or_else(unchanged);
    let modified_at = entry.and_then(|entry| entry.modified_at);
    // One that waits for the daily run waits with what is kept of it.
    let kept = waiting.kept.clone();
    with_verdict(waiting, up_to, by, verdict, modified_at, kept)
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
            let staged =
                Staged { intent, existed, known_consents: None, last_written, attempted, found: None };
            let task = Task::Write { staged: Box::new(staged), modified_at, kept };
            Ready::Job(Box::new(Job { contact, attempts, up_to, by, task, seen: None }))
        }
    }
}

fn delete(waiting: Waiting, up_to: ChangeNumber, by: ChangeNumber, deleted_at: Timestamp) -> Ready {
    let Waiting { contact, attempts, entry, .. } = waiting;
    let last_written = entry.and_then(|entry| entry.written);
    let task = Task::Delete { deleted_at, last_written };
    Ready::Job(Box::new(Job { contact, attempts, up_to, by, task, seen: None }))
}

/// Single answers, of a contact that cannot be read: laid over what was last written. Without a profile there is
/// nothing to lay them over; the state that makes the profile brings them.
fn only_consents(
    waiting: Waiting,
    up_to: ChangeNumber,
    by: ChangeNumber,
    told: &[WantedConsent],
    voices: &Voices,
) -> Ready {
    // What may have been written last is the more likely to be there.
    let attempted = waiting.attempted.last();
    let base = attempted.or_else(|| waiting.entry.as_ref()?.written.as_ref()).cloned();
    let modified_at = waiting.entry.as_ref().and_then(|entry| entry.modified_at);
    let Some(mut intent) = base.filter(|_| !told.is_empty()) else {
        let outcome = Outcome::Unchanged;
        return with_verdict(waiting, up_to, by, Verdict::Settled(outcome, None), modified_at, None);
    };
    lay_told_over(&mut intent.consents, told);
    known(&waiting, voices).lay_over(&mut intent, &voices.own);
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
    Ready::Ended(LaneEnd { contact, up_to, end: ContactEnd::Ended(Box::new(ended)), seen: None })
}

/// One attempt more; a dead letter after `attempts`.
pub fn another_attempt(
    tried: u32,
    cause: Cause,
    steps: Vec<Asked>,
    asked: Option<std::time::Duration>,
    attempts: u32,
) -> ContactEnd {
    let attempt = tried.saturating_add(1);
    if attempt >= attempts {
        return ContactEnd::Dead(cause, steps);
    }
    let due = Timestamp::now().checked_add(wait(attempt, asked)).unwrap_or(Timestamp::MAX);
    ContactEnd::Again { due, cause, counts: true, steps }
}

fn failed(waiting: &Waiting, up_to: ChangeNumber, cause: Cause, attempts: u32) -> Ready {
    let end = another_attempt(waiting.attempts, cause, Vec::new(), None, attempts);
    Ready::Ended(LaneEnd { contact: waiting.contact.clone(), up_to, end, seen: None })
}

//! One contact of the lane into APSIS One, and what the lane learns of it.

use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Span, instrument};

use super::prepare::{Job, Task};
use crate::change::{Cause, ChangeNumber, ChangeOutcome, ContactEnd, Ended, LaneEnd, Learnt, Written};
use crate::contact::Contact;
use crate::error::ErrorCode;
use crate::integration::{NewContacts, OnDelete};
use crate::profile::{Answer, Intent};
use crate::reason::{Reason, ReasonCode};
use crate::run::{Outcome, Wrote};
use crate::step::Asked;
use crate::sync::contact_steps::{ContactSteps, End, Writer};
use crate::sync::failure::SyncError;
use crate::sync::work::Work;
use crate::traces;

/// Why a contact was not written, and what was asked of APSIS One before.
pub struct Failed {
    pub error: SyncError,
    pub steps: Vec<Asked>,
}

/// Writes a contact, unless a run was accepted while it stood in line.
///
/// # Errors
/// As those of `write`.
pub async fn write_if_open(
    work: &Work,
    job: &Job,
    let_go: &CancellationToken,
) -> Result<Option<LaneEnd>, Failed> {
    match work.store.active_run(&work.fence.integration).await {
        Ok(None) => write(work, job, let_go).await,
        Ok(Some(_)) => Ok(None),
        Err(error) => Err(Failed { error: error.into(), steps: Vec::new() }),
    }
}

/// Does what is to be done for a contact. None if it was let go of, with nothing written.
///
/// # Errors
/// When APSIS One refuses or does not answer; when the store fails.
#[instrument(name = "contact", skip_all, fields(
    contact = %job.contact, outcome = Empty, code = Empty, otel.status_code = Empty,
))]
async fn write(work: &Work, job: &Job, stop: &CancellationToken) -> Result<Option<LaneEnd>, Failed> {
    let may_create = work.line.real_time.new_contacts == NewContacts::Immediately;
    let mut steps = ContactSteps::new(work, Writer::Lane { may_create }, &job.contact);
    let told = match go(work, job, &mut steps, stop).await {
        Ok(Some(told)) => told,
        Ok(None) => return Ok(None),
        Err(error) => {
            traces::failed(error.code());
            return Err(Failed { error, steps: steps.into_steps() });
        }
    };
    Span::current().record("outcome", told.outcome.as_str());
    let ended = Ended {
        by: job.by,
        outcome: told.outcome,
        cause: told.reason.map(Cause::from),
        steps: steps.into_steps(),
        learnt: told.learnt,
        newcomer: told.newcomer,
    };
    Ok(Some(LaneEnd {
        contact: job.contact.clone(),
        up_to: job.up_to,
        end: ContactEnd::Ended(Box::new(ended)),
        seen: job.seen.clone(),
    }))
}

async fn go(
    work: &Work,
    job: &Job,
    steps: &mut ContactSteps<'_>,
    stop: &CancellationToken,
) -> Result<Option<Told>, SyncError> {
    let (outcome, learnt) = match &job.task {
        Task::Write { staged, modified_at, kept } => match steps.write(staged, stop).await? {
            End::LetGo => return Ok(None),
            End::NoProfile => return Ok(Some(Told::held(kept.clone()))),
            End::Settled { outcome, reason, wrote } => {
                let written = match wrote {
                    Wrote::AsBefore => Written::AsBefore,
                    Wrote::Intended => Written::Now(staged.intent.clone()),
                    Wrote::Nothing => Written::Nothing,
                };
                let modified_at = *modified_at;
                (outcome, Learnt { outcome, reason, written, modified_at, deleted_at: None })
            }
        },
        Task::Delete { deleted_at, last_written } => {
            let (outcome, reason, written) = match work.line.real_time.on_delete {
                OnDelete::Delete => {
                    steps.delete_gone(last_written.as_ref()).await?;
                    (Outcome::Deleted, None, Written::Nothing)
                }
                OnDelete::OptOut => match steps.opt_out_of_everything().await? {
                    Some(reason) => (Outcome::Rejected, Some(reason), Written::AsBefore),
                    None => (Outcome::Deleted, Some(kept_opted_out()), all_refused(last_written.as_ref())),
                },
            };
            let deleted_at = (outcome == Outcome::Deleted).then_some(*deleted_at);
            (outcome, Learnt { outcome, reason, written, modified_at: None, deleted_at })
        }
    };
    let (outcome, reason) = (ChangeOutcome::Contact(outcome), learnt.reason.clone());
    Ok(Some(Told { outcome, reason, learnt: Some(learnt), newcomer: None }))
}

/// What came of it.
struct Told {
    outcome: ChangeOutcome,
    reason: Option<Reason>,
    learnt: Option<Learnt>,
    newcomer: Option<Option<Contact>>,
}

impl Told {
    fn held(kept: Option<Contact>) -> Self {
        let reason = Reason::new(
            ReasonCode::WaitsForDailyRun,
            "the contact has no profile yet, and gets it with the daily run; set `new-contacts = \"immediately\"` under \
             [real-time] to have it at once",
        );
        Self { outcome: ChangeOutcome::Held, reason: Some(reason), learnt: None, newcomer: Some(kept) }
    }
}

/// How the change of a contact ends that APSIS One does not take.
pub fn refused(by: ChangeNumber, reason: Reason, steps: Vec<Asked>) -> Ended {
    let outcome = Outcome::Rejected;
    let learnt = Learnt {
        outcome,
        reason: Some(reason.clone()),
        written: Written::AsBefore,
        modified_at: None,
        deleted_at: None,
    };
    Ended {
        by,
        outcome: ChangeOutcome::Contact(outcome),
        cause: Some(reason.into()),
        steps,
        learnt: Some(learnt),
        newcomer: None,
    }
}

fn kept_opted_out() -> Reason {
    Reason::new(
        ReasonCode::KeptOptedOut,
        "the CRM has deleted the contact; its profile is kept and opted out of everything, as `on-delete` under \
         [real-time] says",
    )
}

/// What is there after everything was opted out of.
fn all_refused(last_written: Option<&Intent>) -> Written {
    let Some(intent) = last_written else { return Written::AsBefore };
    let mut intent = intent.clone();
    for consent in &mut intent.consents {
        consent.answer = Answer::Refused(None);
    }
    Written::Now(intent)
}

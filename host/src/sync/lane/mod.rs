//! The lane: an integration's changes, in the order in which they came, into APSIS One.
//!
//! Promises: several waiting changes of one contact become one write; different contacts go side by side, one
//! contact never; nothing is begun while the gate is closed, and what is begun is finished before a run
//! reads. A failure that is one contact's own costs that contact an attempt; one of the remote pauses the lane
//! and costs nobody anything. All its state is in the store: a killed host's successor goes on, and does
//! again what had no outcome yet.
//!
//! The way of a change: `decode` (delivery -> changes) -> `fold` (changes -> what they ask for) -> `prepare` (CRM,
//! rules -> what is to be written) -> `write` (APSIS One) -> the store. What a failure means is in `trouble`.

mod decode;
pub mod fold;
mod giving;
mod pass;
mod prepare;
pub mod trouble;
mod write;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use jiff::Timestamp;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, info, warn};

use self::decode::Round;
use self::pass::Pass;
use self::prepare::{Job, Ready, another_attempt, prepare};
use self::trouble::{Health, Trouble, cause, of_call, trouble, wait};
use self::write::{Failed, refused, write_if_open};
use super::braking;
use super::failure::SyncError;
use super::work::Work;
use super::writing::AT_ONCE;
use crate::brake::Effect;
use crate::change::{Cause, ChangeNumber, ContactEnd, LaneEnd, Taken, Waiting};
use crate::contact::ContactId;
use crate::error::ErrorCode;
use crate::lane::{Pause, PauseKind};
use crate::metrics;
use crate::store::StoreError;

/// Contacts that are ready or being written at most.
const READY: usize = 8 * AT_ONCE;

/// Contacts taken from the store at once.
const TAKE: usize = 4 * AT_ONCE;

/// The longest time that a lane works before its owner looks at what else there is to do.
const AT_A_STRETCH: Duration = Duration::from_secs(5);

/// How a lane came to rest.
#[derive(Debug)]
pub enum Rest {
    /// It has worked for long enough, and more is due.
    Enough,
    /// Nothing is due.
    Idle,
    /// A run is active.
    Closed,
    /// It takes nothing until then.
    Paused(Pause),
    /// It was asked to stop.
    Stopped,
}

/// What the lane's owner can tell it while it works.
pub struct Signals {
    /// Something may have changed: the gate, or what there is to do.
    pub wake: Arc<Notify>,
    /// Nothing new is to be taken, and what is not begun is to be let go.
    pub stop: CancellationToken,
}

type Done = (Job, Result<Option<LaneEnd>, Failed>);

/// One working through of a lane, until it comes to rest.
struct Lane<'a> {
    work: &'a Work,
    health: &'a mut Health,
    /// The pause that has just run out: one contact is tried, and the lane goes on if that succeeds.
    probing: Option<Pause>,
    running: JoinSet<Done>,
    /// Contacts that are on their way.
    busy: HashMap<Id, ContactId>,
    places: Arc<Semaphore>,
    /// Ends that are not stored yet.
    ends: Vec<LaneEnd>,
    let_go: CancellationToken,
    rest: Option<Rest>,
    pass: Pass,
}

/// Works until nothing is due, the gate is closed, or something is wrong.
///
/// # Errors
/// When the store fails, or another host has taken over.
pub async fn go_on(
    work: &Work,
    health: &mut Health,
    pause: Option<Pause>,
    signals: &Signals,
) -> Result<Rest, StoreError> {
    let mut lane = Lane {
        work,
        health,
        probing: pause,
        running: JoinSet::new(),
        busy: HashMap::new(),
        places: Arc::new(Semaphore::new(AT_ONCE)),
        ends: Vec::new(),
        let_go: signals.stop.child_token(),
        rest: None,
        pass: Pass::of(&work.fence.integration),
    };
    lane.run(signals).await
}

impl Lane<'_> {
    async fn run(&mut self, signals: &Signals) -> Result<Rest, StoreError> {
        let began = Instant::now();
        loop {
            if signals.stop.is_cancelled() && self.rest.is_none() {
                self.rest = Some(Rest::Stopped);
            }
            if began.elapsed() > AT_A_STRETCH && self.rest.is_none() {
                self.let_go.cancel();
                self.rest = Some(Rest::Enough);
            }
            let took = if self.rest.is_none() && self.running.len() < READY - TAKE {
                self.take_in().await?
            } else {
                0
            };
            self.settle().await?;
            if self.running.is_empty() {
                match self.rest.take() {
                    Some(rest) => return Ok(rest),
                    None if took == 0 => {
                        // Both remotes answered when the line was opened, and there is nobody to try them with.
                        if self.probing.is_some() {
                            self.work.store.put_pause(&self.work.fence, None).await?;
                        }
                        return Ok(Rest::Idle);
                    }
                    None => continue,
                }
            }
            tokio::select! {
                biased;
                () = signals.wake.notified() => self.look_at_gate().await?,
                ended = self.running.join_next_with_id() => {
                    if let Some(ended) = ended {
                        self.ended(ended).await?;
                    }
                    while let Some(ended) = self.running.try_join_next_with_id() {
                        self.ended(ended).await?;
                    }
                }
                () = signals.stop.cancelled(), if self.rest.is_none() => {}
            }
        }
    }

    /// A run that was accepted waits for what is being written, and not for what is only ready.
    async fn look_at_gate(&mut self) -> Result<(), StoreError> {
        if self.work.store.active_run(&self.work.fence.integration).await?.is_some() {
            self.let_go.cancel();
            self.rest.get_or_insert(Rest::Closed);
        }
        Ok(())
    }

    /// Decodes what has come, and takes contacts; how much there was to do.
    async fn take_in(&mut self) -> Result<usize, StoreError> {
        let decoded = match self.decode().await? {
            Round::Done(decoded) => decoded,
            Round::Pause(kind, error) => {
                let asked = match of_call(&error) {
                    Trouble::Passing { after, .. } => after,
                    _ => None,
                };
                self.pause(kind, cause(&error), asked).await?;
                return Ok(0);
            }
        };
        let limit = if self.probing.is_some() { 1 } else { TAKE };
        if self.probing.is_some() && !self.running.is_empty() {
            return Ok(decoded);
        }
        let mut busy: Vec<ContactId> = self.busy.values().cloned().collect();
        busy.extend(self.ends.iter().map(|end| end.contact.clone()));
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let id = &self.work.fence.integration;
        let taken = match self.work.store.take(id, Timestamp::now(), &busy, limit).await? {
            Taken::Closed(run) => {
                debug!(integration = %id, %run, "the gate is closed");
                self.let_go.cancel();
                self.rest = Some(Rest::Closed);
                return Ok(0);
            }
            Taken::Contacts(taken) => taken,
        };
        let contacts = taken.len();
        if contacts > 0 {
            let last = |waiting: &Waiting| {
                let up_to = waiting.changes.last()?.number;
                Some((waiting.contact.clone(), waiting.attempts, up_to))
            };
            let all: Vec<_> = taken.iter().filter_map(last).collect();
            match prepare(self.work, taken).instrument(self.pass.span()).await {
                Ok(ready) => self.begin(ready).await?,
                Err(SyncError::Store(StoreError::Changed { .. })) => {
                    debug!(integration = %self.work.fence.integration, "the integration was changed");
                    self.let_go.cancel();
                    self.rest = Some(Rest::Enough);
                    return Ok(0);
                }
                Err(SyncError::Store(error)) => return Err(error),
                Err(error) => {
                    let span = self.pass.span();
                    self.all_failed(&all, &error).instrument(span).await?;
                }
            }
        }
        Ok(decoded + contacts)
    }

    async fn decode(&mut self) -> Result<Round, StoreError> {
        let due = decode::due(self.work).await?;
        if due.is_empty() {
            return Ok(Round::Done(0));
        }
        decode::decode(self.work, due).instrument(self.pass.span()).await
    }

    /// Starts what is ready. What is about to be written is remembered first, if the gate is still open.
    async fn begin(&mut self, ready: Vec<Ready>) -> Result<(), StoreError> {
        let mut jobs = Vec::with_capacity(ready.len());
        for ready in ready {
            match ready {
                Ready::Ended(end) => self.ends.push(end),
                Ready::Job(job) => jobs.push(*job),
            }
        }
        let intents = jobs.iter().filter_map(|job| match &job.task {
            prepare::Task::Write { staged, .. } => Some(staged.intent.clone()),
            prepare::Task::Delete { .. } => None,
        });
        let effects: Vec<(ContactId, Effect)> = jobs.iter().flat_map(|job| job.effects()).collect();
        if self.is_braked(&effects).await? {
            return Ok(());
        }
        match self.work.store.begin_writes(&self.work.fence, intents.collect(), effects).await {
            Ok(()) => {}
            Err(StoreError::GateClosed { .. }) => {
                self.let_go.cancel();
                self.rest = Some(Rest::Closed);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        for job in jobs {
            let (work, place, let_go) = (self.work.clone(), stand_in_line(&self.places), self.let_go.clone());
            let contact = job.contact.clone();
            let writing = async move {
                let place = let_go.run_until_cancelled(place).await;
                let done = match place {
                    Some(_place) => write_if_open(&work, &job, &let_go).await,
                    None => Ok(None),
                };
                (job, done)
            };
            let handle = self.running.spawn(writing.instrument(self.pass.span()));
            self.busy.insert(handle.id(), contact);
        }
        Ok(())
    }

    /// Whether what is about to be done is more than may be done within an hour without being asked. Then the lane
    /// waits for approval.
    async fn is_braked(&mut self, about_to: &[(ContactId, Effect)]) -> Result<bool, StoreError> {
        let Work { store, fence, line, .. } = self.work;
        if about_to.is_empty() || line.brake.share >= 100 {
            return Ok(false);
        }
        let now = Timestamp::now();
        let would = store.lane_tally(&fence.integration, now, about_to).await?;
        // Counting the profiles takes its time, and few are never stopped.
        if !line.brake.stops(&would, 0) {
            return Ok(false);
        }
        let profiles = store.profiles(&fence.integration).await?;
        if !line.brake.stops(&would, profiles) {
            return Ok(false);
        }
        let held = braking::held(self.work, would, profiles, None);
        warn!(integration = %fence.integration, %held, "the brake: the lane waits for approval");
        store.hold_lane(fence, Some(&held)).await?;
        let pause = Pause {
            kind: PauseKind::Held,
            cause: Cause {
                code: "brake-held".to_owned(),
                subject: None,
                message: format!(
                    "the changes of the last hour {held}. Look at them with `sluice sync held {0}`; `sluice sync approve \
                     {0}` lets them through",
                    fence.integration
                ),
            },
            failures: 0,
            since: now,
            until: Timestamp::MAX,
        };
        store.put_pause(fence, Some(&pause)).await?;
        self.let_go.cancel();
        self.rest = Some(Rest::Paused(pause));
        Ok(true)
    }

    async fn ended(&mut self, ended: Result<(Id, Done), JoinError>) -> Result<(), StoreError> {
        let (id, (job, done)) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // A task that panicked: its contact is taken again.
                warn!(%error, "a contact's writing was broken off");
                self.busy.remove(&error.id());
                return Ok(());
            }
        };
        self.busy.remove(&id);
        match done {
            Ok(None) => {}
            Ok(Some(end)) => {
                self.health.succeeded();
                if self.probing.take().is_some() {
                    info!(integration = %self.work.fence.integration, "the lane goes on");
                    self.work.store.put_pause(&self.work.fence, None).await?;
                }
                self.ends.push(end);
            }
            Err(Failed { error: SyncError::Store(error), .. }) => return Err(error),
            Err(failed) => {
                let span = self.pass.span();
                self.failed(job, failed).instrument(span).await?;
            }
        }
        Ok(())
    }

    /// One contact failed.
    async fn failed(&mut self, job: Job, failed: Failed) -> Result<(), StoreError> {
        let Job { contact, attempts, up_to, by, seen, .. } = job;
        let Failed { error, steps } = failed;
        warn!(contact = %contact, code = error.code(), "contact not written");
        let words = cause(&error);
        let limit = self.work.line.real_time.attempts;
        // A little later: the next one to be tried is another one.
        let due = Timestamp::now().checked_add(wait(1, None)).unwrap_or(Timestamp::MAX);
        let again = |cause: Cause, steps| ContactEnd::Again { due, cause, counts: false, steps };
        let end = match trouble(&error) {
            Trouble::Stop => return Err(StoreError::LeaseLost(self.work.fence.integration.clone())),
            Trouble::Refused(reason) => {
                self.health.succeeded();
                if self.probing.take().is_some() {
                    self.work.store.put_pause(&self.work.fence, None).await?;
                }
                ContactEnd::Ended(Box::new(refused(by, reason, steps)))
            }
            // It was begun before the lane paused, and says no more than what made it pause.
            Trouble::Attention | Trouble::Passing { .. } if matches!(self.rest, Some(Rest::Paused(_))) => {
                again(words, steps)
            }
            kind @ (Trouble::Attention | Trouble::Passing { .. }) => {
                let (kind, after, certain) = match kind {
                    Trouble::Passing { after, remote } => (PauseKind::Remote, after, remote),
                    _ => (PauseKind::NeedsAttention, None, false),
                };
                // What fails for one contact alone may not keep the others waiting, least of all by being tried
                // again and again while the lane pauses.
                if certain || self.health.failed(&contact) || !self.apsis_is_there().await {
                    self.pause(kind, words.clone(), after).await?;
                    again(words, steps)
                } else {
                    another_attempt(attempts, words, steps, after, limit)
                }
            }
            Trouble::Hopeless => another_attempt(attempts, words, steps, None, limit),
        };
        self.ends.push(LaneEnd { contact, up_to, end, seen });
        Ok(())
    }

    /// Whether APSIS One answers to what is about no contact: then a failure is the contact's own.
    async fn apsis_is_there(&self) -> bool {
        self.work.line.target.client().is_there().await
    }

    /// None of the contacts that were taken could be made ready. One that fails alone, while the CRM answers what is
    /// about nobody, may be what is wrong.
    async fn all_failed(
        &mut self,
        taken: &[(ContactId, u32, ChangeNumber)],
        error: &SyncError,
    ) -> Result<(), StoreError> {
        let passing = matches!(trouble(error), Trouble::Passing { .. });
        if let [(contact, attempts, up_to)] = taken
            && passing
            && !self.health.failed(contact)
            && self.work.line.connection.check().await.is_ok()
        {
            let limit = self.work.line.real_time.attempts;
            let end = another_attempt(*attempts, cause(error), Vec::new(), None, limit);
            self.ends.push(LaneEnd { contact: contact.clone(), up_to: *up_to, end, seen: None });
            return Ok(());
        }
        let kind = match trouble(error) {
            Trouble::Stop => return Err(StoreError::LeaseLost(self.work.fence.integration.clone())),
            Trouble::Attention => PauseKind::NeedsAttention,
            Trouble::Passing { .. } | Trouble::Hopeless | Trouble::Refused(_) => PauseKind::Remote,
        };
        let after = match trouble(error) {
            Trouble::Passing { after, .. } => after,
            _ => None,
        };
        self.pause(kind, cause(error), after).await
    }

    /// Pauses the lane; what is only ready is let go of.
    async fn pause(
        &mut self,
        kind: PauseKind,
        cause: Cause,
        asked: Option<Duration>,
    ) -> Result<(), StoreError> {
        if matches!(self.rest, Some(Rest::Paused(_))) {
            return Ok(());
        }
        let pause = trouble::pause(self.probing.as_ref(), kind, cause, asked, Timestamp::now());
        warn!(
            integration = %self.work.fence.integration,
            code = pause.cause.code,
            until = %pause.until,
            "the lane pauses"
        );
        self.work.store.put_pause(&self.work.fence, Some(&pause)).await?;
        self.let_go.cancel();
        self.rest = Some(Rest::Paused(pause));
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), StoreError> {
        if self.ends.is_empty() {
            return Ok(());
        }
        let ends = std::mem::take(&mut self.ends);
        let told = metrics::LaneEnds::of(&self.work.fence.integration, &ends);
        self.work.store.settle_changes(&self.work.fence, ends).await?;
        told.count();
        Ok(())
    }
}

/// A place among those that are written at the same time, when it is this one's turn: whoever asked before comes
/// before, whenever its task is first looked at.
fn stand_in_line(places: &Arc<Semaphore>) -> impl Future<Output = Option<OwnedSemaphorePermit>> + use<> {
    let mut place = Box::pin(Arc::clone(places).acquire_owned());
    let at_once = place.as_mut().now_or_never();
    async move {
        let place = match at_once {
            Some(place) => place,
            None => place.await,
        };
        // Nobody closes the semaphore.
        place.ok()
    }
}

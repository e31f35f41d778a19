//! The worker of one integration: whatever there is to do for it, one thing after the other, for as long as
//! this host holds it.
//!
//! A run and the lane are never at work at the same time: that is how the gate is kept. The gate itself is in
//! the store: a run that is active there keeps it closed, whoever asks.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::bulk::have_left_ended;
use super::failure::SyncError;
use super::forgetting::{forget_all, is_asked};
use super::holding::Hold;
use super::lane::trouble::{self, Health, Trouble};
use super::lane::{self, Rest, Signals};
use super::line::{Line, Patience, connect};
use super::overviews::{Turn, Turns};
use super::service::Service;
use super::work::Work;
use super::{daily, webhook};
use crate::error::ErrorCode;
use crate::integration::NewContacts;
use crate::lane::{Pause, PauseKind, Standing};
use crate::run::{Phase, RunKind, RunOrder};
use crate::store::StoreError;

/// How long to wait after the store failed.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// How long after a daily run that failed another one is started.
const DAILY_AGAIN: Duration = Duration::from_mins(30);

/// As how many failures the first one to forget counts: the wait grows from some seconds, since a purge keeps all others
/// from writing.
const FORGET_AGAIN: u32 = 4;

/// How often an import of a run that has ended is asked whether it has, too.
const IMPORT_AGAIN: Duration = Duration::from_secs(2);

/// How long what both sides have is taken to be as it was read: a field that is gone since reads as empty.
const FRESH_FOR: Duration = Duration::from_mins(15);

/// The longest sleep: clocks are set, and hints get lost.
const LONGEST: Duration = Duration::from_mins(1);

/// One integration's worker.
pub struct Worker {
    service: Service,
    hold: Hold,
    signals: Signals,
    health: Health,
    /// The opened line, and the revision of the integration that it was opened for.
    line: Option<(i64, Work)>,
    /// Set: forgetting did not succeed, and is tried again then; how often it did not.
    forget_again: Option<(Timestamp, u32)>,
    /// The imports of overviews.
    imports: Turns,
    /// Whether the webhook was looked at since it last changed, and how often that failed.
    webhook: (Option<i64>, u32),
}

/// How a worker can be told things.
#[derive(Clone)]
pub struct Handle {
    /// There may be something to do.
    pub wake: Arc<Notify>,
    /// It is to finish what it has begun, and end.
    pub stop: CancellationToken,
}

/// What there is to do next.
enum Next {
    /// Look again at once.
    Again,
    /// Nothing, until woken or until then.
    Sleep(Option<Timestamp>),
    /// The worker ends.
    End,
}

impl Worker {
    /// A worker for what this host holds.
    pub fn new(service: Service, hold: Hold) -> (Self, Handle) {
        let handle = Handle { wake: Arc::new(Notify::new()), stop: CancellationToken::new() };
        let signals = Signals { wake: Arc::clone(&handle.wake), stop: handle.stop.clone() };
        let worker = Self {
            service,
            hold,
            signals,
            health: Health::default(),
            line: None,
            forget_again: None,
            imports: Turns::default(),
            webhook: (None, 0),
        };
        (worker, handle)
    }

    /// Works until it is stopped, the integration is gone, or another host has taken over; gives the
    /// integration back.
    pub async fn run(mut self) {
        loop {
            let until = match self.next().await {
                Ok(Next::Again) => continue,
                Ok(Next::End) => break,
                Ok(Next::Sleep(until)) => until,
                Err(error) => {
                    if matches!(error, StoreError::LeaseLost(_) | StoreError::NoIntegration(_)) {
                        info!(integration = %self.hold.fence.integration, code = error.code(), "integration let go");
                        return;
                    }
                    error!(
                        integration = %self.hold.fence.integration,
                        code = error.code(),
                        %error,
                        "work is interrupted, and will be gone on with"
                    );
                    Timestamp::now().checked_add(STORE_AGAIN).ok()
                }
            };
            let sleep = until.map_or(LONGEST, |until| {
                Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default()
            });
            tokio::select! {
                () = self.signals.wake.notified() => {}
                () = tokio::time::sleep(sleep.min(LONGEST)) => {}
                () = self.signals.stop.cancelled() => break,
                () = self.hold.lost.cancelled() => return,
            }
        }
        if let Err(error) = self.hold.release().await {
            warn!(code = error.code(), %error, "an integration could not be given back, and runs out");
        }
    }

    /// Does the next thing that there is to do.
    async fn next(&mut self) -> Result<Next, StoreError> {
        if self.signals.stop.is_cancelled() {
            return Ok(Next::End);
        }
        if !self.hold.valid.holds() {
            info!(integration = %self.hold.fence.integration, code = "lease-lost", "integration let go");
            return Ok(Next::End);
        }
        let id = self.hold.fence.integration.clone();
        let store = Arc::clone(self.service.store());
        let Some(standing) = store.standing(&id).await? else { return Ok(Next::End) };
        let webhook_due = self.tend_webhook(&standing).await?;
        if let Some(run) = store.active_run(&id).await? {
            if run.waits() {
                let turn = self.import(&standing).await?;
                return Ok(after_turn(turn, Next::Sleep(webhook_due)));
            }
            let stop = self.signals.stop.clone();
            let ended = stop.run_until_cancelled(Box::pin(self.service.execute(run.id, &self.hold))).await;
            return match ended {
                None => Ok(Next::End),
                Some(ended) => ended.map(|_| Next::Again),
            };
        }
        let forget_due = self.forget(&standing).await?;
        if standing.retiring && webhook_due.is_none() {
            // Somebody may have applied it again since it was looked at.
            if !store.delete_retiring(&self.hold.fence).await? {
                return Ok(Next::Again);
            }
            info!(integration = %id, "integration deleted");
            return Ok(Next::End);
        }
        if standing.retiring {
            return Ok(Next::Sleep(earliest([webhook_due, forget_due])));
        }
        let turn = self.import(&standing).await?;
        let next = self.lane(&standing, webhook_due, forget_due).await?;
        Ok(after_turn(turn, next))
    }

    /// Gives the imports of overviews their turn.
    async fn import(&mut self, standing: &Standing) -> Result<Turn, StoreError> {
        let recurring = standing.enabled && !standing.retiring;
        self.imports.next(&self.service, &self.hold, &standing.integration, recurring).await
    }

    /// Begins the daily run, if it is due; else has the lane work.
    async fn lane(
        &mut self,
        standing: &Standing,
        webhook_due: Option<Timestamp>,
        forget_due: Option<Timestamp>,
    ) -> Result<Next, StoreError> {
        let (id, store) = (standing.integration.id.clone(), Arc::clone(self.service.store()));
        if !standing.enabled {
            return Ok(Next::Sleep(earliest([webhook_due, forget_due])));
        }
        let record = store.lane(&id).await?;
        let now = Timestamp::now();
        if let Some(pause) = record.pause.as_ref().filter(|pause| pause.until > now) {
            self.line = None;
            return Ok(Next::Sleep(earliest([Some(pause.until), webhook_due, forget_due])));
        }
        if record.pause.is_none()
            && let Some(due) = self.daily_due(standing, record.daily_done, now).await?
        {
            store.accept_run(&id, RunOrder::Daily { due }).await?;
            return Ok(Next::Again);
        }
        let work = match self.work(standing).await {
            Ok(work) => work,
            Err(error) => return self.not_opened(record.pause.as_ref(), &error).await,
        };
        // What an import of an earlier run brings late would come over what the lane writes.
        match have_left_ended(&*store, &self.hold.fence, &work.line.target).await {
            Ok(true) => {}
            Ok(false) => {
                let again = now.checked_add(IMPORT_AGAIN).ok();
                return Ok(Next::Sleep(earliest([again, webhook_due, forget_due])));
            }
            Err(SyncError::Store(error)) => return Err(error),
            Err(error) => return self.not_opened(record.pause.as_ref(), &error).await,
        }
        let rest = Box::pin(lane::go_on(&work, &mut self.health, record.pause, &self.signals)).await?;
        Ok(match rest {
            Rest::Idle => Next::Sleep(earliest([webhook_due, forget_due, self.next_daily(standing, now)])),
            Rest::Closed | Rest::Enough => Next::Again,
            Rest::Paused(pause) => {
                self.line = None;
                Next::Sleep(earliest([Some(pause.until), webhook_due, forget_due]))
            }
            Rest::Stopped => Next::End,
        })
    }

    /// Forgets who is to be forgotten; when that is tried again, if it did not succeed.
    async fn forget(&mut self, standing: &Standing) -> Result<Option<Timestamp>, StoreError> {
        let store = &**self.service.store();
        if !is_asked(store, &standing.integration).await? {
            self.forget_again = None;
            return Ok(None);
        }
        if let Some((due, _)) = self.forget_again.filter(|(due, _)| *due > Timestamp::now()) {
            return Ok(Some(due));
        }
        let failed = Box::pin(forget_all(&self.service, &self.hold, &standing.integration)).await?;
        self.forget_again = failed.and_then(|_| {
            let failures = self.forget_again.map_or(FORGET_AGAIN, |(_, failures)| failures.saturating_add(1));
            Some((Timestamp::now().checked_add(trouble::wait(failures, None)).ok()?, failures))
        });
        Ok(self.forget_again.map(|(due, _)| due))
    }

    /// The line, opened anew when the integration has changed, the lane was paused, or what the sides have was read too
    /// long ago.
    async fn work(&mut self, standing: &Standing) -> Result<Work, SyncError> {
        if let Some((revision, work)) = &self.line
            && *revision == standing.revision
            && work.line.opened_at.elapsed() < FRESH_FOR
        {
            return Ok(work.clone());
        }
        let valid = self.hold.valid.clone();
        let line = Box::pin(Line::open(&self.service, &standing.integration, valid, Patience::Short)).await?;
        if let Some(need) = line.paused_need() {
            self.service.store().put_need(&self.hold.fence, &need).await?;
        }
        let work = Work {
            store: Arc::clone(self.service.store()),
            fence: self.hold.fence.clone(),
            line: Arc::new(line),
            revision: Some(standing.revision),
        };
        self.line = Some((standing.revision, work.clone()));
        Ok(work)
    }

    /// Without a line nothing can be tried; the lane pauses.
    async fn not_opened(&self, before: Option<&Pause>, error: &SyncError) -> Result<Next, StoreError> {
        let (kind, asked) = match trouble::trouble(error) {
            Trouble::Stop => return Ok(Next::End),
            Trouble::Attention | Trouble::Hopeless | Trouble::Refused(_) => (PauseKind::NeedsAttention, None),
            Trouble::Passing { after, .. } => (PauseKind::Remote, after),
        };
        let pause = trouble::pause(before, kind, trouble::cause(error), asked, Timestamp::now());
        warn!(
            integration = %self.hold.fence.integration,
            code = error.code(),
            until = %pause.until,
            "the line cannot be opened; the lane pauses"
        );
        self.service.store().put_pause(&self.hold.fence, Some(&pause)).await?;
        Ok(Next::Sleep(Some(pause.until)))
    }

    /// Brings the webhook to what is wanted; when that is to be tried again, if it did not succeed.
    async fn tend_webhook(&mut self, standing: &Standing) -> Result<Option<Timestamp>, StoreError> {
        let wanted = webhook::wanted(standing, self.service.public_url());
        let fence = &self.hold.fence;
        let known = self.service.store().webhook(&fence.integration).await?;
        let settled = known.failure.is_none() && webhook::is_settled(&known, &wanted);
        // Once for each revision it is looked at in the CRM, where somebody may have deleted it.
        let looked_at =
            self.webhook.0 == Some(standing.revision) || !matches!(wanted, webhook::Wanted::At(_));
        if settled && looked_at {
            return Ok(None);
        }
        if let Some(due) = known.due.filter(|due| *due > Timestamp::now())
            && self.webhook.0 == Some(standing.revision)
        {
            return Ok(Some(due));
        }
        self.webhook.0 = Some(standing.revision);
        let connection = match connect(&self.service, &standing.integration).await {
            Ok(connection) if !connection.connector().exports().deliveries => return Ok(None),
            Ok(connection) => connection,
            Err(error) => {
                let mut known = known;
                known.failure = Some(trouble::cause(&error));
                known.due = Timestamp::now().checked_add(trouble::wait(5, None)).ok();
                self.service.store().put_webhook(fence, &known).await?;
                return Ok(known.due);
            }
        };
        let tended =
            webhook::tend(&**self.service.store(), fence, &connection, &wanted, self.webhook.1).await?;
        self.webhook.1 = if tended.failure.is_some() { self.webhook.1.saturating_add(1) } else { 0 };
        Ok(tended.due)
    }

    fn daily_times(standing: &Standing) -> Option<(jiff::civil::Time, TimeZone)> {
        let integration = &standing.integration;
        let zone = TimeZone::get(&integration.time_zone).ok()?;
        let daily = integration.real_time.new_contacts == NewContacts::Daily;
        daily.then_some((integration.real_time.daily_at, zone))
    }

    /// The moment for which a daily run is due now, if one is.
    async fn daily_due(
        &self,
        standing: &Standing,
        done: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let due = Self::daily_times(standing).and_then(|(at, zone)| daily::last_due(now, at, &zone));
        let Some(due) = due else { return Ok(None) };
        if done.is_none_or(|done| done < due) {
            return Ok(Some(due));
        }
        let last = self.service.store().runs(&standing.integration.id, 1).await?;
        let failed = last.first().filter(|run| run.kind == RunKind::Daily && run.phase == Phase::Failed);
        let again = failed.and_then(|run| run.ended_at?.checked_add(DAILY_AGAIN).ok());
        Ok(again.filter(|again| *again <= now).map(|_| due))
    }

    fn next_daily(&self, standing: &Standing, now: Timestamp) -> Option<Timestamp> {
        Self::daily_times(standing).and_then(|(at, zone)| daily::next_due(now, at, &zone))
    }
}

/// What is next where an import has had its turn.
fn after_turn(turn: Turn, next: Next) -> Next {
    match next {
        Next::Sleep(_) if turn.more => Next::Again,
        Next::Sleep(until) => Next::Sleep(earliest([until, turn.due])),
        next => next,
    }
}

fn earliest<const N: usize>(moments: [Option<Timestamp>; N]) -> Option<Timestamp> {
    moments.into_iter().flatten().min()
}

//! One full sync or daily run from its acceptance to its end: which step follows which, and how it is
//! stopped.
//!
//! A step begins with its phase in the store, so a run that was killed goes on where it was. What ends
//! a run is stored before anybody is told.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, error, info, info_span, instrument, warn};

use super::contact_steps::{ContactSteps, Writer};
use super::failure::SyncError;
use super::holding::Hold;
use super::line::Line;
use super::reading::Read;
use super::work::Work;
use super::{braking, bulk, daily, mending, reading, voices, writing};
use crate::apsis::Kind;
use crate::contact::ContactId;
use crate::error::{ErrorCode, Failure};
use crate::metrics;
use crate::run::{Outcome, Phase, Run, RunId, RunKind, Source};
use crate::store::{RunEnd, Store, StoreError};
use crate::traces;

/// How long contacts in the middle of being written may take to get their outcome after a cancel. One
/// whose steps take longer has none, though some of it is written; the next run writes it whole.
const GRACE: Duration = Duration::from_millis(700);

/// Changes of address looked at in one go.
const MOVES: u32 = 100;

/// How long what a run has decided may wait for approval before it is decided anew.
const DECIDED_FOR: SignedDuration = SignedDuration::from_mins(10);

/// How often the store is asked whether somebody cancelled: it may have been another process.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Does an active run from where it is to its end, and returns it as it ended; none if the integration was given another
/// version of its connector meanwhile: the run is where it was, and goes on with another line. `line` is opened first.
///
/// # Errors
/// When the store fails, or another host takes over: the run stays active, to be gone on with. Every other
/// failure ends the run.
#[instrument(name = "run", skip_all, fields(
    otel.name = run.kind.words(), integration = %run.integration, run = %run.id, phase = Empty, read = Empty,
    created = Empty, updated = Empty, unchanged = Empty, excluded = Empty, rejected = Empty, deleted = Empty,
    code = Empty, otel.status_code = Empty,
))]
pub async fn execute(
    store: Arc<dyn Store>,
    hold: &Hold,
    line: impl Future<Output = Result<Line, SyncError>>,
    run: Run,
) -> Result<Option<Run>, StoreError> {
    let (id, kind) = (run.id, run.kind.words());
    let cancelled = CancellationToken::new();
    info!(run = %id, integration = %run.integration, phase = run.phase.as_str(), kind, "run begins");
    let steps = async {
        let line = tokio::select! {
            line = line => Arc::new(line?),
            () = cancelled.cancelled() => return Ok(Went::Through),
        };
        if let Some(need) = line.paused_need().filter(|_| run.kind != RunKind::DryRun) {
            store.put_need(&hold.fence, &need).await?;
        }
        let work = Work { store: Arc::clone(&store), fence: hold.fence.clone(), line, revision: None };
        go_through(&work, run, &cancelled).await
    };
    let end = tokio::select! {
        ended = steps => ended,
        stopped = stop_when_asked(&*store, id, &cancelled) => stopped.map(|()| Went::Through),
        () = hold.lost.cancelled() => Err(StoreError::LeaseLost(hold.fence.integration.clone()).into()),
    };
    let end = match end {
        Ok(_) if cancelled.is_cancelled() => RunEnd::Cancelled,
        Ok(Went::Held) => {
            let run = store.run(id).await?;
            tell(&run);
            return Ok(Some(run));
        }
        Ok(Went::Switched) => {
            info!(run = %id, "the run goes on with another version of the connector");
            return Ok(None);
        }
        Ok(Went::Through) => RunEnd::Completed,
        Err(SyncError::Store(error)) => return Err(error),
        // Whatever it was, it was met by somebody who had to stop; who takes over goes on.
        Err(_) if !hold.valid.holds() => {
            return Err(StoreError::LeaseLost(hold.fence.integration.clone()));
        }
        Err(error) => {
            error!(run = %id, code = error.code(), kind, "run failed");
            traces::failed(error.code());
            RunEnd::Failed(Failure::from(&error))
        }
    };
    let run = store.end_run(&hold.fence, id, end).await?;
    metrics::run_ended(&run);
    tell(&run);
    info!(run = %id, phase = run.phase.as_str(), read = run.counters.read, kind, "run ended");
    Ok(Some(run))
}

/// Tells the current span what a run came to.
fn tell(run: &Run) {
    let span = Span::current();
    span.record("phase", run.phase.as_str()).record("read", run.counters.read);
    for outcome in Outcome::ALL {
        span.record(outcome.as_str(), *run.counters.clone().of(outcome));
    }
}

/// What is done in a phase.
fn span_of(phase: Phase) -> Span {
    info_span!("phase", otel.name = phase.as_str())
}

/// How far a run went.
enum Went {
    /// To its end.
    Through,
    /// To where it waits for approval.
    Held,
    /// To where another version of the connector is to go on.
    Switched,
}

async fn go_through(work: &Work, run: Run, cancelled: &CancellationToken) -> Result<Went, SyncError> {
    let mut run = run;
    let id = run.id;
    let mut phase = run.phase;
    if !phase.is_active() {
        return Ok(Went::Through);
    }
    while phase != Phase::Writing {
        if phase == Phase::Held && waited_long(&run) {
            info!(run = %id, "what was decided is old by now: reading anew");
            run = work.store.read_anew(&work.fence, id).await?;
            phase = run.phase;
        }
        // Dropped in the middle, these steps leave nothing that is counted wrongly.
        let Some(next) =
            cancelled.run_until_cancelled(step(work, &run, phase).instrument(span_of(phase))).await
        else {
            return Ok(Went::Through);
        };
        let Some(next) = next? else { return Ok(Went::Switched) };
        if phase == Phase::Held && next == Phase::Held {
            return Ok(Went::Held);
        }
        if begins_to_write(&run, phase, next)
            && let Some(held) = braking::look(work, &run, next).await?
        {
            warn!(run = %id, %held, "the brake: the run waits for approval");
            work.store.hold_run(&work.fence, id, &held).await?;
            return Ok(Went::Held);
        }
        phase = next;
        work.store.enter_phase(&work.fence, id, phase).await?;
    }
    let writing = async {
        if run.kind != RunKind::DryRun {
            finish_moves(work, &run).await?;
        }
        writing::write_all(work, &run, cancelled).await
    };
    writing.instrument(span_of(Phase::Writing)).await?;
    Ok(Went::Through)
}

/// Whether a run was approved so long after it had decided that somebody may have said no since, or moved.
fn waited_long(run: &Run) -> bool {
    let since = run.hold.as_ref().filter(|_| run.approved).map(|held| held.since);
    since.is_some_and(|since| Timestamp::now().duration_since(since) > DECIDED_FOR)
}

/// Whether what comes next is the first that is written to APSIS One, without anybody having approved of it.
fn begins_to_write(run: &Run, phase: Phase, next: Phase) -> bool {
    run.kind != RunKind::DryRun
        && !run.approved
        && matches!(phase, Phase::Reading | Phase::Comparing)
        && matches!(next, Phase::Importing | Phase::Writing)
}

/// Does a phase before the writing one; gives the phase that follows, or none if another version of the connector is to
/// go on with this one.
async fn step(work: &Work, run: &Run, phase: Phase) -> Result<Option<Phase>, SyncError> {
    let id = run.id;
    Ok(Some(match phase {
        Phase::Accepted => {
            if run.kind == RunKind::FullSync {
                mending::opt_out_doubted(work).await?;
            }
            Phase::Reading
        }
        Phase::Reading => {
            if !run.read_to_end {
                let read = match run.kind {
                    RunKind::FullSync | RunKind::DryRun => match run.source {
                        Source::Crm => reading::read_all(work, run).await?,
                        Source::Known => {
                            reading::read_known(work, run).await?;
                            Read::ToItsEnd
                        }
                    },
                    RunKind::Daily => daily::read_new(work, run).await?,
                };
                if read == Read::Switched {
                    return Ok(None);
                }
            }
            voices::settle(work, run).await?;
            bulk::await_left(work).await?;
            if work.store.staged_count(id).await? >= work.line.import_threshold {
                // What APSIS One has is read at once.
                Phase::Comparing
            } else {
                Phase::Writing
            }
        }
        Phase::Comparing => match bulk::compare_before(work, run).await? {
            bulk::Compared::Yes if run.kind != RunKind::DryRun => Phase::Importing,
            bulk::Compared::Yes | bulk::Compared::No => Phase::Writing,
        },
        Phase::Held => run.hold.as_ref().filter(|_| run.approved).and_then(|held| held.next).unwrap_or(phase),
        Phase::Importing => {
            writing::opt_out_first(work, run).await?;
            bulk::import_all(work, id).await?;
            Phase::Verifying
        }
        Phase::Verifying => {
            bulk::verify(work, id).await?;
            Phase::Writing
        }
        Phase::Writing | Phase::Completed | Phase::Failed | Phase::Cancelled => phase,
    }))
}

/// Finishes changes of address that an earlier run, or the lane, had begun with contacts that this one does not write.
async fn finish_moves(work: &Work, run: &Run) -> Result<(), SyncError> {
    let mut after: Option<ContactId> = None;
    loop {
        let moving = work.store.moving(&run.integration, after.as_ref(), MOVES).await?;
        let Some(last) = moving.last() else { return Ok(()) };
        after = Some(last.clone());
        let staged = work.store.staged_of(run.id, &moving).await?;
        for contact in moving.iter().filter(|contact| !staged.iter().any(|one| one.intent.key == **contact)) {
            let writer = Writer::Run { id: run.id, forced: run.forced, dry: false };
            match ContactSteps::new(work, writer, contact).finish_moves().await {
                // It costs that contact, and stays to be finished.
                Err(SyncError::Apsis(error)) if matches!(error.kind(), Kind::Contact(_)) => {
                    warn!(run = %run.id, %contact, code = error.code(), "an old address is not opted out yet");
                }
                finished => finished?,
            }
        }
    }
}

/// Returns some moments after somebody has asked the run to stop, so that what is being written can
/// get its outcome.
async fn stop_when_asked(
    store: &dyn Store,
    id: RunId,
    cancelled: &CancellationToken,
) -> Result<(), SyncError> {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        if store.run(id).await?.cancel_requested {
            cancelled.cancel();
            tokio::time::sleep(GRACE).await;
            return Ok(());
        }
    }
}

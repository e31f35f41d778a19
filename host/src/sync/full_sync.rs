//! One full sync from its acceptance to its end: which step follows which, and how it is stopped.
//!
//! A step begins with its phase in the store, so a run that was killed goes on where it was. What ends
//! a run is stored before anybody is told.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::failure::SyncError;
use super::line::Line;
use super::{bulk, reading, writing};
use crate::error::{ErrorCode, Failure};
use crate::run::{Phase, Run, RunId};
use crate::store::{RunEnd, Store, StoreError};

/// How long contacts in the middle of being written may take to get their outcome after a cancel. One
/// whose steps take longer has none, though some of it is written; the next run writes it whole.
const GRACE: Duration = Duration::from_millis(700);

/// How often the store is asked whether somebody cancelled: it may have been another process.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Does an active run from where it is to its end, and returns it as it ended. `line` is opened first.
///
/// # Errors
/// When the store fails: the run stays active, to be gone on with. Every other failure ends the run.
pub async fn execute(
    store: &dyn Store,
    line: impl Future<Output = Result<Line, SyncError>>,
    run: Run,
) -> Result<Run, StoreError> {
    let id = run.id;
    let cancelled = CancellationToken::new();
    info!(run = %id, integration = %run.integration, phase = run.phase.as_str(), "full sync begins");
    let steps = async {
        let line = tokio::select! {
            line = line => line?,
            () = cancelled.cancelled() => return Ok(()),
        };
        go_through(store, &line, run, &cancelled).await
    };
    let end = tokio::select! {
        ended = steps => ended,
        stopped = stop_when_asked(store, id, &cancelled) => stopped,
    };
    let end = match end {
        Ok(()) if cancelled.is_cancelled() => RunEnd::Cancelled,
        Ok(()) => RunEnd::Completed,
        Err(SyncError::Store(error)) => return Err(error),
        Err(error) => {
            error!(run = %id, code = error.code(), "full sync failed");
            RunEnd::Failed(Failure::from(&error))
        }
    };
    let run = store.end_run(id, end).await?;
    info!(run = %id, phase = run.phase.as_str(), read = run.counters.read, "full sync ended");
    Ok(run)
}

async fn go_through(
    store: &dyn Store,
    line: &Line,
    run: Run,
    cancelled: &CancellationToken,
) -> Result<(), SyncError> {
    let id = run.id;
    let mut phase = run.phase;
    if !phase.is_active() {
        return Ok(());
    }
    while phase != Phase::Writing {
        // Dropped in the middle, these steps leave nothing that is counted wrongly.
        let Some(next) = cancelled.run_until_cancelled(step(store, line, &run, phase)).await else {
            return Ok(());
        };
        phase = next?;
        store.enter_phase(id, phase).await?;
    }
    writing::write_all(store, line, id, cancelled).await
}

/// Does a phase before the writing one; gives the phase that follows.
async fn step(store: &dyn Store, line: &Line, run: &Run, phase: Phase) -> Result<Phase, SyncError> {
    let id = run.id;
    Ok(match phase {
        Phase::Accepted => Phase::Reading,
        Phase::Reading => {
            if !run.read_to_end {
                reading::read_all(store, line, run).await?;
            }
            bulk::await_left(store, line, &run.integration).await?;
            if store.staged_count(id).await? >= line.import_threshold {
                Phase::Comparing
            } else {
                Phase::Writing
            }
        }
        Phase::Comparing => match bulk::compare_before(store, line, id, run.forced).await? {
            bulk::Compared::Yes => Phase::Importing,
            bulk::Compared::No => Phase::Writing,
        },
        Phase::Importing => {
            writing::opt_out_first(store, line, id).await?;
            bulk::import_all(store, line, id).await?;
            Phase::Verifying
        }
        Phase::Verifying => {
            bulk::verify(store, line, id).await?;
            Phase::Writing
        }
        Phase::Writing | Phase::Completed | Phase::Failed | Phase::Cancelled => phase,
    })
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

//! The second half of a large full sync: what APSIS One has is read in one export, the rest goes in by
//! bulk imports, and a second export says what they did.
//!
//! APSIS One reports nothing about an import's rows, so nothing is believed of it: a contact has its
//! outcome when the profile read back is what the rules want. Whoever is left is written one by one,
//! by `writing`. Where exports cannot be had, everybody is.
//!
//! A killed run goes on: the imports' row ranges and numbers are in the store. A file whose upload was
//! not noted is uploaded again, which writes the same values twice and changes nothing.

use std::collections::HashMap;
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use super::contact_steps::plan;
use super::failure::SyncError;
use super::line::Line;
use super::work::Work;
use super::{moving, recording};
use crate::apsis::{
    ApsisError, ExportFile, ExportedProfile, IMPORTS_AT_ONCE, ImportFile, ImportId, ImportState, Kind, Row,
    Target, compare,
};
use crate::contact::ContactId;
use crate::error::ErrorCode;
use crate::hosting::Fence;
use crate::integration::SameAddress;
use crate::reason::Reason;
use crate::run::{Batch, BatchState, Outcome, Run, RunId, RunKind, Settled, Staged, Wrote};
use crate::step::{Asked, Step, differences};
use crate::store::{Found, Store};

/// Profiles or contacts handled in one transaction.
const TAKE: u32 = 500;

/// How often an import is asked whether it has ended: at first, and after some minutes.
const ASK_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// How long an import may wait for its file, which is uploaded. What it has not done by then goes one
/// by one.
const FILE_SEEN_WITHIN: Duration = Duration::from_mins(15);

/// The same where the upload failed, as far as we know.
const LOST_FILE_SEEN_WITHIN: Duration = Duration::from_mins(1);

/// How long an import may take in all.
const ENDED_WITHIN: Duration = Duration::from_hours(24);

/// Whether what APSIS One has is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// It is, of every staged contact.
    Yes,
    /// APSIS One gave no export: only single calls can tell.
    No,
}

/// Reads what APSIS One has of the staged contacts, and settles those that are as they should be.
///
/// # Errors
/// When APSIS One refuses the credentials; when the store or the disk fails.
pub async fn compare_before(work: &Work, run: &Run) -> Result<Compared, SyncError> {
    let id = run.id;
    let Some(file) = export(&work.line, id).await? else { return Ok(Compared::No) };
    let mut pages = work.line.target.export_pages(file, TAKE as usize);
    loop {
        let profiles = match pages.next().await {
            Ok(Some(profiles)) => profiles,
            Ok(None) => break,
            Err(error) => {
                warn!(run = %id, code = error.code(), "the export cannot be read: writing one by one");
                return Ok(Compared::No);
            }
        };
        let staged = staged_of(work, id, &profiles).await?;
        let mut found = Vec::new();
        let mut settled = Vec::new();
        for (profile, staged) in pair(profiles, staged) {
            match as_wanted(&staged, &profile).filter(|_| !run.forced) {
                Some(reason) => settled.push(written(staged, Outcome::Unchanged, reason)),
                None => {
                    let is_dry = run.kind == RunKind::DryRun;
                    let attributes =
                        is_dry.then(|| recording::attributes(&staged.intent, &profile.attributes));
                    found.push(Found {
                        contact: staged.intent.key,
                        existed: true,
                        consents: profile.consents,
                        attributes,
                    });
                }
            }
        }
        work.store.note_found(&work.fence, id, found).await?;
        work.store.settle(&work.fence, id, settled).await?;
    }
    work.store.note_rest_absent(&work.fence, id).await?;
    Ok(Compared::Yes)
}

/// Imports every staged contact that an import can carry, in files of contiguous ids.
///
/// # Errors
/// As `compare_before`.
pub async fn import_all(work: &Work, run: RunId) -> Result<(), SyncError> {
    let batches = work.store.batches(run).await?;
    let batches = if batches.is_empty() { choose(work, run).await? } else { batches };
    // One file is written at a time: three at once would need thrice the memory, and not be done sooner.
    let pen = Mutex::new(());
    let unfinished = batches.into_iter().filter(|batch| batch.state != BatchState::Ended);
    stream::iter(unfinished)
        .map(Ok)
        .try_for_each_concurrent(IMPORTS_AT_ONCE, |batch| import_one(work, run, batch, &pen).boxed())
        .await
}

/// Reads back what the imports did, and settles every contact whose profile is as it should be.
///
/// # Errors
/// As `compare_before`.
pub async fn verify(work: &Work, run: RunId) -> Result<(), SyncError> {
    let Some(file) = export(&work.line, run).await? else { return Ok(()) };
    let mut pages = work.line.target.export_pages(file, TAKE as usize);
    loop {
        let profiles = match pages.next().await {
            Ok(Some(profiles)) => profiles,
            Ok(None) => return Ok(()),
            Err(error) => {
                warn!(%run, code = error.code(), "the export cannot be read: writing one by one");
                return Ok(());
            }
        };
        let staged = staged_of(work, run, &profiles).await?;
        let settled = pair(profiles, staged).filter_map(|(profile, staged)| {
            let reason = as_wanted(&staged, &profile)?;
            let outcome = if staged.existed == Some(false) { Outcome::Created } else { Outcome::Updated };
            Some(written(staged, outcome, reason))
        });
        work.store.settle(&work.fence, run, settled.collect()).await?;
    }
}

/// Divides the staged contacts into files.
async fn choose(work: &Work, run: RunId) -> Result<Vec<Batch>, SyncError> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut size = u32::MAX;
    let mut after = None;
    loop {
        let staged = work.store.staged(run, after.as_ref(), None, TAKE).await?;
        let Some(last) = staged.last() else { break };
        after = Some(last.intent.key.clone());
        for staged in staged {
            let contact = staged.intent.key;
            match batches.last_mut() {
                Some(batch) if size < work.line.import_rows => {
                    batch.last = contact;
                    size += 1;
                }
                _ => {
                    let number = u32::try_from(batches.len()).unwrap_or(u32::MAX);
                    let state = BatchState::Chosen;
                    batches.push(Batch {
                        number,
                        first: contact.clone(),
                        last: contact,
                        state,
                        import_id: None,
                    });
                    size = 1;
                }
            }
        }
    }
    // Backwards, so that a store that has the first batch has them all.
    for batch in batches.iter().rev() {
        work.store.put_batch(&work.fence, run, batch).await?;
    }
    Ok(batches)
}

async fn import_one(work: &Work, run: RunId, mut batch: Batch, pen: &Mutex<()>) -> Result<(), SyncError> {
    let _permit = work.line.target.client().running_import().await;
    // Begun before a crash, and perhaps not uploaded: what to upload with is forgotten.
    if let Some(id) = &batch.import_id
        && import_state(&work.line.target, &ImportId(id.clone())).await? == ImportState::Waiting
    {
        batch.import_id = None;
    }
    let mut seen_within = FILE_SEEN_WITHIN;
    if batch.import_id.is_none() {
        let mut file = {
            let _writing = pen.lock().await;
            write_file(work, run, &batch).await?
        };
        if file.rows() > 0
            && let Err(error) = begin_and_upload(work, run, &mut batch, &mut file).await?
        {
            go_on(&error)?;
            warn!(%run, batch = batch.number, code = error.code(), "import refused: these go one by one");
            seen_within = LOST_FILE_SEEN_WITHIN;
        }
    }
    if let Some(id) = batch.import_id.clone() {
        match until_ended(&work.line.target, &ImportId(id), seen_within).await? {
            ImportState::Completed => info!(%run, batch = batch.number, "import completed"),
            state => {
                warn!(%run, batch = batch.number, ?state, "import not completed: what it left goes one by one");
            }
        }
    }
    batch.state = BatchState::Ended;
    Ok(work.store.put_batch(&work.fence, run, &batch).await?)
}

/// Starts an import. Its id is stored before its file is uploaded: from then on APSIS One works on it,
/// whatever becomes of us.
async fn begin_and_upload(
    work: &Work,
    run: RunId,
    batch: &mut Batch,
    file: &mut ImportFile,
) -> Result<Result<(), ApsisError>, SyncError> {
    let begun = match work.line.target.begin_import(file).await {
        Ok(begun) => begun,
        Err(error) => return Ok(Err(error)),
    };
    batch.import_id = Some(begun.id().0.clone());
    batch.state = BatchState::Uploaded;
    work.store.put_batch(&work.fence, run, batch).await?;
    let uploaded = work.line.target.upload_import(begun, file).await;
    info!(%run, batch = batch.number, rows = file.rows(), "import uploaded");
    Ok(uploaded)
}

/// Waits for the imports of runs that ended before they did: what they write late would come over what
/// this run writes.
///
/// # Errors
/// As `compare_before`.
pub async fn await_left(work: &Work) -> Result<(), SyncError> {
    let (mut pause, longest) = ASK_AFTER;
    while !have_left_ended(&*work.store, &work.fence, &work.line.target).await? {
        tokio::time::sleep(pause).await;
        pause = pause.mul_f64(1.3).min(longest);
    }
    Ok(())
}

/// Whether the imports of runs that ended before they did have ended by now.
///
/// # Errors
/// When APSIS One or the store fails.
pub async fn have_left_ended(store: &dyn Store, fence: &Fence, target: &Target) -> Result<bool, SyncError> {
    let mut all = true;
    for (run, batch) in store.imports_left(&fence.integration).await? {
        if let Some(id) = &batch.import_id {
            let state = import_state(target, &ImportId(id.clone())).await?;
            let since = store.run(run).await?.ended_at.unwrap_or(Timestamp::UNIX_EPOCH);
            let waited = Duration::try_from(Timestamp::now().duration_since(since)).unwrap_or_default();
            if !is_over(state, waited, FILE_SEEN_WITHIN) {
                info!(%run, batch = batch.number, "an import of an earlier run is waited for");
                all = false;
                continue;
            }
        }
        store.end_import_left(fence, run, batch.number).await?;
    }
    Ok(all)
}

/// Whether an import does nothing any more, or has taken longer than is sane.
fn is_over(state: ImportState, waited: Duration, seen_within: Duration) -> bool {
    let unseen = state == ImportState::Waiting && waited > seen_within;
    state.is_final() || unseen || waited > ENDED_WITHIN
}

/// How far an import is. One that APSIS One no longer knows has ended.
async fn import_state(target: &Target, import: &ImportId) -> Result<ImportState, ApsisError> {
    match target.import_state(import).await {
        Err(ApsisError::Missing { .. }) => Ok(ImportState::Error),
        state => state,
    }
}

/// Asks until an import has ended, or takes longer than is sane.
async fn until_ended(
    target: &Target,
    import: &ImportId,
    seen_within: Duration,
) -> Result<ImportState, ApsisError> {
    let began = Instant::now();
    let (mut pause, longest) = ASK_AFTER;
    loop {
        let state = import_state(target, import).await?;
        if is_over(state, began.elapsed(), seen_within) {
            return Ok(state);
        }
        tokio::time::sleep(pause).await;
        pause = pause.mul_f64(1.3).min(longest);
    }
}

/// Writes the file of a batch. Who cannot be a row, or finds the file full, is left to single calls.
async fn write_file(work: &Work, run: RunId, batch: &Batch) -> Result<ImportFile, SyncError> {
    let columns = work.line.target.import_columns(&work.line.attributes, &work.line.consents)?;
    let mut file = ImportFile::create(columns, &work.line.spool)?;
    let mut left = 0_u64;
    let mut staged = work.store.staged_of(run, std::slice::from_ref(&batch.first)).await?;
    let mut after = batch.first.clone();
    loop {
        let contacts: Vec<ContactId> = staged.iter().map(|staged| staged.intent.key.clone()).collect();
        let kept = work.store.kept_opt_outs(&work.fence.integration, &contacts).await?;
        for staged in &staged {
            let plan = plan(staged, staged.known_consents.as_deref());
            // A changed address takes steps that no import does.
            let row = match staged.intent.unwritten {
                Some(_) => Row::Unsuited,
                None if moving::moves(staged) || merges(&work.line, staged) => Row::Unsuited,
                // What the person had opted out of holds for the new profile, too.
                None if kept.contains_key(&staged.intent.key) => Row::Unsuited,
                None => file.add(&staged.intent, &plan, staged.existed == Some(false))?,
            };
            if row != Row::Written {
                left += 1;
            }
        }
        staged = work.store.staged(run, Some(&after), Some(&batch.last), TAKE).await?;
        let Some(last) = staged.last() else { break };
        after = last.intent.key.clone();
    }
    info!(%run, batch = batch.number, rows = file.rows(), left, "import written");
    Ok(file)
}

/// Whether a new profile may have to be made one with another of the same address.
fn merges(line: &Line, staged: &Staged) -> bool {
    line.same_address == SameAddress::Merge && staged.existed != Some(true)
}

/// Fetches an export into the spool. None where APSIS One does not give one.
async fn export(line: &Line, run: RunId) -> Result<Option<ExportFile>, SyncError> {
    match line.target.export(&line.attributes, &line.spool).await {
        Ok(file) => Ok(Some(file)),
        Err(error) => {
            go_on(&error)?;
            warn!(%run, code = error.code(), "no export from APSIS One: writing one by one");
            Ok(None)
        }
    }
}

/// Bulk work that does not succeed is done by single calls, unless those could not succeed either.
fn go_on(error: &ApsisError) -> Result<(), SyncError> {
    match error.kind() {
        Kind::Credentials | Kind::Local | Kind::Stopped => Err(error.clone().into()),
        Kind::Contact(_) | Kind::Exhausted | Kind::Permission | Kind::Settings | Kind::Protocol => Ok(()),
    }
}

async fn staged_of(work: &Work, run: RunId, profiles: &[ExportedProfile]) -> Result<Vec<Staged>, SyncError> {
    let keys: Vec<ContactId> = profiles.iter().map(|profile| profile.key.clone()).collect();
    Ok(work.store.staged_of(run, &keys).await?)
}

/// Each staged contact with its profile.
fn pair(
    profiles: Vec<ExportedProfile>,
    staged: Vec<Staged>,
) -> impl Iterator<Item = (ExportedProfile, Staged)> {
    let mut staged: HashMap<ContactId, Staged> =
        staged.into_iter().map(|staged| (staged.intent.key.clone(), staged)).collect();
    profiles.into_iter().filter_map(move |profile| {
        let staged = staged.remove(&profile.key)?;
        Some((profile, staged))
    })
}

fn written(staged: Staged, outcome: Outcome, reason: Option<Reason>) -> Settled {
    let steps = if outcome == Outcome::Updated { vec![imported(&staged)] } else { Vec::new() };
    Settled { contact: staged.intent.key, outcome, reason, wrote: Wrote::Intended, steps }
}

/// What an import changed. Of a profile that it created, the ledger says it all.
fn imported(staged: &Staged) -> Asked {
    let changed = differences(staged.last_written.as_ref(), &staged.intent);
    Asked { step: Some(Step::Import { changed }), requests: Vec::new() }
}

/// Whether a profile is as the rules want it, with no consent left to be set. What was withheld, if
/// anything, is its reason. Of a contact that is not to be written, single calls decide.
fn as_wanted(staged: &Staged, profile: &ExportedProfile) -> Option<Option<Reason>> {
    let plan = plan(staged, Some(&profile.consents));
    let fits = staged.intent.unwritten.is_none()
        && !moving::moves(staged)
        && plan.is_empty()
        && compare::fits(&staged.intent, profile, &plan);
    fits.then(|| plan.withheld.into_iter().chain(staged.intent.left_out.iter().cloned()).next())
}

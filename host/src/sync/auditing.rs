//! An audit: what APSIS One has, compared with what was last written, contact by contact.
//!
//! It reads and holds nothing. What is being written at that moment is left out: contacts with open changes or
//! unsettled writes, and those of which something was learnt since APSIS One was asked; and a run that begins
//! meanwhile ends it. Memory does not grow with the number of contacts: profiles are streamed, and which of them there
//! were is remembered on disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;
use tracing::warn;

use super::drift::{Difference, DriftKind, Mapped, differences, doubt};
use super::failure::SyncError;
use super::line::Line;
use super::seen::SeenKeys;
use super::writing::AT_ONCE;
use crate::apsis::{ApsisError, ExportFile, ExportedProfile, Kind, Operation};
use crate::contact::ContactId;
use crate::error::ErrorCode;
use crate::integration::IntegrationId;
use crate::run::RunId;
use crate::store::{Store, StoreError};

/// Profiles or contacts looked at in one go.
const TAKE: u32 = 500;

/// What is asked of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditOrder {
    /// Only so many contacts, evenly over all.
    pub sample: Option<u32>,
    /// What can be mended is doubted, so that the next full sync mends it.
    pub doubt: bool,
}

/// How the profiles were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadBy {
    /// One export had them all.
    Export,
    /// One by one, those that were asked for.
    Sample,
    /// One by one, all that are known, since APSIS One gave no export; why. Profiles of which nothing is known
    /// cannot be found so.
    SingleCalls(String),
}

/// What an audit found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Audited {
    /// How the profiles were read.
    pub read_by: ReadBy,
    /// Contacts that were compared.
    pub compared: u64,
    /// Contacts that were left out, since they are being written, or changed meanwhile.
    pub left_out: u64,
    /// Contacts whose profile could not be read.
    pub unreadable: u64,
    /// Differences by kind.
    pub differences: BTreeMap<DriftKind, u64>,
    /// Contacts that are doubted now.
    pub doubted: u64,
}

impl Audited {
    /// Whether there is a difference of which this holds.
    pub fn has(&self, holds: impl Fn(DriftKind) -> bool) -> bool {
        self.differences.keys().any(|kind| holds(*kind))
    }
}

/// Audits an integration; each difference is handed over as it is found.
///
/// # Errors
/// When a run is active, or begins meanwhile; when APSIS One, the store or the disk fails.
pub async fn audit(
    store: Arc<dyn Store>,
    line: &Line,
    id: &IntegrationId,
    order: AuditOrder,
    each: &mut (dyn FnMut(Difference) + Send + Sync),
) -> Result<Audited, SyncError> {
    let newest = newest_run(&*store, id).await?;
    let audited = Audited {
        read_by: ReadBy::Export,
        compared: 0,
        left_out: 0,
        unreadable: 0,
        differences: BTreeMap::new(),
        doubted: 0,
    };
    let mut audit = Audit { store, line, id, order, began: Timestamp::now(), audited, each };
    match order.sample {
        Some(size) => {
            audit.audited.read_by = ReadBy::Sample;
            let contacts = audit.store.written_sample(id, size).await?;
            for contacts in contacts.chunks(TAKE as usize) {
                audit.singly(contacts).await?;
            }
        }
        None => match audit.export().await? {
            Ok(file) => audit.exported(file).await?,
            Err(why) => {
                audit.audited.read_by = ReadBy::SingleCalls(why);
                audit.all_singly().await?;
            }
        },
    }
    // A run writes many contacts before it says what they came to.
    match newest_run(&*audit.store, id).await {
        Ok(now) if now == newest => Ok(audit.audited),
        Ok(Some(run)) | Err(SyncError::Store(StoreError::RunActive { run, .. })) => {
            Err(SyncError::AuditOvertaken(run))
        }
        Ok(None) => Ok(audit.audited),
        Err(error) => Err(error),
    }
}

/// The newest run, none of which may be active.
async fn newest_run(store: &dyn Store, id: &IntegrationId) -> Result<Option<RunId>, SyncError> {
    if let Some(run) = store.active_run(id).await? {
        return Err(StoreError::RunActive { integration: id.clone(), run: run.id }.into());
    }
    Ok(store.runs(id, 1).await?.first().map(|run| run.id))
}

struct Audit<'a> {
    store: Arc<dyn Store>,
    line: &'a Line,
    id: &'a IntegrationId,
    order: AuditOrder,
    /// Before APSIS One was asked: what was learnt later may not be in its answer.
    began: Timestamp,
    audited: Audited,
    each: &'a mut (dyn FnMut(Difference) + Send + Sync),
}

impl Audit<'_> {
    /// An export; or why there is none, where single calls may do.
    async fn export(&self) -> Result<Result<ExportFile, String>, SyncError> {
        match self.line.target.export(&self.line.attributes, &self.line.spool).await {
            Ok(file) => Ok(Ok(file)),
            Err(error) => match error.kind() {
                Kind::Credentials | Kind::Local | Kind::Stopped => Err(error.into()),
                _ => {
                    warn!(code = error.code(), "no export from APSIS One: reading one by one");
                    Ok(Err(error.to_string()))
                }
            },
        }
    }

    /// Compares what an export has, and then finds whom it does not have.
    async fn exported(&mut self, file: ExportFile) -> Result<(), SyncError> {
        let mut seen = SeenKeys::new(&self.line.spool);
        let mut pages = self.line.target.export_pages(file, TAKE as usize);
        while let Some(profiles) = pages.next().await? {
            for profile in &profiles {
                seen.add(&profile.key).map_err(spool)?;
            }
            let keys: Vec<ContactId> = profiles.iter().map(|profile| profile.key.clone()).collect();
            self.judge(&keys, profiles, true).await?;
        }
        let mut seen = seen.sorted().map_err(spool)?;
        let mut after = None;
        loop {
            let contacts = self.store.written_contacts(self.id, after.as_ref(), TAKE).await?;
            let Some(last) = contacts.last() else { return Ok(()) };
            after = Some(last.clone());
            let mut missing = Vec::new();
            for contact in contacts {
                if !seen.has(&contact).map_err(spool)? {
                    missing.push(contact);
                }
            }
            self.judge(&missing, Vec::new(), false).await?;
        }
    }

    async fn all_singly(&mut self) -> Result<(), SyncError> {
        let mut after = None;
        loop {
            let contacts = self.store.written_contacts(self.id, after.as_ref(), TAKE).await?;
            let Some(last) = contacts.last() else { return Ok(()) };
            after = Some(last.clone());
            self.singly(&contacts).await?;
        }
    }

    /// Compares contacts whose profiles are read one by one.
    async fn singly(&mut self, contacts: &[ContactId]) -> Result<(), SyncError> {
        self.began = Timestamp::now();
        let target = &self.line.target;
        let read = |contact: &ContactId| {
            let contact = contact.clone();
            async move {
                match target.profile(&contact).await {
                    Ok(profile) => Ok((contact, Some(profile))),
                    Err(error) if matches!(error.kind(), Kind::Contact(_)) => {
                        warn!(%contact, code = error.code(), "a profile cannot be read");
                        Ok((contact, None))
                    }
                    Err(error) => Err(error),
                }
            }
            .boxed()
        };
        let read: Vec<(ContactId, Option<Option<ExportedProfile>>)> =
            stream::iter(contacts).map(read).buffer_unordered(AT_ONCE).try_collect().await?;
        let (mut keys, mut profiles) = (Vec::new(), Vec::new());
        for (contact, profile) in read {
            match profile {
                Some(profile) => {
                    keys.push(contact);
                    profiles.extend(profile);
                }
                None => self.audited.unreadable += 1,
            }
        }
        self.judge(&keys, profiles, false).await
    }

    /// Compares contacts with their profiles, where they have one.
    async fn judge(
        &mut self,
        contacts: &[ContactId],
        profiles: Vec<ExportedProfile>,
        may_be_unknown: bool,
    ) -> Result<(), SyncError> {
        if contacts.is_empty() {
            return Ok(());
        }
        let judged = self.store.judged(self.id, contacts).await?;
        let found: HashMap<&ContactId, &ExportedProfile> =
            profiles.iter().map(|profile| (&profile.key, profile)).collect();
        let mapped = Mapped { attributes: &self.line.attributes, consents: &self.line.consents };
        let mut doubts = Vec::new();
        for contact in contacts {
            let Some(judged) = judged.get(contact) else { continue };
            let is_later = judged.entry.as_ref().is_some_and(|entry| entry.at >= self.began);
            if judged.is_open || is_later {
                self.audited.left_out += 1;
                continue;
            }
            self.audited.compared += 1;
            let differences = match &judged.entry {
                Some(entry) => {
                    let differences = differences(mapped, entry, found.get(contact).copied());
                    doubts.extend(doubt(entry, &differences).filter(|_| self.order.doubt));
                    differences
                }
                None if may_be_unknown => vec![Difference::unknown(contact.clone())],
                None => Vec::new(),
            };
            for difference in differences {
                *self.audited.differences.entry(difference.kind).or_default() += 1;
                (self.each)(difference);
            }
        }
        if !doubts.is_empty() {
            self.audited.doubted += self.store.doubt(self.id, doubts).await?;
        }
        Ok(())
    }
}

/// The disk failed.
fn spool(error: std::io::Error) -> SyncError {
    ApsisError::Spool { operation: Operation::DownloadExport, message: error.kind().to_string() }.into()
}

//! The last step of the line, for one contact: what is asked of APSIS One, and in which order. A full sync, a
//! daily run and the lane all write by these steps; a dry run goes through them and writes nothing.
//!
//! The order is what keeps consents safe: opt-outs first, then the content, then opt-ins; a profile
//! may never be sent to before it is right. Every step may be done twice, so whoever is killed repeats the
//! contacts whose outcome was not stored. That a profile was not there is stored before it is created,
//! so that the repetition counts it as created, too; that an address changes, before the new one is written.

mod addresses;
mod consents;

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;
use tracing::info;

use super::account::Account;
use super::failure::SyncError;
use super::merging::{self, MergeEnd};
use super::moving;
use super::recording;
use super::work::Work;
use crate::apsis::{ApsisError, ConsentStep, Created, Deleted, Patched, Target};
use crate::contact::{Channel, ContactId};
use crate::difference::Difference;
use crate::integration::SameAddress;
use crate::profile::{Address, AttributeId, AttributeValue, ConsentType, Intent, KnownConsent, Unwritten};
use crate::reason::{Reason, ReasonCode};
use crate::run::{Outcome, RunId, Staged, Wrote};
use crate::step::{Asked, MergeStep, Step, differences};
use crate::store::{Found, StoreError};

pub use consents::{consent_reason, plan, refused_by_another, waits};

/// For whom a contact is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// A run.
    Run {
        /// Which.
        id: RunId,
        /// Every attribute is written, changed or not.
        forced: bool,
        /// Nothing is written: what would be is told.
        dry: bool,
    },
    /// The lane.
    Lane {
        /// Whether a contact that has no profile gets one.
        may_create: bool,
    },
}

impl Writer {
    fn is_dry(self) -> bool {
        matches!(self, Self::Run { dry: true, .. })
    }

    fn is_forced(self) -> bool {
        matches!(self, Self::Run { forced: true, .. })
    }
}

/// What became of a contact.
#[derive(Debug)]
pub enum End {
    /// It has its outcome.
    Settled {
        /// What it came to.
        outcome: Outcome,
        /// Why, if rejected; or what was withheld, if written in part.
        reason: Option<Reason>,
        /// What APSIS One has now.
        wrote: Wrote,
    },
    /// It has no profile, and may not get one now. Nothing was written.
    NoProfile,
    /// It was let go of before anything was written.
    LetGo,
}

/// One contact on its way into APSIS One, with what was asked so far.
pub struct ContactSteps<'a> {
    work: &'a Work,
    writer: Writer,
    contact: &'a ContactId,
    /// Into APSIS One; what is asked there is noted down in `steps`.
    target: Target,
    steps: Account,
    /// The profile's consents as they were found first.
    found: Option<Vec<KnownConsent>>,
    /// The attributes that were written.
    patched: BTreeMap<AttributeId, AttributeValue>,
}

impl<'a> ContactSteps<'a> {
    /// Nothing is asked yet.
    pub fn new(work: &'a Work, writer: Writer, contact: &'a ContactId) -> Self {
        let (target, steps) = Account::of(&work.line.target);
        Self { work, writer, contact, target, steps, found: None, patched: BTreeMap::new() }
    }

    /// What was asked.
    pub fn into_steps(self) -> Vec<Asked> {
        self.steps.finish()
    }

    /// Writes the contact. Let go of if `cancelled` before the first write.
    ///
    /// # Errors
    /// When APSIS One refuses or does not answer; when the store fails.
    pub async fn write(&mut self, staged: &Staged, cancelled: &CancellationToken) -> Result<End, SyncError> {
        let settled = |outcome, reason, wrote| Ok(End::Settled { outcome, reason, wrote });
        // Asked for now, whatever was known before: somebody may have opted out since, and an opt-in may
        // not undo that. None: there is no profile, or none any more.
        let mut known = if staged.intent.consents.is_empty() && !self.writer.is_dry() {
            // No consent is mapped.
            Some(Vec::new())
        } else {
            match cancelled.run_until_cancelled(self.read_consents(staged)).await {
                Some(known) => known?,
                None => return Ok(End::LetGo),
            }
        };
        if let Some(unwritten) = &staged.intent.unwritten {
            return self.leave_unwritten(staged, unwritten, known.as_deref()).await;
        }
        let mut existed = staged.existed;
        let mut is_new = false;
        if known.is_none() {
            if !self.may_create(existed) {
                return Ok(End::NoProfile);
            }
            is_new = true;
            if self.create(&mut existed).await? == Created::Existed {
                known = self.read_consents(staged).await?;
            }
        }
        let moves = self.begin_moves(staged, known.as_deref().unwrap_or_default()).await?;
        let mut reasons = Vec::new();
        if moves.is_empty() {
            reasons.extend(self.merge(&staged.intent, &mut known).await?);
        }
        let plan = self.plan_remembering(staged, known.as_deref()).await?;
        let refused = self.set_consents(&staged.intent, &plan.opt_outs, false).await?;
        if let Some(reason) = refused.into_iter().next() {
            // Not written, so that the next run tries again; and nothing more, least of all an opt-in.
            return settled(Outcome::Rejected, Some(reason), Wrote::AsBefore);
        }
        let changed = if is_new { staged.intent.attributes.clone() } else { self.changed(staged) };
        if !changed.is_empty() && self.patch_or_leave(staged, &changed, &moves).await? == Patched::NoProfile {
            if !self.may_create(existed) {
                return Ok(End::NoProfile);
            }
            self.create(&mut existed).await?;
            if self.patch(staged, &staged.intent.attributes).await? == Patched::NoProfile {
                return settled(Outcome::Rejected, Some(vanished()), Wrote::AsBefore);
            }
        }
        if !moves.is_empty() {
            // Two profiles with different addresses are not merged; now they have the same.
            reasons.extend(self.merge(&staged.intent, &mut known).await?);
        }
        // What was known was said of no address, should the account keep consents by address.
        let has_first_address = !is_new && !self.writer.is_dry() && moving::gives_first_address(staged);
        let plan = if moves.is_empty() && !has_first_address {
            plan
        } else {
            self.plan_for_new_address(staged, &moves).await?
        };
        reasons.extend(plan.withheld);
        let opt_ins = self.still_allowed(plan.opt_ins, &mut reasons).await?;
        reasons.extend(self.set_consents(&staged.intent, &opt_ins, true).await?);
        reasons.extend(self.end_moves(&moves).await?);
        reasons.extend(staged.intent.left_out.iter().cloned());
        let outcome = if existed == Some(false) { Outcome::Created } else { Outcome::Updated };
        settled(outcome, reasons.into_iter().next(), Wrote::Intended)
    }

    /// A contact that is excluded or rejected: what it gives no more is opted out, or its profile deleted.
    async fn leave_unwritten(
        &mut self,
        staged: &Staged,
        unwritten: &Unwritten,
        known: Option<&[KnownConsent]>,
    ) -> Result<End, SyncError> {
        let Unwritten { outcome, reason, delete } = unwritten;
        let (outcome, wrote) = if *delete {
            self.keep_opt_outs(known.unwrap_or_default(), staged.last_written.as_ref()).await?;
            self.delete().await?;
            (Outcome::Deleted, Wrote::Nothing)
        } else {
            // Without a profile there is nothing to opt out.
            let opt_outs = if known.is_some() { plan(staged, known).opt_outs } else { Vec::new() };
            let refused = self.set_consents(&staged.intent, &opt_outs, false).await?;
            (*outcome, if refused.is_empty() { Wrote::Intended } else { Wrote::AsBefore })
        };
        self.finish_moves().await?;
        Ok(End::Settled { outcome, reason: Some(reason.clone()), wrote })
    }

    /// Finishes changes of address that were begun before: the address that the contact had is its no more.
    ///
    /// # Errors
    /// As `write`.
    pub async fn finish_moves(&mut self) -> Result<(), SyncError> {
        let moves = self.pending_moves().await?;
        self.end_moves(&moves).await.map(drop)
    }

    /// Attributes that are not known to be there already. All of them where a run is forced to, or where it is not
    /// sure what was written last.
    fn changed(&self, staged: &Staged) -> BTreeMap<AttributeId, AttributeValue> {
        let mut changed = staged.intent.attributes.clone();
        // What would go by an import goes as a whole.
        let by_import = self.writer.is_dry() && staged.known_consents.is_some();
        let is_sure = staged.attempted.is_empty() && !self.writer.is_forced() && !by_import;
        if let Some(written) = staged.last_written.as_ref().filter(|_| is_sure) {
            changed.retain(|attribute, value| written.attributes.get(attribute) != Some(value));
        }
        changed
    }

    /// Takes a contact out of APSIS One because the CRM has deleted it.
    ///
    /// # Errors
    /// As `write`.
    pub async fn delete_gone(&mut self, last_written: Option<&Intent>) -> Result<(), SyncError> {
        let known = self.ask_for_consents().await?.unwrap_or_default();
        self.keep_opt_outs(&known, last_written).await?;
        self.delete().await
    }

    async fn delete(&mut self) -> Result<(), SyncError> {
        if self.writer.is_dry() {
            self.steps.push(Step::DeleteProfile { there: true });
            return Ok(());
        }
        let deleted = self.target.delete(self.contact).await?;
        self.steps.push(Step::DeleteProfile { there: deleted == Deleted::Gone });
        Ok(())
    }

    /// Opts a contact out of everything that its profile is opted in to, in place of a deletion. Why, where
    /// APSIS One refused.
    ///
    /// # Errors
    /// As `write`.
    pub async fn opt_out_of_everything(&mut self) -> Result<Option<Reason>, SyncError> {
        let known = self.ask_for_consents().await?.unwrap_or_default();
        let opted_in = known.into_iter().filter(|consent| consent.state != ConsentType::OptOut);
        let steps: Vec<ConsentStep> =
            opted_in.map(|consent| ConsentStep { topic: consent.topic, channel: consent.channel }).collect();
        let intent = Intent::empty(self.contact.clone());
        let refused = self.set_consents(&intent, &steps, false).await?;
        Ok(refused.into_iter().next())
    }

    /// What these steps came to, or in a dry run would come to, for the profile.
    pub fn difference(&self, staged: &Staged) -> Difference {
        recording::difference(staged, self.found.as_deref(), &self.patched, self.steps.steps())
    }

    /// Makes the contact's profile and another one that is found by its e-mail address one, where the integration says
    /// so. Why, where APSIS One does not allow it; the contact is written all the same.
    async fn merge(
        &mut self,
        intent: &Intent,
        known: &mut Option<Vec<KnownConsent>>,
    ) -> Result<Option<Reason>, SyncError> {
        let Address::Is(address) = intent.address(Channel::Email) else { return Ok(None) };
        if self.work.line.same_address != SameAddress::Merge || self.writer.is_dry() {
            return Ok(None);
        }
        let own = known.clone().unwrap_or_default();
        let end = merging::merge_address(&self.target, self.contact, Channel::Email, &address, &own).await?;
        self.steps.push(Step::Merge { end: merge_step(&end) });
        let (consents, reason) = match end {
            MergeEnd::Nothing => return Ok(None),
            MergeEnd::Merged { consents } => (consents, None),
            MergeEnd::Refused { reason, consents } => (consents, Some(reason)),
        };
        // Also of a profile that was new a moment ago: what the other one had said is now said of it.
        *known = Some(consents);
        Ok(reason)
    }

    /// Opts out first whatever a bulk import could leave opted in.
    ///
    /// # Errors
    /// As `write`.
    pub async fn opt_out(&mut self, staged: &Staged, opt_outs: &[ConsentStep]) -> Result<(), ApsisError> {
        self.set_consents(&staged.intent, opt_outs, false).await.map(drop)
    }

    /// A profile that was not there when the contact was first tried is ours, and may be finished.
    fn may_create(&self, existed: Option<bool>) -> bool {
        match self.writer {
            Writer::Run { .. } => true,
            Writer::Lane { may_create } => may_create || existed == Some(false),
        }
    }

    async fn read_consents(&mut self, staged: &Staged) -> Result<Option<Vec<KnownConsent>>, ApsisError> {
        // A dry run has read them all at once, where it could.
        let known = match (self.writer.is_dry(), staged.existed, &staged.known_consents) {
            (true, Some(false), _) => None,
            (true, _, Some(known)) => Some(known.clone()),
            _ => self.ask_for_consents().await?,
        };
        if self.found.is_none() {
            self.found.clone_from(&known);
        }
        Ok(known)
    }

    async fn ask_for_consents(&mut self) -> Result<Option<Vec<KnownConsent>>, ApsisError> {
        let known = self.target.consents(self.contact).await?;
        self.steps.push(Step::read_consents(known.as_deref()));
        Ok(known)
    }

    async fn patch(
        &mut self,
        staged: &Staged,
        attributes: &BTreeMap<AttributeId, AttributeValue>,
    ) -> Result<Patched, ApsisError> {
        let patched = if self.writer.is_dry() {
            Patched::Written
        } else {
            self.target.patch(self.contact, attributes).await?
        };
        self.patched.clone_from(attributes);
        let attributes = attributes.len();
        let changed = differences(staged.last_written.as_ref(), &staged.intent);
        self.steps.push(Step::WriteAttributes { attributes, there: patched == Patched::Written, changed });
        Ok(patched)
    }

    /// Creates a profile. That it was not there is stored first.
    async fn create(&mut self, existed: &mut Option<bool>) -> Result<Created, SyncError> {
        if existed.is_none() {
            *existed = Some(false);
            self.note_absent().await?;
        }
        let created =
            if self.writer.is_dry() { Created::New } else { self.target.create(self.contact).await? };
        self.steps.push(Step::Create { existed: created == Created::Existed });
        if created == Created::Existed {
            info!(contact = %self.contact, "the profile is there already");
        }
        Ok(created)
    }

    async fn note_absent(&self) -> Result<(), StoreError> {
        let Work { store, fence, .. } = self.work;
        match self.writer {
            Writer::Run { id, .. } => {
                let found = Found::absent(self.contact.clone());
                store.note_found(fence, id, vec![found]).await
            }
            Writer::Lane { .. } => store.note_absent(fence, self.contact).await,
        }
    }
}

fn merge_step(end: &MergeEnd) -> MergeStep {
    match end {
        MergeEnd::Nothing => MergeStep::Nothing,
        MergeEnd::Merged { .. } => MergeStep::Merged,
        MergeEnd::Refused { .. } => MergeStep::Refused,
    }
}

fn vanished() -> Reason {
    Reason::new(
        ReasonCode::NotWritten,
        "APSIS One created the profile and then did not find it. Start another full sync; if it happens again, look \
         whether something else deletes profiles",
    )
}

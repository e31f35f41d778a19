//! The last step of the line, for one contact: what is asked of APSIS One, and in which order. A full sync, a
//! daily run and the lane all write by these steps.
//!
//! The order is what keeps consents safe: opt-outs first, then the content, then opt-ins; a profile
//! may never be sent to before it is right. Every step may be done twice, so whoever is killed repeats the
//! contacts whose outcome was not stored. That a profile was not there is stored before it is created,
//! so that the repetition counts it as created, too.

use tokio_util::sync::CancellationToken;
use tracing::info;

use super::failure::SyncError;
use super::work::Work;
use crate::apsis::{ApsisError, ConsentEnd, ConsentPlan, ConsentStep, Created, Deleted, Patched, consents};
use crate::contact::{Channel, ContactId};
use crate::profile::{Answer, ConsentType, Intent, KnownConsent, TopicId, Unwritten, WantedConsent};
use crate::reason::{Reason, ReasonCode};
use crate::run::{Outcome, RunId, Staged};
use crate::step::{SetEnd, Step};
use crate::store::{Found, StoreError};

/// For whom a contact is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// A run.
    Run(RunId),
    /// The lane.
    Lane {
        /// Whether a contact that has no profile gets one.
        may_create: bool,
    },
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
        /// Whether APSIS One now has what the intent says.
        written: bool,
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
    steps: Vec<Step>,
}

impl<'a> ContactSteps<'a> {
    /// Nothing is asked yet.
    pub fn new(work: &'a Work, writer: Writer, contact: &'a ContactId) -> Self {
        Self { work, writer, contact, steps: Vec::new() }
    }

    /// What was asked.
    pub fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    /// Writes the contact. Let go of if `cancelled` before the first write.
    ///
    /// # Errors
    /// When APSIS One refuses or does not answer; when the store fails.
    pub async fn write(&mut self, staged: &Staged, cancelled: &CancellationToken) -> Result<End, SyncError> {
        let settled = |outcome, reason, written| Ok(End::Settled { outcome, reason, written });
        // Asked for now, whatever was known before: somebody may have opted out since, and an opt-in may
        // not undo that. None: there is no profile, or none any more.
        let mut known = if staged.intent.consents.is_empty() {
            // No consent is mapped.
            Some(Vec::new())
        } else {
            match cancelled.run_until_cancelled(self.read_consents()).await {
                Some(known) => known?,
                None => return Ok(End::LetGo),
            }
        };
        if let Some(Unwritten { outcome, reason }) = &staged.intent.unwritten {
            // Without a profile there is nothing to opt out.
            let opt_outs = if known.is_some() { plan(staged, known.as_deref()).opt_outs } else { Vec::new() };
            let refused = self.set_consents(&staged.intent, &opt_outs, false).await?;
            return settled(*outcome, Some(reason.clone()), refused.is_empty());
        }
        let mut existed = staged.existed;
        if known.is_none() {
            if !self.may_create(existed) {
                return Ok(End::NoProfile);
            }
            if self.create(&mut existed).await? == Created::Existed {
                known = self.read_consents().await?;
            }
        }
        let plan = plan(staged, known.as_deref());
        let refused = self.set_consents(&staged.intent, &plan.opt_outs, false).await?;
        if let Some(reason) = refused.into_iter().next() {
            // Not written, so that the next run tries again; and nothing more, least of all an opt-in.
            return settled(Outcome::Rejected, Some(reason), false);
        }
        if self.patch(&staged.intent).await? == Patched::NoProfile {
            if !self.may_create(existed) {
                return Ok(End::NoProfile);
            }
            self.create(&mut existed).await?;
            if self.patch(&staged.intent).await? == Patched::NoProfile {
                return settled(Outcome::Rejected, Some(vanished()), false);
            }
        }
        let mut reasons = plan.withheld;
        reasons.extend(self.set_consents(&staged.intent, &plan.opt_ins, true).await?);
        reasons.extend(staged.intent.left_out.iter().cloned());
        let outcome = if existed == Some(false) { Outcome::Created } else { Outcome::Updated };
        settled(outcome, reasons.into_iter().next(), true)
    }

    /// Takes a contact out of APSIS One: its profile is deleted.
    ///
    /// # Errors
    /// As `write`.
    pub async fn delete(&mut self) -> Result<(), SyncError> {
        let deleted = self.work.line.target.delete(self.contact).await?;
        self.steps.push(Step::DeleteProfile { there: deleted == Deleted::Gone });
        Ok(())
    }

    /// Opts a contact out of everything that its profile is opted in to, in place of a deletion. Why, where
    /// APSIS One refused.
    ///
    /// # Errors
    /// As `write`.
    pub async fn opt_out_of_everything(&mut self) -> Result<Option<Reason>, SyncError> {
        let known = self.read_consents().await?.unwrap_or_default();
        let opted_in = known.into_iter().filter(|consent| consent.state != ConsentType::OptOut);
        let steps: Vec<ConsentStep> =
            opted_in.map(|consent| ConsentStep { topic: consent.topic, channel: consent.channel }).collect();
        let intent = Intent::empty(self.contact.clone());
        let refused = self.set_consents(&intent, &steps, false).await?;
        Ok(refused.into_iter().next())
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
            Writer::Run(_) => true,
            Writer::Lane { may_create } => may_create || existed == Some(false),
        }
    }

    async fn read_consents(&mut self) -> Result<Option<Vec<KnownConsent>>, ApsisError> {
        let known = self.work.line.target.consents(self.contact).await?;
        self.steps.push(Step::ReadConsents { found: known.as_ref().map(Vec::len) });
        Ok(known)
    }

    async fn patch(&mut self, intent: &Intent) -> Result<Patched, ApsisError> {
        let patched = self.work.line.target.patch(self.contact, &intent.attributes).await?;
        let attributes = intent.attributes.len();
        self.steps.push(Step::WriteAttributes { attributes, there: patched == Patched::Written });
        Ok(patched)
    }

    /// Creates a profile. That it was not there is stored first.
    async fn create(&mut self, existed: &mut Option<bool>) -> Result<Created, SyncError> {
        if existed.is_none() {
            *existed = Some(false);
            self.note_absent().await?;
        }
        let created = self.work.line.target.create(self.contact).await?;
        self.steps.push(Step::Create { existed: created == Created::Existed });
        if created == Created::Existed {
            info!(contact = %self.contact, "the profile is there already");
        }
        Ok(created)
    }

    async fn note_absent(&self) -> Result<(), StoreError> {
        let Work { store, fence, .. } = self.work;
        match self.writer {
            Writer::Run(run) => {
                let found = Found { contact: self.contact.clone(), existed: false, consents: Vec::new() };
                store.note_found(fence, run, vec![found]).await
            }
            Writer::Lane { .. } => store.note_absent(fence, self.contact).await,
        }
    }

    /// Sets consents in order. Returns why, for each that APSIS One refused.
    async fn set_consents(
        &mut self,
        intent: &Intent,
        steps: &[ConsentStep],
        opt_in: bool,
    ) -> Result<Vec<Reason>, ApsisError> {
        let mut refused = Vec::new();
        for ConsentStep { topic, channel } in steps {
            let why = consent_reason(intent, topic, *channel);
            let target = &self.work.line.target;
            let end = target.set_consent(self.contact, topic, *channel, opt_in, &why).await?;
            let end = match end {
                ConsentEnd::Changed => SetEnd::Changed,
                ConsentEnd::AlreadyThere => SetEnd::AlreadyThere,
                ConsentEnd::Refused => SetEnd::Refused,
            };
            self.steps.push(Step::SetConsent { topic: topic.clone(), channel: *channel, opt_in, end });
            if end == SetEnd::Refused {
                refused.push(Reason::about(
                    ReasonCode::ConsentRefused,
                    topic.to_string(),
                    format!(
                        "APSIS One refused to change this {channel} consent, and has another than the CRM. Look at the \
                         profile's consents in APSIS One"
                    ),
                ));
            }
        }
        Ok(refused)
    }
}

/// What is to be done about this contact's consents, given what APSIS One has.
pub fn plan(staged: &Staged, known: Option<&[KnownConsent]>) -> ConsentPlan {
    let mut before = staged.last_written.as_ref().map_or_else(Vec::new, |intent| intent.consents.clone());
    // A consent that the CRM has no more, and that we gave or may have given, counts as given by us.
    for wanted in staged.intent.consents.iter().filter(|wanted| wanted.answer == Answer::Unsaid) {
        if staged.attempted.iter().any(|intent| intent.gives(wanted)) {
            before.retain(|then| !then.is_same(wanted));
            before.push(WantedConsent { answer: Answer::Given(None), ..wanted.clone() });
        }
    }
    consents::plan(&staged.intent.consents, known, Some(&before))
}

/// What APSIS One keeps as the reason of a consent: it cannot be empty.
fn consent_reason(intent: &Intent, topic: &TopicId, channel: Channel) -> String {
    let wanted = intent.consents.iter().find(|wanted| wanted.topic == *topic && wanted.channel == channel);
    match wanted.map(|wanted| wanted.answer) {
        Some(Answer::Given(Some(at))) => format!("Given in the CRM {}", at.strftime("%Y-%m-%d")),
        Some(Answer::Given(None)) => "Given in the CRM".to_owned(),
        Some(Answer::Refused(Some(at))) => {
            format!("Refused or withdrawn in the CRM {}", at.strftime("%Y-%m-%d"))
        }
        Some(Answer::Refused(None)) => "Refused or withdrawn in the CRM".to_owned(),
        Some(Answer::Unsaid) | None => "The CRM has this consent no more".to_owned(),
    }
}

fn vanished() -> Reason {
    Reason::new(
        ReasonCode::NotWritten,
        "APSIS One created the profile and then did not find it. Start another full sync; if it happens again, look \
         whether something else deletes profiles",
    )
}

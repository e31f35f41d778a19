//! What a change of one contact would do now: it is read from the CRM and from APSIS One, and decided as the lane decides
//! it. Nothing is written, here or there.

use std::slice;

use serde::Serialize;
use utoipa::ToSchema;

use super::contact_steps;
use super::deciding::{Known, decide};
use super::failure::SyncError;
use super::line::Line;
use super::line::Patience;
use super::patience::patiently;
use crate::apsis::ConsentStep;
use crate::contact::{Channel, Contact, ContactId};
use crate::error::Failure;
use crate::explained::Explained;
use crate::integration::IntegrationId;
use crate::profile::TopicId;
use crate::reason::Reason;
use crate::run::{Outcome, Staged, Verdict};
use crate::step::{Difference, differences};
use crate::store::Store;

/// What would become of a contact. It holds personal data.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ForetoldContact)]
#[serde(rename_all = "kebab-case")]
pub struct Foretold {
    /// What it looks like in the CRM now; none: it is not there.
    pub contact: Option<Contact>,
    /// What each rule makes of it.
    pub explained: Option<Explained>,
    /// What it would come to; none: it would be written.
    pub outcome: Option<Outcome>,
    /// Why.
    pub reason: Option<Reason>,
    /// Whether its profile is there.
    pub profile: bool,
    /// Attributes that would be written otherwise than they last were.
    pub attributes: Vec<Difference>,
    /// Consents that would be opted out, before anything else.
    pub opt_outs: Vec<Consent>,
    /// Consents that would be opted in, after everything else.
    pub opt_ins: Vec<Consent>,
    /// Consents that the CRM gives and that would not be opted in, with why.
    pub withheld: Vec<Reason>,
    /// Why the profile's consents could not be looked at.
    pub unseen: Option<Failure>,
}

/// A subscription on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ForetoldConsent)]
pub struct Consent {
    /// The subscription.
    pub topic: TopicId,
    /// The channel.
    pub channel: Channel,
}

impl From<ConsentStep> for Consent {
    fn from(ConsentStep { topic, channel }: ConsentStep) -> Self {
        Self { topic, channel }
    }
}

/// What would become of one contact.
///
/// # Errors
/// The CRM does not answer, or cannot be asked for one contact; the store fails.
pub async fn foretell(
    store: &dyn Store,
    line: &Line,
    id: &IntegrationId,
    contact: &ContactId,
) -> Result<Foretold, SyncError> {
    let one = slice::from_ref(contact);
    let read = patiently(Patience::Short, || line.connection.get(one)).await?;
    let read = read.into_iter().next();
    let entry = store.ledger(id, one).await?.remove(contact);
    let attempted = store.attempted(id, one).await?.remove(contact).unwrap_or_default();
    let voices = store.voices(id, one).await?.remove(contact).unwrap_or_default();
    let mut told = Foretold {
        explained: read.as_ref().map(|read| line.rules.explain(read, line.today())),
        contact: read,
        outcome: None,
        reason: None,
        profile: false,
        attributes: Vec::new(),
        opt_outs: Vec::new(),
        opt_ins: Vec::new(),
        withheld: Vec::new(),
        unseen: None,
    };
    let Some(read) = &told.contact else { return Ok(told) };
    let known = Known {
        entry: entry.as_ref(),
        attempted: &attempted,
        refused: &voices.refused,
        unheard: &voices.unheard,
    };
    let intent = match decide(&line.rules, line.today(), false, known, read) {
        Verdict::Settled(outcome, reason) => {
            (told.outcome, told.reason) = (Some(outcome), reason);
            return Ok(told);
        }
        Verdict::Write(intent) => intent,
    };
    if let Some(unwritten) = &intent.unwritten {
        (told.outcome, told.reason) = (Some(unwritten.outcome), Some(unwritten.reason.clone()));
    }
    let staged = Staged {
        existed: None,
        known_consents: None,
        last_written: entry.and_then(|entry| entry.written),
        attempted,
        found: None,
        intent,
    };
    match line.target.consents(contact).await {
        Ok(found) => {
            told.profile = found.is_some();
            let plan = contact_steps::plan(&staged, found.as_deref());
            told.opt_outs = plan.opt_outs.into_iter().map(Consent::from).collect();
            told.opt_ins = plan.opt_ins.into_iter().map(Consent::from).collect();
            told.withheld = plan.withheld;
        }
        Err(error) => told.unseen = Some(Failure::from(&error)),
    }
    if staged.intent.unwritten.is_none() {
        told.attributes = differences(staged.last_written.as_ref(), &staged.intent);
    }
    Ok(told)
}

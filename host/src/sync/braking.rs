//! What is about to be done to profiles that there are, as the brake counts it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::contact_steps::plan;
use super::failure::SyncError;
use super::work::Work;
use crate::apsis::SOURCE;
use crate::brake::{Effect, Held, Tally};
use crate::contact::ContactId;
use crate::profile::{Answer, ConsentType, Intent, KnownConsent, WantedConsent};
use crate::run::{Phase, Run, Staged};

/// Staged contacts looked at in one go.
const TAKE: u32 = 500;

/// What writing a contact would do to a profile that there is, as far as is known: by what APSIS One was found to
/// have, or else by what was last written.
pub fn effects(staged: &Staged) -> BTreeSet<Effect> {
    let mut effects = BTreeSet::new();
    if staged.intent.unwritten.as_ref().is_some_and(|unwritten| unwritten.delete) {
        effects.insert(Effect::Delete);
        return effects;
    }
    let known = match (&staged.known_consents, &staged.last_written) {
        (Some(known), _) if staged.existed == Some(true) => known.clone(),
        (Some(_), _) | (None, None) => return effects,
        (None, Some(written)) => as_written(written),
    };
    let plan = plan(staged, Some(&known));
    let opted_in = |step: &crate::apsis::ConsentStep| {
        known.iter().any(|consent| {
            consent.topic == step.topic
                && consent.channel == step.channel
                && consent.state != ConsentType::OptOut
        })
    };
    if plan.opt_outs.iter().any(opted_in) {
        effects.insert(Effect::OptOut);
    }
    // What the recipients did in APSIS One is not looked at here: an answer that is newer than the one that was written
    // may come over an opt-out of theirs.
    let estimated = staged.known_consents.is_none();
    let is_anew = |wanted: &WantedConsent| {
        let then = staged.last_written.iter().flat_map(|written| &written.consents);
        let then = then.filter(|then| then.is_same(wanted)).map(|then| then.answer);
        matches!(wanted.answer, Answer::Given(_))
            && then.into_iter().any(|then| then.is_before(wanted.answer))
    };
    let opts_in = !plan.opt_ins.is_empty() || estimated && staged.intent.consents.iter().any(is_anew);
    if staged.intent.unwritten.is_none() && opts_in {
        effects.insert(Effect::OptIn);
    }
    effects
}

/// The consents that an intent leaves behind.
fn as_written(intent: &Intent) -> Vec<KnownConsent> {
    let consent = |wanted: &WantedConsent| {
        let state = match wanted.answer {
            Answer::Given(_) => ConsentType::OptIn,
            Answer::Refused(_) => ConsentType::OptOut,
            Answer::Unsaid => return None,
        };
        Some(KnownConsent {
            topic: wanted.topic.clone(),
            channel: wanted.channel,
            state,
            modified_at: None,
            source: Some(SOURCE.to_owned()),
        })
    };
    intent.consents.iter().filter_map(consent).collect()
}

/// What taking a contact out would do.
pub fn effects_of_deletion(last_written: Option<&Intent>) -> BTreeSet<Effect> {
    last_written.map(|_| Effect::Delete).into_iter().collect()
}

/// What a run waits for, if it would do more than it may before somebody approves.
///
/// # Errors
/// When the store fails.
pub async fn look(work: &Work, run: &Run, next: Phase) -> Result<Option<Held>, SyncError> {
    let Work { store, line, .. } = work;
    let mut would = Tally::default();
    let mut existing: u64 = 0;
    let mut after: Option<ContactId> = None;
    loop {
        let staged = store.staged(run.id, after.as_ref(), None, TAKE).await?;
        let Some(last) = staged.last() else { break };
        after = Some(last.intent.key.clone());
        for staged in &staged {
            existing += u64::from(staged.existed == Some(true));
            would.add(&staged.intent.key, &effects(staged));
        }
    }
    let profiles = store.profiles(&run.integration).await?.max(existing);
    Ok(line.brake.stops(&would, profiles).then(|| held(work, would, profiles, Some(next))))
}

/// What is waited with.
pub fn held(work: &Work, would: Tally, profiles: u64, next: Option<Phase>) -> Held {
    let limit = work.line.brake.limit(profiles);
    Held { would, profiles, limit, since: Timestamp::now(), next }
}

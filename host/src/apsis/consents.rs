//! Which consents to write, pure: from what the CRM answers, what APSIS One has, and what we wrote last.
//!
//! Fails closed. Never an opt-in that the CRM did not give; never an opt-in over an opt-out that is
//! newer than the CRM's answer or whose age is unknown; opt-outs come before opt-ins.

use jiff::Timestamp;

use super::inferred::SOURCE;
use crate::contact::Channel;
use crate::profile::{Answer, ConsentType, KnownConsent, TopicId, WantedConsent};
use crate::reason::{Reason, ReasonCode};

/// One consent to write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConsentStep {
    /// The subscription.
    pub topic: TopicId,
    /// The channel.
    pub channel: Channel,
}

/// What to write for one profile: all opt-outs first, the opt-ins last of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsentPlan {
    /// To be opted out.
    pub opt_outs: Vec<ConsentStep>,
    /// To be opted in.
    pub opt_ins: Vec<ConsentStep>,
    /// Opt-ins that the CRM gives and that are not made, with the reason.
    pub withheld: Vec<Reason>,
}

impl ConsentPlan {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.opt_outs.is_empty() && self.opt_ins.is_empty()
    }
}

/// Plans a profile's consents.
///
/// `known`: what APSIS One has; none if there is no profile. `last_written`: the consents of the
/// intent that was last written for this contact.
///
/// An opt-out that we made ourselves (its source says so) because of an earlier answer of the CRM is
/// as old as that answer: it yields to a later one. Any other opt-out yields only to an answer whose
/// date is later than the opt-out's.
pub fn plan(
    wanted: &[WantedConsent],
    known: Option<&[KnownConsent]>,
    last_written: Option<&[WantedConsent]>,
) -> ConsentPlan {
    let mut plan = ConsentPlan::default();
    for want in wanted {
        let last =
            last_written.unwrap_or_default().iter().find(|last| same(last, want)).map(|last| last.answer);
        let state = known_state(known.unwrap_or_default(), want);
        let step = ConsentStep { topic: want.topic.clone(), channel: want.channel };
        match (want.answer, state) {
            (Answer::Given(_), None) => plan.opt_ins.push(step),
            (Answer::Given(at), Some(found)) if found.state == ConsentType::OptOut => {
                if is_newer(at, found, last) {
                    plan.opt_ins.push(step);
                } else {
                    plan.withheld.push(withheld(want));
                }
            }
            // Opted in, confirmed, or asked and not yet confirmed: the last is for the person to end.
            (Answer::Given(_), Some(_)) => {}
            (Answer::Refused(_), Some(found)) if found.state == ConsentType::OptOut => {}
            (Answer::Refused(_), _) => plan.opt_outs.push(step),
            (Answer::Unsaid, Some(found)) => {
                if found.state != ConsentType::OptOut && matches!(last, Some(Answer::Given(_))) {
                    plan.opt_outs.push(step);
                }
            }
            (Answer::Unsaid, None) => {}
        }
    }
    // One topic and channel has one row; should it have two, the refusal holds.
    let ConsentPlan { opt_outs, opt_ins, .. } = &mut plan;
    opt_ins.retain(|step| !opt_outs.contains(step));
    plan
}

fn same(left: &WantedConsent, right: &WantedConsent) -> bool {
    left.topic == right.topic && left.channel == right.channel
}

/// The state for one topic and channel; should there be several, the opt-out holds.
fn known_state<'a>(known: &'a [KnownConsent], want: &WantedConsent) -> Option<&'a KnownConsent> {
    let mut states = known.iter().filter(|state| state.topic == want.topic && state.channel == want.channel);
    let first = states.next()?;
    if first.state == ConsentType::OptOut {
        return Some(first);
    }
    Some(states.find(|state| state.state == ConsentType::OptOut).unwrap_or(first))
}

/// Whether the CRM's answer, given `at`, is known to be newer than an opt-out.
fn is_newer(at: Option<Timestamp>, opt_out: &KnownConsent, last: Option<Answer>) -> bool {
    let dated = |than: Option<Timestamp>| matches!((at, than), (Some(at), Some(than)) if at > than);
    if dated(opt_out.modified_at) {
        return true;
    }
    if opt_out.source.as_deref() != Some(SOURCE) {
        return false;
    }
    match last {
        // Both dated: the dates decide. Else the answer has changed since we acted on it.
        Some(Answer::Refused(before)) => at.is_none() || before.is_none() || dated(before),
        Some(Answer::Unsaid) => true,
        Some(Answer::Given(_)) | None => false,
    }
}

fn withheld(want: &WantedConsent) -> Reason {
    Reason::about(
        ReasonCode::OptedOutInApsis,
        want.topic.0.clone(),
        format!(
            "the recipient opted out of {} by {} in APSIS One, and the CRM's consent is not known to be newer: not opted in again. Record the consent anew in the CRM, with its date",
            want.topic, want.channel
        ),
    )
}

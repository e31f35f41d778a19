//! A contact's consents: what is to be done about them, by all that is known, and the doing of it.

use super::{ContactSteps, Writer};
use crate::apsis::{ApsisError, ConsentEnd, ConsentPlan, ConsentStep, SOURCE, consents, is_ours};
use crate::contact::Channel;
use crate::profile::{Answer, ConsentType, Intent, KnownConsent, TopicId, WantedConsent};
use crate::reason::{Reason, ReasonCode};
use crate::run::Staged;
use crate::step::{SetEnd, Step};
use crate::store::StoreError;
use crate::sync::failure::SyncError;
use crate::sync::work::Work;

impl ContactSteps<'_> {
    /// Keeps what the person has opted out of in APSIS One: should the contact come back, it still holds.
    pub(super) async fn keep_opt_outs(
        &self,
        known: &[KnownConsent],
        last_written: Option<&Intent>,
    ) -> Result<(), SyncError> {
        let is_of_crm = |consent: &KnownConsent| {
            consent.source.as_deref() == Some(SOURCE)
                || is_ours(consent.source.as_deref())
                    && last_written.into_iter().flat_map(|intent| &intent.consents).any(|one| {
                        one.topic == consent.topic
                            && one.channel == consent.channel
                            && matches!(one.answer, Answer::Refused(_))
                    })
        };
        let own = known.iter().filter(|one| one.state == ConsentType::OptOut && !is_of_crm(one));
        let own: Vec<KnownConsent> = own.cloned().collect();
        if !own.is_empty() && !self.writer.is_dry() {
            self.work.store.keep_opt_outs(&self.work.fence, self.contact, own).await?;
        }
        Ok(())
    }

    /// What is to be done about the consents, with what the person had opted out of in a profile that was deleted.
    pub(super) async fn plan_remembering(
        &self,
        staged: &Staged,
        known: Option<&[KnownConsent]>,
    ) -> Result<ConsentPlan, SyncError> {
        let plan = plan(staged, known);
        if plan.opt_ins.is_empty() {
            return Ok(plan);
        }
        let Work { store, fence, .. } = self.work;
        let mut kept = store.kept_opt_outs(&fence.integration, std::slice::from_ref(self.contact)).await?;
        let Some(kept) = kept.remove(self.contact) else { return Ok(plan) };
        let mut all = known.unwrap_or_default().to_vec();
        for kept in kept {
            let same = all.iter_mut().find(|one| one.topic == kept.topic && one.channel == kept.channel);
            match same {
                None => all.push(kept),
                // By us, because the person had: what he said, and when, is what counts.
                Some(one) if one.state == ConsentType::OptOut && is_ours(one.source.as_deref()) => {
                    *one = kept
                }
                // Said since then.
                Some(_) => {}
            }
        }
        Ok(self::plan(staged, Some(&all)))
    }

    /// Opt-ins that nobody who has the same address has come to refuse since this contact was decided.
    pub(super) async fn still_allowed(
        &self,
        opt_ins: Vec<ConsentStep>,
        reasons: &mut Vec<Reason>,
    ) -> Result<Vec<ConsentStep>, StoreError> {
        // A run has heard all whom it hears before it wrote the first.
        if opt_ins.is_empty() || !matches!(self.writer, Writer::Lane { .. }) {
            return Ok(opt_ins);
        }
        let Work { store, fence, .. } = self.work;
        let mut voices = store.voices(&fence.integration, std::slice::from_ref(self.contact)).await?;
        let refused = voices.remove(self.contact).unwrap_or_default().refused;
        let (withheld, allowed): (Vec<_>, Vec<_>) = opt_ins.into_iter().partition(|step| {
            refused.iter().any(|refusal| refusal.topic == step.topic && refusal.channel == step.channel)
        });
        reasons.extend(withheld.iter().map(|step| refused_by_another(&step.topic, step.channel)));
        Ok(allowed)
    }

    /// Sets consents in order. Returns why, for each that APSIS One refused.
    pub(super) async fn set_consents(
        &mut self,
        intent: &Intent,
        steps: &[ConsentStep],
        opt_in: bool,
    ) -> Result<Vec<Reason>, ApsisError> {
        let mut refused = Vec::new();
        for ConsentStep { topic, channel } in steps {
            let end = if self.writer.is_dry() {
                ConsentEnd::Changed
            } else {
                let why = consent_reason(intent, topic, *channel);
                self.target.set_consent(self.contact, topic, *channel, opt_in, &why).await?
            };
            let end = set_end(end);
            self.steps.push(Step::SetConsent { topic: topic.clone(), channel: *channel, opt_in, end });
            if end == SetEnd::Refused {
                refused.push(refused_by_apsis(topic, *channel));
            }
        }
        Ok(refused)
    }
}

/// What is to be done about this contact's consents, given what APSIS One has.
pub fn plan(staged: &Staged, known: Option<&[KnownConsent]>) -> ConsentPlan {
    let wanted = staged.intent.acted_on();
    let mut before = staged.last_written.as_ref().map_or_else(Vec::new, |intent| intent.consents.clone());
    // A consent that the CRM has no more, and that we gave or may have given, counts as given by us.
    for wanted in wanted.iter().filter(|wanted| wanted.answer == Answer::Unsaid) {
        if staged.attempted.iter().any(|intent| intent.gives(wanted)) {
            before.retain(|then| !then.is_same(wanted));
            before.push(WantedConsent { answer: Answer::Given(None), ..wanted.clone() });
        }
    }
    // A refusal that we acted on, or may have, counts though the ledger has not heard of it.
    for wanted in wanted.iter().filter(|wanted| matches!(wanted.answer, Answer::Given(_))) {
        let mut attempted = staged.attempted.iter().flat_map(|intent| &intent.consents);
        let refused = |one: &&WantedConsent| one.is_same(wanted) && matches!(one.answer, Answer::Refused(_));
        if let Some(refused) = attempted.rfind(refused) {
            before.retain(|then| !then.is_same(wanted));
            before.push(refused.clone());
        }
    }
    consents::plan(&wanted, known, Some(&before))
}

/// What APSIS One keeps as the reason of a consent: it cannot be empty.
pub fn consent_reason(intent: &Intent, topic: &TopicId, channel: Channel) -> String {
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

pub(super) fn set_end(end: ConsentEnd) -> SetEnd {
    match end {
        ConsentEnd::Changed => SetEnd::Changed,
        ConsentEnd::AlreadyThere => SetEnd::AlreadyThere,
        ConsentEnd::Refused => SetEnd::Refused,
    }
}

pub(super) fn refused_by_apsis(topic: &TopicId, channel: Channel) -> Reason {
    Reason::about(
        ReasonCode::ConsentRefused,
        topic.to_string(),
        format!(
            "APSIS One refused to change this {channel} consent, and has another than the CRM. Look at the profile's \
             consents in APSIS One"
        ),
    )
}

/// Why nobody with an address is opted in: another contact has it, too, and refuses.
pub fn refused_by_another(topic: &TopicId, channel: Channel) -> Reason {
    Reason::about(
        ReasonCode::AddressShared,
        topic.0.clone(),
        format!(
            "another contact has the same address and refuses {topic} by {channel}: nobody with this address is opted \
             in. `sluice contact shared` lists who; correct the address of one of them in the CRM, or ask them"
        ),
    )
}

/// Why somebody is not opted in yet.
pub fn waits(topic: &TopicId, channel: Channel) -> Reason {
    Reason::about(
        ReasonCode::ConsentWaits,
        topic.0.clone(),
        format!(
            "not opted in to {topic} by {channel} as yet: another contact that has not been read may have the same address \
             and refuse. The next full sync reads everybody"
        ),
    )
}

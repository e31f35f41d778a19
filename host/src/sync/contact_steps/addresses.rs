//! A changed address, step by step: remembered before the new one is written, and the old one opted out in the end.

use std::collections::BTreeMap;

use super::consents::{refused_by_apsis, set_end};
use super::{ContactSteps, Staged};
use crate::address::{AddressDigest, Move};
use crate::apsis::{ApsisError, AtAddress, ConsentEnd, ConsentPlan, ConsentStep, Kind, Patched};
use crate::contact::Channel;
use crate::profile::{AttributeId, AttributeValue, ConsentType, KnownConsent, TopicId};
use crate::reason::{Reason, ReasonCode};
use crate::step::{SetEnd, Step};
use crate::store::StoreError;
use crate::sync::failure::SyncError;
use crate::sync::moving;
use crate::sync::work::Work;

impl ContactSteps<'_> {
    /// Changes of address that are to be finished with this contact; new ones are stored before they begin.
    pub(super) async fn begin_moves(
        &mut self,
        staged: &Staged,
        known: &[KnownConsent],
    ) -> Result<Vec<Move>, SyncError> {
        let Work { store, fence, .. } = self.work;
        if !self.writer.is_dry() {
            for begun in moving::left_by(staged, known) {
                store.begin_move(fence, self.contact, &begun).await?;
            }
            return Ok(moving::still_left(self.pending_moves().await?, &staged.intent));
        }
        Ok(moving::left_by(staged, known))
    }

    pub(super) async fn pending_moves(&self) -> Result<Vec<Move>, StoreError> {
        if self.writer.is_dry() {
            return Ok(Vec::new());
        }
        let Work { store, fence, .. } = self.work;
        store.moves_of(&fence.integration, self.contact).await
    }

    /// What is to be done about the consents once the new address is written. What is opted in there and should not
    /// be is opted out at once.
    pub(super) async fn plan_for_new_address(
        &mut self,
        staged: &Staged,
        moves: &[Move],
    ) -> Result<ConsentPlan, SyncError> {
        let known = self.read_consents(staged).await?.unwrap_or_default();
        // Should the account keep consents by address, nothing but this knows of them once the move is done.
        self.keep_opt_outs(&moving::unseen(moves, &known), staged.last_written.as_ref()).await?;
        let plan = self.plan_remembering(staged, Some(&moving::carried_over(moves, &known))).await?;
        let revived = moving::revived(moves, &known).into_iter();
        let mut opt_outs: Vec<ConsentStep> = revived.filter(|step| !plan.opt_ins.contains(step)).collect();
        opt_outs.extend(plan.opt_outs.iter().cloned());
        let mut refused = self.set_consents(&staged.intent, &opt_outs, false).await?;
        if refused.is_empty() {
            return Ok(plan);
        }
        // What could not be opted out stands where the withheld stand; nothing is opted in beside it.
        refused.extend(plan.withheld);
        Ok(ConsentPlan { withheld: refused, ..ConsentPlan::default() })
    }

    /// Opts out the addresses that the profile had before, where another profile is found by them and no other contact
    /// has them; then the moves are done.
    pub(super) async fn end_moves(&mut self, moves: &[Move]) -> Result<Vec<Reason>, SyncError> {
        let mut reasons = Vec::new();
        for Move { channel, old, .. } in moves {
            reasons.extend(self.leave_address(*channel, old).await?);
        }
        if !moves.is_empty() && !self.writer.is_dry() {
            self.work.store.end_moves(&self.work.fence, self.contact).await?;
        }
        Ok(reasons)
    }

    pub(super) async fn leave_address(
        &mut self,
        channel: Channel,
        old: &str,
    ) -> Result<Vec<Reason>, SyncError> {
        let Work { store, fence, .. } = self.work;
        let digest = AddressDigest::of(channel, old);
        let mut reasons = Vec::new();
        let consents = if store.is_held(&fence.integration, channel, &digest, self.contact).await? {
            Vec::new()
        } else {
            match self.target.at_address(channel, old).await? {
                AtAddress::Profile(consents) => consents,
                AtAddress::Nobody => Vec::new(),
                AtAddress::Unseen => {
                    reasons.push(old_address_unseen(channel));
                    Vec::new()
                }
            }
        };
        let opted_in: Vec<TopicId> = consents
            .iter()
            .filter(|consent| consent.channel == channel && consent.state != ConsentType::OptOut)
            .map(|consent| consent.topic.clone())
            .collect();
        let found = (!opted_in.is_empty()).then_some(opted_in.len());
        self.steps.push(Step::LookAtOldAddress { channel, found });
        for topic in opted_in {
            let end = if self.writer.is_dry() {
                ConsentEnd::Changed
            } else {
                let why = "The contact has another address in the CRM now";
                self.target.opt_out_address(channel, old, &topic, why).await?
            };
            let end = set_end(end);
            if end == SetEnd::Refused {
                reasons.push(refused_by_apsis(&topic, channel));
            }
            self.steps.push(Step::OptOutOldAddress { topic, channel, end });
        }
        Ok(reasons)
    }

    /// Writes attributes. Where APSIS One does not take a new address, the profile keeps the old one, which the contact
    /// has no more: it is opted out on that channel.
    pub(super) async fn patch_or_leave(
        &mut self,
        staged: &Staged,
        attributes: &BTreeMap<AttributeId, AttributeValue>,
        moves: &[Move],
    ) -> Result<Patched, ApsisError> {
        let error = match self.patch(staged, attributes).await {
            Err(error) if !moves.is_empty() && matches!(error.kind(), Kind::Contact(_)) => error,
            patched => return patched,
        };
        let known = self.ask_for_consents().await?.unwrap_or_default();
        let is_left = |consent: &KnownConsent| {
            consent.state != ConsentType::OptOut && moves.iter().any(|left| left.channel == consent.channel)
        };
        let opted_in = known.into_iter().filter(is_left);
        let steps: Vec<ConsentStep> =
            opted_in.map(|consent| ConsentStep { topic: consent.topic, channel: consent.channel }).collect();
        self.set_consents(&staged.intent, &steps, false).await?;
        Err(error)
    }
}

fn old_address_unseen(channel: Channel) -> Reason {
    Reason::new(
        ReasonCode::OldAddressUnseen,
        format!(
            "the contact's {channel} address has changed, and the API key may not look whether another profile has the \
             old one: it is not opted out there. Give the key the keyspace of addresses under Account settings > API \
             management"
        ),
    )
}

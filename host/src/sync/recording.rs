//! What a dry run records of one contact, in place of writing it.

use std::collections::BTreeMap;

use super::failure::SyncError;
use super::work::Work;
use crate::apsis::{FoundValue, compare};
use crate::difference::{AttributeChange, ConsentChange, Difference, in_words};
use crate::profile::{AttributeId, AttributeValue, ConsentType, Intent, KnownConsent};
use crate::run::Staged;
use crate::step::{SetEnd, Step};

/// What the steps would come to.
///
/// `found`: the profile's consents before. `patched`: the attributes that would be written.
pub fn difference<'a>(
    staged: &Staged,
    found: Option<&[KnownConsent]>,
    patched: &BTreeMap<AttributeId, AttributeValue>,
    steps: impl Iterator<Item = &'a Step>,
) -> Difference {
    let written = |attribute: &AttributeId| {
        let before = staged.last_written.as_ref().and_then(|intent| intent.attributes.get(attribute));
        before.and_then(in_words)
    };
    let attributes = match &staged.found {
        Some(found) => {
            found.iter().filter(|change| patched.contains_key(&change.attribute)).cloned().collect()
        }
        None => patched
            .iter()
            .map(|(attribute, value)| AttributeChange {
                attribute: attribute.clone(),
                before: written(attribute),
                after: in_words(value),
            })
            .filter(|change| change.before != change.after)
            .collect(),
    };
    let before = |step: &ConsentChange| {
        let same = |known: &&KnownConsent| known.topic == step.topic && known.channel == step.channel;
        found.unwrap_or_default().iter().find(same).map(|known| known.state)
    };
    let steps: Vec<&Step> = steps.collect();
    let mut consents: Vec<ConsentChange> = Vec::new();
    for step in &steps {
        let Step::SetConsent { topic, channel, opt_in, end: SetEnd::Changed } = step else { continue };
        let after = if *opt_in { ConsentType::OptIn } else { ConsentType::OptOut };
        let mut change = ConsentChange { topic: topic.clone(), channel: *channel, before: None, after };
        change.before = before(&change);
        consents.retain(|other| (&other.topic, other.channel) != (&change.topic, change.channel));
        consents.push(change);
    }
    consents.retain(|change| change.before != Some(change.after));
    Difference {
        creates: steps.iter().any(|step| matches!(step, Step::Create { existed: false })),
        deletes: steps.iter().any(|step| matches!(step, Step::DeleteProfile { there: true })),
        attributes,
        consents,
    }
}

/// A staged contact with what its profile has, where that was not read with all the others.
///
/// # Errors
/// When APSIS One refuses or does not answer.
pub async fn looked_at(work: &Work, staged: Staged) -> Result<Staged, SyncError> {
    if staged.found.is_some() || staged.existed == Some(false) {
        return Ok(staged);
    }
    let found = work.line.target.attributes(&staged.intent.key).await?;
    let found = found.map(|found| attributes(&staged.intent, &found));
    Ok(Staged { found, ..staged })
}

/// How a profile's attributes differ from what is intended.
pub fn attributes(intent: &Intent, found: &BTreeMap<AttributeId, FoundValue>) -> Vec<AttributeChange> {
    let nothing = FoundValue::Null;
    let differs = |(attribute, value): &(&AttributeId, &AttributeValue)| {
        !compare::value_fits(value, found.get(attribute).unwrap_or(&nothing))
    };
    let change = |(attribute, value): (&AttributeId, &AttributeValue)| AttributeChange {
        attribute: attribute.clone(),
        before: found.get(attribute).and_then(FoundValue::in_words),
        after: in_words(value),
    };
    intent.attributes.iter().filter(differs).map(change).collect()
}

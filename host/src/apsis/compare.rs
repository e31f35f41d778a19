//! Whether what APSIS One has is what we want, pure: by value, not by form.

use super::consents::{ConsentPlan, ConsentStep};
use super::decimal::canonical;
use super::export::ExportedProfile;
use super::value::FoundValue;
use crate::profile::{AttributeValue, ConsentType, Intent};

/// Whether a profile is as the intent wants it: every attribute that the intent names has its value,
/// and every step of the plan is in effect. Attributes that the intent does not name are not looked at.
///
/// The plan may be the one that was made before writing (its steps are then in effect) or one made from
/// the found consents (it is then empty).
pub fn fits(intent: &Intent, found: &ExportedProfile, plan: &ConsentPlan) -> bool {
    let attributes = intent.attributes.iter().all(|(attribute, wanted)| {
        value_fits(wanted, found.attributes.get(attribute).unwrap_or(&FoundValue::Null))
    });
    attributes
        && plan.opt_outs.iter().all(|step| in_effect(found, step, false))
        && plan.opt_ins.iter().all(|step| in_effect(found, step, true))
}

/// Whether a value is the one that is wanted. Numbers are compared exactly, by value; a number or a
/// truth value may also come as text, a moment also as RFC 3339.
pub fn value_fits(wanted: &AttributeValue, found: &FoundValue) -> bool {
    match (wanted, found) {
        (AttributeValue::Clear, FoundValue::Null) => true,
        (AttributeValue::Clear, FoundValue::Text(found)) => found.is_empty(),
        (AttributeValue::Text(wanted), FoundValue::Null) => wanted.is_empty(),
        (AttributeValue::Text(wanted) | AttributeValue::Date(wanted), FoundValue::Text(found)) => {
            wanted == found
        }
        // The attribute may be of another type than the mapping says.
        (AttributeValue::Text(wanted), FoundValue::Number(found)) => number_fits(wanted, found),
        (AttributeValue::Text(wanted), FoundValue::Boolean(found)) => *wanted == found.to_string(),
        (AttributeValue::Boolean(wanted), FoundValue::Boolean(found)) => wanted == found,
        (AttributeValue::Boolean(wanted), FoundValue::Text(found)) => *found == wanted.to_string(),
        (AttributeValue::Integer(wanted), FoundValue::Number(found) | FoundValue::Text(found)) => {
            number_fits(&wanted.to_string(), found)
        }
        (AttributeValue::Decimal(wanted), FoundValue::Number(found) | FoundValue::Text(found)) => {
            number_fits(wanted, found)
        }
        (AttributeValue::Timestamp(wanted), FoundValue::Number(found)) => {
            number_fits(&wanted.to_string(), found)
        }
        (AttributeValue::Timestamp(wanted), FoundValue::Text(found)) => {
            number_fits(&wanted.to_string(), found)
                || found.parse::<jiff::Timestamp>().is_ok_and(|at| at.as_second() == *wanted)
        }
        _ => false,
    }
}

fn number_fits(wanted: &str, found: &str) -> bool {
    canonical(wanted).is_some_and(|wanted| canonical(found).as_ref() == Some(&wanted))
}

/// Whether the consent is as the step makes it. Of several states for one subscription, all must be.
fn in_effect(found: &ExportedProfile, step: &ConsentStep, opt_in: bool) -> bool {
    let mut states = found
        .consents
        .iter()
        .filter(|state| state.topic == step.topic && state.channel == step.channel)
        .map(|state| match state.state {
            ConsentType::OptIn | ConsentType::ConfirmedOptIn => opt_in,
            ConsentType::OptOut => !opt_in,
            ConsentType::PendingOptIn => false,
        })
        .peekable();
    states.peek().is_some() && states.all(|fits| fits)
}

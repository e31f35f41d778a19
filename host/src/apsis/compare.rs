//! Whether what APSIS One has is what we want, pure: by value, not by form.

use super::consents::{ConsentPlan, ConsentStep};
use super::export::ExportedProfile;
use super::value::FoundValue;
use crate::number;
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
    number::exact(wanted).is_some_and(|wanted| number::exact(found).as_ref() == Some(&wanted))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::contact::{Channel, ContactId};
    use crate::profile::{AttributeId, KnownConsent, TopicId};

    fn number(text: &str) -> FoundValue {
        FoundValue::Number(text.to_owned())
    }

    fn text(text: &str) -> FoundValue {
        FoundValue::Text(text.to_owned())
    }

    #[test]
    fn values_are_compared_by_value() {
        for (wanted, found, expected) in [
            (AttributeValue::Decimal("1234.50".into()), number("1234.5"), true),
            (AttributeValue::Decimal("1234.50".into()), number("1.2345e3"), true),
            (AttributeValue::Decimal("1234.50".into()), text("1234.500"), true),
            (AttributeValue::Decimal("0.1".into()), number("0.10000000000000001"), false),
            (AttributeValue::Integer(46_701_234_567), number("46701234567"), true),
            (AttributeValue::Integer(46_701_234_567), text("46701234567"), true),
            (AttributeValue::Integer(3), number("3.0"), true),
            (AttributeValue::Integer(3), number("3.1"), false),
            (AttributeValue::Boolean(true), FoundValue::Boolean(true), true),
            (AttributeValue::Boolean(true), text("true"), true),
            (AttributeValue::Boolean(true), FoundValue::Boolean(false), false),
            (AttributeValue::Boolean(false), FoundValue::Null, false),
            (AttributeValue::Timestamp(1_709_284_364), number("1709284364"), true),
            (AttributeValue::Timestamp(1_709_284_364), text("2024-03-01T09:12:44Z"), true),
            (AttributeValue::Timestamp(1_709_284_364), number("1709284364000"), false),
            (AttributeValue::Date("1984-11-02".into()), text("1984-11-02"), true),
            (AttributeValue::Clear, FoundValue::Null, true),
            (AttributeValue::Clear, text(""), true),
            (AttributeValue::Clear, text(" "), false),
            (AttributeValue::Clear, number("0"), false),
            (AttributeValue::Text("a".into()), FoundValue::Null, false),
            (AttributeValue::Text("a".into()), text("a "), false),
            (AttributeValue::Text("007".into()), number("7"), true),
        ] {
            assert_eq!(value_fits(&wanted, &found), expected, "{wanted:?} {found:?}");
        }
    }

    #[test]
    fn a_profile_fits_when_its_values_and_the_plans_steps_are_there() {
        let step = |topic: &str| ConsentStep { topic: TopicId(topic.into()), channel: Channel::Email };
        let state = |topic: &str, state| KnownConsent {
            topic: TopicId(topic.into()),
            channel: Channel::Email,
            state,
            modified_at: None,
            source: None,
        };
        let city = AttributeId("city".into());
        let intent = Intent {
            key: ContactId("1".into()),
            attributes: BTreeMap::from([
                (city.clone(), AttributeValue::Text("Malmö".into())),
                (AttributeId("score".into()), AttributeValue::Clear),
            ]),
            consents: Vec::new(),
            left_out: Vec::new(),
            paused: Vec::new(),
            unwritten: None,
        };
        let mut found = ExportedProfile {
            key: ContactId("1".into()),
            attributes: BTreeMap::from([
                (city.clone(), text("Malmö")),
                (AttributeId("other".into()), number("1")),
            ]),
            consents: vec![state("in", ConsentType::ConfirmedOptIn), state("out", ConsentType::OptOut)],
        };
        let plan = |outs: &[&str], ins: &[&str]| ConsentPlan {
            opt_outs: outs.iter().map(|topic| step(topic)).collect(),
            opt_ins: ins.iter().map(|topic| step(topic)).collect(),
            withheld: Vec::new(),
        };
        assert!(fits(&intent, &found, &plan(&[], &[])));
        assert!(fits(&intent, &found, &plan(&["out"], &["in"])));
        assert!(!fits(&intent, &found, &plan(&["in"], &[])));
        assert!(!fits(&intent, &found, &plan(&[], &["out"])));
        assert!(!fits(&intent, &found, &plan(&[], &["nowhere"])));
        found.attributes.insert(city, text("Lund"));
        assert!(!fits(&intent, &found, &plan(&[], &[])));
    }
}

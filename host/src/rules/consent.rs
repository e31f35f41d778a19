//! Consent mapping: what the CRM's answers mean for each subscription on each channel.
//!
//! It fails closed. Where answers meet, the stricter holds: several answers to one consent type, the
//! newest, but on equal or unknown times the refusal; several rows onto one subscription and
//! channel, an opt-in only if every one of them is given.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::contact::{Channel, Contact, Value};
use crate::explained::ConsentVerdict;
use crate::profile::{Answer, TopicId, WantedConsent};
use crate::reason::{Reason, ReasonCode};

use super::{ConsentSource, field};

/// One answer for each subscription and channel that has rows, in their order.
pub(super) fn wanted(
    rows: &BTreeMap<(TopicId, Channel), BTreeSet<ConsentSource>>,
    contact: &Contact,
    left_out: &mut Vec<Reason>,
) -> Vec<WantedConsent> {
    rows.iter()
        .map(|((topic, channel), sources)| {
            let answers = sources.iter().map(|source| answer(source, *channel, contact, left_out));
            let answer = answers.reduce(strictest).unwrap_or(Answer::Unsaid);
            WantedConsent { topic: topic.clone(), channel: *channel, answer }
        })
        .collect()
}

/// What single answers say, the contact's other answers being unknown: a subscription that has other sources,
/// too, may be opted out by one of them, and not opted in.
pub(super) fn told(
    rows: &BTreeMap<(TopicId, Channel), BTreeSet<ConsentSource>>,
    consents: &[crate::contact::Consent],
) -> Vec<WantedConsent> {
    let contact = Contact {
        id: crate::contact::ContactId(String::new()),
        modified_at: None,
        fields: BTreeMap::new(),
        consents: consents.to_vec(),
    };
    let mut told = Vec::new();
    for ((topic, channel), sources) in rows {
        let is_told = |source: &&ConsentSource| match source {
            ConsentSource::Consent(name) => {
                consents.iter().any(|of| of.name == *name && of.channel.is_none_or(|named| named == *channel))
            }
            ConsentSource::Field(_) => false,
        };
        let answers =
            sources.iter().filter(is_told).map(|source| answer(source, *channel, &contact, &mut Vec::new()));
        let all = sources.iter().filter(is_told).count() == sources.len();
        match answers.reduce(strictest) {
            None | Some(Answer::Unsaid) => {}
            Some(Answer::Given(_)) if !all => {}
            Some(answer) => {
                told.push(WantedConsent { topic: topic.clone(), channel: *channel, answer });
            }
        }
    }
    told
}

/// What each row makes of a contact.
pub(super) fn explain(
    rows: &BTreeMap<(TopicId, Channel), BTreeSet<ConsentSource>>,
    contact: &Contact,
) -> Vec<ConsentVerdict> {
    let verdict = |(topic, channel): &(TopicId, Channel), source: &ConsentSource| {
        let (name, answers, saw) = match source {
            ConsentSource::Consent(name) => {
                (name, contact.consents.iter().filter(|of| of.name == *name).cloned().collect(), None)
            }
            ConsentSource::Field(name) => (name, Vec::new(), Some(field(contact, name).clone())),
        };
        ConsentVerdict {
            source: name.clone(),
            topic: topic.clone(),
            channel: *channel,
            answers,
            saw,
            answer: answer(source, *channel, contact, &mut Vec::new()),
        }
    };
    rows.iter().flat_map(|(to, sources)| sources.iter().map(move |source| verdict(to, source))).collect()
}

pub(super) fn answer(
    source: &ConsentSource,
    channel: Channel,
    contact: &Contact,
    left_out: &mut Vec<Reason>,
) -> Answer {
    match source {
        ConsentSource::Consent(name) => {
            let to_this = |of: &&crate::contact::Consent| {
                of.name == *name && of.channel.is_none_or(|named| named == channel)
            };
            newest(contact.consents.iter().filter(to_this).map(|of| (of.given, of.changed_at)))
        }
        ConsentSource::Field(name) => match field(contact, name) {
            // When the box was ticked is not known: the record's own time moves with every edit.
            Value::Boolean(true) => Answer::Given(None),
            Value::Boolean(false) => Answer::Refused(None),
            value if value.is_empty() => Answer::Unsaid,
            _ => {
                let reason = Reason::about(
                    ReasonCode::ValueInvalid,
                    name,
                    format!(
                        "the field `{name}` is mapped as a consent and does not hold yes or no, so it counts as \
                         no answer; map a yes/no field of the CRM"
                    ),
                );
                // One field may feed several subscriptions; it is wrong once.
                if !left_out.contains(&reason) {
                    left_out.push(reason);
                }
                Answer::Unsaid
            }
        },
    }
}

/// The newest of several answers to one question. `None` as a time is older than nothing and newer
/// than nothing, so a refusal without a time always holds.
fn newest(answers: impl Iterator<Item = (bool, Option<Timestamp>)>) -> Answer {
    let (mut given, mut refused): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
    for (yes, at) in answers {
        if yes { given.push(at) } else { refused.push(at) }
    }
    let last_given = given.iter().flatten().max().copied();
    let last_refused = refused.iter().flatten().max().copied();
    if given.is_empty() && refused.is_empty() {
        return Answer::Unsaid;
    }
    let given_holds = refused.is_empty() || (!refused.contains(&None) && last_given > last_refused);
    if given_holds { Answer::Given(last_given) } else { Answer::Refused(last_refused) }
}

/// Two rows onto one subscription. Of two given answers the older's time is kept, an unknown one
/// before all, so that an opt-out in APSIS One is weighed against the weaker of them.
pub(super) fn strictest(one: Answer, other: Answer) -> Answer {
    match (one, other) {
        (Answer::Refused(a), Answer::Refused(b)) => Answer::Refused(a.max(b)),
        (Answer::Refused(at), _) | (_, Answer::Refused(at)) => Answer::Refused(at),
        (Answer::Unsaid, _) | (_, Answer::Unsaid) => Answer::Unsaid,
        (Answer::Given(a), Answer::Given(b)) => Answer::Given(a.min(b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Option<Timestamp> {
        Some(Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn of_several_answers_the_newest_holds_and_in_doubt_the_refusal() {
        let cases = [
            (vec![], Answer::Unsaid),
            (vec![(true, at(1))], Answer::Given(at(1))),
            (vec![(true, at(2)), (false, at(1))], Answer::Given(at(2))),
            (vec![(true, at(1)), (false, at(2))], Answer::Refused(at(2))),
            (vec![(true, at(2)), (false, at(2))], Answer::Refused(at(2))),
            (vec![(true, None), (false, at(1))], Answer::Refused(at(1))),
            (vec![(true, at(9)), (false, None)], Answer::Refused(None)),
            (vec![(true, None), (true, at(5))], Answer::Given(at(5))),
        ];
        for (answers, wanted) in cases {
            assert_eq!(newest(answers.iter().copied()), wanted, "{answers:?}");
            assert_eq!(newest(answers.iter().rev().copied()), wanted, "{answers:?} reversed");
        }
    }

    #[test]
    fn rows_onto_one_subscription_are_strict() {
        let cases = [
            (Answer::Given(at(1)), Answer::Given(at(2)), Answer::Given(at(1))),
            (Answer::Given(at(1)), Answer::Given(None), Answer::Given(None)),
            (Answer::Given(at(1)), Answer::Unsaid, Answer::Unsaid),
            (Answer::Given(at(2)), Answer::Refused(at(1)), Answer::Refused(at(1))),
            (Answer::Unsaid, Answer::Refused(None), Answer::Refused(None)),
            (Answer::Refused(None), Answer::Refused(at(1)), Answer::Refused(at(1))),
        ];
        for (one, other, wanted) in cases {
            assert_eq!(strictest(one, other), wanted);
            assert_eq!(strictest(other, one), wanted);
        }
    }

    #[test]
    fn a_single_answer_opts_in_only_where_nothing_else_is_asked() {
        let row = |topic: &str, sources: &[&str]| {
            let sources = sources.iter().map(|name| ConsentSource::Consent((*name).into())).collect();
            ((TopicId(topic.into()), Channel::Email), sources)
        };
        let rows = BTreeMap::from([row("both", &["a", "b"]), row("one", &["a"]), row("other", &["b"])]);
        let say =
            |given| crate::contact::Consent { name: "a".into(), channel: None, given, changed_at: at(1) };
        let told = |given| -> Vec<(String, Answer)> {
            told(&rows, &[say(given)]).into_iter().map(|wanted| (wanted.topic.0, wanted.answer)).collect()
        };
        let (yes, no) = (Answer::Given(at(1)), Answer::Refused(at(1)));
        assert_eq!(told(true), [("one".into(), yes)]);
        assert_eq!(told(false), [("both".into(), no), ("one".into(), no)]);
    }
}

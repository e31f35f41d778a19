//! What two versions of a connector make of one contact. Pure.
//!
//! What is already in APSIS One is not asked for: a contact counts as one that could be opted in wherever the other
//! version says yes and this one does not, or says that the yes is a newer one.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::contact::{Channel, ContactId};
use crate::difference::{AttributeChange, in_words};
use crate::profile::{Answer, Intent, TopicId, WantedConsent};
use crate::reason::Reason;
use crate::rules::{Decision, Rules};
use crate::sync::fetching::Fetched;
use crate::upgrade::{AnswerChange, Becomes, ContactDifference};

/// What a version makes of a contact.
struct Look {
    becomes: Becomes,
    reason: Option<Reason>,
    /// What would be written.
    intent: Option<Intent>,
    answers: BTreeMap<(TopicId, Channel), Answer>,
    /// Whether it loses the profile that it may have.
    loses_profile: bool,
}

impl Look {
    fn at(rules: &Rules, today: Date, fetched: &Fetched) -> Self {
        let contact = match fetched {
            Fetched::Found(contact) => contact,
            Fetched::Absent => return Self::without(Becomes::Absent),
            Fetched::Unreadable(_) => return Self::without(Becomes::Unreadable),
        };
        let unwritten = |becomes, reason| Self {
            reason: Some(reason),
            answers: by_pair(rules.consents(contact)),
            loses_profile: becomes == Becomes::Excluded && rules.deletes_unmatched(),
            ..Self::without(becomes)
        };
        match rules.decide(contact, today) {
            Decision::Excluded(reason) => unwritten(Becomes::Excluded, reason),
            Decision::Rejected(reason) => unwritten(Becomes::Rejected, reason),
            Decision::Write(intent) => Self {
                answers: by_pair(intent.consents.clone()),
                intent: Some(intent),
                ..Self::without(Becomes::Written)
            },
        }
    }

    fn without(becomes: Becomes) -> Self {
        Self { becomes, reason: None, intent: None, answers: BTreeMap::new(), loses_profile: false }
    }

    /// The answer that is acted on: who is not written is not opted in.
    fn gives(&self, answer: Option<&Answer>) -> bool {
        self.becomes == Becomes::Written && matches!(answer, Some(Answer::Given(_)))
    }
}

fn by_pair(consents: Vec<WantedConsent>) -> BTreeMap<(TopicId, Channel), Answer> {
    consents.into_iter().map(|one| ((one.topic, one.channel), one.answer)).collect()
}

/// How a contact differs; none if it does not.
pub fn difference(
    contact: &ContactId,
    today: Date,
    (rules_before, before): (&Rules, &Fetched),
    (rules_after, after): (&Rules, &Fetched),
) -> Option<ContactDifference> {
    let (before, after) = (Look::at(rules_before, today, before), Look::at(rules_after, today, after));
    let attributes = attributes(&before, &after);
    let consents = answers(&before, &after);
    if before.becomes == after.becomes && attributes.is_empty() && consents.is_empty() {
        return None;
    }
    let pairs = || before.answers.keys().chain(after.answers.keys());
    let opts_in = pairs().any(|pair| opts_in(&before, &after, pair));
    let opts_out =
        after.becomes != Becomes::Unreadable && pairs().any(|pair| opts_out(&before, &after, pair));
    let loses_profile = after.loses_profile && before.becomes == Becomes::Written;
    Some(ContactDifference {
        contact: contact.clone(),
        before: before.becomes,
        after: after.becomes,
        reason: after.reason,
        opts_in,
        opts_out: opts_out || loses_profile,
        attributes,
        consents,
    })
}

/// Who is not written keeps the attributes that it has.
fn attributes(before: &Look, after: &Look) -> Vec<AttributeChange> {
    let Some(intent) = &after.intent else { return Vec::new() };
    let changes = crate::step::differences(before.intent.as_ref(), intent).into_iter();
    let changes = changes.map(|change| AttributeChange {
        attribute: change.attribute,
        before: change.before.as_ref().and_then(in_words),
        after: change.after.as_ref().and_then(in_words),
    });
    let is_nothing = |change: &AttributeChange| change.before.is_none() && change.after.is_none();
    changes.filter(|change| !is_nothing(change)).collect()
}

/// Of a contact that cannot be read, nothing is known.
fn answers(before: &Look, after: &Look) -> Vec<AnswerChange> {
    if [before, after].iter().any(|look| look.becomes == Becomes::Unreadable) {
        return Vec::new();
    }
    let mut pairs: Vec<&(TopicId, Channel)> = before.answers.keys().chain(after.answers.keys()).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let change = |pair: &(TopicId, Channel)| AnswerChange {
        topic: pair.0.clone(),
        channel: pair.1,
        before: before.answers.get(pair).copied(),
        after: after.answers.get(pair).copied(),
    };
    let is_said = |answer: Option<Answer>| answer.filter(|answer| *answer != Answer::Unsaid);
    pairs.into_iter().map(change).filter(|one| is_said(one.before) != is_said(one.after)).collect()
}

fn opts_in(before: &Look, after: &Look, pair: &(TopicId, Channel)) -> bool {
    let (was, is) = (before.answers.get(pair), after.answers.get(pair));
    if !after.gives(is) {
        return false;
    }
    match (was, is) {
        _ if !before.gives(was) => true,
        // A newer yes may go over a no that was said in APSIS One meanwhile.
        (Some(was), Some(is)) => was != is && !is.is_before(*was),
        _ => true,
    }
}

fn opts_out(before: &Look, after: &Look, pair: &(TopicId, Channel)) -> bool {
    let (was, is) = (before.answers.get(pair), after.answers.get(pair));
    let gave = matches!(was, Some(Answer::Given(_)));
    let gives = matches!(is, Some(Answer::Given(_)));
    let refused = matches!(was, Some(Answer::Refused(_)));
    let refuses = matches!(is, Some(Answer::Refused(_)));
    gave && !gives || refuses && !refused
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::contact::{Consent, Contact, Value};
    use crate::integration::{ConditionRow, Test};
    use crate::profile::{AttributeId, EMAIL_ATTRIBUTE};
    use crate::rules::{ConsentMapping, ConsentSource, RuleSet};

    const TODAY: Date = Date::constant(2026, 3, 1);

    fn rules() -> Rules {
        Rules::new(RuleSet {
            conditions: vec![ConditionRow::field("inactive", Test::NotEquals(true.into()))],
            fields: Vec::new(),
            consents: vec![ConsentMapping {
                source: ConsentSource::Consent("news".into()),
                topic: TopicId("news".into()),
                channel: Channel::Email,
            }],
            email_field: "email".into(),
            email_attribute: AttributeId(EMAIL_ATTRIBUTE.into()),
            id_attribute: None,
            default_country: None,
        })
        .unwrap()
    }

    fn contact(email: &str, inactive: bool, news: Option<(bool, i64)>) -> Fetched {
        let fields = [
            ("email".to_owned(), Value::Text(email.to_owned())),
            ("inactive".to_owned(), Value::Boolean(inactive)),
        ];
        let consent = |(given, at)| Consent {
            name: "news".into(),
            channel: None,
            given,
            changed_at: Timestamp::from_second(at).ok(),
        };
        Fetched::Found(Contact {
            id: ContactId("1".into()),
            modified_at: None,
            fields: fields.into(),
            consents: news.map(consent).into_iter().collect(),
        })
    }

    /// What it would become, and whether it would be opted in or out; none: no difference.
    fn told(before: &Fetched, after: &Fetched) -> Option<(Becomes, bool, bool)> {
        let rules = rules();
        let found = difference(&ContactId("1".into()), TODAY, (&rules, before), (&rules, after))?;
        Some((found.after, found.opts_in, found.opts_out))
    }

    #[test]
    fn the_same_is_no_difference() {
        let same = contact("a@b.example", false, Some((true, 5)));
        assert_eq!(told(&same, &same), None);
        assert_eq!(told(&Fetched::Absent, &Fetched::Absent), None);
        let other_case = contact("A@b.example ", false, Some((true, 5)));
        assert_eq!(told(&same, &other_case), None, "the rules make the same of it");
    }

    #[test]
    fn what_would_opt_in_or_out_is_told_apart() {
        let at = |news| contact("a@b.example", false, news);
        let (yes, no, nothing) = (at(Some((true, 5))), at(Some((false, 5))), at(None));
        let written = |opts_in, opts_out| Some((Becomes::Written, opts_in, opts_out));
        assert_eq!(told(&nothing, &yes), written(true, false));
        assert_eq!(told(&no, &yes), written(true, false));
        assert_eq!(told(&yes, &no), written(false, true));
        assert_eq!(told(&yes, &nothing), written(false, true), "an opt-in that we once set is withdrawn");
        assert_eq!(told(&nothing, &no), written(false, true));
        assert_eq!(told(&no, &nothing), written(false, false), "what was refused stays refused");
        assert_eq!(told(&yes, &at(Some((true, 9)))), written(true, false), "a newer yes may go over a no");
        assert_eq!(told(&yes, &at(Some((true, 1)))), written(false, false));
        assert_eq!(
            told(&at(Some((true, 5))), &contact("c@d.example", false, Some((true, 5)))),
            written(false, false)
        );
    }

    #[test]
    fn who_is_excluded_is_not_opted_in_and_who_is_gone_is_opted_out() {
        let yes = contact("a@b.example", false, Some((true, 5)));
        let excluded = contact("a@b.example", true, Some((true, 5)));
        assert_eq!(told(&yes, &excluded), Some((Becomes::Excluded, false, false)));
        assert_eq!(told(&excluded, &yes), Some((Becomes::Written, true, false)));
        assert_eq!(told(&yes, &Fetched::Absent), Some((Becomes::Absent, false, true)));
        let deleting = rules().deleting_unmatched(true);
        let found = difference(&ContactId("1".into()), TODAY, (&deleting, &yes), (&deleting, &excluded));
        assert!(found.unwrap().opts_out, "with its profile go its consents");
    }
}

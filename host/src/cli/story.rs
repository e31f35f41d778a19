//! A contact's story in words that need no manual. It holds personal data: it is for whoever asks.

use super::status::moment;
use crate::contact::{Choice, ContactId, Value};
use crate::explained::{ConditionVerdict, ConsentVerdict, Explained, FieldVerdict};
use crate::profile::{Answer, AttributeValue, ConsentType, KnownConsent};
use crate::step::{Asked, Difference, Request};
use crate::story::{ConsentTold, LastSeen, Mail, Presence, Standing, consents};

/// What people read of an id such as `usercreated.topics.newsletter-rg4kf3kt24`.
fn name(id: &str) -> &str {
    id.rsplit_once('.').map_or(id, |(_, name)| name)
}

/// The answer to the question that is asked most.
pub fn of_standing(contact: &ContactId, standing: &Standing) -> Vec<String> {
    let mut lines = Vec::new();
    let profile = match standing.profile {
        Presence::There => "in APSIS One",
        Presence::ThereAsBefore => "in APSIS One, but not as the CRM has it now",
        Presence::Deleted => "taken out of APSIS One: the CRM deleted it",
        Presence::NotThere => "not in APSIS One",
        Presence::WaitsForDailyRun => "not in APSIS One yet: it gets its profile with the daily run",
        Presence::Forgotten => "forgotten: not in APSIS One, and not let in again",
        Presence::Unknown => "nothing is known of it",
    };
    let is_there = matches!(standing.profile, Presence::There | Presence::ThereAsBefore);
    let mail = match standing.may.as_slice() {
        [] if is_there => ". May not be mailed".to_owned(),
        [] => String::new(),
        may => format!(". May be mailed: {}", joined(may)),
    };
    lines.push(format!("Contact {contact}: {profile}{mail}"));
    if let Some(cause) = &standing.because {
        lines.push(format!("  why: {} ({})", cause.message, cause.code));
    }
    for Mail { topic, channel, why } in &standing.may {
        lines.push(format!("  may be mailed: {}, {channel}: {why}", name(&topic.0)));
    }
    for Mail { topic, channel, why } in &standing.may_not {
        lines.push(format!("  may not be mailed: {}, {channel}: {why}", name(&topic.0)));
    }
    if standing.unsettled {
        lines.push(
            "  something is under way or failed, so that this may change, or be so only in part".to_owned(),
        );
    }
    lines
}

fn joined(mails: &[Mail]) -> String {
    let each = mails.iter().map(|mail| format!("{} by {}", name(&mail.topic.0), mail.channel));
    each.collect::<Vec<_>>().join(", ")
}

/// What the CRM had, and what the rules made of it.
pub fn of_seen(seen: &LastSeen) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(format!("What the CRM had, taken {}", moment(seen.at)));
    if let Some(at) = seen.contact.modified_at {
        lines.push(format!("  last changed there {}", moment(at)));
    }
    for (field, value) in &seen.contact.fields {
        if !value.is_empty() {
            lines.push(format!("  {field}: {}", of_crm(value)));
        }
    }
    let empty: Vec<&str> = seen
        .contact
        .fields
        .iter()
        .filter(|(_, value)| value.is_empty())
        .map(|(field, _)| field.as_str())
        .collect();
    if !empty.is_empty() {
        lines.push(format!("  empty: {}", empty.join(", ")));
    }
    for consent in &seen.contact.consents {
        let channel = consent.channel.map_or_else(String::new, |channel| format!(", {channel}"));
        let at = consent.changed_at.map_or_else(String::new, |at| format!(", {}", moment(at)));
        let given = if consent.given { "given" } else { "refused" };
        lines.push(format!("  consent {}{channel}: {given}{at}", consent.name));
    }
    if let Some(explained) = &seen.explained {
        let same = match seen.explained_at {
            Some(at) if at != seen.at => format!(", {}; nothing has changed since", moment(at)),
            _ => String::new(),
        };
        lines.push(format!("What the rules made of it{same}"));
        lines.extend(of_explained(explained));
    }
    lines
}

fn of_explained(explained: &Explained) -> Vec<String> {
    let mut lines = Vec::new();
    for ConditionVerdict { field, wanted, saw, holds, within } in &explained.conditions {
        let within =
            if within.is_empty() { String::new() } else { format!(" (in {})", within.join(", in ")) };
        let holds = if *holds { "holds" } else { "does not hold" };
        lines.push(format!("  condition{within}: {field} {wanted}: it is {}: {holds}", of_crm(saw)));
    }
    for FieldVerdict { field, attribute, input, output: becomes, reason } in &explained.fields {
        let becomes = match (becomes, reason) {
            (Some(value), _) => of_apsis(value),
            (None, Some(reason)) => format!("nothing: {} ({})", reason.message, reason.code),
            (None, None) => "nothing".to_owned(),
        };
        lines.push(format!("  field {field}: {} -> {}: {becomes}", of_crm(input), name(&attribute.0)));
    }
    for ConsentVerdict { source, topic, channel, answers, saw, answer } in &explained.consents {
        let saw = saw.as_ref().map_or_else(String::new, |saw| format!(" ({})", of_crm(saw)));
        let times = if answers.len() > 1 { format!(" ({} answers)", answers.len()) } else { String::new() };
        let answer = match answer {
            Answer::Given(at) => format!("given{}", dated(*at)),
            Answer::Refused(at) => format!("refused{}", dated(*at)),
            Answer::Unsaid => "no answer, so nobody is opted in".to_owned(),
        };
        lines.push(format!("  consent {source}{saw}{times} -> {}, {channel}: {answer}", name(&topic.0)));
    }
    lines
}

/// A moment after a comma, where it is known.
pub fn dated(at: Option<jiff::Timestamp>) -> String {
    at.map_or_else(String::new, |at| format!(", {}", moment(at)))
}

/// What was asked of APSIS One, request by request, and what it changed.
pub fn of_steps(steps: &[Asked]) -> Vec<String> {
    let mut lines = Vec::new();
    for asked in steps {
        match &asked.step {
            Some(step) => lines.push(format!("    {step}")),
            None => lines.push("    asked, and did not come to an end".to_owned()),
        }
        for Request { method, path, status, at, millis } in &asked.requests {
            let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            let at = at.strftime("%H:%M:%S%.3fZ");
            lines.push(format!("      {method} {path}: {status}, {at}, {millis} ms"));
        }
        for Difference { attribute, before, after } in asked.step.iter().flat_map(|step| step.changed()) {
            let of =
                |value: &Option<AttributeValue>| value.as_ref().map_or_else(|| "nothing".into(), of_apsis);
            lines.push(format!("      {}: {} -> {}", name(&attribute.0), of(before), of(after)));
        }
    }
    for told in consents(steps) {
        lines.push(format!("    consent {}", of_consent(&told)));
    }
    lines
}

fn of_consent(told: &ConsentTold) -> String {
    let before = match &told.before {
        None => "nothing".to_owned(),
        Some(KnownConsent { state, modified_at, source, .. }) => {
            let by = source.as_ref().map_or_else(String::new, |source| format!(" by {source}"));
            let when = modified_at.map_or_else(String::new, |at| format!(", {}", moment(at)));
            format!("{}{by}{when}", state_words(*state))
        }
    };
    let after = told.after.map_or("nothing", state_words);
    let refused = if told.refused { "; APSIS One refused the change" } else { "" };
    format!("{}, {}: {before} -> {after}{refused}", name(&told.topic.0), told.channel)
}

fn state_words(state: ConsentType) -> &'static str {
    match state {
        ConsentType::OptIn => "opted in",
        ConsentType::OptOut => "opted out",
        ConsentType::PendingOptIn => "asked, not confirmed",
        ConsentType::ConfirmedOptIn => "opted in, confirmed",
    }
}

fn of_crm(value: &Value) -> String {
    let option = |choice: &Choice| match choice.label.is_empty() {
        true => choice.key.clone(),
        false => format!("{} ({})", choice.label, choice.key),
    };
    match value {
        empty if empty.is_empty() => "empty".to_owned(),
        Value::Null => "empty".to_owned(),
        Value::Boolean(yes) => (if *yes { "yes" } else { "no" }).to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Decimal(text) | Value::Date(text) | Value::Timestamp(text) | Value::Json(text) => text.clone(),
        Value::Text(text) => format!("{text:?}"),
        Value::Choice(choice) => option(choice),
        Value::Choices(choices) => choices.iter().map(option).collect::<Vec<_>>().join(", "),
    }
}

fn of_apsis(value: &AttributeValue) -> String {
    match value {
        AttributeValue::Text(text) => format!("{text:?}"),
        AttributeValue::Boolean(yes) => (if *yes { "yes" } else { "no" }).to_owned(),
        AttributeValue::Integer(number) => number.to_string(),
        AttributeValue::Decimal(text) | AttributeValue::Date(text) => text.clone(),
        AttributeValue::Timestamp(seconds) => match jiff::Timestamp::from_second(*seconds) {
            Ok(at) => moment(at),
            Err(_) => seconds.to_string(),
        },
        AttributeValue::Clear => "cleared".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::contact::{Channel, Consent, Contact};
    use crate::profile::{AttributeId, TopicId};
    use crate::reason::{Reason, ReasonCode};

    fn at(text: &str) -> jiff::Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_each_rule_saw_wanted_and_made_is_said() {
        let text = |text: &str| Value::Text(text.to_owned());
        let explained = Explained {
            conditions_hold: false,
            conditions: vec![ConditionVerdict {
                field: "country".into(),
                wanted: "is one of \"Sweden\", \"Norway\"".into(),
                saw: text("Denmark"),
                holds: false,
                within: vec!["any".into()],
            }],
            fields: vec![
                FieldVerdict {
                    field: "city".into(),
                    attribute: AttributeId("usercreated.attributes.city-p0o9i8u7y6".into()),
                    input: text(" Visby "),
                    output: Some(AttributeValue::Text("Visby".into())),
                    reason: None,
                },
                FieldVerdict {
                    field: "mobilephone".into(),
                    attribute: AttributeId("com.apsis1.attributes.mobile".into()),
                    input: text("12"),
                    output: None,
                    reason: Some(Reason::new(ReasonCode::MobileInvalid, "no such number")),
                },
            ],
            consents: vec![ConsentVerdict {
                source: "1001".into(),
                topic: TopicId("usercreated.topics.newsletter-rg4kf3kt24".into()),
                channel: Channel::Email,
                answers: Vec::new(),
                saw: None,
                answer: Answer::Given(Some(at("2026-01-02T03:04:05Z"))),
            }],
        };
        let seen = LastSeen {
            at: at("2026-02-01T00:00:00Z"),
            contact: Contact {
                id: ContactId("1".into()),
                modified_at: None,
                fields: BTreeMap::from([("city".into(), text(" Visby ")), ("notes".into(), Value::Null)]),
                consents: vec![Consent { name: "1001".into(), channel: None, given: true, changed_at: None }],
            },
            explained: Some(explained),
            explained_at: Some(at("2026-01-31T00:00:00Z")),
        };
        assert_eq!(
            of_seen(&seen),
            [
                "What the CRM had, taken 2026-02-01 00:00:00Z",
                "  city: \" Visby \"",
                "  empty: notes",
                "  consent 1001: given",
                "What the rules made of it, 2026-01-31 00:00:00Z; nothing has changed since",
                "  condition (in any): country is one of \"Sweden\", \"Norway\": it is \"Denmark\": does not hold",
                "  field city: \" Visby \" -> city-p0o9i8u7y6: \"Visby\"",
                "  field mobilephone: \"12\" -> mobile: nothing: no such number (mobile-invalid)",
                "  consent 1001 -> newsletter-rg4kf3kt24, e-mail: given, 2026-01-02 03:04:05Z",
            ]
        );
    }
}

//! Consent 2.0: which change of a consent is allowed, and what it is answered with.
//!
//! The meanings of 201, 204 and 409 are the developer hub's; the table of transitions is inferred from
//! them ("transition not supported, mostly because the consent already has that type").

use jiff::Timestamp;
use serde_json::Value;

use super::definitions::{CHANNELS, TOPICS};
use super::profiles::{Consent, ConsentType, Profile, Refusal, refuse};
use super::switches::ApsisSwitches;

/// A consent that is asked for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) topic: u8,
    pub(crate) channel: u8,
    pub(crate) state: ConsentType,
    pub(crate) source: Box<str>,
    pub(crate) reason: Box<str>,
}

/// The places of a topic and a channel that go together.
pub(crate) fn places(topic: &str, channel: &str) -> Result<(u8, u8), Refusal> {
    let Some((at, found)) = TOPICS.iter().enumerate().find(|(_, known)| known.0 == topic) else {
        return refuse(404, "Topic not found");
    };
    let Some(channel_at) = CHANNELS.iter().position(|known| known.0 == channel) else {
        return refuse(404, "Channel not found");
    };
    if found.3.is_some_and(|only| only != channel) {
        return refuse(400, "The topic is not available in this channel");
    }
    match (u8::try_from(at), u8::try_from(channel_at)) {
        (Ok(topic), Ok(channel)) => Ok((topic, channel)),
        _ => refuse(404, "Topic not found"),
    }
}

/// Reads the body of `POST …/consents`.
pub(crate) fn read(body: &Value, switches: &ApsisSwitches) -> Result<Wanted, Refusal> {
    let text = |name: &str| match body.get(name) {
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => refuse(400, format!("{name} must be a string")),
        None => refuse(400, format!("{name} is required")),
    };
    let (topic, channel) = (text("topic_discriminator")?, text("channel_discriminator")?);
    let (topic, channel) = places(topic, channel)?;
    let Some(state) = ConsentType::read(text("type")?) else { return refuse(400, "type is not valid") };
    let reason = match body.get("reason") {
        None if !switches.reason_needed => "",
        _ => text("reason")?,
    };
    if switches.reason_needed && reason.trim().is_empty() {
        return refuse(400, "reason must not be empty");
    }
    let source = if body.get("source").is_some() { text("source")? } else { "One API" };
    Ok(Wanted { topic, channel, state, source: source.into(), reason: reason.into() })
}

/// Sets a consent; gives the status.
pub(crate) fn set(profile: &mut Profile, wanted: Wanted, switches: &ApsisSwitches) -> Result<u16, Refusal> {
    use ConsentType::{ConfirmedOptIn, OptIn, OptOut, PendingOptIn};
    if matches!(wanted.state, ConfirmedOptIn | PendingOptIn) {
        return refuse(400, "The type cannot be set by the API");
    }
    let known = profile.consent(wanted.topic, wanted.channel, switches).map(|known| known.state);
    let new = Consent {
        topic: wanted.topic,
        channel: wanted.channel,
        state: wanted.state,
        source: wanted.source,
        reason: wanted.reason,
        modified_at: Timestamp::now(),
        address: None,
    };
    let Some(known) = known else {
        profile.put_consent(new, switches);
        return Ok(201);
    };
    match (known, wanted.state) {
        (OptIn, OptIn) | (OptOut, OptOut) if !switches.same_consent_conflicts => Ok(200),
        (ConfirmedOptIn, OptIn) if !switches.confirmed_is_kept => {
            profile.put_consent(new, switches);
            Ok(204)
        }
        (OptIn, OptOut) | (OptOut, OptIn) | (ConfirmedOptIn | PendingOptIn, OptOut) => {
            profile.put_consent(new, switches);
            Ok(204)
        }
        _ => refuse(409, "Consent transition not supported"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConsentType::{ConfirmedOptIn, OptIn, OptOut, PendingOptIn};

    #[test]
    fn only_the_allowed_transitions_are_made() {
        let switches = ApsisSwitches::default();
        let try_from = |from: Option<ConsentType>, to: ConsentType| {
            let consent = |state| Consent {
                topic: 0,
                channel: 0,
                state,
                source: "".into(),
                reason: "".into(),
                modified_at: Timestamp::UNIX_EPOCH,
                address: None,
            };
            let mut profile = Profile::default();
            from.into_iter().for_each(|state| profile.put_consent(consent(state), &switches));
            let wanted = Wanted { topic: 0, channel: 0, state: to, source: "".into(), reason: "x".into() };
            set(&mut profile, wanted, &switches).unwrap_or_else(|refusal| refusal.status)
        };
        for (from, to, status) in [
            (None, OptIn, 201),
            (None, OptOut, 201),
            (Some(OptIn), OptOut, 204),
            (Some(OptOut), OptIn, 204),
            (Some(ConfirmedOptIn), OptOut, 204),
            (Some(PendingOptIn), OptOut, 204),
            (Some(OptIn), OptIn, 409),
            (Some(OptOut), OptOut, 409),
            (Some(ConfirmedOptIn), OptIn, 409),
            (Some(PendingOptIn), OptIn, 409),
            (None, ConfirmedOptIn, 400),
            (Some(OptIn), PendingOptIn, 400),
        ] {
            assert_eq!(try_from(from, to), status, "{from:?} to {to:?}");
        }
    }
}

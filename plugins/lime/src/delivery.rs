//! What Lime's webhooks send: whether Lime sent it, and what it says.
//!
//! A delivery has the person's own values, but neither the company's nor the consents, and may be older
//! than what Lime holds by now. So a person that changed is handed over as touched, to be read again, and
//! never as a half contact. The same goes for a consent, since an older record of the same type does not
//! hold. What is about neither, such as a company, is discarded with its limetype and id, by which the host asks
//! for the persons that show it. Signatures as in Lime's webhook documentation (version 1) and in its client (version 2).

use jiff::tz::TimeZone;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use sluice_sdk::{Change, Delivery, Discard, DiscardReason, Error, Proof, secrets};

use crate::consent::Answer;
use crate::record::Record;
use crate::settings::{Settings, SignatureRule, WEBHOOK_SECRET};

/// Whether Lime signed this delivery.
///
/// # Errors
/// `unauthorized` where it did not, or not in a way that the rule takes.
pub fn verify(delivery: &Delivery, rule: SignatureRule) -> Result<Proof, Error> {
    let signature = header(delivery, "x-lime-signature")
        .ok_or_else(|| refused("it has no signature. Set the webhook up in Lime with the secret"))?;
    let (version, mac) =
        signature.trim().split_once('=').ok_or_else(|| refused("its signature is of no known form"))?;
    let mac = from_hex(mac).ok_or_else(|| refused("its signature is of no known form"))?;
    let (signed, proof) = match version {
        "v2" => {
            let id =
                header(delivery, "x-lime-delivery-id").ok_or_else(|| refused("it has no delivery id"))?;
            let sent =
                header(delivery, "x-lime-delivery-timestamp").ok_or_else(|| refused("it has no time"))?;
            let sent_at = sent.trim().parse().map_err(|_| refused("its time is no number"))?;
            let signed = format!("v2:{id}:{sent}:{}", to_hex(&Sha256::digest(&delivery.body)));
            (signed.into_bytes(), Proof { id: Some(id.to_owned()), sent_at: Some(sent_at) })
        }
        "sha256" if rule == SignatureRule::Any => (delivery.body.clone(), Proof { id: None, sent_at: None }),
        "sha256" => {
            return Err(refused(
                "its signature is of version 1, which the setting `webhook-signature` refuses",
            ));
        }
        _ => return Err(refused("its signature is of no known version")),
    };
    if secrets::verify_hmac_sha256(WEBHOOK_SECRET, &signed, &mac) {
        Ok(proof)
    } else {
        Err(refused("its signature does not fit the secret"))
    }
}

fn refused(why: &str) -> Error {
    Error::unauthorized(format!("The message was refused as not from Lime: {why}."))
}

fn header<'a>(delivery: &'a Delivery, name: &str) -> Option<&'a str> {
    let found = delivery.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[derive(Deserialize)]
struct Event {
    event: String,
    body: Body,
}

#[derive(Deserialize)]
struct Body {
    id: i64,
    limetype: String,
    #[serde(default)]
    values: Option<Record>,
    #[serde(default)]
    original_values: Option<Record>,
}

/// What a delivery says.
///
/// # Errors
/// `malformed` where it is no event of Lime's.
pub fn receive(body: &[u8], settings: &Settings, zone: &TimeZone) -> Result<Vec<Change>, Error> {
    let event: Event = serde_json::from_slice(body).map_err(|_| {
        Error::malformed("The message is not an event as Lime's webhooks send them. Nothing was changed.")
    })?;
    // `body.id`, not `values.id`: Lime's documented sample shows them to differ.
    let Event { event: name, body } = event;
    let action = name.rsplit_once('.').map_or("", |(_, action)| action);
    if body.limetype == settings.person_limetype {
        let id = body.id.to_string();
        return Ok(match action {
            "new" | "update" | "restore" => vec![Change::Touched(id)],
            "delete" => vec![Change::Deleted(id)],
            _ => vec![not_relevant(&body, action)],
        });
    }
    if body.limetype == settings.consent_limetype && matches!(action, "new" | "update" | "restore" | "delete")
    {
        return Ok(of_consent(&body, action, settings, zone));
    }
    Ok(vec![not_relevant(&body, action)])
}

/// A consent's person is to be read again; so is the one it belonged to before. A record without a person
/// or a type is discarded, unless the person it was detached from is known: reading that one again leaves
/// nothing wrong (Lime detaches a person's consents when it deletes the person).
fn of_consent(body: &Body, action: &str, settings: &Settings, zone: &TimeZone) -> Vec<Change> {
    if action == "delete" {
        return vec![Change::Discarded(Discard {
            subject: Some(format!("consent {}", body.id)),
            reason: DiscardReason::MissingPerson,
            message: "The consent was deleted in Lime, which does not say whose it was. Start a full sync."
                .to_owned(),
        })];
    }
    let Some(values) = &body.values else {
        return vec![Change::Discarded(Discard {
            subject: Some(format!("consent {}", body.id)),
            reason: DiscardReason::Malformed,
            message: "The message about the consent has no values. Start a full sync.".to_owned(),
        })];
    };
    let answer = Answer::read(body.id, values, settings, zone);
    let before =
        body.original_values.as_ref().and_then(|values| values.related(&settings.consent_person_property));
    let mut changes: Vec<Change> =
        answer.person.into_iter().chain(before).map(|person| Change::Touched(person.to_string())).collect();
    changes.dedup();
    let is_detached = answer.person.is_none() && before.is_some();
    changes.extend(answer.discard().filter(|_| !is_detached).map(Change::Discarded));
    changes
}

fn not_relevant(body: &Body, action: &str) -> Change {
    Change::Discarded(Discard {
        subject: Some(format!("{} {}", body.limetype, body.id)),
        reason: DiscardReason::NotRelevant,
        message: format!("A message about `{action}` of `{}` concerns no contact.", body.limetype),
    })
}

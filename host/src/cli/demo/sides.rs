//! Both sides beside each other: what the CRM says now, and what APSIS One has.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use sluice_sandbox::{DumpedProfile, Sandbox};

use super::trouble;
use crate::apsis::compare::value_fits;
use crate::apsis::{Client, Definitions, FoundValue};
use crate::cli::{Opened, OrFail, Result, table};
use crate::contact::{Channel, Contact, ContactId, Value};
use crate::integration::Integration;
use crate::profile::{Answer, Intent, TopicId, WantedConsent};
use crate::rules::Decision;
use crate::sync::{Line, Patience, Validity};

/// What a comparison of all contacts came to.
#[derive(Debug, Default, serde::Serialize)]
pub struct Comparison {
    /// Contacts that the CRM has.
    pub contacts: u64,
    /// Those that the rules let through, whose profile is as the rules want it.
    pub equal: u64,
    /// Those that are excluded or rejected.
    pub not_synced: u64,
    /// Who has no profile, another one than the rules want, or one and is gone from the CRM.
    pub different: Vec<ContactId>,
}

/// By channel and address: who refuses which topic.
type Refusals = BTreeMap<(Channel, String), Vec<(ContactId, TopicId)>>;

/// The two sides.
pub struct Sides<'a> {
    integration: &'a Integration,
    line: Line,
    definitions: Definitions,
}

impl<'a> Sides<'a> {
    pub async fn open(opened: &Opened, integration: &'a Integration) -> Result<Self> {
        let service = opened.service()?;
        let line = Line::open(&service, integration, Validity::unlimited(), Patience::Short).await;
        let secret = service.secrets().of_apsis(integration).await.or_fail()?;
        let definitions = Client::new(&integration.apsis, secret).or_fail()?.definitions().await.or_fail()?;
        Ok(Self { integration, line: line.or_fail()?, definitions })
    }

    /// Reads every contact from the CRM anew, and compares what the rules make of it with what the simulated APSIS
    /// One has.
    pub async fn compare(&self, sandbox: &Sandbox) -> Result<Comparison> {
        let of_id = |profile: DumpedProfile| (profile.crm_id.clone().unwrap_or_default(), profile);
        let mut profiles: BTreeMap<String, DumpedProfile> =
            sandbox.profiles().into_iter().map(of_id).collect();
        let mut found = Comparison::default();
        let contacts = self.contacts().await?;
        let refusals = self.refusals(&contacts);
        for contact in contacts {
            found.contacts += 1;
            let profile = profiles.remove(&contact.id.0);
            match self.line.rules.decide(&contact, self.line.today()) {
                Decision::Write(mut intent) => {
                    self.be_strict(&mut intent, &contact, &refusals);
                    if profile.is_some_and(|profile| fits(&intent, &profile)) {
                        found.equal += 1;
                    } else {
                        found.different.push(contact.id);
                    }
                }
                Decision::Excluded(_) | Decision::Rejected(_) => found.not_synced += 1,
            }
        }
        found.different.extend(profiles.into_keys().map(ContactId));
        Ok(found)
    }

    async fn contacts(&self) -> Result<Vec<Contact>> {
        let mut contacts = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.line.connection.scan(cursor.as_ref(), self.line.page_size).await.or_fail()?;
            contacts.extend(page.contacts);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(contacts);
            }
        }
    }

    fn addresses(&self, contact: &Contact) -> Vec<(Channel, String)> {
        let rules = &self.line.rules;
        let email = rules.email(contact).map(|address| (Channel::Email, address));
        email.into_iter().chain(rules.mobile(contact).map(|address| (Channel::Sms, address))).collect()
    }

    /// Who refuses what, by address.
    fn refusals(&self, contacts: &[Contact]) -> Refusals {
        let mut refusals = Refusals::new();
        for contact in contacts {
            let refused = self.line.rules.consents(contact);
            let refused = refused.iter().filter(|one| matches!(one.answer, Answer::Refused(_)));
            for consent in refused {
                for at in
                    self.addresses(contact).into_iter().filter(|(channel, _)| *channel == consent.channel)
                {
                    refusals.entry(at).or_default().push((contact.id.clone(), consent.topic.clone()));
                }
            }
        }
        refusals
    }

    /// Of several contacts with one address the strictest answer holds.
    fn be_strict(&self, intent: &mut Intent, contact: &Contact, refusals: &Refusals) {
        for (channel, address) in self.addresses(contact) {
            let by = refusals.get(&(channel, address)).map_or(&[][..], Vec::as_slice);
            for consent in intent.consents.iter_mut().filter(|one| one.channel == channel) {
                if by.iter().any(|(other, topic)| *other != contact.id && *topic == consent.topic) {
                    consent.answer = Answer::Refused(None);
                }
            }
        }
    }

    /// One profile that has consents of both kinds, row by row beside its contact.
    pub async fn one(&self, sandbox: &Sandbox) -> Result<(ContactId, Vec<Vec<String>>)> {
        let telling = |profile: &DumpedProfile| {
            let has = |state: &str| profile.consents.iter().any(|consent| text(consent, "type") == state);
            profile.attributes.len() > 12 && has("opt-in") && has("opt-out")
        };
        let profiles = sandbox.profiles();
        let Some(profile) = profiles.iter().find(|profile| telling(profile)).or_else(|| profiles.first())
        else {
            return Err(trouble("APSIS One has no profile to show"));
        };
        let id = ContactId(profile.crm_id.clone().unwrap_or_default());
        let contacts = self.line.connection.get(std::slice::from_ref(&id)).await.or_fail()?;
        let Some(contact) = contacts.first() else {
            return Err(trouble(&format!("Lime has no person {id}")));
        };

        let mut rows = vec![["Lime CRM", "", "APSIS One", ""].map(String::from).to_vec()];
        let email = self.line.connection.connector().description().email_field.clone();
        rows.push(self.field(contact, profile, &email, "com.apsis1.attributes.email"));
        for mapping in &self.integration.fields {
            rows.push(self.field(contact, profile, &mapping.field, &mapping.attribute));
        }
        for mapping in &self.integration.consents {
            let (Some(name), Ok(topic)) = (&mapping.consent, self.definitions.topic(&mapping.topic)) else {
                continue;
            };
            let answer = contact.consents.iter().find(|consent| consent.name == *name);
            let answer = answer.map_or("no answer", |answer| if answer.given { "yes" } else { "no" });
            let set = state(profile, &topic.id.0, mapping.channel).unwrap_or("-").to_owned();
            let there = format!("{}, {}", topic.name, mapping.channel);
            rows.push(vec![format!("consent {name}"), answer.to_owned(), there, set]);
        }
        Ok((id, rows))
    }

    fn field(&self, contact: &Contact, profile: &DumpedProfile, field: &str, attribute: &str) -> Vec<String> {
        let found = self.definitions.attribute(attribute).ok();
        let name = found.map_or_else(|| attribute.to_owned(), |found| found.name.clone());
        let there = match found.and_then(|found| profile.attributes.get(&found.id.0)) {
            None | Some(Json::Null) => "-".to_owned(),
            Some(Json::String(text)) => table::cell(text),
            Some(other) => other.to_string(),
        };
        let here =
            contact.fields.get(field).map_or_else(|| "-".to_owned(), |value| table::cell(&words(value)));
        vec![field.to_owned(), here, name, there]
    }
}

/// Whether the profile is as the rules want it: every attribute, and every consent.
fn fits(intent: &Intent, profile: &DumpedProfile) -> bool {
    let attributes = intent.attributes.iter().all(|(attribute, wanted)| {
        let found = profile.attributes.get(&attribute.0).map_or(FoundValue::Null, FoundValue::from);
        value_fits(wanted, &found)
    });
    let consents = intent.consents.iter().all(|wanted: &WantedConsent| {
        let state = state(profile, &wanted.topic.0, wanted.channel);
        match wanted.answer {
            Answer::Given(_) => state == Some("opt-in"),
            Answer::Refused(_) => state == Some("opt-out"),
            Answer::Unsaid => state != Some("opt-in"),
        }
    });
    attributes && consents
}

/// The state of a profile's consent.
fn state<'a>(profile: &'a DumpedProfile, topic: &str, channel: Channel) -> Option<&'a str> {
    let channel = match channel {
        Channel::Email => "email",
        Channel::Sms => "sms",
    };
    let found = profile.consents.iter().find(|consent| {
        text(consent, "topic_discriminator") == topic
            && text(consent, "channel_discriminator").rsplit('.').next() == Some(channel)
    });
    found.map(|consent| text(consent, "type"))
}

fn text<'a>(consent: &'a Json, name: &str) -> &'a str {
    consent.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn words(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Boolean(yes) => yes.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Choice(choice) => choice.label.clone(),
        Value::Choices(choices) => {
            choices.iter().map(|choice| choice.label.as_str()).collect::<Vec<_>>().join(", ")
        }
        Value::Decimal(text)
        | Value::Text(text)
        | Value::Date(text)
        | Value::Timestamp(text)
        | Value::Json(text) => text.clone(),
    }
}

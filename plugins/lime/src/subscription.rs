//! The webhook subscription: made once, found again when asked for twice.
//!
//! Lime's webhook documentation has `subscription/` below `/api/v1/`; Lime's client uses `/api/v2/` where the
//! server has it, which gives signatures of version 2, and falls back on 404. Subscriptions can also be
//! made by hand in Lime, so what is there is looked at first.

use serde::Deserialize;
use serde_json::{Value, json};
use sluice_sdk::Error;
use sluice_sdk::request::{Credential, Method, Reply};

use crate::Lime;
use crate::api::in_query;
use crate::settings::WEBHOOK_SECRET;

/// The name that the subscription has in Lime's list.
const NAME: &str = "sluice";

const WHAT: &str = "the webhook subscriptions";

#[derive(Deserialize)]
struct Subscription {
    /// A number in the documentation, text in Lime's client.
    id: Value,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    target_url: String,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    signature_version: Option<String>,
}

impl Subscription {
    fn id(&self) -> String {
        self.id.as_str().map_or_else(|| self.id.to_string(), str::to_owned)
    }
}

impl Lime {
    fn events(&self) -> Result<Vec<String>, Error> {
        let of_type = |limetype: &str, actions: &[&str]| -> Vec<String> {
            actions.iter().map(|action| format!("{limetype}.{action}")).collect()
        };
        let mut events = of_type(&self.settings.person_limetype, &["new", "update", "delete", "restore"]);
        if self.reads_consents() {
            events.extend(of_type(&self.settings.consent_limetype, &["new", "update", "delete", "restore"]));
        }
        events.extend(self.company_events()?);
        Ok(events)
    }

    /// One subscription to `url` with the events that are wanted. One that is there is kept; what else
    /// there is for this address is deleted, since it would double every message.
    pub(crate) fn subscribe_to(&self, url: &str) -> Result<String, Error> {
        let wanted = self.events()?;
        let there: Vec<Subscription> = self.api.get("v1/subscription/", WHAT)?.ok(WHAT)?.json(WHAT)?;
        let mut twins: Vec<Subscription> = there.into_iter().filter(|it| it.target_url == url).collect();
        let version_2 = |it: &Subscription| it.signature_version.as_deref() == Some("v2");
        twins.sort_by_key(|it| !version_2(it));
        let fits = twins.iter().position(|it| {
            it.enabled != Some(false)
                && wanted.iter().all(|event| it.events.contains(event))
                && (version_2(it) || self.settings.webhook_signature == crate::settings::SignatureRule::Any)
        });
        // The new one is made before the old ones go, so that no message falls between them.
        let id = match fits {
            Some(index) => twins.remove(index).id(),
            None => self.create(url, &wanted)?.id(),
        };
        for twin in twins {
            self.end_subscription(&twin.id())?;
        }
        Ok(id)
    }

    fn create(&self, url: &str, events: &[String]) -> Result<Subscription, Error> {
        let mut reply = self.post("v2/subscription/", url, events)?;
        if reply.status() == 404 && self.settings.webhook_signature == crate::settings::SignatureRule::V2 {
            return Err(Error::misconfigured(
                "This Lime server signs messages by version 1 only. Set `webhook-signature` to `any`.",
            ));
        }
        if reply.status() == 404 {
            reply = self.post("v1/subscription/", url, events)?;
        }
        reply.ok(WHAT)?.json(WHAT)
    }

    fn post(&self, path: &str, url: &str, events: &[String]) -> Result<Reply, Error> {
        // The host puts the secret where the pointer says.
        let body = json!({"name": NAME, "events": events, "target_url": url, "secret": ""});
        let call = self.api.call(Method::Post, path).json(&body)?;
        call.credential(Credential::Json(("/secret".to_owned(), WEBHOOK_SECRET.to_owned()))).send(WHAT)
    }

    /// Deletes a subscription; one that is gone already is fine.
    pub(crate) fn end_subscription(&self, id: &str) -> Result<(), Error> {
        let reply =
            self.api.call(Method::Delete, &format!("v1/subscription/{}/", in_query(id))).send(WHAT)?;
        if reply.status() == 404 {
            return Ok(());
        }
        reply.ok(WHAT).map(|_| ())
    }
}

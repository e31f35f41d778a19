//! A second integration beside the Lime one: of a CRM that pushes whole states.

use reqwest::Client;
use serde_json::{Value, json};
use sluice_sandbox::SandboxConfig;
use sluice_tests::pushy;
pub use sluice_tests::pushy::{PUSHY, there};
use sluice_tests::rig::eventually;

use crate::live::{Live, On};

pub struct Pushy {
    pub live: Live,
    client: Client,
    url: String,
}

impl Pushy {
    /// An installation that serves, and this integration beside the Lime one. `more` ends its file.
    pub async fn start(on: On, more: &str) -> Self {
        let live = Live::start(on, SandboxConfig::default(), |text| text).await;
        let mut pushy = Self { live, client: Client::new(), url: String::new() };
        pushy.apply(more).await;
        pushy.url = pushy.until_set_up().await;
        pushy
    }

    /// Applies its file.
    pub async fn apply(&self, more: &str) {
        pushy::apply(&self.live, more).await;
    }

    /// Waits until its webhook is set up; where its CRM sends to.
    pub async fn until_set_up(&self) -> String {
        pushy::until_set_up(&self.live).await
    }

    /// Where its CRM sends to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends what happened, signed; the status of the answer.
    pub async fn push(&self, id: &str, said: &Value) -> u16 {
        self.send(&self.url, &[("x-id", id)], said.to_string().into_bytes()).await
    }

    /// Sends a body, signed.
    pub async fn send(&self, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> u16 {
        pushy::send(&self.client, url, headers, body).await
    }

    /// Sends what is too large until an answer is heard: the host does not read it all, and the connection may be closed
    /// before.
    pub async fn send_too_much(&self, headers: &[(&str, &str)], body: Vec<u8>) -> u16 {
        eventually("an answer is heard", async || {
            pushy::try_send(&self.client, &self.url, headers, body.clone()).await
        })
        .await
    }

    /// Sends one thing, and waits until it has its outcome; the delivery.
    pub async fn take(&self, id: &str, said: Value) -> Value {
        assert_eq!(self.push(id, &json!([said])).await, 202);
        self.until_quiet().await;
        self.deliveries(&["--limit", "1"]).await.remove(0)
    }

    pub async fn status(&self) -> Value {
        pushy::status(&self.live).await
    }

    /// Waits until everything has its outcome.
    pub async fn until_quiet(&self) {
        eventually("everything has its outcome", async || {
            let status = self.status().await;
            let waiting = (status["deliveries-waiting"].as_u64(), status["contacts-waiting"].as_u64());
            (waiting == (Some(0), Some(0))).then_some(())
        })
        .await;
    }

    /// Lets it be so many days later, during which nobody served, and waits until the daily run has ended; its
    /// runs.
    pub async fn after_days(&mut self, days: i64) -> Vec<Value> {
        self.live.stop().await;
        self.live.put_back_daily(days);
        self.live.serve().await;
        eventually("the daily run has ended", async || {
            let runs = self.live.run(&["sync", "list", PUSHY]).await.lines;
            let ended = |run: &Value| run["kind"] == "daily" && !run["ended-at"].is_null();
            runs.first().is_some_and(ended).then_some(runs)
        })
        .await
    }

    /// Its deliveries, the newest first.
    pub async fn deliveries(&self, arguments: &[&str]) -> Vec<Value> {
        let listed = self.live.run(&[&["deliveries", "list", PUSHY], arguments].concat()).await;
        assert_eq!(listed.code(), 0, "{}", listed.log);
        listed.lines
    }

    /// How many there are.
    pub async fn count(&self) -> usize {
        self.deliveries(&["--limit", "1000"]).await.len()
    }

    /// The city of somebody's profile.
    pub fn city(&self, id: &str) -> Option<String> {
        let profile = self.live.sandbox.profile(id)?;
        profile.attributes.get("usercreated.attributes.city-p0o9i8u7y6")?.as_str().map(str::to_owned)
    }

    /// What somebody's profile says of the newsletter.
    pub fn news(&self, id: &str) -> Option<String> {
        let consents = self.live.sandbox.profile(id)?.consents;
        consents.first()?["type"].as_str().map(str::to_owned)
    }
}

//! A client of both sides that does no more than it is told.

use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use sluice_sandbox::{SECTION, Sandbox, SandboxConfig};

pub(crate) const CRM: &str = "com.apsis1.keyspaces.crm-id";
pub(crate) const EMAIL_KEYS: &str = "com.apsis1.keyspaces.email";
pub(crate) const EMAIL: &str = "com.apsis1.attributes.email";
pub(crate) const FIRST_NAME: &str = "com.apsis1.attributes.firstname";
pub(crate) const NEWSLETTER: &str = "usercreated.topics.newsletter-rg4kf3kt24";
pub(crate) const OFFERS: &str = "usercreated.topics.offers-d1f2g3h4j5";
pub(crate) const BY_EMAIL: &str = "com.apsis1.channels.email";
pub(crate) const BY_SMS: &str = "com.apsis1.channels.sms";

pub(crate) struct Client {
    pub(crate) sandbox: Sandbox,
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
}

/// Status and body.
pub(crate) async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

impl Client {
    pub(crate) async fn start(config: SandboxConfig) -> Self {
        let sandbox = Sandbox::start(config).await.unwrap();
        let mut client = Self { sandbox, http: reqwest::Client::new(), token: String::new() };
        let (status, body) = client.ask_token(client.sandbox.apsis_client_secret()).await;
        assert_eq!(status, 200);
        client.token = body["access_token"].as_str().unwrap().to_owned();
        client
    }

    pub(crate) async fn ask_token(&self, secret: &str) -> (u16, Value) {
        let body = json!({
            "grant_type": "client_credentials",
            "client_id": self.sandbox.apsis_client_id(),
            "client_secret": secret,
        });
        let url = format!("{}/oauth/token", self.sandbox.apsis_url());
        read(self.http.post(url).json(&body).send().await.unwrap()).await
    }

    pub(crate) fn apsis(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.sandbox.apsis_url())).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        read(self.apsis(Method::GET, path).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        read(self.apsis(Method::POST, path).json(&body).send().await.unwrap()).await
    }

    pub(crate) async fn create(&self, key: &str) -> u16 {
        let path = format!("/audience/keyspaces/{CRM}/sections/{SECTION}/profiles");
        self.post(&path, json!({"profile_key": key})).await.0
    }

    pub(crate) fn of(key: &str, what: &str) -> String {
        format!("/v2/audience/keyspaces/{CRM}/profiles/{key}/sections/{SECTION}/{what}")
    }

    pub(crate) async fn patch_at(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.apsis(Method::PATCH, path).header("content-type", "application/merge-patch+json");
        read(request.body(body.to_string()).send().await.unwrap()).await
    }

    pub(crate) async fn patch(&self, key: &str, body: Value) -> (u16, Value) {
        self.patch_at(&Self::of(key, "attributes"), body).await
    }

    pub(crate) async fn consent(
        &self,
        key: &str,
        topic: &str,
        channel: &str,
        state: &str,
        reason: &str,
    ) -> u16 {
        let body = json!({
            "topic_discriminator": topic, "channel_discriminator": channel, "type": state, "reason": reason,
        });
        self.post(&Self::of(key, "consents"), body).await.0
    }

    pub(crate) async fn lime(&self, path: &str) -> (u16, Value) {
        let url = format!("{}/api/v1/{path}", self.sandbox.lime_url());
        read(self.http.get(url).header("x-api-key", self.sandbox.lime_key()).send().await.unwrap()).await
    }

    pub(crate) async fn query(&self, query: Value) -> (u16, Value) {
        let url = format!("{}/api/v1/query/", self.sandbox.lime_url());
        let request = self.http.get(url).query(&[("q", query.to_string())]);
        read(request.header("x-api-key", self.sandbox.lime_key()).send().await.unwrap()).await
    }
}

/// For what can only be asked again, since the API tells nothing by itself: a pace, and an end to it.
pub(crate) struct Patience(Instant);

impl Patience {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) async fn before_asking_again(&self, until: &str) {
        assert!(self.0.elapsed() < Duration::from_secs(60), "waited too long until {until}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

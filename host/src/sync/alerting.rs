//! Tells somebody's web address when an integration needs attention, and when it no longer does.
//!
//! The host that holds an integration does so, under its lease: of several hosts one. What is to be told is in the store
//! before it is posted, so that a host that is killed in between loses nothing; its successor posts it, if need be a
//! second time, with the same id. What is told when is for [`crate::alert`] to say.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use url::Url;

use super::holding::Holdings;
use crate::alert::{Alert, AlertRecord, Lasting, Seen};
use crate::config::AlertsConfig;
use crate::error::ErrorCode;
use crate::hosting::Fence;
use crate::integration::IntegrationId;
use crate::store::{Store, StoreError};

/// The header with the signature.
const SIGNATURE: &str = "sluice-signature";
/// How long whoever is told may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Integrations that are looked at together.
const AT_ONCE: usize = 8;
/// Runs that are looked at: of an active one and the last that ended.
const RUNS: u32 = 5;
/// The longest and the shortest time between two looks.
const LOOKS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

/// Why nobody can be told.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    /// The secret cannot be read.
    #[error(
        "the secret of [alerts] in {path} cannot be used ({problem}); mend `secret-file`, or leave it out"
    )]
    Secret {
        /// Where it should be.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The HTTP client cannot be set up.
    #[error("alerts cannot be sent: the HTTP client could not be set up on this machine")]
    Client,
}

impl ErrorCode for AlertError {
    fn code(&self) -> &'static str {
        match self {
            Self::Secret { .. } => "alert-secret",
            Self::Client => "alert-client",
        }
    }
}

/// Whoever tells.
pub struct Alerting {
    http: reqwest::Client,
    url: Url,
    secret: Option<SecretString>,
    lasting: Lasting,
}

impl Alerting {
    /// As it is set up; none if nobody is to be told.
    ///
    /// # Errors
    /// When the secret cannot be read.
    pub fn new(config: &AlertsConfig) -> Result<Option<Self>, AlertError> {
        let Some(url) = config.url.clone() else { return Ok(None) };
        let secret = match &config.secret_file {
            None => None,
            Some(path) => {
                let wrong = |problem: String| AlertError::Secret { path: path.clone(), problem };
                let text = std::fs::read_to_string(path).map_err(|error| wrong(error.kind().to_string()))?;
                let text = text.trim_end_matches(['\r', '\n']);
                if text.is_empty() {
                    return Err(wrong("it is empty".to_owned()));
                }
                Some(SecretString::from(text))
            }
        };
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            .timeout(ANSWER_WITHIN)
            .build()
            .map_err(|_| AlertError::Client)?;
        let lasting = Lasting { any: config.after, remote: config.remote_after };
        Ok(Some(Self { http, url, secret, lasting }))
    }

    /// Looks at what this host holds until it is stopped.
    pub async fn watch(self, store: Arc<dyn Store>, holdings: Arc<Holdings>, stop: CancellationToken) {
        let (shortest, longest) = LOOKS;
        let mut known: HashMap<IntegrationId, (Fence, AlertRecord)> = HashMap::new();
        let mut looks = tokio::time::interval((self.lasting.any / 4).clamp(shortest, longest));
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            let of = |fence: Fence| {
                let known = known.get(&fence.integration).filter(|(known, _)| *known == fence);
                (known.map(|(_, record)| record.clone()), fence)
            };
            let held: Vec<_> = holdings.fences().into_iter().map(of).collect();
            let tended = stream::iter(held)
                .map(|(record, fence)| self.tend(&*store, fence, record))
                .buffer_unordered(AT_ONCE)
                .filter_map(std::future::ready)
                .map(|(fence, record)| (fence.integration.clone(), (fence, record)))
                .collect();
            match stop.run_until_cancelled(tended).await {
                Some(tended) => known = tended,
                None => return,
            }
        }
    }

    async fn tend(
        &self,
        store: &dyn Store,
        fence: Fence,
        record: Option<AlertRecord>,
    ) -> Option<(Fence, AlertRecord)> {
        match self.look_and_tell(store, &fence, record).await {
            Ok(record) => Some((fence, record)),
            // Somebody else looks now, or nobody has to.
            Err(StoreError::LeaseLost(_) | StoreError::NoIntegration(_)) => None,
            Err(error) => {
                warn!(integration = %fence.integration, code = error.code(), "whether it needs attention is not known");
                None
            }
        }
    }

    async fn look_and_tell(
        &self,
        store: &dyn Store,
        fence: &Fence,
        known: Option<AlertRecord>,
    ) -> Result<AlertRecord, StoreError> {
        let id = &fence.integration;
        let mut record = match known {
            Some(record) => record,
            None => store.alert_record(id).await?,
        };
        let before = record.clone();
        let seen = Seen::of(&store.lane_status(id).await?, &store.runs(id, RUNS).await?);
        record.take_in(&seen, self.lasting, Timestamp::now(), fresh_id);
        if record != before {
            store.put_alert_record(fence, &record).await?;
        }
        if let Some(alert) = record.due(Timestamp::now()) {
            let is_taken = self.post(alert).await;
            info!(integration = %id, event = ?alert.event, taken = is_taken, "alert");
            record.posted(is_taken, Timestamp::now());
            store.put_alert_record(fence, &record).await?;
        }
        Ok(record)
    }

    /// Whether it was taken.
    async fn post(&self, alert: &Alert) -> bool {
        let Ok(body) = serde_json::to_vec(alert) else { return false };
        let mut request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(signature) = self.secret.as_ref().and_then(|secret| signature(secret, &body)) {
            request = request.header(SIGNATURE, signature);
        }
        match request.body(body).send().await {
            Ok(response) if response.status().is_success() => true,
            // Its address may be as secret as a password.
            Ok(response) => {
                warn!(status = response.status().as_u16(), "an alert was not taken, and is sent again");
                false
            }
            Err(error) => {
                warn!(error = %error.without_url(), "an alert could not be sent, and is sent again");
                false
            }
        }
    }
}

fn signature(secret: &SecretString, body: &[u8]) -> Option<String> {
    // A key of any length will do.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
    mac.update(body);
    Some(format!("sha256={}", hex::encode(mac.finalize().into_bytes())))
}

fn fresh_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

//! One API key's way to APSIS One: each request waits for the limits, carries the shared token, is
//! tried again where that may help, and ends in an HTTP status with a body, or in an error.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use tracing::field::Empty;
use tracing::{Span, instrument};
use url::Url;

use super::auth::{self, Token, Tokens};
use super::error::{ApsisError, Fault, Operation};
use super::inferred;
use super::limits::{self, ImportPermit, Limits, Quota, Slots};
use super::problem;
use super::reach::{Reach, refusal_in};
use super::retry::{Policy, busy, is_retryable};
use crate::error::ErrorCode;
use crate::integration::{ApsisSettings, IntegrationId};
use crate::metrics;
use crate::reach::Network;
use crate::step::Request;
use crate::traces;

/// Everything but the unreserved characters of RFC 3986: a key may hold `@`, `+`, `/` or a space.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A client for one API key. Clones share token and limits.
#[derive(Clone)]
pub struct Client {
    pub(super) inner: Arc<Inner>,
    pub(super) policy: Policy,
    /// Asked before each request.
    may_send: MaySend,
    /// Told of each request, once it has ended.
    heard: Option<Hearing>,
    /// Whose requests these are, for who counts them.
    integration: Arc<str>,
}

/// Who is told of each request, those that are tried again among them.
pub type Listener = Arc<dyn Fn(Request) + Send + Sync>;

/// A listener, with what may be told to it.
#[derive(Clone)]
struct Hearing {
    listener: Listener,
    /// The keyspace whose keys are contact ids. Those of others may be addresses, and are not told.
    own: String,
}

/// How long requests may be sent for as yet; none once they may not: a host that has lost its integration to
/// another one may not.
pub type MaySend = Arc<dyn Fn() -> Option<Duration> + Send + Sync>;

pub(super) struct Inner {
    http: reqwest::Client,
    base: Url,
    client_id: String,
    secret: SecretString,
    tokens: Tokens,
    pub(super) limits: Arc<Limits>,
    pub(super) reach: Reach,
    /// The longest wait between two looks at an export.
    pub(super) export_poll: Duration,
    pub(super) section: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Client").field("base", &self.inner.base.as_str()).finish_non_exhaustive()
    }
}

/// A request to the API.
pub(super) struct Call<'a> {
    pub(super) operation: Operation,
    pub(super) method: Method,
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    /// Content type and body.
    pub(super) body: Option<(&'static str, Vec<u8>)>,
    /// The profile key it is about, for the limit of one profile.
    pub(super) profile: Option<&'a str>,
    pub(super) quota: Quota,
}

impl<'a> Call<'a> {
    pub(super) fn get(operation: Operation, path: &'a [&'a str]) -> Self {
        Self {
            operation,
            method: Method::GET,
            path,
            query: &[],
            body: None,
            profile: None,
            quota: Quota::Plain,
        }
    }
}

/// An answer that is neither to be tried again nor about the token.
pub(super) struct Answer {
    pub(super) operation: Operation,
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        inferred::is_success(self.status)
    }

    /// The error that this answer is.
    pub(super) fn refused<'a>(&self, named: impl Iterator<Item = &'a str>) -> ApsisError {
        problem::error(self.operation, self.status, &self.body, named)
    }

    /// The body of a success, read.
    pub(super) fn read<T: serde::de::DeserializeOwned>(&self, what: &'static str) -> Result<T, ApsisError> {
        if !self.is_success() {
            return Err(self.refused(std::iter::empty()));
        }
        serde_json::from_slice(&self.body)
            .map_err(|_| ApsisError::Unreadable { operation: self.operation, what })
    }
}

impl Client {
    /// A client for the settings' API key. Nothing is sent yet.
    pub fn new(settings: &ApsisSettings, secret: SecretString) -> Result<Self, ApsisError> {
        Self::with_policy(settings, secret, Policy::default(), Duration::from_secs(5))
    }

    pub(super) fn with_policy(
        settings: &ApsisSettings,
        secret: SecretString,
        policy: Policy,
        export_poll: Duration,
    ) -> Result<Self, ApsisError> {
        let invalid =
            |message: &str| ApsisError::Setting { setting: "apsis.url", message: message.to_owned() };
        let mut base: Url =
            settings.url.parse().map_err(|_| invalid("it is not a URL; give https://api.apsis.one"))?;
        if !base.username().is_empty() || base.password().is_some() || base.query().is_some() {
            return Err(invalid("it must hold no user, password or query; give https://api.apsis.one"));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let reach = Reach(Network::new(settings.private_network));
        reach.check(&base)?;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            // A proxy would resolve names by itself, past the check of addresses.
            .no_proxy()
            .dns_resolver(Arc::new(reach))
            .connect_timeout(limits::CONNECT_WITHIN)
            .read_timeout(limits::ANSWER_WITHIN)
            // An export is stored as it comes, compressed.
            .no_gzip()
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| invalid("the HTTP client could not be set up on this machine"))?;
        Ok(Self {
            inner: Arc::new(Inner {
                http,
                limits: Limits::of(base.as_str(), &settings.client_id, settings.requests_per_second),
                base,
                client_id: settings.client_id.clone(),
                secret,
                tokens: Tokens::default(),
                reach,
                export_poll,
                section: settings.section.clone(),
            }),
            policy,
            may_send: Arc::new(|| Some(Duration::MAX)),
            heard: None,
            integration: Arc::from(""),
        })
    }

    /// The same client, which sends nothing any more once `may_send` says no.
    #[must_use]
    pub fn while_allowed(mut self, may_send: MaySend) -> Self {
        self.may_send = may_send;
        self
    }

    /// The same client, whose requests count as this integration's.
    #[must_use]
    pub fn of(mut self, integration: &IntegrationId) -> Self {
        self.integration = Arc::from(integration.0.as_str());
        self
    }

    /// The same client, which tells of each of its requests. `own`: the keyspace whose keys are contact ids.
    #[must_use]
    pub(super) fn heard_by(mut self, own: &str, listener: Listener) -> Self {
        self.heard = Some(Hearing { listener, own: own.to_owned() });
        self
    }

    /// The same client, which gives up soon: for somebody who tries again later by himself.
    #[must_use]
    pub fn impatient(mut self) -> Self {
        self.policy = Policy::impatient();
        self
    }

    /// Waits until one more import of this account may run. Hold the permit until it has ended.
    pub async fn running_import(&self) -> ImportPermit {
        self.inner.limits.running_import().await
    }

    /// Sends a request until it has an answer.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Answer, ApsisError> {
        let url = self.url(call.path, call.query)?;
        if call.body.as_ref().is_some_and(|(_, body)| body.len() > limits::BODY_BYTES) {
            return Err(ApsisError::TooLarge { operation: call.operation, limit: "100 kB a request" });
        }
        self.policy.run(|| self.attempt(call, &url)).await
    }

    /// One attempt, with a new token if the old one is refused.
    async fn attempt(&self, call: &Call<'_>, url: &Url) -> Result<Answer, ApsisError> {
        let token = self.token(None).await?;
        let answer = self.exchange(call, url, &token).await?;
        if !matches!(answer.status, 401 | 403) {
            return Ok(answer);
        }
        let token = self.token(Some(token.generation)).await?;
        let answer = self.exchange(call, url, &token).await?;
        match answer.status {
            401 => Err(ApsisError::Credentials { status: 401 }),
            403 => Err(answer.refused(std::iter::empty())),
            _ => Ok(answer),
        }
    }

    async fn exchange(&self, call: &Call<'_>, url: &Url, token: &Token) -> Result<Answer, ApsisError> {
        let mut request = self
            .inner
            .http
            .request(call.method.clone(), url.clone())
            .bearer_auth(token.bearer().expose_secret())
            .timeout(limits::ANSWER_WITHIN);
        let accept = match call.method {
            Method::PATCH | Method::DELETE => "application/problem+json",
            _ => "application/json",
        };
        request = request.header(ACCEPT, accept);
        if let Some((content_type, body)) = &call.body {
            request = request.header(CONTENT_TYPE, *content_type).body(body.clone());
        }
        let slots = self.inner.limits.slots(call.quota, call.profile).await;
        let (at, began) = (Timestamp::now(), Instant::now());
        let answer = self.answer(call.operation, request, slots).await;
        if let Some(Hearing { listener, own }) = &self.heard {
            let status = match &answer {
                Ok(answer) => Some(answer.status),
                Err(ApsisError::Busy { status, .. }) => Some(*status),
                Err(_) => None,
            };
            let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let path = told_path(call.path, call.query, own);
            listener(Request { method: call.method.to_string(), path, status, at, millis });
        }
        answer
    }

    /// Sends, and reads the whole answer. The slots are free again when it has come.
    pub(super) async fn answer(
        &self,
        operation: Operation,
        request: RequestBuilder,
        slots: Slots,
    ) -> Result<Answer, ApsisError> {
        let response = self.send_while_allowed(operation, request).await?;
        let status = response.status().as_u16();
        if is_retryable(status) {
            let busy = busy(operation, &response);
            drop(slots);
            return Err(busy);
        }
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| self.fault(operation, &error))?;
            if body.len() + chunk.len() > limits::ANSWER_BYTES {
                return Err(ApsisError::Unreadable { operation, what: "it is larger than 32 MB" });
            }
            body.extend_from_slice(&chunk);
        }
        drop(slots);
        Ok(Answer { operation, status, body: body.into() })
    }

    /// Sends a request whose answer is read by the caller: a file.
    pub(super) async fn download(
        &self,
        operation: Operation,
        url: &Url,
    ) -> Result<(Response, Slots), ApsisError> {
        self.inner.reach.check(url)?;
        let mut refused = None;
        loop {
            let mut request = self.inner.http.get(url.clone()).header(ACCEPT_ENCODING, "gzip");
            // The token is for the API alone: a file may lie on another host.
            let token = if self.is_own(url) { Some(self.token(refused).await?) } else { None };
            if let Some(token) = &token {
                request = request.bearer_auth(token.bearer().expose_secret());
            }
            let slots = self.inner.limits.slots(Quota::Download, None).await;
            let response = self.send_while_allowed(operation, request).await?;
            match (response.status().as_u16(), token) {
                (401 | 403, Some(token)) if refused.is_none() => refused = Some(token.generation),
                _ => return Ok((response, slots)),
            }
        }
    }

    /// Sends a request for as long as that is allowed: one that is still on its way then is broken off.
    #[instrument(name = "apsis", skip_all, fields(
        otel.name = format_args!("apsis {}", operation.name()), otel.kind = "client",
        integration = &*self.integration, status = Empty, code = Empty, otel.status_code = Empty,
    ))]
    async fn send_while_allowed(
        &self,
        operation: Operation,
        request: RequestBuilder,
    ) -> Result<Response, ApsisError> {
        let began = Instant::now();
        let mut sending = pin!(request.send());
        loop {
            let left = (self.may_send)().ok_or(ApsisError::Stopped)?;
            if let Ok(response) = tokio::time::timeout(left, &mut sending).await {
                let status = response.as_ref().ok().map(|response| response.status().as_u16());
                metrics::apsis_answered(&self.integration, operation.name(), status, began.elapsed());
                Span::current().record("status", status);
                return response
                    .map_err(|error| self.fault(operation, &error))
                    .inspect_err(|error| traces::failed(error.code()));
            }
        }
    }

    /// A request without a token, to another host than the API's.
    pub(super) fn upload(&self, url: &Url) -> Result<RequestBuilder, ApsisError> {
        self.inner.reach.check(url)?;
        Ok(self.inner.http.post(url.clone()).timeout(limits::UPLOAD_WITHIN))
    }

    /// Sends a request that counts for no limit of the API's: to the host of uploads.
    pub(super) async fn answer_of_host(
        &self,
        operation: Operation,
        request: RequestBuilder,
    ) -> Result<Answer, ApsisError> {
        self.answer(operation, request, Slots::none()).await
    }

    /// The API's URL for these segments, each encoded by itself.
    pub(super) fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, ApsisError> {
        let unusable = || ApsisError::Setting {
            setting: "apsis.url",
            message: "no address of an API can be made of it; give https://api.apsis.one".to_owned(),
        };
        let encoded: Vec<String> = path.iter().map(|segment| encode(segment)).collect();
        // Joined as text: a URL parser would take `.` and `..` for steps in the path.
        let mut url: Url =
            format!("{}{}", self.inner.base, encoded.join("/")).parse().map_err(|_| unusable())?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// A URL that an answer gave, absolute or relative to the API.
    pub(super) fn given_url(&self, operation: Operation, text: &str) -> Result<Url, ApsisError> {
        let unreadable = |_| ApsisError::Unreadable { operation, what: "the URL in it is none" };
        let url = self.inner.base.join(text).map_err(unreadable)?;
        self.inner.reach.check(&url)?;
        Ok(url)
    }

    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.inner.base.origin()
    }

    /// The token; a fetch that failed is repeated with the whole attempt, by the caller's policy.
    async fn token(&self, refused: Option<u64>) -> Result<Token, ApsisError> {
        self.inner.tokens.token(refused, || self.fetch_token()).await
    }

    async fn fetch_token(&self) -> Result<auth::Granted, ApsisError> {
        let operation = Operation::Token;
        let request = self
            .inner
            .http
            .post(self.url(&["oauth", "token"], &[])?)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .timeout(limits::ANSWER_WITHIN)
            .body(auth::request(&self.inner.client_id, &self.inner.secret));
        let slots = self.inner.limits.slots(Quota::Token, None).await;
        let answer = self.answer(operation, request, slots).await?;
        if inferred::is_credentials(answer.status) {
            return Err(ApsisError::Credentials { status: answer.status });
        }
        if !answer.is_success() {
            return Err(answer.refused(std::iter::empty()));
        }
        auth::granted(&answer.body, jiff::Timestamp::now())
    }

    /// What kept a request from its answer, without its URL.
    pub(super) fn fault(&self, operation: Operation, error: &reqwest::Error) -> ApsisError {
        if let Some(why) = refusal_in(error) {
            let host = error.url().and_then(Url::host_str).unwrap_or("of the request").to_owned();
            return ApsisError::Forbidden { host, why: why.to_string() };
        }
        let fault = match error {
            error if error.is_timeout() => Fault::Timeout,
            error if error.is_connect() => Fault::Connect,
            _ => Fault::Broken,
        };
        ApsisError::Unreachable { operation, fault }
    }
}

/// A path as it may be told: the keys of other keyspaces than `own` may be addresses, and values of a query
/// anything.
fn told_path(path: &[&str], query: &[(&str, &str)], own: &str) -> String {
    let mut told = String::new();
    let (mut keyspace, mut before) = (None, None);
    for segment in path {
        if before == Some("keyspaces") {
            keyspace = Some(*segment);
        }
        let is_key = before == Some("profiles") && keyspace.is_some();
        let is_told = if is_key { keyspace == Some(own) } else { !segment.contains('@') };
        told.push('/');
        told.push_str(&if is_told { encode(segment) } else { "…".to_owned() });
        before = Some(*segment);
    }
    for (at, (name, _)) in query.iter().enumerate() {
        told.push(if at == 0 { '?' } else { '&' });
        told.push_str(name);
    }
    told
}

/// A segment of a path. `.` and `..` as whole segments would be steps, so their dots are encoded too;
/// servers decode them after the path is split.
fn encode(segment: &str) -> String {
    match segment {
        "." | ".." => segment.replace('.', "%2E"),
        _ => utf8_percent_encode(segment, SEGMENT).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_without_addresses() {
        let of = |keyspace: &'static str, key: &'static str| {
            ["v2", "audience", "keyspaces", keyspace, "profiles", key, "sections", "nordics", "consents"]
        };
        let own = "com.apsis1.keyspaces.crm-id";
        assert_eq!(
            told_path(&of(own, "50 03"), &[], own),
            "/v2/audience/keyspaces/com.apsis1.keyspaces.crm-id/profiles/50%2003/sections/nordics/consents"
        );
        for (keyspace, key) in [("com.apsis1.keyspaces.email", "anna@example.se"), ("sms", "46701234567")] {
            let told = told_path(&of(keyspace, key), &[], own);
            let silent = !told.contains("anna") && !told.contains("467");
            assert!(silent && told.contains("/profiles/…/sections"), "{told}");
        }
        assert_eq!(
            told_path(&["audience", "a@b.se"], &[("email", "a@b.se"), ("limit", "5")], own),
            "/audience/…?email&limit"
        );
    }

    #[test]
    fn a_segment_is_encoded_strictly() {
        assert_eq!(encode("anna+x@example.se"), "anna%2Bx%40example.se");
        assert_eq!(encode("a/b?c#d e%"), "a%2Fb%3Fc%23d%20e%25");
        assert_eq!(encode("å"), "%C3%A5");
        assert_eq!(encode("usercreated.sections.nordics-a1_b~"), "usercreated.sections.nordics-a1_b~");
    }
}

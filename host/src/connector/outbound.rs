//! The connector's one way out: `http.fetch` of the contract.
//!
//! A request leaves only to an origin that was granted, with the connector's secrets put in as it
//! leaves, no faster than the CRM allows, and its answer is read no further than the limits say.
//! Redirects are followed by hand, within the origin. No address, header or body is logged: they
//! may hold personal data.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tracing::field::Empty;
use tracing::{Span, instrument};
use url::Url;

use super::bindings::imported::http::{self, Credential, ErrorKind, Request, Response};
use super::credentials::{header_name, place, secret_name, unusable};
use super::egress::{CheckedResolver, NoAddress, NoPermittedAddress, Origin};
use super::environment::Environment;
use super::limits::Limit;
use super::pace::Payer;
use super::stand_in::{Answered, Asked};
use super::stop::Stop;
use crate::metrics;
use crate::reach::Network;

/// What the clients of all connections share: connections kept open, one set for each [`Network`].
pub(super) struct Clients {
    public: Client,
    private: Client,
}

impl Clients {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        Ok(Self { public: client(Network::Public)?, private: client(Network::AlsoPrivate)? })
    }

    fn of(&self, network: Network) -> &Client {
        match network {
            Network::Public => &self.public,
            Network::AlsoPrivate => &self.private,
        }
    }
}

fn client(network: Network) -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        // A proxy would resolve names by itself, behind the check of the addresses.
        .no_proxy()
        .dns_resolver(std::sync::Arc::new(CheckedResolver(network)))
        .connect_timeout(Duration::from_secs(15))
        .build()
}

/// What one call has used of its requests.
#[derive(Debug, Default)]
pub(super) struct Used {
    requests: u64,
    received: u64,
    /// How the last request ended, where the host itself ended it: the reason of a call that fails
    /// right after.
    pub(super) refusal: Option<Refusal>,
}

/// Why the host ended a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    Denied(String),
    Limit(Limit),
}

/// The longest address; servers take some 8,000 bytes.
const ADDRESS_BYTES: usize = 65_536;

/// Headers and credentials of one request.
const HEADERS: usize = 100;

/// Of a message that may quote the connector's words.
const MESSAGE_CHARACTERS: usize = 1_000;

impl Used {
    /// Counts one request more, whether it comes to leave or not: a refused one takes the host's time, too.
    fn count(&mut self, environment: &Environment) -> Result<(), Stop> {
        self.requests += 1;
        if self.requests > environment.limits.get(Limit::Requests) {
            return Err(Stop::Limit(Limit::Requests));
        }
        Ok(())
    }
}

/// A request that the connector is told failed.
pub(super) struct Failed {
    pub(super) kind: ErrorKind,
    pub(super) message: String,
    limit: Option<Limit>,
}

impl Failed {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into().chars().take(MESSAGE_CHARACTERS).collect(), limit: None }
    }

    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Denied, message)
    }

    fn limit(kind: ErrorKind, limit: Limit, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), limit: Some(limit) }
    }
}

/// Either of both ends of a request without an answer: the connector is told, or the call stops.
enum End {
    Tell(Failed),
    Stop(Stop),
}

impl From<Failed> for End {
    fn from(failed: Failed) -> Self {
        Self::Tell(failed)
    }
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// One request, ready to leave; a redirect changes it.
struct Outgoing {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

/// Does one request of the connector.
pub(super) async fn fetch(
    environment: &Environment,
    used: &mut Used,
    request: Request,
) -> Result<Result<Response, http::Error>, Stop> {
    used.refusal = None;
    match exchange(environment, used, request).await {
        Ok(response) => Ok(Ok(response)),
        Err(End::Stop(stop)) => Err(stop),
        Err(End::Tell(failed)) => {
            tracing::debug!(kind = ?failed.kind, reason = failed.message, "request without an answer");
            used.refusal = match (failed.kind, failed.limit) {
                (_, Some(limit)) => Some(Refusal::Limit(limit)),
                (ErrorKind::Denied, None) => Some(Refusal::Denied(failed.message.clone())),
                _ => None,
            };
            Ok(Err(http::Error { kind: failed.kind, message: failed.message }))
        }
    }
}

async fn exchange(environment: &Environment, used: &mut Used, request: Request) -> Result<Response, End> {
    used.count(environment)?;
    check_size(environment, &request)?;
    let url =
        Url::parse(&request.url).map_err(|_| Failed::new(ErrorKind::Other, "the address cannot be read"))?;
    let refused = |failed: Failed| {
        if let Some(stand_in) = environment.stand_in.as_ref().filter(|_| failed.kind == ErrorKind::Denied) {
            stand_in.refused(&failed.message);
        }
        failed
    };
    let origin = permitted_origin(environment, &url).map_err(refused)?;
    let payer = payer(environment, &origin, &request.credentials);
    let asked = environment.stand_in.as_ref().map(|stand_in| (stand_in, Asked::of(&request)));
    let mut outgoing = prepare(environment, url, request).map_err(refused)?;
    if let Some(answer) = asked.as_ref().and_then(|(stand_in, asked)| stand_in.answer(asked)) {
        let answered = answer.map_err(Failed::from)?;
        let largest = environment.limits.get(Limit::ResponseBytes);
        return if answered.body.len() as u64 > largest {
            Err(too_large(largest).into())
        } else {
            Ok(answered.into())
        };
    }
    for followed in 0..=environment.limits.get(Limit::Redirects) {
        if followed > 0 {
            used.count(environment)?;
        }
        if let Some(limit) = environment.rate_limit {
            environment.shared.pace.wait(limit, &payer).await;
        }
        let response = within_time(environment, send(environment, used, &origin, &outgoing)).await?;
        let Some(next) = redirect(&response, &outgoing)? else {
            let response = answer(response);
            return Ok(match &asked {
                Some((stand_in, asked)) => stand_in.answered(asked, Answered::from(response)).into(),
                None => response,
            });
        };
        let next_origin = Origin::of(&next).ok();
        if next_origin.as_ref() != Some(&origin) {
            let target =
                next_origin.map_or_else(|| "an address that is none".to_owned(), |origin| origin.to_string());
            return Err(Failed::denied(format!(
                "{origin} redirects to {target}; a redirect is followed only within its origin. If the CRM has \
                 moved, change the setting that holds its address"
            ))
            .into());
        }
        if response.status == StatusCode::SEE_OTHER
            || (matches!(response.status.as_u16(), 301 | 302) && outgoing.method == Method::POST)
        {
            outgoing.method = if outgoing.method == Method::HEAD { Method::HEAD } else { Method::GET };
            outgoing.body = None;
            outgoing.headers.remove(CONTENT_TYPE);
        }
        outgoing.url = next;
    }
    Err(Failed::limit(ErrorKind::Other, Limit::Redirects, format!("{origin} redirects without end")).into())
}

/// Before anything is parsed or copied.
fn check_size(environment: &Environment, request: &Request) -> Result<(), Failed> {
    if request.url.len() > ADDRESS_BYTES {
        return Err(Failed::denied(format!("a request's address is longer than {ADDRESS_BYTES} bytes")));
    }
    if request.headers.len().saturating_add(request.credentials.len()) > HEADERS {
        return Err(Failed::denied(format!("a request has more than {HEADERS} headers and credentials")));
    }
    let headers = request.headers.iter().map(|(name, value)| name.len().saturating_add(value.len()));
    let credentials = request.credentials.iter().map(|credential| match credential {
        Credential::Bearer(name) => name.len(),
        Credential::Basic((place, name))
        | Credential::Header((place, name))
        | Credential::Form((place, name))
        | Credential::Json((place, name)) => place.len().saturating_add(name.len()),
    });
    let body = request.body.as_ref().map_or(0, Vec::len);
    let size = headers.chain(credentials).fold(request.url.len().saturating_add(body), usize::saturating_add);
    within_size(environment, size)
}

fn within_size(environment: &Environment, size: usize) -> Result<(), Failed> {
    if size > environment.limits.size(Limit::RequestBytes) {
        return Err(Failed::limit(ErrorKind::TooLarge, Limit::RequestBytes, "the request is too large"));
    }
    Ok(())
}

fn permitted_origin(environment: &Environment, url: &Url) -> Result<Origin, Failed> {
    let origin =
        Origin::of(url).map_err(|problem| Failed::denied(format!("the address is refused: {problem}")))?;
    if !environment.origins.contains(&origin) {
        return Err(Failed::denied(format!(
            "{origin} is not granted to this connector; add it to `grant.origins` if it belongs to the CRM"
        )));
    }
    if environment.network.literal_refusal(url).is_some() {
        return Err(Failed::denied(address_refused(&origin)));
    }
    Ok(origin)
}

fn address_refused(origin: &Origin) -> String {
    format!(
        "{origin} leads to an address inside this network; loopback and private addresses need \
         `grant.private-network`, link-local and metadata addresses are never reached"
    )
}

/// Whom the CRM counts the request for: the credentials it carries; where it carries none of the
/// host's (a token that the connector got from the CRM), the connection as a whole.
fn payer(environment: &Environment, origin: &Origin, credentials: &[Credential]) -> Payer {
    // Each counts once: named twice it would be another payer, with requests of its own.
    let named: BTreeSet<&str> =
        credentials.iter().filter_map(|credential| environment.secret(secret_name(credential))).collect();
    if named.is_empty() {
        Payer::new(&origin.to_string(), environment.secrets.values().map(SecretString::expose_secret))
    } else {
        Payer::new(&origin.to_string(), named)
    }
}

fn prepare(environment: &Environment, url: Url, request: Request) -> Result<Outgoing, Failed> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let name = header_name(name)?;
        let value = HeaderValue::from_str(value).map_err(|_| unusable(&name))?;
        headers.append(name, value);
    }
    let mut body = request.body;
    for credential in &request.credentials {
        place(environment, credential, &mut headers, &mut body)?;
    }
    within_size(environment, body.as_ref().map_or(0, Vec::len))?;
    let method = match request.method {
        http::Method::Get => Method::GET,
        http::Method::Head => Method::HEAD,
        http::Method::Post => Method::POST,
        http::Method::Put => Method::PUT,
        http::Method::Patch => Method::PATCH,
        http::Method::Delete => Method::DELETE,
    };
    Ok(Outgoing { method, url, headers, body })
}

struct Received {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

async fn within_time<T>(
    environment: &Environment,
    exchange: impl Future<Output = Result<T, End>>,
) -> Result<T, End> {
    match tokio::time::timeout(environment.limits.time(Limit::RequestMs), exchange).await {
        Ok(result) => result,
        Err(_) => Err(Failed::new(ErrorKind::Timeout, "the CRM did not answer in time").into()),
    }
}

#[instrument(name = "crm", skip_all, fields(
    otel.kind = "client", method = outgoing.method.as_str(), status = Empty, otel.status_code = Empty,
))]
async fn send(
    environment: &Environment,
    used: &mut Used,
    origin: &Origin,
    outgoing: &Outgoing,
) -> Result<Received, End> {
    let started = Instant::now();
    let mut request = environment
        .shared
        .clients
        .of(environment.network)
        .request(outgoing.method.clone(), outgoing.url.clone())
        .headers(outgoing.headers.clone());
    if let Some(body) = &outgoing.body {
        request = request.body(body.clone());
    }
    let sent = request.send().await;
    let status = sent.as_ref().ok().map(|response| response.status().as_u16());
    metrics::crm_answered(&environment.integration, status);
    match status {
        Some(status) => Span::current().record("status", status),
        None => Span::current().record("otel.status_code", "ERROR"),
    };
    let mut response = sent.map_err(|error| failed(origin, &error))?;
    let status = response.status();
    let headers = response.headers().clone();
    let largest = environment.limits.get(Limit::ResponseBytes);
    if response.content_length().is_some_and(|length| length > largest) {
        return Err(too_large(largest).into());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(origin, &error))? {
        used.received = used.received.saturating_add(chunk.len() as u64);
        if used.received > environment.limits.get(Limit::ResponsesBytes) {
            return Err(Stop::Limit(Limit::ResponsesBytes).into());
        }
        if body.len() as u64 + chunk.len() as u64 > largest {
            return Err(too_large(largest).into());
        }
        body.extend_from_slice(&chunk);
    }
    tracing::debug!(
        %origin,
        method = %outgoing.method,
        status = status.as_u16(),
        bytes = body.len(),
        ms = started.elapsed().as_millis(),
        "request"
    );
    Ok(Received { status, headers, body })
}

fn too_large(largest: u64) -> Failed {
    let message = format!("the answer is larger than {largest} bytes");
    Failed::limit(ErrorKind::TooLarge, Limit::ResponseBytes, message)
}

/// What became of a request without an answer, in words without its address, which may hold personal
/// data.
fn failed(origin: &Origin, error: &reqwest::Error) -> Failed {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<NoPermittedAddress>() {
            return Failed::denied(address_refused(origin));
        }
        if error.is::<NoAddress>() {
            return Failed::new(ErrorKind::Dns, format!("the host name of {origin} does not resolve"));
        }
        if error.to_string().to_ascii_lowercase().contains("certificate") {
            return Failed::new(ErrorKind::Tls, format!("{origin} has no certificate that this host trusts"));
        }
        cause = error.source();
    }
    if error.is_timeout() {
        Failed::new(ErrorKind::Timeout, format!("{origin} did not answer in time"))
    } else if error.is_connect() {
        Failed::new(ErrorKind::Connect, format!("{origin} cannot be reached"))
    } else {
        Failed::new(ErrorKind::Other, format!("the connection to {origin} broke"))
    }
}

/// Where the answer sends us, if it does.
fn redirect(response: &Received, outgoing: &Outgoing) -> Result<Option<Url>, Failed> {
    if !matches!(response.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers.get(LOCATION) else { return Ok(None) };
    let location = location.to_str().ok().and_then(|location| outgoing.url.join(location).ok());
    location
        .map(Some)
        .ok_or_else(|| Failed::new(ErrorKind::Other, "the answer redirects to what is no address"))
}

fn answer(received: Received) -> Response {
    let headers = received
        .headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    Response { status: received.status.as_u16(), headers, body: received.body }
}

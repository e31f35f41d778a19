//! Where deliveries go: each integration's keys and its connector, ready for the next request.
//!
//! Nothing is asked of the store for a request to a known address. What changed there is noticed within a second,
//! and at once where a key does not fit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::answer::Refusal;
use crate::connector::Connection;
use crate::error::ErrorCode;
use crate::integration::IntegrationId;
use crate::lane::Standing;
use crate::sync::{Service, connect};

/// How often the store is asked what has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the store may take to say what an address is.
const KNOWN_WITHIN: Duration = Duration::from_millis(700);
/// An address that is not known is not looked up again for so long.
const UNKNOWN_FOR: Duration = Duration::from_millis(500);
/// Unknown addresses that are remembered.
const UNKNOWN: usize = 10_000;

/// One integration's address.
pub struct Route {
    /// Whose.
    pub id: IntegrationId,
    revision: i64,
    /// Of the address that is wanted, and of those that the CRM may know instead.
    keys: Vec<[u8; 32]>,
    previous: Option<([u8; 32], Timestamp)>,
    /// To tell whether the CRM sent something.
    pub connection: Connection,
    /// How long after it was first sent a delivery is taken.
    pub accept_within: SignedDuration,
}

impl Route {
    fn fits(&self, key: &str) -> bool {
        // Digests: comparing them tells nothing of how much of a key fits.
        let given = digest(key);
        let previous = self.previous.filter(|(_, until)| Timestamp::now() < *until);
        self.keys.contains(&given) || previous.is_some_and(|(previous, _)| given == previous)
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// All addresses that were asked for.
pub struct Routes {
    service: Service,
    known: Mutex<HashMap<IntegrationId, Arc<Route>>>,
    unknown: Mutex<HashMap<IntegrationId, Instant>>,
}

impl Routes {
    /// Routes that keep up with the store until `stop`.
    pub fn new(service: Service, stop: CancellationToken) -> Arc<Self> {
        let routes = Arc::new(Self { service, known: Mutex::default(), unknown: Mutex::default() });
        let keeping = Arc::clone(&routes);
        tokio::spawn(async move {
            while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
                keeping.keep_up().await;
            }
        });
        routes
    }

    /// The route for an address.
    ///
    /// # Errors
    /// [`Refusal::Unknown`]; [`Refusal::NotNow`] if the store does not say, or the connector cannot be used.
    pub async fn find(&self, id: &str, key: &str) -> Result<Arc<Route>, Refusal> {
        let id = IntegrationId(id.to_owned());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(route) = known.filter(|route| route.fits(key)) {
            return Ok(route);
        }
        if self.is_unknown(&id) {
            return Err(Refusal::Unknown);
        }
        let found = tokio::time::timeout(KNOWN_WITHIN, self.load(&id)).await;
        let route = found.map_err(|_| Refusal::NotNow)??;
        match route.filter(|route| route.fits(key)) {
            Some(route) => Ok(route),
            None => {
                self.note_unknown(id);
                Err(Refusal::Unknown)
            }
        }
    }

    fn is_unknown(&self, id: &IntegrationId) -> bool {
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.get(id).is_some_and(|since| since.elapsed() < UNKNOWN_FOR)
    }

    fn note_unknown(&self, id: IntegrationId) {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if unknown.len() >= UNKNOWN {
            unknown.retain(|_, since| since.elapsed() < UNKNOWN_FOR);
        }
        if unknown.len() < UNKNOWN {
            unknown.insert(id, Instant::now());
        }
    }

    /// None: there is no such integration, or its connector takes no deliveries.
    async fn load(&self, id: &IntegrationId) -> Result<Option<Arc<Route>>, Refusal> {
        let standing = self.service.store().standing(id).await.map_err(|error| {
            warn!(code = error.code(), "the store does not say what an address is");
            Refusal::NotNow
        })?;
        let Some(standing) = standing else { return Ok(None) };
        let connection = connect(&self.service, &standing.integration).await;
        let connection = connection.map_err(|error| {
            warn!(integration = %id, code = error.code(), %error, "deliveries cannot be checked, and are not taken");
            Refusal::NotNow
        })?;
        if !connection.connector().exports().deliveries {
            return Ok(None);
        }
        let webhook = self.service.store().webhook(id).await.map_err(|_| Refusal::NotNow)?;
        let Standing { integration, revision, key, previous_key, .. } = standing;
        let known = webhook.standing.into_iter().chain(webhook.leaving).map(|subscription| subscription.url);
        let known = known.chain(webhook.asked);
        let keys = known.filter_map(|url| Some(digest(url.rsplit_once('/')?.1)));
        let route = Arc::new(Route {
            id: id.clone(),
            revision,
            keys: std::iter::once(digest(&key)).chain(keys).collect(),
            previous: previous_key.map(|(key, until)| (digest(&key), until)),
            connection,
            accept_within: SignedDuration::from_hours(i64::from(integration.real_time.accept_within_hours)),
        });
        debug!(integration = %id, revision, "deliveries are taken");
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(id.clone(), Arc::clone(&route));
        Ok(Some(route))
    }

    /// Forgets what is no longer so; the next request looks it up.
    async fn keep_up(&self) {
        // While the store does not answer, what was known stays.
        let Ok(all) = self.service.store().holdings().await else { return };
        let now: HashMap<IntegrationId, i64> =
            all.into_iter().map(|holding| (holding.integration, holding.revision)).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|id, route| now.get(id) == Some(&route.revision));
    }
}

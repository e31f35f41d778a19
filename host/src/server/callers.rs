//! Who somebody is: by the token that they send, or by the session that they opened with one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use hyper::header::{AUTHORIZATION, HeaderMap};
use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use super::api::problem::{Answer, Refused};
use super::attempts::{Attempts, Peer};
use crate::access::{AccessError, Caller, Token, TokenId, TokenRecord};
use crate::session::{SessionRecord, SessionSecret};
use crate::sync::Service;

/// How exactly it is kept when a token was last used.
const USED_TO: SignedDuration = SignedDuration::from_mins(1);

/// Somebody in a browser.
#[derive(Clone)]
pub struct Visitor {
    /// Who.
    pub caller: Caller,
    /// Their session.
    pub secret: SessionSecret,
}

/// Knows who somebody is.
pub struct Callers {
    service: Service,
    attempts: Attempts,
    used: Mutex<HashMap<TokenId, Timestamp>>,
}

impl Callers {
    /// Nobody has come yet.
    pub fn new(service: Service) -> Arc<Self> {
        Arc::new(Self { service, attempts: Attempts::default(), used: Mutex::default() })
    }

    /// What they work with.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Whoever sends the token of these headers. One that is right is never kept waiting, whatever others at the same
    /// address send.
    ///
    /// # Errors
    /// There is none, or it is none of this host's; too many were none; the store fails.
    pub async fn bearer(&self, headers: &HeaderMap, peer: Option<Peer>) -> Answer<Caller> {
        let sent = headers.get(AUTHORIZATION).ok_or(AccessError::Missing)?;
        let sent = sent.to_str().ok().and_then(|sent| sent.split_once(' '));
        let (_, token) =
            sent.filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer")).ok_or(AccessError::Missing)?;
        match self.token(token.trim()).await? {
            Some((caller, _, _)) => Ok(caller),
            None => Err(self.refuse(peer)),
        }
    }

    /// Opens a session for whoever sends a token.
    ///
    /// # Errors
    /// It is none of this host's; too many were none, and then even a right one waits; the store fails.
    pub async fn log_in(&self, token: &str, peer: Option<Peer>) -> Answer<Visitor> {
        if let Some(wait) = peer.and_then(|peer| self.attempts.wait(peer, Instant::now())) {
            return Err(AccessError::TooMany { seconds: wait.as_secs() + 1 }.into());
        }
        let Some((caller, record, token)) = self.token(token.trim()).await? else {
            return Err(self.refuse(peer));
        };
        let (secret, now) = (SessionSecret::fresh(), Timestamp::now());
        let session = SessionRecord {
            digest: secret.digest(),
            token: record.id,
            token_digest: token.digest(),
            opened_at: now,
            used_at: now,
        };
        self.service.store().put_session(&session).await?;
        Ok(Visitor { caller, secret })
    }

    /// Whoever has this session; none if it is over.
    ///
    /// # Errors
    /// The store fails.
    pub async fn visitor(&self, secret: &SessionSecret) -> Answer<Option<Visitor>> {
        let (store, now) = (self.service.store(), Timestamp::now());
        let Some(session) = store.session(&secret.digest()).await?.filter(|session| session.holds(now))
        else {
            return Ok(None);
        };
        let known = store.token(&session.token).await?;
        let known = known.filter(|(_, digest)| *digest == session.token_digest);
        let Some(caller) = known.and_then(|(record, _)| record.bearer(now)) else {
            return Ok(None);
        };
        if session.is_worth_noting(now) {
            store.session_used(&session.digest, now).await?;
            store.token_used(&session.token, now).await?;
        }
        Ok(Some(Visitor { caller, secret: secret.clone() }))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The store fails.
    pub async fn log_out(&self, secret: &SessionSecret) -> Answer<()> {
        Ok(self.service.store().end_session(&secret.digest()).await?)
    }

    async fn token(&self, sent: &str) -> Answer<Option<(Caller, TokenRecord, Token)>> {
        let Ok(token) = Token::parse(sent) else { return Ok(None) };
        let store = self.service.store();
        let known = store.token(&token.id).await?.filter(|(_, digest)| *digest == token.digest());
        let now = Timestamp::now();
        let Some((record, _)) = known else { return Ok(None) };
        let Some(caller) = record.bearer(now) else { return Ok(None) };
        if self.is_first_use(&token.id, now) {
            store.token_used(&token.id, now).await?;
        }
        Ok(Some((caller, record, token)))
    }

    fn refuse(&self, peer: Option<Peer>) -> Refused {
        let Some(peer) = peer else { return AccessError::Unknown.into() };
        let now = Instant::now();
        self.attempts.failed(peer, now);
        match self.attempts.wait(peer, now) {
            Some(wait) => {
                warn!(?peer, "too many tokens were none of this host's");
                AccessError::TooMany { seconds: wait.as_secs() + 1 }.into()
            }
            None => AccessError::Unknown.into(),
        }
    }

    /// Whether it was not used within the last minute, as far as this host knows.
    fn is_first_use(&self, id: &TokenId, now: Timestamp) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = used.get(id).is_some_and(|then| now.duration_since(*then) < USED_TO);
        if !is_recent {
            used.insert(id.clone(), now);
        }
        !is_recent
    }
}

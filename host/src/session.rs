//! A browser's session: what somebody who logged in with a token carries in place of it.
//!
//! The token itself is in no cookie: a session is a secret of its own, made anew at each login, kept as a digest, and it
//! ends with its token. Pure: the store remembers, `server::page` asks.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::access::{TokenDigest, TokenId};

/// After so long without a request a session has ended.
pub const IDLE: SignedDuration = SignedDuration::from_mins(60);
/// After so long it has ended in any case.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(12);
/// How exactly it is kept when it was last used.
const USED_TO: SignedDuration = SignedDuration::from_mins(1);

/// What is kept of a session's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionDigest(pub [u8; 32]);

/// A session's secret, which only its browser has.
#[derive(Clone)]
pub struct SessionSecret([u8; 32]);

impl SessionSecret {
    /// One that nobody guesses.
    pub fn fresh() -> Self {
        Self(rand::random())
    }

    /// What the cookie holds.
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What a cookie held; none if that is no secret.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// What is kept of it.
    pub fn digest(&self) -> SessionDigest {
        SessionDigest(Sha256::new().chain_update(b"session\n").chain_update(self.0).finalize().into())
    }

    /// What a form of this session says so that it is known to come from a page of ours: another site can have the
    /// browser send the cookie, and cannot read this.
    pub fn form_proof(&self) -> String {
        let proof: [u8; 32] = Sha256::new().chain_update(b"form\n").chain_update(self.0).finalize().into();
        URL_SAFE_NO_PAD.encode(proof)
    }

    /// Whether a form's proof is this session's.
    pub fn is_proof(&self, sent: &str) -> bool {
        // Compared by digests, so that how long it takes says nothing.
        Sha256::digest(self.form_proof()) == Sha256::digest(sent)
    }
}

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Of its secret.
    pub digest: SessionDigest,
    /// The token that it was opened with.
    pub token: TokenId,
    /// That token's digest then: a session is of no other token.
    pub token_digest: TokenDigest,
    /// When.
    pub opened_at: Timestamp,
    /// When it was last used, to the minute.
    pub used_at: Timestamp,
}

impl SessionRecord {
    /// Whether it still holds at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        now.duration_since(self.used_at) < IDLE && now.duration_since(self.opened_at) < LONGEST
    }

    /// Whether it is worth noting that it is used at `now`.
    pub fn is_worth_noting(&self, now: Timestamp) -> bool {
        now.duration_since(self.used_at) >= USED_TO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_it_is_idle_and_in_any_case_after_half_a_day() {
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let record = |opened, used| SessionRecord {
            digest: SessionDigest([0; 32]),
            token: TokenId("0a".into()),
            token_digest: TokenDigest([0; 32]),
            opened_at: at(opened),
            used_at: at(used),
        };
        assert!(record(0, 0).holds(at(59)));
        assert!(!record(0, 0).holds(at(60)));
        assert!(record(0, 700).holds(at(719)));
        assert!(!record(0, 719).holds(at(720)));
        assert!(record(0, 0).is_worth_noting(at(1)) && !record(0, 1).is_worth_noting(at(1)));
    }

    #[test]
    fn a_proof_is_of_one_session() {
        let (one, other) = (SessionSecret::fresh(), SessionSecret::fresh());
        assert!(one.is_proof(&one.form_proof()) && !one.is_proof(&other.form_proof()));
        let again = SessionSecret::parse(&one.reveal()).unwrap();
        assert_eq!(again.digest(), one.digest());
        assert!(SessionSecret::parse("").is_none() && SessionSecret::parse("AAAA").is_none());
        assert_ne!(one.reveal(), one.form_proof());
    }
}

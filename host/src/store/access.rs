//! Tokens, sessions, the journal of what was done with them, and answers that are given again.

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::access::{TokenDigest, TokenId, TokenRecord};
use crate::journal::{Act, ActEnd, ActFilter, ActNumber, NewAct};
use crate::session::{SessionDigest, SessionRecord};

/// A request that says by a key of its own whether it is a repetition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeatable {
    /// Who asks: keys of different callers have nothing to do with each other.
    pub who: String,
    /// The key that came with it.
    pub key: String,
    /// A digest of what is asked.
    pub request: [u8; 32],
}

/// An answer that can be given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Headers that belong to the body.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Whether a request was made before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repetition {
    /// It is the first of its key.
    First,
    /// It was answered.
    Answered(KeptAnswer),
    /// It is being answered, or the host was stopped in the middle of it.
    UnderWay,
    /// The key came with another request.
    Other,
}

/// Tokens, sessions, the journal of what was done with them, and answers that are given again.
#[async_trait]
pub trait AccessStore: Send + Sync {
    /// Keeps a new token.
    async fn put_token(&self, token: &TokenRecord, digest: TokenDigest) -> Result<(), StoreError>;

    /// A token, with what is kept of its secret.
    async fn token(&self, id: &TokenId) -> Result<Option<(TokenRecord, TokenDigest)>, StoreError>;

    /// All tokens, the newest first.
    async fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError>;

    /// Notes that a token was used.
    async fn token_used(&self, id: &TokenId, at: Timestamp) -> Result<(), StoreError>;

    /// Ends a token, if it has not ended; as it is then.
    async fn revoke_token(&self, id: &TokenId, at: Timestamp) -> Result<TokenRecord, StoreError>;

    /// Keeps a new session.
    async fn put_session(&self, session: &SessionRecord) -> Result<(), StoreError>;

    /// A session.
    async fn session(&self, digest: &SessionDigest) -> Result<Option<SessionRecord>, StoreError>;

    /// Notes that a session was used.
    async fn session_used(&self, digest: &SessionDigest, at: Timestamp) -> Result<(), StoreError>;

    /// Ends a session.
    async fn end_session(&self, digest: &SessionDigest) -> Result<(), StoreError>;

    /// Notes down what is about to be done.
    async fn begin_act(&self, act: &NewAct) -> Result<ActNumber, StoreError>;

    /// Notes down how it ended.
    async fn end_act(&self, number: ActNumber, end: ActEnd) -> Result<(), StoreError>;

    /// What was done, the newest first, at most `limit`.
    async fn acts(&self, filter: &ActFilter, limit: u32) -> Result<Vec<Act>, StoreError>;

    /// Notes down that a request is being answered, unless it was before.
    async fn begin_answer(&self, request: &Repeatable) -> Result<Repetition, StoreError>;

    /// Keeps the answer of a request; none if there is to be none, so that it may be asked again.
    async fn end_answer(&self, request: &Repeatable, answer: Option<KeptAnswer>) -> Result<(), StoreError>;
}

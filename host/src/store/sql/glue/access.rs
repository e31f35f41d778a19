//! `AccessStore`, each method one transaction.

use async_trait::async_trait;
use jiff::Timestamp;

use super::SqlStore;
use crate::access::{TokenDigest, TokenId, TokenRecord};
use crate::journal::{Act, ActEnd, ActFilter, ActNumber, NewAct};
use crate::session::{SessionDigest, SessionRecord};
use crate::store::sql::{Engine, access};
use crate::store::{AccessStore, KeptAnswer, Repeatable, Repetition, StoreError};

#[async_trait]
impl<E: Engine> AccessStore for SqlStore<E> {
    async fn put_token(&self, token: &TokenRecord, digest: TokenDigest) -> Result<(), StoreError> {
        let token = token.clone();
        self.engine.write(move |sql| access::put_token(sql, &token, digest)).await
    }

    async fn token(&self, id: &TokenId) -> Result<Option<(TokenRecord, TokenDigest)>, StoreError> {
        let id = id.clone();
        self.engine.read(move |sql| access::token(sql, &id)).await
    }

    async fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        self.engine.read(move |sql| access::tokens(sql)).await
    }

    async fn token_used(&self, id: &TokenId, at: Timestamp) -> Result<(), StoreError> {
        let id = id.clone();
        self.engine.write(move |sql| access::token_used(sql, &id, at)).await
    }

    async fn revoke_token(&self, id: &TokenId, at: Timestamp) -> Result<TokenRecord, StoreError> {
        let id = id.clone();
        self.engine.write(move |sql| access::revoke_token(sql, &id, at)).await
    }

    async fn put_session(&self, session: &SessionRecord) -> Result<(), StoreError> {
        let session = session.clone();
        self.engine.write(move |sql| access::put_session(sql, &session)).await
    }

    async fn session(&self, digest: &SessionDigest) -> Result<Option<SessionRecord>, StoreError> {
        let digest = *digest;
        self.engine.read(move |sql| access::session(sql, &digest)).await
    }

    async fn session_used(&self, digest: &SessionDigest, at: Timestamp) -> Result<(), StoreError> {
        let digest = *digest;
        self.engine.write(move |sql| access::session_used(sql, &digest, at)).await
    }

    async fn end_session(&self, digest: &SessionDigest) -> Result<(), StoreError> {
        let digest = *digest;
        self.engine.write(move |sql| access::end_session(sql, &digest)).await
    }

    async fn begin_act(&self, act: &NewAct) -> Result<ActNumber, StoreError> {
        let act = act.clone();
        self.engine.write(move |sql| access::begin_act(sql, &act)).await
    }

    async fn end_act(&self, number: ActNumber, end: ActEnd) -> Result<(), StoreError> {
        self.engine.write(move |sql| access::end_act(sql, number, &end)).await
    }

    async fn acts(&self, filter: &ActFilter, limit: u32) -> Result<Vec<Act>, StoreError> {
        let filter = filter.clone();
        self.engine.read(move |sql| access::acts(sql, &filter, limit)).await
    }

    async fn begin_answer(&self, request: &Repeatable) -> Result<Repetition, StoreError> {
        let request = request.clone();
        self.engine.write(move |sql| access::begin_answer(sql, &request)).await
    }

    async fn end_answer(&self, request: &Repeatable, answer: Option<KeptAnswer>) -> Result<(), StoreError> {
        let request = request.clone();
        self.engine.write(move |sql| access::end_answer(sql, &request, answer.as_ref())).await
    }
}

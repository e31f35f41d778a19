//! Tokens: who may do what.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as Given};
use hyper::StatusCode;

use super::Api;
use super::extract::{At, Json};
use super::problem::{Answer, Problems};
use crate::access::{Caller, TokenId, TokenRecord};
use crate::admin::{Admin, NewToken, TokenCreated};

/// Shows whose token this is, and what it lets its bearer do.
#[utoipa::path(get, path = "/me", tag = "access", responses((status = 200, body = Caller), Problems),
    security(("token" = ["viewer"])))]
pub async fn me(Extension(admin): Extension<Admin>) -> Given<Caller> {
    Given(admin.caller().clone())
}

/// Lists all tokens, the newest first; not their secrets, which nobody has.
#[utoipa::path(get, path = "/tokens", tag = "access", responses((status = 200, body = Vec<TokenRecord>), Problems),
    security(("token" = ["operator", "host"])))]
pub async fn list(State(api): State<Api>) -> Answer<Given<Vec<TokenRecord>>> {
    Ok(Given(api.service.store().tokens().await?))
}

/// Makes a token. It is shown this once.
#[utoipa::path(post, path = "/tokens", tag = "access", request_body = NewToken,
    responses((status = 201, body = TokenCreated), Problems), security(("token" = ["operator", "host", "secret"])))]
pub async fn create(Extension(admin): Extension<Admin>, Json(new): Json<NewToken>) -> Answer<Response> {
    Ok((StatusCode::CREATED, Given(admin.create_token(new).await?)).into_response())
}

/// Ends a token; as it is then.
#[utoipa::path(delete, path = "/tokens/{token}", tag = "access",
    params(("token" = String, Path, description = "Its id")),
    responses((status = 200, body = TokenRecord), Problems), security(("token" = ["operator", "host"])))]
pub async fn revoke(Extension(admin): Extension<Admin>, At(id): At<TokenId>) -> Answer<Given<TokenRecord>> {
    Ok(Given(admin.revoke_token(&id).await?))
}

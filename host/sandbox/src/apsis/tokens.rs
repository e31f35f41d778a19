//! OAuth2 client credentials: tokens that look like the vendor's JWTs and carry their own `exp`.
//!
//! Promises: a token is good until its `exp`, unless all tokens were revoked since; the signature is
//! checked. Both JSON and form bodies are taken, as official clients send either.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

use super::switches::ApsisSwitches;
use crate::call::{Head, Reply};

/// What issues and checks tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    client_id: String,
    client_secret: String,
    signing_key: String,
    issued: u64,
    /// Tokens up to this number are dead.
    revoked: u64,
}

impl Tokens {
    pub(crate) fn new(client_id: String, client_secret: String, signing_key: String) -> Self {
        Self { client_id, client_secret, signing_key, issued: 0, revoked: 0 }
    }

    pub(crate) fn revoke_all(&mut self) {
        self.revoked = self.issued;
    }

    /// `POST /oauth/token`.
    pub(crate) fn issue(&mut self, head: &Head, body: &Bytes, switches: &ApsisSwitches) -> Reply {
        let form = head
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let fields: Value = if form {
            url::form_urlencoded::parse(body)
                .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
                .collect::<serde_json::Map<_, _>>()
                .into()
        } else {
            serde_json::from_slice(body).unwrap_or(Value::Null)
        };
        let field = |name: &str| fields.get(name).and_then(Value::as_str);
        if field("grant_type") != Some("client_credentials") {
            return Reply::problem(StatusCode::BAD_REQUEST, "grant_type must be client_credentials");
        }
        let (Some(id), Some(secret)) = (field("client_id"), field("client_secret")) else {
            return Reply::problem(StatusCode::BAD_REQUEST, "client_id and client_secret are required");
        };
        if id != self.client_id || secret != self.client_secret {
            return Reply::problem(StatusCode::UNAUTHORIZED, "Invalid client credentials");
        }
        self.issued += 1;
        let now = Timestamp::now().as_second();
        let lifetime = i64::try_from(switches.token_seconds).unwrap_or(86_400);
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({"iat": now, "exp": now.saturating_add(lifetime), "jti": self.issued.to_string()});
        let signed = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(&claims));
        let token = format!("{signed}.{}", self.signature(&signed));
        let expires_in = if switches.expires_in_is_true { switches.token_seconds } else { 86_400 };
        let body = json!({"access_token": token, "expires_in": expires_in, "token_type": "Bearer"});
        Reply::json(StatusCode::OK, &body)
    }

    fn signature(&self, signed: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.signing_key.as_bytes()) else {
            return String::new();
        };
        mac.update(signed.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// Whether the request carries a token that is good now.
    pub(crate) fn admits(&self, head: &Head) -> bool {
        let token = head.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        token.is_some_and(|token| self.good(token).is_some())
    }

    fn good(&self, token: &str) -> Option<()> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (_, claims) = signed.split_once('.')?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let number: u64 = claims.get("jti")?.as_str()?.parse().ok()?;
        let alive = claims.get("exp")?.as_i64()? > Timestamp::now().as_second();
        (alive && number > self.revoked && signature == self.signature(signed)).then_some(())
    }
}

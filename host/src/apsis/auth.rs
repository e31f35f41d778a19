//! The access token: OAuth2 client credentials, shared by all callers of a client, refreshed early and
//! by one caller only.
//!
//! How long a token holds is what its own `exp` claim says; `expires_in` is deprecated and only the
//! fall-back (APSIS One developer hub, "Authentication"). The claim is read, not verified: the server
//! that issued the token does that.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::{ApsisError, Operation};

/// A token and when to replace it.
#[derive(Clone)]
pub(super) struct Token {
    bearer: SecretString,
    refresh_at: Instant,
    /// Tells this token from the one before it.
    pub(super) generation: u64,
}

impl Token {
    pub(super) fn bearer(&self) -> &SecretString {
        &self.bearer
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Token").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// The one token that callers share.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<Shared>);

#[derive(Debug, Default)]
struct Shared {
    token: Option<Token>,
    /// The last fetch, if it failed, and when.
    failed: Option<(Instant, ApsisError)>,
}

impl Tokens {
    /// The token to use now. One caller fetches while the others wait for it and share what comes of
    /// it, a failure too; a token that is known to be refused (`refused`: its generation) is replaced,
    /// unless somebody did so already.
    pub(super) async fn token<F, Fut>(&self, refused: Option<u64>, fetch: F) -> Result<Token, ApsisError>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Granted, ApsisError>>,
    {
        let asked = Instant::now();
        let mut shared = self.0.lock().await;
        let last = shared.token.as_ref().map(|token| token.generation);
        if let Some(token) = &shared.token
            && refused != last
            && Instant::now() < token.refresh_at
        {
            return Ok(token.clone());
        }
        if let Some((at, error)) = &shared.failed
            && *at > asked
        {
            return Err(error.clone());
        }
        let granted = match fetch().await {
            Ok(granted) => granted,
            Err(error) => {
                shared.failed = Some((Instant::now(), error.clone()));
                return Err(error);
            }
        };
        let token = Token {
            refresh_at: Instant::now() + refresh_after(granted.lifetime),
            bearer: granted.bearer,
            generation: last.unwrap_or_default() + 1,
        };
        *shared = Shared { token: Some(token.clone()), failed: None };
        Ok(token)
    }
}

/// Refreshed when a fifth of the lifetime is left, at most five minutes early.
fn refresh_after(lifetime: Duration) -> Duration {
    lifetime.saturating_sub((lifetime / 5).min(Duration::from_secs(300)))
}

/// What the token endpoint granted.
pub(super) struct Granted {
    bearer: SecretString,
    lifetime: Duration,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
}

/// Reads the token endpoint's answer.
pub(super) fn granted(body: &[u8], now: jiff::Timestamp) -> Result<Granted, ApsisError> {
    let unreadable = |what| ApsisError::Unreadable { operation: Operation::Token, what };
    let answer: Answer = serde_json::from_slice(body).map_err(|_| unreadable("it holds no access_token"))?;
    let by_claim = expiry(&answer.access_token)
        .map(|at| at - now.as_second())
        .and_then(|seconds| u64::try_from(seconds).ok())
        .filter(|seconds| *seconds > 0);
    // A claim in the past means that this machine's clock is wrong: a lifetime is then the better word.
    let seconds = by_claim
        .or(answer.expires_in)
        .ok_or_else(|| unreadable("it does not say how long the token holds"))?;
    if answer.access_token.is_empty() || !answer.access_token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unreadable("its token cannot be sent in a header"));
    }
    Ok(Granted { bearer: answer.access_token.into(), lifetime: Duration::from_secs(seconds) })
}

/// A token's own `exp`, in seconds since 1970.
fn expiry(token: &str) -> Option<i64> {
    let payload = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let exp = serde_json::from_slice::<Claims>(&claims).ok()?.exp?;
    // Seconds of this era are far inside what a float holds exactly.
    (exp.is_finite() && exp.abs() < 1e12).then_some(exp as i64)
}

/// The request's body. The secret goes nowhere else.
pub(super) fn request(client_id: &str, secret: &SecretString) -> Vec<u8> {
    serde_json::json!({
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": secret.expose_secret(),
    })
    .to_string()
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn the_tokens_own_exp_counts_before_expires_in() {
        let now = jiff::Timestamp::from_second(1_700_000_000).unwrap();
        let body = serde_json::json!({"access_token": jwt(r#"{"exp":1700000600}"#), "expires_in": 86400});
        assert_eq!(granted(body.to_string().as_bytes(), now).unwrap().lifetime, Duration::from_secs(600));
    }

    #[test]
    fn expires_in_is_the_fall_back_for_an_opaque_or_an_outdated_claim() {
        let now = jiff::Timestamp::from_second(1_700_000_000).unwrap();
        for token in ["opaque".to_owned(), jwt("{}"), jwt(r#"{"exp":5}"#), "a.!!.c".to_owned()] {
            let body = serde_json::json!({"access_token": token, "expires_in": 60});
            assert_eq!(granted(body.to_string().as_bytes(), now).unwrap().lifetime, Duration::from_secs(60));
        }
        assert!(granted(br#"{"access_token":"opaque"}"#, now).is_err());
    }

    #[test]
    fn a_token_is_refreshed_before_it_ends() {
        assert_eq!(refresh_after(Duration::from_secs(86_400)), Duration::from_secs(86_100));
        assert_eq!(refresh_after(Duration::from_secs(10)), Duration::from_secs(8));
    }
}

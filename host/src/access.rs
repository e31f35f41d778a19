//! Who may do what: roles, scopes, and the tokens that carry them.
//!
//! A token is shown once, when it is made; what is kept is its digest. Pure: the store remembers, `admin` asks.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::error::ErrorCode;
use crate::integration::IntegrationId;

/// What somebody may do. Each role may do what those before it may.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    ToSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Look at everything but tokens and the journal.
    Viewer,
    /// Change rules; start, approve and cancel runs; replay what failed.
    Editor,
    /// All: connectors, origins, secrets, tokens; deleting and forgetting.
    Operator,
}

impl Role {
    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Operator => "operator",
        }
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Viewer, Self::Editor, Self::Operator].into_iter().find(|role| role.as_str() == text).ok_or(())
    }
}

/// With which integrations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// With all, also those that are added later, and with what belongs to no integration.
    All,
    /// With these only.
    Integrations(BTreeSet<IntegrationId>),
}

impl Scope {
    /// Whether an integration is in it.
    pub fn holds(&self, id: &IntegrationId) -> bool {
        match self {
            Self::All => true,
            Self::Integrations(ids) => ids.contains(id),
        }
    }
}

/// What an action needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need<'a> {
    /// At least this role.
    pub role: Role,
    /// On what.
    pub on: On<'a>,
}

/// What an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On<'a> {
    /// One integration.
    One(&'a IntegrationId),
    /// What the caller may see of all.
    Seen,
    /// The whole host: its tokens, connectors and journal.
    Host,
}

/// Whoever asks for something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Caller {
    /// As the journal names them: `token acme-marketing`, or `local root`.
    pub who: String,
    /// What they may do.
    pub role: Role,
    /// With which integrations.
    pub scope: Scope,
}

impl Caller {
    /// Whoever may read and write the store's files anyway.
    pub fn local() -> Self {
        let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
        let who = format!("local {}", user.unwrap_or_else(|_| "user".to_owned()));
        Self { who, role: Role::Operator, scope: Scope::All }
    }

    /// Whether they may do what needs this.
    pub fn may(&self, need: Need<'_>) -> bool {
        let in_scope = match need.on {
            On::One(id) => self.scope.holds(id),
            On::Seen => true,
            On::Host => self.scope == Scope::All,
        };
        in_scope && self.role >= need.role
    }
}

/// A token's public name, the part of it that may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct TokenId(pub String);

impl fmt::Display for TokenId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What is kept of a token's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest(pub [u8; 32]);

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TokenRecord {
    /// Its public name.
    pub id: TokenId,
    /// What people call it.
    pub name: String,
    /// What it lets its bearer do.
    pub role: Role,
    /// With which integrations.
    pub scope: Scope,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub used_at: Option<Timestamp>,
}

impl TokenRecord {
    /// Whoever bears it at `now`; none if it has ended.
    pub fn bearer(&self, now: Timestamp) -> Option<Caller> {
        let has_ended = self.revoked_at.is_some() || self.expires_at.is_some_and(|at| at <= now);
        (!has_ended).then(|| Caller {
            who: format!("token {} ({})", self.id, self.name),
            role: self.role,
            scope: self.scope.clone(),
        })
    }
}

/// What a token begins with, so that one that was leaked is recognized.
const PREFIX: &str = "sluice_";

/// A token: its public name, and the secret.
#[derive(Clone)]
pub struct Token {
    /// The public name.
    pub id: TokenId,
    secret: [u8; 32],
}

impl Token {
    /// One that nobody guesses.
    pub fn fresh() -> Self {
        Self { id: TokenId(hex::encode(rand::random::<[u8; 6]>())), secret: rand::random() }
    }

    /// What its bearer sends.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, URL_SAFE_NO_PAD.encode(self.secret))
    }

    /// A token that somebody sent.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, AccessError> {
        let read = || {
            let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
            let is_id = id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
            let secret: [u8; 32] = URL_SAFE_NO_PAD.decode(secret).ok()?.try_into().ok()?;
            is_id.then(|| Self { id: TokenId(id.to_owned()), secret })
        };
        read().ok_or(AccessError::Unknown)
    }

    /// What is kept of it. The secret is as long as the digest, so that there is nothing to guess, and nothing to slow
    /// guessing down.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.secret).into())
    }
}

/// Why somebody is not let do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// No token came.
    #[error("this needs a token: send it as `Authorization: Bearer`. `sluice token create` makes one")]
    Missing,
    /// It is no token of this host, or it has ended.
    #[error(
        "the token is not known, was revoked, or has ended; ask an operator for another one (`sluice token create`)"
    )]
    Unknown,
    /// Too many were none.
    #[error(
        "too many attempts to get in failed from this address; wait {seconds} seconds, and look at the token: `sluice token \
         list` shows those there are"
    )]
    TooMany {
        /// How long.
        seconds: u64,
    },
    /// The role is too small.
    #[error("this needs the role {needed}, and the token has {has}; ask an operator")]
    Role {
        /// What it takes.
        needed: &'static str,
        /// What the token has.
        has: &'static str,
    },
    /// The integration is out of scope.
    #[error("the token is for other integrations; ask an operator")]
    Scope,
}

impl AccessError {
    /// Why a caller may not do what needs this.
    pub fn of(caller: &Caller, need: Need<'_>) -> Self {
        if caller.role < need.role {
            Self::Role { needed: need.role.as_str(), has: caller.role.as_str() }
        } else {
            Self::Scope
        }
    }
}

impl ErrorCode for AccessError {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "token-missing",
            Self::Unknown => "token-unknown",
            Self::TooMany { .. } => "too-many-attempts",
            Self::Role { .. } => "role-too-small",
            Self::Scope => "out-of-scope",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(role: Role, scope: Scope) -> Caller {
        Caller { who: "token".into(), role, scope }
    }

    #[test]
    fn a_token_comes_back_and_another_one_does_not_fit() {
        let token = Token::fresh();
        let again = Token::parse(&token.reveal()).unwrap();
        assert_eq!((again.id.clone(), again.digest()), (token.id.clone(), token.digest()));
        assert_ne!(Token::fresh().digest(), token.digest());
        for wrong in ["", "sluice_", "sluice_abc_def", "sluice_00112233445566_AAAA", &token.reveal()[1..]] {
            assert!(Token::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_role_does_what_smaller_ones_do_and_a_scope_ends_at_its_integrations() {
        let (acme, other) = (IntegrationId("acme".into()), IntegrationId("other".into()));
        let some = Scope::Integrations(BTreeSet::from([acme.clone()]));
        let need = |role, on| Need { role, on };
        for (who, what, expected) in [
            (caller(Role::Viewer, Scope::All), need(Role::Viewer, On::One(&acme)), true),
            (caller(Role::Viewer, Scope::All), need(Role::Editor, On::One(&acme)), false),
            (caller(Role::Operator, Scope::All), need(Role::Editor, On::Host), true),
            (caller(Role::Operator, some.clone()), need(Role::Editor, On::One(&acme)), true),
            (caller(Role::Operator, some.clone()), need(Role::Viewer, On::One(&other)), false),
            (caller(Role::Operator, some.clone()), need(Role::Viewer, On::Host), false),
            (caller(Role::Viewer, some), need(Role::Viewer, On::Seen), true),
        ] {
            assert_eq!(who.may(what), expected, "{who:?} {what:?}");
        }
    }

    #[test]
    fn a_token_that_has_ended_has_no_bearer() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let record = TokenRecord {
            id: TokenId("0a".into()),
            name: "page".into(),
            role: Role::Viewer,
            scope: Scope::All,
            created_by: "local root".into(),
            created_at: at(0),
            expires_at: Some(at(10)),
            revoked_at: None,
            used_at: None,
        };
        assert!(record.bearer(at(9)).is_some());
        assert!(record.bearer(at(10)).is_none());
        assert!(TokenRecord { revoked_at: Some(at(1)), ..record }.bearer(at(2)).is_none());
    }
}

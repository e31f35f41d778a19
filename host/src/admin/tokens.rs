//! Tokens: made, and revoked.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{About, Admin, Done, failed};
use crate::access::{Role, Scope, Token, TokenId, TokenRecord};
use crate::error::Failure;

/// The longest name of a token.
const LONGEST_NAME: usize = 100;
/// The longest life of a token, days.
const LONGEST_LIFE: u32 = 3_650;

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewToken {
    /// What people call it.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// What it lets its bearer do.
    pub role: Role,
    /// With which integrations.
    #[serde(default = "all")]
    pub scope: Scope,
    /// After how many days it ends by itself; left out: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3650)]
    pub days: Option<u32>,
}

fn all() -> Scope {
    Scope::All
}

/// A token that was made.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TokenCreated {
    /// What its bearer sends. It is shown this once.
    pub token: String,
    /// As it is kept.
    pub record: TokenRecord,
}

impl Admin {
    /// Makes a token.
    ///
    /// # Errors
    /// Its name or its life cannot be so; the store fails.
    pub async fn create_token(&self, new: NewToken) -> Result<TokenCreated, Failure> {
        let NewToken { name, role, scope, days } = new;
        let refused = |what: &str| Failure { code: "token-setting".to_owned(), message: what.to_owned() };
        let is_named = !name.trim().is_empty() && name.chars().count() <= LONGEST_NAME;
        if !is_named || name.chars().any(char::is_control) {
            return Err(refused(&format!("a token needs a name of at most {LONGEST_NAME} letters")));
        }
        if days.is_some_and(|days| days == 0 || days > LONGEST_LIFE) {
            return Err(refused(&format!("a token lives for 1 to {LONGEST_LIFE} days, or for ever")));
        }
        let token = Token::fresh();
        let now = Timestamp::now();
        let record = TokenRecord {
            id: token.id.clone(),
            name,
            role,
            scope,
            created_by: self.caller.who.clone(),
            created_at: now,
            expires_at: days
                .and_then(|days| now.checked_add(SignedDuration::from_hours(24 * i64::from(days))).ok()),
            revoked_at: None,
            used_at: None,
        };
        let about = About { integration: None, about: Some(record.id.to_string()) };
        let doing = async {
            self.store().put_token(&record, token.digest()).await.map_err(failed)?;
            Ok(Done::with_after(TokenCreated { token: token.reveal(), record: record.clone() }, &record))
        };
        self.noted("token.create", about, doing).await
    }

    /// Ends a token; as it is then.
    ///
    /// # Errors
    /// There is none of this id; the store fails.
    pub async fn revoke_token(&self, id: &TokenId) -> Result<TokenRecord, Failure> {
        let about = About { integration: None, about: Some(id.to_string()) };
        let doing =
            async { self.store().revoke_token(id, Timestamp::now()).await.map(Done::plain).map_err(failed) };
        self.noted("token.revoke", about, doing).await
    }
}

//! Secrets in the store: set, listed without their values, taken away, and put under another key. What is written down of
//! it is who set which, never what.

use secrecy::SecretString;
use serde::Serialize;
use utoipa::ToSchema;

use super::{About, Admin, Done, failed};
use crate::error::Failure;
use crate::integration::{IntegrationId, SecretRef};
use crate::secret::{
    KeyId, NewSecret, SecretName, SecretPlace, SecretRecord, SecretSettingError, check_secret,
};

/// What came of putting all secrets under the current key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RotatedSecrets {
    /// The current key.
    pub key: KeyId,
    /// Secrets that were put under it now.
    pub rotated: u64,
    /// Those that stay under another one, since they do not open.
    pub left: Vec<SecretLeft>,
}

/// A secret that does not open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SecretLeft {
    /// Whose.
    pub integration: IntegrationId,
    /// Which.
    pub name: SecretName,
    /// Why.
    pub why: Failure,
}

impl Admin {
    /// The secrets of an integration, without their values.
    ///
    /// # Errors
    /// There is no such integration; the store fails.
    pub async fn secrets(&self, id: &IntegrationId) -> Result<Vec<SecretRecord>, Failure> {
        self.store().secrets(id).await.map_err(failed)
    }

    /// Keeps a secret, in place of the one of the same name. The integration need not name it yet.
    ///
    /// # Errors
    /// It cannot be called so, or have this value; there is no key, or no such integration; the store fails.
    pub async fn set_secret(
        &self,
        id: &IntegrationId,
        name: &SecretName,
        value: &SecretString,
    ) -> Result<SecretRecord, Failure> {
        // Before anything is written down: the name may be the value, in the wrong place.
        check_secret(name, value).map_err(failed)?;
        let about = About { integration: Some(id), about: Some(name.to_string()) };
        let doing = async {
            let secret = self.sealed(id, name, value)?;
            Ok(Done::plain(self.store().put_secret(id, &secret).await.map_err(failed)?))
        };
        self.noted("secret.set", about, doing).await
    }

    /// A secret as it is kept.
    pub(super) fn sealed(
        &self,
        id: &IntegrationId,
        name: &SecretName,
        value: &SecretString,
    ) -> Result<NewSecret, Failure> {
        check_secret(name, value).map_err(failed)?;
        let place = SecretPlace { integration: id.clone(), name: name.clone() };
        let sealed =
            self.service.secrets().keys().and_then(|keys| keys.seal(&place, value)).map_err(failed)?;
        Ok(NewSecret { name: name.clone(), set_by: self.caller.who.clone(), sealed })
    }

    /// Takes a secret away that the integration does not name.
    ///
    /// # Errors
    /// The integration names it; there is none of this name, or no such integration; the store fails.
    pub async fn remove_secret(&self, id: &IntegrationId, name: &SecretName) -> Result<(), Failure> {
        if !name.is_good() {
            return Err(failed(SecretSettingError::Name));
        }
        let place = SecretPlace { integration: id.clone(), name: name.clone() };
        let about = About { integration: Some(id), about: Some(name.to_string()) };
        let doing = async {
            let integration = self.integration(id).await?;
            let mut named = integration.secrets.values().chain([&integration.apsis.client_secret]);
            let is_kept = self.store().secret(&place).await.map_err(failed)?.is_some();
            if is_kept && named.any(|place| *place == SecretRef::Stored(name.clone())) {
                return Err(Failure {
                    code: "secret-in-use".to_owned(),
                    message: format!(
                        "{id} reads its secret {name} from the store, and could not work without it; let the integration \
                         name another place first, or set another value"
                    ),
                });
            }
            self.store().remove_secret(&place).await.map(Done::plain).map_err(failed)
        };
        self.noted("secret.remove", about, doing).await
    }

    /// Puts every secret under the current key, one after the other: what was cut off is gone on with by doing it again.
    /// Hosts that have the keys of before, too, read them meanwhile.
    ///
    /// # Errors
    /// There is no key; the store fails.
    pub async fn rotate_secrets(&self) -> Result<RotatedSecrets, Failure> {
        let doing = async {
            let keys = self.service.secrets().keys().map_err(failed)?;
            let key = keys.current().map_err(failed)?.clone();
            let (mut rotated, mut left) = (0, Vec::new());
            loop {
                let others = self.store().secrets_not_under(&key).await.map_err(failed)?;
                let count = others.len();
                left.clear();
                for (place, before) in others {
                    match keys.open(&place, &before).and_then(|value| keys.seal(&place, &value)) {
                        Ok(after) => {
                            let resealed = self.store().reseal(&place, &before, &after).await;
                            // One that was set meanwhile is looked at once more.
                            rotated += u64::from(resealed.map_err(failed)?);
                        }
                        Err(error) => {
                            let SecretPlace { integration, name } = place;
                            left.push(SecretLeft { integration, name, why: failed(error) });
                        }
                    }
                }
                if left.len() == count {
                    break;
                }
            }
            let done = RotatedSecrets { key, rotated, left };
            let noted = serde_json::json!({ "key": done.key, "rotated": rotated, "left": done.left.len() });
            Ok(Done::with_after(done, &noted))
        };
        self.noted("secret.rotate", About::default(), doing).await
    }
}

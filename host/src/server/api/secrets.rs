//! Secrets in the store: values come in, and never go out.

use axum::{Extension, Json as Given};
use hyper::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::done;
use super::extract::{At, Json};
use super::problem::{Answer, Problems};
use crate::admin::{Admin, RotatedSecrets};
use crate::integration::IntegrationId;
use crate::secret::{SecretName, SecretRecord};

/// A secret's value.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SecretValue {
    /// What it is.
    #[serde(deserialize_with = "secret")]
    #[schema(value_type = String, write_only, min_length = 1, max_length = 16384)]
    value: SecretString,
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<SecretString, D::Error> {
    String::deserialize(from).map(SecretString::from)
}

/// Lists the secrets that are kept of an integration, without their values.
#[utoipa::path(get, path = "/integrations/{integration}/secrets", tag = "secrets",
    params(("integration" = String, Path, description = "Its id")),
    responses((status = 200, body = Vec<SecretRecord>), Problems), security(("token" = ["operator"])))]
pub async fn list(
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
) -> Answer<Given<Vec<SecretRecord>>> {
    Ok(Given(admin.secrets(&id).await?))
}

/// Keeps a secret, in place of the one of the same name. The integration names it by `{"stored": "<name>"}`; no call gives
/// its value.
#[utoipa::path(put, path = "/integrations/{integration}/secrets/{secret}", tag = "secrets",
    params(("integration" = String, Path, description = "Its id"),
        ("secret" = String, Path, description = "What it is called", max_length = 100, pattern = "^[a-z0-9._-]+$")),
    request_body = SecretValue,
    responses((status = 200, body = SecretRecord), Problems), security(("token" = ["operator", "secret"])))]
pub async fn set(
    Extension(admin): Extension<Admin>,
    At((id, name)): At<(IntegrationId, SecretName)>,
    Json(SecretValue { value }): Json<SecretValue>,
) -> Answer<Given<SecretRecord>> {
    Ok(Given(admin.set_secret(&id, &name, &value).await?))
}

/// Takes a secret away that the integration does not name.
#[utoipa::path(delete, path = "/integrations/{integration}/secrets/{secret}", tag = "secrets",
    params(("integration" = String, Path, description = "Its id"),
        ("secret" = String, Path, description = "What it is called", max_length = 100, pattern = "^[a-z0-9._-]+$")),
    responses((status = 204), Problems), security(("token" = ["operator"])))]
pub async fn remove(
    Extension(admin): Extension<Admin>,
    At((id, name)): At<(IntegrationId, SecretName)>,
) -> Answer<StatusCode> {
    admin.remove_secret(&id, &name).await?;
    Ok(done())
}

/// Puts the secrets of all integrations under the host's current key.
#[utoipa::path(post, path = "/secrets/rotate", tag = "secrets",
    responses((status = 200, body = RotatedSecrets), Problems), security(("token" = ["operator", "host"])))]
pub async fn rotate(Extension(admin): Extension<Admin>) -> Answer<Given<RotatedSecrets>> {
    Ok(Given(admin.rotate_secrets().await?))
}

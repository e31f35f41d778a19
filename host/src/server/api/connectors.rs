//! Connectors: the components that speak to a CRM, kept by digest; and a version for a share of the integrations.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as Given};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::done;
use super::extract::{At, Json, body};
use super::problem::{Answer, Problems};
use crate::admin::Admin;
use crate::connector::Connector;
use crate::error::Failure;
use crate::signature::{Signature, SignatureError};
use crate::upgrade::{ConnectorLine, Rollout, Sample, UpgradeTerms};

/// Where a component's signature is, as base64.
const SIGNATURE: &str = "x-minisign";
/// The largest component.
const COMPONENT_BYTES: usize = 64 << 20;

/// What a connector says of itself.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Described {
    /// Its name in the store: `sha256:<digest>`.
    pub connector: String,
    /// Stable: `lime`.
    pub id: String,
    /// For people: `Lime CRM`.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// The origins that it asks for, with settings in braces.
    pub origins: Vec<String>,
    /// The field that is the contact's id.
    pub id_field: String,
    /// The field that is its e-mail address.
    pub email_field: String,
    /// The field that is its mobile number.
    pub mobile_field: Option<String>,
    /// JSON Schema of its settings; `"writeOnly": true` marks a secret.
    pub settings_schema: serde_json::Value,
    /// Whether the CRM sends changes.
    pub deliveries: bool,
    /// Whether the CRM has lists of people.
    pub overviews: bool,
}

impl Described {
    fn of(connector: &Connector) -> Self {
        let (description, exports) = (connector.description(), connector.exports());
        Self {
            connector: format!("sha256:{}", connector.digest()),
            id: description.id.clone(),
            name: description.name.clone(),
            version: description.version.clone(),
            origins: description.origins.clone(),
            id_field: description.id_field.clone(),
            email_field: description.email_field.clone(),
            mobile_field: description.mobile_field.clone(),
            settings_schema: description.settings_schema.clone(),
            deliveries: exports.deliveries,
            overviews: exports.overviews,
        }
    }
}

/// Lists the components in the store, with the integrations that use them.
#[utoipa::path(get, path = "/connectors", tag = "connectors",
    responses((status = 200, body = Vec<ConnectorLine>), Problems), security(("token" = ["viewer"])))]
pub async fn list(Extension(admin): Extension<Admin>) -> Answer<Given<Vec<ConnectorLine>>> {
    Ok(Given(admin.connectors().await?))
}

/// The signature that comes with a component, if one does.
fn signature(request: &Request) -> Result<Option<Signature>, SignatureError> {
    let Some(header) = request.headers().get(SIGNATURE) else { return Ok(None) };
    let text = BASE64.decode(header).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    Signature::parse(&text.ok_or(SignatureError::Malformed("its header is no base64"))?).map(Some)
}

/// Takes a component into the store, once it has been loaded. The body is the .wasm file.
#[utoipa::path(post, path = "/connectors", tag = "connectors",
    params(("x-minisign" = Option<String>, Header, description = "The text of FILE.wasm.minisig as base64, where the host asks for a signature")),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 201, body = Described), Problems), security(("token" = ["operator", "host"])))]
pub async fn add(Extension(admin): Extension<Admin>, request: Request) -> Answer<Response> {
    let signature = signature(&request).map_err(|error| Failure::from(&error))?;
    let component = body(request, COMPONENT_BYTES).await?;
    let connector = Box::pin(admin.add_connector(component.to_vec(), signature.as_ref())).await?;
    Ok((StatusCode::CREATED, Given(Described::of(&connector))).into_response())
}

/// Shows what a connector says of itself.
#[utoipa::path(get, path = "/connectors/{connector}", tag = "connectors",
    params(("connector" = String, Path, description = "Its name, `sha256:<digest>`; the first digits of the digest are enough")),
    responses((status = 200, body = Described), Problems), security(("token" = ["viewer"])))]
pub async fn show(Extension(admin): Extension<Admin>, At(name): At<String>) -> Answer<Given<Described>> {
    Ok(Given(Described::of(&admin.connector(&name).await?)))
}

/// Takes a component out of the store that no integration uses, or can return to.
#[utoipa::path(delete, path = "/connectors/{connector}", tag = "connectors",
    params(("connector" = String, Path, description = "Its name, `sha256:<digest>`; the first digits of the digest are enough")),
    responses((status = 204), Problems), security(("token" = ["operator", "host"])))]
pub async fn remove(Extension(admin): Extension<Admin>, At(name): At<String>) -> Answer<StatusCode> {
    admin.remove_connector(&name).await?;
    Ok(done())
}

/// A share of the integrations that are to use a version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewRollout {
    /// How large it is: of all integrations that use this connector, at least one.
    #[schema(minimum = 1, maximum = 100)]
    pub percent: u32,
    /// Contacts that are read with both versions.
    #[serde(default)]
    #[schema(value_type = u32, minimum = 1, maximum = 10000, default = 50)]
    pub sample: Sample,
    /// Integrations are switched though something differs.
    #[serde(default)]
    pub accept_differences: bool,
}

/// Has a share of the integrations that use some version of this connector use this one, each by the checks of an upgrade:
/// always the same ones for the same share, and those of a smaller share among those of a greater. One that cannot is told
/// with why, and the others go on.
#[utoipa::path(post, path = "/connectors/{connector}/rollout", tag = "connectors",
    params(("connector" = String, Path, description = "Its name, `sha256:<digest>`; the first digits of the digest are enough")),
    request_body = NewRollout,
    responses((status = 200, body = Rollout), Problems), security(("token" = ["operator", "host"])))]
pub async fn roll_out(
    Extension(admin): Extension<Admin>,
    At(name): At<String>,
    Json(NewRollout { percent, sample, accept_differences }): Json<NewRollout>,
) -> Answer<Given<Rollout>> {
    let to = admin.connector(&name).await?;
    let terms = UpgradeTerms { sample, accept_differences, revision: None };
    Ok(Given(Box::pin(admin.rollout(&to, None, percent, terms)).await?))
}

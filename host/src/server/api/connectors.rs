//! Connectors: the components that speak to a CRM, kept by digest.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as Given};
use hyper::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::extract::{At, body};
use super::problem::{Answer, Problems};
use crate::admin::Admin;
use crate::connector::{CatalogueError, Connector};

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

/// Lists the components in the store, by name.
#[utoipa::path(get, path = "/connectors", tag = "connectors",
    responses((status = 200, body = Vec<String>), Problems), security(("token" = ["viewer"])))]
pub async fn list(State(api): State<Api>) -> Answer<Given<Vec<String>>> {
    Ok(Given(api.service.store().component_names().await?))
}

/// Takes a component into the store, once it has been loaded. The body is the .wasm file.
#[utoipa::path(post, path = "/connectors", tag = "connectors",
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 201, body = Described), Problems), security(("token" = ["operator", "host"])))]
pub async fn add(Extension(admin): Extension<Admin>, request: Request) -> Answer<Response> {
    let component = body(request, COMPONENT_BYTES).await?;
    let connector = Box::pin(admin.add_connector(component.to_vec())).await?;
    Ok((StatusCode::CREATED, Given(Described::of(&connector))).into_response())
}

/// Shows what a connector says of itself.
#[utoipa::path(get, path = "/connectors/{connector}", tag = "connectors",
    params(("connector" = String, Path, description = "Its name: `sha256:<digest>`")),
    responses((status = 200, body = Described), Problems), security(("token" = ["viewer"])))]
pub async fn show(State(api): State<Api>, At(name): At<String>) -> Answer<Given<Described>> {
    let component = api.service.store().component(&name).await?;
    let component = component.ok_or(CatalogueError::Missing(name))?;
    let connector = Box::pin(api.service.engine().load(&component)).await?;
    Ok(Given(Described::of(&connector)))
}

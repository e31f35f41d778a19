//! How values look in the API's description, where it cannot be derived from their types.

use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::access::Scope;
use crate::change::ChangeOutcome;
use crate::integration::{IntegrationId, SecretRef};
use crate::profile::Answer;
use crate::secret::SecretName;

impl PartialSchema for Answer {
    fn schema() -> RefOr<Schema> {
        let words =
            ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["given", "refused", "unsaid"]));
        let at = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("When it was given or refused, where the CRM says."));
        ObjectBuilder::new()
            .description(Some("What the CRM answers."))
            .property("answer", words)
            .required("answer")
            .property("at", at)
            .into()
    }
}

impl ToSchema for Answer {}

/// Where the value of a secret is found.
#[expect(dead_code, reason = "only described")]
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
enum SecretPlace {
    /// In an environment variable of the host.
    Env(String),
    /// In a file on the host, without its trailing newline.
    File(String),
    /// In the store, sealed, under this name among the integration's own.
    Stored(SecretName),
}

impl PartialSchema for SecretRef {
    fn schema() -> RefOr<Schema> {
        SecretPlace::schema()
    }
}

impl ToSchema for SecretRef {}

/// With which integrations.
#[expect(dead_code, reason = "only described")]
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
enum ScopeShape {
    /// With all, also those that are added later, and with what belongs to no integration.
    All,
    /// With these only. One that is named twice counts once.
    Integrations(Vec<IntegrationId>),
}

impl PartialSchema for Scope {
    fn schema() -> RefOr<Schema> {
        ScopeShape::schema()
    }
}

impl ToSchema for Scope {}

impl PartialSchema for ChangeOutcome {
    fn schema() -> RefOr<Schema> {
        let words = Self::ALL.into_iter().map(Self::as_str);
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("What a change came to."))
            .enum_values(Some(words))
            .into()
    }
}

impl ToSchema for ChangeOutcome {}

//! How values look in the API's description, where it cannot be derived from their types.

use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::change::ChangeOutcome;
use crate::integration::SecretRef;
use crate::profile::Answer;

#[expect(dead_code, reason = "only described")]
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
enum AnswerWord {
    Given,
    Refused,
    Unsaid,
}

/// What the CRM answers.
#[expect(dead_code, reason = "only described")]
#[derive(ToSchema)]
struct AnswerShape {
    /// What.
    #[schema(inline)]
    answer: AnswerWord,
    /// When it was given or refused, where the CRM says.
    #[schema(format = DateTime)]
    at: Option<String>,
}

impl PartialSchema for Answer {
    fn schema() -> RefOr<Schema> {
        AnswerShape::schema()
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
}

impl PartialSchema for SecretRef {
    fn schema() -> RefOr<Schema> {
        SecretPlace::schema()
    }
}

impl ToSchema for SecretRef {}

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

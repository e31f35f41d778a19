//! Whether an integration can work: one finding for each thing that is checked. Nothing is written to either side.

use serde::Serialize;
use utoipa::ToSchema;

use crate::apsis::Client;
use crate::error::{ErrorCode, Failure};
use crate::integration::Integration;
use crate::sync::{self, Service};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// What was checked.
    pub check: &'static str,
    /// Whether it is well.
    pub ok: bool,
    /// What was found, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What is wrong, if not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// Hands findings on as they come.
struct Findings<'a>(&'a mut (dyn FnMut(Finding) + Send));

impl Findings<'_> {
    /// Hands on what a check found, and gives it back if it is well.
    fn note<T, E: ErrorCode>(
        &mut self,
        check: &'static str,
        found: Result<T, E>,
        words: impl FnOnce(&T) -> Vec<String>,
    ) -> Option<T> {
        match found {
            Ok(value) => {
                for word in words(&value) {
                    (self.0)(Finding { check, ok: true, message: Some(word), error: None });
                }
                Some(value)
            }
            Err(error) => {
                let error = Some(Failure::from(&error));
                (self.0)(Finding { check, ok: false, message: None, error });
                None
            }
        }
    }
}

/// Checks an integration; each finding is handed over as it comes.
pub async fn checkup(service: &Service, integration: &Integration, each: &mut (dyn FnMut(Finding) + Send)) {
    let mut findings = Findings(each);
    let connection = findings.note("connector", sync::connect(service, integration).await, |_| {
        vec!["the component loads, and its settings and secrets fit".to_owned()]
    });
    let mut fields = None;
    if let Some(connection) = &connection {
        findings.note("CRM", connection.check().await, Clone::clone);
        fields = findings.note("CRM fields", connection.list_fields().await, |found| {
            vec![format!("{} fields", found.len())]
        });
    }
    if let (Some(connection), Some(fields)) = (&connection, &fields) {
        let consents = if integration.consents.iter().any(|row| row.consent.is_some()) {
            findings.note("CRM consents", connection.list_consents().await, |found| {
                vec![format!("{} consent types", found.len())]
            })
        } else {
            Some(Vec::new())
        };
        if let Some(consents) = consents {
            findings.note("mapping, CRM side", sync::check_names(integration, fields, &consents), |()| {
                vec!["every field and consent type is there, of a type that the rules can use".to_owned()]
            });
        }
    }
    let secret = service.secrets().of_apsis(integration).await;
    let client = secret.and_then(|secret| Ok(Client::new(&integration.apsis, secret)?));
    let client = findings
        .note("APSIS One settings", client, |_| vec!["the address and the secret can be used".to_owned()]);
    let Some(client) = client else { return };
    let definitions = findings.note("APSIS One", client.definitions().await, |_| {
        vec!["it answers, and the API key works".to_owned()]
    });
    let (Some(definitions), Some(connection)) = (&definitions, &connection) else { return };
    findings.note("section and keyspace", client.target(definitions, &integration.apsis), |_| {
        vec![format!("{} and {}", integration.apsis.section, integration.apsis.keyspace)]
    });
    let rules = sync::resolve(integration, connection.connector(), definitions);
    let rules = findings.note("mapping, APSIS One side", rules, |rules| {
        vec![format!("{} attributes and {} consents are there", rules.fields.len(), rules.consents.len())]
    });
    if let (Some(_), Some(fields)) = (rules, &fields) {
        let types = sync::check_types(integration, fields, definitions);
        findings.note("mapping, types", types, |()| vec!["every field fits its attribute".to_owned()]);
    }
}

//! What both sides of an integration have, for whoever writes rules; and what is wrong with one row of them.

use jiff::civil::Date;

use super::checking::{Unchecked, ask_apsis, soon};
use super::failure::SyncError;
use super::line::{Patience, connect, load};
use super::mapping::{check_names, check_types, resolve};
use super::patience::patiently;
use super::service::Service;
use crate::apsis::{AttributeDefinition, Definitions};
use crate::connector::Connector;
use crate::contact::{ConsentInfo, Contact, FieldInfo};
use crate::error::Failure;
use crate::integration::{ConditionRow, ConsentRow, FieldRow, Integration};
use crate::profile::AttributeValue;
use crate::rules::Rules;

/// What both sides have.
pub struct Sides {
    /// The CRM's fields.
    pub fields: Result<Vec<FieldInfo>, Failure>,
    /// The CRM's consent types.
    pub consents: Result<Vec<ConsentInfo>, Failure>,
    /// What APSIS One has.
    pub apsis: Result<Definitions, Failure>,
    /// What speaks to the CRM.
    pub connector: Connector,
}

impl Sides {
    /// Whether both answered.
    pub fn is_whole(&self) -> bool {
        self.fields.is_ok() && self.consents.is_ok() && self.apsis.is_ok()
    }

    /// A field by its name.
    pub fn field(&self, name: &str) -> Option<&FieldInfo> {
        self.fields.iter().flatten().find(|field| field.name == name)
    }

    /// An attribute by its name or discriminator.
    pub fn attribute(&self, name: &str) -> Option<&AttributeDefinition> {
        self.apsis.as_ref().ok()?.attribute(name).ok()
    }

    /// What a field mapping would make of a contact; none where a side did not answer.
    pub fn mapped(
        &self,
        integration: &Integration,
        row: &FieldRow,
        contact: &Contact,
    ) -> Option<Result<AttributeValue, Failure>> {
        let alone = |integration: &Integration| Integration {
            conditions: Vec::new(),
            fields: vec![row.clone()],
            consents: Vec::new(),
            ..integration.clone()
        };
        let set = match resolve(&alone(integration), &self.connector, self.apsis.as_ref().ok()?) {
            Ok(set) => set,
            Err(error) => return Some(Err(Failure::from(&error))),
        };
        let rules = match Rules::new(set) {
            Ok(rules) => rules,
            Err(error) => return Some(Err(Failure::from(&error))),
        };
        let verdict = rules.explain(contact, Date::default()).fields.pop()?;
        Some(verdict.output.ok_or_else(|| {
            let reason = verdict.reason.map(|reason| (reason.code.to_string(), reason.message));
            let (code, message) = reason.unwrap_or_default();
            Failure { code, message }
        }))
    }

    /// What is wrong with a field mapping, as far as the sides tell.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check_field(&self, integration: &Integration, row: &FieldRow) -> Result<(), Failure> {
        let alone = Integration {
            conditions: Vec::new(),
            fields: vec![row.clone()],
            consents: Vec::new(),
            ..integration.clone()
        };
        self.check(&alone)
    }

    /// What is wrong with a consent mapping, as far as the sides tell.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check_consent(&self, integration: &Integration, row: &ConsentRow) -> Result<(), Failure> {
        let alone = Integration {
            conditions: Vec::new(),
            fields: Vec::new(),
            consents: vec![row.clone()],
            ..integration.clone()
        };
        self.check(&alone)
    }

    /// What is wrong with a sync condition, as far as the CRM tells.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check_condition(&self, integration: &Integration, row: &ConditionRow) -> Result<(), Failure> {
        let alone = Integration {
            conditions: vec![row.clone()],
            fields: Vec::new(),
            consents: Vec::new(),
            ..integration.clone()
        };
        self.check(&alone)
    }

    fn check(&self, alone: &Integration) -> Result<(), Failure> {
        alone.check().map_err(|error| Failure::from(&error))?;
        if let (Ok(fields), Ok(consents)) = (&self.fields, &self.consents) {
            check_names(alone, fields, consents).map_err(|error| Failure::from(&error))?;
        }
        if let Ok(definitions) = &self.apsis {
            resolve(alone, &self.connector, definitions).map_err(|error| Failure::from(&error))?;
            if let Ok(fields) = &self.fields {
                check_types(alone, fields, definitions).map_err(|error| Failure::from(&error))?;
            }
        }
        Ok(())
    }
}

/// Asks both sides for what rules can name. A side that does not answer is said in its place.
///
/// # Errors
/// The component cannot be loaded.
pub async fn sides(service: &Service, integration: &Integration) -> Result<Sides, SyncError> {
    let connector = load(service, integration).await?;
    let crm = async {
        let connection = connect(service, integration).await?;
        let fields = patiently(Patience::Short, || connection.list_fields()).await?;
        let consents = patiently(Patience::Short, || connection.list_consents()).await;
        Ok((fields, consents.map_err(|error| Failure::from(&error))))
    };
    let (crm, apsis) = tokio::join!(soon("the CRM", crm), soon("APSIS One", ask_apsis(service, integration)));
    let (fields, consents) = match crm {
        Ok((fields, consents)) => (Ok(fields), consents),
        Err(Unchecked { why, .. }) => (Err(why.clone()), Err(why)),
    };
    Ok(Sides { fields, consents, apsis: apsis.map_err(|unchecked| unchecked.why), connector })
}

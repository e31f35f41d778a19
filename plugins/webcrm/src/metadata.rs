//! The customer's own fields, as `/FieldsMetadata` describes them.
//!
//! Read once and kept in the session for a few minutes, without what only people read, where it is small enough; each
//! call may meet a new instance. Sensitive fields are dropped here as well: nobody is offered what is never read.

use serde::{Deserialize, Serialize};
use sluice_sdk::{Choice, Error, FieldInfo, FieldType, session};

use crate::api::Api;
use crate::inferred;
use crate::record::is_sensitive;
use crate::settings::Settings;
use crate::table::Table;
use crate::{EMAIL, MOBILE};

/// The session key of the model.
const SESSION_KEY: &str = "model";

/// How long a model is believed: a new field or option shows after this.
const SESSION_SECONDS: u32 = 300;

/// The session holds 16 KiB in all, the access token among it; a larger model is read anew by each call.
const SESSION_BYTES: usize = 10 * 1024;

const WHAT: &str = "the fields";

/// What a field holds, as far as decoding is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the contract's names")]
pub enum Kind {
    Text,
    YesNo,
    Integer,
    Decimal,
    Date,
    Time,
    Choice,
}

impl Kind {
    fn field_type(self) -> FieldType {
        match self {
            Self::Text => FieldType::Text,
            Self::YesNo => FieldType::Boolean,
            Self::Integer => FieldType::Integer,
            Self::Decimal => FieldType::Decimal,
            Self::Date => FieldType::Date,
            Self::Time => FieldType::Timestamp,
            Self::Choice => FieldType::Choice,
        }
    }
}

/// One option of a choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    /// What webCRM calls its value.
    #[serde(rename = "k")]
    pub key: String,
    /// What people see.
    #[serde(rename = "l")]
    pub label: String,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldDefinition {
    /// Its name in webCRM's records.
    #[serde(rename = "n")]
    pub name: String,
    /// What people call it; not kept in the session.
    #[serde(skip)]
    pub label: String,
    /// What it holds.
    #[serde(rename = "t")]
    pub kind: Kind,
    /// Its options.
    #[serde(default, rename = "o", skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<Offered>,
}

/// The fields that contacts are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Of the person, those that are handed over.
    pub person: Vec<FieldDefinition>,
    /// Of its organisation, those that are handed over; none where it is not joined.
    pub company: Vec<FieldDefinition>,
    /// The person's boxes that can hold consents, whether they are handed over as fields or not.
    pub boxes: Vec<FieldDefinition>,
}

#[derive(Deserialize)]
struct Described {
    #[serde(rename = "FieldMetadataDbFieldName")]
    name: Option<String>,
    #[serde(default, rename = "FieldMetadataFriendlyFieldName")]
    friendly: Option<String>,
    #[serde(default, rename = "FieldMetadataLabel")]
    label: Option<String>,
    #[serde(default, rename = "FieldMetadataDisplayType")]
    display_type: Option<String>,
    #[serde(default, rename = "FieldMetadataDropdownListData")]
    options: Option<Vec<DescribedOption>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribedOption {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    value: Option<String>,
}

/// The name under which a company's field is handed over.
pub fn company_field(name: &str) -> String {
    format!("company.{name}")
}

impl Model {
    /// The model, from the session where it has it.
    ///
    /// # Errors
    /// As webCRM answers.
    pub fn get(api: &Api, settings: &Settings) -> Result<Self, Error> {
        let kept = session::get(SESSION_KEY).and_then(|text| serde_json::from_str(&text).ok());
        kept.map_or_else(|| Self::read(api, settings), Ok)
    }

    /// The model as webCRM has it now, with the words for people.
    ///
    /// # Errors
    /// As webCRM answers.
    pub fn read(api: &Api, settings: &Settings) -> Result<Self, Error> {
        let person =
            definitions(api, Table::Person, &["PersonOrganisationId", EMAIL, MOBILE, "PersonCreatedAt"])?;
        let boxes = person.iter().filter(|field| inferred::is_consent_box(&field.name, field.kind)).cloned();
        let boxes = boxes.collect();
        let always = [crate::ID, EMAIL, MOBILE];
        let is_wanted = |name: &str| always.contains(&name) || settings.wants(name);
        let person = person.into_iter().filter(|field| is_wanted(&field.name)).collect();
        let joins =
            settings.fields.is_empty() || settings.fields.iter().any(|name| name.starts_with("company."));
        let company = if joins {
            let all = definitions(api, Table::Organisation, &["OrganisationName"])?;
            all.into_iter().filter(|field| settings.wants(&company_field(&field.name))).collect()
        } else {
            Vec::new()
        };
        let model = Self { person, company, boxes };
        if let Ok(text) = serde_json::to_string(&model)
            && text.len() <= SESSION_BYTES
        {
            session::put(SESSION_KEY, &text, SESSION_SECONDS);
        }
        Ok(model)
    }

    /// The fields of a contact, for mappings and conditions.
    pub fn fields(&self) -> Vec<FieldInfo> {
        let info = |name: String, label: String, field: &FieldDefinition| FieldInfo {
            name,
            label,
            type_: field.kind.field_type(),
            options: field.options.iter().map(choice).collect(),
        };
        let person = self.person.iter().map(|field| info(field.name.clone(), field.label.clone(), field));
        let company = self
            .company
            .iter()
            .map(|field| info(company_field(&field.name), format!("Organisation: {}", field.label), field));
        person.chain(company).collect()
    }
}

/// An option, as the contract has it.
pub fn choice(option: &Offered) -> Choice {
    Choice { key: option.key.clone(), label: option.label.clone() }
}

/// The fields of a table. Those that every record has are there whether webCRM describes them or not.
fn definitions(api: &Api, table: Table, always: &[&str]) -> Result<Vec<FieldDefinition>, Error> {
    let described: Vec<Described> = api.read(&format!("FieldsMetadata/{}", table.name()), WHAT)?;
    let mut fields: Vec<FieldDefinition> = Vec::new();
    let mut add = |field: FieldDefinition| {
        let is_name = field.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let is_new = fields.iter().all(|known| known.name != field.name);
        if is_name && is_new && !is_sensitive(&field.name) && field.name.starts_with(table.name()) {
            fields.push(field);
        }
    };
    for described in described {
        let Some(name) = described.name else { continue };
        let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let label =
            given(described.label).or_else(|| given(described.friendly)).unwrap_or_else(|| name.clone());
        let options: Vec<Offered> =
            described.options.unwrap_or_default().into_iter().filter_map(offered).collect();
        let display_type = described.display_type.unwrap_or_default();
        let kind = inferred::kind_of(&name, &display_type, !options.is_empty());
        let options = if kind == Kind::Choice { options } else { Vec::new() };
        add(FieldDefinition { name, label, kind, options });
    }
    for name in [table.id(), table.updated_at()].iter().chain(always) {
        let kind = inferred::kind_of(name, "", false);
        add(FieldDefinition {
            name: (*name).to_owned(),
            label: (*name).to_owned(),
            kind,
            options: Vec::new(),
        });
    }
    Ok(fields)
}

/// An option without a value and without a text stands for "no choice", and is none.
fn offered(option: DescribedOption) -> Option<Offered> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (text, value) = (given(option.text), given(option.value));
    let key = value.or_else(|| text.clone())?;
    Some(Offered { label: text.unwrap_or_else(|| key.clone()), key })
}

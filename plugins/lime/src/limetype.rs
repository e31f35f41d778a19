//! The customer's own data model: the properties of persons and of their companies, as Lime describes
//! them.
//!
//! Read once and kept in the session for a few minutes, where it is small enough; each call may meet a
//! new instance. Properties that the API user may not read are missing from Lime's answer, and so here.

use serde::{Deserialize, Serialize};
use sluice_sdk::{Choice, Error, FieldInfo, FieldType, session};

use crate::api::{Api, in_query};
use crate::settings::Settings;
use crate::value::choice_or_none;

/// The session key of the model.
const SESSION_KEY: &str = "model";

/// How long a model is believed: a new option or property shows after this.
const SESSION_SECONDS: u32 = 300;

/// The session holds 16 KiB in all; a larger model is read anew by each call.
const SESSION_BYTES: usize = 14 * 1024;

/// What a property holds, as far as decoding is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// string, text, phone, link, xml.
    Text,
    /// yesno.
    YesNo,
    /// integer, and the ids of users and files.
    Integer,
    /// decimal, percent (as a fraction).
    Decimal,
    /// date, month, quarter, year: a day as written.
    Date,
    /// time: a moment.
    Time,
    /// option.
    Option,
    /// set.
    Set,
    /// belongsto: the id of one related object.
    Relation,
    /// A type that this connector does not know.
    Other,
}

impl Kind {
    /// From Lime's name of the type; none for what is not in an object at all.
    fn of(type_name: &str) -> Option<Self> {
        Some(match type_name {
            "string" | "text" | "phone" | "link" | "xml" => Self::Text,
            "yesno" => Self::YesNo,
            "integer" | "user" | "file" => Self::Integer,
            "decimal" | "percent" => Self::Decimal,
            "date" | "month" | "quarter" | "year" => Self::Date,
            "time" => Self::Time,
            "option" => Self::Option,
            "set" => Self::Set,
            "belongsto" => Self::Relation,
            "hasone" | "hasmany" | "hasandbelongstomany" | "system" => return None,
            _ => Self::Other,
        })
    }

    fn field_type(self) -> FieldType {
        match self {
            Self::Text => FieldType::Text,
            Self::YesNo => FieldType::Boolean,
            Self::Integer | Self::Relation => FieldType::Integer,
            Self::Decimal => FieldType::Decimal,
            Self::Date => FieldType::Date,
            Self::Time => FieldType::Timestamp,
            Self::Option => FieldType::Choice,
            Self::Set => FieldType::Choices,
            Self::Other => FieldType::Json,
        }
    }
}

/// One option of an option or set property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionDefinition {
    /// What Lime stores.
    pub key: String,
    /// What people see.
    pub text: String,
    /// The database's id of it, as text, where Lime gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// One property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    /// Its name in the database and in all JSON.
    pub name: String,
    /// What people call it.
    pub label: String,
    /// What it holds.
    pub kind: Kind,
    /// Its options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<OptionDefinition>,
    /// The limetype that a relation leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub related: Option<String>,
}

/// The properties that contacts are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Of the person.
    pub person: Vec<Property>,
    /// Of the company, where persons have one.
    pub company: Vec<Property>,
    /// What people call a company.
    pub company_label: String,
    /// The limetype of companies; empty where persons have none.
    pub company_limetype: String,
}

impl Model {
    /// The model from the session, or else from Lime.
    ///
    /// # Errors
    /// As Lime answers.
    pub fn get(api: &Api, settings: &Settings) -> Result<Self, Error> {
        let kept = session::get(SESSION_KEY).and_then(|text| serde_json::from_str(&text).ok());
        kept.map_or_else(|| Self::read(api, settings), Ok)
    }

    /// The model from Lime.
    ///
    /// # Errors
    /// As Lime answers.
    pub fn read(api: &Api, settings: &Settings) -> Result<Self, Error> {
        let person = read_limetype(api, &settings.person_limetype)?;
        let relation = person.properties.iter().find(|property| property.name == settings.company_property);
        let company = match relation.filter(|property| property.kind == Kind::Relation) {
            Some(relation) => {
                // Older answers may not name the related limetype; the base solution names both alike.
                let name = relation.related.as_deref().unwrap_or(&settings.company_property);
                Some((name.to_owned(), read_limetype(api, name)?))
            }
            None => None,
        };
        let (company_limetype, company, company_label) = company
            .map_or_else(Default::default, |(name, company)| (name, company.properties, company.label));
        let mut model = Self { person: person.properties, company, company_label, company_limetype };
        model.keep_wanted(settings);
        if let Ok(text) = serde_json::to_string(&model)
            && text.len() <= SESSION_BYTES
        {
            session::put(SESSION_KEY, &text, SESSION_SECONDS);
        }
        Ok(model)
    }

    /// Leaves out what the setting `fields` does not name. The properties of e-mail address and mobile
    /// number stay, and so does the relation to the company.
    fn keep_wanted(&mut self, settings: &Settings) {
        if settings.fields.is_empty() {
            return;
        }
        let wanted = |name: &str| settings.fields.iter().any(|field| field == name);
        self.person.retain(|property| {
            let always = [&settings.email_property, &settings.mobile_property, &settings.company_property];
            always.contains(&&property.name) || wanted(&property.name)
        });
        self.company.retain(|property| wanted(&format!("company.{}", property.name)));
    }

    /// The fields that contacts have, with those of the company under `company.`.
    pub fn fields(&self, settings: &Settings) -> Vec<FieldInfo> {
        let system = [
            ("_id", "Id", FieldType::Integer),
            ("_createdtime", "Created", FieldType::Timestamp),
            ("_timestamp", "Last changed", FieldType::Timestamp),
        ];
        let system = system.map(|(name, label, type_)| FieldInfo {
            name: name.to_owned(),
            label: label.to_owned(),
            type_,
            options: Vec::new(),
        });
        let person = self.person.iter().filter_map(|property| {
            Some(info(property, person_field(property, settings)?, property.label.clone()))
        });
        let company = self.company.iter().map(|property| {
            info(
                property,
                format!("company.{}", property.name),
                format!("{}: {}", self.company_label, property.label),
            )
        });
        system.into_iter().chain(person).chain(company).collect()
    }
}

/// The field that a property of the person is handed over as: the properties that settings name for the
/// e-mail address and the mobile number have the names that the description promises. A property that
/// would take such a name without being meant is left out.
pub fn person_field(property: &Property, settings: &Settings) -> Option<String> {
    let name = property.name.as_str();
    for (meant, field) in
        [(&settings.email_property, crate::EMAIL), (&settings.mobile_property, crate::MOBILE)]
    {
        if name == meant {
            return Some(field.to_owned());
        }
        if name == field {
            return None;
        }
    }
    Some(name.to_owned())
}

fn info(property: &Property, name: String, label: String) -> FieldInfo {
    let options = match property.kind {
        Kind::Option | Kind::Set => property.options.iter(),
        _ => [].iter(),
    };
    let options: Vec<Choice> =
        options.filter_map(|option| choice_or_none(option.key.clone(), option.text.clone())).collect();
    FieldInfo { name, label, type_: property.kind.field_type(), options }
}

/// A limetype as this connector needs it.
struct Limetype {
    label: String,
    properties: Vec<Property>,
}

fn read_limetype(api: &Api, name: &str) -> Result<Limetype, Error> {
    let what = format!("the limetype `{name}`");
    let path = format!("v1/limetype/{}/?_embed=properties", in_query(name));
    let answer: wire::Limetype = api.get(&path, &what)?.ok(&what)?.json(&what)?;
    let properties: Vec<Property> =
        answer.embedded.properties.into_iter().filter_map(wire::Property::into_property).collect();
    if properties.is_empty() {
        return Err(Error::unauthorized(format!(
            "The API user may read no property of {what}. Give it the right to read them in Lime."
        )));
    }
    let label = answer.localname.and_then(|names| names.singular).unwrap_or_else(|| name.to_owned());
    Ok(Limetype { label, properties })
}

/// Whether Lime has a limetype of this name that the user may read.
///
/// # Errors
/// As Lime answers, but for an answer that says there is none.
pub fn exists(api: &Api, name: &str) -> Result<bool, Error> {
    match read_limetype(api, name) {
        Ok(_) => Ok(true),
        Err(error) if crate::api::is_not_permitted(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Lime's answer, read leniently: which keys it has besides these is not documented.
mod wire {
    use serde::Deserialize;
    use serde_json::Value;

    #[derive(Deserialize)]
    pub(super) struct Limetype {
        #[serde(default)]
        pub(super) localname: Option<Names>,
        #[serde(default, rename = "_embedded")]
        pub(super) embedded: Embedded,
    }

    #[derive(Deserialize)]
    pub(super) struct Names {
        pub(super) singular: Option<String>,
    }

    #[derive(Default, Deserialize)]
    pub(super) struct Embedded {
        #[serde(default)]
        pub(super) properties: Vec<Property>,
    }

    #[derive(Deserialize)]
    pub(super) struct Property {
        name: String,
        #[serde(default)]
        localname: Option<String>,
        #[serde(rename = "type")]
        type_name: String,
        #[serde(default)]
        options: Option<Vec<OptionDefinition>>,
        #[serde(default, rename = "_links")]
        links: Value,
    }

    #[derive(Deserialize)]
    struct OptionDefinition {
        key: String,
        #[serde(default)]
        text: Option<String>,
        #[serde(default)]
        id: Option<i64>,
    }

    impl Property {
        pub(super) fn into_property(self) -> Option<super::Property> {
            // System properties are added by name where they are wanted.
            if self.name.starts_with('_') {
                return None;
            }
            let kind = super::Kind::of(&self.type_name)?;
            let related = self.links.pointer("/related_type/name").and_then(Value::as_str).map(str::to_owned);
            let options = match kind {
                super::Kind::Option | super::Kind::Set => self.options.unwrap_or_default(),
                // A string's options are only suggestions.
                _ => Vec::new(),
            };
            let options = options.into_iter().map(|option| super::OptionDefinition {
                key: option.key,
                text: option.text.unwrap_or_default(),
                id: option.id.map(|id| id.to_string()),
            });
            Some(super::Property {
                label: self.localname.filter(|label| !label.is_empty()).unwrap_or_else(|| self.name.clone()),
                name: self.name,
                kind,
                options: options.collect(),
                related,
            })
        }
    }
}

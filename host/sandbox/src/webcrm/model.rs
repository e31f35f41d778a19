//! The fields of the simulated webCRM, as its published API definition names them: those that tests have a use for,
//! the sensitive ones among them.

use serde_json::{Value, json};

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Person,
    Organisation,
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// The display type of `/FieldsMetadata`.
    pub(crate) display_type: &'static str,
    pub(crate) label: &'static str,
    /// Value and text.
    pub(crate) options: &'static [(&'static str, &'static str)],
}

const fn field(name: &'static str, display_type: &'static str, label: &'static str) -> Field {
    Field { name, display_type, label, options: &[] }
}

const fn choice(
    name: &'static str,
    label: &'static str,
    options: &'static [(&'static str, &'static str)],
) -> Field {
    Field { name, display_type: "L", label, options }
}

pub(crate) const STATUS: &[(&str, &str)] =
    &[("Active", "Active"), ("Resigned", "Resigned"), ("Other", "Other"), ("Guest", "Guest")];
pub(crate) const TYPES: &[(&str, &str)] =
    &[("A Kunde", "A Kunde"), ("B Kunde", "B Kunde"), ("Leverandør", "Leverandør"), ("Partner", "Partner")];

const PERSON: &[Field] = &[
    field("PersonId", "I", "Id"),
    field("PersonOrganisationId", "I", "Organisation"),
    field("PersonFirstName", "T", "First name"),
    field("PersonMiddleName", "T", "Middle name"),
    field("PersonLastName", "T", "Last name"),
    field("PersonTitle", "T", "Title"),
    field("PersonEmail", "EMA", "E-mail"),
    field("PersonEmail2", "EMA", "E-mail 2"),
    field("PersonDirectPhone", "TELE", "Direct phone"),
    field("PersonMobilePhone", "TELE", "Mobile"),
    field("PersonBirthday", "D", "Birthday"),
    choice("PersonStatus", "Status", STATUS),
    field("PersonComment", "M", "Comment"),
    field("PersonBlockMassEmail", "C", "Block mass e-mail"),
    field("PersonBlockMassEmail2", "C", "Block mass e-mail 2"),
    field("PersonEmailBounces", "C", "E-mail bounces"),
    field("PersonCheckMark1", "C", "Newsletter"),
    field("PersonCheckMark2", "C", "Invitations"),
    field("PersonCustom1", "T", "Shoe size"),
    field("PersonCustom3", "C", "Offers"),
    field("PersonPlus1", "T", "Score"),
    field("PersonPassword", "T", "Password"),
    field("PersonCampaignPassword", "T", "Campaign password"),
    field("PersonMemberPassword", "T", "Member password"),
    field("PersonLoginLog", "M", "Log-ins"),
    field("PersonCreatedAt", "DT", "Created"),
    field("PersonUpdatedAt", "DT", "Updated"),
];

const ORGANISATION: &[Field] = &[
    field("OrganisationId", "I", "Id"),
    field("OrganisationName", "T", "Name"),
    field("OrganisationStatus", "T", "Status"),
    choice("OrganisationType", "Type", TYPES),
    field("OrganisationCity", "T", "City"),
    field("OrganisationCountry", "T", "Country"),
    field("OrganisationXInt1", "I", "Employees"),
    field("OrganisationCreatedAt", "DT", "Created"),
    field("OrganisationUpdatedAt", "DT", "Updated"),
];

impl Table {
    pub(crate) const ALL: [Self; 2] = [Self::Person, Self::Organisation];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    pub(crate) fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.path() == path)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Person => "Person",
            Self::Organisation => "Organisation",
        }
    }

    /// In addresses, and in the names of events.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Person => "Persons",
            Self::Organisation => "Organisations",
        }
    }

    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Person => "PersonId",
            Self::Organisation => "OrganisationId",
        }
    }

    pub(crate) fn created_at(self) -> &'static str {
        match self {
            Self::Person => "PersonCreatedAt",
            Self::Organisation => "OrganisationCreatedAt",
        }
    }

    pub(crate) fn updated_at(self) -> &'static str {
        match self {
            Self::Person => "PersonUpdatedAt",
            Self::Organisation => "OrganisationUpdatedAt",
        }
    }

    pub(crate) fn fields(self) -> &'static [Field] {
        match self {
            Self::Person => PERSON,
            Self::Organisation => ORGANISATION,
        }
    }

    pub(crate) fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// `/FieldsMetadata/{entity type}`.
    pub(crate) fn metadata(self) -> Value {
        let described = self.fields().iter().enumerate().map(|(at, field)| {
            let options: Vec<Value> =
                field.options.iter().map(|(value, text)| json!({"Text": text, "Value": value})).collect();
            json!({
                "FieldMetadataId": at + 1,
                "FieldMetadataDbFieldName": field.name,
                "FieldMetadataFriendlyFieldName": field.name,
                "FieldMetadataLabel": field.label,
                "FieldMetadataSortOrder": at,
                "FieldMetadataTextFieldMaxLength": 255,
                "FieldMetadataDisplayType": field.display_type,
                "FieldMetadataDropdownListData": options,
            })
        });
        described.collect()
    }
}

impl Field {
    /// What a record has where nothing was set: a box that is a boolean is not ticked, a text is empty, and what is a
    /// number or a time is null.
    pub(crate) fn empty(&self) -> Value {
        let is_boolean = self.display_type == "C" && !self.name.starts_with("PersonCustom");
        match self.display_type {
            "C" if is_boolean => Value::Bool(false),
            "I" | "D" | "DT" => Value::Null,
            _ => Value::from(""),
        }
    }

    /// Whether webCRM would take a value for it.
    pub(crate) fn takes(&self, value: &Value) -> bool {
        match self.empty() {
            Value::Bool(_) => value.is_boolean(),
            Value::String(_) => value.is_string() || value.is_null(),
            _ => value.is_number() || value.is_string() || value.is_null(),
        }
    }
}

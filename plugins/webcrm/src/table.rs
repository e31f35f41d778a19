//! The two tables that contacts are made of, and the names that webCRM has for their parts.
//!
//! Scripts and paths are made of these names and of numbers alone, so that nothing that anybody typed is ever part
//! of one.

use serde::{Deserialize, Serialize};

/// A table of webCRM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Table {
    /// Persons: the contacts.
    Person,
    /// Organisations: their companies.
    Organisation,
}

impl Table {
    /// In scripts, in the names of fields, and in `/FieldsMetadata/`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "Person",
            Self::Organisation => "Organisation",
        }
    }

    /// In addresses.
    pub fn path(self) -> &'static str {
        match self {
            Self::Person => "Persons",
            Self::Organisation => "Organisations",
        }
    }

    /// The field with a record's id.
    pub fn id(self) -> &'static str {
        match self {
            Self::Person => "PersonId",
            Self::Organisation => "OrganisationId",
        }
    }

    /// The field with the time of a record's last change.
    pub fn updated_at(self) -> &'static str {
        match self {
            Self::Person => "PersonUpdatedAt",
            Self::Organisation => "OrganisationUpdatedAt",
        }
    }

    /// For sentences: what is asked for.
    pub fn what(self) -> &'static str {
        match self {
            Self::Person => "the persons",
            Self::Organisation => "the organisations",
        }
    }
}

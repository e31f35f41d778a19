//! The paths of the APSIS One API that the simulator serves (developer hub, per endpoint), and the class
//! that faults, counts and limits know each by.

use hyper::Method;

/// Where a profile is addressed: its keyspace's discriminator and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) keyspace: String,
    pub(crate) key: String,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Token,
    Keyspaces,
    Sections,
    Channels,
    Attributes { section: String },
    Tags { section: String },
    Topics { section: String },
    Folders { section: String },
    Create { keyspace: String, section: String },
    /// Attribute values of a profile, by version 1 or 2 of the API.
    Values { of: Address, section: String, v2: bool },
    Value { of: Address, section: String, version: String },
    Consents { of: Address, section: String },
    ProfileTags { of: Address, section: String },
    Profile { of: Address },
    Lock { of: Address },
    Merge,
    StartImport { section: String },
    ImportState { section: String, id: String },
    /// The S3-like address of an import's file.
    Upload,
    StartExport,
    Download { id: String },
    Unknown,
}

impl Route {
    pub(crate) fn read(segments: &[&str]) -> Self {
        let text = |text: &str| text.to_owned();
        let at = |keyspace: &str, key: &str| Address { keyspace: text(keyspace), key: text(key) };
        match segments {
            ["oauth", "token"] => Self::Token,
            ["audience", "keyspaces"] => Self::Keyspaces,
            ["audience", "sections"] => Self::Sections,
            ["audience", "channels"] => Self::Channels,
            ["audience", "sections", section, "attributes"] => Self::Attributes { section: text(section) },
            ["audience", "sections", section, "tags"] => Self::Tags { section: text(section) },
            ["audience", "sections", section, "folders"] => Self::Folders { section: text(section) },
            ["v2", "audience", "sections", section, "topics"] => Self::Topics { section: text(section) },
            ["audience", "keyspaces", keyspace, "sections", section, "profiles"] => {
                Self::Create { keyspace: text(keyspace), section: text(section) }
            }
            ["audience", "keyspaces", ks, "profiles", key, "sections", section, "attributes"] => {
                Self::Values { of: at(ks, key), section: text(section), v2: false }
            }
            ["v2", "audience", "keyspaces", ks, "profiles", key, "sections", section, "attributes"] => {
                Self::Values { of: at(ks, key), section: text(section), v2: true }
            }
            ["audience", "keyspaces", ks, "profiles", key, "sections", section, "attributes", version] => {
                Self::Value { of: at(ks, key), section: text(section), version: text(version) }
            }
            ["v2", "audience", "keyspaces", ks, "profiles", key, "sections", section, "consents"] => {
                Self::Consents { of: at(ks, key), section: text(section) }
            }
            ["audience", "keyspaces", ks, "profiles", key, "sections", section, "tags"] => {
                Self::ProfileTags { of: at(ks, key), section: text(section) }
            }
            ["audience", "keyspaces", ks, "profiles", key] => Self::Profile { of: at(ks, key) },
            ["audience", "keyspaces", ks, "profiles", key, "locks"] => Self::Lock { of: at(ks, key) },
            ["audience", "profiles", "merges"] => Self::Merge,
            ["v2", "audience", "sections", section, "imports"] => Self::StartImport { section: text(section) },
            ["audience", "sections", section, "imports", id] => {
                Self::ImportState { section: text(section), id: text(id) }
            }
            ["_s3", "imports"] => Self::Upload,
            ["audience", "profiles", "exports"] => Self::StartExport,
            ["audience", "profiles", "exports", id] => Self::Download { id: text(id) },
            _ => Self::Unknown,
        }
    }

    pub(crate) fn class(&self, method: &Method) -> &'static str {
        let reads = *method == Method::GET;
        match self {
            Self::Token => "apsis.token",
            Self::Keyspaces
            | Self::Sections
            | Self::Channels
            | Self::Attributes { .. }
            | Self::Tags { .. }
            | Self::Topics { .. }
            | Self::Folders { .. } => "apsis.definitions",
            Self::Create { .. } => "apsis.create",
            Self::Values { .. } | Self::Value { .. } if reads => "apsis.attributes.get",
            Self::Values { v2: true, .. } => "apsis.attributes.patch",
            Self::Values { .. } | Self::Value { .. } => "apsis.attributes.patch-v1",
            Self::Consents { .. } if reads => "apsis.consents.get",
            Self::Consents { .. } => "apsis.consents.post",
            Self::ProfileTags { .. } => "apsis.tags",
            Self::Profile { .. } => "apsis.delete",
            Self::Lock { .. } => "apsis.lock",
            Self::Merge => "apsis.merge",
            Self::StartImport { .. } => "apsis.import.start",
            Self::ImportState { .. } => "apsis.import.state",
            Self::Upload => "apsis.import.upload",
            Self::StartExport => "apsis.export.start",
            Self::Download { .. } => "apsis.export.download",
            Self::Unknown => "apsis.unknown",
        }
    }

    /// The profile that the request is about; limits count by it.
    pub(crate) fn address(&self) -> Option<&Address> {
        match self {
            Self::Values { of, .. }
            | Self::Value { of, .. }
            | Self::Consents { of, .. }
            | Self::ProfileTags { of, .. }
            | Self::Profile { of }
            | Self::Lock { of } => Some(of),
            _ => None,
        }
    }

    pub(crate) fn section(&self) -> Option<&str> {
        match self {
            Self::Attributes { section }
            | Self::Tags { section }
            | Self::Topics { section }
            | Self::Folders { section }
            | Self::Create { section, .. }
            | Self::Values { section, .. }
            | Self::Value { section, .. }
            | Self::Consents { section, .. }
            | Self::ProfileTags { section, .. }
            | Self::StartImport { section }
            | Self::ImportState { section, .. } => Some(section),
            _ => None,
        }
    }
}

//! The data model that the simulated Lime CRM serves: the limetypes of the base solution that the sandbox
//! has data for, plus a few properties that customers add.
//!
//! Names, types and lengths are those of Lime's own dump of its base database (lime-web-components,
//! testing package); `country` and what follows on persons, and `customertype` and its neighbours on
//! companies, are a customer's additions. `lastname` is longer than the base solution's 50 characters,
//! because the data is.

/// What a property holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    String(u32),
    Text(u32),
    Phone(u32),
    Link(u32),
    Integer,
    Decimal,
    YesNo,
    Time,
    Date,
    /// Keys and texts; the first is "no choice".
    Option(&'static [(&'static str, &'static str)]),
    BelongsTo(&'static str),
    HasMany(&'static str),
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::Text(_) => "text",
            Self::Phone(_) => "phone",
            Self::Link(_) => "link",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::YesNo => "yesno",
            Self::Time => "time",
            Self::Date => "date",
            Self::Option(_) => "option",
            Self::BelongsTo(_) => "belongsto",
            Self::HasMany(_) => "hasmany",
        }
    }

    /// The greatest number of characters, for the kinds that hold text.
    pub(crate) fn length(self) -> Option<u32> {
        match self {
            Self::String(length) | Self::Text(length) | Self::Phone(length) | Self::Link(length) => {
                Some(length)
            }
            _ => None,
        }
    }

    pub(crate) fn related(self) -> Option<&'static str> {
        match self {
            Self::BelongsTo(name) | Self::HasMany(name) => Some(name),
            _ => None,
        }
    }
}

/// One property of a limetype.
#[derive(Debug)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) localname: &'static str,
    /// Lime's semantic tag, which survives renaming.
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

/// One limetype (table).
#[derive(Debug)]
pub(crate) struct Limetype {
    pub(crate) name: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) label: &'static str,
    pub(crate) properties: &'static [Property],
}

impl Limetype {
    pub(crate) fn position(&self, property: &str) -> Option<usize> {
        self.properties.iter().position(|known| known.name == property)
    }

    pub(crate) fn property(&self, name: &str) -> Option<&'static Property> {
        self.properties.iter().find(|known| known.name == name)
    }
}

/// All limetypes, in the order in which they are listed.
pub(crate) const LIMETYPES: &[Limetype] = &[PERSON, COMPANY, CONSENT, CONSENTTYPE, CAMPAIGN, PARTICIPANT];

/// The limetypes that the consent add-on brings.
pub(crate) const CONSENT_ADD_ON: &[&str] = &["consent", "consenttype"];

pub(crate) fn limetype(name: &str) -> Option<&'static Limetype> {
    LIMETYPES.iter().find(|known| known.name == name)
}

const fn prop(name: &'static str, localname: &'static str, label: &'static str, kind: Kind) -> Property {
    Property { name, localname, label, kind, required: false }
}

const fn must(name: &'static str, localname: &'static str, label: &'static str, kind: Kind) -> Property {
    Property { name, localname, label, kind, required: true }
}

pub(crate) const LANGUAGES: &[(&str, &str)] = &[
    ("empty", ""),
    ("sv", "Svenska"),
    ("no", "Norsk"),
    ("da", "Dansk"),
    ("fi", "Suomi"),
    ("de", "Deutsch"),
    ("nl", "Nederlands"),
    ("en", "English"),
];

pub(crate) const CUSTOMER_TYPES: &[(&str, &str)] = &[
    ("empty", ""),
    ("a", "A"),
    ("b", "B"),
    ("c", "C"),
    ("prospect", "Prospect"),
    ("partner", "Partner"),
    ("former", "Former customer"),
];

const BUYING: &[(&str, &str)] = &[
    ("empty", ""),
    ("active", "Active"),
    ("notinterested", "Not interested"),
    ("excustomer", "Ex-customer"),
    ("prospect", "Prospect"),
];

pub(crate) const SOURCES: &[(&str, &str)] = &[
    ("empty", ""),
    ("coworker", "Coworker"),
    ("email", "E-mail"),
    ("portal", "Portal"),
    ("letter", "Letter"),
    ("newsletter", "Newsletter"),
    ("webform", "Webform"),
];

const CAMPAIGN_STATUS: &[(&str, &str)] = &[
    ("empty", ""),
    ("cancelled", "Cancelled"),
    ("planned", "Planned"),
    ("ongoing", "Ongoing"),
    ("finished", "Finished"),
];

const CAMPAIGN_TYPE: &[(&str, &str)] = &[
    ("empty", ""),
    ("sendout", "Send-out"),
    ("email", "E-mail"),
    ("add", "Advertisement"),
    ("dm", "Direct mail"),
    ("customeractivity", "Customer activity"),
    ("fair", "Fair"),
    ("seminary", "Seminar"),
];

pub(crate) const PARTICIPANT_STATUS: &[(&str, &str)] = &[
    ("empty", ""),
    ("accept", "Accepted"),
    ("decline", "Declined"),
    ("participated", "Participated"),
    ("invitation", "Invitation sent"),
];

const PERSON: Limetype = Limetype {
    name: "person",
    singular: "Person",
    plural: "Persons",
    label: "person",
    properties: &[
        must("firstname", "First name", "firstname", Kind::String(32)),
        prop("lastname", "Last name", "lastname", Kind::String(100)),
        prop("name", "Name", "name", Kind::String(133)),
        prop("phone", "Phone", "businesstelephonenumber", Kind::Phone(32)),
        prop("mobilephone", "Mobile phone", "mobiletelephonenumber", Kind::Phone(32)),
        prop("email", "E-mail", "primaryemailaddress", Kind::Link(100)),
        prop("position", "Position", "none", Kind::String(64)),
        prop("inactive", "Inactive", "inactive", Kind::YesNo),
        prop("company", "Company", "none", Kind::BelongsTo("company")),
        prop("emailhardbounce", "E-mail bounced", "none", Kind::YesNo),
        prop("expireddate", "Expires", "none", Kind::Time),
        prop("anonymizeddate", "Anonymized", "none", Kind::Time),
        prop("country", "Country", "country", Kind::String(64)),
        prop("city", "City", "city", Kind::String(72)),
        prop("zipcode", "Zip code", "zipcode", Kind::String(10)),
        prop("language", "Language", "none", Kind::Option(LANGUAGES)),
        prop("birthdate", "Date of birth", "none", Kind::Date),
        prop("score", "Score", "none", Kind::Integer),
        prop("visits", "Visits", "none", Kind::Integer),
        prop("potential", "Potential", "none", Kind::Decimal),
        prop("notes", "Notes", "none", Kind::Text(4000)),
        prop("consent", "Consents", "none", Kind::HasMany("consent")),
        prop("participant", "Campaigns", "none", Kind::HasMany("participant")),
    ],
};

const COMPANY: Limetype = Limetype {
    name: "company",
    singular: "Company",
    plural: "Companies",
    label: "company",
    properties: &[
        must("name", "Company name", "name", Kind::String(200)),
        prop("phone", "Phone", "businesstelephonenumber", Kind::Phone(32)),
        prop("www", "Web site", "businesshomepage", Kind::Link(100)),
        prop("registrationno", "Registration number", "companynumber", Kind::String(16)),
        prop("country", "Country", "country", Kind::String(64)),
        prop("city", "City", "city", Kind::String(72)),
        prop("zipcode", "Zip code", "zipcode", Kind::String(10)),
        prop("inactive", "Inactive", "inactive", Kind::YesNo),
        prop("buyingstatus", "Buying status", "none", Kind::Option(BUYING)),
        prop("customertype", "Customer type", "category", Kind::Option(CUSTOMER_TYPES)),
        prop("turnover", "Turnover", "none", Kind::Decimal),
        prop("person", "Persons", "none", Kind::HasMany("person")),
    ],
};

const CONSENT: Limetype = Limetype {
    name: "consent",
    singular: "Legal base & consent",
    plural: "Legal base & consent",
    label: "none",
    properties: &[
        prop("person", "Person", "none", Kind::BelongsTo("person")),
        prop("consenttype", "Legal base & consent type", "none", Kind::BelongsTo("consenttype")),
        prop("approved", "Approved", "none", Kind::YesNo),
        must("date", "Date", "none", Kind::Time),
        must("source", "Source", "none", Kind::Option(SOURCES)),
        prop("note", "Note", "none", Kind::Text(4000)),
    ],
};

const CONSENTTYPE: Limetype = Limetype {
    name: "consenttype",
    singular: "Legal base & consent type",
    plural: "Legal base & consent types",
    label: "none",
    properties: &[
        must("title", "Title", "none", Kind::String(512)),
        prop("description", "Description", "none", Kind::Text(4000)),
        prop("active", "Active", "none", Kind::YesNo),
        prop("readonly", "Read only", "none", Kind::YesNo),
        prop("default", "Default when new", "none", Kind::YesNo),
        prop("consent", "Consents", "none", Kind::HasMany("consent")),
    ],
};

const CAMPAIGN: Limetype = Limetype {
    name: "campaign",
    singular: "Campaign",
    plural: "Campaigns",
    label: "campaign",
    properties: &[
        must("name", "Name", "name", Kind::String(128)),
        prop("campaignstatus", "Status", "none", Kind::Option(CAMPAIGN_STATUS)),
        prop("type", "Type", "none", Kind::Option(CAMPAIGN_TYPE)),
        prop("location", "Location", "none", Kind::String(64)),
        prop("startdate", "Start", "none", Kind::Time),
        prop("enddate", "End", "none", Kind::Time),
        must("budget", "Budget", "none", Kind::Decimal),
        must("outcome", "Outcome", "none", Kind::Decimal),
        prop("purpose", "Purpose", "none", Kind::String(256)),
        prop("participant", "Participants", "none", Kind::HasMany("participant")),
    ],
};

const PARTICIPANT: Limetype = Limetype {
    name: "participant",
    singular: "Participant",
    plural: "Participants",
    label: "none",
    properties: &[
        prop("person", "Person", "none", Kind::BelongsTo("person")),
        prop("campaign", "Campaign", "none", Kind::BelongsTo("campaign")),
        prop("participantstatus", "Status", "none", Kind::Option(PARTICIPANT_STATUS)),
        prop("misc", "Miscellaneous", "none", Kind::Text(512)),
    ],
};

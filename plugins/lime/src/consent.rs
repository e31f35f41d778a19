//! The consent add-on: which answer of a person holds, and which records can belong to nobody.
//!
//! As Lime's page on the add-on says: of several records for one person and type the newest created
//! holds; withdrawing changes `approved` on the record that is there. Inferred: records created at the
//! same moment are told apart by the greater id; a value that is not set comes as null, so that a record
//! without the property at all is one whose property the API user may not read. Such a record must not
//! read as a refusal: it would opt everybody out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};
use sluice_sdk::paging::Filled;
use sluice_sdk::{Consent, ConsentInfo, Discard, DiscardReason, Error};

use crate::Lime;
use crate::api::status;
use crate::person::Person;
use crate::query::{Query, last_id, plain};
use crate::record::{Record, unreadable_property};
use crate::settings::{ConsentSource, Settings};

/// For sentences.
pub const WHAT: &str = "the consents";

/// How many persons one query names.
const PERSONS_A_QUERY: usize = 200;

/// The sentence for an add-on that cannot be read.
pub const MISSING: &str = "The consents cannot be read: Lime's consent add-on is not installed, or its limetypes and \
     properties have other names, or the API user may not read them. Install the add-on or correct the settings that \
     begin with `consent`; or set `consents` to `fields` and map a yesno field of the person instead.";

/// One record of the add-on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The record's id.
    pub id: i64,
    /// Whose it is.
    pub person: Option<i64>,
    /// The consent type.
    pub consent_type: Option<i64>,
    /// Whether it is given; nothing there is not given.
    pub approved: bool,
    /// When it was given or changed.
    pub date: Option<Timestamp>,
    /// When the record was made.
    pub created: Option<Timestamp>,
    /// When the record was last changed in any way.
    pub changed: Option<Timestamp>,
}

impl Answer {
    /// Reads a record of the query API or the limeobject list, after [`check`], or of a delivery, which
    /// decides about nothing but what is to be read again.
    pub fn read(id: i64, record: &Record, settings: &Settings, zone: &TimeZone) -> Self {
        let date = record.text(&settings.consent_date_property);
        Self {
            id,
            person: record.related(&settings.consent_person_property),
            consent_type: record.related(&settings.consent_type_property),
            approved: record.yesno(&settings.consent_approved_property).unwrap_or(false),
            date: date.and_then(|text| sluice_sdk::time::to_utc(&text, zone)),
            created: record.system_time("createdtime", zone),
            changed: record.system_time("timestamp", zone),
        }
    }

    /// What a record is discarded for, if it lacks its person or its type.
    pub fn discard(&self) -> Option<Discard> {
        let (reason, message) = match (self.person, self.consent_type) {
            (None, _) => (
                DiscardReason::MissingPerson,
                "The consent has no person in Lime. Give it its person or delete it, then start a full sync.",
            ),
            (_, None) => (
                DiscardReason::MissingConsentType,
                "The consent has no consent type in Lime. Give it its type or delete it, then start a full sync.",
            ),
            _ => return None,
        };
        Some(Discard { subject: Some(format!("consent {}", self.id)), reason, message: message.to_owned() })
    }

    /// When the answer was given: the date that the record says; the moment it was made, where it says
    /// none. Not when the record was last changed: that moves with a note, and would make an old answer
    /// look newer than an opt-out in APSIS One.
    fn answered_at(&self) -> Option<Timestamp> {
        self.date.or(self.created)
    }
}

/// Whether a record has all that an answer is made of.
///
/// # Errors
/// `misconfigured` where a property is missing, or `approved` is of another type.
pub fn check(record: &Record, settings: &Settings) -> Result<(), Error> {
    let limetype = &settings.consent_limetype;
    for (property, setting) in [
        (&settings.consent_person_property, "consent-person-property"),
        (&settings.consent_type_property, "consent-type-property"),
        (&settings.consent_approved_property, "consent-approved-property"),
    ] {
        if record.raw(property).is_none() {
            return Err(unreadable_property(limetype, property, setting));
        }
    }
    let approved = &settings.consent_approved_property;
    let is_set = record.raw(approved).is_some_and(|raw| raw.get() != "null");
    if is_set && record.yesno(approved).is_none() {
        return Err(Error::misconfigured(format!(
            "The property `{approved}` of the limetype `{limetype}` is no yesno property. Correct the setting \
             `consent-approved-property`."
        )));
    }
    Ok(())
}

/// For each person the answers that hold, by consent type.
pub fn newest(answers: impl IntoIterator<Item = Answer>) -> BTreeMap<i64, BTreeMap<i64, Answer>> {
    let mut holding: BTreeMap<i64, BTreeMap<i64, Answer>> = BTreeMap::new();
    for answer in answers {
        let (Some(person), Some(consent_type)) = (answer.person, answer.consent_type) else { continue };
        let of_person = holding.entry(person).or_default();
        match of_person.get(&consent_type) {
            Some(held) if (held.created, held.id) >= (answer.created, answer.id) => {}
            _ => {
                of_person.insert(consent_type, answer);
            }
        }
    }
    holding
}

/// Joins the answers to their persons, and the moment of the newest change to the contact's.
pub fn join(persons: Vec<Person>, answers: impl IntoIterator<Item = Answer>) -> Vec<sluice_sdk::Contact> {
    let mut holding = newest(answers);
    let with_consents = persons.into_iter().map(|person| {
        let Person { id, mut contact, modified } = person;
        let answers = holding.remove(&id).unwrap_or_default();
        let newest = answers.values().map(|answer| answer.changed).max().flatten().max(modified);
        contact.modified_at = newest.map(|at| at.to_string());
        contact.consents = answers
            .into_iter()
            .map(|(consent_type, answer)| Consent {
                name: consent_type.to_string(),
                channel: None,
                given: answer.approved,
                changed_at: answer.answered_at().map(|at| at.to_string()),
            })
            .collect();
        contact
    });
    with_consents.collect()
}

impl Lime {
    /// Whether consents are read from the add-on.
    pub(crate) fn reads_consents(&self) -> bool {
        self.settings.consents == ConsentSource::AddOn
    }

    /// A query for consents.
    pub(crate) fn consents(&self, filter: Option<Json>) -> Query<'_> {
        let is = &self.settings;
        let mut object = plain(["_id", "_createdtime", "_timestamp"]);
        object.extend(plain([
            is.consent_person_property.as_str(),
            is.consent_type_property.as_str(),
            is.consent_approved_property.as_str(),
            is.consent_date_property.as_str(),
        ]));
        Query { limetype: &is.consent_limetype, object, filter, what: WHAT }
    }

    /// # Errors
    /// As [`check`].
    pub(crate) fn answers(&self, records: &[Record]) -> Result<Vec<Answer>, Error> {
        records.iter().try_for_each(|record| check(record, &self.settings))?;
        let read = |record: &Record| Some(Answer::read(record.id()?, record, &self.settings, &self.zone));
        Ok(records.iter().filter_map(read).collect())
    }

    /// The persons with their consents, by queries over many persons.
    pub(crate) fn with_consents(
        &self,
        persons: Vec<Person>,
        filled: &mut Filled,
    ) -> Result<Vec<sluice_sdk::Contact>, Error> {
        let mut answers = Vec::new();
        if self.reads_consents() {
            let ids: Vec<i64> = persons.iter().map(|person| person.id).collect();
            for some in ids.chunks(PERSONS_A_QUERY) {
                let of_persons =
                    json!({"key": self.settings.consent_person_property, "op": "IN", "exp": some});
                let records =
                    self.consents(Some(of_persons)).all(&self.api, self.page_size(u32::MAX), filled);
                answers.extend(self.answers(&records.map_err(unreadable)?)?);
            }
        }
        Ok(join(persons, answers))
    }

    /// One page of the consents that lack their person or their type; the id to go on after, if any.
    pub(crate) fn orphans(
        &self,
        after: i64,
        limit: u32,
        filled: &mut Filled,
    ) -> Result<(Vec<Discard>, Option<i64>), Error> {
        let is = &self.settings;
        let lacks = |property: &str| json!({"key": property, "op": "=", "exp": null});
        let filter = json!({"op": "OR", "exp": [
            lacks(&is.consent_person_property), lacks(&is.consent_type_property)]});
        let asked = self.page_size(limit);
        let records = match self.consents(Some(filter)).page(&self.api, after, asked) {
            // A server that cannot compare a relation with null shows all consents instead.
            Err(error) if status(&error) == Some(400) => self.consents(None).page(&self.api, after, asked),
            result => result,
        };
        let records = records.map_err(unreadable)?;
        let last = filled.was_last(asked, records.len());
        let next = if last { None } else { last_id(&records, WHAT)? };
        Ok((self.answers(&records)?.iter().filter_map(Answer::discard).collect(), next))
    }

    /// The consent types, by id: titles are edited and translated.
    pub(crate) fn consent_types(&self) -> Result<Vec<ConsentInfo>, Error> {
        let is = &self.settings;
        let (title, active) =
            (is.consenttype_title_property.as_str(), is.consenttype_active_property.as_str());
        let query = Query {
            limetype: &is.consenttype_limetype,
            object: plain(["_id", title, active]),
            filter: None,
            what: "the consent types",
        };
        let records = match query.all(&self.api, self.page_size(u32::MAX), &mut Filled::default()) {
            Err(error) if crate::api::is_not_permitted(&error) => {
                crate::list::all(&self.api, &is.consenttype_limetype, "the consent types").map_err(|_| error)
            }
            result => result,
        };
        let infos = records.map_err(unreadable)?.into_iter().filter_map(|record| {
            let id = record.id()?;
            let label =
                record.text(title).filter(|title| !title.is_empty()).unwrap_or_else(|| id.to_string());
            let label = match record.yesno(active) {
                Some(false) => format!("{label} (not in use)"),
                _ => label,
            };
            Some(ConsentInfo { name: id.to_string(), label })
        });
        Ok(infos.collect())
    }
}

/// The persons of one page, for looking their consents up.
pub fn persons_of(answers: &[Answer]) -> BTreeSet<i64> {
    answers.iter().filter_map(|answer| answer.person).collect()
}

/// A refusal of the consents after the persons could be read is a matter of the add-on.
pub fn unreadable(error: Error) -> Error {
    match status(&error) {
        Some(http @ (400 | 403 | 404)) => Error::misconfigured(MISSING).with("http.status", http.to_string()),
        _ => error,
    }
}

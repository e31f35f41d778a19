//! Reading all persons, and those that changed.
//!
//! Persons first, page by page in the order of their ids, each page with its consents; then, once, the
//! consents that lack their person or their type. Nothing is held from page to page but the cursor, which
//! says how far the ids have been read: a person that is added comes later, one that is deleted moves no
//! other.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_sdk::paging::{Filled, read_cursor, write_cursor};
use sluice_sdk::{Contact, Discard, Error, Page, log};

use crate::Lime;
use crate::api::{is_not_permitted, status};
use crate::consent::{self, persons_of, unreadable};
use crate::limetype::Model;
use crate::list;
use crate::person::{self, Person};
use crate::query::last_id;
use crate::record::Record;

/// Where a scan was left.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "at")]
enum Place {
    /// Persons with a greater id are still to come.
    Persons { after: i64, filled: Filled },
    /// Consents with a greater id are still to be looked through.
    Consents { after: i64, filled: Filled },
    /// As `Persons`, from the limeobject list.
    PersonList { list: list::Place },
    /// As `Consents`, from the limeobject list.
    ConsentList { list: list::Place },
}

impl Default for Place {
    fn default() -> Self {
        Self::Persons { after: 0, filled: Filled::default() }
    }
}

/// Where a scan of what changed was left.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "at")]
enum ChangedPlace {
    /// Persons that changed, or whose company did.
    Persons { after: i64, filled: Filled },
    /// Persons of consents that changed.
    Consents { after: i64, filled: Filled },
}

impl Default for ChangedPlace {
    fn default() -> Self {
        Self::Persons { after: 0, filled: Filled::default() }
    }
}

impl Lime {
    pub(crate) fn scan_page(&self, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        match read_cursor(after)? {
            Place::Persons { after, filled } => self.persons_page(after, limit, filled),
            Place::Consents { after, filled } => self.consents_page(Vec::new(), after, limit, filled),
            Place::PersonList { list } => self.person_list_page(list, limit),
            Place::ConsentList { list } => self.consent_list_page(Vec::new(), list, limit),
        }
    }

    fn persons_page(&self, after: i64, limit: u32, mut filled: Filled) -> Result<Page, Error> {
        let asked = self.page_size(limit);
        let read = self.with_model(|model| {
            let records = self.persons(model, None).page(&self.api, after, asked)?;
            self.read_persons(&records, model)
        });
        let persons = match read {
            Err(error) if after == 0 && is_not_permitted(&error) => {
                log::warn(
                    "Lime Query is not permitted to the API user: persons are read from the limeobject list, which is slower.",
                );
                return self.person_list_page(list::Place::default(), limit);
            }
            result => result?,
        };
        let last = filled.was_last(asked, persons.len());
        let next = persons.iter().map(|person| person.id).max().unwrap_or(after);
        let contacts = self.with_consents(persons, &mut filled)?;
        match (last, self.reads_consents()) {
            (false, _) => page(contacts, Vec::new(), Some(Place::Persons { after: next, filled })),
            (true, true) => self.consents_page(contacts, 0, limit, filled),
            (true, false) => page(contacts, Vec::new(), None::<Place>),
        }
    }

    fn consents_page(
        &self,
        contacts: Vec<Contact>,
        after: i64,
        limit: u32,
        mut filled: Filled,
    ) -> Result<Page, Error> {
        let (discarded, next) = self.orphans(after, limit, &mut filled)?;
        page(contacts, discarded, next.map(|after| Place::Consents { after, filled }))
    }

    fn person_list_page(&self, place: list::Place, limit: u32) -> Result<Page, Error> {
        let limetype = &self.settings.person_limetype;
        let (persons, next) = self.with_model(|model| {
            let embed = self.embed(model);
            let (records, next) = list::page(&self.api, limetype, &embed, place, limit, person::WHAT)?;
            Ok((self.read_persons(&self.embedded(records), model)?, next))
        })?;
        let contacts = self.with_listed_consents(persons)?;
        match (next, self.reads_consents()) {
            (Some(list), _) => page(contacts, Vec::new(), Some(Place::PersonList { list })),
            (None, true) => self.consent_list_page(contacts, list::Place::default(), limit),
            (None, false) => page(contacts, Vec::new(), None::<Place>),
        }
    }

    fn consent_list_page(
        &self,
        contacts: Vec<Contact>,
        place: list::Place,
        limit: u32,
    ) -> Result<Page, Error> {
        let limetype = &self.settings.consent_limetype;
        let (records, next) =
            list::page(&self.api, limetype, "", place, limit, consent::WHAT).map_err(unreadable)?;
        let discarded = self.answers(&records)?.iter().filter_map(consent::Answer::discard).collect();
        page(contacts, discarded, next.map(|list| Place::ConsentList { list }))
    }

    /// The consents of a page of listed persons: those of all persons between the first and the last of
    /// them, since a list can be filtered by a range but not by many values. Inferred: that a range over a
    /// relation compares the ids.
    fn with_listed_consents(&self, persons: Vec<Person>) -> Result<Vec<Contact>, Error> {
        let ids: BTreeSet<i64> = persons.iter().map(|person| person.id).collect();
        let mut answers = Vec::new();
        if let (true, Some(first), Some(last)) = (self.reads_consents(), ids.first(), ids.last()) {
            let property = &self.settings.consent_person_property;
            let range = format!("&min-{property}={first}&max-{property}={last}");
            let limetype = &self.settings.consent_limetype;
            let records = list::matching(&self.api, limetype, &range, consent::WHAT).map_err(unreadable)?;
            answers = self.answers(&records)?;
        }
        Ok(consent::join(persons, answers))
    }

    fn embed(&self, model: &Model) -> String {
        let company = &self.settings.company_property;
        if person::embeds_company(model, &self.settings) {
            format!("&_embed={company}")
        } else {
            String::new()
        }
    }

    fn embedded(&self, records: Vec<Record>) -> Vec<Record> {
        let company = &self.settings.company_property;
        records.into_iter().map(|record| record.with_embedded(company)).collect()
    }

    fn read_persons(&self, records: &[Record], model: &Model) -> Result<Vec<Person>, Error> {
        records.iter().map(|record| person::read(record, model, &self.settings, &self.zone)).collect()
    }

    /// Contacts by id. Without Lime Query each is asked for by itself: Lime's list cannot be filtered by
    /// many ids.
    pub(crate) fn contacts(&self, ids: &BTreeSet<i64>) -> Result<Vec<Contact>, Error> {
        let mut filled = Filled::default();
        match self.with_model(|model| person::by_ids(self, model, ids, &mut filled)) {
            Ok(persons) => self.with_consents(persons, &mut filled),
            Err(error) if is_not_permitted(&error) => self.listed_contacts(ids),
            Err(error) => Err(error),
        }
    }

    fn listed_contacts(&self, ids: &BTreeSet<i64>) -> Result<Vec<Contact>, Error> {
        let mut contacts = Vec::new();
        for id in ids {
            let found = self.with_model(|model| {
                let limetype = &self.settings.person_limetype;
                let embed = self.embed(model);
                let path = format!("v1/limeobject/{limetype}/{id}/?{}", embed.trim_start_matches('&'));
                let reply = self.api.get(&path, person::WHAT)?;
                if reply.status() == 404 {
                    return Ok(None);
                }
                let record: Record = reply.ok(person::WHAT)?.json(person::WHAT)?;
                let record = record.with_embedded(&self.settings.company_property);
                person::read(&record, model, &self.settings, &self.zone).map(Some)
            })?;
            contacts.extend(self.with_listed_consents(found.into_iter().collect())?);
        }
        Ok(contacts)
    }

    /// Does something with the customer's model. One that was kept from before may name a property that is
    /// gone, which Lime refuses with 400: then once more with a new one.
    pub(crate) fn with_model<T>(&self, mut act: impl FnMut(&Model) -> Result<T, Error>) -> Result<T, Error> {
        let model = Model::get(&self.api, &self.settings)?;
        match act(&model) {
            Err(error) if status(&error) == Some(400) => {
                let fresh = Model::read(&self.api, &self.settings)?;
                if fresh == model { Err(error) } else { act(&fresh) }
            }
            result => result,
        }
    }

    /// A page of the contacts that changed since a moment: the persons that did or whose company did, then
    /// the persons of consents that did. A person of the second kind that also changed itself was already
    /// among the first; one with several changed consents may come once for each page of them.
    pub(crate) fn changed_page(&self, since: &str, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        let since: Timestamp = since.parse().map_err(|_| {
            Error::malformed("The host asked for changes since what is no moment. Report it.")
        })?;
        // Lime stores times rounded to a three-hundredth of a second; a second covers that.
        let since = since.checked_sub(SignedDuration::from_secs(1)).unwrap_or(since).to_string();
        let changed = |key: &str| json!({"key": key, "op": ">=", "exp": since});
        let asked = self.page_size(limit);
        let result = match read_cursor(after)? {
            ChangedPlace::Persons { after, mut filled } => {
                let persons = self.with_model(|model| {
                    let mut filter = changed("_timestamp");
                    if !model.company.is_empty() {
                        let company = changed(&format!("{}._timestamp", self.settings.company_property));
                        filter = json!({"op": "OR", "exp": [filter, company]});
                    }
                    let records = self.persons(model, Some(filter)).page(&self.api, after, asked)?;
                    self.read_persons(&records, model)
                });
                persons.and_then(|persons| {
                    let next = persons.iter().map(|person| person.id).max().unwrap_or(after);
                    let place = match (filled.was_last(asked, persons.len()), self.reads_consents()) {
                        (false, _) => Some(ChangedPlace::Persons { after: next, filled }),
                        (true, true) => Some(ChangedPlace::Consents { after: 0, filled }),
                        (true, false) => None,
                    };
                    page(self.with_consents(persons, &mut filled)?, Vec::new(), place)
                })
            }
            ChangedPlace::Consents { after, mut filled } => {
                let records = self.consents(Some(changed("_timestamp"))).page(&self.api, after, asked);
                records.and_then(|records| {
                    let next = last_id(&records, consent::WHAT)?.unwrap_or(after);
                    let last = filled.was_last(asked, records.len());
                    let answers = self.answers(&records)?;
                    let contacts = self.contacts(&persons_of(&answers))?;
                    let discarded = answers.iter().filter_map(consent::Answer::discard).collect();
                    page(
                        contacts,
                        discarded,
                        (!last).then_some(ChangedPlace::Consents { after: next, filled }),
                    )
                })
            }
        };
        result.map_err(|error| match is_not_permitted(&error) {
            true => Error::unsupported(
                "Without Lime Query, Lime cannot say what changed. Give the API user the right to use it, or start a \
                 full sync.",
            ),
            false => error,
        })
    }
}

/// A page; Lime never says how many there are in all.
fn page<P: Serialize>(
    contacts: Vec<Contact>,
    discarded: Vec<Discard>,
    next: Option<P>,
) -> Result<Page, Error> {
    let next = next.map(|place| write_cursor(&place)).transpose()?;
    Ok(Page { contacts, discarded, next, total: None })
}

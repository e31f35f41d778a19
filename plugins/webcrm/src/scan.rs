//! Reading all persons, those that changed, and some by id.
//!
//! Persons come in the order of their ids, each page after the last id of the one before, by query, or from the list
//! where queries are refused. Nothing is held from page to page but the cursor.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sluice_sdk::paging::{Filled, read_cursor, write_cursor};
use sluice_sdk::{Contact, Error, Page, log};

use crate::WebCrm;
use crate::company::one;
use crate::inferred::is_refused;
use crate::list;
use crate::metadata::Model;
use crate::query::{Condition, Query};
use crate::record::ids;
use crate::table::Table;

/// Persons on a page of the list where their organisations may have to be asked for one by one: a call may make 200
/// requests.
const LISTED_WITH_COMPANIES: u32 = 100;

/// How far before a moment changes are looked for: the clocks of the servers behind webCRM, and what was being saved
/// just then.
const OVERLAP: SignedDuration = SignedDuration::from_mins(2);

/// Organisations whose persons are read together.
const COMPANIES_AT_ONCE: u32 = 25;

/// Where a scan was left.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
enum Place {
    Query { after: i64, filled: Filled },
    List(list::Place),
}

impl Default for Place {
    fn default() -> Self {
        Self::Query { after: 0, filled: Filled::default() }
    }
}

/// Where a scan of what changed was left.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "at")]
enum ChangedPlace {
    /// Persons that changed.
    Persons { after: i64, filled: Filled },
    /// Persons of organisations that changed: of these, and then of those with a greater id.
    Companies { of: Vec<i64>, after: i64, filled: Filled },
}

impl Default for ChangedPlace {
    fn default() -> Self {
        Self::Persons { after: 0, filled: Filled::default() }
    }
}

impl WebCrm {
    pub(crate) fn scan_page(&self, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        let model = Model::get(&self.api, &self.settings)?;
        match read_cursor(after)? {
            Place::Query { after, filled } => match self.queried_page(after, filled, limit, &model) {
                // Only at the beginning: halfway, the persons before would come again.
                Err(error) if after == 0 && is_refused(&error) => {
                    log::warn("webCRM refuses queries: persons are read from its list, which is slower.");
                    self.listed_page(list::Place::beginning(self.settings.page_size), limit, &model)
                }
                page => page,
            },
            Place::List(place) => self.listed_page(place, limit, &model),
        }
    }

    fn queried_page(&self, after: i64, mut filled: Filled, limit: u32, model: &Model) -> Result<Page, Error> {
        let asked = self.page_size(limit);
        let query = Query { table: Table::Person, condition: None };
        let records = query.page(&self.api, after, asked)?;
        let next = ids(&records, Table::Person)?.last().copied().unwrap_or(after);
        if after == 0 {
            // Whether ids are compared at all shows only behind an id, and halfway would be too late to read otherwise.
            query.page(&self.api, next, 1)?;
        }
        let last = filled.was_last(asked, records.len());
        let contacts = self.contacts(&records, model)?;
        page(contacts, (!last).then_some(Place::Query { after: next, filled }))
    }

    fn listed_page(&self, place: list::Place, limit: u32, model: &Model) -> Result<Page, Error> {
        let most = if model.company.is_empty() { limit } else { limit.min(LISTED_WITH_COMPANIES) };
        let (records, next) = list::page(&self.api, place, most)?;
        page(self.contacts(&records, model)?, next.map(Place::List))
    }

    /// A page of the contacts that changed since a moment: the persons that did, then the persons of organisations that
    /// did, who may come twice if both did. In the order of ids rather than of the changes: whoever changes again while
    /// the pages are read stays where it is.
    pub(crate) fn changed_page(&self, since: &str, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        let since: Timestamp = since.parse().map_err(|_| {
            Error::malformed("The host asked for changes since what is no moment. Report it.")
        })?;
        let since = since.checked_sub(OVERLAP).unwrap_or(since);
        let model = Model::get(&self.api, &self.settings)?;
        let asked = self.page_size(limit);
        let result = match read_cursor(after)? {
            ChangedPlace::Persons { after, filled } => {
                self.changed_persons(since, after, filled, asked, &model)
            }
            ChangedPlace::Companies { of, after, filled } => {
                self.persons_of_changed(since, of, after, filled, asked, &model)
            }
        };
        result.map_err(|error| match is_refused(&error) {
            true => Error::unsupported(
                "webCRM refuses queries, and so cannot say what changed. Start a full sync, or ask webCRM to permit \
                 /Queries to the application token.",
            ),
            false => error,
        })
    }

    fn changed_persons(
        &self,
        since: Timestamp,
        after: i64,
        mut filled: Filled,
        asked: u32,
        model: &Model,
    ) -> Result<Page, Error> {
        let condition = Some(Condition::changed_since(Table::Person, since));
        let records = Query { table: Table::Person, condition }.page(&self.api, after, asked)?;
        let after = ids(&records, Table::Person)?.last().copied().unwrap_or(after);
        let place = match (filled.was_last(asked, records.len()), model.company.is_empty()) {
            (false, _) => Some(ChangedPlace::Persons { after, filled }),
            (true, true) => None,
            (true, false) => self.next_companies(since, 0)?,
        };
        page(self.contacts(&records, model)?, place)
    }

    fn persons_of_changed(
        &self,
        since: Timestamp,
        of: Vec<i64>,
        after: i64,
        mut filled: Filled,
        asked: u32,
        model: &Model,
    ) -> Result<Page, Error> {
        let condition = Some(Condition::of_organisations(&of));
        let records = Query { table: Table::Person, condition }.page(&self.api, after, asked)?;
        let after = ids(&records, Table::Person)?.last().copied().unwrap_or(after);
        let place = if filled.was_last(asked, records.len()) {
            self.next_companies(since, of.last().copied().unwrap_or(i64::MAX))?
        } else {
            Some(ChangedPlace::Companies { of, after, filled })
        };
        page(self.contacts(&records, model)?, place)
    }

    /// The next organisations that changed, if there are any.
    fn next_companies(&self, since: Timestamp, after: i64) -> Result<Option<ChangedPlace>, Error> {
        let condition = Some(Condition::changed_since(Table::Organisation, since));
        let query = Query { table: Table::Organisation, condition };
        let of = ids(&query.page(&self.api, after, COMPANIES_AT_ONCE)?, Table::Organisation)?;
        let place = ChangedPlace::Companies { of: of.clone(), after: 0, filled: Filled::default() };
        Ok((!of.is_empty()).then_some(place))
    }

    /// Contacts by id, each asked for by itself: that is the state of now, which a query might not have yet.
    pub(crate) fn contacts_by_id(&self, ids: &BTreeSet<i64>) -> Result<Vec<Contact>, Error> {
        let mut persons = Vec::new();
        for id in ids {
            persons.extend(one(&self.api, Table::Person, *id)?);
        }
        if persons.is_empty() {
            return Ok(Vec::new());
        }
        self.contacts(&persons, &Model::get(&self.api, &self.settings)?)
    }
}

/// A page; webCRM never says how many there are in all.
fn page<P: Serialize>(contacts: Vec<Contact>, next: Option<P>) -> Result<Page, Error> {
    let next = next.map(|place| write_cursor(&place)).transpose()?;
    Ok(Page { contacts, discarded: Vec::new(), next, total: None })
}

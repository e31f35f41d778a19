//! Organisations: joined to their persons, and the persons of one that changed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sluice_sdk::paging::{Filled, read_cursor, write_cursor};
use sluice_sdk::{Error, Sharers};

use crate::WebCrm;
use crate::api::{Api, ok};
use crate::inferred::is_refused;
use crate::metadata::Model;
use crate::query::{Condition, IDS_A_SCRIPT, Query};
use crate::record::{Record, ids};
use crate::table::Table;

/// Up to so many organisations are asked for one by one.
const FEW: usize = 3;

/// Records on a page of the list of organisations: the most that webCRM gives.
const LISTED: usize = 1000;

/// Pages of that list that a call reads at most, so that all of it stays far below a call's limits.
const PAGES: usize = 20;

/// A page of the list is worth so many organisations that are asked for one by one.
const WORTH: usize = 4;

/// What a discarded delivery calls an organisation.
const SUBJECT: &str = "company";

/// Organisations by id; one that is not there is left out.
pub type Companies = BTreeMap<i64, Record>;

/// The organisation that a person belongs to.
pub fn of_person(record: &Record) -> Option<i64> {
    record.integer("PersonOrganisationId").filter(|id| *id > 0)
}

/// The organisations of these persons. Many are asked for by query, or looked for in the list; what neither gives is
/// asked for by itself, so that a query that is refused or understood otherwise than meant, and a list that shifts while
/// it is read, leave nobody without a company.
///
/// # Errors
/// As webCRM answers.
pub fn of_persons(api: &Api, persons: &[Record], model: &Model) -> Result<Companies, Error> {
    if model.company.is_empty() {
        return Ok(Companies::new());
    }
    let wanted: BTreeSet<i64> = persons.iter().filter_map(of_person).collect();
    let mut found = Companies::new();
    if wanted.len() > FEW {
        let all: Vec<i64> = wanted.iter().copied().collect();
        for some in all.chunks(IDS_A_SCRIPT) {
            match queried(api, some) {
                Err(error) if is_refused(&error) => break,
                records => found.extend(records?),
            }
        }
    }
    look_through_list(api, &wanted, &mut found)?;
    for id in wanted {
        if !found.contains_key(&id)
            && let Some(record) = one(api, Table::Organisation, id)?
        {
            found.insert(id, record);
        }
    }
    Ok(found)
}

/// As far as that takes fewer requests than asking one by one.
fn look_through_list(api: &Api, wanted: &BTreeSet<i64>, found: &mut Companies) -> Result<(), Error> {
    let missing = wanted.len().saturating_sub(found.len());
    for page in 1..=(missing / WORTH).min(PAGES) {
        let path = format!("Organisations?Page={page}&Size={LISTED}");
        let records: Vec<Record> = api.read(&path, Table::Organisation.what())?;
        let is_last = records.len() < LISTED;
        for record in records {
            let id = record.id(Table::Organisation)?;
            if wanted.contains(&id) {
                found.insert(id, record);
            }
        }
        if is_last || found.len() >= wanted.len() {
            break;
        }
    }
    Ok(())
}

fn queried(api: &Api, some: &[i64]) -> Result<Companies, Error> {
    let query =
        Query { table: Table::Organisation, condition: Some(Condition::one_of(Table::Organisation, some)) };
    let records = query.page(api, 0, u32::try_from(some.len()).unwrap_or(1))?;
    let ids = ids(&records, Table::Organisation)?;
    Ok(ids.into_iter().zip(records).filter(|(id, _)| some.contains(id)).collect())
}

/// One record, as it is now; none where it is not there.
///
/// # Errors
/// As webCRM answers.
pub fn one(api: &Api, table: Table, id: i64) -> Result<Option<Record>, Error> {
    let what = table.what();
    let reply = api.get(&format!("{}/{id}", table.path()), what)?;
    match reply.status() {
        // 204 and null were not seen; a web API of this kind may say so that there is nothing.
        404 | 204 => Ok(None),
        _ => ok(reply, what)?.json(what),
    }
}

/// What a delivery about an organisation is discarded under.
pub fn subject(id: i64) -> String {
    format!("{SUBJECT} {id}")
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
enum Place {
    Query { after: i64, filled: Filled },
    List { after: i64 },
}

impl Default for Place {
    fn default() -> Self {
        Self::Query { after: 0, filled: Filled::default() }
    }
}

impl WebCrm {
    /// A page of the ids of an organisation's persons; none if persons show nothing of it.
    pub(crate) fn persons_of(
        &self,
        subject: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Sharers, Error> {
        let id = subject.strip_prefix(SUBJECT).and_then(|id| id.trim().parse::<i64>().ok());
        let joins = !Model::get(&self.api, &self.settings)?.company.is_empty();
        let Some(id) = id.filter(|_| joins) else {
            return Ok(Sharers { contacts: Vec::new(), next: None });
        };
        match read_cursor(after)? {
            Place::Query { after, filled } => match self.queried_persons_of(id, after, filled, limit) {
                Err(error) if after == 0 && is_refused(&error) => self.listed_persons_of(id, 0, limit),
                page => page,
            },
            Place::List { after } => self.listed_persons_of(id, after, limit),
        }
    }

    fn queried_persons_of(
        &self,
        organisation: i64,
        after: i64,
        mut filled: Filled,
        limit: u32,
    ) -> Result<Sharers, Error> {
        let condition = Some(Condition::of_organisations(&[organisation]));
        let asked = self.page_size(limit);
        let records = Query { table: Table::Person, condition }.page(&self.api, after, asked)?;
        let found = ids(&records, Table::Person)?;
        let last = filled.was_last(asked, found.len());
        let after = found.last().copied().unwrap_or(after);
        sharers(&found, (!last).then_some(Place::Query { after, filled }))
    }

    /// From the organisation's own list of persons, which is as short as an organisation has people.
    fn listed_persons_of(&self, organisation: i64, after: i64, limit: u32) -> Result<Sharers, Error> {
        let path = format!("Organisations/{organisation}/Persons");
        let reply = self.api.get(&path, Table::Person.what())?;
        if reply.status() == 404 {
            return Ok(Sharers { contacts: Vec::new(), next: None });
        }
        let records: Vec<Record> = ok(reply, Table::Person.what())?.json(Table::Person.what())?;
        let all: BTreeSet<i64> = ids(&records, Table::Person)?.into_iter().filter(|id| *id > after).collect();
        let limit = usize::try_from(limit.max(1)).unwrap_or(1);
        let found: Vec<i64> = all.iter().copied().take(limit).collect();
        let rest = all.len() > found.len();
        let next = found.last().filter(|_| rest).map(|after| Place::List { after: *after });
        sharers(&found, next)
    }
}

fn sharers(found: &[i64], next: Option<Place>) -> Result<Sharers, Error> {
    let contacts = found.iter().map(ToString::to_string).collect();
    Ok(Sharers { contacts, next: next.map(|place| write_cursor(&place)).transpose()? })
}

//! `/Queries`: scripts like SQL, and pages that no change of the data can shift.
//!
//! A page is the records after an id, in the order of their ids. So it is always the first page of its own query: what
//! is added or deleted meanwhile moves nobody past the reader. That webCRM compares ids and orders by them is inferred,
//! so the order of every page is looked at, and one that is not so is refused.

use jiff::Timestamp;
use sluice_sdk::Error;

use crate::api::{Api, in_query};
use crate::inferred::{UNORDERED, quoted};
use crate::record::{Record, ids};
use crate::table::Table;

/// The most ids that one script names, so that it fits into any request line.
pub const IDS_A_SCRIPT: usize = 50;

/// A part of a `WHERE`. Made of the names of [`Table`], numbers and moments only.
#[derive(Debug, Clone)]
pub struct Condition(String);

impl Condition {
    /// Records that were created or changed since a moment.
    pub fn changed_since(table: Table, since: Timestamp) -> Self {
        Self(format!("{} >= {}", table.updated_at(), quoted(&since.to_string())))
    }

    /// Records with one of these ids.
    pub fn one_of(table: Table, ids: &[i64]) -> Self {
        Self::any(table.id(), ids)
    }

    /// Persons of one of these organisations.
    pub fn of_organisations(ids: &[i64]) -> Self {
        Self::any("PersonOrganisationId", ids)
    }

    fn any(field: &str, ids: &[i64]) -> Self {
        let each: Vec<String> = ids.iter().map(|id| format!("{field} = {id}")).collect();
        Self(format!("({})", each.join(" OR ")))
    }
}

/// Records of a table, all or those for which a condition holds.
#[derive(Debug)]
pub struct Query {
    /// Of which table.
    pub table: Table,
    /// Which of them.
    pub condition: Option<Condition>,
}

impl Query {
    /// At most so many records with a greater id, in the order of their ids.
    ///
    /// # Errors
    /// As webCRM answers; `unsupported` where it does not keep to the order.
    pub fn page(&self, api: &Api, after: i64, size: u32) -> Result<Vec<Record>, Error> {
        let path = format!("Queries?script={}&Page=1&Size={size}", in_query(&self.script(after)));
        let records: Vec<Record> = api.read(&path, self.table.what())?;
        let ids = ids(&records, self.table)?;
        let too_many = u32::try_from(ids.len()).map_or(true, |got| got > size);
        if too_many || !is_after(after, &ids) {
            return Err(unordered(self.table));
        }
        Ok(records)
    }

    fn script(&self, after: i64) -> String {
        let (name, id) = (self.table.name(), self.table.id());
        let condition = self.condition.as_ref().map(|it| format!("{} AND ", it.0)).unwrap_or_default();
        format!("SELECT * FROM {name} WHERE {condition}{id} > {after} ORDER BY {id} ASC")
    }
}

/// Whether ids ascend, each after a given one.
pub fn is_after(after: i64, ids: &[i64]) -> bool {
    std::iter::once(&after).chain(ids).zip(ids).all(|(one, next)| one < next)
}

/// The error for records that are not in the order of their ids.
pub fn unordered(table: Table) -> Error {
    Error::unsupported(format!(
        "webCRM does not send {} in the order of their ids, so that some could be left out. Report it.",
        table.what()
    ))
    .with(UNORDERED, "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts() {
        let all = Query { table: Table::Person, condition: None };
        assert_eq!(all.script(7), "SELECT * FROM Person WHERE PersonId > 7 ORDER BY PersonId ASC");
        let since = "2026-05-17T10:00:00Z".parse().unwrap();
        let changed = Condition::changed_since(Table::Organisation, since);
        let changed = Query { table: Table::Organisation, condition: Some(changed) };
        assert_eq!(
            changed.script(0),
            "SELECT * FROM Organisation WHERE OrganisationUpdatedAt >= '2026-05-17T10:00:00Z' AND OrganisationId > 0 \
             ORDER BY OrganisationId ASC"
        );
        let of = Query { table: Table::Person, condition: Some(Condition::of_organisations(&[3, 4])) };
        assert_eq!(
            of.script(0),
            "SELECT * FROM Person WHERE (PersonOrganisationId = 3 OR PersonOrganisationId = 4) AND PersonId > 0 \
             ORDER BY PersonId ASC"
        );
    }

    #[test]
    fn order() {
        assert!(is_after(3, &[4, 5, 9]) && is_after(3, &[]));
        assert!(!is_after(3, &[3, 4]) && !is_after(3, &[4, 4]) && !is_after(3, &[5, 4]));
    }
}

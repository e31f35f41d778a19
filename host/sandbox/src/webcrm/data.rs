//! The records of the simulated webCRM: kept sparsely, served whole.
//!
//! Promises: ids are never used twice; each write moves the record's time of change on, and on past that of every
//! other, so that an order by it is one.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::model::Table;

/// The fields that were set.
pub(crate) type Record = BTreeMap<&'static str, Value>;

/// Why a write is refused.
#[derive(Debug)]
pub(crate) enum Refused {
    NotFound,
    Invalid(String),
}

#[derive(Debug)]
struct Row {
    updated_at: Timestamp,
    record: Record,
}

/// All records.
#[derive(Debug, Default)]
pub(crate) struct Data {
    persons: BTreeMap<u64, Row>,
    organisations: BTreeMap<u64, Row>,
    last_change: Timestamp,
    last_ids: [u64; 2],
}

impl Data {
    fn rows(&self, table: Table) -> &BTreeMap<u64, Row> {
        match table {
            Table::Person => &self.persons,
            Table::Organisation => &self.organisations,
        }
    }

    fn rows_mut(&mut self, table: Table) -> &mut BTreeMap<u64, Row> {
        match table {
            Table::Person => &mut self.persons,
            Table::Organisation => &mut self.organisations,
        }
    }

    fn last_id(&mut self, table: Table) -> &mut u64 {
        let [person, organisation] = &mut self.last_ids;
        match table {
            Table::Person => person,
            Table::Organisation => organisation,
        }
    }

    /// Puts a record in as it is, with its times.
    pub(crate) fn put(&mut self, table: Table, id: u64, at: Timestamp, mut record: Record) {
        record.insert(table.id(), json!(id));
        record.insert(table.created_at(), json!(written(at)));
        record.insert(table.updated_at(), json!(written(at)));
        let last = self.last_id(table);
        *last = (*last).max(id);
        self.rows_mut(table).insert(id, Row { updated_at: at, record });
    }

    /// The ids of a table, ascending.
    pub(crate) fn ids(&self, table: Table) -> Vec<u64> {
        self.rows(table).keys().copied().collect()
    }

    /// The ids with those first that changed last.
    pub(crate) fn ids_by_change(&self, table: Table) -> Vec<u64> {
        let mut ids: Vec<(Timestamp, u64)> =
            self.rows(table).iter().map(|(id, row)| (row.updated_at, *id)).collect();
        ids.sort_unstable_by(|left, right| right.cmp(left));
        ids.into_iter().map(|(_, id)| id).collect()
    }

    /// A field of a record, for comparing.
    pub(crate) fn value(&self, table: Table, id: u64, field: &str) -> Option<Value> {
        let row = self.rows(table).get(&id)?;
        let set = row.record.get(field).cloned();
        set.or_else(|| table.field(field).map(super::model::Field::empty))
    }

    /// A record as it is served: every field is there.
    pub(crate) fn record(&self, table: Table, id: u64) -> Option<Value> {
        let row = self.rows(table).get(&id)?;
        let fields = table.fields().iter().map(|field| {
            let value = row.record.get(field.name).cloned().unwrap_or_else(|| field.empty());
            (field.name.to_owned(), value)
        });
        Some(Value::Object(fields.collect::<Map<_, _>>()))
    }

    /// Adds a record; gives its id.
    pub(crate) fn create(&mut self, table: Table, values: &Value) -> Result<u64, Refused> {
        let record = checked(table, values)?;
        let has_name =
            record.get("PersonLastName").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
        if table == Table::Person && !has_name {
            return Err(Refused::Invalid("PersonLastName is mandatory.".to_owned()));
        }
        let id = self.last_id(table).saturating_add(1);
        let at = self.now();
        self.put(table, id, at, record);
        Ok(id)
    }

    /// Changes the given fields.
    pub(crate) fn update(&mut self, table: Table, id: u64, values: &Value) -> Result<(), Refused> {
        let mut changed = checked(table, values)?;
        let of = self.value(table, id, "PersonOrganisationId");
        if changed.get("PersonOrganisationId").is_some_and(|new| of.as_ref() != Some(new)) {
            return Err(Refused::Invalid("The organisation of a person cannot be changed.".to_owned()));
        }
        let at = self.now();
        let row = self.rows_mut(table).get_mut(&id).ok_or(Refused::NotFound)?;
        row.updated_at = at;
        row.record.append(&mut changed);
        row.record.insert(table.updated_at(), json!(written(at)));
        Ok(())
    }

    pub(crate) fn delete(&mut self, table: Table, id: u64) -> Result<(), Refused> {
        self.rows_mut(table).remove(&id).map(drop).ok_or(Refused::NotFound)
    }

    /// The present time, or just after the last change.
    fn now(&mut self) -> Timestamp {
        let after = self.last_change.checked_add(SignedDuration::from_millis(1)).unwrap_or(self.last_change);
        self.last_change = Timestamp::now().max(after);
        self.last_change
    }
}

/// As .NET writes a time in UTC: seven digits of fraction.
fn written(at: Timestamp) -> String {
    format!("{at:.7}")
}

fn checked(table: Table, values: &Value) -> Result<Record, Refused> {
    let invalid = |what: String| Refused::Invalid(what);
    let values = values.as_object().ok_or_else(|| invalid("The body is no record.".to_owned()))?;
    let own = [table.id(), table.created_at(), table.updated_at()];
    let mut record = Record::new();
    for (name, value) in values.iter().filter(|(name, _)| !own.contains(&name.as_str())) {
        let field = table.field(name).ok_or_else(|| invalid(format!("There is no field {name}.")))?;
        if !field.takes(value) {
            return Err(invalid(format!("The value of {name} is not valid.")));
        }
        record.insert(field.name, value.clone());
    }
    Ok(record)
}

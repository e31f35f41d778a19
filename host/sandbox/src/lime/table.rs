//! The rows behind the simulated Lime CRM: a base that never changes (read from the data files or
//! computed on demand by the generator) and what was changed since, laid over it.
//!
//! Promises: ids ascend; a read sees every change made before it; a generated base takes no memory for
//! each row, so that 200,000 persons cost nothing until they are changed. Validation and meaning of values
//! are left to `write` and `query`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use jiff::civil::Date;

use super::model::Limetype;

/// One value as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Null,
    Text(String),
    Int(i64),
    Dec(f64),
    Bool(bool),
    Time(Timestamp),
    Date(Date),
    /// The key of an option.
    Key(String),
    /// The id of a related object.
    Ref(u64),
}

/// One object: its cells in the order of its limetype's properties.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) cells: Vec<Cell>,
}

impl Row {
    pub(crate) fn cell(&self, limetype: &Limetype, property: &str) -> &Cell {
        limetype.position(property).and_then(|at| self.cells.get(at)).unwrap_or(&Cell::Null)
    }
}

/// Rows that never change.
pub(crate) trait Base: Send + Sync + std::fmt::Debug {
    fn get(&self, id: u64) -> Option<Row>;
    /// The smallest id that is greater than `after`.
    fn next(&self, after: u64) -> Option<u64>;
    fn last(&self) -> u64;
    /// The ids of the rows whose belongsto property is `id`; `None` when no index serves it.
    fn related(&self, property: &str, id: u64) -> Option<Vec<u64>>;
}

/// Rows held in memory, with an index on every belongsto property.
#[derive(Debug)]
pub(crate) struct Held {
    rows: Vec<Row>,
    index: HashMap<&'static str, HashMap<u64, Vec<u64>>>,
}

impl Held {
    pub(crate) fn new(limetype: &Limetype, mut rows: Vec<Row>) -> Self {
        rows.sort_by_key(|row| row.id);
        let mut index: HashMap<_, HashMap<u64, Vec<u64>>> = HashMap::new();
        for row in &rows {
            for (property, cell) in limetype.properties.iter().zip(&row.cells) {
                if let Cell::Ref(related) = cell {
                    index.entry(property.name).or_default().entry(*related).or_default().push(row.id);
                }
            }
        }
        Self { rows, index }
    }
}

impl Base for Held {
    fn get(&self, id: u64) -> Option<Row> {
        let at = self.rows.binary_search_by_key(&id, |row| row.id).ok()?;
        self.rows.get(at).cloned()
    }

    fn next(&self, after: u64) -> Option<u64> {
        let at = self.rows.partition_point(|row| row.id <= after);
        self.rows.get(at).map(|row| row.id)
    }

    fn last(&self) -> u64 {
        self.rows.last().map_or(1000, |row| row.id)
    }

    fn related(&self, property: &str, id: u64) -> Option<Vec<u64>> {
        Some(self.index.get(property).and_then(|ids| ids.get(&id)).cloned().unwrap_or_default())
    }
}

/// A limetype's rows: the base with the changes over it.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) limetype: &'static Limetype,
    base: Box<dyn Base>,
    /// What was changed; `None` is deleted.
    changed: BTreeMap<u64, Option<Row>>,
    last: u64,
}

impl Table {
    pub(crate) fn new(limetype: &'static Limetype, base: Box<dyn Base>) -> Self {
        let last = base.last();
        Self { limetype, base, changed: BTreeMap::new(), last }
    }

    pub(crate) fn get(&self, id: u64) -> Option<Row> {
        match self.changed.get(&id) {
            Some(row) => row.clone(),
            None => self.base.get(id),
        }
    }

    /// The ids that are greater than `after`, ascending.
    pub(crate) fn ids(&self, after: u64) -> impl Iterator<Item = u64> + '_ {
        let mut at = after;
        std::iter::from_fn(move || {
            loop {
                let base = self.base.next(at);
                let over = self.changed.range(at + 1..).next().map(|(id, row)| (*id, row.is_some()));
                let (id, there) = match (base, over) {
                    (Some(base), Some((over, there))) if over <= base => (over, there),
                    (Some(base), _) => (base, true),
                    (None, Some(over)) => over,
                    (None, None) => return None,
                };
                at = id;
                if there {
                    return Some(id);
                }
            }
        })
    }

    /// The ids of the rows whose belongsto property is one of `wanted`, ascending.
    pub(crate) fn related(&self, property: &str, wanted: &[u64]) -> Option<Vec<u64>> {
        let mut ids = BTreeSet::new();
        for id in wanted {
            ids.extend(self.base.related(property, *id)?);
        }
        ids.retain(|id| !self.changed.contains_key(id));
        let at = self.limetype.position(property)?;
        ids.extend(self.changed.iter().filter_map(|(id, row)| match row.as_ref()?.cells.get(at)? {
            Cell::Ref(related) if wanted.contains(related) => Some(*id),
            _ => None,
        }));
        Some(ids.into_iter().collect())
    }

    pub(crate) fn put(&mut self, row: Row) {
        self.last = self.last.max(row.id);
        self.changed.insert(row.id, Some(row));
    }

    pub(crate) fn delete(&mut self, id: u64) {
        self.changed.insert(id, None);
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.last + 1
    }
}

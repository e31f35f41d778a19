//! The rows behind the simulated Lime CRM: a base that never changes (read from the data files or
//! computed on demand by the generator) and what was changed since, laid over it.
//!
//! Promises: ids ascend; a read sees every change made before it; a generated base takes no memory for
//! each row, so that 200,000 persons cost nothing until they are changed; what is related to an object is
//! found without a look at the other changed rows; a deleted row is kept, so that it can be restored.
//! Validation and meaning of values are left to `write` and `query`.

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

/// For each belongsto property: the rows that name an object, ascending.
#[derive(Debug, Default)]
struct Index(HashMap<&'static str, HashMap<u64, BTreeSet<u64>>>);

impl Index {
    fn add(&mut self, limetype: &Limetype, row: &Row) {
        for (property, related) in references(limetype, row) {
            self.0.entry(property).or_default().entry(related).or_default().insert(row.id);
        }
    }

    fn remove(&mut self, limetype: &Limetype, row: &Row) {
        for (property, related) in references(limetype, row) {
            let Some(all) = self.0.get_mut(property) else { continue };
            let Some(ids) = all.get_mut(&related) else { continue };
            ids.remove(&row.id);
            if ids.is_empty() {
                all.remove(&related);
            }
        }
    }

    fn get(&self, property: &str, id: u64) -> impl Iterator<Item = u64> + '_ {
        self.0.get(property).and_then(|all| all.get(&id)).into_iter().flatten().copied()
    }
}

fn references(limetype: &Limetype, row: &Row) -> impl Iterator<Item = (&'static str, u64)> {
    limetype.properties.iter().zip(&row.cells).filter_map(|(property, cell)| match cell {
        Cell::Ref(related) => Some((property.name, *related)),
        _ => None,
    })
}

/// Rows held in memory, with an index on every belongsto property.
#[derive(Debug)]
pub(crate) struct Held {
    rows: Vec<Row>,
    index: Index,
}

impl Held {
    pub(crate) fn new(limetype: &Limetype, mut rows: Vec<Row>) -> Self {
        rows.sort_by_key(|row| row.id);
        let mut index = Index::default();
        for row in &rows {
            index.add(limetype, row);
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
        Some(self.index.get(property, id).collect())
    }
}

/// What lies over a row of the base.
#[derive(Debug)]
enum Over {
    There(Row),
    /// The row as it was; `None` where that is as the base has it.
    Deleted(Option<Row>),
}

/// A limetype's rows: the base with the changes over it.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) limetype: &'static Limetype,
    base: Box<dyn Base>,
    changed: BTreeMap<u64, Over>,
    /// Of the changed rows that are there.
    index: Index,
    last: u64,
}

impl Table {
    pub(crate) fn new(limetype: &'static Limetype, base: Box<dyn Base>) -> Self {
        let last = base.last();
        Self { limetype, base, changed: BTreeMap::new(), index: Index::default(), last }
    }

    pub(crate) fn get(&self, id: u64) -> Option<Row> {
        match self.changed.get(&id) {
            Some(Over::There(row)) => Some(row.clone()),
            Some(Over::Deleted(_)) => None,
            None => self.base.get(id),
        }
    }

    /// A deleted row, as it was when it was deleted.
    pub(crate) fn deleted(&self, id: u64) -> Option<Row> {
        match self.changed.get(&id)? {
            Over::There(_) => None,
            Over::Deleted(Some(row)) => Some(row.clone()),
            Over::Deleted(None) => self.base.get(id),
        }
    }

    /// The ids that are greater than `after`, ascending.
    pub(crate) fn ids(&self, after: u64) -> impl Iterator<Item = u64> + '_ {
        let mut at = after;
        std::iter::from_fn(move || {
            loop {
                let base = self.base.next(at);
                let over = self.changed.range(at + 1..).next();
                let over = over.map(|(id, over)| (*id, matches!(over, Over::There(_))));
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

    /// The ids of the rows whose belongsto property is one of `wanted`, ascending; `None` when no index
    /// serves it.
    pub(crate) fn related(&self, property: &str, wanted: &[u64]) -> Option<Vec<u64>> {
        let mut ids = BTreeSet::new();
        for id in wanted {
            ids.extend(self.base.related(property, *id)?);
        }
        ids.retain(|id| !self.changed.contains_key(id));
        ids.extend(wanted.iter().flat_map(|id| self.index.get(property, *id)));
        Some(ids.into_iter().collect())
    }

    pub(crate) fn put(&mut self, row: Row) {
        self.last = self.last.max(row.id);
        if let Some(Over::There(old)) = self.changed.get(&row.id) {
            self.index.remove(self.limetype, old);
        }
        self.index.add(self.limetype, &row);
        self.changed.insert(row.id, Over::There(row));
    }

    pub(crate) fn delete(&mut self, id: u64) {
        let row = match self.changed.remove(&id) {
            Some(Over::There(row)) => {
                self.index.remove(self.limetype, &row);
                Some(row)
            }
            Some(Over::Deleted(row)) => row,
            None => None,
        };
        self.changed.insert(id, Over::Deleted(row));
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.last + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lime::model::limetype;

    fn consents(rows: &[(u64, u64)]) -> Table {
        let consent = limetype("consent").unwrap();
        let rows = rows.iter().map(|(id, person)| of(*id, Cell::Ref(*person))).collect();
        Table::new(consent, Box::new(Held::new(consent, rows)))
    }

    fn of(id: u64, person: Cell) -> Row {
        let mut cells = vec![Cell::Null; limetype("consent").unwrap().properties.len()];
        cells[0] = person;
        Row { id, created: Timestamp::UNIX_EPOCH, updated: Timestamp::UNIX_EPOCH, cells }
    }

    #[test]
    fn what_is_related_follows_every_change() {
        let mut table = consents(&[(1, 7), (2, 7), (3, 8)]);
        let related = |table: &Table, person: u64| table.related("person", &[person]).unwrap();
        assert_eq!(related(&table, 7), [1, 2]);
        table.put(of(1, Cell::Ref(8)));
        table.put(of(4, Cell::Ref(7)));
        assert_eq!((related(&table, 7), related(&table, 8)), (vec![2, 4], vec![1, 3]));
        table.put(of(1, Cell::Null));
        table.delete(3);
        table.delete(4);
        assert_eq!((related(&table, 7), related(&table, 8)), (vec![2], vec![]));
        table.put(table.deleted(4).unwrap());
        assert_eq!(related(&table, 7), [2, 4]);
        assert_eq!(table.related("person", &[7, 8]).unwrap(), [2, 4]);
        assert!(table.index.0["person"].len() == 1, "nothing is left of what is no longer so");
    }

    #[test]
    fn a_deleted_row_is_kept_as_it_was() {
        let mut table = consents(&[(1, 7), (2, 7)]);
        table.put(of(2, Cell::Ref(9)));
        table.delete(1);
        table.delete(2);
        table.delete(2);
        assert_eq!((table.get(1), table.get(2), table.ids(0).count()), (None, None, 0));
        assert_eq!(table.deleted(1), Some(of(1, Cell::Ref(7))));
        assert_eq!(table.deleted(2), Some(of(2, Cell::Ref(9))));
        assert_eq!(table.deleted(3), None);
        table.put(of(1, Cell::Null));
        assert_eq!((table.deleted(1), table.get(1)), (None, Some(of(1, Cell::Null))));
    }
}

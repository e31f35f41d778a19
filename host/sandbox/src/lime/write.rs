//! Creating, changing, deleting and restoring objects, by the API and by the sandbox's own control alike.
//!
//! Promises: an unknown property, a wrong type, null for text, an over-long text and an unknown option key
//! are refused and change nothing; deleting an object detaches what belonged to it, as Lime's soft delete
//! does (page "recently deleted"), and restoring it brings the object back without them; every change
//! moves `_timestamp`; every object that a write touched is in what it gives back, in the order in which
//! it was written. What webhooks make of that is left to `event`.

use jiff::Timestamp;
use serde_json::Value;

use super::clock::{Clock, stored};
use super::feed::full_name;
use super::model::{Kind, LIMETYPES, Limetype};
use super::query::{Checked, Refused, bad};
use super::store::Data;
use super::table::{Cell, Row};

/// What was done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    New,
    Update,
    Delete,
    Restore,
}

impl Action {
    pub(crate) const ALL: [Self; 4] = [Self::New, Self::Update, Self::Delete, Self::Restore];

    /// As events name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Restore => "restore",
        }
    }
}

/// One object that a write touched.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) limetype: &'static Limetype,
    pub(crate) action: Action,
    /// The row before; nothing for a new object.
    pub(crate) before: Option<Row>,
    /// The row after, or the deleted row.
    pub(crate) row: Row,
}

pub(crate) fn create(data: &mut Data, name: &str, values: &Value) -> Checked<Change> {
    let limetype = data.limetype(name)?;
    let cells = limetype
        .properties
        .iter()
        .map(|property| match property.kind {
            Kind::String(_) | Kind::Text(_) | Kind::Phone(_) | Kind::Link(_) => Cell::Text(String::new()),
            Kind::YesNo => Cell::Bool(false),
            Kind::Option(_) => Cell::Key("empty".to_owned()),
            _ => Cell::Null,
        })
        .collect();
    if let Some(missing) = limetype
        .properties
        .iter()
        .find(|property| property.required && values.get(property.name).is_none_or(Value::is_null))
    {
        return bad(format!("The property \"{}\" is required.", missing.name));
    }
    let now = stored(Timestamp::now());
    let row = Row { id: data.table(limetype)?.next_id(), created: now, updated: now, cells };
    let row = changed(data, limetype, row, values)?;
    put(data, limetype, Action::New, None, row)
}

pub(crate) fn update(data: &mut Data, name: &str, id: u64, values: &Value) -> Checked<Change> {
    let limetype = data.limetype(name)?;
    let before = existing(data, limetype, id)?;
    let mut row = changed(data, limetype, before.clone(), values)?;
    row.updated = stored(Timestamp::now());
    put(data, limetype, Action::Update, Some(before), row)
}

/// The children that were detached, then the object itself.
pub(crate) fn delete(data: &mut Data, name: &str, id: u64) -> Checked<Vec<Change>> {
    let limetype = data.limetype(name)?;
    let row = existing(data, limetype, id)?;
    let mut changes = Vec::new();
    for other in LIMETYPES {
        for (at, property) in other.properties.iter().enumerate() {
            if property.kind != Kind::BelongsTo(limetype.name) {
                continue;
            }
            let table = data.table(other)?;
            let ids = match table.related(property.name, &[id]) {
                Some(ids) => ids,
                None => table
                    .ids(0)
                    .filter(|row| {
                        table.get(*row).is_some_and(|row| row.cells.get(at) == Some(&Cell::Ref(id)))
                    })
                    .collect(),
            };
            for child in ids {
                let Some(before) = data.table(other)?.get(child) else { continue };
                let mut row = before.clone();
                if let Some(cell) = row.cells.get_mut(at) {
                    *cell = Cell::Null;
                }
                row.updated = stored(Timestamp::now());
                changes.push(put(data, other, Action::Update, Some(before), row)?);
            }
        }
    }
    data.table_mut(limetype)?.delete(id);
    changes.push(Change { limetype, action: Action::Delete, before: Some(row.clone()), row });
    Ok(changes)
}

/// Brings a deleted object back. What it lost by the delete stays lost, and so does a relation to an
/// object that is gone by now.
pub(crate) fn restore(data: &mut Data, name: &str, id: u64) -> Checked<Change> {
    let limetype = data.limetype(name)?;
    let missing = || Refused::NotFound(format!("No object {name} {id} was deleted."));
    let before = data.table(limetype)?.deleted(id).ok_or_else(missing)?;
    let mut row = before.clone();
    for (property, cell) in limetype.properties.iter().zip(&mut row.cells) {
        let (Kind::BelongsTo(related), Cell::Ref(id)) = (property.kind, &*cell) else { continue };
        let related = data.limetype(related).and_then(|related| existing(data, related, *id));
        if related.is_err() {
            *cell = Cell::Null;
        }
    }
    row.updated = stored(Timestamp::now());
    put(data, limetype, Action::Restore, Some(before), row)
}

fn put(
    data: &mut Data,
    limetype: &'static Limetype,
    action: Action,
    before: Option<Row>,
    row: Row,
) -> Checked<Change> {
    data.table_mut(limetype)?.put(row.clone());
    Ok(Change { limetype, action, before, row })
}

fn existing(data: &Data, limetype: &Limetype, id: u64) -> Checked<Row> {
    let missing = || Refused::NotFound(format!("The object {} {id} does not exist.", limetype.name));
    data.table(limetype)?.get(id).ok_or_else(missing)
}

fn changed(data: &Data, limetype: &'static Limetype, mut row: Row, values: &Value) -> Checked<Row> {
    let Some(values) = values.as_object() else { return bad("The body must be an object.") };
    for (name, value) in values {
        let missing = || Refused::BadRequest(format!("The property \"{name}\" does not exist."));
        let property = limetype.property(name).filter(|it| data.serves(it.kind)).ok_or_else(missing)?;
        let cell = cell(data, property.name, property.kind, value)?;
        let at = limetype.position(name).ok_or_else(missing)?;
        if let Some(place) = row.cells.get_mut(at) {
            *place = cell;
        }
    }
    if limetype.name == "person" {
        let part = |name: &str| match row.cell(limetype, name) {
            Cell::Text(text) => text.as_str(),
            _ => "",
        };
        let name = full_name(part("firstname"), part("lastname"));
        if let Some(place) = limetype.position("name").and_then(|at| row.cells.get_mut(at)) {
            *place = Cell::Text(name);
        }
    }
    Ok(row)
}

fn cell(data: &Data, name: &str, kind: Kind, value: &Value) -> Checked<Cell> {
    let wrong = || Refused::BadRequest(format!("Invalid field value for \"{name}\"."));
    Ok(match (kind, value) {
        (
            Kind::String(length) | Kind::Text(length) | Kind::Phone(length) | Kind::Link(length),
            Value::String(text),
        ) => {
            if text.chars().count() > usize::try_from(length).unwrap_or(usize::MAX) {
                return bad(format!(
                    "Value of field '{name}' is longer than the allowed {length} characters"
                ));
            }
            Cell::Text(text.clone())
        }
        (Kind::String(_) | Kind::Text(_) | Kind::Phone(_) | Kind::Link(_) | Kind::HasMany(_), _) => {
            return Err(wrong());
        }
        (Kind::Option(options), value) => {
            let key = match value {
                Value::String(key) => key,
                Value::Object(option) => option.get("key").and_then(Value::as_str).ok_or_else(wrong)?,
                _ => return Err(wrong()),
            };
            if !options.iter().any(|(known, _)| *known == key) {
                return Err(wrong());
            }
            Cell::Key(key.to_owned())
        }
        (_, Value::Null) => Cell::Null,
        (Kind::YesNo, Value::Bool(yes)) => Cell::Bool(*yes),
        (Kind::Integer, value) => Cell::Int(value.as_i64().ok_or_else(wrong)?),
        (Kind::Decimal, value) => Cell::Dec(value.as_f64().ok_or_else(wrong)?),
        (Kind::Time, Value::String(text)) => Cell::Time(data.clock.read(text).ok_or_else(wrong)?),
        (Kind::Date, Value::String(text)) => Cell::Date(Clock::read_date(text).ok_or_else(wrong)?),
        (Kind::BelongsTo(related), value) => {
            let id = value.as_u64().ok_or_else(wrong)?;
            existing(data, data.limetype(related)?, id).map_err(|_| wrong())?;
            Cell::Ref(id)
        }
        _ => return Err(wrong()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lime::feed::People;
    use crate::lime::store::LimeSwitches;

    fn touched(changes: &[Change]) -> Vec<(&'static str, Action, u64)> {
        changes.iter().map(|change| (change.limetype.name, change.action, change.row.id)).collect()
    }

    #[test]
    fn a_delete_gives_the_detached_children_first_and_a_restore_does_not_bring_them_back() {
        let mut data = Data::new(People::Files, LimeSwitches::default()).unwrap();
        let person =
            create(&mut data, "person", &json!({"firstname": "Maja", "company": 1001})).unwrap().row.id;
        let consent = json!({"person": person, "date": "2026-05-20", "source": "email"});
        let consent = create(&mut data, "consent", &consent).unwrap().row.id;
        let changes = delete(&mut data, "person", person).unwrap();
        assert_eq!(
            touched(&changes),
            [("consent", Action::Update, consent), ("person", Action::Delete, person)]
        );
        assert_eq!(changes[0].before.as_ref().unwrap().cells[0], Cell::Ref(person));
        assert_eq!(changes[0].row.cells[0], Cell::Null);
        assert!(delete(&mut data, "person", person).is_err());

        let back = restore(&mut data, "person", person).unwrap();
        assert_eq!(back.row.cell(back.limetype, "company"), &Cell::Ref(1001));
        assert!(back.row.updated >= changes[1].row.updated);
        let consents = data.limetype("consent").unwrap();
        assert_eq!(data.table(consents).unwrap().related("person", &[person]), Some(vec![]));
        assert!(restore(&mut data, "person", person).is_err(), "what is there cannot be restored");
    }

    #[test]
    fn a_restored_object_belongs_to_nobody_who_is_gone() {
        let mut data = Data::new(People::Files, LimeSwitches::default()).unwrap();
        let person =
            create(&mut data, "person", &json!({"firstname": "Maja", "company": 1001})).unwrap().row.id;
        delete(&mut data, "person", person).unwrap();
        delete(&mut data, "company", 1001).unwrap();
        let back = restore(&mut data, "person", person).unwrap();
        assert_eq!(back.row.cell(back.limetype, "company"), &Cell::Null);
    }
}
